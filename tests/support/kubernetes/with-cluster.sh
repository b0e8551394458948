#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A private Kubernetes of one node for one command: API server, controllers, scheduler, kubelet and
# containerd in mount, process and network namespaces of their own. All of it ends with the command,
# whose exit code is ours. Needs root; the command runs as the unprivileged user of the tests.
#
#   CLUSTER_BIN=FOLDER with-cluster.sh [--check] [--image FILE]… [--logs FOLDER] COMMAND…
#
#   --check        only say whether it can work here: 0, or 77 and the reason
#   --image FILE   an image archive for the node (never pulled: imagePullPolicy Never)
#   --logs FOLDER  keep the logs there
#
# CLUSTER_BIN is what build.sh made. The command gets KUBECONFIG (an administrator), CLUSTER_DIR (logs
# in log/), and kubectl in its PATH. The node is 10.88.0.1 on a bridge: pods reach whatever listens
# there, and the API server at https://10.88.0.1:6443. There is no other network, no DNS and no
# kube-proxy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/servers.sh
. "$here/../servers.sh"
# shellcheck source=tests/support/kubernetes/processes.sh
. "$here/processes.sh"
# shellcheck source=tests/support/kubernetes/control_plane.sh
. "$here/control_plane.sh"
# shellcheck source=tests/support/kubernetes/node.sh
. "$here/node.sh"

# The reason why it cannot work here; nothing if it can.
obstacle() {
    local program
    if [ "$(id -u)" != 0 ]; then
        echo "a kubelet needs root"
        return
    fi
    for program in containerd ctr runc ip unshare setpriv openssl; do
        command -v "$program" >/dev/null || { echo "$program is not installed"; return; }
    done
    [ -x /usr/lib/cni/bridge ] || { echo "/usr/lib/cni/bridge is not installed"; return; }
    # One tree a controller is what these scripts know.
    [ -e /sys/fs/cgroup/memory/cgroup.procs ] || { echo "this machine has no cgroup v1, which the node needs"; return; }
    unshare --mount --pid --fork --kill-child --net true 2>/dev/null ||
        echo "this machine does not allow namespaces (unshare)"
}

# ---- outside ----------------------------------------------------------------------------------

cgroup_folders() { compgen -G "/sys/fs/cgroup/*/$1" || true; }

# A parent of our own in every tree, so that what is removed in the end is only ours.
cgroup_make() {
    local tree file
    for tree in /sys/fs/cgroup/*/; do
        [ ! -f "$tree/cgroup.procs" ] || mkdir -p "$tree$CLUSTER_CGROUP"
    done
    for file in cpuset.cpus cpuset.mems; do
        cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$CLUSTER_CGROUP/$file"
    done
}

cgroup_remove() {
    local folder
    for folder in $(cgroup_folders "$1"); do find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
    [ -z "$(cgroup_folders "$1")" ]
}

# A cluster whose first process was killed took its processes and mounts along, but not its files.
# Everything that belongs to a living one holds the lock on its folder's file.
remove_dead() {
    local file
    for file in /tmp/slk-*/cgroup; do
        [ -s "$file" ] && flock -n "$file" true || continue
        until_true 5 "removing the cgroups of a killed cluster" cgroup_remove "$(<"$file")" || continue
        rm -rf --one-file-system "${file%/cgroup}"
    done
}

