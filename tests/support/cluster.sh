# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A test's view of its private cluster (kubernetes/with-cluster.sh). Source after tap.sh; it brings
# servers.sh, whose servers then listen where pods reach them.
#
#   cluster_init                     first; prints what the cluster knows if the test fails
#   namespace NAME [KEY=VALUE]…      made, with labels, and ready for pods
#   apply [FILE…]                    kubectl apply; from stdin without files
#   get RESOURCE PATH [OPTION]…      one value, e.g. get job/x '{.status.succeeded}' -n shop
#   condition_true RESOURCE TYPE [OPTION]…    for wait_for: the condition is True
#   await SECONDS RESOURCE CONDITION [OPTION]…    kubectl wait --for=condition=…
#   job_ends SECONDS JOB [OPTION]…   until it is Complete or Failed; true and silent, or what it said
#   pods_of JOB [OPTION]…            names of its pods
#   sluice_apply                     deploy/kustomize/base, with the image and the addresses of here
#   sluice_install [FLAG…]           the same, and the controller, with these flags too, is Available
#   sluice_grant NAMESPACE           the controller may read its Secrets
#   node_run COMMAND…                as root beside the kubelet; functions of kubernetes/node.sh too:
#                                    kubelet_down [KILL], kubelet_up, containerd_down, containerd_up,
#                                    node_ctr …, node_import FILE
#   container_pid POD CONTAINER [NAMESPACE]   its first process, as node_run sees it
#
# The test runs as the unprivileged user. SLUICE_TEST_NODE is the address that pods reach us at,
# SLUICE_TEST_API the API server's for them; SLUICE_IMAGE the name of the image under test.
SERVERS_HOST=${CLUSTER_ADDRESS:-10.88.0.1}
. "$SLUICE_SOURCE/tests/support/servers.sh"
export SLUICE_TEST_NODE=$SERVERS_HOST SLUICE_TEST_API=https://$SERVERS_HOST:${CLUSTER_API_PORT:-6443}
export SLUICE_IMAGE=localhost/sluice:test
cluster_requests=0

cluster_init() {
    if [ -z "${CLUSTER_DIR:-}" ]; then
        servers_say "there is no cluster: start this script by tests/run.sh"
        exit 1
    fi
    servers_init
    PATH=$CLUSTER_BIN:$PATH
    export KUBECACHEDIR=$SERVERS_DIR/kubectl
    trap 'cluster_end $?' EXIT
}

cluster_end() {
    local code=$1
    if { [ "$code" != 0 ] && [ "$code" != 77 ]; } || [ "${tap_failed:-0}" != 0 ]; then cluster_tell; fi
    servers_end "$code"
}

# What a person would ask first.
cluster_tell() {
    {
        kubectl get pods,jobs --all-namespaces -o wide
        kubectl get events --all-namespaces --sort-by=.lastTimestamp | tail -n 15
        kubectl logs --namespace sluice-system --selector app.kubernetes.io/name=sluice --tail=25 2>&1
    } 2>/dev/null | cut -c1-300 | sed 's/^/#   /' >&2
}

namespace() {
    local name=$1
    shift
    kubectl create namespace "$name" >/dev/null || return 1
    [ $# = 0 ] || kubectl label namespace "$name" "$@" >/dev/null || return 1
    # Pods are refused until their account is there.
    within 30 kubectl get serviceaccount default --namespace "$name"
}

apply() {
    local file arguments=()
    for file in "$@"; do arguments+=(-f "$file"); done
    [ $# != 0 ] || arguments=(-f -)
    kubectl apply "${arguments[@]}"
}

get() {
    local resource=$1 path=$2
    shift 2
    kubectl get "$resource" -o "jsonpath=$path" "$@"
}

condition_true() {
    local resource=$1 type=$2
    shift 2
    [ "$(get "$resource" "{.status.conditions[?(@.type==\"$type\")].status}" "$@")" = True ]
}

await() {
    local seconds=$1 resource=$2 type=$3
    shift 3
    kubectl wait "--for=condition=$type" "--timeout=${seconds}s" "$resource" "$@"
}

job_over() { [ -n "$(get "job/$1" '{.status.conditions[?(@.status=="True")].type}' "${@:2}" | grep -Ew 'Complete|Failed')" ]; }

job_ends() {
    local seconds=$1 job=$2
    shift 2
    within "$seconds" job_over "$job" "$@" && condition_true "job/$job" Complete "$@" && return 0
    get "job/$job" '{.status}{"\n"}' "$@"
    kubectl logs "job/$job" --all-containers --tail=20 "$@" 2>&1
    return 1
}

pods_of() {
    local job=$1
    shift
    kubectl get pods --selector "batch.kubernetes.io/job-name=$job" -o 'jsonpath={.items[*].metadata.name}' "$@"
}

sluice_apply() { kubectl apply --server-side -k "$SLUICE_SOURCE/tests/cluster/kustomize"; }

sluice_install() {
    local flag patch=''
    sluice_apply >/dev/null || return 1
    for flag in "$@"; do
        patch+="${patch:+,}{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/0/args/-\",\"value\":\"$flag\"}"
    done
    [ -z "$patch" ] || kubectl patch deployment/sluice-controller --namespace sluice-system --type json \
        --patch "[$patch]" >/dev/null || return 1
    kubectl rollout status deployment/sluice-controller --namespace sluice-system --timeout=60s
}

sluice_grant() { kubectl apply -k "$SLUICE_SOURCE/deploy/kustomize/grant" --namespace "$1"; }

# The node has root and reads its orders here (with-cluster.sh). NODE_RUN_SECONDS: how long it may take.
node_run() {
    local request code
    cluster_requests=$((cluster_requests + 1))
    request=$(mktemp -d "$CLUSTER_DIR/requests/$cluster_requests-XXXXXX")
    printf '%q ' "$@" >"$request/command"
    printf '%s\n' "$request" >"$CLUSTER_DIR/requests/queue"
    if ! within "${NODE_RUN_SECONDS:-120}" test -e "$request/done"; then
        servers_say "the node did not do in time: $*"
        return 1
    fi
    cat "$request/out"
    cat "$request/err" >&2
    code=$(<"$request/code")
    return "$code"
}

container_pid() {
    local id
    id=$(get "pod/$1" "{.status.containerStatuses[?(@.name==\"$2\")].containerID}" --namespace "${3:-default}") || return 1
    node_run node_ctr task ls | awk -v id="${id#*://}" '$1 == id { print $2 }'
}
