#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three servers, a canary: while its file fails or its gate says no, nobody else sees the commit; losing
# the Job's evidence and the controller changes nothing; the fix completes the roll-out by itself.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

pg_start pg log
pg_start pg2 log
mariadb_start mariadb log
git_http_start
db_create pg orders
db_create pg2 billing
db_create mariadb search
repo_new shop
clone=$SERVERS_DIR/shop
plan_begin plans
plan_secret orders-db "$(db_uri pg orders)"
plan_secret billing-db "$(db_uri pg2 billing)"
plan_secret search-db "$(db_uri mariadb search)"

# every FILE SQL: the same file in all three folders.
every() {
    local database
    for database in $plan_databases; do
        mkdir -p "$clone/sql/$database"
        printf '%s\n' "$2" >"$clone/sql/$database/$1"
    done
}
seen() { grep -c "$2" "$(servers_get "$1" LOG)" || true; }
wait_plan() { "$SLUICE" wait plan/shop --standalone "$PLANS" --commit "$sha" --timeout 60s --if-missing wait; }

every V1__effect.sql 'create table effect (mark varchar(50) not null);'
plan_commit "$clone" first
plan_write shop shop
controller_start
run_expect "a first commit reaches all three" 0 '' wait_plan
is "Ready is what the databases said" "$(plan_condition shop Ready)" 'True ReconciliationSucceeded'
is "Finished says how it ended" "$(plan_condition shop Finished)" 'True Succeeded'
for database in orders:pg billing:pg2 search:mariadb; do
    is "${database%:*} has it" "$(db_sql "${database#*:}" "${database%:*}" 'select count(*) from effect')" 0
done

# ---- the canary's file fails ------------------------------------------------------------------------
every V2__marker_bad.sql "insert into effect values ('marker_bad');"
printf "insert into effect values ('marker_bad');\ninsert into nowhere values ('marker_bad');\n" >"$clone/sql/orders/V2__marker_bad.sql"
plan_commit "$clone" bad
run_expect "a bad file: wait ends at once with the failure's code" 3 'CanaryFailed.*V2__marker_bad.sql' wait_plan
is "a bad file: Stalled" "$(plan_condition shop Stalled)" 'True CanaryFailed'
is "a bad file: Finished, Failed" "$(plan_condition shop Finished)" 'True Failed'
is "a bad file: billing's server has not seen a byte of it" "$(seen pg2 marker_bad)" 0
is "a bad file: search's server has not seen a byte of it" "$(seen mariadb marker_bad)" 0
ok "a bad file: the canary's has" test "$(seen pg marker_bad)" -gt 0
is "a bad file: nothing of it stayed" "$(db_sql pg orders 'select count(*) from effect')" 0

controller_kill
before=$(seen pg 'insert into effect')
chmod -R u+rwX "$PLANS/.sluice/jobs"
rm -rf "$PLANS"/.sluice/jobs/*
controller_start
plan_ask shop after-restart
wait_for "evidence deleted, controller killed: the new one has looked" 30 plan_looked shop after-restart
is "evidence deleted: still Stalled" "$(plan_condition shop Stalled)" 'True CanaryFailed'
is "evidence deleted: nothing was run again" "$(seen pg 'insert into effect')" "$before"
is "evidence deleted: no new Job" "$(find "$PLANS/.sluice/jobs" -mindepth 1 -maxdepth 1 | wc -l)" 0

printf "insert into effect values ('marker_bad');\n" >"$clone/sql/orders/V2__marker_bad.sql"
plan_commit "$clone" fix
run_expect "the fix completes the roll-out by itself" 0 '' wait_plan
for database in orders:pg billing:pg2 search:mariadb; do
    is "the fix: ${database%:*} has the effect once" "$(db_sql "${database#*:}" "${database%:*}" 'select count(*) from effect')" 1
    ok "the fix: and its server's log does show statements" test "$(seen "${database#*:}" marker_bad)" -gt 0
done

# ---- its gate says no -----------------------------------------------------------------------------------
plan_write shop shop 'select count(*) > 0 from effect where mark = '"'never'"
every V3__marker_gate.sql "insert into effect values ('marker_gate');"
plan_commit "$clone" gate
run_expect "a gate that says no: wait ends at once" 3 'GateFailed.*probe' wait_plan
is "a gate that says no: Stalled" "$(plan_condition shop Stalled)" 'True GateFailed'
is "a gate that says no: the canary has it" "$(db_sql pg orders 'select count(*) from effect')" 2
is "a gate that says no: billing's server has not seen a byte of it" "$(seen pg2 marker_gate)" 0
is "a gate that says no: search's server has not seen a byte of it" "$(seen mariadb marker_gate)" 0
plan_write shop shop 'select count(*) > 0 from effect'
run_expect "a gate that says yes: the rest follows" 0 '' wait_plan
for database in orders:pg billing:pg2 search:mariadb; do
    is "then: ${database%:*} has every effect once" \
        "$(db_sql "${database#*:}" "${database%:*}" 'select count(*), count(distinct mark) from effect' | tr '\t' '|')" '2|2'
done

# ---- a gate that cannot answer holds -----------------------------------------------------------------------
plan_write shop shop 'select count(*) > 0 from no_such_table'
every V4__marker_hold.sql "insert into effect values ('marker_hold');"
plan_commit "$clone" hold
holding() { [ "$(plan_condition shop Waiting)" = 'True AnalysisUnavailable' ]; }
wait_for "a gate without an answer holds the roll-out" 30 holding
is "it is neither passed nor failed" "$(plan_condition shop Ready)" 'Unknown AnalysisUnavailable'
is "and billing waits" "$(seen pg2 marker_hold)" 0
plan_write shop shop ''
run_expect "without the gate it goes on" 0 '' wait_plan
controller_stop
done_testing
