#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who owns a database: another plan's is left alone, another database behind the same Secret is not
# touched before a person accepts it, and what a gone plan left is taken over.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

pg_start pg log
git_http_start
repo_new shop
clone=$SERVERS_DIR/shop
plan_databases=orders
mkdir -p "$clone/sql/orders"
echo 'create table one (id int);' >"$clone/sql/orders/V1__one.sql"
plan_commit "$clone" first
db_create pg first
db_create pg second
plan_begin plans
plan_secret orders-db "$(db_uri pg first)"
plan_write shop shop
controller_start
wait_plan() { "$SLUICE" wait "plan/$1" --standalone "$PLANS" --commit "$sha" --timeout 60s --if-missing wait; }
run_expect "the first plan adopts its database" 0 '' wait_plan shop
target() { db_sql pg "$1" 'select target_id from sluice_lease'; }
owner() { db_sql pg "$1" 'select owner_name from sluice_lease'; }
is "and is its owner" "$(owner first)" shop
id=$(target first)

# ---- another plan -----------------------------------------------------------------------------------
epoch=$(db_sql pg first 'select epoch from sluice_lease')
plan_write rival shop
run_expect "another plan's database: the second plan is told" 3 'TargetIdConflict.*default/shop' wait_plan rival
is "another plan's database: Stalled" "$(plan_condition rival Stalled)" 'True TargetIdConflict'
is "another plan's database: nothing was touched" "$(owner first) $(db_sql pg first 'select epoch from sluice_lease')" "shop $epoch"
rm "$PLANS/shop.yaml"
rival_ready() { [ "$(plan_condition rival Ready)" = 'True ReconciliationSucceeded' ]; }
wait_for "its owner is gone: the second plan takes over by itself" 60 rival_ready
is "and is the owner now" "$(owner first)" rival
is "of the same database" "$(target first)" "$id"
is "in which nothing ran twice" "$(db_sql pg first 'select count(*) from flyway_schema_history')" 1

# ---- another database behind the same Secret -----------------------------------------------------------
"$SLUICE" migrate --url "$(db_uri pg second)" --dir "$clone/sql/orders" >/dev/null
other=$(target second)
plan_secret orders-db "$(db_uri pg second)"
echo 'create table marker_two (id int);' >"$clone/sql/orders/V2__two.sql"
plan_commit "$clone" second
run_expect "another database behind the Secret: wait says so" 3 'TargetChanged' wait_plan rival
target_changed() { [ "$(plan_condition rival Stalled)" = 'True TargetChanged' ]; }
wait_for "another database behind the Secret: Stalled, with the new commit, too" 60 target_changed
is "another database behind the Secret: not a byte ran there" "$(db_sql pg second "select count(*) from flyway_schema_history where version = '2'")" 0
sed -i "s|^  name: rival|  name: rival\n  annotations: {sluice.dev/accept-target: \"orders=$other\"}|" "$PLANS/rival.yaml"
has_two() { [ "$(db_sql pg second "select count(*) from flyway_schema_history where version = '2'")" = 1 ]; }
wait_for "accepted by its full id: the roll-out goes there" 60 has_two
run_expect "and ends well" 0 '' wait_plan rival
is "the old one was left alone" "$(db_sql pg first "select count(*) from flyway_schema_history where version = '2'")" 0
controller_stop
done_testing
