#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A private Kubernetes without a node for one command: etcd, API server and controllers on ports of the
# loopback address, and pod_runner.pl, which runs our Jobs' pods as plain processes. Needs neither root
# nor namespaces. All of it ends with the command, whose exit code is ours. Started as root, everything
# runs as the unprivileged user of the tests.
#
#   CLUSTER_BIN=FOLDER SLUICE=PROGRAM with-pod-runner.sh [--check] [--logs FOLDER] COMMAND…
#
#   --check        only say whether it can work here: 0, or 77 and the reason
#   --logs FOLDER  keep the logs there
#
# CLUSTER_BIN is what build.sh made. The command gets KUBECONFIG (an administrator), CLUSTER_DIR (logs in
# log/, what pods saw and said in pods/), CLUSTER_ADDRESS and CLUSTER_API_PORT, and kubectl in its PATH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVERS_HOST=127.0.0.1
# shellcheck source=tests/support/servers.sh
. "$here/../servers.sh"
# shellcheck source=tests/support/kubernetes/processes.sh
. "$here/processes.sh"
# shellcheck source=tests/support/kubernetes/control_plane.sh
. "$here/control_plane.sh"

obstacle() {
    local program
    for program in perl setpriv openssl flock; do
        command -v "$program" >/dev/null || { echo "$program is not installed"; return; }
    done
    perl -MJSON::PP -MIO::Socket::UNIX -e 1 2>/dev/null || echo "perl's JSON::PP is not installed"
}

# ---- outside ----------------------------------------------------------------------------------

end_outside() {
    local code=$1 inner=$2
    trap - EXIT
    trap '' INT TERM HUP # timeout sends its signal twice
    [ ! -s "$CLUSTER_DIR/inside.pid" ] || kill "$(<"$CLUSTER_DIR/inside.pid")" 2>/dev/null || true
    [ -z "$inner" ] || wait "$inner" 2>/dev/null || true
    if [ -n "$logs" ]; then
        mkdir -p "$logs"
        cp "$CLUSTER_DIR"/log/*.log "$logs/" 2>/dev/null || true
    fi
    rm -rf "$CLUSTER_DIR"
    exit "$code"
}

outside() {
    local inner='' code=0
    CLUSTER_DIR=$(mktemp -d /tmp/slp-XXXXXX)
    trap 'end_outside $? "$inner"' EXIT
    trap 'exit 143' INT TERM HUP
    mkdir "$CLUSTER_DIR/log" "$CLUSTER_DIR/pods"
    [ "$(id -u)" != 0 ] || chown -R "$(servers_user):" "$CLUSTER_DIR"
    servers_as_user env CLUSTER_INSIDE=1 "CLUSTER_DIR=$CLUSTER_DIR" "CLUSTER_BIN=$CLUSTER_BIN" "SLUICE=$SLUICE" \
        "HOME=${CLUSTER_HOME:-$CLUSTER_DIR}" bash "${BASH_SOURCE[0]}" "$@" &
    inner=$!
    wait "$inner" || code=$?
    inner=''
    exit "$code"
}

# ---- inside -----------------------------------------------------------------------------------

end_inside() {
    local code=$1 file
    trap - EXIT
    trap '' INT TERM HUP
    for file in "$CLUSTER_DIR"/*.pid; do
        [ "$file" = "$CLUSTER_DIR/inside.pid" ] || kill -KILL "$(<"$file")" 2>/dev/null || true
    done
    : >"$CLUSTER_DIR/inside.pid"
    exit "$code"
}

proxy_ready() { ! running proxy || [ -S "$CLUSTER_DIR/proxy.socket" ]; }
node_ready() {
    ! running pod-runner ||
        [ "$(kubectl get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}')" = True ]
}

inside() {
    local began=${EPOCHREALTIME/./} code=0
    echo $$ >"$CLUSTER_DIR/inside.pid"
    trap 'end_inside $?' EXIT
    trap 'exit 143' INT TERM HUP
    # Whatever kills us takes them along.
    start_prefix=(setpriv --pdeathsig KILL)
    export CLUSTER_ADDRESS=127.0.0.1 CLUSTER_API_PORT
    export KUBECONFIG=$CLUSTER_DIR/admin.kubeconfig KUBECACHEDIR=$CLUSTER_DIR/cache
    PATH=$CLUSTER_BIN:$PATH
    api_address=$CLUSTER_ADDRESS
    servers_take_port || return 1
    etcd_port=$servers_port
    servers_take_port || return 1
    api_port=$servers_port CLUSTER_API_PORT=$servers_port
    control_plane_up || return 1
    start proxy kubectl proxy "--unix-socket=$CLUSTER_DIR/proxy.socket"
    until_true 20 "the proxy listens" proxy_ready && running proxy || return 1
    start pod-runner perl "$here/pod_runner.pl" "$CLUSTER_DIR/proxy.socket" "$CLUSTER_DIR/pods" "$SLUICE"
    until_true 20 "the pod runner's node is Ready" node_ready && running pod-runner || return 1
    say "ready after $(((${EPOCHREALTIME/./} - began) / 1000)) ms, without a node: pods run as processes"
    "$@" || code=$?
    return $code
}

logs='' check=''
while [ $# != 0 ]; do
    case $1 in
    --check) check=1 ;;
    --logs)
        logs=$2
        shift
        ;;
    *) break ;;
    esac
    shift
done
if [ -n "${CLUSTER_INSIDE:-}" ]; then
    unset CLUSTER_INSIDE
    inside "$@"
    exit
fi
reason=$(obstacle)
if [ -n "$reason" ]; then
    printf '# skipped: %s\n' "$reason" >&2
    exit 77
fi
[ -z "$check" ] || exit 0
[ $# != 0 ] || { sed -n 's/^# \{0,1\}//; 3,15p' "${BASH_SOURCE[0]}" >&2; exit 1; }
[ -x "${CLUSTER_BIN:?is not set: the folder that build.sh filled}/kube-apiserver" ] || { say "$CLUSTER_BIN has no kube-apiserver"; exit 1; }
[ -x "${SLUICE:?is not set: the program that pods run}" ] || { say "$SLUICE is no program"; exit 1; }
outside "$@"
