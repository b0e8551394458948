# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Bridge, containerd and kubelet, for with-cluster.sh. Everything lives in $CLUSTER_DIR.
#
#   containerd_up | kubelet_up      start it, also again, and wait until it works
#   kubelet_down [SIGNAL]           end the kubelet; its containers go on
#   containerd_down [SIGNAL]        end containerd; its containers go on
#   node_import FILE                an image
bridge=sluice0 pods_network=10.88.0.0/16

bridge_up() {
    ip link add "$bridge" type bridge
    ip addr add "$node_address/16" dev "$bridge"
    ip link set "$bridge" up
}

containerd_configure() {
    mkdir -p "$CLUSTER_DIR/cni"
    # Not isGateway: that would switch ip_forward on.
    cat >"$CLUSTER_DIR/cni/10-bridge.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "$bridge", "isGateway": false, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$CLUSTER_DIR/cni/ipam",
    "ranges": [[{"subnet": "$pods_network", "rangeStart": "10.88.1.1", "rangeEnd": "10.88.250.250", "gateway": "$node_address"}]],
    "routes": [{"dst": "0.0.0.0/0", "gw": "$node_address"}]}}]}
END
    # Lowering a process's oom_score_adj is not allowed everywhere: it is left alone.
    cat >"$CLUSTER_DIR/containerd.toml" <<END
version = 2
root = "$CLUSTER_DIR/containerd/root"
state = "$CLUSTER_DIR/containerd/state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$CLUSTER_DIR/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$CLUSTER_DIR/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$CLUSTER_DIR/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$(command -v runc)"
        Root = "$CLUSTER_DIR/runc"
        SystemdCgroup = false
END
}

node_ctr() { ctr --address "$CLUSTER_DIR/containerd.sock" --namespace k8s.io "$@"; }
node_import() { node_ctr images import "$1" >>"$CLUSTER_DIR/log/import.log" 2>&1; }

containerd_ready() { ! running containerd || node_ctr version; }

containerd_up() {
    [ -e "$CLUSTER_DIR/containerd.toml" ] || containerd_configure
    start containerd containerd --config "$CLUSTER_DIR/containerd.toml"
    until_true 20 "containerd answers" containerd_ready && running containerd
}

# cgroupRoot: what belongs to this cluster can be told and removed. resolv.conf is not empty, because
# pods would get the machine's then.
kubelet_configure() {
    printf 'nameserver %s\noptions timeout:1 attempts:1\n' "$node_address" >"$CLUSTER_DIR/resolv.conf"
    cat >"$CLUSTER_DIR/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_address
healthzBindAddress: 127.0.0.1
readOnlyPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $CLUSTER_DIR/pki/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://$CLUSTER_DIR/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CLUSTER_CGROUP
cgroupsPerQOS: true
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
oomScoreAdj: 0
maxOpenFiles: $(open_files)
makeIPTablesUtilChains: false
podLogsDir: $CLUSTER_DIR/pod-logs
volumePluginDir: $CLUSTER_DIR/kubelet/plugins
resolvConf: $CLUSTER_DIR/resolv.conf
nodeStatusUpdateFrequency: 5s
nodeLeaseDurationSeconds: 20
shutdownGracePeriod: 0s
END
}

# Raising the hard limit is not allowed everywhere.
open_files() { ulimit -Hn | grep -x '[0-9]*' || echo 1000000; }

# What the API says may be from before; the port is from now.
node_ready() {
    ! running kubelet || { (exec 4<>/dev/tcp/127.0.0.1/10248) && [ "$(kubectl get node "$node_name" \
        -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }
}

kubelet_up() {
    [ -e "$CLUSTER_DIR/kubelet.yaml" ] || kubelet_configure
    start kubelet kubelet "--config=$CLUSTER_DIR/kubelet.yaml" "--kubeconfig=$CLUSTER_DIR/kubelet.kubeconfig" \
        "--root-dir=$CLUSTER_DIR/kubelet" "--cert-dir=$CLUSTER_DIR/kubelet/pki" \
        "--hostname-override=$node_name" "--node-ip=$node_address"
    until_true 60 "the node is Ready" node_ready && running kubelet
}

gone() { ! kill -0 "$1" 2>/dev/null; }

program_down() { # NAME [SIGNAL]
    local pid
    pid=$(<"$CLUSTER_DIR/$1.pid")
    kill "-${2:-TERM}" "$pid" || return 1
    until_true 30 "$1 ends" gone "$pid"
}

kubelet_down() { program_down kubelet "${1:-}"; }
containerd_down() { program_down containerd "${1:-}"; }
