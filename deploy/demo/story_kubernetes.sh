#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's story on a cluster: the plan is applied, a push goes to the canary and then to the rest; a
# bad one stops at the canary; the fix goes through. Started by run.sh within with-cluster.sh, as an
# unprivileged user, with $SLUICE and $SLUICE_SOURCE.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../tests/support/tap.sh
. "$SLUICE_SOURCE/tests/support/tap.sh"
# shellcheck source=../../tests/support/cluster.sh
. "$SLUICE_SOURCE/tests/support/cluster.sh"
# shellcheck source=../../tests/support/cluster_plan.sh
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
# shellcheck source=telling.sh
. "$here/telling.sh"
unset -f sluice # the program itself, as a person types it
started=$SECONDS
cluster_init
cd "$SERVERS_DIR"
ln -s "$SLUICE_SOURCE/deploy" deploy
PATH=${SLUICE%/*}:$PATH

# ---- the stage ----------------------------------------------------------------------------------

chapter "A cluster of one node, three databases, one git repository"
show kubectl get nodes
pg_start pg tcp
pg_start pg2 tcp
mariadb_start mariadb tcp
git_http_start
db_create pg orders
db_create pg2 billing
db_create mariadb search
repo_new shop
tell "" "orders   PostgreSQL, the canary" \
    "billing  PostgreSQL, a server of its own" \
    "search   MariaDB" \
    "shop.git $SLUICE_TEST_GIT_HTTP_URL/shop.git, folders sql/orders, sql/billing, sql/search"

tell "" "The controller, by kustomize. It may read no Secret until a namespace lets it."
printf '\n  $ kubectl apply --server-side -k deploy/kustomize/base\n'
sluice_apply | sed 's/^/    /'
show kubectl rollout status deployment/sluice-controller -n sluice-system --timeout=60s
namespace "$NS" pod-security.kubernetes.io/enforce=restricted
show kubectl apply -k deploy/kustomize/grant --namespace "$NS"

write_plan() {
    cat <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source:
    url: $SLUICE_TEST_GIT_HTTP_URL/shop.git
    ref: {branch: main}
    interval: 1h
    webhook: {secretRef: {name: push-hook}}
  databases:
  - {name: orders, secretRef: {name: orders-db}, labels: {tier: canary}}
  - {name: billing, secretRef: {name: billing-db}}
  - {name: search, secretRef: {name: search-db}}
  strategy:
    type: Canary
    waves:
    - name: canary
      select: {matchLabels: {tier: canary}}
      soak: 5s
      gates:
      - name: orders-are-there
        sql: {query: "select count(*) >= 1000 from orders", interval: 1s}
YAML
}

# An application whose init container waits for the version that it needs.
deploy_application() {
    kubectl create serviceaccount app -n "$NS"
    kubectl create rolebinding app-gate -n "$NS" --clusterrole sluice-gate --serviceaccount "$NS:app"
    app_pod app 1 >app.yaml
}

# What the git server does after a push.
webhook() { printf '\n  POST /hook/%s/shop, signed by the git server: %s\n' "$NS" "$(hook "$NS" shop push-token)"; }
job_of() { kubectl get jobs -n "$NS" -l "sluice.dev/database=$1" --sort-by=.metadata.creationTimestamp -o name | tail -n 1; }
application_is() { [ "$(get pod/app '{.status.phase}' -n "$NS")" = "$1" ]; }

# ---- the story ----------------------------------------------------------------------------------

chapter "1. A commit: the canary first, its gate, then the rest"
commit "orders, invoices and search terms" first
write_plan >plan.yaml
db_secret orders-db pg orders
db_secret billing-db pg2 billing
db_secret search-db mariadb search
kubectl create secret generic push-hook -n "$NS" --from-literal=token=push-token >/dev/null
deploy_application >/dev/null
tell "" "Secrets with the logins: orders-db, billing-db, search-db. The plan: orders is the canary; it soaks" \
    "5 s while its gate asks \"select count(*) >= 1000 from orders\"; then come billing and search." \
    "The application's init container is \`sluice gate plan/shop --min-version 1\`."
show kubectl apply -f plan.yaml -f app.yaml
kubectl get mplan shop -n "$NS" -w >watch 2>/dev/null &
watcher=$!
show sluice wait plan/shop -n "$NS" --commit "$sha" --timeout 60s
kill "$watcher" 2>/dev/null || true
tell "" "  \$ kubectl get mplan shop -n $NS -w      # meanwhile, in another terminal"
sed 's/^/    /' watch
show kubectl get jobs -n "$NS" --sort-by=.metadata.creationTimestamp
within 30 application_is Succeeded
show kubectl logs app -n "$NS" -c gate

chapter "2. A bad commit: it stops at the canary, nobody else sees it"
commit "e-mail addresses, due dates, weights" bad
tell "" "V3__email.sql has a typo in its second statement."
webhook
code=0
show sluice wait plan/shop -n "$NS" --commit "$sha" --timeout 60s || code=$?
tell "    (exit code $code: a pipeline stops here)"
[ "$code" = 3 ]
show kubectl wait --for=condition=Finished --timeout=10s mplan/shop -n "$NS"
show kubectl get mplan -n "$NS" -o wide
tell "" "The failed Job stays, and its log; PostgreSQL rolled V3 back as a whole. The other databases have" \
    "had no Job for this commit at all:"
show kubectl logs -n "$NS" "$(job_of orders)"
show kubectl get jobs -n "$NS" --sort-by=.metadata.creationTimestamp

chapter "3. The fix: a new commit, pinned this time"
commit "fix the typo" fix
tell "" "A pipeline that writes the commit into spec.revision can use kubectl wait: it means this commit."
show kubectl patch mplan/shop -n "$NS" --type merge -p "{\"spec\":{\"revision\":\"$sha\"}}"
show kubectl wait --for=condition=Ready --timeout=60s mplan/shop -n "$NS"
show kubectl get mplan -n "$NS"
show kubectl events -n "$NS" --for mplan/shop

chapter "That is all: merging SQL was everything you did. ($((SECONDS - started)) s)"
if [ -n "${SLUICE_DEMO_KEEP:-}" ]; then
    tell "" "Everything is still running. This is a shell in the cluster, with kubectl and sluice; the clone is" \
        "$SERVERS_DIR/shop. Leave it with exit, and everything is gone." ""
    if (: </dev/tty) 2>/dev/null; then bash -i </dev/tty >/dev/tty 2>&1 || true; else tell "(there is no terminal)"; fi
fi
