#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a person sees in a terminal, by a real one (tmux): the live line that ticks and leaves nothing behind, tables of wide
# letters, colour, hostile texts that do nothing, Ctrl-C, and what info tells of a database at work. Both engines.
# timeout: 420
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"

command -v tmux >/dev/null || skip_all "tmux is not installed"
scenes_start

# ---- the terminal -----------------------------------------------------------------------------------------------

terminal=(env -u TMUX tmux -u -S "$SERVERS_DIR/tmux" -f /dev/null)
trap 'code=$?; "${terminal[@]}" kill-server 2>/dev/null || true; servers_end $code' EXIT

# term_open COLUMNS [NAME=VALUE…]: a shell in a new terminal, with $url as $SLUICE_URL
term_open() {
    local columns=$1
    shift
    "${terminal[@]}" rename-session -t t old 2>/dev/null || true # the server ends with its last session
    "${terminal[@]}" new-session -d -s t -x "$columns" -y 40 \
        "env PS1='\$ ' LC_ALL=C.UTF-8 PATH='${SLUICE%/*}:$PATH' SLUICE_URL='$url' $* bash --norc --noprofile"
    "${terminal[@]}" kill-session -t old 2>/dev/null || true
    within 20 screen_has '^\$'
}
screen() { "${terminal[@]}" capture-pane -p "$@" -t t | sed '/^10[0-9][0-9]$/d; s/ *$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
screen_has() { screen | grep -qE -- "$1"; }
screen_lines() { screen | grep -cE -- "$1" || true; }
# type_in COMMAND: below a full screen. (Where a line is wrapped anew at the top of an empty one, tmux moves its beginning out
# of reach, into the history.)
type_in() {
    "${terminal[@]}" send-keys -t t -l "seq 1000 1045; $1"
    "${terminal[@]}" send-keys -t t Enter
}
# after COMMAND: the screen once it has ended
after() {
    local mark=$SRANDOM
    type_in "$1; echo \"end \$? of $mark\""
    within 40 screen_has "^end [0-9]+ of $mark$" || true
    screen
}
resize() { "${terminal[@]}" resize-window -t t -x "$1" -y 40; }

nap() { [ "$engine" = mariadb ] && echo "do sleep($1)" || echo "select pg_sleep($1)"; }
ticks() { # COUNT different times in the live line, within 10 s
    local seen=' ' now end=$((SECONDS + 10))
    while [ "$(wc -w <<<"$seen")" -lt "$1" ]; do
        [ $SECONDS -lt $end ] || return 1
        now=$(screen | sed -n 's/^  \[[0-9/]*\] \([0-9ms]*\)  .*/\1/p')
        [[ -z $now || $seen == *" $now "* ]] || seen+="$now "
        sleep 0.1
    done
}
esc=$'\033' bell=$'\a' rlo=$'\xe2\x80\xae' wide=订单表

for server in pg mariadb; do

    # ---- the live line ------------------------------------------------------------------------------------------

    scene $server
    {
        echo 'create table one (id int);'
        printf -- '-- why\n%s\n;\n' "$(nap 5)"
        echo 'create table two (id int);'
    } >"sql/V1__${wide}_a.sql"
    { echo "$none"; echo 'create table three (id int);'; echo "$(nap 5);"; } >sql/V2__steps.sql
    term_open 120
    type_in 'sluice migrate --dir sql; echo "end:$?"'
    wait_for "$server: the live line names file and statement" 20 \
        screen_has "^  \[1/2\] [0-9]s  V1__${wide}_a\.sql  statement 2 of 3: $(nap 5 | sed 's/[()]/\\&/g')$"
    ok "$server: and ticks" ticks 3
    resize 40
    wait_for "$server: a narrower terminal cuts it" 10 eval 'screen | tail -n 1 | grep -qE "^  \[1/2\] [0-9]s  V1__${wide}_a\.sql  statement$"'
    resize 20
    wait_for "$server: at 20 columns too" 10 eval 'screen | tail -n 1 | grep -qE "^  \[1/2\] [0-9]s  V1__订$"'
    "${terminal[@]}" pipe-pane -t t "cat >'$PWD/narrow'"
    wait_for "$server: it is drawn there" 10 grep -q "V1__订" narrow
    "${terminal[@]}" pipe-pane -t t
    is "$server: no wider than the terminal, which need not cut it" "$(grep -c "订单\|statement" narrow || true)" 0
    is "$server: and there is one of it" "$(screen_lines '\[1/2\]')" 1
    resize 120
    wait_for "$server: statements that are steps are told too" 20 screen_has '^  \[2/2\] [0-9]s  V2__steps\.sql  statement 2 of 2: '
    run_expect "$server: info of a database at work" 0 '^$' "$SLUICE" info --url "$url" --dir sql
    like "$server: says Running" "$run_stdout" $'\n2 +steps +Running '
    like "$server: and who, since when" "$run_stdout" $'\nlocked by a runner that is at work: [^ ]+@[^ ]+ since 20[-0-9: ]+ UTC: (backend|connection) [0-9]+ '
    ! [[ $run_stdout =~ nterrupted|resolve ]] && pass "$server: not interrupted" || flunk "$server: not interrupted" "$run_stdout"
    wait_for "$server: the run ends" 20 screen_has '^end:0$'
    is "$server: nothing of the live line is left" "$(screen_lines 'statement|waiting')" 0
    is "$server: one line a file" "$(screen_lines '^  \[[12]/2\] .*  applied \([0-9]+ ms\)$')" 2

    # ---- not a terminal -----------------------------------------------------------------------------------------

    scene $server
    echo "create table one (id int); $(nap 1);" >sql/V1__one.sql
    run_expect "$server: into a pipe" 0 '^$' env TERM=xterm "$SLUICE" migrate --url "$url" --dir sql
    is "$server: there are whole lines alone" "$(LC_ALL=C tr -d '\n -~' <<<"$run_stdout")" ''
    is "$server: three of them" "$(wc -l <<<"$run_stdout")" 3
    scene $server
    echo "create table one (id int); $(nap 1);" >sql/V1__one.sql
    term_open 120 TERM=dumb
    "${terminal[@]}" pipe-pane -t t "cat >'$PWD/raw'"
    type_in 'sluice migrate --dir sql; echo "end:$?"'
    wait_for "$server: a dumb terminal" 20 grep -q 'end:0' raw
    is "$server: has no live line" "$(grep -cE "statement 2|waiting|$esc\\[" raw || true)" 0

    # ---- tables and colour --------------------------------------------------------------------------------------

    scene $server
    echo 'select 1;' >"sql/V1__${wide}.sql"
    echo 'select 1;' >sql/V2__plain.sql
    echo 'select 1;' >sql/V3__$'cafe\xcc\x81_\xf0\x9f\x9a\x80'.sql
    ok "$server: wide names are applied" migrate
    for columns in 80 120; do
        term_open "$columns"
        table=$(after 'sluice info --dir sql' | grep -E '^(VERSION|[123] )')
        # tmux leaves one character for two columns: what stands before STATE is measured, not counted.
        is "$server: columns stand under each other ($columns)" \
            "$(LC_ALL=C.UTF-8 perl -CS -ne '/^(.*?)(STATE|Success)/ or next; $_ = $1; my $w = 0; for my $c (split //) { $w += $c =~ /\p{Mn}/ ? 0 : $c =~ /[\p{Ea=W}]/ ? 2 : 1 } print "$w\n"' <<<"$table" | sort | uniq -c | tr -s ' ' | cut -d' ' -f2)" 4
    done
    after 'sluice info --dir sql' >/dev/null
    like "$server: a state is coloured" "$(screen -e)" "${esc}\[32mSuccess${esc}\["
    after 'sluice info --dir sql --color never' >/dev/null
    ! [[ $(screen -e) =~ $esc ]] && pass "$server: not with --color never" || flunk "$server: not with --color never"
    term_open 120 NO_COLOR=1
    after 'sluice info --dir sql' >/dev/null
    ! [[ $(screen -e) =~ $esc ]] && pass "$server: nor with NO_COLOR" || flunk "$server: nor with NO_COLOR"
    like "$server: --color always, into a pipe" "$("$SLUICE" info --url "$url" --dir sql --color always)" "${esc}\[32mSuccess"

    # ---- hostile texts ------------------------------------------------------------------------------------------

    scene $server
    printf '%s\n' "create table t (a varchar(200));" \
        "insert into t values ('${esc}[2J${esc}]0;owned${bell}${rlo}x" "second	line');" >sql/V1__one.sql
    printf 'select 1;\n' >"sql/V2__b[31mred${rlo}.sql"
    term_open 120
    clean() { # NAME: neither the screen's bytes nor its title have been touched
        local bytes
        bytes=$("${terminal[@]}" capture-pane -p -t t)
        if [[ $bytes == *"$rlo"* || $("${terminal[@]}" display-message -p -t t '#{pane_title}') == *owned* ]]; then
            flunk "$1" "$bytes"
        else
            pass "$1"
        fi
    }
    shown=$(after 'sluice plan --dir sql')
    like "$server: plan spells them out" "$shown" "insert into t values \('.x1b\[2J.x1b\]0;owned.x07<U\+202E>x"
    like "$server: and keeps lines and tabs" "$shown" $'\nsecond  +line\'\);\n'
    [ $server = mariadb ] || like "$server: the transaction's borders are lines" "$shown" $'\nBEGIN;\n-- 1\\..*\nCOMMIT;\n\n'
    like "$server: a file's name" "$shown" '-- sql/V2__b\[31mred<U\+202E>\.sql: 1 statement'
    clean "$server: plan did nothing to the terminal"
    run_expect "$server: json is exact" 0 '^$' "$SLUICE" plan --url "$url" --dir sql -o json
    is "$server: nothing raw in it" "$(LC_ALL=C tr -d '\n -~' <<<"$run_stdout")" ''
    is "$server: and the text is the file's" \
        "$(perl -MJSON::PP -0 -ne 'binmode STDOUT, ":utf8"; print JSON::PP->new->utf8->decode($_)->{actions}[0]{statements}[1]{sql}' <<<"$run_stdout")" \
        "$(tail -n +2 sql/V1__one.sql | sed 's/;$//')"
    after 'sluice migrate --dir sql' >/dev/null
    clean "$server: migrate neither"
    concat="concat('red', $([ $server = pg ] && echo "chr(27) || '[31m' || chr(8238) || chr(10)" || echo "char(27), '[31m', _utf8mb4 0xe280ae, char(10)"), 'problem: none')"
    q "update flyway_schema_history set description = $concat, script = $concat where installed_rank = 1" >/dev/null
    shown=$(after 'sluice info --dir sql')
    like "$server: a hostile history row stays in its cell" "$shown" 'red.x1b\[31m<U\+202E>.nproblem: none'
    is "$server: and forges no line" "$(grep -cE '^problem: none' <<<"$shown" || true)" 0
    clean "$server: info neither"
    is "$server: one problem, on a line of its own" "$(grep -cE '^problem: ' <<<"$shown" || true)" 1
    shown=$(after 'sluice validate --dir sql; sluice repair --dir sql')
    clean "$server: nor validate and repair"

    # ---- Ctrl-C -------------------------------------------------------------------------------------------------

    scene $server
    { echo "$none"; echo 'create table one (id int);'; nap='select pg_sleep(60)'; [ $server = pg ] || nap='insert into one select sleep(60)'; echo "$nap;"; } >sql/V1__one.sql
    term_open 120
    type_in 'sluice migrate --dir sql; echo "end:$?"'
    wait_for "$server: a long statement runs" 20 screen_has 'statement 2 of 2'
    "${terminal[@]}" send-keys -t t C-c
    wait_for "$server: Ctrl-C ends it with 143" 20 screen_has '^end:143$'
    shown=$(screen)
    like "$server: it says interrupted" "$shown" $'\n  \[1/1\] V1__one\.sql  interrupted \('
    ! [[ $shown =~ FAILED ]] && pass "$server: not FAILED" || flunk "$server: not FAILED" "$shown"
    like "$server: and what stays" "$shown" 'V1__one\.sql: interrupted behind statement 1 of sql/V1__one\.sql:2, which stays'

    scene $server
    echo "insert into t select 1;" >sql/V1__one.sql
    term_open 120
    shown=$(after 'sluice migrate --dir sql')
    like "$server: a failure is FAILED all the same" "$shown" $'\n  \[1/1\] V1__one\.sql  FAILED \('

    # ---- nobody's database --------------------------------------------------------------------------------------

    scene $server
    q 'create table schema_migrations (version bigint, dirty boolean)' >/dev/null
    q 'create table old_history (installed_rank int, version varchar(50), description varchar(200), type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), success boolean)' >/dev/null
    q 'create table migrations (id int, from_country int)' >/dev/null
    echo 'select 1;' >sql/V1__one.sql
    run_expect "$server: info of a database without history" 0 '^$' "$SLUICE" info --url "$url" --dir sql
    like "$server: its files are pending" "$run_stdout" $'\nversion none, 1 pending\n.*\n1 +one +Pending '
    like "$server: and how to begin" "$run_stdout" $'\nhint: the schema is not empty .*`sluice baseline --url .*--baseline-version'
    like "$server: another tool's history" "$run_stdout" $'\nhint: the table "schema_migrations" is the history of golang-migrate'
    like "$server: Flyway's under another name" "$run_stdout" $'\nhint: the table "old_history" is a history of Flyway: .* --table \'old_history\''
    ! [[ $run_stdout =~ '"migrations"' ]] && pass "$server: not an application's table" || flunk "$server: not an application's table" "$run_stdout"
done

# ---- slips ------------------------------------------------------------------------------------------------------

run_expect "an unknown command" 1 '^sluice: there is no command "migrat", did you mean `sluice migrate`\? \(Usage\)' "$SLUICE" migrat
run_expect "help on one" 1 'no command "wiat", did you mean `sluice wait`' "$SLUICE" help wiat
run_expect "nothing is like it" 1 'no command "xyzzy" \(Usage\)' "$SLUICE" xyzzy
run_expect "an unknown option" 1 'unknown option "--dri", did you mean --dir\? \(Usage\)' "$SLUICE" info --dri x
run_expect "one that may be several" 1 'ambiguous option "--lock", did you mean --lock-wait, --lock-timeout or --lock-retry-for\?' \
    "$SLUICE" migrate --lock 3s
run_expect "a colour of its own" 1 '^sluice info: --color: "blue" is not auto, always or never \(Usage\)' "$SLUICE" info --color blue
for command in 'get' 'gate plan/x --min-version 1' 'wait plan/x' 'describe x' 'retry x'; do
    # shellcheck disable=SC2086
    run_expect "no prefix twice: $command" 1 "^sluice ${command%% *}: neither a folder nor a cluster is given" env -u KUBECONFIG HOME=/nonexistent "$SLUICE" $command
done
done_testing
