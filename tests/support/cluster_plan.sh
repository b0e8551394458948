# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Plans on the cluster of a test. Source after cluster.sh. Namespace shop unless $NS says another.
#
#   sluice ARGUMENT…                the program, in that namespace of the cluster
#   push REPO MESSAGE               commits the clone's sql/ folder and pushes it; $sha is the commit
#   db_secret NAME SERVER DATABASE  a Secret with fields and the test's CA
#   hook NAMESPACE PLAN TOKEN       a signed push webhook to the controller's pod; prints the HTTP code
#   controller_pod                  its name
#   app_pod NAME VERSION            manifest of a pod whose init container is the gate
NS=${NS:-shop}

sluice() { "$SLUICE" "$@" -n "$NS"; }

push() {
    git -C "$SERVERS_DIR/$1" add -A sql
    git -C "$SERVERS_DIR/$1" commit -q -m "$2"
    git -C "$SERVERS_DIR/$1" push -q origin HEAD:main
    sha=$(git -C "$SERVERS_DIR/$1" rev-parse HEAD)
}

db_secret() {
    local type=mariadb
    case $2 in pg*) type=postgresql ;; esac
    kubectl create secret generic "$1" -n "$NS" --from-literal=type=$type --from-literal=host="$SERVERS_HOST" \
        --from-literal=port="$(servers_get "$2" PORT)" --from-literal=username=app \
        --from-literal=password="$SLUICE_TEST_PASSWORD" --from-literal=database="$3" \
        --from-file=ca.crt="$SLUICE_TEST_CA" >/dev/null
}

controller_pod() {
    kubectl get pods -n sluice-system -l app.kubernetes.io/component=controller \
        --field-selector=status.phase=Running -o 'jsonpath={.items[0].metadata.name}'
}

hook() {
    local address body='{"ref":"refs/heads/main"}' signature
    address=$(get "pod/$(controller_pod)" '{.status.podIP}' -n sluice-system)
    signature=$(printf '%s' "$body" | openssl dgst -sha256 -hmac "$3" | sed 's/.*= //')
    perl -MIO::Socket::INET -e '
        my ($address, $path, $body, $signature) = @ARGV;
        my $s = IO::Socket::INET->new(PeerAddr => $address, PeerPort => 9292, Timeout => 10) or die "connect: $@";
        print $s "POST $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Hub-Signature-256: sha256=$signature\r\n",
            "Content-Length: ", length $body, "\r\n\r\n$body";
        print((split / /, <$s>)[1]);' "$address" "/hook/$1/$2" "$body" "$signature"
}

app_pod() {
    cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: $NS}
spec:
  restartPolicy: Never
  dnsPolicy: Default
  serviceAccountName: app
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  initContainers:
  - name: gate
    image: $SLUICE_IMAGE
    imagePullPolicy: Never
    args: [gate, plan/shop, --min-version, "$2", --timeout, 120s]
    env:
    - {name: KUBERNETES_SERVICE_HOST, value: 10.88.0.1}
    - {name: KUBERNETES_SERVICE_PORT, value: "6443"}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  containers:
  - name: main
    image: $SLUICE_IMAGE
    imagePullPolicy: Never
    args: [version]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
YAML
}
