# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# etcd, API server, controllers and scheduler, for with-cluster.sh and with-pod-runner.sh. Everything lives
# in $CLUSTER_DIR.
api_address=0.0.0.0 api_port=6443 etcd_port=2379
node_address=10.88.0.1 node_name=node1

# The controllers that Jobs, Deployments, namespaces and aggregated roles need; no others.
controllers=job-controller,deployment-controller,replicaset-controller,garbage-collector-controller
controllers+=,ttl-after-finished-controller,serviceaccount-controller,root-ca-certificate-publisher-controller
controllers+=,namespace-controller,pod-garbage-collector-controller,node-lifecycle-controller
controllers+=,taint-eviction-controller,disruption-controller,clusterrole-aggregation-controller

ec_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 2>/dev/null; }

certificate() { # NAME SUBJECT EXTENSION
    ec_key >"$1.key"
    openssl req -new -key "$1.key" -subj "$2" |
        openssl x509 -req -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" -days 30 \
            -extfile <(printf '%s\n' "$3") -out "$1.crt" 2>/dev/null
}

# The certificates are a part of the file, so that it can be copied.
kubeconfig() { # NAME
    cat <<END
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$api_port", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: test, context: {cluster: test, user: $1}}]
current-context: test
END
}

credentials() (
    umask 077
    mkdir "$CLUSTER_DIR/pki"
    cd "$CLUSTER_DIR/pki"
    ec_key >ca.key
    openssl req -x509 -new -key ca.key -days 30 -subj '/CN=test cluster' \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out ca.crt
    certificate api /CN=kube-apiserver \
        "subjectAltName=IP:127.0.0.1,IP:10.0.0.1,IP:$node_address,DNS:localhost,DNS:kubernetes.default.svc"
    certificate admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
    certificate kubelet "/O=system:nodes/CN=system:node:$node_name" extendedKeyUsage=clientAuth
    ec_key >sa.key
    openssl pkey -in sa.key -pubout -out sa.pub
    kubeconfig admin >../admin.kubeconfig
    kubeconfig kubelet >../kubelet.kubeconfig
)

api_up() {
    # The authorizer and the admission of a real cluster. InternalIP, so that logs and exec go to the
    # bridge; --advertise-address, because there is no default route to find one by.
    # Not in a subshell of its own: it would be the parent, and a start_prefix may tie us to its life.
    start api env -C "$CLUSTER_DIR/pki" kube-apiserver "--etcd-servers=http://127.0.0.1:$etcd_port" \
        "--bind-address=$api_address" "--secure-port=$api_port" "--advertise-address=$node_address" \
        --cert-dir=. --tls-cert-file=api.crt --tls-private-key-file=api.key --client-ca-file=ca.crt \
        --service-cluster-ip-range=10.0.0.0/24 --endpoint-reconciler-type=none \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file=sa.pub --service-account-signing-key-file=sa.key \
        --kubelet-preferred-address-types=InternalIP \
        --kubelet-client-certificate=admin.crt --kubelet-client-key=admin.key --profiling=false
}

api_ready() { ! running api || kubectl get --raw /readyz; }

control_plane_up() {
    local admin=$CLUSTER_DIR/admin.kubeconfig
    start etcd etcd "--data-dir=$CLUSTER_DIR/etcd" "--listen-client-urls=http://127.0.0.1:$etcd_port" \
        "--advertise-client-urls=http://127.0.0.1:$etcd_port" --listen-peer-urls=http://127.0.0.1:0 \
        --unsafe-no-fsync
    credentials || { say "the certificates could not be made"; return 1; }
    api_up
    until_true 60 "the API server is ready" api_ready && running etcd && running api || return 1
    # Its default of 20 requests a second makes four Jobs a second: that would be what is measured.
    start controllers kube-controller-manager "--kubeconfig=$admin" --leader-elect=false \
        --use-service-account-credentials=false "--controllers=$controllers" \
        --kube-api-qps=300 --kube-api-burst=600 \
        "--service-account-private-key-file=$CLUSTER_DIR/pki/sa.key" \
        "--root-ca-file=$CLUSTER_DIR/pki/ca.crt" --bind-address=127.0.0.1 --secure-port=0
}

scheduler_up() {
    start scheduler kube-scheduler "--kubeconfig=$CLUSTER_DIR/admin.kubeconfig" --leader-elect=false --bind-address=127.0.0.1 \
        --secure-port=0
}