end_outside() {
    local code=$1 inner=$2
    trap - EXIT
    trap '' INT TERM HUP # timeout sends its signal twice
    [ -z "$inner" ] || kill -KILL "$inner" 2>/dev/null || true
    wait 2>/dev/null # the shell would tell of its end
    until_true 10 "removing the cgroups" cgroup_remove "$CLUSTER_CGROUP" || true
    if [ -n "$logs" ]; then
        mkdir -p "$logs"
        cp "$CLUSTER_DIR"/log/*.log "$logs/" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$CLUSTER_DIR"
    exit "$code"
}

outside() {
    local inner='' code=0 lock
    remove_dead
    # Short, because containerd's socket path must stay under 108 bytes.
    CLUSTER_DIR=$(mktemp -d /tmp/slk-XXXXXX)
    CLUSTER_CGROUP=sluice-$$
    export CLUSTER_DIR CLUSTER_CGROUP
    chmod 755 "$CLUSTER_DIR"
    trap 'end_outside $? "$inner"' EXIT
    trap 'exit 143' INT TERM HUP
    exec {lock}>"$CLUSTER_DIR/cgroup"
    flock "$lock"
    echo "$CLUSTER_CGROUP" >&"$lock"
    mkdir "$CLUSTER_DIR/log"
    cgroup_make
    CLUSTER_INSIDE=1 setpriv --pdeathsig KILL unshare --mount --pid --net --fork --kill-child=KILL --mount-proc \
        --propagation private bash "${BASH_SOURCE[0]}" "${arguments[@]}" &
    inner=$!
    wait "$inner" || code=$?
    exit "$code"
}

# ---- inside -----------------------------------------------------------------------------------

# These programs write to fixed places; here they write into copies that only we see.
private_folders() {
    local folder layer
    mkdir "$CLUSTER_DIR/private"
    mount -t tmpfs tmpfs "$CLUSTER_DIR/private"
    for folder in /run /var/lib /var/log; do
        layer=$CLUSTER_DIR/private/$folder
        mkdir -p "$layer/upper" "$layer/work"
        mount -t overlay -o "lowerdir=$folder,upperdir=$layer/upper,workdir=$layer/work" overlay "$folder"
    done
    rm -rf /run/containerd /var/lib/kubelet /var/lib/cni /var/log/containers
    mkdir -p /run/containerd /var/lib/kubelet /var/lib/cni /var/log/containers
}

# What the unprivileged command asks of the node (node_run in cluster.sh) comes as names of folders.
serve_requests() {
    local request
    mkdir "$CLUSTER_DIR/requests"
    mkfifo "$CLUSTER_DIR/requests/queue"
    chown -R "$(servers_user)" "$CLUSTER_DIR/requests"
    exec 3<>"$CLUSTER_DIR/requests/queue"
    while read -r request <&3; do
        (
            cd "$request"
            code=0
            (eval "$(<command)") </dev/null >out 2>err 3>&- || code=$?
            echo $code >code
            : >done
        ) &
    done
}

inside() {
    local began=${EPOCHREALTIME/./} image imports
    trap 'say "killed"; exit 143' TERM
    private_folders
    ip link set lo up
    bridge_up
    export KUBECONFIG=$CLUSTER_DIR/admin.kubeconfig KUBECACHEDIR=$CLUSTER_DIR/cache
    PATH=$CLUSTER_BIN:$PATH
    containerd_up || return 1
    (for image in "$CLUSTER_BIN/pause.tar" "${images[@]}"; do node_import "$image" || exit 1; done) &
    imports=$!
    control_plane_up || return 1
    scheduler_up
    wait "$imports" || { say "an image could not be imported"; return 1; }
    kubelet_up || return 1
    say "ready after $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
    serve_requests &
    chown "$(servers_user)" "$KUBECONFIG"
    # setpriv drops the environment, but for what begins with SLUICE.
    servers_as_user env "KUBECONFIG=$KUBECONFIG" "CLUSTER_DIR=$CLUSTER_DIR" "CLUSTER_BIN=$CLUSTER_BIN" \
        "HOME=${CLUSTER_HOME:-$CLUSTER_DIR}" "$@"
}

arguments=("$@") images=() logs='' check=''
while [ $# != 0 ]; do
    case $1 in
    --check) check=1 ;;
    --image)
        images+=("$2")
        shift
        ;;
    --logs)
        logs=$2
        shift
        ;;
    *) break ;;
    esac
    shift
done

if [ -n "${CLUSTER_INSIDE:-}" ]; then
    code=0
    unset CLUSTER_INSIDE
    inside "$@" || code=$?
    exit $code
fi
reason=$(obstacle)
if [ -n "$reason" ]; then
    printf '# skipped: %s\n' "$reason" >&2
    exit 77
fi
[ -z "$check" ] || exit 0
[ $# != 0 ] || { sed -n 's/^# \{0,1\}//; 3,18p' "${BASH_SOURCE[0]}" >&2; exit 1; }
[ -x "${CLUSTER_BIN:?is not set: the folder that build.sh filled}/kubelet" ] || { say "$CLUSTER_BIN has no kubelet"; exit 1; }
outside
