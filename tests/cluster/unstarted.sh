#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Jobs whose pods do not start, and who says why: the pod itself, its container, or only the events of the
# cluster, where no pod could be made or a volume is missing.
# cluster: pod-runner
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
. "$SLUICE_SOURCE/tests/support/cluster_outside.sh"
cluster_init
pg_start pg tcp
db_create pg orders
repo_new shop
mkdir -p "$SERVERS_DIR/shop/sql/orders"
echo 'create table one (id int);' >"$SERVERS_DIR/shop/sql/orders/V1__one.sql"
push shop first
outside_begin
db_secret orders-db pg orders

plan() { # the rest of execution
    kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/shop.git", interval: 1s}
  databases: [{name: orders, secretRef: {name: orders-db}}]
  execution: {startTimeout: 8s, $1}
  interval: 5s
  retryInterval: 1s
YAML
}
limits() { kubectl "$@" -f - >/dev/null <<YAML
apiVersion: v1
kind: LimitRange
metadata: {name: small, namespace: $NS}
spec: {limits: [{type: Container, max: {memory: 1Mi}}]}
YAML
}
says() { [[ $(ready_message) =~ $1 ]]; }

limits create
outside_start
plan 'job: {}'
wait_for "the namespace refuses the pod: the plan says what nobody but an event says" 60 \
    says 'FailedCreate: Error creating: .*maximum memory'
limits delete
wait_for "it refuses no more: the plan goes on" 60 plan_has "$sha"

echo 'create table two (id int);' >"$SERVERS_DIR/shop/sql/orders/V2__two.sql"
plan 'job: {nodeSelector: {disk: fast}}'
push shop second
wait_for "no node fits" 60 says "Unschedulable: 0/1 nodes are available"
plan 'job: {annotations: {runner.test/pending: "true"}}'
wait_for "the container cannot be made" 60 says 'CreateContainerError: a test wants it to wait'
plan 'job: {}'
wait_for "all is well: the plan goes on" 60 plan_has "$sha"
outside_stop
done_testing
