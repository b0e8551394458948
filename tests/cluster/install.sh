#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The installed controller as a Deployment: it passes its own namespace's security profile, its image and
# its runners' are one, replicas take turns, a roll-out hands the lease on, and all of it can be removed.
# cluster: node
# timeout: 400
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
cluster_init
there=(--namespace sluice-system)

is "an overlay's image is the controller's and the runners'" \
    "$(kubectl kustomize "$SLUICE_SOURCE/tests/cluster/kustomize" | grep -cE '(image|value): localhost/sluice:test$')" 2
ok "the base is installed and the controller is Available" sluice_install
is "the namespace enforces the profile restricted" \
    "$(get namespace/sluice-system '{.metadata.labels.pod-security\.kubernetes\.io/enforce}')" restricted

pods() { get pods "{.items[*].metadata.name}" "${there[@]}" --selector app.kubernetes.io/name=sluice; }
holder() { get lease/sluice-controller '{.spec.holderIdentity}' "${there[@]}"; }
holds() { [[ "$(holder)" == "$1"_* ]]; } # pod name, "_", something new in each process
one_holds() {
    local pod
    for pod in $(pods); do if holds "$pod"; then return 0; fi; done
    return 1
}

first=$(pods)
wait_for "it holds the lease" 30 holds "$first"
run_expect "a second replica becomes Ready, too" 0 '' kubectl scale deployment/sluice-controller --replicas 2 "${there[@]}"
ok "though only one works" kubectl rollout status deployment/sluice-controller "${there[@]}" --timeout=60s
ok "which is the first" holds "$first"
kubectl delete pod "$first" "${there[@]}" --wait=false >/dev/null
other_holds() { ! holds "$first" && one_holds; }
wait_for "when that ends, another one takes over" 40 other_holds

kubectl rollout restart deployment/sluice-controller "${there[@]}" >/dev/null
ok "a roll-out comes to its end" kubectl rollout status deployment/sluice-controller "${there[@]}" --timeout=120s
new_holds() { [ "$(pods | wc -w)" = 2 ] && one_holds; } # the old pods are gone
wait_for "and a new pod holds the lease" 60 new_holds
is "no container was restarted" \
    "$(get pods '{.items[*].status.containerStatuses[*].restartCount}' "${there[@]}")" '0 0'

namespace shop
kubectl create --namespace shop -f - >/dev/null <<END
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop}
spec:
  source: {url: "https://git.example.com/shop.git"}
  databases: [{name: orders, secretRef: {name: orders}}]
END
seen() { [ "$(get mplan/shop '{.status.observedGeneration}' --namespace shop)" = 1 ]; }
wait_for "it sees a plan" 40 seen
run_expect "the plan can be deleted" 0 '' kubectl delete mplan/shop --namespace shop --timeout=60s
run_expect "everything can be removed" 0 '' kubectl delete -k "$SLUICE_SOURCE/tests/cluster/kustomize" --timeout=90s
is "and nothing of it is left" \
    "$(kubectl get clusterrole,clusterrolebinding,customresourcedefinition,namespace -o name | grep sluice || true)" ''
done_testing
