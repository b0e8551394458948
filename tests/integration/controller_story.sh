#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller's main job: a commit goes to the canary and then to the rest, in PostgreSQL and
# MariaDB; a failing file or a false gate stops it there, and no other server sees one statement of
# that commit; deleting the evidence changes nothing; the fix goes through by itself.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg log
pg_start pg2 log
mariadb_start mariadb log
git_http_start
db_create pg orders
db_create pg2 billing
db_create mariadb search
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"/{orders,billing,search}

secret orders-db "$(db_uri pg orders)"
secret billing-db "$(db_uri pg2 billing)"
secret search-db "$(db_uri mariadb search)"
plan_file shop shop <<'YAML'
  databases:
  - {name: billing, secretRef: {name: billing-db}}
  - {name: orders, secretRef: {name: orders-db}, labels: {tier: canary}}
  - {name: search, secretRef: {name: search-db}}
  strategy:
    type: Canary
    waves:
    - name: canary
      select: {matchLabels: {tier: canary}}
      soak: 500ms
      gates:
      - name: healthy
        sql: {query: "select count(*) = 0 from broken", interval: 200ms}
YAML

# Every server's statements, wherever they are logged.
seen() { grep -aqs "$1" "$SLUICE_TEST_PG2_LOG" "$SLUICE_TEST_MARIADB_LOG"; }
canary_saw() { grep -aqs "$1" "$SLUICE_TEST_PG_LOG"; }
newest() { "$SLUICE" get plan/shop -o json; }
applied() { db_sql "$1" "$2" 'select count(*) from flyway_schema_history where success' | tr -d ' '; }

# ---- the first commit ---------------------------------------------------------------------------

printf 'create table broken (id int);\ncreate table orders (id int);\n' >"$sql/orders/V1__first.sql"
printf 'create table first_marker_b (id int);\n' >"$sql/billing/V1__first.sql"
printf 'create table first_marker_s (id int);\n' >"$sql/search/V1__first.sql"
commit shop first
controller_start
run_expect "a commit is applied to all three databases" 0 '' wait_commit "$sha"
is "Ready says so" "$(condition Ready)" "True ReconciliationSucceeded"
is "Finished says so" "$(condition Finished)" "True Succeeded"
is "progress" "$(plan_json .status.progress)" 3/3
is "lastAppliedCommit" "$(plan_json .status.lastAppliedCommit)" "$sha"
is "each database has one file" "$(applied pg orders) $(applied pg2 billing) $(applied mariadb search)" "1 1 1"
ok "the marker is seen where it should be" seen first_marker
is "the canary came first" "$(grep '"job created"' "$CONTROLLER_LOG" | head -n 1 | grep -o '"database":"[a-z]*"')" '"database":"orders"'

# ---- a failing canary ----------------------------------------------------------------------------

printf 'create table good (id int);\ninsert into missing_table_second_marker values (1);\n' >"$sql/orders/V2__second.sql"
printf 'create table b2_second_marker (id int);\n' >"$sql/billing/V2__second.sql"
printf 'create table s2_second_marker (id int);\n' >"$sql/search/V2__second.sql"
commit shop second
bad=$sha
run_expect "a waiter of the bad commit ends at once with 3" 3 'Stalled' wait_commit "$bad"
is "the reason" "$(condition Stalled)" "True CanaryFailed"
is "Ready is False" "$(condition Ready)" "False CanaryFailed"
is "Finished says that it came to an end" "$(condition Finished)" "True Failed"
like "the message names file, line and error" "$(newest)" 'V2__second.sql:2: 42P01 relation .*missing_table'
ok "the canary saw the marker" canary_saw second_marker
run_expect "no other server saw one statement of it" 1 '' seen second_marker
is "the canary rolled it back" "$(db_sql pg orders "select to_regclass('good') is null" | tr -d ' ')" t
run_expect "a waiter for Ready ends at once, too" 3 'Stalled' "$SLUICE" wait plan/shop --timeout 60s
run_expect "kubectl's way: Finished is met" 0 '' "$SLUICE" wait plan/shop --for condition=Finished --timeout 60s

