#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL: others hold locks. Short waits, tries again inside a budget, a message that names who holds
# it; deadlocks; SIGTERM; a pooler in between; a runner that stopped.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg deadlock_timeout=300ms
fresh() {
    db_create pg "$1"
    database=$1
    url=$(db_uri pg "$1")
    rm -rf sql
    mkdir sql
}
ask() { db_sql pg "$database" "$1"; }
session() { # [URL] a session that answers what is written to $in on $out
    coproc SESSION { PGAPPNAME=bystander psql -XAtq "${1:-$url}"; }
    # shellcheck disable=SC2153
    session_pid=$SESSION_PID in=${SESSION[1]} out=${SESSION[0]}
}
say() { printf '%s select 1;\n' "$1" >&"$in"; read -r -u "$out" _; }
hang_up() { eval "exec $in>&-"; wait "$session_pid" 2>/dev/null || true; }
blocked() { [ "$(ask "select count(*) from pg_stat_activity where datname = '$database' and usename = 'app' and wait_event_type = 'Lock'")" -gt 0 ]; }
noticed() { grep -q "$1" out; }
sleeping() { [ "$(ask "select count(*) from pg_stat_activity where datname = '$database' and wait_event = 'PgSleep'")" = 1 ]; }

# ---- a lock that is let go --------------------------------------------------------------------------
fresh waits
echo 'create table t (id int);' >sql/V1__t.sql
"$SLUICE" migrate --url "$url" --dir sql >/dev/null
echo 'insert into t values (1); alter table t add c int;' >sql/V2__alter.sql
echo 'insert into t values (2, 2);' >sql/V3__more.sql
session
say 'begin; lock table t;'
"$SLUICE" migrate --url "$url" --dir sql >out 2>err &
runner=$!
wait_for "the notice names who holds the lock" 20 noticed 'held by backend [0-9]* (bystander, user app, idle in transaction for'
ok "and says that it tries again" noticed 'trying V2__alter.sql again in'
free() { [ "$(ask "set lock_timeout = '10ms'; select count(*) from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 't' and not granted")" = 0 ]; }
wait_for "between the tries it stands in nobody's way" 10 free
say 'commit;'
code=0; wait "$runner" || code=$?
is "when the lock is gone it goes through" "$code" 0
is "every effect once" "$(ask 'select count(*) from t')|$(ask "select count(*) from flyway_schema_history")" '2|3'
is "a wait is no failure" "$(ask "select count(*) from sluice_journal where state = 'failed'")" 0
hang_up

# ---- one that is not --------------------------------------------------------------------------------
session
say 'begin; lock table t;'
echo 'alter table t add d int;' >sql/V4__alter.sql
printf -- '-- sluice: lock-timeout=100ms\nalter table t add e int;\n' >sql/V5__alter.sql
run_expect "after the budget it gives up and names the holder" 2 \
    'sql/V4__alter.sql:1:1: statement 1: 55P03 .*held by backend [0-9]* \(bystander.*LockTimeout' \
    "$SLUICE" migrate --url "$url" --dir sql --lock-retry-for 3s
is "that is not written down as a failure" "$(ask "select count(*) from sluice_journal where state = 'failed'")" 0
say 'rollback;'
run_expect "later it goes through" 0 '' "$SLUICE" migrate --url "$url" --dir sql
hang_up

# ---- a deadlock -------------------------------------------------------------------------------------
fresh deadlock
echo 'create table a (id int); create table b (id int); insert into a values (1); insert into b values (1);' >sql/V1__ab.sql
"$SLUICE" migrate --url "$url" --dir sql >/dev/null
printf -- '-- sluice: lock-timeout=30s\nupdate a set id = 2;\nselect pg_sleep(1);\nupdate b set id = 2;\n' >sql/V2__both.sql
session "$(servers_get pg ADMIN_URI | sed "s#/postgres?#/$database?#")"
say 'set deadlock_timeout = 60000; begin; update b set id = 3;' # so that the server ends ours
"$SLUICE" migrate --url "$url" --dir sql >out 2>err &
runner=$!
wait_for "the file has the first row" 20 sleeping
say 'update a set id = 3; commit;'
code=0; wait "$runner" || code=$?
is "a deadlock is tried again" "$code $(grep -c '40P01.*trying V2__both.sql again' out)" '0 1'
is "the file is in once" "$(ask 'select * from a')|$(ask 'select * from b')|$(ask 'select count(*) from flyway_schema_history')" '2|2|2'
hang_up

# ---- SIGTERM ----------------------------------------------------------------------------------------
fresh term
echo 'create table t (id int);' >sql/V1__t.sql
echo 'insert into t values (1); select pg_sleep(600);' >sql/V2__sleep.sql
echo 'insert into t values (3);' >sql/V3__t.sql
"$SLUICE" migrate --url "$url" --dir sql >out 2>err &
runner=$!
wait_for "the statement runs" 20 sleeping
kill -TERM "$runner"
code=0; wait "$runner" || code=$?
is "SIGTERM ends with 143" "$code" 143
like "and says where it was" "$(cat err)" 'sql/V2__sleep.sql:1:27: statement 2: interrupted'
is "the statement is cancelled, the file rolled back, nothing behind it ran" "$(sleeping && echo runs || echo no)|$(ask 'select count(*) from t')|$(ask 'select count(*) from flyway_schema_history')" 'no|0|1'
is "an interruption is no failure" "$(ask "select count(*) from sluice_journal where state = 'failed'")" 0

