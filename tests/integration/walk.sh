#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Nothing is a dead end: refusals, failures and unknown outcomes on real servers, and from each of them every way that
# its message names. Printed commands are run as they are printed; what a person has to do by hand the table does.
#
# A row: walk ENGINES NAME CODE REASON WAY…
#   scene_NAME makes the database and the files in which `sluice migrate` ends with CODE and REASON; for each WAY the
#   scene is made anew. A WAY is "PATTERN => DO": the message must say PATTERN, then DO is done by hand, and, if PATTERN
#   begins with "sluice", the printed command that matches it is run. Afterwards `migrate` must end with 0, the history
#   be whole, and validate content. Each printed command of a message must have a row that takes it.
# SLUICE_WALK=REGEX walks the scenes of that name only.
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

mariadb_start mariadb tcp
pg_start pg tcp

number=0
# shellcheck disable=SC2016
none() { [ $engine = pg ] && printf -- '-- sluice: transaction=none\n' || printf -- '-- a word\n'; } # statements are steps
file() { printf '%b' "$2" >"sql/$1"; }
steps() { { none; printf '%b' "$2"; } >"sql/$1"; }
q() { db_sql "$engine" "$db" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" "${options[@]}" "${run_options[@]}" "${dirs[@]}" "$@"; }
applied() { migrate >/dev/null 2>&1 || flunk "$name: what comes before" "$(migrate 2>&1)"; }
failed() { ! migrate >/dev/null 2>&1 || flunk "$name: a first attempt fails"; }

fresh() {
    number=$((number + 1))
    db=walk$number
    db_create "$engine" $db
    url=$(db_uri "$engine" $db)
    options=() run_options=() dirs=(--dir sql) subject=migrate held=''
    unset SLUICE_PASSWORD
    rm -rf sql && mkdir sql
    file V1__log.sql 'create table log (v int);\n'
}

# Are all versions of the files in, in a history without failed rows?
whole() {
    local version have
    have=$(q "select version from flyway_schema_history where success and type <> 'DELETE' and version is not null")
    for version in $(cd sql && printf '%s\n' V*__* | sed -E 's/^V([0-9_.]+)__.*/\1/; s/_/./g'); do
        grep -qx "$version" <<<"$have" || { echo "version $version is not in"; return 1; }
    done
    [ "$(q 'select count(*) from flyway_schema_history where not success')" = 0 ]
}

uncovered() { # the printed commands of the message that no way of the row takes
    local command way taken
    while read -r command; do
        taken=''
        for way in "${ways[@]}"; do
            [[ "$way" == sluice* ]] && grep -qE -- "${way%% => *}" <<<"$command" && taken=1
        done
        [ -n "$taken" ] || printf '%s\n' "$command"
    done < <(printed "$said")
}

walk() {
    local engines=$1 scene=$2 code=$3 reason=$4 way pattern by_hand engine name ways missing
    shift 4
    ways=("$@")
    [[ $scene =~ ${SLUICE_WALK:-.} ]] || return 0
    for engine in ${engines//,/ }; do
        missing=''
        for way in "${ways[@]}"; do
            pattern=${way%% => *} by_hand=${way#* => }
            name="$engine $scene: ${pattern:0:60}"
            fresh
            "scene_$scene"
            run_expect "$name: refused" "$code" "\($reason\)" "$subject"
            said=$run_stderr
            if [[ "$pattern" != sluice* ]]; then like "$name: the message says so" "$said" "$pattern"; fi
            missing=$(uncovered)
            eval "$by_hand"
            if [[ "$pattern" == sluice* ]]; then run_expect "$name: the printed command" 0 '' follow "$said" "$pattern"; fi
            run_expect "$name: leads out" 0 '' migrate
            run_expect "$name: validate is content" 0 '' "$SLUICE" validate --url "$url" "${options[@]}" "${dirs[@]}"
            ok "$name: the history is whole" whole
            db_drop "$engine" "$db" 2>/dev/null || true
        done
        is "$engine $scene: every printed command was walked" "$missing" ''
    done
}

# ---- the file is wrong ------------------------------------------------------------------------------------------------

scene_failed() { file V2__x.sql 'insert into nowhere values (1);\n'; }
walk pg,mariadb failed 3 MigrationFailed 'correct the file, .* then run it again => file V2__x.sql "select 1;\n"' \
    'remove the cause => q "create table nowhere (v int)"; [ $engine = mariadb ] || q "grant all on nowhere to app"' \
    'correct the file => rm sql/V2__x.sql; file V3__y.sql "select 1;\n"'

scene_half() { steps V2__x.sql 'create table a (v int);\ncreate table broken (v nonsense);\n'; }
walk pg,mariadb half 3 MigrationFailed 'correct the file, .* what has taken effect is not repeated => sed -i s/nonsense/int/ sql/V2__x.sql' \
    'sluice resolve .*--verdict restart => q "drop table a"; sed -i s/nonsense/int/ sql/V2__x.sql'

scene_left_behind() {
    steps V2__x.sql 'create table a (v int);\ninsert into log values (1);\ncreate table broken (v nonsense);\n'
    failed
    mv sql/V2__x.sql saved
    file V3__y.sql 'insert into log values (3);\n'
}
walk pg,mariadb left_behind 6 MigrationMissing 'statement 1 .line 2. applied, statement 2 .line 3. applied, and its file is gone: put it back => sed s/nonsense/int/ saved >sql/V2__x.sql' \
    'sluice resolve .*--verdict restart => q "drop table a"'

scene_changed_step() {
    steps V2__x.sql 'create table a (v int);\ncreate table broken (v nonsense);\n'
    failed
    steps V2__x.sql 'create table a (v int, w int);\ncreate table broken (v int);\n'
}
walk pg,mariadb changed_step 6 ChecksumMismatch 'restore it => steps V2__x.sql "create table a (v int);\ncreate table broken (v int);\n"' \
    'sluice resolve .*--verdict restart => q "drop table a"'

scene_shorter() {
    steps V2__x.sql 'create table a (v int);\ncreate table b (v int);\ncreate table broken (v nonsense);\n'
    failed
    steps V2__x.sql 'create table a (v int);\n'
}
walk pg,mariadb shorter 6 ChecksumMismatch 'restore it => steps V2__x.sql "create table a (v int);\ncreate table b (v int);\ncreate table broken (v int);\n"' \
    'sluice resolve .*--verdict restart => q "drop table a"; q "drop table b"'

scene_other_setting() {
    local setting='set search_path = public;'
    [ $engine = pg ] || setting="set sql_mode = '';"
    steps V2__x.sql "$setting\ncreate table a (v int);\ncreate table broken (v nonsense);\n"
    failed
    steps V2__x.sql 'create table a (v int);\ncreate table broken (v int);\n'
    restored="$setting\ncreate table a (v int);\ncreate table broken (v int);\n"
}
walk pg,mariadb other_setting 6 ChecksumMismatch 'restore (it|those) => steps V2__x.sql "$restored"' 'sluice resolve .*--verdict restart => q "drop table a"'

scene_lost_value() { # what a statement needs went with the session of the attempt that failed
    if [ $engine = pg ]; then
        steps V2__x.sql 'create temp table t as select 7 as v;\ncreate table broken (v nonsense);\ninsert into log select v from t;\n'
    else
        steps V2__x.sql 'set @a = (select 7);\ncreate table broken (v nonsense);\ninsert into log values (@a);\n'
    fi
    failed
    sed -i 's/nonsense/int/' sql/V2__x.sql
}
walk pg lost_value 3 MigrationFailed 'move the rest into a new file => steps V2__x.sql "create temp table t as select 7 as v;\n"; steps V3__y.sql "create table broken (v int);\ninsert into log values (7);\n"' \
    'sluice resolve .*--verdict restart => true'
walk mariadb lost_value 3 MigrationFailed 'write the value in its place => sed -i "s/(@a)/(7)/" sql/V2__x.sql' \
    'move the rest into a new file => steps V2__x.sql "set @a = (select 7);\ncreate table broken (v int);\n"; steps V3__y.sql "insert into log values (7);\n"' \
    'sluice resolve .*--verdict restart => true'

scene_verify() { { printf -- '-- sluice: verify=select count(*) = 1 from log\n'; none; printf 'create table a (v int);\n'; } >sql/V2__x.sql; }
walk pg,mariadb verify 3 MigrationFailed 'verify= .*is not true after the file.*correct the file => sed -i "s/= 1/= 0/" sql/V2__x.sql' \
    'remove the cause => q "insert into log values (1)"' \
    'sluice resolve .*--verdict restart => q "drop table a"; sed -i "s/= 1/= 0/" sql/V2__x.sql'

scene_quote() { file V2__x.sql "insert into log values ('1);\n"; }
walk pg,mariadb quote 6 InvalidMigration 'V2__x.sql:1:[0-9]+: .*correct what the message names => file V2__x.sql "insert into log values (1);\n"'

scene_control() { file V2__x.sql 'insert into log values (1);\nrollback;\ninsert into log values (2);\n'; }
walk pg,mariadb control 3 TransactionControlInMigration 'V2__x.sql:2:1: .*remove the statement => sed -i /rollback/d sql/V2__x.sql' \
    'split the file where it stood => file V2__x.sql "insert into log values (1);\n"; file V3__y.sql "insert into log values (2);\n"'

scene_directive() { file V2__x.sql '-- sluice: transactions=none\nselect 1;\n'; }
walk pg,mariadb directive 6 InvalidMigration 'V2__x.sql:1:.*transactions.*correct what the message names => sed -i s/transactions/transaction/ sql/V2__x.sql'

scene_placeholder() { file V2__x.sql 'insert into log values (${n});\n'; }
walk pg,mariadb placeholder 6 InvalidMigration 'V2__x.sql:1:[0-9]+: .*"?n"?.*correct what the message names => options+=(--placeholder n=1)'

scene_after() { file V2__x.sql '-- sluice: after=billing/12\nselect 1;\n'; }
walk pg,mariadb after 6 InvalidMigration 'say --assume billing=12 => options+=(--assume billing=12)'

scene_program() { file V2__x.sh 'echo hello\n'; }
walk pg,mariadb program 6 InvalidMigration 'V2__x.sh.*correct what the message names => rm sql/V2__x.sh'

scene_folder() { dirs=(--dir nowhere); }
walk pg,mariadb folder 6 InvalidMigration 'nowhere.*correct what the message names => dirs=(--dir sql)'

scene_empty() { mkdir -p empty; dirs=(--dir empty); }
walk pg,mariadb empty 6 InvalidMigration 'empty.*correct what the message names => dirs=(--dir sql)'

scene_twice() { file V2__x.sql 'select 1;\n'; file V02__y.sql 'select 2;\n'; }
walk pg,mariadb twice 6 DuplicateVersion 'rename or remove one of the two => rm sql/V02__y.sql'

scene_enum() { file V2__x.sql "create type e as enum ('a');\n"; applied; file V3__y.sql "alter type e add value 'b';\nselect 'b'::e;\n"; }
walk pg enum 3 MigrationFailed 'put this statement into a new file => file V3__y.sql "alter type e add value '"'b'"';\n"; file V4__z.sql "select '"'b'"'::e;\n"'

scene_commits() { file V2__x.sql "create procedure p() language plpgsql as 'begin commit; end';\ncall p();\n"; }
walk pg commits 3 MigrationFailed 'begin the file with the line -- sluice: transaction=none => sed -i "1i -- sluice: transaction=none" sql/V2__x.sql'

scene_own_history() { file V2__x.sql 'drop table sluice_journal;\nselect 1;\n'; }
walk pg own_history 3 MigrationFailed 'takes away or changes a table .*take that out of it => sed -i /drop/d sql/V2__x.sql'
walk mariadb own_history 3 MigrationFailed 'takes away or changes the table .* remove it => sed -i /drop/d sql/V2__x.sql'

scene_invalid_index() {
    q 'create table i (v int); insert into i values (1), (1); alter table i owner to app'
    psql -XAtq "${SLUICE_TEST_PG_ADMIN_URI/\/postgres\?//$db?}" -c 'create unique index concurrently i_v on i (v)' 2>/dev/null || true
    run_options+=(--baseline-on-migrate --baseline-version 0)
    file V2__x.sql 'create index concurrently if not exists i_v on i (v);\n'
}
walk pg invalid_index 3 MigrationFailed 'index .* is there but invalid: drop it first => q "drop index i_v"'

# ---- files that are applied -----------------------------------------------------------------------------------------------

scene_edited() { applied; cp sql/V1__log.sql saved; echo '-- more' >>sql/V1__log.sql; }
walk pg,mariadb edited 6 ChecksumMismatch 'restore the file as it was and put the change into a new one => cp saved sql/V1__log.sql' \
    'sluice repair .*--dir .sql. => true'

scene_renamed() { applied; mv sql/V1__log.sql sql/V1__other.sql; }
walk pg,mariadb renamed 6 DescriptionMismatch "restore the file's name => mv sql/V1__other.sql sql/V1__log.sql" 'sluice repair .*--dir .sql. => true'

scene_gone() { file V2__x.sql 'select 2;\n'; file V3__y.sql 'select 3;\n'; applied; mv sql/V2__x.sql saved; }
walk pg,mariadb gone 6 MigrationMissing 'restore the file => mv saved sql/V2__x.sql' "may be ignored with --ignore-pattern '[*]:missing' => options+=(--ignore-pattern '*:missing')" \
    'sluice repair .*--dir .sql. => true'

scene_java() { # of real Flyway: no file of ours shows it
    applied
    q "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        values (2, '0.5', 'java', 'JDBC', 'db.V0_5__java', null, 'someone', 1, true)"
    file V2__x.sql 'select 2;\n'
}
walk pg,mariadb java 6 MigrationMissing "gone for good: --ignore-pattern '[*]:missing' => options+=(--ignore-pattern '*:missing')"

scene_late() { file V3__y.sql 'select 3;\n'; applied; file V2__x.sql 'select 2;\n'; }
walk pg,mariadb late 6 OutOfOrder 'give it a higher version => mv sql/V2__x.sql sql/V4__x.sql' 'allow it with --out-of-order => options+=(--out-of-order)'

# ---- the history table ------------------------------------------------------------------------------------------------------

scene_flyways_row() {
    applied
    q "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        values (2, '2', 'x', 'SQL', 'V2__x.sql', 5, 'someone', 7, false)"
    file V2__x.sql 'insert into log values (2);\n'
}
walk pg,mariadb flyways_row 6 FailedHistoryRow 'sluice repair => true'

scene_baseline_gone() {
    db_drop $engine $db
    db_create $engine $db
    rm sql/V1__log.sql
    steps B2__base.sql 'create table log (v int);\ncreate table broken (v nonsense);\n'
    failed
    mv sql/B2__base.sql saved
    file V3__y.sql 'select 3;\n'
}
walk mariadb baseline_gone 6 MigrationMissing 'put it back => sed s/nonsense/int/ saved >sql/B2__base.sql' 'sluice resolve .*--verdict restart => q "drop table log"; steps B2__base.sql "create table log (v int);\n"'

scene_objects() { q 'create table log (v int)'; file V2__x.sql 'select 2;\n'; }
walk pg,mariadb objects 6 BaselineRequired 'sluice baseline .*--baseline-version .1. => true' 'record which version the schema already has => run_options+=(--baseline-on-migrate)'

scene_repair_refused() { # not migrate, which goes on; but another verb that a person may try
    steps V2__x.sql 'create table a (v int);\ncreate table broken (v nonsense);\n'
    failed
    sed -i 's/nonsense/int/' sql/V2__x.sql
    subject=repair
}
repair() { "$SLUICE" repair --url "$url" --dir sql; }
walk mariadb repair_refused 6 FailedHistoryRow '`sluice migrate` goes on from there => true' 'sluice resolve .*--verdict restart => q "drop table a"'

scene_resolve_refused() {
    steps V2__x.sql 'create table a (v int);\ncreate table broken (v nonsense);\n'
    failed
    sed -i 's/nonsense/int/' sql/V2__x.sql
    subject=resolve_failed
}
resolve_failed() { "$SLUICE" resolve --url "$url" --version 2 --step 2 --verdict applied --reason x; }
walk pg,mariadb resolve_refused 4 NotFound 'nothing of it has stayed, so that it is not applied: correct the file and run it again => true'

scene_tampered() { # where the journal decides: an attempt is open
    steps V2__x.sql 'create table a (v int);\ncreate table broken (v nonsense);\n'
    failed
    sed -i 's/nonsense/int/' sql/V2__x.sql
    q "update sluice_journal set script = 'x' where state = 'failed' and step > 0"
}
further() { # REGEX: what comes next has a printed command, too
    run_expect "$name: one thing more" 6 '' migrate
    run_expect "$name: whose printed command is" 0 '' follow "$run_stderr" "$1"
}
walk pg,mariadb tampered 6 HistoryTampered 'or drop sluice_journal and sluice_lease: => q "drop table sluice_journal"; q "drop table sluice_lease"; q "drop table a"; [ $engine = pg ] || further "^sluice repair"' \
    'restore the journal from a backup, => q "update sluice_journal set script = '"'V2__x.sql'"' where state = '"'failed'"' and step > 0"'

scene_engine() { q 'create table if not exists x (v int)'; applied_with_myisam; file V2__x.sql 'select 2;\n'; }
applied_with_myisam() { q 'drop table x'; applied; q 'alter table flyway_schema_history engine=MyISAM'; }
walk mariadb engine 6 UnsupportedServer 'ALTER TABLE .*flyway_schema_history.* ENGINE=InnoDB first => q "alter table flyway_schema_history engine=InnoDB"'

scene_trigger() {
    applied
    q "create function nothing() returns trigger language plpgsql as 'begin return null; end'; create trigger t before insert on flyway_schema_history for each row execute function nothing()"
    file V2__x.sql 'select 2;\n'
}
walk pg trigger 3 MigrationFailed 'drop the trigger on it => q "drop trigger t on flyway_schema_history"'

# ---- nobody knows -------------------------------------------------------------------------------------------------------------

working() { [ "$(if [ $engine = pg ]; then q "select count(*) from pg_stat_activity where query ~* '^call nap' and state = 'active' and datname = '$db'"
    else q "select count(*) from information_schema.processlist where db = '$db' and info regexp 'sleep[(]1[)]|call nap' and id <> connection_id()"; fi)" -gt 0 ]; }
resting() { ! working; }
call_file() { # NAME BODY…: V2 makes the procedure, V3 calls it
    if [ $engine = pg ]; then
        printf 'create table effect (v int);\ncreate procedure %s() language plpgsql as $$ begin %s end $$;\n' "$1" "$2" >sql/V2__procedure.sql
    else
        printf 'create table effect (v int);\ncreate procedure %s() begin %s end;\n' "$1" "$2" >sql/V2__procedure.sql
    fi
    applied
    steps V3__call.sql "call $1();\ninsert into log values (2);\n"
}
scene_interrupted() {
    call_file nap "insert into effect values (1); commit; $([ $engine = pg ] && echo 'perform pg_sleep(1)' || echo 'do sleep(1)');"
    "$SLUICE" migrate --url "$url" --dir sql >/dev/null 2>&1 &
    local runner=$!
    within 20 working || flunk "$name: the call has begun"
    kill -9 $runner
    wait $runner 2>/dev/null || true
    within 20 resting || flunk "$name: the call has ended"
}
walk pg,mariadb interrupted 8 OutcomeUnknown 'sluice resolve .*--verdict applied => [ "$(q "select count(*) from effect")" = 1 ] || flunk "it took effect"' \
    'sluice resolve .*--verdict not-applied => q "delete from effect"'
info_of_interrupted() { "$SLUICE" info --url "$url" "${dirs[@]}" >info.out && cat info.out >&2 && return 8; }
scene_interrupted_info() { scene_interrupted; migrate >/dev/null 2>&1 || true; echo '(OutcomeUnknown)' >reason; subject=info_with_reason; }
info_with_reason() { info_of_interrupted || { cat reason >&2; return 8; }; }
walk pg,mariadb interrupted_info 8 OutcomeUnknown 'sluice resolve .*--verdict applied => true' 'sluice resolve .*--verdict not-applied => q "delete from effect"'
validate_interrupted() { "$SLUICE" validate --url "$url" "${dirs[@]}" --ignore-pattern '*:pending'; }
scene_interrupted_validate() { scene_interrupted; subject=validate_interrupted; }
walk pg,mariadb interrupted_validate 8 OutcomeUnknown 'sluice resolve .*--verdict applied => true' 'sluice resolve .*--verdict not-applied => q "delete from effect"'

scene_partly() { # it has committed, and then it fails
    local no="raise exception 'no';"
    [ $engine = pg ] || no="signal sqlstate '45000' set message_text = 'no';"
    call_file p "insert into effect values (1); commit; if (select count(*) from effect) = 1 then $no end if;"
}
walk pg,mariadb partly 8 OutcomeUnknown 'sluice resolve .*--verdict applied => true' 'sluice resolve .*--verdict not-applied => true'

# ---- the server, and others on it -----------------------------------------------------------------------------------------------

hold() { # SQL: another session does it and stays
    db_sql $engine $db "$1; select $([ $engine = pg ] && echo pg_sleep || echo sleep)(60)" >/dev/null 2>&1 &
    held=$!
    within 20 holding || flunk "$name: it is held"
}
holding() { [ "$(holders)" != '' ]; }
holders() { if [ $engine = pg ]; then q "select pid from pg_stat_activity where query ~ 'pg_sleep[(]60[)]' and pid <> pg_backend_pid() and datname = '$db'"
    else q "select id from information_schema.processlist where info like 'select sleep(60)%' and db = '$db'"; fi; }
let_go() {
    local id
    for id in $(holders); do
        if [ $engine = pg ]; then q "select pg_terminate_backend($id)" >/dev/null; else q "kill $id" || true; fi
    done
    wait $held 2>/dev/null || true
}
scene_busy() {
    applied
    file V2__x.sql 'select 2;\n'
    run_options+=(--lock-wait 300ms)
    if [ $engine = pg ]; then hold 'select pg_advisory_lock(77433833903597)'; else
        hold "select get_lock('Flyway-$(python3 -c 'import sys
h = 0
for c in sys.argv[1]: h = (31 * h + ord(c)) & 0xffffffff
print(h - (h >> 31 << 32))' "\`$db\`.\`flyway_schema_history\`")', 0)"; fi
}
busy() { "$SLUICE" migrate --url "$url" --dir sql --lock-wait 300ms; }
walk pg,mariadb busy 7 DatabaseBusy 'wait until it ends, then run it again => let_go'

scene_locked() {
    applied
    file V2__x.sql 'alter table log add column w int;\n'
    subject=impatient
    if [ $engine = pg ]; then hold 'begin; lock table log'; else hold 'lock tables log write'; fi
}
impatient() { migrate --lock-timeout 200ms --lock-retry-for 500ms; }
walk pg,mariadb locked 2 LockTimeout 'end the session that holds it => let_go'

tcp_url() { db_uri $engine $db tcp; }
scene_password() { url=$(tcp_url); url=${url/$SLUICE_TEST_PASSWORD/wrong-horse}; }
walk pg,mariadb password 5 AccessDenied 'give its password by \$SLUICE_PASSWORD => url=${url/:wrong-horse/}; export SLUICE_PASSWORD=$SLUICE_TEST_PASSWORD' \
    'or --password-file => url=${url/:wrong-horse/}; echo "$SLUICE_TEST_PASSWORD" >password; options+=(--password-file password)'

scene_certificate() { url=$(tcp_url); url=${url//$SLUICE_TEST_CA/$SLUICE_TEST_OTHER_CA}; }
walk pg,mariadb certificate 5 TLSVerificationFailed "name the CA's file in --url by sslrootcert= .MySQL, MariaDB: ssl-ca= => url=\$(tcp_url)"

scene_nobody() { url=$(tcp_url | sed 's/@localhost:[0-9]*/@127.0.0.1:1/'); }
walk pg,mariadb nobody 9 DatabaseUnavailable 'check host, port, database, network and server, then run it again => url=$(tcp_url)'

scene_read_only() { q "alter database $db set default_transaction_read_only = on"; }
walk pg read_only 9 TargetReadOnly 'name the primary in --url, then run it again => db_sql pg postgres "alter database $db reset default_transaction_read_only"'

scene_right() {
    q 'create table secret (v int)'
    run_options+=(--baseline-on-migrate --baseline-version 0)
    file V2__x.sql 'insert into secret values (1);\n'
}
walk pg right 3 MigrationFailed '42501.*remove the cause => q "grant all on secret to app"'

# ---- how the command was given: the printed one must go to the same place ----------------------------------------------------------

scene_left_by_tcp() { scene_left_behind; url=$(tcp_url); url=${url/:$SLUICE_TEST_PASSWORD/}; export SLUICE_PASSWORD=$SLUICE_TEST_PASSWORD; }
walk pg,mariadb left_by_tcp 6 MigrationMissing "sluice resolve --url .*ssl.*--verdict restart => q 'drop table a'"
scene_left_by_file() { scene_left_by_tcp; unset SLUICE_PASSWORD; echo "$SLUICE_TEST_PASSWORD" >'pass word'; options+=(--password-file 'pass word'); }
walk pg,mariadb left_by_file 6 MigrationMissing "sluice resolve --url .*--password-file 'pass word' .*--verdict restart => q 'drop table a'"
scene_left_by_environment() {
    scene_left_behind
    subject=by_environment
    url=$(tcp_url)
    export SLUICE_URL=$url
}
by_environment() { "$SLUICE" migrate --dir sql; }
walk pg,mariadb left_by_environment 6 MigrationMissing 'sluice resolve --version .*--verdict restart => q "drop table a"'
unset SLUICE_URL
scene_other_table() {
    options+=(--table "it's history")
    [ $engine = mariadb ] || { q 'create schema "Ä b" authorization app'; options+=(--schema 'Ä b'); }
    steps 'R__it'"'"'s `odd` $HOME.sql' 'create table if not exists a (v int);\ncreate table broken (v nonsense);\n'
    failed
    mv sql/R__* saved
    file V3__y.sql 'select 3;\n'
}
walk pg,mariadb other_table 6 MigrationMissing "sluice resolve .*--table 'it'.*--description .*--verdict restart => whole() { true; }"
done_testing
