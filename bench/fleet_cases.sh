# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The cases of fleet.sh, inside its cluster, as the unprivileged user.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
NS=fleet
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
plans=${SLUICE_BENCH_PLANS:-500} databases=${SLUICE_BENCH_DATABASES:-500} rollouts=${SLUICE_BENCH_ROLLOUTS:-5}
patience=${SLUICE_BENCH_PATIENCE:-1200} # seconds for any one wait
token=bench-token

now() { printf '%s' $((${EPOCHREALTIME/./} / 1000)); }
since() { awk -v ms=$(($(now) - $1)) 'BEGIN { printf "%.1f", ms / 1000 }'; }
note() { printf '# %s %s\n' "$(date -u +%H:%M:%S)" "$*" >&2; }
figure() { printf '%-58s %s\n' "$1" "$2"; }

# until_that WHAT COMMAND…: every 50 ms, for $patience seconds; or the bench ends.
until_that() {
    local what=$1
    shift
    within "$patience" "$@" || { note "$what: not within $patience s"; exit 1; }
}
# The same once a second, for commands that start kubectl or psql: asking must not be what is measured.
until_seen() {
    local what=$1 end=$((SECONDS + patience))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { note "$what: not within $patience s"; exit 1; }
        sleep 1
    done
}

# ---- the controller ---------------------------------------------------------------------------

controller_up() {
    local flags
    IFS=, read -ra flags <<<"${SLUICE_BENCH_FLAGS:-}"
    log=$SERVERS_DIR/controller.log
    : >>"$log"
    servers_take_port
    metrics_port=$servers_port
    servers_take_port
    hook_port=$servers_port
    "$SLUICE" controller --kubeconfig "$KUBECONFIG" --runner-image bench --allow-source-scheme file \
        --metrics-addr "127.0.0.1:$metrics_port" --health-addr 127.0.0.1:0 \
        --hook-addr "127.0.0.1:$hook_port" --cache-dir "$SERVERS_DIR/cache" "${flags[@]}" >>"$log" 2>&1 &
    controller=$!
    until_that "the controller listens" metrics >/dev/null
}
controller_down() {
    [ -n "${controller:-}" ] || return 0
    kill "$controller" 2>/dev/null || true
    wait "$controller" 2>/dev/null || true
    controller=''
}
metrics() { curl -fsS "http://127.0.0.1:$metrics_port/metrics" 2>/dev/null; }
requests() { metrics | awk '/^rest_client_requests_total/ { n += $2 } END { print n + 0 }'; }
by_method() {
    metrics | sed -n 's/^rest_client_requests_total{.*method="\([A-Z]*\)".*} \(.*\)/\1 \2/p' |
        awk '{ n[$1] += $2 } END { for (m in n) print m, n[m] }' | sort
}
cpu_ms() { awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / tick) }' "/proc/$controller/stat"; }
# "PROGRAM MILLISECONDS" of all that runs as this user, with the children that have ended.
cpu_by_program() {
    local stat
    for stat in /proc/[0-9]*/stat; do
        [ -O "$stat" ] && cat "$stat" 2>/dev/null || true
    done | awk -v tick="$(getconf CLK_TCK)" '{
            name = $0; sub(/^[0-9]+ \(/, "", name); sub(/\) .*/, "", name); gsub(/ .*/, "", name)
            rest = $0; sub(/.*\) /, "", rest); split(rest, field, " ")
            ms[name] += (field[12] + field[13] + field[14] + field[15]) * 1000 / tick
        } END { for (name in ms) printf "%s %d\n", name, ms[name] }'
}
memory() { awk '/^VmRSS/ { printf "%.0f MiB", $2 / 1024 }' "/proc/$controller/status"; }
jobs_created() { grep -c '"job created"' "$log" || true; }

webhook() { # PLAN
    local body='{"ref":"refs/heads/main"}' signature
    signature=$(printf '%s' "$body" | openssl dgst -sha256 -hmac "$token" | sed 's/.*= //')
    curl -fsS -X POST -H "X-Hub-Signature-256: sha256=$signature" -d "$body" \
        "http://127.0.0.1:$hook_port/hook/$NS/$1" >/dev/null
}

