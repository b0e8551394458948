#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No database server can make a command or the controller wait past its time, or grow past its budget; nobody else's work
# is held by one that tries.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
cc -O1 -o peak "$SLUICE_SOURCE/tests/support/peak.c"
mkdir sql
echo 'create table one (id int);' >sql/V1__one.sql
hostiles=()
end_hostiles() { [ ${#hostiles[@]} = 0 ] || kill "${hostiles[@]}" 2>/dev/null || true; }
trap 'code=$?; end_hostiles; controller_end $code' EXIT

# hostile ENGINE WORD: sets $url
hostile() {
    local engine=$1 word=$2 heard=heard.$1.${2//:/.} script=pg_hostile.pl
    local arguments=("$word")
    if [ "$engine" = mariadb ]; then script=mydb_hostile.pl arguments=(0 "$word"); fi
    if [ ! -e "$heard" ]; then
        perl "$SLUICE_SOURCE/tests/integration/$script" "${arguments[@]}" >"$heard" 2>&1 &
        hostiles+=($!)
        within 20 grep -q '^[0-9]' "$heard" || flunk "the hostile server listens" "$(cat "$heard")"
    fi
    local mode=DISABLED
    if [ "$word" = tls ]; then mode=REQUIRED; fi
    if [ "$engine" = pg ]; then
        mode=${mode/DISABLED/disable}
        url="postgresql://app:$SLUICE_TEST_PASSWORD@127.0.0.1:$(head -n 1 "$heard")/shop?sslmode=${mode/REQUIRED/require}"
    else
        url="mariadb://app:$SLUICE_TEST_PASSWORD@127.0.0.1:$(head -n 1 "$heard")/shop?ssl-mode=$mode"
    fi
}

# ---- commands ---------------------------------------------------------------------------------------
# All at once: most of them only wait. A login has 2 s here, a look 30 s behind it, and one statement of a run's own
# 30 s with 15 s for its end.

login='silent drip tls'
pg_login='rounds parameters greet' mariadb_login='switches more'
pg_answers='rows big error notices notify copy copyin results lengths huge mute slow nulls wrong none nothing many zero'
mariadb_answers='in:rows in:big in:error in:results in:columns in:lengths in:file in:mute in:slow in:nulls in:wrong in:none in:nothing in:many'
BUDGET=160
begin() { # COMMAND ENGINE WORD
    hostile "$2" "$3"
    local name=$1.$2.${3//:/.}
    PEAK_FILE=$PWD/peak.$name timeout -s KILL 150 ./peak "$SLUICE" "$1" --url "$url" --dir sql --connect-timeout 2s --memory $BUDGET >"said.$name" 2>&1 &
    running+=($!)
}
words() { # ENGINE
    local answers=$1_answers first=$1_login
    echo $login ${!first} ${!answers}
}
running=()
for engine in pg mariadb; do for word in $(words $engine); do begin info $engine "$word"; done; done
for engine in pg mariadb; do for word in $login ${pg_login} ${mariadb_login} huge big error in:big in:error in:columns lengths in:lengths nulls in:nulls many in:many; do
    [[ " $(words $engine) " != *" $word "* ]] || begin migrate $engine "$word"
done; done
for pid in "${running[@]}"; do wait "$pid" || true; done

# A small process: what libraries and its code take comes on top of what it may allocate.
judge() { # COMMAND ENGINE WORD SECONDS
    local name=$1.$2.${3//:/.} code seconds mib
    read -r code seconds mib <"peak.$name" || { flunk "$1, $2: $3 ends" "$(tail -n 3 "said.$name")"; return; }
    printf '# %-8s %-8s %-12s code %3s %5s s %5s MiB\n' "$1" "$2" "$3" "$code" "$seconds" "$mib"
    if [ "$code" -lt 100 ] && perl -e "exit !($seconds <= $4 && $mib <= $BUDGET + 40)"; then
        pass "$1, $2: $3 ends in time and within its memory"
    else
        flunk "$1, $2: $3 ends in time and within its memory" "code $code, $seconds s of $4, $mib MiB" "$(tail -n 3 "said.$name")"
    fi
    if grep -qF "$SLUICE_TEST_PASSWORD" "said.$name" "heard.$2.${3//:/.}"; then flunk "$1, $2: $3 hears and shows no password"; fi
}
SLACK=20 # of a machine with much else to do
for file in peak.*; do
    IFS=. read -r _ command engine word rest <<<"$file"
    word=$word${rest:+:$rest}
    if [[ " $login $pg_login $mariadb_login " == *" $word "* ]]; then judge "$command" "$engine" "$word" $((4 + SLACK))
    elif [ "$command" = info ]; then judge "$command" "$engine" "$word" $((32 + SLACK))
    else judge "$command" "$engine" "$word" $((120 + SLACK)); fi
done
like "a login that does not end is named so" "$(cat said.info.pg.rounds said.migrate.pg.rounds)" 'the login at .* did not end in time'
like "an answer that is too large is named so" "$(cat said.info.pg.huge)" 'more than 160 MiB of memory.*DatabaseUnavailable'
like "in a run, too" "$(cat said.migrate.pg.huge)" 'larger than the memory that this process may take.*DatabaseUnavailable'
like "and by MariaDB's library" "$(cat said.migrate.mariadb.in.big)" 'larger than the memory|need more memory than the 160 MiB'
is "no answer brought a process down" "$(grep -lE 'signal (6|11)|code 13[49]' said.* peak.* || true)" ''

# Only a newer library can be told not to send a password in clear; docs/reference/commands.md says so.
if [ "$(psql --version | perl -ne 'print $1 if /(\d+)/')" -ge 16 ]; then
    hostile pg clear
    run_expect "PostgreSQL: a server that asks for the password in clear is refused" 5 'AccessDenied' \
        "$SLUICE" info --url "$url" --dir sql --connect-timeout 5s
    is "and does not hear it" "$(grep -cF "$SLUICE_TEST_PASSWORD" heard.pg.clear || true)" 0
fi

# ---- the controller -----------------------------------------------------------------------------------

pg_start pg
git_http_start
repo_new shop
mkdir -p "$SERVERS_DIR/shop/sql/only"
cp sql/V1__one.sql "$SERVERS_DIR/shop/sql/only"
commit shop first
db_create pg good
secret good-db "$(db_uri pg good)"
plan_file good shop <<'YAML'
  databases: [{name: only, secretRef: {name: good-db}}]
YAML
controller_start
run_expect "a plan of a good server is ready" 0 '' "$SLUICE" wait plan/good --timeout 60s
# An inspection is a session of that database; that a request was handled says only that it was heard.
sessions() { db_sql pg postgres "select sessions from pg_stat_database where datname = 'good'"; }
inspected_since() { [ "$(sessions)" -gt "$1" ]; }
look_ms() { # how long until the good plan's database was inspected
    local before after seen
    seen=$(sessions)
    before=$(date +%s%N)
    "$SLUICE" reconcile plan/good >/dev/null
    within 60 inspected_since "$seen" || echo "# not inspected within 60 s" >&2
    after=$(date +%s%N)
    echo $(((after - before) / 1000000))
}
LOOKS=25
looks() { for ((i = 0; i < LOOKS; i++)); do look_ms; done | sort -n | paste -sd' '; } # ms, the slowest last
read -ra quiet <<<"$(looks)"
for engine in pg mariadb; do
    for word in silent drip $([ $engine = pg ] && echo rounds parameters rows big error notices mute slow many nulls || echo switches in:rows in:big in:results in:mute in:slow in:nulls); do
        hostile $engine "$word"
        name=$engine-${word//:/-}
        secret "$name-db" "$url"
        plan_file "$name" shop <<YAML
  databases: [{name: only, secretRef: {name: $name-db}, tls: {mode: disable}}]
YAML
    done
done
sampled=0
sample() { # the controller's own size, and all of its children's, MiB
    local own
    own=$(perl -ne 'print int($1 / 1024) if /^VmRSS:\s+(\d+)/' /proc/$controller_pid/status)
    [ "$own" -le "$sampled" ] || sampled=$own
}
all_tried() { [ "$(grep -o '"database not inspected".*"plan":"[^"]*' "$CONTROLLER_LOG" | grep -o '"plan":"[^"]*' | sort -u | wc -l)" -ge 19 ]; }
tried_and_sampled() { sample; all_tried; }
wait_for "each of the hostile servers is found out in time" 120 tried_and_sampled
# They are asked again and again meanwhile: by themselves they would wait longer and longer.
pester() {
    local file
    while :; do
        for file in "$PLANS"/pg-*.yaml "$PLANS"/mariadb-*.yaml; do "$SLUICE" reconcile "plan/$(basename "$file" .yaml)" >/dev/null 2>&1 || true; done
    done
}
asked_now() { pgrep -P "$controller_pid" | wc -l; }
many() { [ "$(asked_now)" -ge 5 ]; }
pester &
hostiles+=($!)
wait_for "many of the hostile servers are being asked" 60 many
began=$(asked_now)
read -ra busy <<<"$(looks)"
ended=$(asked_now)
kill "${hostiles[-1]}"
sample
ok "and still are at the end" test "$ended" -ge 1
half=$((LOOKS / 2)) last=$((LOOKS - 1))
printf '# %s looks at the good plan, median and slowest: %s and %s ms alone, %s and %s ms beside %s to %s questions to hostile ones; the controller: %s MiB\n' \
    $LOOKS "${quiet[half]}" "${quiet[last]}" "${busy[half]}" "${busy[last]}" "$began" "$ended" "$sampled"
is "all looks were made" "${#quiet[@]} ${#busy[@]}" "$LOOKS $LOOKS"
ok "the good plan is looked at meanwhile as before: the slowest of $LOOKS within twice that and 2 s" \
    test "${busy[last]}" -le $((2 * quiet[last] + 2000))
ok "the controller itself stays small" test "$sampled" -lt 150
ok "a login that does not end is named so" grep -qE 'pg-rounds.*did not end in time' "$CONTROLLER_LOG"
ok "an answer that is too large is named so" grep -qE 'pg-big.*it needs more than 128 MiB' "$CONTROLLER_LOG"
children() { pgrep -P "$controller_pid" | wc -l; }
working() { [ "$(children)" -gt 0 ]; }
within 30 working || flunk "some are being asked"
before=$(date +%s%N)
controller_stop
took=$((($(date +%s%N) - before) / 1000000))
printf '# SIGTERM to the end: %s ms\n' "$took"
ok "SIGTERM ends it within five seconds" test "$took" -lt 5000

# ---- gates ----------------------------------------------------------------------------------------------

run_gate() { # QUERY
    cat >"$PLANS/good.yaml.new" <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: good}
spec:
  source: {url: '$SLUICE_TEST_GIT_HTTP_URL/shop.git', interval: 200ms}
  interval: 2s
  retryInterval: 200ms
  databases: [{name: only, secretRef: {name: good-db}}]
  strategy: {type: Canary, waves: [{name: canary, select: {names: [only]}, soak: 1s, gates: [{name: probe, sql: {query: "$1", interval: 200ms}}]}]}
YAML
    mv "$PLANS/good.yaml.new" "$PLANS/good.yaml"
}
rm -f "$PLANS"/pg-*.yaml "$PLANS"/mariadb-*.yaml
echo 'create table two (id int);' >"$SERVERS_DIR/shop/sql/only/V2__two.sql"
run_gate "select repeat('x', 200000000)"
commit shop second
: >"$CONTROLLER_LOG"
controller_start
measured() { sample; grep -q '"gate measured".*it needs more than 128 MiB' "$CONTROLLER_LOG"; }
sampled=0
wait_for "a gate whose value is 200 MB gives no answer" 120 measured
ok "and takes no room" test "$sampled" -lt 150
run_gate "select 1"
run_expect "the roll-out goes on with one that answers" 0 '' "$SLUICE" wait plan/good --commit "$sha" --timeout 60s
controller_stop
done_testing
