#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Controllers that die before and after every kind of call that a canary roll-out makes, and leaders that
# stand still there until another one has done their work: the same end each time, one Job a database, no
# statement twice, nothing left over. Each in a namespace of its own, with the debug build, which has the
# places to die. A controller that comes back meets the next place: so two roll-outs see all of them.
# --full: every single call has a roll-out of its own.
# timeout: 1200
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
cluster_init
export ASAN_OPTIONS=detect_leaks=0
results=$SERVERS_DIR/results
mkdir "$results"

pg_start pg tcp
mariadb_start mariadb tcp
git_http_start
repo_new shop
for database in orders search; do
    mkdir -p "$SERVERS_DIR/shop/sql/$database"
    printf "create table effect (mark varchar(20));\ninsert into effect values ('one');\n" >"$SERVERS_DIR/shop/sql/$database/V1__one.sql"
    printf "insert into effect values ('two');\n" >"$SERVERS_DIR/shop/sql/$database/V2__two.sql"
done
push shop trees
kubectl apply --server-side -f "$SLUICE_SOURCE/crds/migrationplans.yaml" >/dev/null
await 30 crd/migrationplans.sluice.dev Established >/dev/null

# ---- one roll-out ------------------------------------------------------------------------------------

prepare() { # NAMESPACE: everything but a controller
    local NS=$1
    db_create pg "orders_$NS"
    db_create mariadb "search_$NS"
    namespace "$NS" pod-security.kubernetes.io/enforce=restricted
    db_secret orders-db pg "orders_$NS"
    db_secret search-db mariadb "search_$NS"
    kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source: {url: $SLUICE_TEST_GIT_HTTP_URL/shop.git, interval: 1h}
  databases:
  - {name: search, secretRef: {name: search-db}}
  - {name: orders, secretRef: {name: orders-db}, labels: {tier: canary}}
  interval: 1h
  retryInterval: 500ms
YAML
}

controller() { # NAMESPACE NAME=VALUE… -- FLAG…: in the background; $controller is its pid
    local NS=$1 environment=()
    shift
    while [ "$1" != -- ]; do
        environment+=("$1")
        shift
    done
    shift
    env "${environment[@]}" "$SLUICE_DEBUG_BUILD/sluice" controller --kubeconfig "$KUBECONFIG" --namespace "$NS" \
        --runner-image "$SLUICE_IMAGE" --runner-image-pull-policy Never --allow-source-scheme http \
        --min-interval 200ms --metrics-addr off --health-addr off --hook-addr off \
        --cache-dir "$SERVERS_DIR/cache-$NS" "$@" >>"$results/$NS.log" 2>&1 &
    controller=$!
}

