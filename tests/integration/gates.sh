#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A gate whose query is no query (COPY) gives no answer, in its interval and with the reason; the controller does not spin.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg log
git_http_start
db_create pg orders
secret orders-db "$(db_uri pg orders)"
repo_new shop
mkdir -p "$SERVERS_DIR/shop/sql/orders"
echo 'create table t (a int);' >"$SERVERS_DIR/shop/sql/orders/V1__t.sql"
commit shop first
plan() { # QUERY
    plan_file shop shop <<YAML
  databases: [{name: orders, secretRef: {name: orders-db}}]
  strategy: {type: Canary, waves: [{name: canary, select: {names: [orders]}, soak: 1s, gates: [{name: probe, sql: {query: "$1", interval: 200ms}}]}]}
YAML
}
ticks() { awk '{ print $14 + $15 }' "/proc/$controller_pid/stat"; }
asked() { grep -ac 'copy t to stdout' "$SLUICE_TEST_PG_LOG" || true; } # the controller logs an answer that is another one
asked_more() { [ "$(asked)" -ge "$1" ]; }
said() { "$SLUICE" get plan/shop -o json | tr -d '\n'; }

plan 'copy t to stdout'
controller_start
measured() { grep -q '"gate measured"' "$CONTROLLER_LOG"; }
wait_for "a COPY is measured" 60 measured
like "it is no query: no answer, and the reason" "$(grep '"gate measured"' "$CONTROLLER_LOG" | head -n 1)" 'a COPY is no query: '
told_gate() { said | grep -q '"state": "NoAnswer"'; }
wait_for "the status says so" 20 told_gate
like "the soak does not pass by it" "$(condition Ready)" '^(Unknown|False) '
before=$(ticks) first=$(asked)
SECONDS=0
wait_for "it is asked again, in its interval" 60 asked_more $((first + 10))
more=$(($(asked) - first)) used=$(($(ticks) - before))
printf '# asked %s times more in %s s: %s ticks of processor\n' "$more" "$SECONDS" "$used"
ok "no more often than that" test "$more" -le $(((SECONDS + 1) * 5))
ok "and the controller does not spin" test "$used" -lt 200
plan 'select true'
run_expect "a query that answers lets it go on" 0 '' wait_commit "$sha" 60
done_testing
