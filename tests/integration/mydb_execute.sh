#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: an EXECUTE that failed. It has committed our transaction if it ran DDL; nothing has stayed if that was one
# statement which is all or nothing. What cannot be proved is asked. So is a CREATE TABLE … SELECT whose query calls a
# function that may write: the server commits that when it takes the table back.
# timeout: 400
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb
number=0
q() { db_sql mariadb "$db" "$1"; }
as_app() { # one statement with semicolons inside, as the user of the files
    mariadb --no-defaults --skip-ssl --user=app --socket="$SLUICE_TEST_MARIADB_SOCKET" --delimiter='$$' -e "$1" "$db"
}
fresh() {
    number=$((number + 1))
    db=execute$number
    db_create mariadb $db
    url=$(db_uri mariadb $db)
    rm -rf sql
    mkdir sql
    q 'create table a (n int, m int); create table b (n int); insert into a values (1, 1)'
    as_app 'create procedure alters() begin alter table b add column x int; alter table a add column n int; end'
    as_app 'create procedure alter_waits() begin alter table b add column x int; alter table a add column x int; end'
    as_app 'create procedure alter_if() begin alter table b add column x int; if (select count(*) from a where n = 1 for update) > 0 then select 1; end if; end'
    as_app 'create procedure one() begin alter table a add column x int; end'
}
migrate() { "$SLUICE" migrate --url "$url" --dir sql --baseline-on-migrate "$@"; }
# The newest row of each step
steps() {
    q "select concat_ws(' ', step, state, verdict) from sluice_journal j where version = '2' and step > 0 and seq =
        (select max(seq) from sluice_journal k where k.version = j.version and k.step = j.step) order by step"
}

# ---- an error of its own ------------------------------------------------------------------------------------

# fails NAME CODE REGEX FILE STEPS
fails() {
    fresh
    printf '%s\n' "$4" >sql/V2__execute.sql
    run_expect "$1" "$2" "$3" migrate
    is "$1: is written down" "$(steps)" "$5"
}
fails "ALTER by a variable" 3 'statement 3: 1060 .*\(MigrationFailed\)' \
    $'set @s = \'alter table a add column n int\';\nprepare p from @s;\nexecute p;' '3 failed'
sed -i '1s/column n/column k/' sql/V2__execute.sql
run_expect "corrected it runs" 0 '' migrate
fails "ALTER by text" 3 '1060 .*\(MigrationFailed\)' $'execute immediate \'alter table a add column n int\';' '1 failed'
sed -i 's/column n/column k/' sql/V2__execute.sql
run_expect "corrected it runs" 0 '' migrate
is "and is there" "$(q "select count(*) from information_schema.columns where table_schema = '$db' and column_name = 'k'")" 1
fails "RENAME, half of which cannot be" 3 '1146 .*\(MigrationFailed\)' $'execute immediate \'rename table b to c, missing to d\';' '1 failed'
is "nothing of it is there" "$(q "select group_concat(table_name order by 1) from information_schema.tables where table_schema = '$db' and table_name in ('b', 'c', 'd')")" b
fails "CREATE INDEX" 3 '1072 .*\(MigrationFailed\)' $'execute immediate \'create index i on a (missing)\';' '1 failed'
fails "DROP of several is asked: a part is gone" 8 'a part of it may have stayed' $'execute immediate \'drop table b, missing\';' '1 intent'
is "a part is gone" "$(q "select count(*) from information_schema.tables where table_schema = '$db' and table_name = 'b'")" 0
fails "CREATE OR REPLACE is asked" 8 'a part of it may have stayed' $'execute immediate \'create or replace table b (k int not null) as select null as k\';' '1 intent'
fails "a CALL in it is asked" 8 'a part of it may have stayed' $'execute immediate \'call alters()\';' '1 intent'
fails "a CALL is asked" 8 'a part of it may have stayed' $'call alters();' '1 intent'
fails "a compound statement is asked" 8 'a part of it may have stayed' \
    $'begin not atomic alter table b add column x int; execute immediate \'alter table a add column n int\'; end;' '1 intent'
fails "of two in one file the second has failed" 3 'statement 2: 1060 .*\(MigrationFailed\)' \
    $'execute immediate \'alter table a add column x int\';\nexecute immediate \'alter table a add column n int\';' $'1 done\n2 failed'
fails "the file's settings are in the way of the proof: asked" 8 'a part of it may have stayed' \
    $'set sql_select_limit = 0;\nexecute immediate \'alter table a add column n int\';' $'2 intent'

# ---- a query that fills a table and writes elsewhere ------------------------------------------------------------

