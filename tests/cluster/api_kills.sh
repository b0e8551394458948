#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller is killed before and after every call of the API server that a canary roll-out takes:
# the next one brings it to the same end, with one Job a database, no statement twice and nothing left
# over. Uses the debug build, which has the places to die.
# timeout: 1800
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
. "$SLUICE_SOURCE/tests/support/cluster_outside.sh"
cluster_init
SLUICE=$SLUICE_DEBUG_BUILD/sluice
export ASAN_OPTIONS=detect_leaks=0
databases='orders billing'
pg_start pg tcp
repo_new shop
sql=$SERVERS_DIR/shop/sql
version=0
migration() {
    local database
    version=$((version + 1))
    for database in $databases; do
        mkdir -p "$sql/$database"
        [ $version != 1 ] || printf 'create table effect (mark int not null);\n' >"$sql/$database/V1__step.sql"
        printf 'insert into effect values (%d);\n' $version >>"$sql/$database/V${version}__step.sql"
    done
    push shop "V$version"
}

outside_begin
for database in $databases; do
    db_create pg "$database"
    db_secret "$database-db" pg "$database"
done
kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/shop.git", interval: 1s}
  databases:
  - {name: billing, secretRef: {name: billing-db}}
  - {name: orders, secretRef: {name: orders-db}, labels: {tier: canary}}
  interval: 1h
  retryInterval: 1s
YAML

# same_end: what every disturbance must come to.
same_end() {
    local database
    for database in $databases; do
        [ "$(db_sql pg $database 'select count(*), count(distinct mark), max(mark) from effect')" = "$version|$version|$version" ] ||
            { printf 'effects of %s\n' "$database"; return 1; }
        [ "$(jobs_of "$database" | wc -l)" = $version ] || { printf 'Jobs of %s: %s\n' "$database" "$(jobs_of "$database")"; return 1; }
    done
    [ "$(db_sql pg orders 'select max(installed_on) from flyway_schema_history')" '<' \
        "$(db_sql pg billing 'select max(installed_on) from flyway_schema_history')" ] || { printf 'the canary was not first\n'; return 1; }
    within 15 no_maps || { kubectl get configmaps -n "$NS"; return 1; }
}

# ---- an undisturbed roll-out says where there is to die ----------------------------------------------

migration # before any controller, so that the calls of a start are among them
export SLUICE_FAILPOINT_TRACE=$PWD/trace
outside_start
wait_for "an undisturbed roll-out" 90 plan_has "$sha"
wait_for "is cleaned up after" 15 no_maps
outside_stop
unset SLUICE_FAILPOINT_TRACE
ok "and comes to the end that is expected" same_end
# Of what only looks the first time counts, of a write the first and the last; with --full every write.
# Names that are no calls are another test's.
mapfile -t places < <(grep -E '^(before|after) [A-Z]+ ' trace | grep -v events | awk -v full="${SLUICE_FULL:-}" '
    { n[$0]++; order[NR] = $0; at[NR] = n[$0]; writes[$0] = $2 != "GET" && $2 != "WATCH" }
    END { for (i = 1; i <= NR; i++) {
        name = order[i]
        if (at[i] == 1 || (writes[name] && (full || at[i] == n[name]))) print name ":" at[i]
    } }')
ok "there are at least 30 places" test ${#places[@]} -ge 30
printf '# %d places\n' ${#places[@]}

# ---- each of them ------------------------------------------------------------------------------------

killed=0
for place in "${places[@]}"; do
    migration
    SLUICE_FAILPOINT=$place outside_start
    pid=$controller
    disown "$pid" # the shell would tell of its end
    here() { outside_dead "$pid" || plan_has "$sha"; }
    within 60 here || true
    if outside_dead "$pid"; then
        killed=$((killed + 1))
    else
        outside_stop "$pid" # the calls of this run were others
    fi
    outside_start
    within 60 plan_has "$sha" || flunk "killed $place: the next one finishes" "$(ready_message)"
    ok "killed $place" same_end
    outside_stop
done
ok "most runs met their end" test $((killed * 10)) -ge $((${#places[@]} * 8))
printf '# %d kills\n' $killed
done_testing
