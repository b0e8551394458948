#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Servers and roles that a migration is not given to, and commands that are wrong or run out of time:
# the exit code, the reason, one line, and nothing done.
# timeout: 180
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

mkdir sql
echo 'create table one (id int);' >sql/V1__one.sql

# ---- several primaries --------------------------------------------------------------------------

mariadb_start mariadb wsrep_on=ON
db_create mariadb shop
tables() { db_sql mariadb shop "select count(*) from information_schema.tables where table_schema = 'shop'"; }
run_expect "a cluster with several primaries: refused, and it says what to do" 6 \
    'several primaries.*single primary \(UnsupportedTopology\)' \
    "$SLUICE" migrate --url "$(db_uri mariadb shop)" --dir sql
is "a cluster with several primaries: nothing was made" "$(tables)" 0
run_expect "a cluster with several primaries can be looked at" 0 '' \
    "$SLUICE" info --url "$(db_uri mariadb shop)" --dir sql

# ---- a role that may do everything ----------------------------------------------------------------

pg_start pg
git_http_start
repo_new shop
db_create pg orders
admin=$(servers_get pg ADMIN_URI)
admin=${admin/\/postgres\?/\/orders?}
mkdir -p "$SERVERS_DIR/shop/sql/orders"
cp sql/V1__one.sql "$SERVERS_DIR/shop/sql/orders"
plan_commit "$SERVERS_DIR/shop" first
plan_databases=orders
plan_begin plans
plan_secret orders-db "$admin"
plan_write shop shop
controller_start
run_expect "a superuser in a plan's Secret: nothing mends it, and a wait ends" 3 'RoleTooPowerful.*allowSuperuser' \
    "$SLUICE" wait plan/shop --standalone "$PLANS" --commit "$sha" --timeout 60s --if-missing wait
is "a superuser in a plan's Secret: the plan is Stalled" "$(plan_condition shop Stalled) $(plan_condition shop Reconciling)" 'True RoleTooPowerful '
is "a superuser in a plan's Secret: not even a Job was made" "$(ls "$PLANS/.sluice/jobs")" ''
is "a superuser in a plan's Secret: nothing was made" \
    "$(db_sql pg orders "select count(*) from pg_class where relname in ('one', 'sluice_lease', 'flyway_schema_history')")" 0
sed -i 's/^  interval: 5s/  execution: {allowSuperuser: true}\n  interval: 5s/' "$PLANS/shop.yaml"
allowed() { "$SLUICE" get shop --standalone "$PLANS" -o json | grep -q '"observedGeneration": 2'; }
within 30 allowed || flunk "the new spec is read"
"$SLUICE" retry plan/shop --standalone "$PLANS" >/dev/null
run_expect "allowSuperuser lets it" 0 '' "$SLUICE" wait plan/shop --standalone "$PLANS" --commit "$sha" --timeout 60s
is "and it ran" "$(db_sql pg orders "select count(*) from one")" 0
controller_stop
like "the command line warns of a superuser" "$("$SLUICE" migrate --url "$admin" --dir sql)" "role 'postgres' is a superuser"

# ---- commands -------------------------------------------------------------------------------------

wrong() { # NAME REGEX ARGUMENT…
    local name=$1 regex=$2
    shift 2
    run_expect "$name" 1 "$regex.*\(Usage\): .*sluice help" "$SLUICE" "$@"
    is "$name: one line" "$(printf '%s\n' "$run_stderr" | wc -l)" 1
}
wrong "an unknown command" 'nonsense' nonsense
wrong "an unknown option" '--colour' info --colour
wrong "an option without its value" '--url' info --url
wrong "a word too many" 'more' info more
wrong "a duration that is none" 'soon' migrate --url "$admin" --dir sql --lock-wait soon
wrong "no database" 'url' info --dir sql
wrong "an output that there is not" 'yaml' info --url "$admin" --dir sql -o yaml
wrong "plans without a folder" '--standalone' get
mkdir none
run_expect "a wait that runs out of time" 2 'nobody.*\(TimedOut\)' \
    "$SLUICE" wait plan/nobody --standalone none --if-missing wait --timeout 300ms
run_expect "a wait for a plan that there is not" 4 'nobody.*\(NotFound\)' \
    "$SLUICE" wait plan/nobody --standalone none --timeout 300ms
done_testing
