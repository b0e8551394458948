#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on a real cluster: from kubectl apply and a push to a Ready that pipelines can wait on;
# a bad commit stops at the canary; the fix goes through. The controller is a pod, its Jobs are pods.
# cluster: node
# timeout: 420
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
cluster_init
STATUSES=$SERVERS_DIR/statuses
mkdir -p "$STATUSES"

pg_start pg tcp log
pg_start pg2 tcp log
mariadb_start mariadb tcp log
git_http_start
db_create pg orders
db_create pg2 billing
db_create mariadb search
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"/{orders,billing,search}
printf 'create table broken (id int);\ncreate table orders (id int);\n' >"$sql/orders/V1__first.sql"
printf 'create table first_marker_b (id int);\n' >"$sql/billing/V1__first.sql"
printf 'create table first_marker_s (id int);\n' >"$sql/search/V1__first.sql"
push shop first
first=$sha

ok "the controller is installed from the kustomize base" sluice_install
namespace shop pod-security.kubernetes.io/enforce=restricted >/dev/null
sluice_grant shop >/dev/null

# ---- apply -------------------------------------------------------------------------------------------

db_secret orders-db pg orders
db_secret billing-db pg2 billing
db_secret search-db mariadb search
kubectl create secret generic push-hook -n shop --from-literal=token=hook-secret >/dev/null
plan_manifest() { # REVISION-LINE
    cat <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: shop}
spec:
  source: {url: $SLUICE_TEST_GIT_HTTP_URL/shop.git, interval: 1h, webhook: {secretRef: {name: push-hook}}}
  ${1:-}
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
      - {name: healthy, sql: {query: "select count(*) = 0 from broken", interval: 200ms}}
  interval: 5s
  retryInterval: 1s
YAML
}
kubectl get mplan -n shop -w >"$SERVERS_DIR/watch" 2>&1 &
watcher=$!
kubectl get mplan -n shop -w -o json >"$STATUSES/watch" 2>/dev/null & # every status that there was
recorder=$!
plan_manifest | kubectl apply -f - -o json >"$STATUSES/00-applied.json"
like "an applied plan is one that nobody has seen" "$(cat "$STATUSES/00-applied.json")" '"observedGeneration": -1'
run_expect "sluice wait meets the first commit" 0 '' sluice wait plan/shop --commit "$first" --timeout 90s
is "every database is at it" "$(get mplan/shop '{.status.progress} {.status.lastAppliedCommit}' -n shop)" "3/3 $first"
ok "kubectl wait meets Ready" kubectl wait --for=condition=Ready --timeout=30s mplan/shop -n shop
kubectl get mplan/shop -n shop -o json >"$STATUSES/10-first.json"
like "columns for people" "$(kubectl get mplan -n shop)" 'NAME +READY +REASON +PROGRESS +REVISION +AGE'
like "and their values" "$(kubectl get mplan -n shop)" "shop +True +ReconciliationSucceeded +3/3 +main@sha1:${first:0:10} "
is "the Jobs ran as pods, one a database" "$(kubectl get jobs -n shop --no-headers | wc -l)" 3
is "each tells its result" "$(kubectl get pods -n shop -o 'jsonpath={range .items[*]}{.status.containerStatuses[0].state.terminated.exitCode}{"\n"}{end}' | sort | uniq -c | tr -s ' ')" ' 3 0'
like "the canary was first" "$(kubectl get jobs -n shop --sort-by=.metadata.creationTimestamp -o name | head -n 1)" 'shop-orders-'
run_expect "the gate for version 1 is open" 0 '' sluice gate plan/shop --min-version 1 --timeout 0s
like "the events tell the story" "$(kubectl get events -n shop --field-selector involvedObject.name=shop -o 'jsonpath={.items[*].reason}')" 'ReconciliationSucceeded|Progressing|Succeeded'

# ---- a push, told by the webhook ---------------------------------------------------------------------

printf 'create table good (id int);\ninsert into missing_table_second_marker values (1);\n' >"$sql/orders/V2__second.sql"
printf 'create table b2_second_marker (id int);\n' >"$sql/billing/V2__second.sql"
printf 'create table s2_second_marker (id int);\n' >"$sql/search/V2__second.sql"
push shop second
bad=$sha
is "the webhook takes a signed push" "$(hook shop shop hook-secret)" 202
run_expect "a waiter of the bad commit ends at once with 3" 3 'Stalled' sluice wait plan/shop --commit "$bad" --timeout 90s
kubectl get mplan/shop -n shop -o json >"$STATUSES/20-stalled.json"
is "the reason" "$(get mplan/shop '{.status.conditions[?(@.type=="Stalled")].reason}' -n shop)" CanaryFailed
like "the message names file, line and error" "$(get mplan/shop '{.status.conditions[?(@.type=="Ready")].message}' -n shop)" \
    'V2__second.sql:2: 42P01 relation .*missing_table'
