#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The commands beside a running controller: gate opens for a version and stays open, ends at once on
# a stall; suspend, resume and reconcile reach the controller.
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
mkdir -p "$sql"/{one,two}
for name in one two; do
    db_create pg $name
    secret $name-db "$(db_uri pg $name)"
    echo 'create table a (id int);' >"$sql/$name/V1__a.sql"
done
commit shop first
plan_file shop shop <<YAML
  databases:
  - {name: one, secretRef: {name: one-db}}
  - {name: two, secretRef: {name: two-db}}
YAML
gate() { "$SLUICE" gate plan/shop "$@"; }

# ---- no cluster ------------------------------------------------------------------------------------

cat >kubeconfig <<'YAML'
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: shop}}]
current-context: c
YAML
far() { "$SLUICE" "$@" --kubeconfig kubeconfig; }
run_expect "a cluster that does not answer" 9 'namespaces/shop/migrationplans: .*ApiUnavailable' far get
run_expect "wait goes on asking until time is up" 9 'trying again' far wait plan/shop --timeout 2s
run_expect "gate, too" 9 'ApiUnavailable' far gate plan/shop --min-version 1 --timeout 2s
run_expect "or it passes if that is wanted" 0 'on-unreachable=pass' far gate plan/shop --min-version 1 \
    --timeout 1s --on-unreachable pass
run_expect "a kubeconfig that is not there" 1 'there is no kubeconfig nowhere' "$SLUICE" get --kubeconfig nowhere
run_expect "a rate that is none" 1 'kube-api-qps: "fast" is not a number' far controller --runner-image x --kube-api-qps fast
run_expect "a burst that is too large" 1 'kube-api-burst: at most 10000' far controller --runner-image x --kube-api-burst 10001
run_expect "a folder and a cluster at once" 1 'goes without' far get --standalone "$PLANS"

# ---- before anybody has seen the plan --------------------------------------------------------------

run_expect "gate without a version is a usage error" 1 'min-version' "$SLUICE" gate plan/shop
run_expect "gate with neither plan nor URL, too" 1 'neither plan/NAME nor --url' "$SLUICE" gate --min-version 1
run_expect "gate on an unknown plan fails at once" 4 'no MigrationPlan default/nobody' \
    "$SLUICE" gate plan/nobody --min-version 1
run_expect "or passes if that is wanted" 0 '' \
    "$SLUICE" gate plan/nobody --min-version 1 --if-missing pass
run_expect "or waits for the plan until time is up" 4 'no MigrationPlan default/nobody' \
    "$SLUICE" gate plan/nobody --min-version 1 --if-missing wait --timeout 1s
run_expect "a plan that no controller has seen: time is up" 2 'not seen by a controller yet' gate \
    --min-version 1 --timeout 0s
run_expect "an entry that the plan has not is named" 4 'no database "three"' gate --min-version 1 \
    --database three

controller_start
run_expect "gate waits until every database has the version" 0 '' gate --min-version 1 --timeout 60s
run_expect "1.0 is the same version" 0 '' gate --min-version 1.0 --timeout 0s
run_expect "the database itself can be asked" 0 '' "$SLUICE" gate --url "$(db_uri pg one)" --min-version 1
run_expect "it is not at 2: time is up" 2 'is at 1, 2 is needed' "$SLUICE" gate \
    --url "$(db_uri pg one)" --min-version 2 --timeout 0s
run_expect "a database that does not answer is a failure" 9 'sock-of-nobody' "$SLUICE" gate \
    --url "postgresql:///one?host=$PWD/sock-of-nobody" --min-version 2 --timeout 0s
run_expect "or passes if that is wanted" 0 'on-unreachable=pass' "$SLUICE" gate \
    --url "postgresql:///one?host=$PWD/sock-of-nobody" --min-version 2 --timeout 0s --on-unreachable pass

# ---- a later migration fails -----------------------------------------------------------------------

for name in one two; do echo 'create table b (id int);' >"$sql/$name/V2__b.sql"; done
echo 'create table b (id nonsense);' >"$sql/two/V2__b.sql"
# The canary is chosen by a hash: make it the good one.
perl -pi -e 's/^  databases:/  strategy: {type: Canary, waves: [{name: canary, select: {names: [one]}}]}\n  databases:/' \
    "$PLANS/shop.yaml"
commit shop second
run_expect "gate ends at once on the stall" 3 'Stalled .*two is at 1, 2 is needed' gate --min-version 2 --timeout 60s
run_expect "one database of it may have the version" 0 '' gate --min-version 2 --database one --timeout 0s
run_expect "the version before stays open" 0 '' gate --min-version 1 --timeout 0s

# ---- suspend, resume, reconcile --------------------------------------------------------------------

run_expect "suspend" 0 '' "$SLUICE" suspend plan/shop
wait_for "the plan says it" 20 eval '"$SLUICE" describe plan/shop | grep -qi suspended'
is "the user's manifest is untouched" "$(grep -c suspend "$PLANS/shop.yaml")" 0
echo 'create table b (id int);' >"$sql/two/V2__b.sql"
commit shop third
third=$sha
run_expect "suspended plans can be told apart" 3 'suspended' "$SLUICE" wait plan/shop --commit "$third" --fail-if-suspended
run_expect "nothing is applied meanwhile" 2 '' "$SLUICE" wait plan/shop --commit "$third" --timeout 3s
run_expect "resume" 0 '' "$SLUICE" resume plan/shop
run_expect "it goes on" 0 '' "$SLUICE" wait plan/shop --commit "$third" --timeout 60s
run_expect "reconcile" 0 '' "$SLUICE" reconcile plan/shop
token=$(perl -0777 -ne 'print $1 if m{"sluice.dev/requestedAt":\s*"([^"]+)"}' "$PLANS/.sluice/overlay/default.shop.json")
wait_for "the controller has handled it" 20 eval '[ "$(plan_json .status.lastHandledReconcileAt shop)" = "$token" ]'
run_expect "no plan to suspend" 4 'nobody' "$SLUICE" suspend plan/nobody
done_testing
