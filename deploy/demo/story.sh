#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's story: a commit goes to the canary and then to the rest; a bad one stops at the canary;
# the fix goes through. Started by run.sh with $SLUICE, as an unprivileged user.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../tests/support/servers.sh
. "$here/../../tests/support/servers.sh"
[ -z "${SLUICE_DEMO_KEEP:-}" ] || export SERVERS_KEEP=1
started=$SECONDS

# shellcheck source=telling.sh
. "$here/telling.sh"
show_names=(ORDERS BILLING SEARCH)
sluice() { "$SLUICE" "$@"; }

# ---- the stage ----------------------------------------------------------------------------------

servers_init
work=$SERVERS_DIR
PLANS=$work/plans
cd "$work"
chapter "Three databases, one git repository"
pg_start pg log
pg_start pg2 log
mariadb_start mariadb log
git_http_start
db_create pg orders
db_create pg2 billing
db_create mariadb search
repo_new shop
ORDERS=$(db_uri pg orders) BILLING=$(db_uri pg2 billing) SEARCH=$(db_uri mariadb search)
export ORDERS BILLING SEARCH
tell "orders   PostgreSQL, the canary" \
    "billing  PostgreSQL, a server of its own" \
    "search   MariaDB" \
    "shop.git $SLUICE_TEST_GIT_HTTP_URL/shop.git, folders sql/orders, sql/billing, sql/search"

write_plan() {
    mkdir -p "$PLANS"
    cat >"$PLANS/shop.yaml" <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop}
spec:
  source:
    url: $SLUICE_TEST_GIT_HTTP_URL/shop.git
    ref: {branch: main}
    paths: ["sql/\${database}"]
    interval: 1s
  interval: 5s
  databases:
  - {name: orders, secretRef: {name: orders-db}, labels: {tier: canary}}
  - {name: billing, secretRef: {name: billing-db}}
  - {name: search, secretRef: {name: search-db}}
  strategy:
    type: Canary
    waves:
    - name: canary
      select: {matchLabels: {tier: canary}}
      soak: 2s
      gates:
      - name: orders-are-there
        sql: {query: "select count(*) >= 1000 from orders", interval: 1s}
YAML
    write_secret orders "$ORDERS"
    write_secret billing "$BILLING"
    write_secret search "$SEARCH"
}

write_secret() {
    cat >"$PLANS/$1-db.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: $1-db}
stringData: {uri: "$2"}
YAML
    chmod 600 "$PLANS/$1-db.yaml"
}

# ---- the controller -----------------------------------------------------------------------------

controller=''
start_controller() {
    "$SLUICE" controller --standalone "$PLANS" --allow-source-scheme=http --min-interval=1s \
        --metrics-addr=127.0.0.1:0 --health-addr=127.0.0.1:0 --hook-addr=127.0.0.1:0 \
        2>>"$work/controller.log" &
    controller=$!
}
stop_controller() {
    [ -n "$controller" ] || return 0
    kill "$controller" 2>/dev/null || true
    wait "$controller" 2>/dev/null || true
    controller=''
}
end() {
    local code=$1
    if [ "$code" != 0 ] && [ -f "$work/controller.log" ]; then
        printf '\nThe story broke off. Last lines of the controller'\''s log:\n' >&2
        tail -n 20 "$work/controller.log" >&2
    fi
    stop_controller
    servers_end "$code"
}
trap 'end $?' EXIT

# ---- the story ----------------------------------------------------------------------------------

chapter "1. A commit: the canary first, its gate, then the rest"
commit "orders, invoices and search terms" first
write_plan
tell "" "The plan: plans/shop.yaml. orders is the canary; it soaks 2 s while its gate asks" \
    "\"select count(*) >= 1000 from orders\"; then come billing and search."
tell "" "  \$ sluice controller --standalone plans &"
start_controller
show sluice wait plan/shop --standalone plans --commit "$sha" --timeout 60s --if-missing wait
show sluice get --standalone plans
show sluice info --url "$ORDERS" --dir shop/sql/orders

chapter "2. A bad commit: it stops at the canary, nobody else sees it"
commit "e-mail addresses, due dates, weights" bad
tell "" "V3__email.sql has a typo in its second statement."
code=0
show sluice wait plan/shop --standalone plans --commit "$sha" --timeout 60s || code=$?
tell "    (exit code $code: a pipeline stops here)"
[ "$code" = 3 ]
show sluice get --standalone plans -o wide
tell "" "PostgreSQL rolled V3 back as a whole, and the others have not seen this commit at all:"
show sluice info --url "$ORDERS" --dir shop/sql/orders
show sluice info --url "$BILLING" --dir shop/sql/billing

chapter "3. The fix: a new commit, nothing else"
commit "fix the typo" fix
show sluice wait plan/shop --standalone plans --commit "$sha" --timeout 60s
show sluice get --standalone plans
show sluice info --url "$SEARCH" --dir shop/sql/search

chapter "That is all: merging SQL was everything you did. ($((SECONDS - started)) s)"
if [ -n "${SLUICE_DEMO_KEEP:-}" ]; then
    tell "" "Everything is still running. Try, in another terminal:" "" \
        "  export PATH=$(dirname "$SLUICE"):\$PATH" \
        "  sluice describe plan/shop --standalone $PLANS" \
        "  cd $work/shop      # commit to main and push" \
        "  less $work/controller.log" ""
    if [ -t 0 ]; then
        read -r -p "Press Enter to stop the servers (the folder $work stays) "
    else
        tell "(no terminal to wait on: the servers stop now, the folder $work stays)"
    fi
fi