ok "kubectl wait for Finished ends on the failure, too" kubectl wait --for=condition=Finished --timeout=10s mplan/shop -n shop
seen() { grep -aqs "$1" "$SLUICE_TEST_PG2_LOG" "$SLUICE_TEST_MARIADB_LOG"; }
ok "the canary saw the marker" grep -aqs second_marker "$SLUICE_TEST_PG_LOG"
run_expect "no other server saw one statement of it" 1 '' seen second_marker
run_expect "gate for version 2 ends at once with 3" 3 'Stalled' sluice gate plan/shop --min-version 2 --timeout 60s
failed_job=$(kubectl get jobs -n shop -o 'jsonpath={range .items[?(@.status.failed==1)]}{.metadata.name}{"\n"}{end}')
like "the failed Job is kept, with its log" "$(kubectl logs -n shop "job/$failed_job")" 'missing_table'
run_expect "the log has no SQL text" 1 '' grep -q 'insert into' <(kubectl logs -n shop "job/$failed_job")

# ---- the fix, pinned ---------------------------------------------------------------------------------

printf 'create table good (id int);\n' >"$sql/orders/V2__second.sql"
push shop fix
fix=$sha
plan_manifest "revision: $fix" | kubectl apply -f - >/dev/null
ok "kubectl wait, pinned by spec.revision, means that commit" kubectl wait --for=condition=Ready --timeout=90s mplan/shop -n shop
kubectl get mplan/shop -n shop -o json >"$STATUSES/30-fixed.json"
is "it is applied" "$(get mplan/shop '{.status.lastAppliedCommit}' -n shop)" "$fix"
is "Stalled is gone" "$(get mplan/shop '{.status.conditions[?(@.type=="Stalled")].status}' -n shop)" ''
ok "Finished on success" kubectl wait --for=condition=Finished --timeout=10s mplan/shop -n shop
is "the newest roll-out succeeded" "$(get mplan/shop '{.status.history[0].outcome}' -n shop)" Succeeded

# ---- an application waits ----------------------------------------------------------------------------

printf 'create table v3 (id int);\n' >"$sql/orders/V3__third.sql"
cp "$sql/orders/V3__third.sql" "$sql/billing/"
cp "$sql/orders/V3__third.sql" "$sql/search/"
push shop third
third=$sha
kubectl create serviceaccount app -n shop >/dev/null
kubectl create role app-gate -n shop --verb=get --resource=migrationplans.sluice.dev --resource-name=shop >/dev/null
kubectl create rolebinding app-gate -n shop --role app-gate --serviceaccount shop:app >/dev/null
app_pod app 3 | kubectl apply -f - >/dev/null
app_runs() { [ "$(get pod/app '{.status.phase}' -n shop)" = Succeeded ]; }
app_config() {
    kubectl config view --raw --minify -o json |
        perl -MJSON::PP -e 'local $/; my $c = decode_json(<STDIN>); $c->{users}[0]{user} = {token => $ARGV[0]}; print encode_json($c)' \
            "$(kubectl create token app -n shop)" >"$SERVERS_DIR/app.kubeconfig"
}
app_config
run_expect "the application may look at its plan alone" 0 '' sluice gate plan/shop --min-version 1 --timeout 0s --kubeconfig "$SERVERS_DIR/app.kubeconfig"
run_expect "and is told what it may not" 5 'cannot list .*Forbidden.*can-i' sluice get --kubeconfig "$SERVERS_DIR/app.kubeconfig"
gate_waits() { kubectl logs -n shop app -c gate 2>/dev/null | grep -q 'is at 2, 3 is needed'; }
wait_for "the init container says what it waits for" 30 gate_waits
plan_manifest "revision: $third" | kubectl apply -f - >/dev/null
wait_for "and the application starts when its version is there" 90 app_runs

# ---- no secret anywhere ------------------------------------------------------------------------------

