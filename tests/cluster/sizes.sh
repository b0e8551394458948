#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trees of 50 bytes, 900 KiB, 5 MiB and 60 MiB reach the runner byte for byte, in as many ConfigMaps as
# they need, and no ConfigMap is left when the Job is over.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
. "$SLUICE_SOURCE/tests/support/cluster_outside.sh"
cluster_init
pg_start pg tcp
db_create pg orders
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"

# tree VERSION FILES BYTES: so many files of so many bytes each, most of them comments of random letters,
# which do not pack well.
tree() {
    local i
    for ((i = 1; i <= $2; i++)); do
        {
            printf 'insert into effect values (%d, %d);\n' "$1" "$i"
            [ "$3" -le 200 ] || openssl rand -base64 "$3" | sed 's/^/-- /' | head -c $(($3 - 200)) || true
        } >"$sql/V$1.${i}__tree.sql"
        printf '\n' >>"$sql/V$1.${i}__tree.sql"
    done
    push shop "V$1"
}
parts() { # JOB: how many ConfigMaps of SQL it mounts
    get "job/$1" '{.spec.template.spec.volumes[?(@.name=="assignment")].projected.sources[*].configMap.name}' -n "$NS" |
        tr ' ' '\n' | grep -c '^sluice-sql-'
}
outside_begin
db_secret orders-db pg orders
printf 'create table effect (tree integer, file integer);\n' >"$sql/V1__first.sql" # 50 bytes
push shop first
kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/shop.git", interval: 1s, timeout: 5m, paths: [sql]}
  databases: [{name: orders, secretRef: {name: orders-db}}]
  interval: 1m
  retryInterval: 1s
YAML
outside_start
wait_for "50 bytes" 60 plan_has "$sha"
is "are one ConfigMap" "$(parts "$(jobs_of orders | tail -n 1)")" 1

version=1
for size in '900 KiB:1:900000:1' '5 MiB:2:2600000:4' '60 MiB:8:7100000:40'; do
    IFS=: read -r name files bytes least <<<"$size"
    version=$((version + 1))
    tree $version "$files" "$bytes"
    wait_for "$name" 240 plan_has "$sha"
    job=$(jobs_of orders | tail -n 1)
    ok "$name are at least $least ConfigMaps ($(parts "$job"))" test "$(parts "$job")" -ge "$least"
    wait_for "$name: none is left" 30 no_maps
done
# The runner compares every byte with the manifest, and the controller the checksums of the history with
# the tree: Ready says that they are the same.
wait_for "the databases have what the tree has" 60 plan_is 'True ReconciliationSucceeded'
is "every file is in the history, and had its effect, once" \
    "$(db_sql pg orders 'select (select count(*) from flyway_schema_history where success), (select count(*) from effect), (select count(*) from (select distinct tree, file from effect) e)')" '12|11|11'
outside_stop
done_testing
