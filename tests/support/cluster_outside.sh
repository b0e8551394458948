# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A controller beside the cluster of a test, as the administrator: for what a Deployment's restarts and
# probes would only blur. Source after cluster_plan.sh.
#
#   outside_begin                    the CRD, namespace $NS that enforces the restricted profile
#   outside_start [FLAG…]            starts one; $controller is its pid, $CONTROLLER_LOG its log
#   outside_stop [PID]               SIGTERM, and waits
#   outside_dead PID                 true when it has ended
#   plan_is STATUS-REASON            for wait_for: Ready is that, e.g. "False RunnerNotStarted"
#   plan_has COMMIT                  for wait_for: it is applied to every database
#   ready_message                    of the plan shop
#   jobs_of DATABASE                 names of its Jobs, oldest first
#   runner_up                        for wait_for: some runner's container runs
#   sluice_maps | no_maps            how many ConfigMaps of ours there are; for wait_for: none
CONTROLLER_LOG=$PWD/controller.log

outside_begin() {
    kubectl apply --server-side -k "$SLUICE_SOURCE/crds" >/dev/null
    within 30 condition_true crd/migrationplans.sluice.dev Established
    namespace "$NS" pod-security.kubernetes.io/enforce=restricted >/dev/null
}

outside_start() {
    "$SLUICE" controller --kubeconfig "$KUBECONFIG" --runner-image "$SLUICE_IMAGE" \
        --runner-image-pull-policy Never --allow-source-scheme file --min-interval 200ms \
        --metrics-addr off --health-addr 127.0.0.1:0 --hook-addr off --cache-dir "$SERVERS_DIR/cache" \
        "$@" >>"$CONTROLLER_LOG" 2>&1 &
    controller=$!
}

outside_dead() { ! kill -0 "$1" 2>/dev/null; }

outside_stop() {
    kill "${1:-$controller}" 2>/dev/null || true
    within 30 outside_dead "${1:-$controller}"
}

plan_is() {
    [ "$(get mplan/shop '{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].reason}' -n "$NS")" = "$1" ]
}
plan_has() { [ "$(get mplan/shop '{.status.lastAppliedCommit}' -n "$NS")" = "$1" ]; }
ready_message() { get mplan/shop '{.status.conditions[?(@.type=="Ready")].message}' -n "$NS"; }
jobs_of() {
    kubectl get jobs -n "$NS" -l "sluice.dev/database=$1" --sort-by=.metadata.creationTimestamp \
        -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'
}
runner_up() {
    [ -n "$(get pods '{.items[?(@.status.phase=="Running")].metadata.name}' -n "$NS" -l sluice.dev/part=runner)" ]
}
sluice_maps() { kubectl get configmaps -n "$NS" -o name | grep -c /sluice- || true; }
no_maps() { [ "$(sluice_maps)" = 0 ]; }