writes=$'create function f() returns int begin insert into b values (7); signal sqlstate \'45000\'; return 1; end'
# filled NAME CODE REGEX STATEMENT STEPS
filled() {
    fresh
    as_app "$writes"
    as_app 'create function harmless() returns int return 1'
    printf '%s\n' "$4" >sql/V2__execute.sql
    run_expect "$1" "$2" "$3" migrate
    is "$1: is written down" "$(steps)" "$5"
}
filled "a function that writes, and fails" 8 'statement 1: 1644 .*a part of it may have stayed.*\(OutcomeUnknown\)' 'create table x as select f() as a;' '1 intent'
is "what it wrote is there" "$(q 'select count(*) from b')" 1
run_expect "it does not run again by itself" 8 'OutcomeUnknown' migrate
is "so it is there once" "$(q 'select count(*) from b')" 1
filled "its name in quotes, in brackets of a CREATE OR REPLACE" 8 'statement 1: 1644 .*a part of it may have stayed' \
    $'create or replace table x (a int) as (select `F` () as a);' '1 intent'
as_app 'create view one as select f() as a'
as_app 'create view two as select * from one'
echo 'create table y as select * from two;' >sql/V3__view.sql
"$SLUICE" resolve --url "$url" --version 2 --step 1 --verdict applied --reason looked >/dev/null
run_expect "a view of a view that calls it" 8 'V3__view.sql:1:1: statement 1: 1644 .*a part of it may have stayed' migrate
filled "of a function that does not write nobody knows either" 8 'statement 1: 1048 .*a part of it may have stayed' \
    'create table x (k int not null) as select harmless() as a, null as k;' '1 intent'
filled "one that goes well is done" 0 '' 'create table x as select harmless() as a; insert into x values (2);' $'1 done\n2 done'
filled "functions of the server are no doubt" 3 'statement 1: 1048 .*\(MigrationFailed\)' \
    'create table x (k int not null) as select upper(1) as a, null as k; -- f' '1 failed'

# ---- a lock ---------------------------------------------------------------------------------------------------

sleeping() { [ -n "$(sleeper)" ]; }
sleeper() { q "select id from information_schema.processlist where info like '%sleep(60)%' and info not like '%processlist%' and db = '$db'"; }
# locked NAME CODE REGEX STATEMENT STEPS [CODE]: another session holds table a; then it is given up
locked() {
    fresh
    printf '%s\n' "$4" >sql/V2__execute.sql
    mariadb --no-defaults --skip-ssl -u root -S "$SLUICE_TEST_MARIADB_SOCKET" "$db" \
        -e 'begin; update a set m = 2; select sleep(60)' >/dev/null 2>&1 &
    holder=$!
    within 20 sleeping
    run_expect "$1, locked out" "$2" "$3" migrate --lock-retry-for 1s
    is "$1: is written down" "$(steps)" "$5"
    q "kill $(sleeper)"
    wait $holder || true
    run_expect "$1: and then" "${6:-0}" '' migrate
}
locked "ALTER" 2 'statement 1: 1205 .*blocked by.*\(LockTimeout\)' $'execute immediate \'alter table a add column x int\';' '1 resolved not-applied'
is "once" "$(q "select count(*) from information_schema.columns where table_schema = '$db' and table_name = 'a'")" 3
locked "TRUNCATE" 2 '1205 .*\(LockTimeout\)' $'execute immediate \'truncate a\';' '1 resolved not-applied'
locked "RENAME" 2 '1205 .*\(LockTimeout\)' $'execute immediate \'rename table b to c, a to d\';' '1 resolved not-applied'
locked "an UPDATE in it" 2 '1205 .*\(LockTimeout\)' $'execute immediate \'update a set m = 3\';' '1 resolved not-applied'
locked "DROP" 8 'a part of it may have stayed' $'execute immediate \'drop table b, a\';' '1 intent' 8
locked "a CALL of two" 8 'a part of it may have stayed' 'call alter_waits();' '1 intent' 8
locked "a CALL in it of two" 8 'a part of it may have stayed' $'execute immediate \'call alter_waits()\';' '1 intent' 8
locked "a CALL that waits in its condition" 8 'a part of it may have stayed' $'execute immediate \'call alter_if()\';' '1 intent' 8
locked "a CALL of one" 8 'a part of it may have stayed' 'call one();' '1 intent' 8

# ---- stopped --------------------------------------------------------------------------------------------------

fresh
echo 'call waits();' >sql/V2__execute.sql
as_app 'create procedure waits() begin update a set m = m + 1; do sleep(60); end'
"$SLUICE" migrate --url "$url" --dir sql --baseline-on-migrate >out 2>err &
runner=$!
within 20 sleeping
kill -TERM $runner
code=0; wait $runner || code=$?
is "SIGTERM in a CALL that has not committed" "$code" 143
is "it did not take effect, and that is written down" "$(q 'select m from a') $(steps)" '1 1 resolved not-applied'
q 'drop procedure waits'
as_app 'create procedure waits() update a set m = m + 1'
run_expect "so it runs again without a question" 0 '' migrate
is "once" "$(q 'select m from a')" 2
done_testing
