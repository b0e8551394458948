#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What has a Job's name and is none, and a Job that runs and will never begin, hold up nobody for ever: the database says that
# no attempt of that number has begun, and after startTimeout none can.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"
stopped='' holder=''
end() {
    [ -z "$stopped" ] || kill -KILL "$stopped" 2>/dev/null || true
    [ -z "$holder" ] || kill "$holder" 2>/dev/null || true
    controller_end "$1"
}
controller_init
trap 'end $?' EXIT
pg_start pg log
db_create pg orders
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql/orders"
secret orders-db "$(db_uri pg orders)"
plan_file shop shop <<'YAML'
  databases: [{name: orders, secretRef: {name: orders-db}}]
  execution: {startTimeout: 20s}
YAML
echo 'create table one (id int);' >"$sql/orders/V1__one.sql"
commit shop first
controller_start
run_expect "a first commit" 0 '' wait_commit "$sha"
job() { sed -n 's/.*"job created".*"job":"\([^"]*\)".*/\1/p' "$CONTROLLER_LOG" | tail -n 1; }
first=$(job)
like "its Job" "$first" '^shop-orders-[0-9a-f]{10}-1$'

# ---- a name that is taken --------------------------------------------------------------------------

mkdir -p "$PLANS/.sluice/jobs/${first%1}2"
echo 'somebody' >"$PLANS/.sluice/jobs/${first%1}2/file"
echo 'create table two (id int);' >"$sql/orders/V2__two.sql"
commit shop second
run_expect "the name of the next attempt is taken: the one after that is made" 0 '' wait_commit "$sha" 60
is "under its own name" "$(job)" "${first%1}3"
ok "and the other is told of" grep -q "NameConflict.*${first%1}2 is not a Job of this controller" "$CONTROLLER_LOG"
is "and left alone" "$(cat "$PLANS/.sluice/jobs/${first%1}2/file")" somebody

# ---- one that never begins ---------------------------------------------------------------------------

runner() { [ -s "$PLANS/.sluice/jobs/${first%1}4/alive" ]; }
holds() { [ "$(db_sql pg orders "select count(*) from pg_locks where locktype = 'advisory' and granted")" -ge 1 ]; }
db_sql pg orders 'select pg_advisory_lock(77433833903597), pg_sleep(600)' >/dev/null 2>&1 & # Flyway's, of the table
holder=$!
wait_for "somebody holds the lock that every runner takes first" 20 holds
echo 'create table three (id int);' >"$sql/orders/V3__three.sql"
commit shop third
wait_for "a runner is there" 30 runner
stopped=$(<"$PLANS/.sluice/jobs/${first%1}4/alive")
kill -STOP "$stopped"
db_sql pg orders "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = 'orders'" >/dev/null
wait "$holder" 2>/dev/null || true
holder=''
is "it has not begun" "$(db_sql pg orders 'select attempt from sluice_lease')" 3
is "nor has another" "$(job)" "${first%1}4"
wait_for "it is not waited for, and named" 120 grep -q "has not begun and is not waited for.*${first%1}4" "$CONTROLLER_LOG"
run_expect "another attempt does its work" 0 '' wait_commit "$sha" 60
is "under a name of its own" "$(job)" "${first%1}5"
is "which the database has begun" "$(db_sql pg orders 'select attempt from sluice_lease')" 5
kill -CONT "$stopped"
gone() { ! kill -0 "$stopped" 2>/dev/null || grep -q '^State:.*Z' "/proc/$stopped/status"; }
wait_for "the first one wakes up and ends" 60 gone
stopped=''
is "having done nothing" "$(db_sql pg orders 'select count(*) from flyway_schema_history')" 3
is "and the database is where it was" "$(db_sql pg orders 'select attempt from sluice_lease')" 5
done_testing
