#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tenant fleet: the databases are the Secrets that the selector finds; tenants come and go.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql/tenants" "$sql/special"
echo 'create table a (id int);' >"$sql/tenants/V1__a.sql"
echo 'create table s (id int);' >"$sql/special/V1__s.sql"
commit shop first

# tenant NAME [LABELS [ANNOTATIONS]]
tenant() {
    cat >"$PLANS/$1.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: $1, labels: {fleet: shop${2:+, $2}}, annotations: {${3:-}}}
stringData: {uri: '$(db_uri pg "$1")'}
YAML
}
tables() { db_sql pg "$1" "select string_agg(tablename, ' ' order by tablename) from pg_tables where tablename in ('a', 'b', 's')" | tr -d ' '; }
databases() { "$SLUICE" get plan/fleet -o json | perl -0777 -MJSON::PP -ne 'print join " ", map { "$_->{name}:$_->{state}" } @{decode_json($_)->{status}{databases} // []}'; }
databases_are() { [ "$(databases)" = "$1" ]; }

for name in anna bert extra; do db_create pg $name; done
cat >"$PLANS/fleet.yaml" <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: fleet}
spec:
  source: {url: '$SLUICE_TEST_GIT_HTTP_URL/shop.git', interval: 1s, paths: [sql/tenants]}
  databaseSelector: {matchLabels: {fleet: shop}}
  strategy: {type: Canary, waves: [{name: canary, select: {matchLabels: {tier: canary}}}, {name: named, select: {names: [nobody-yet]}, allowEmpty: true}]}
  interval: 2s
  retryInterval: 200ms
YAML
controller_start

wait_for "without a Secret the plan waits, and says for what" 30 condition_is Ready "False NoDatabases" fleet
like "the message names the selector" "$("$SLUICE" get plan/fleet -o json)" 'no Secret has the labels of spec\.databaseSelector'
tenant anna
tenant bert 'tier: canary, sluice.dev/database: berta'
wait_for "Secrets that arrive are databases" 60 databases_are 'anna:UpToDate berta:UpToDate'
run_expect "the plan is ready" 0 '' "$SLUICE" wait plan/fleet --timeout 30s
is "each has the files" "$(tables anna)$(tables bert)" aa
canary=$(grep -n '"job created".*"database":"berta"' "$CONTROLLER_LOG" | head -n 1 | cut -d: -f1)
rest=$(grep -n '"job created".*"database":"anna"' "$CONTROLLER_LOG" | head -n 1 | cut -d: -f1)
ok "the labels of a Secret choose the canary" test "$canary" -lt "$rest"

tenant extra '' 'sluice.dev/paths: sql/special'
wait_for "a new tenant catches up alone, with files of its own" 60 databases_are 'anna:UpToDate berta:UpToDate extra:UpToDate'
is "its own files only" "$(tables extra)" s
rm "$PLANS/extra.yaml"
wait_for "a tenant whose Secret goes is no database any more" 60 databases_are 'anna:UpToDate berta:UpToDate'
is "what it had stays" "$(tables extra)" s

tenant extra 'sluice.dev/database: anna'
wait_for "two Secrets of one name stall the plan" 30 condition_is Stalled "True InvalidSpec" fleet
like "and are named" "$("$SLUICE" get plan/fleet -o json)" 'finds Secret extra, which gives: spec\.databases\[[0-9]*\]\.name'
rm "$PLANS/extra.yaml"
wait_for "it goes on when one is gone" 30 condition_is Ready "True ReconciliationSucceeded" fleet

rm "$PLANS/anna.yaml" "$PLANS/bert.yaml"
perl -pi -e 's/fleet: shop\}\}/fleet: shop}, allowEmpty: true}/' "$PLANS/fleet.yaml"
wait_for "an empty fleet is ready where that is allowed" 30 eval \
    'condition_is Ready "True ReconciliationSucceeded" fleet && databases_are ""'
echo 'create table b (id int);' >"$sql/tenants/V2__b.sql"
commit shop second
run_expect "a commit reaches the empty fleet" 0 '' "$SLUICE" wait plan/fleet --commit "$sha" --timeout 30s
tenant anna
wait_for "a tenant with a history and no canary beside it is refused" 30 condition_is Stalled "True InvalidSpec" fleet
like "by the labels that there are" "$("$SLUICE" get plan/fleet -o json)" 'wave canary selects none of 1 databases: no label tier'
tenant anna 'tier: canary'
wait_for "and the next tenant gets everything" 60 databases_are 'anna:UpToDate'
is "both files" "$(tables anna)" ab
done_testing