# ---- the evidence is gone, the database remembers --------------------------------------------------

jobs_before=$(grep -c '"job created"' "$CONTROLLER_LOG")
controller_kill
rm -rf "$PLANS"/.sluice/jobs/*
controller_start
wait_for "without its Jobs the plan is Stalled again" 30 condition_is Stalled "True CanaryFailed"
is "and nothing was run again" "$(grep -c '"job created"' "$CONTROLLER_LOG")" "$jobs_before"
controller_stop
rm "$PLANS/.sluice/plans/default.shop.json"
is "a plan without state was not observed" "$(plan_json .status.observedGeneration)" -1
controller_start
wait_for "as a new plan without a memory it is Stalled, too: the database remembers" 30 \
    condition_is Stalled "True MigrationFailed"
is "and nothing was run again" "$(grep -c '"job created"' "$CONTROLLER_LOG")" "$jobs_before"

# ---- the fix ---------------------------------------------------------------------------------------

printf 'create table good (id int);\n' >"$sql/orders/V2__second.sql"
commit shop fix
run_expect "the fix completes the roll-out by itself" 0 '' wait_commit "$sha"
is "every database is there" "$(applied pg orders) $(applied pg2 billing) $(applied mariadb search)" "2 2 2"
is "Stalled is gone" "$(condition Stalled)" ""
is "the history of roll-outs" "$(plan_json '.status.history[0].outcome')" Succeeded

# ---- a false gate ------------------------------------------------------------------------------------

printf 'insert into broken values (1);\n' >"$sql/orders/V3__third.sql"
printf 'create table b3_fourth_marker (id int);\n' >"$sql/billing/V3__third.sql"
printf 'create table s3_fourth_marker (id int);\n' >"$sql/search/V3__third.sql"
commit shop third
run_expect "a waiter ends with 3 when the gate says no" 3 'Stalled' wait_commit "$sha"
is "the reason is the gate" "$(condition Stalled)" "True GateFailed"
run_expect "no other server saw one statement of that commit" 1 '' seen fourth_marker
is "the canary keeps what it has" "$(applied pg orders)" 3

# ---- retry -------------------------------------------------------------------------------------------

db_sql pg orders 'delete from broken' >/dev/null
kill -STOP "$controller_pid" # one that is slow to see it
run_expect "retry is a request" 0 '' "$SLUICE" retry plan/shop
run_expect "until a controller saw it, a waiter does not end with the failure before" 2 'not met in time' wait_commit "$sha" 1
kill -CONT "$controller_pid"
run_expect "the roll-out goes on with the gate's new answer" 0 '' wait_commit "$sha"
is "every database is at version 3" "$(applied pg orders) $(applied pg2 billing) $(applied mariadb search)" "3 3 3"

# ---- a commit without SQL ----------------------------------------------------------------------------

transition=$(plan_json '.status.conditions[0].lastTransitionTime')
looks=$(http_get "$(controller_port metrics)" /metrics | grep '^sluice_migration_attempts_total' | md5sum)
echo text >"$SERVERS_DIR/shop/README"
commit shop readme
run_expect "a commit without SQL is applied at once" 0 '' wait_commit "$sha"
is "no Job was needed" "$(http_get "$(controller_port metrics)" /metrics | grep '^sluice_migration_attempts_total' | md5sum)" "$looks"
is "Ready did not flip" "$(plan_json '.status.conditions[0].lastTransitionTime')" "$transition"
like "the skipped commits are covered" "$(plan_json .status.coveredCommits)" "$bad"

controller_stop
is "no secret is in the log, status or Jobs" "$(grep -rl "$SLUICE_TEST_PASSWORD" "$PLANS/.sluice" "$CONTROLLER_LOG" 2>/dev/null | wc -l)" 0
done_testing