methods() { # of the requests since begin
    awk 'NR == FNR { before[$1] = $2; next } { n = $2 - before[$1]; if (n) printf "%s%s %d", (seen++ ? ", " : ""), $1, n }' \
        "$SERVERS_DIR/methods" <(by_method)
}
programs() { # the same since begin, largest first
    awk 'NR == FNR { before[$1] = $2; next } { n = $2 - before[$1]; if (n >= 500) printf "%s %.1f s\n", $1, n / 1000 }' \
        "$SERVERS_DIR/programs" <(cpu_by_program) | sort -k2 -rn | paste -sd, | sed 's/,/, /g'
}
begin() {
    by_method >"$SERVERS_DIR/methods"
    cpu_by_program >"$SERVERS_DIR/programs"
    began=$(now) jobs_before=$(jobs_created) requests_before=$(requests) cpu_before=$(cpu_ms)
}
another_job() { [ "$(jobs_created)" -gt "$jobs_before" ]; }
first_job() {
    until_that "the first Job" another_job
    figure "$1: first Job after" "$(since "$began") s"
}
done_with() { # WHAT COUNT
    figure "$1: all after" "$(since "$began") s"
    figure "$1: API requests" "$(awk -v n=$(($(requests) - requests_before)) -v c="$2" 'BEGIN { printf "%d, %.1f each", n, n / c }')"
    figure "$1: of these" "$(methods)"
    figure "$1: CPU of the controller" "$(awk -v ms=$(($(cpu_ms) - cpu_before)) -v all=$(($(now) - began)) 'BEGIN { printf "%.1f s, %.0f %% of a core", ms / 1000, 100 * ms / all }')"
    figure "$1: CPU by program" "$(programs)"
    figure "$1: memory of the controller" "$(memory)"
}

# ---- the world --------------------------------------------------------------------------------

name_of() { printf '%s%04d' "$1" "$2"; }

# schemas LETTER COUNT: in one database; `done` is told by each migration.
schemas() {
    db_sql pg fleet "do \$\$ begin for i in 1..$2 loop execute format('create schema if not exists %I authorization app', '$1' || lpad(i::text, 4, '0')); end loop; end \$\$" >/dev/null
}
told() { [ "$(db_sql pg fleet "select count(*) from told where version = $version and place like '$1%'")" = "$2" ]; }

secret() { # NAME
    cat <<YAML
---
apiVersion: v1
kind: Secret
metadata: {name: $1, namespace: $NS}
stringData: {type: postgresql, host: "$SERVERS_HOST", port: "$(servers_get pg PORT)", username: app, password: "$SLUICE_TEST_PASSWORD", database: fleet}
YAML
}

migration() {
    version=$((version + 1))
    printf 'create table t%d (id int);\ninsert into public.told values (current_schema(), %d);\n' "$version" "$version" \
        >"$SERVERS_DIR/shop/sql/V${version}__step.sql"
    push shop "V$version"
}

source_yaml() {
    cat <<YAML
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/shop.git", interval: 1h, paths: [sql], webhook: {secretRef: {name: hook}}}
YAML
}

# ---- cases ------------------------------------------------------------------------------------

plans_yaml() {
    local i name
    for i in $(seq 1 "$plans"); do
        name=$(name_of p "$i")
        secret "db-$name"
        printf -- '---\napiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: %s, namespace: %s}\nspec:\n' "$name" "$NS"
        source_yaml
        printf '  databases: [{name: main, secretRef: {name: db-%s}, schema: %s, tls: {caRef: {kind: ConfigMap, name: ca}}}]\n' "$name" "$name"
    done
}
plans_ready() {
    [ "$(kubectl get mplan -n $NS -o 'jsonpath={range .items[*]}{.status.lastAppliedCommit}{"\n"}{end}' | grep -c "$sha")" = "$plans" ]
}
case_plans() {
    note "plans: $plans plans are made and rolled out once"
    schemas p "$plans"
    plans_yaml | kubectl apply -f - >/dev/null
    controller_up
    begin
    until_seen "the first roll-out" told p "$plans"
    until_seen "every plan says so" plans_ready
    done_with "$plans plans, first roll-out" "$plans"
    settle
    note "plans: one push"
    migration
    begin
    webhook p0001
    first_job "$plans plans, one push"
    until_seen "the push" told p "$plans"
    figure "$plans plans, one push: all databases after" "$(since "$began") s"
    until_seen "every plan says so" plans_ready
    done_with "$plans plans, one push" "$plans"
    idle "$plans plans"
    controller_down
    kubectl delete mplan --all -n $NS --wait=false >/dev/null
    controller_up
    until_seen "the plans go" no_plans
    controller_down
    kubectl delete jobs --all -n $NS --cascade=background >/dev/null
}
no_plans() { [ -z "$(kubectl get mplan -n $NS -o name)" ]; }
# What still goes on after the last status must not count for the next figure.
settle() {
    local last='' left=50
    while [ $left -gt 0 ]; do
        requests_now=$(requests)
        [ "$requests_now" != "$last" ] || return 0
        last=$requests_now left=$((left - 1))
        sleep 2
    done
}
idle() {
    local seconds=${SLUICE_BENCH_IDLE:-60} before cpu
    settle
    before=$(requests) cpu=$(cpu_ms)
    sleep "$seconds"
    figure "$1, idle: API requests a minute" $((($(requests) - before) * 60 / seconds))
    figure "$1, idle: CPU" "$(awk -v ms=$(($(cpu_ms) - cpu)) -v s="$seconds" 'BEGIN { printf "%.1f %% of a core", ms / s / 10 }')"
    figure "$1, idle: memory" "$(memory)"
}

