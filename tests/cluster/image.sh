#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The image: built twice, the second time from nothing, it is the same to the byte; it holds what it must
# and no more; it runs under the strictest of Kubernetes' security profiles.
# cluster: node
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
cluster_init

# ---- what is in it ------------------------------------------------------------------------------

mkdir image
tar -xf "$SLUICE_IMAGE_FILE" -C image
config=$(cat image/*.json | head -c 4096)
layer=(image/*/layer.tar)
is "one layer" ${#layer[@]} 1
like "it runs as a numbered user that is not root" "$config" '"User":"65532:65532"'
like "its entrypoint is the program" "$config" '"Entrypoint":\["/usr/bin/sluice"\]'
like "its labels tell the version" "$config" '"org.opencontainers.image.version":"[0-9]+\.[0-9]+\.[0-9]+"'
like "its labels tell the commit" "$config" '"org.opencontainers.image.revision":"[0-9a-f]{40}'
files=$(tar -tf "${layer[0]}")
is "no shell and no package manager" "$(grep -E '/(sh|bash|dash|busybox|perl[0-9.]*|apt|apt-get|dpkg)$' <<<"$files")" ''
is "the name of the kubectl plugin" "$(grep -c '^usr/bin/kubectl-sluice$' <<<"$files")" 1
is "no file is set-uid, or writable for all, but the folder /tmp" \
    "$(tar -tvf "${layer[0]}" | grep -vE '^l' | grep -E '^.{3}[sS]|^.{6}[sS]|^.{8}w' | awk '{ print $NF }')" tmp/
like "a scanner finds the packages" "$files" 'var/lib/dpkg/status\.d/libssl3'
like "certificates" "$(tar -xOf "${layer[0]}" etc/ssl/certs/ca-certificates.crt | head -n 1)" 'BEGIN CERTIFICATE'
like "time zones, for windows and freezes" "$files" 'usr/share/zoneinfo/Europe/Prague'
megabytes=$(($(stat -c %s "$SLUICE_IMAGE_FILE") / 1000000))
ok "it is small: $megabytes MB are less than 50" [ "$megabytes" -lt 50 ]

# ---- built again ----------------------------------------------------------------------------------

first=$(sed 's/.*"Config":"\([0-9a-f]*\)\.json".*/\1/' image/manifest.json)
again=$CLUSTER_DIR/again.tar # root's file, in root's folder
NODE_RUN_SECONDS=700 run_expect "it is built again, everything compiled anew" 0 '' node_run \
    "$SLUICE_IMAGE_BUILD" --fresh --name "$SLUICE_IMAGE" --output "$again"
is "its id is the same" "$run_stdout" "sha256:$first"
ok "so is every byte of the archive" cmp "$SLUICE_IMAGE_FILE" "$again"

# ---- run ------------------------------------------------------------------------------------------

namespace strict pod-security.kubernetes.io/enforce=restricted
kubectl apply --namespace strict -f - >/dev/null <<END
apiVersion: batch/v1
kind: Job
metadata: {name: version}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      dnsPolicy: Default
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: main
        image: $SLUICE_IMAGE
        imagePullPolicy: Never
        args: [version]
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
END
ok "it runs under the profile restricted" job_ends 60 version --namespace strict
is "it is the version of the tree" "$(kubectl logs job/version --namespace strict)" "$("$SLUICE" version)"
run_expect "which refuses a pod that asks for less" 1 'violates PodSecurity' \
    kubectl run loose --namespace strict --image "$SLUICE_IMAGE" --image-pull-policy Never -- version
done_testing
