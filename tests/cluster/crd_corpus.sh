#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The API server and the decoder are of one mind: every MigrationPlan of tests/corpus/mplan/ gets the same
# verdict and the same defaulted spec from both, and what we write as a status is kept as it is.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
cluster_init
post=$SLUICE_DEBUG_BUILD/tests/mplan_post
crd=$SLUICE_SOURCE/crds/migrationplans.yaml
files=("$SLUICE_SOURCE"/tests/corpus/mplan/*.yaml)
work=$SERVERS_DIR/corpus
plans=/apis/sluice.dev/v1alpha1/namespaces/corpus/migrationplans
mkdir "$work" "$work/status"

ok "the CRD is taken" kubectl apply --server-side -f "$crd"
ok "and established" await 30 crd/migrationplans.sluice.dev Established
namespace corpus

# ---- requests -------------------------------------------------------------------------------------

# Through kubectl's proxy, which has the credentials of whatever cluster this is.
kubectl proxy --unix-socket="$work/socket" >"$work/proxy.log" 2>&1 &
proxy=$!
stop_proxy() { kill "$proxy" 2>/dev/null || true; }
trap 'stop_proxy; cluster_end $?' EXIT
within 30 curl -fsS --unix-socket "$work/socket" "http://localhost$plans"

# send DIR METHOD TYPE PATH: each DIR/*.json by one curl, the answers beside them
send() {
    local file
    for file in "$1"/*.json; do
        printf 'url = "http://localhost%s"\nrequest = %s\nheader = "Content-Type: %s"\n' "$4" "$2" "$3"
        printf 'unix-socket = "%s"\ndata-binary = "@%s"\noutput = "%s"\nnext\n' "$work/socket" "$file" \
            "${file%.json}.answer"
    done | sed '$d' >"$1/requests"
    curl --silent --show-error --config "$1/requests"
}

# ---- plans ----------------------------------------------------------------------------------------

# What a server that knows nothing of the CRD's rules would let pass, it must not.
for file in "${files[@]}"; do
    folder=$work/$(basename "$file" .yaml)
    mkdir "$folder"
    "$post" plans "$folder" "$file"
    send "$folder" POST application/json "$plans?dryRun=All&fieldValidation=Strict"
    ok "$(basename "$file"): same verdicts and same defaults" "$post" compare "$folder" "$file"
    for answer in "$folder"/*.answer; do
        cp "$answer" "$work/$(basename "$folder")-$(basename "$answer")"
    done
done
ok "every rule of the CRD refuses something, in its own words" "$post" messages "$work" "$crd"

# ---- status ---------------------------------------------------------------------------------------

kubectl apply --namespace corpus --server-side -f - >/dev/null <<'END'
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop}
spec:
  source: {url: 'https://git.example.com/shop.git'}
  databases: [{name: orders, secretRef: {name: orders-db}}]
END
is "a plan that nobody has looked at says so" \
    "$(get mplan/shop '{.status.observedGeneration}' -n corpus)" -1
statuses=$SLUICE_SOURCE/tests/corpus/status.yaml
"$post" statuses "$work/status" "$statuses"
send "$work/status" PATCH application/apply-patch+yaml \
    "$plans/shop/status?fieldManager=sluice&force=true&fieldValidation=Strict"
ok "every status that we write is kept as it is" "$post" kept "$work/status" "$statuses"

# ---- for people -----------------------------------------------------------------------------------

is "columns" "$(kubectl get mplan -n corpus | awk 'NR == 1 { $1 = $1; print }')" \
    "NAME READY REASON PROGRESS REVISION AGE"
is "wide columns" "$(kubectl get migrationplans -n corpus -o wide | awk 'NR == 1 { $1 = $1; print }')" \
    "NAME READY REASON PROGRESS REVISION AGE MESSAGE WAVE SUSPENDED"
like "what they say" "$(kubectl get sluice -n corpus --no-headers -o wide)" \
    '^shop +False +CanaryFailed +3/5 +main@sha1:4f2c9e4f2c +[0-9]+[a-z]+ +orders: V14__x.sql:3: no +rest +false$'
explained=$(kubectl explain mplan.spec.strategy --recursive=false)
like "kubectl explain says what a strategy is" "$explained" 'In which order databases are changed'
like "and what its fields are" "$explained" 'maxParallel.*How many databases are changed at a time'
done_testing
