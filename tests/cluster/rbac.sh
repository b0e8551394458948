#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rights of the installed controller: what is rendered is what was agreed on, and the API server
# says the same of each right that it must or must not have.
# cluster: node
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
cluster_init

# After a change that is meant: kubectl kustomize, this awk, and a look at the difference.
rendered=$(kubectl kustomize "$SLUICE_SOURCE/deploy/kustomize/base" |
    awk 'BEGIN { RS = "---\n" } /\nkind: (ServiceAccount|(Cluster)?Role(Binding)?)\n/ { print "---"; printf "%s", $0 }')
is "the rendered rights are those of rbac.golden.yaml" \
    "$(diff <(printf '%s\n' "$rendered") "$SLUICE_SOURCE/tests/cluster/rbac.golden.yaml")" ''

ok "the base is applied" sluice_apply
namespace shop >/dev/null
namespace fleet >/dev/null
namespace other >/dev/null
sluice_grant shop >/dev/null
kubectl create rolebinding sluice --namespace fleet --clusterrole sluice-secrets-selector \
    --serviceaccount sluice-system:sluice-controller >/dev/null
kubectl create serviceaccount app --namespace shop >/dev/null
kubectl create rolebinding gate --namespace shop --clusterrole sluice-gate --serviceaccount shop:app >/dev/null
for role in view edit admin; do
    kubectl create rolebinding "$role" --namespace shop --clusterrole "$role" --user "$role" >/dev/null
done

may() { # WHO NAMESPACE VERB RESOURCE[/NAME][:SUBRESOURCE]: yes or no
    local who=$1 namespace=(--namespace "$2") resource=$4 answer
    case $who in
    controller) who=system:serviceaccount:sluice-system:sluice-controller ;;
    app) who=system:serviceaccount:shop:app ;;
    esac
    [ "$2" != - ] || namespace=()
    [ "$2" != '*' ] || namespace=(--all-namespaces)
    case $resource in *:*) namespace+=(--subresource "${resource#*:}") ;; esac
    answer=$(kubectl auth can-i "$3" "${resource%:*}" --as "$who" "${namespace[@]}" 2>/dev/null) || true
    printf '%s' "$answer"
}

# People get theirs by aggregation, which takes the API server a moment.
aggregated() { [ "$(may edit shop create migrationplans.sluice.dev)" = yes ]; }
wait_for "the roles of people are aggregated" 30 aggregated

while read -r want who where verb resources; do
    [ -n "$want" ] || continue
    for resource in $resources; do
        is "$who in $where, $verb $resource: $want" "$(may "$who" "$where" "$verb" "$resource")" "$want"
    done
done <<'END'
yes controller * get      migrationplans.sluice.dev jobs.batch pods configmaps
yes controller * list     migrationplans.sluice.dev jobs.batch pods configmaps events.events.k8s.io
yes controller * watch    migrationplans.sluice.dev jobs.batch pods
yes controller * patch    migrationplans.sluice.dev migrationplans.sluice.dev:status pods events.events.k8s.io
yes controller * create   jobs.batch configmaps events.events.k8s.io
yes controller * delete   jobs.batch configmaps
no  controller * create   migrationplans.sluice.dev pods secrets pods:exec serviceaccounts:token
no  controller * update   migrationplans.sluice.dev:status jobs.batch secrets configmaps
no  controller * patch    secrets jobs.batch configmaps deployments.apps
no  controller * delete   migrationplans.sluice.dev pods secrets namespaces
no  controller * get      secrets
no  controller * list     secrets namespaces
no  controller * watch    secrets
no  controller * impersonate users
no  controller - escalate clusterroles.rbac.authorization.k8s.io
yes controller - get      namespaces/kube-system
no  controller - get      namespaces/shop
yes controller shop  get  secrets
no  controller shop  list secrets
yes controller fleet get  secrets
yes controller fleet list secrets
no  controller fleet watch secrets
no  controller other get  secrets
no  controller sluice-system get secrets
yes controller sluice-system create leases.coordination.k8s.io
yes controller sluice-system get    leases.coordination.k8s.io/sluice-controller
yes controller sluice-system update leases.coordination.k8s.io/sluice-controller
no  controller sluice-system update leases.coordination.k8s.io/other
no  controller sluice-system delete leases.coordination.k8s.io/sluice-controller
no  controller other         create leases.coordination.k8s.io
yes app  shop  get    migrationplans.sluice.dev
yes app  shop  watch  migrationplans.sluice.dev
no  app  shop  patch  migrationplans.sluice.dev
no  app  shop  get    secrets jobs.batch
no  app  other get    migrationplans.sluice.dev
yes view shop  list   migrationplans.sluice.dev
no  view shop  create migrationplans.sluice.dev
yes edit shop  patch  migrationplans.sluice.dev
no  edit shop  patch  migrationplans.sluice.dev:status
yes admin shop delete migrationplans.sluice.dev
no  edit other get    migrationplans.sluice.dev
END

ok "the controller itself is content with them" kubectl rollout status deployment/sluice-controller \
    --namespace sluice-system --timeout=60s
is "nothing is refused to it" \
    "$(kubectl logs deployment/sluice-controller --namespace sluice-system | grep -iE 'forbidden|may not|cannot' || true)" ''
done_testing
