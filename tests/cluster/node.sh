#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The cluster that the other scripts rely on is a real one: its node runs Jobs, keeps what they say,
# and pods reach the databases and the git server of the test.
# cluster: node
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
cluster_init

like "the API server is the release that the tests are for" "$(kubectl version -o yaml)" 'gitVersion: v1\.36\.'
ok "the node is Ready" condition_true node/node1 Ready

job() { # NAME ENTRYPOINT-ARGUMENTS-AS-JSON
    apply <<END
apiVersion: batch/v1
kind: Job
metadata: {name: $1}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      dnsPolicy: Default
      automountServiceAccountToken: false
      containers:
      - {name: main, image: $SLUICE_IMAGE, imagePullPolicy: Never, args: $2}
END
}

within 30 kubectl get serviceaccount default
job good '[version]' >/dev/null
ok "a Job completes" job_ends 60 good
like "its log is kept" "$(kubectl logs job/good)" '^sluice [0-9]'

job bad '[no-such-command]' >/dev/null
ok "a Job whose container fails has failed" await 60 job/bad Failed
is "with the exit code of its container" \
    "$(get "pod/$(pods_of bad)" '{.status.containerStatuses[0].state.terminated.exitCode}')" 1

# ---- servers of the test, seen from a pod -------------------------------------------------------

repo_new shop
mkdir "$SERVERS_DIR/shop/sql"
echo 'create table one (id int);' >"$SERVERS_DIR/shop/sql/V1__one.sql"
git -C "$SERVERS_DIR/shop" add sql
git -C "$SERVERS_DIR/shop" commit -q -m one
git -C "$SERVERS_DIR/shop" push -q origin HEAD:main
git_http_start

migrate_job() { # SERVER
    apply <<END
apiVersion: v1
kind: Secret
metadata: {name: $1}
stringData: {uri: "$(db_uri "$1" app plain)"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate-$1}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      dnsPolicy: Default
      automountServiceAccountToken: false
      containers:
      - name: main
        image: $SLUICE_IMAGE
        imagePullPolicy: Never
        args: [migrate, --allow-source-scheme=http, --url, \$(URI), --repo, "$SLUICE_TEST_GIT_HTTP_URL/shop.git", --ref, main, --path, sql]
        env: [{name: URI, valueFrom: {secretKeyRef: {name: $1, key: uri}}}]
END
}

pg_start pg plain
mariadb_start mariadb plain
for server in pg mariadb; do
    migrate_job "$server" >/dev/null
    ok "a pod migrates the $server of the test, from its git server" job_ends 60 "migrate-$server"
    is "and its table is there" "$(db_sql "$server" app 'select count(*) from one')" 0
done

# ---- the node ---------------------------------------------------------------------------------

is "the test itself is not root" "$([ "$(id -u)" != 0 ] && echo no)" no
is "the node is, and does what it is asked" "$(node_run id -u)" 0
run_expect "the code of what it did comes back" 3 'no luck' node_run sh -c 'echo no luck >&2; exit 3'

kubectl run sleeper --image localhost/pause:1 --image-pull-policy Never >/dev/null
ok "a pod that stays runs" await 60 pod/sleeper Ready
pid=$(container_pid sleeper sleeper)
is "its first process can be found" "$(node_run cat "/proc/$pid/comm")" pause
ok "containerd can be killed" node_run containerd_down KILL
ok "and started again" node_run containerd_up
ok "the kubelet can be killed" node_run kubelet_down KILL
ok "and started again" node_run kubelet_up
job after '[version]' >/dev/null
ok "and then runs Jobs again" job_ends 60 after
is "what ran all the time was not started again" \
    "$(container_pid sleeper sleeper) $(get pod/sleeper '{.status.containerStatuses[0].restartCount}')" "$pid 0"
done_testing