finish() { # PID: its end is none of the shell's news
    kill -9 "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

all_jobs() { kubectl get jobs -n "$1" -o 'jsonpath={range .items[*]}{.metadata.labels.sluice\.dev/database} {.metadata.labels.sluice\.dev/attempt}{"\n"}{end}' | sort | tr '\n' ' '; }
no_carriers() { [ -z "$(kubectl get configmaps -n "$1" -o name | grep /sluice-)" ]; }

same_end() { # NAMESPACE: silent and true, or what is wrong
    local NS=$1 got
    for got in "$(db_sql pg "orders_$NS" 'select mark from effect order by 1')" "$(db_sql mariadb "search_$NS" 'select mark from effect order by 1')"; do
        [ "$got" = $'one\ntwo' ] || { printf 'effects: %s\n' "$got"; return 1; }
    done
    for got in "$(db_sql pg "orders_$NS" 'select version from flyway_schema_history order by installed_rank')" \
        "$(db_sql mariadb "search_$NS" 'select version from flyway_schema_history order by installed_rank')"; do
        [ "$got" = $'1\n2' ] || { printf 'history: %s\n' "$got"; return 1; }
    done
    [ "$(db_sql pg "orders_$NS" "select (extract(epoch from max(finished)) * 1000000)::bigint from sluice_journal")" -lt \
        "$(db_sql mariadb "search_$NS" "select timestampdiff(microsecond, '1970-01-01', min(started)) from sluice_journal")" ] ||
        { printf 'the canary was not first\n'; return 1; }
    got=$(all_jobs "$NS")
    [ "$got" = 'orders 1 search 1 ' ] || { printf 'Jobs: %s\n' "$got"; return 1; }
    within 20 no_carriers "$NS" || { printf 'left over: %s\n' "$(kubectl get configmaps -n "$NS" -o name)"; return 1; }
}

# rollout NAMESPACE PLACE…: a controller for each place, killed there, and one that ends it. What killed goes
# to NAMESPACE.killed; NAMESPACE.verdict is empty if all is well.
rollout() {
    local NS=$1 place waiter who=''
    shift
    prepare "$NS" || { echo "no namespace" >"$results/$NS.verdict"; return; }
    "$SLUICE" wait plan/shop -n "$NS" --commit "$sha" --timeout 150s >"$results/$NS.waited" 2>&1 &
    waiter=$!
    for place in "$@"; do
        controller "$NS" "SLUICE_FAILPOINT=$place" --
        wait -n -p who "$controller" "$waiter" 2>/dev/null || true
        if [ "$who" = "$waiter" ]; then
            finish "$controller"
            break
        fi
        printf '%s\n' "${place%:*}" >>"$results/$NS.killed"
    done
    finish "$waiter"
    controller "$NS" SLUICE_FAILPOINT= --
    if "$SLUICE" wait plan/shop -n "$NS" --commit "$sha" --timeout 90s && same_end "$NS"; then
        : >"$results/$NS.verdict"
    else
        tail -n 5 "$results/$NS.log" >"$results/$NS.verdict"
    fi >"$results/$NS.said" 2>&1
    [ ! -s "$results/$NS.verdict" ] || cat "$results/$NS.said" >>"$results/$NS.verdict"
    finish "$controller"
}

# verdict NAME NAMESPACE
verdict() { is "$1" "$(cat "$results/$2.verdict" 2>&1)" ''; }

# ---- where there is to die ---------------------------------------------------------------------------

prepare undisturbed
controller undisturbed "SLUICE_FAILPOINT_TRACE=$results/trace" --
ok "an undisturbed roll-out" "$SLUICE" wait plan/shop -n undisturbed --commit "$sha" --timeout 90s
ok "comes to the end that is expected" same_end undisturbed
finish "$controller"
# Events are news of what was done; what watches may come late.
mapfile -t calls < <(grep -E '^(before|after) [A-Z]+ ' "$results/trace" | grep -v events | awk '!seen[$0]++')
reads() { printf '%s\n' "${calls[@]}" | grep -E ' (GET|WATCH) '; }
writes() { printf '%s\n' "${calls[@]}" | grep -vE ' (GET|WATCH) '; }
ok "of writes there are the kinds that we know" test "$(writes | grep -cE '^(before|after) (POST configmaps|POST jobs|PATCH migrationplans|PATCH migrationplans/status|DELETE configmaps)$')" = 10

# ---- dying -------------------------------------------------------------------------------------------

mapfile -t write_places < <(writes; writes; writes)
mapfile -t read_places < <(reads)
rollout writes "${write_places[@]/%/:1}" &
first=$!
rollout reads "${read_places[@]/%/:1}" &
wait "$first" "$!"
verdict "killed at every kind of write, and again" writes
verdict "killed at every kind of read" reads
is "no kind of write was left out" "$(writes | grep -vxFf "$results/writes.killed" || true)" ''
ok "nor were many reads: $(sort -u "$results/reads.killed" | wc -l) of $(reads | wc -l)" \
    test $(($(sort -u "$results/reads.killed" | wc -l) * 10)) -ge $(($(reads | wc -l) * 7))
printf '# %d kills of two roll-outs\n' "$(cat "$results"/{writes,reads}.killed | wc -l)"

# ---- standing still ----------------------------------------------------------------------------------

elect=(--enable-leader-election --leader-election-lease-duration 5s --leader-election-renew-deadline 4s --leader-election-retry-period 500ms)
stopped() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat")" = T ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

frozen() { # NAMESPACE PLACE
    local NS=$1 leader other code=0 jobs
    prepare "$NS"
    controller "$NS" "SLUICE_FAILPOINT=$2" SLUICE_FAILPOINT_STOPS=1 POD_NAME=first -- "${elect[@]}" --leader-election-namespace "$NS"
    leader=$controller
    within 60 stopped "$leader" || { echo "it did not come there"; return 1; }
    controller "$NS" SLUICE_FAILPOINT= POD_NAME=second -- "${elect[@]}" --leader-election-namespace "$NS"
    other=$controller
    "$SLUICE" wait plan/shop -n "$NS" --commit "$sha" --timeout 90s || { echo "the other one did not do it"; return 1; }
    jobs=$(kubectl get jobs -n "$NS" -o 'jsonpath={.items[*].metadata.uid}')
    kill -CONT "$leader"
    within 20 ended "$leader" || { echo "it went on"; return 1; }
    wait "$leader" || code=$?
    [ $code = 1 ] || { echo "it ended with $code"; return 1; }
    grep -q 'the lease is lost' "$results/$NS.log" || { echo "it did not say why"; return 1; }
    [ "$(kubectl get jobs -n "$NS" -o 'jsonpath={.items[*].metadata.uid}')" = "$jobs" ] || { echo "Jobs changed"; return 1; }
    same_end "$NS" || return 1
    finish "$other"
}
freeze() { if frozen "$@" >"$results/$1.said" 2>&1; then : >"$results/$1.verdict"; else cat "$results/$1.said" >"$results/$1.verdict"; fi; }

freeze frozen-before 'before POST jobs:1' &
first=$!
freeze frozen-after 'after POST jobs:1' &
second=$!
freeze frozen-status 'before PATCH migrationplans/status:2' &
wait "$first" "$second" "$!"
verdict "a leader stopped right before it makes a Job, and woken when another one has" frozen-before
verdict "a leader stopped right after" frozen-after
verdict "a leader stopped right before it writes a status" frozen-status

# ---- every single call -------------------------------------------------------------------------------

if [ -n "${SLUICE_FULL:-}" ]; then
    # Of what only looks, the first time.
    mapfile -t places < <(grep -E '^(before|after) [A-Z]+ ' "$results/trace" | grep -v events |
        awk '{ n[$0]++; if (!($2 ~ /GET|WATCH/) || n[$0] == 1) print $0 ":" n[$0] }')
    for ((i = 0; i < ${#places[@]}; i += 3)); do
        three=()
        for ((j = i; j < i + 3 && j < ${#places[@]}; j++)); do
            rollout "full-$j" "${places[j]}" &
            three+=($!)
        done
        wait "${three[@]}"
        for ((j = i; j < i + 3 && j < ${#places[@]}; j++)); do
            verdict "killed ${places[j]}" "full-$j"
            kubectl delete namespace "full-$j" --wait=false >/dev/null
        done
    done
    killed=$(cat "$results"/full-*.killed | wc -l)
    ok "most of ${#places[@]} met their end: $killed" test $((killed * 10)) -ge $((${#places[@]} * 8))
fi
done_testing
