#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can happen to an attempt on a cluster: no node takes its pod, its names are taken, its files are
# tampered with, its pod or its Job is deleted, its plan is deleted. The verdict is the database's, and
# the next attempt finishes the work. What a failure quotes of a row is read by nobody who may only read events.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
. "$SLUICE_SOURCE/tests/support/cluster_outside.sh"
cluster_init
pg_start pg tcp
db_create pg orders
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"
version=0
migration() { # SQL: the next file, pushed
    version=$((version + 1))
    printf '%s\n' "$1" >"$sql/V${version}__step.sql"
    push shop "V$version"
}
applied() { db_sql pg orders 'select count(*) from flyway_schema_history where success' | tr -d ' '; }
patch() { kubectl patch mplan/shop -n "$NS" --type "$1" -p "$2" >/dev/null; }
last_job() { jobs_of orders | tail -n 1; }
next_job() { local job; job=$(last_job); printf '%s' "${job%-*}-$((${job##*-} + 1))"; }
runner_end() { # JOB: code and outcome
    get pods '{.items[0].status.containerStatuses[0].state.terminated.exitCode} {.items[0].status.containerStatuses[0].state.terminated.message}' \
        -n "$NS" -l "batch.kubernetes.io/job-name=$1" | sed -E 's/^([0-9]+) .*"outcome":"([A-Za-z]+)".*/\1 \2/'
}
job_over_now() { [ -n "$(get "job/$1" '{.status.conditions[?(@.status=="True")].type}' -n "$NS" | grep -Ew 'Complete|Failed')" ]; }
logged() { grep -q "$1" "$CONTROLLER_LOG"; }

outside_begin
db_secret orders-db pg orders
manifest() {
    cat <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/shop.git", interval: 1s, paths: [sql]}
  databases: [{name: orders, secretRef: {name: orders-db}}]
  interval: 5s
  retryInterval: 1s
YAML
}
migration 'create table effect (mark int not null);'
outside_start
manifest | kubectl apply -f - >/dev/null
wait_for "the first commit is applied" 60 plan_has "$sha"

# ---- no node --------------------------------------------------------------------------------------

patch merge '{"spec":{"execution":{"startTimeout":"3s","job":{"nodeSelector":{"no":"such"}}}}}'
migration 'insert into effect values (2);'
no_node() { # in one look: the next Job is not far
    get mplan/shop '{.status.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Ready")].message}' -n "$NS" |
        grep -q '^RunnerNotStarted .*within execution.startTimeout: Unschedulable: 0/1 nodes are available'
}
wait_for "a pod that no node takes: the plan says so, in the scheduler's words" 60 no_node
is "nothing ran" "$(applied)" 1
patch merge '{"spec":{"execution":{"startTimeout":"10m"}}}'
patch json '[{"op":"remove","path":"/spec/execution/job/nodeSelector"}]'
wait_for "a Job that waits gives way to one of the new spec, long before its time is over" 60 plan_has "$sha"
is "the attempts have one number each" "$(jobs_of orders | sort | uniq -d)" ''

# ---- names that are taken -------------------------------------------------------------------------

foreign=$(next_job)
kubectl create job "$foreign" -n "$NS" --image="$SLUICE_IMAGE" -- sluice version >/dev/null 2>&1
migration 'insert into effect values (3);'
wait_for "a foreign Job with our name holds up nothing" 60 plan_has "$sha"
ok "it is named" logged "NameConflict.*Job $NS/$foreign exists and is not of this plan"
is "it is left alone" "$(get "job/$foreign" '{.metadata.labels.sluice\.dev/plan}{.metadata.name}' -n "$NS")" "$foreign"
kubectl delete job "$foreign" -n "$NS" >/dev/null

printf 'insert into effect values (4);\n' >"$sql/V4__step.sql"
map=sluice-sql-$(sha256sum "$sql/V4__step.sql" | cut -c 1-16)-000
kubectl create configmap "$map" -n "$NS" --from-literal=x=y >/dev/null
migration 'insert into effect values (4);'
wait_for "a foreign ConfigMap with our name" 60 plan_is 'False NameConflict'
like "is named, too" "$(ready_message)" "ConfigMap $NS/$map"
kubectl delete configmap "$map" -n "$NS" >/dev/null
wait_for "and the work goes on" 60 plan_has "$sha"

# ---- files that somebody changed ------------------------------------------------------------------

