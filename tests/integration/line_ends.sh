#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A check-out with other line ends between two attempts at a file is no change of it: what was applied stays applied,
# what is open is settled, a repeatable goes on.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/relay.sh"

pg_start pg
mariadb_start mariadb

number=0
fresh() { # SERVER
    number=$((number + 1))
    server=$1 db=lines$number
    db_create "$server" $db
    url=$(db_uri "$server" $db)
    rm -rf sql
    mkdir sql
}
q() { db_sql "$server" "$db" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
lf() { sed -i 's/\r$//' sql/*.sql; }
crlf() { lf; sed -i 's/$/\r/' sql/*.sql; }
mixed() { lf; sed -i '2~2s/$/\r/' sql/*.sql; }

# ---- statements that are applied ------------------------------------------------------------------------

body='create table t
(
  id int, -- the key
  /* what
     it is */
  v int
);
insert into t
values (1,
        1);
insert into t
  select 2, v
  from later;
'
for server in pg mariadb; do
    for way in 'lf crlf' 'mixed lf'; do
        for file in V1__half.sql R__half.sql; do
            fresh $server
            printf -- '-- sluice: transaction=none\n%s' "$body" >sql/$file
            ${way% *}
            run_expect "$server, $file, $way: two of three statements" 3 'statement 3' migrate
            ${way#* }
            run_expect "$server, $file, $way: it fails where it did" 3 'statement 3' migrate
            q 'create table later (v int)'
            q 'insert into later values (2)'
            [ $server = mariadb ] || q 'grant select on later to app'
            run_expect "$server, $file, $way: and goes on when the cause is gone" 0 '' migrate
            is "$server, $file, $way: every effect once" "$(q 'select sum(id), count(*) from t' | tr '\t' '|')" '3|2'
            ${way% *}
            run_expect "$server, $file, $way: as it was, it is nothing new" 0 '' migrate
            is "$server, $file, $way: nothing ran" "$(q 'select count(*) from t')" 2
        done
    done
done

fresh pg
printf -- '-- sluice: transaction=none\n%s' "$body" >sql/V1__half.sql
migrate >/dev/null 2>&1 || true
sed -i 's/^values (1,/values (7,/' sql/V1__half.sql
crlf
run_expect "other line ends hide no other statement" 6 'statement 2 was changed' migrate

# ---- statements that are open ---------------------------------------------------------------------------

# open_one NAME PATTERN STATEMENT: its answer is lost
open_one() {
    fresh mariadb
    q 'create table t (id int)'
    printf '%s\n' "$3" >sql/V2__open.sql
    ${way% *}
    relay_start "$SLUICE_TEST_MARIADB_SOCKET" "$2" 1 reply
    "$SLUICE" migrate --url "mariadb://app@127.0.0.1:$relay_port/$db?ssl-mode=DISABLED" --dir sql --lock-wait 20s \
        --baseline-on-migrate >out 2>err </dev/null && flunk "$1: the connection is lost" "$(cat out err)"
    relay_stop
    ${way#* }
    run_expect "$1, $way: goes on" 0 '' migrate --lock-wait 20s
    like "$1, $way: it is applied" "$run_stdout" 'statement 1 of an interrupted attempt is applied'
}
for way in 'lf crlf' 'mixed lf'; do
    open_one "CREATE TABLE" 'create table n' $'create table n\n(\n  id int, -- a\n  v int\n);'
    open_one "CREATE PROCEDURE" 'create procedure' $'create procedure p()\nbegin\n  update t set id = 1;\nend;'
    open_one "CREATE TRIGGER" 'create trigger' $'create trigger g before insert on t for each row\nbegin\n  set new.id = 1;\nend;'
done

active() { [ "$(q "select count(*) from pg_stat_activity where datname = '$db' and state = 'active' and query ilike 'create index%'")" -gt 0 ]; }
alone() { [ "$(q "select count(*) from pg_stat_activity where datname = '$db' and application_name like 'sluice%'")" = 0 ]; }
for way in 'lf crlf' 'mixed lf'; do
    fresh pg
    echo 'create table t (id int);' >sql/V1__t.sql
    migrate >/dev/null
    printf 'create index concurrently\n  i -- by id\n  on t\n  (id);\n' >sql/V2__index.sql
    ${way% *}
    coproc SESSION { PGAPPNAME=bystander psql -XAtq "$url"; }
    # shellcheck disable=SC2153
    session_pid=$SESSION_PID in=${SESSION[1]}
    printf 'begin; insert into t values (1); select 1;\n' >&"$in"
    read -r -u "${SESSION[0]}" _
    migrate >out 2>err &
    runner=$!
    within 20 active || flunk "CREATE INDEX CONCURRENTLY, $way: never came to it" "$(cat out err)"
    kill -9 $runner
    wait $runner 2>/dev/null || true
    q "select pg_terminate_backend(pid) from pg_stat_activity where datname = '$db' and application_name like 'sluice%'" >/dev/null
    within 20 alone || flunk "CREATE INDEX CONCURRENTLY, $way: the old session does not end"
    printf 'rollback;\n\\q\n' >&"$in"
    wait "$session_pid" 2>/dev/null || true
    ${way#* }
    run_expect "CREATE INDEX CONCURRENTLY, $way: goes on" 0 '' migrate
    is "CREATE INDEX CONCURRENTLY, $way: one valid index" "$(q "select count(*), bool_and(indisvalid) from pg_index where indrelid = 't'::regclass")" '1|t'
done

done_testing