fleet_yaml() { # NAME
    local i name
    printf -- '---\napiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: %s, namespace: %s}\nspec:\n' "$1" "$NS"
    source_yaml
    printf '  strategy: {type: AllAtOnce, maxParallel: 50}\n  databases:\n'
    for i in $(seq 1 "$databases"); do
        name=$(name_of d "$i")
        printf '  - {name: %s, secretRef: {name: db-%s}, schema: %s, tls: {caRef: {kind: ConfigMap, name: ca}}}\n' "$name" "$name" "$name"
    done
}
fleet_secrets() {
    local i
    for i in $(seq 1 "$databases"); do secret "db-$(name_of d "$i")"; done
}
has() { [ "$(get "mplan/$1" '{.status.lastAppliedCommit}' -n $NS 2>/dev/null)" = "$sha" ]; }
running() { kubectl get --raw "/apis/batch/v1/namespaces/$NS/jobs?fieldSelector=status.successful%3D0" | { grep -o '"active":1' || true; } | wc -l; }
case_rollout() {
    local i what most=0 n
    note "rollout: one plan, $databases databases"
    schemas d "$databases"
    fleet_secrets | kubectl apply -f - >/dev/null
    controller_up
    for i in $(seq 1 "$rollouts"); do
        what="$databases databases, roll-out $i"
        [ "$i" = 1 ] || migration
        begin
        if [ "$i" = 1 ]; then fleet_yaml one | kubectl create -f - >/dev/null; else webhook one; fi
        first_job "$what"
        n=$(running_after 3)
        figure "$what: Jobs active after 3 s more" "$n"
        until_seen "$what" has one
        done_with "$what" "$databases"
        settle
    done
    idle "$databases databases"
}
running_after() {
    sleep "$1"
    running
}
case_rename() {
    [ -n "${controller:-}" ] || { note "rename needs rollout before it"; return 0; }
    note "rename: deleted and made again"
    kubectl delete mplan one -n $NS >/dev/null
    begin
    fleet_yaml two | kubectl create -f - >/dev/null
    until_seen "every database is adopted" has two
    done_with "$databases databases, renamed" "$databases"
}

# ---- the run ----------------------------------------------------------------------------------

bench_end() {
    local code=$1
    trap '' INT TERM HUP
    [ "$code" = 0 ] || tail -n 20 "$log" 2>/dev/null | cut -c1-300 | sed 's/^/# /' >&2
    [ -z "${SLUICE_BENCH_KEEP_LOG:-}" ] || cp "$log" "$SLUICE_BENCH_KEEP_LOG" || true
    controller_down
    servers_end "$code"
}

log=/dev/null controller='' version=0
cluster_init
trap 'bench_end $?' EXIT
pg_start pg tcp max_connections=400 shared_buffers=128MB
db_create pg fleet
db_sql pg fleet 'create table told (place text, version int); grant insert on told to app' >/dev/null
repo_new shop
mkdir -p "$SERVERS_DIR/shop/sql"
kubectl apply --server-side -k "$SLUICE_SOURCE/crds" >/dev/null
within 30 condition_true crd/migrationplans.sluice.dev Established
namespace $NS
kubectl create configmap ca -n $NS --from-file=ca.crt="$SLUICE_TEST_CA" >/dev/null
kubectl create secret generic hook -n $NS --from-literal=token=$token >/dev/null
migration
for wanted in "$@"; do "case_$wanted"; done