fresh term_index
echo 'create table t as select n as id from generate_series(1, 1000) n;' >sql/V1__t.sql
"$SLUICE" migrate --url "$url" --dir sql >/dev/null
echo 'create index concurrently t_id on t (id);' >sql/V2__index.sql
session
say 'begin isolation level repeatable read;'
"$SLUICE" migrate --url "$url" --dir sql >out 2>err &
runner=$!
wait_for "the index waits for an old snapshot" 20 blocked
kill -TERM "$runner"
code=0; wait "$runner" || code=$?
is "SIGTERM in a concurrent build ends with 143" "$code" 143
run_expect "as long as the snapshot lives the next run cannot clean up, and says why" 2 'blocked by backend [0-9]* \(bystander|waited for backend [0-9]* \(bystander' \
    "$SLUICE" migrate --url "$url" --dir sql --lock-retry-for 3s
say 'commit;'
run_expect "then it builds the index" 0 '' "$SLUICE" migrate --url "$url" --dir sql
is "one valid index" "$(ask "select count(*), bool_and(indisvalid) from pg_index where indrelid = 't'::regclass")" '1|t'
hang_up

# ---- a stopped runner -------------------------------------------------------------------------------
fresh stopped
echo 'create table t (id int);' >sql/V1__t.sql
echo 'insert into t values (1); select pg_sleep(1);' >sql/V2__sleep.sql
"$SLUICE" migrate --url "$url" --dir sql >out 2>err &
runner=$!
wait_for "a runner is in the middle" 20 sleeping
kill -STOP "$runner"
run_expect "while it lives, even stopped, it is in the way, and the message names it" 7 'backend [0-9]* \(sluice/[0-9a-f]{8}/1/[0-9a-f]{8}, user app' \
    "$SLUICE" migrate --url "$url" --dir sql --lock-wait 1s
kill -CONT "$runner"
code=0; wait "$runner" || code=$?
is "woken up it goes on" "$code $(ask 'select count(*) from t')" '0 1'

# ---- a session or a server that ends ----------------------------------------------------------------
fresh ended
echo 'create table t (id int);' >sql/V1__t.sql
echo 'insert into t values (1); select pg_sleep(600);' >sql/V2__sleep.sql
"$SLUICE" migrate --url "$url" --dir sql >out 2>err &
runner=$!
wait_for "the statement runs" 20 sleeping
ask "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'" >/dev/null
code=0; wait "$runner" || code=$?
is "a session that is ended is no failure of the file" "$code|$(ask 'select count(*) from t')|$(ask "select count(*) from sluice_journal where state = 'failed'")" '9|0|0'
like "it says what was said" "$(cat err)" 'sql/V2__sleep.sql:1:27: statement 2: 57P01'
"$SLUICE" migrate --url "$url" --dir sql >out 2>err &
runner=$!
wait_for "the statement runs again" 20 sleeping
server_kill pg
code=0; wait "$runner" || code=$?
is "neither is a server that dies" "$code" 9
like "that is said too" "$(cat err)" 'sql/V2__sleep.sql: the connection was lost in this file or at its COMMIT: .*DatabaseUnavailable'
server_resume pg
echo 'insert into t values (1);' >sql/V2__sleep.sql
run_expect "when it is back all is well" 0 '' "$SLUICE" migrate --url "$url" --dir sql
is "once" "$(ask 'select count(*) from t')" 1

# ---- a pooler ---------------------------------------------------------------------------------------
if command -v pgbouncer >/dev/null; then
    fresh pooled
    echo 'create table t (id int);' >sql/V1__t.sql
    port=$((20000 + RANDOM % 10000))
    cat >bouncer.ini <<INI
[databases]
* = host=$SLUICE_TEST_PG_SOCKET user=app
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir = $PWD
auth_type = any
pool_mode = transaction
logfile = $PWD/bouncer.log
pidfile = $PWD/bouncer.pid
INI
    pgbouncer -q bouncer.ini &
    bouncer=$!
    pooled="postgresql://app@127.0.0.1:$port/pooled?sslmode=disable"
    wait_for "the pooler answers" 10 psql -XAtq "$pooled" -c 'select 1'
    run_expect "a transaction pooler is refused" 6 'PoolerUnsupported' "$SLUICE" migrate --url "$pooled" --dir sql
    ok "reading through it works" "$SLUICE" info --url "$pooled" --dir sql
    is "nothing was made" "$(ask "select count(*) from pg_tables where schemaname = 'public'")" 0
    kill "$bouncer"
else
    skip "a transaction pooler is refused" "pgbouncer is not installed"
fi
done_testing