kill "$watcher" 2>/dev/null || true
everything() {
    kubectl get mplan,jobs,pods,configmaps,events -n shop -o yaml
    for pod in $(kubectl get pods -n shop -o name) ; do kubectl logs -n shop "$pod" --all-containers 2>/dev/null || true; done
    kubectl logs -n sluice-system deployment/sluice-controller
}
run_expect "the password is in no object, event or log" 1 '' grep -q "$SLUICE_TEST_PASSWORD" <(everything)
is "no runner had a token" "$(kubectl get pods -n shop -l sluice.dev/plan -o 'jsonpath={.items[*].spec.volumes[*].projected.sources[*].serviceAccountToken}')" ''
like "the watch showed a plan on its way" "$(cat "$SERVERS_DIR/watch")" 'shop +False +CanaryFailed'

# ---- suspended -----------------------------------------------------------------------------------------

save() { kubectl get mplan/shop -n shop -o json >"$STATUSES/$1.json"; }
seen_as() { # READY-REASON: the newest generation has been seen, and said so
    [ "$(get mplan/shop '{.metadata.generation} {.status.conditions[?(@.type=="Ready")].reason}' -n shop)" = \
        "$(get mplan/shop '{.status.observedGeneration}' -n shop) $1" ]
}
settled() { seen_as ReconciliationSucceeded && [ "$(get mplan/shop '{.status.conditions[?(@.type=="Ready")].status}' -n shop)" = True ]; }
wait_for "nothing is on its way" 60 settled
save 40-third
run_expect "the plan is suspended" 0 '' sluice suspend plan/shop
like "which is a new generation" "$(get mplan/shop '{.metadata.generation}' -n shop)" '^[4-9]'
wait_for "suspended as it is, it stays Ready" 30 settled
save 50-suspended
kubectl patch mplan/shop -n shop --type merge -p '{"spec":{"migrations":{"placeholders":{"colour":"blue"}}}}' >/dev/null
wait_for "changed while it is suspended, it does not claim to be done" 30 seen_as Suspended
save 55-suspended-changed
run_expect "the plan is resumed" 0 '' sluice resume plan/shop
wait_for "and Ready for what it says now" 60 settled
save 60-resumed

# ---- deletion ----------------------------------------------------------------------------------------

ok "the plan can be deleted" kubectl delete mplan/shop -n shop --timeout=60s
kill "$recorder" 2>/dev/null || true
is "its ConfigMaps are gone" "$(kubectl get configmaps -n shop -o name | grep -c sluice || true)" 0
is "what is in the databases stays" "$(db_sql pg orders 'select count(*) from flyway_schema_history' | tr -d ' ')" 3

# ---- every status, judged by those who wait ------------------------------------------------------------

judged() { # NAME VERDICT FILE
    is "kstatus: $1" "$(kstatus "$STATUSES/$3.json" 2>&1)" "$2"
}
judged "applied, not seen yet" InProgress 00-applied
judged "the first commit is in" Current 10-first
judged "the canary failed" Failed 20-stalled
judged "fixed and pinned" Current 30-fixed
judged "suspended, the spec unchanged" Current 50-suspended
judged "suspended, the spec changed" InProgress 55-suspended-changed
judged "resumed" Current 60-resumed
rules=$SLUICE_SOURCE/tests/support/status-rules.pl
is "every one of them keeps the rules" "$("$rules" "$STATUSES"/*.json 2>&1)" ''
is "so does every status that the watch saw" "$("$rules" "$STATUSES/watch" 2>&1)" ''
verdicts=$(paste -d' ' <(kstatus "$STATUSES/watch") <("$rules" --list "$STATUSES/watch"))
watched() { grep -cE "$1" <<<"$verdicts" || true; } # verdict, generation, observedGeneration, conditions, reason
like "the watch saw the soak, which is InProgress" "$verdicts" 'InProgress [0-9]+ [0-9]+ Ready\?,Reconciling,Waiting[^ ]* Soaking'
like "it saw the roll-out, which is InProgress" "$verdicts" 'InProgress [0-9]+ [0-9]+ Ready\?,Reconciling[^ ]* Progressing'
ok "it saw the deletion" grep -qE '^Terminating [^ ]+ [^ ]+ [^ ]*deleting' <<<"$verdicts"
is "whatever is Current is Ready" "$(grep ^Current <<<"$verdicts" | grep -vcE '^Current ([0-9]+) \1 Ready[, ]' || true)" 0
is "whatever has Failed is Stalled" "$(grep ^Failed <<<"$verdicts" | grep -vcE '^Failed ([0-9]+) \1 Stalled' || true)" 0
is "nothing that is Ready at its generation is awaited" "$(watched '^InProgress ([0-9]+) \1 Ready[, ]')" 0
done_testing
