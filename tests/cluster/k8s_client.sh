#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Kubernetes client and a real API server: what it refuses, and how we tell it; texts that a YAML parser
# would damage; list and watch; a lease with two candidates; events that repeat; a pod's token.
# timeout: 180
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
cluster_init
kubecat=$SLUICE_DEBUG_BUILD/tests/kubecat
namespace client
maps=/api/v1/namespaces/client/configmaps
work=$SERVERS_DIR/client
mkdir "$work"

# said NAME CODE REGEX ARGUMENT…: exit code, and the whole output, stderr too.
said() {
    local name=$1 code=$2 regex=$3 got=0 output
    shift 3
    output=$(timeout 60 "$kubecat" "$@" 2>&1) || got=$?
    if [ $got != "$code" ]; then flunk "$name" "code $got instead of $code" "$output"; else like "$name" "$output" "$regex"; fi
}

# ---- answers --------------------------------------------------------------------------------------

said "what is not there" 1 'NotFound terminal: GET .*not found \(404\)' get $maps/absent
said "a create" 0 '"name":"one"' post $maps '{"metadata":{"name":"one","labels":{"a":"b"}}}'
said "once more" 1 'AlreadyExists conflict: POST .*already exists \(409\)' post $maps '{"metadata":{"name":"one"}}'
said "a patch whose test fails" 1 'Conflict conflict: PATCH .*422' \
    json $maps/one '[{"op":"test","path":"/metadata/name","value":"two"}]'
said "a patch of what is not there" 1 'Conflict conflict: PATCH .*422' json $maps/one '[{"op":"remove","path":"/data/x"}]'
said "a patch with an invalid result" 1 'Invalid terminal: PATCH .*422' \
    json $maps/one '[{"op":"add","path":"/metadata/labels","value":{"a b":"c"}}]'
said "a put of an old version" 1 'Conflict conflict: PUT .*409' \
    put $maps/one '{"metadata":{"name":"one","resourceVersion":"1"}}'
said "a delete of another uid" 1 'Conflict conflict: DELETE .*[Pp]recondition' \
    delete $maps/one '{"preconditions":{"uid":"00000000-0000-0000-0000-000000000000"}}'
said "an invalid object" 1 'Invalid terminal: POST .*422' post $maps '{"metadata":{"name":"No Name"}}'
said "a namespace that is not there" 1 'NotFound terminal' post /api/v1/namespaces/absent/configmaps '{"metadata":{"name":"a"}}'

text='a\u2028 b\u2029 c\u0085 d\u007f e\u009f f\ufeff g\ufffe \\ \" / \u0001 \ud83d\ude80 ä'
printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"data":{"x":"%s"}}' "$text" >"$work/odd"
plain() { perl -MJSON::PP -0777 -ne 'print join " ", map { ord } split //, JSON::PP->new->utf8->decode($_)->{data}{x}'; }
"$kubecat" apply "$maps/odd?fieldManager=test&force=true" - <"$work/odd" >/dev/null
is "an apply keeps every character" "$("$kubecat" get $maps/odd | plain)" "$(plain <"$work/odd")"
kubectl apply --namespace client -f - >/dev/null <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: nul}
data: {x: "a\0b"}
END

# ---- list and watch -------------------------------------------------------------------------------

SLUICE_WATCH_SECONDS=2 "$kubecat" watch $maps 100 >"$work/watch" 2>&1 &
watcher=$!
seen() { grep -q "$1" "$work/watch"; }
wait_for "a list, with an object that strict readers refuse" 20 seen '^+ client/nul '
ok "a change" "$kubecat" merge $maps/one '{"data":{"x":"y"}}'
changed() { [ "$(grep -c '^+ client/one ' "$work/watch")" = 2 ]; }
wait_for "is seen" 20 changed
sleep_past() { [ "$(($(date +%s) - started))" -ge 4 ]; }
started=$(date +%s)
within 20 sleep_past # more than one watch
ok "a deletion" "$kubecat" delete $maps/one
wait_for "is seen by a later watch" 20 seen '^- client/one '
kill $watcher
wait $watcher 2>/dev/null || true

# ---- the lease ------------------------------------------------------------------------------------

"$kubecat" lead client lease A 30 >"$work/a" 2>&1 &
a=$!
leads() { grep -q leading "$work/$1"; }
wait_for "the first one leads" 20 leads a
"$kubecat" lead client lease B 15 >"$work/b" 2>&1 &
b=$!
holder() { kubectl get lease lease --namespace client -o jsonpath='{.spec.holderIdentity}'; }
is "and holds it" "$(holder)" A
kill -STOP $a
wait_for "when it is stopped, the second leads" 20 leads b
is "and holds it" "$(holder)" B
kill -CONT $a
code=0
wait $a || code=$?
is "the first one ends when it wakes up" $code 3
like "since it lost the lease" "$(cat "$work/a")" 'lost the lease'
code=0
wait $b || code=$?
is "the second ends well" $code 0
is "and gives it back" "$(holder)" ''
like "the term has grown" "$(cat "$work/b")" 'term 1'

# ---- events and a token ---------------------------------------------------------------------------

ok "an event is told five times" "$kubecat" events client odd 5
like "it is one event with a series" "$(kubectl get events.events.k8s.io --namespace client -o json |
    tr -d ' \n')" '"series":\{"count":2,'
is "one" "$(kubectl get events.events.k8s.io --namespace client -o name | wc -l)" 1
mkdir "$work/mount"
kubectl create serviceaccount bot --namespace client >/dev/null
kubectl create token bot --namespace client >"$work/mount/token"
kubectl config view --raw --minify --flatten -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' |
    base64 -d >"$work/mount/ca.crt"
server=$(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}')
server=${server#https://}
export KUBERNETES_SERVICE_HOST=${server%:*} KUBERNETES_SERVICE_PORT=${server##*:}
said "a service account is who it is" 1 'Forbidden transient: .*system:serviceaccount:client:bot' \
    --in-cluster "$work/mount" get $maps
printf wrong >"$work/mount/token"
said "or nobody" 1 'Forbidden transient: .*does not accept our credentials' --in-cluster "$work/mount" get $maps
done_testing
