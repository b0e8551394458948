#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: a statement that ends its own session, whatever hides it. Somebody else's KILL is tried again; what
# ends at the same statement each time, on a server that is up, is the file's failure; of what controls its transaction
# itself it is asked at once.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb
number=0
as_app() { # one statement with semicolons inside, as the user of the files
    mariadb --no-defaults --skip-ssl --user=app --socket="$SLUICE_TEST_MARIADB_SOCKET" --delimiter='$$' -e "$1" "$database"
}
fresh() {
    number=$((number + 1))
    database=ended$number
    db_create mariadb $database
    url=$(db_uri mariadb $database)
    rm -rf sql
    mkdir sql
    echo 'create table t (id int);' >sql/V1__t.sql
    "$SLUICE" migrate --url "$url" --dir sql >/dev/null
}
ask() { db_sql mariadb "$database" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
states() { ask "select concat_ws(' ', step, state, verdict, error_code) from sluice_journal where version = '2' order by seq"; }
history() { ask "select concat_ws(' ', version, success) from flyway_schema_history order by installed_rank"; }
ends='create function f() returns int begin kill connection_id(); return 1; end'

# ends_itself NAME ROWS STATEMENT: the second of the file; ROWS are those of the journal in the end
ends_itself() {
    fresh
    as_app "$ends"
    printf '%sinsert into t values (1);\n%s;\n' "${head:-}" "$3" >sql/V2__end.sql
    for try in 1 2; do
        run_expect "$1: attempt $try is tried again" 9 'V2__end.sql:[23]:1: statement 2: 1927 .*DatabaseUnavailable' migrate
    done
    is "$1: no failure yet" "$(history)" '1 1'
    run_expect "$1: info takes it for a file that waits" 0 '' "$SLUICE" info --url "$url" --dir sql
    run_expect "$1: the third is the file's failure, and says what to do" 3 \
        'V2__end.sql:[23]:1: statement 2: 1927 .*server is up since.*3 attempts in a row.*ends its own session, as KILL CONNECTION_ID\(\).*take that out of the file.*\(MigrationFailed\)' migrate
    is "$1: it is written down" "$(states)" "$2"
    sed -i '$d' sql/V2__end.sql
    run_expect "$1: without it the file goes through" 0 '' migrate
    is "$1: once" "$(ask 'select group_concat(id) from t')" 1
}
twice=$'2 resolved not-applied 1927\n2 resolved not-applied 1927\n2 failed 1927'
ends_itself "a function in an INSERT" "$twice" 'insert into t values (f())'
ends_itself "a function in a SELECT" "$twice" 'select f()'
ends_itself "a SET of its value" "$twice" 'set @a = f()'
fresh
as_app 'create trigger g before update on t for each row kill connection_id()'
printf 'insert into t values (1);\nupdate t set id = 3;\n' >sql/V2__end.sql
for try in 1 2; do run_expect "a trigger: attempt $try" 9 'statement 2: 1927' migrate; done
run_expect "a trigger: the third" 3 'statement 2: 1927 .*\(MigrationFailed\)' migrate
is "a trigger: nothing of the file is there" "$(ask 'select count(*) from t')" 0

# ---- what controls its transaction itself ------------------------------------------------------------------

# asked NAME WHAT STATEMENT ROWS: OutcomeUnknown at once; ROWS of t once a person has said that it is not there. '': the
# file needs a variable that is gone
asked() {
    fresh
    as_app 'create procedure p() begin insert into t values (2); kill connection_id(); end'
    as_app "$ends"
    as_app 'create procedure commits() begin insert into t values (3); commit; kill connection_id(); end'
    printf 'insert into t values (1);\n%s;\ninsert into t values (4);\n' "$3" >sql/V2__end.sql
    run_expect "$1: asked at once" 8 "statement [0-9]: 1927 .*; $2.*; if it ends its own session, as KILL CONNECTION_ID\(\) does, take that out of the file.*--verdict not-applied" migrate
    step=$(ask "select step from sluice_journal where state = 'intent'")
    run_expect "$1: and again" 8 'OutcomeUnknown' migrate
    is "$1: it ran once" "$(ask "select count(*) from sluice_journal where step = $step and version = '2'")" 1
    "$SLUICE" resolve --url "$url" --version 2 --step "$step" --verdict not-applied --reason looked >/dev/null
    sed -i '/prepare\|execute\|call\|atomic/d' sql/V2__end.sql
    [ -n "$4" ] || return 0
    run_expect "$1: without it the file goes on" 0 '' migrate
    is "$1: what was done before is there once" "$(ask 'select group_concat(id order by id) from t')" "$4"
}
rolled='what it did in its transaction is rolled back'
asked "CALL" "$rolled" 'call p()' 1,4
asked "CALL of one that commits" 'it has committed by itself' 'call commits()' 1,3,4
asked "EXECUTE IMMEDIATE" "$rolled" "execute immediate concat('kill ', connection_id())" 1,4
asked "a table that a query fills by a function" 'it has committed by itself' 'create table called as select f() as a' 1,4
asked "a compound statement" "$rolled" 'begin not atomic insert into t values (2); kill connection_id(); end' 1,4
asked "PREPARE and EXECUTE by a variable" "$rolled" $'set @s = concat(\'kill \', connection_id());\nprepare p from @s;\nexecute p' ''

head=$'-- sluice: idempotent=true\n'
fresh
as_app 'create procedure p() begin insert into t values (2); kill connection_id(); end'
printf '%sinsert into t values (1);\ncall p();\n' "$head" >sql/V2__end.sql
for try in 1 2; do run_expect "idempotent=true: attempt $try" 9 'statement 2: 1927' migrate; done
run_expect "idempotent=true: the third is the file's failure" 3 'statement 2: 1927 .*\(MigrationFailed\)' migrate
run_expect "idempotent=true: and each one after it" 3 'statement 2: 1927 .*\(MigrationFailed\)' migrate
is "idempotent=true: whether a part stayed nobody has found out" "$(states)" \
    $'1 done\n2 intent 1927\n2 intent 1927\n2 intent 1927\n2 intent 1927'
ask 'drop procedure p'
as_app 'create procedure p() insert into t values (2)'
run_expect "idempotent=true: when the procedure is mended the file goes through" 0 '' migrate
is "idempotent=true: once" "$(ask 'select group_concat(id order by id) from t')" 1,2
head=''

# ---- somebody else: the server says nothing then, the connection is lost -------------------------------------

fresh
echo 'insert into t select sleep(600);' >sql/V2__sleep.sql
sleeping() { [ -n "$(sleeper)" ]; }
sleeper() { ask "select id from information_schema.processlist where info like '%sleep(60%' and info not like '%processlist%'"; }
end_it() {
    migrate >out 2>err &
    runner=$!
    wait_for "$1: the statement runs" 20 sleeping
    ask "kill $(sleeper)"
    code=0; wait "$runner" || code=$?
    is "$1: tried again" "$code|$(history)" '9|1 1'
}
for time in once twice "three times" "four times"; do end_it "$time"; done
server_stop mariadb
server_resume mariadb
echo 'insert into t select sleep(0.1);' >sql/V2__sleep.sql
run_expect "when nobody ends it all is well" 0 '' migrate
is "once" "$(ask 'select count(*) from t')" 1
done_testing