patch merge '{"spec":{"execution":{"job":{"nodeSelector":{"wait":"here"}}}}}'
before=$(jobs_of orders | wc -l)
migration 'insert into effect values (5);'
one_more() { [ "$(jobs_of orders | wc -l)" -gt "$before" ]; }
wait_for "a Job waits for its node" 60 one_more
tampered=$(last_job)
map=$(get "job/$tampered" '{.metadata.annotations.sluice\.dev/bundles}' -n "$NS")-000
kubectl get configmap "$map" -n "$NS" -o json >map.json
perl -MMIME::Base64 -0pi -e 's/("sluice-sql-[0-9a-f]+\.000": ")([^"]*)"/my ($k, $b) = ($1, decode_base64($2)); substr($b, 30, 1) ^= "\x01"; $k . encode_base64($b, "") . "\""/e; s/"(uid|resourceVersion|creationTimestamp)": "[^"]*",?//g' map.json
kubectl delete configmap "$map" -n "$NS" >/dev/null
kubectl create -f map.json >/dev/null
kubectl label node --all wait=here >/dev/null
wait_for "its runner ends" 60 job_over_now "$tampered"
is "with 10: it did nothing with a file that is not the manifest's" "$(runner_end "$tampered")" '10 Moved'
wait_for "the next attempt has the right one" 90 plan_has "$sha"
patch json '[{"op":"remove","path":"/spec/execution/job/nodeSelector"}]'

# ---- a pod and a Job that are deleted -------------------------------------------------------------

migration 'select pg_sleep(4); insert into effect values (6);'
wait_for "a migration runs" 60 runner_up
job=$(last_job)
kubectl delete pod -n "$NS" -l "batch.kubernetes.io/job-name=$job" --wait=false >/dev/null
wait_for "its pod is deleted: the last words outlive it" 60 logged "\"job\":\"$job\",\"outcome\":\"Interrupted\",\"code\":143"
wait_for "and the next attempt finishes the work" 60 plan_has "$sha"

migration 'select pg_sleep(4); insert into effect values (7);'
wait_for "another one runs" 60 runner_up
kubectl delete job "$(last_job)" -n "$NS" --wait=false >/dev/null
wait_for "its Job is deleted: the work is finished all the same" 60 plan_has "$sha"

migration 'select pg_sleep(4); insert into effect values (8);'
wait_for "a third one runs" 60 runner_up
kubectl delete pod -n "$NS" -l "batch.kubernetes.io/job-name=$(last_job)" --force --grace-period=0 >/dev/null 2>&1
wait_for "its pod is deleted by force: finished, too" 90 plan_has "$sha"
is "every statement had its effect once" "$(db_sql pg orders 'select mark, count(*) from effect group by mark order by mark' | tr '\t\n' '| ')" \
    '2|1 3|1 4|1 5|1 6|1 7|1 8|1 '
wait_for "no assignment is left" 15 no_maps

# ---- values in what the server says -----------------------------------------------------------------

notes() { # of the plan's events
    kubectl get events.events.k8s.io -n "$NS" -o json | perl -CO -MJSON::PP -0777 -ne '
        for (@{ decode_json($_)->{items} }) { print "$_->{note}\n" if ($_->{regarding}{kind} // "") eq "MigrationPlan" }'
}
told() { notes | grep -q "$1"; }
others() { # what others than the Job's owner may read
    kubectl get events,mplan,pods,jobs -n "$NS" -o json
    kubectl logs -n "$NS" -l sluice.dev/part=runner --tail=-1 2>/dev/null || true
    cat "$CONTROLLER_LOG"
}
migration "select 'CANARY-A'::int from effect;"
wait_for "an event tells of a file that fails, without the value" 60 told 'V9__step.sql:1.*22P02 invalid input syntax for type integer: "…"'
is "nor is it in anything that others read" "$(others | grep -c CANARY || true)" 0
version=8 # the next one takes its place

# ---- the plan is deleted --------------------------------------------------------------------------

migration 'select pg_sleep(5); insert into effect values (9);'
wait_for "a migration runs while" 60 runner_up
job=$(last_job)
ok "its plan is deleted in the foreground, as Argo CD does" kubectl delete mplan/shop -n "$NS" --cascade=foreground --timeout=60s
is "the runner was left alone" "$(runner_end "$job")" '0 Done'
is "what it did is there" "$(applied)" 9
is "and no assignment is" "$(sluice_maps)" 0

manifest | sed 's/^  interval: 5s/  interval: 5s\n  deletionPolicy: Cancel/' | kubectl apply -f - >/dev/null
wait_for "the plan is there again" 60 plan_has "$sha"
migration 'select pg_sleep(60); insert into effect values (10);'
wait_for "and has work" 60 runner_up
job=$(last_job)
ok "with deletionPolicy Cancel it is gone soon" kubectl delete mplan/shop -n "$NS" --timeout=40s
is "the runner was told to end and said so" "$(runner_end "$job")" '143 Interrupted'
is "its work was rolled back" "$(applied)" 9
is "no assignment is left in the end" "$(sluice_maps)" 0
outside_stop
done_testing
