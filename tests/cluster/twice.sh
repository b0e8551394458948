#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What Kubernetes does not promise: one container is started twice, a process outlives its pod on a node
# that nobody can ask, its last words are missing, cut, late or forged. The database decides who works and
# what is true. A pod runner stands in for the kubelet, because a kubelet does none of this on demand.
# cluster: pod-runner
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
. "$SLUICE_SOURCE/tests/support/cluster_outside.sh"
cluster_init
pg_start pg tcp
mariadb_start mariadb tcp
db_create pg orders
db_create mariadb search
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"/{orders,search}
declare -A version=([orders]=0 [search]=0) server=([orders]=pg [search]=mariadb) pause=([orders]='select pg_sleep' [search]='do sleep')
declare -A effects=([orders]=0 [search]=0) # how many there should be

migration() { # DATABASE SQL: the next file of it, pushed
    version[$1]=$((version[$1] + 1))
    printf '%s\n' "$2" >"$sql/$1/V${version[$1]}__step.sql"
    push shop "$1 V${version[$1]}"
}
# effect DATABASE: $insert is a statement whose effect is counted
effect() {
    effects[$1]=$((effects[$1] + 1))
    insert="insert into effect values (${effects[$1]});"
}
patch() { kubectl patch mplan/shop -n "$NS" --type "$1" -p "$2" >/dev/null; }
observed() {
    [ "$(get mplan/shop '{.metadata.generation}' -n "$NS")" = "$(get mplan/shop '{.status.observedGeneration}' -n "$NS")" ]
}
# mode [KEY=VALUE]…: how the next pods behave (support/kubernetes/pod_runner.pl)
mode() {
    local pair body=''
    for pair in "$@"; do
        body+="${body:+,}\"runner.test/${pair%%=*}\":$(perl -MJSON::PP -e 'print JSON::PP->new->allow_nonref->encode($ARGV[0])' -- "${pair#*=}")"
    done
    patch json "[{\"op\":\"add\",\"path\":\"/spec/execution/job/annotations\",\"value\":{$body}}]"
    within 30 observed
}
last_job() { jobs_of "$1" | tail -n 1; }
jobs() { jobs_of "$1" | wc -l; }
pod_of() { pods_of "$1" -n "$NS"; }
at_end() { get pods "{.items[0].status.containerStatuses[0].state.terminated.$2}" -n "$NS" -l "batch.kubernetes.io/job-name=$1"; }
# What process N of a pod said, whatever became of the pod: its exit code, a field of its result.
code_of() { cat "$CLUSTER_DIR/pods/${NS}_$1/$2.code"; }
said() { perl -MJSON::PP -0ne 'my $r = decode_json($_); $r = $r->{$_} for split /[.]/, "'"$3"'"; print $r' "$CLUSTER_DIR/pods/${NS}_$1/$2.message"; }
ended() { [ -s "$CLUSTER_DIR/pods/${NS}_$1/$2.code" ]; }
process_of() { get "pod/$1" '{.status.containerStatuses[0].containerID}' -n "$NS" | sed 's,.*//,,'; }
# Every mark of a database with how often it is there.
marks() { db_sql "${server[$1]}" "$1" 'select mark, count(*) from effect group by mark order by mark' | tr '\t\n' '| ' | sed 's/|/x/g; s/ $//'; }
history() { db_sql "${server[$1]}" "$1" 'select count(*) from flyway_schema_history where success' | tr -d ' '; }
all_once() { seq 1 "${effects[$1]}" | sed 's/$/x1/' | tr '\n' ' ' | sed 's/ $//'; }

outside_begin
db_secret orders-db pg orders
db_secret search-db mariadb search
outside_start
kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/shop.git", interval: 1s}
  databases:
  - {name: orders, secretRef: {name: orders-db}, labels: {tier: canary}}
  - {name: search, secretRef: {name: search-db}}
  execution: {job: {annotations: {}}}
  interval: 5s
  retryInterval: 1s
YAML
printf 'create table effect (mark int not null);\ninsert into effect values (1);\n' | tee "$sql/orders/V1__step.sql" >"$sql/search/V1__step.sql"
version=([orders]=1 [search]=1) effects=([orders]=1 [search]=1)
push shop first
wait_for "a first commit by pods that are processes" 90 plan_has "$sha"
is "each database had one" "$(jobs orders) $(jobs search)" '1 1'

# ---- the same container twice -----------------------------------------------------------------------

# both DATABASE WHAT: the newest Job had two processes: one worked, the other did nothing; $loser
both() {
    wait_for "$2: the commit is applied" 90 plan_has "$sha"
    job=$(jobs_of "$1" | sed -n "$((before + 1))p")
    pod=$(pod_of "$job")
    wait_for "both processes end" 30 eval "ended $pod 1 && ended $pod 2"
    loser=1
    [ "$(code_of "$pod" 1)" != 0 ] || loser=2
    is "one did the work" "$(code_of "$pod" $((3 - loser))) $(said "$pod" $((3 - loser)) outcome) $(said "$pod" $((3 - loser)) applied.count)" '0 Done 1'
    is "every statement ran once" "$(marks "$1")" "$(all_once "$1")"
    is "and is in the history once" "$(history "$1")" "${version[$1]}"
}
loser_said() { printf '%s %s %s' "$(code_of "$pod" "$loser")" "$(said "$pod" "$loser" outcome)" "$(said "$pod" "$loser" applied.count)"; }
for database in orders search; do
    engine=${server[$database]}
    # One waits for the lock and finds the work done. What the pod says is the loser's word.
    mode twice=last
    before=$(jobs "$database")
    effect "$database"
    migration "$database" "${pause[$database]}(1); $insert"
    both "$database" "$engine, started twice"
    is "the other one found it done" "$(loser_said)" '10 Moved 0'
    is "that was the pod's end, and there was no other attempt" "$(at_end "$job" exitCode) $(jobs "$database")" "10 $((before + 1))"

    # One does not wait: its end is told while the other one works.
    mode twice=first arguments=--lock-wait=500ms
    before=$(jobs "$database")
    effect "$database"
    migration "$database" "${pause[$database]}(4); $insert"
    both "$database" "$engine, started twice, told before the work is done"
    is "the other one was kept out" "$(loser_said)" '7 Busy 0'
    is "that was the pod's end" "$(at_end "$job" exitCode)" 7
done

# ---- a process that outlives its pod ----------------------------------------------------------------

# frozen: on MariaDB a process stands between two statements, and its pod is deleted by force; $pod, $pid
frozen() {
    local first slow
    effect search
    first=$insert mark=${effects[search]}
    effect search
    slow="insert into effect select ${effects[search]} from (select sleep(3)) x;"
    migration search "$first $slow create table after_$mark (id int);"
    within 60 asleep || { flunk "the second statement runs" "$(ready_message)"; return 0; }
    before=$(jobs search)
    pod=$(pod_of "$(last_job search)")
    pid=$(process_of "$pod")
    kill -STOP "$pid"
    within 30 idle || flunk "the second statement ends"
    kubectl delete pod "$pod" -n "$NS" --force --grace-period=0 >/dev/null 2>&1
}
asleep() { [ "$(sleeping)" = 1 ]; }
idle() { [ "$(sleeping)" = 0 ]; }
sleeping() { db_sql mariadb search "select count(*) from information_schema.processlist where user = 'app' and info like '%sleep(3)%'"; }
after_there() { [ "$(db_sql mariadb search "select count(*) from information_schema.tables where table_name = 'after_$mark'")" = 1 ]; }
another_job() { [ "$(jobs search)" -gt "$before" ]; }
waits() { local job; job=$(last_job search); [ "$(at_end "$job" exitCode)" = 7 ] && at_end "$job" message | grep -q WaitingForOldSession; }

mode outlive=true arguments=--lock-wait=500ms
frozen
wait_for "a pod is deleted by force while its process stands still: there is another attempt" 90 another_job
wait_for "which waits for the old session" 90 waits
wait_for "as the plan says" 60 plan_is 'False WaitingForOldSession'
run_expect "and nothing went on without it" 1 '' after_there
kill -CONT "$pid"
wait_for "the old process wakes and finishes" 30 ended "$pod" 1
is "all of it" "$(code_of "$pod" 1) $(said "$pod" 1 outcome)" '0 Done'
wait_for "the plan is Ready" 90 plan_has "$sha"
is "every statement ran once" "$(marks search)" "$(all_once search)"
is "and is in the history once" "$(history search)" "${version[search]}"

frozen
wait_for "the same again" 90 waits
kill -KILL "$pid"
wait_for "the old process is killed: the next attempt goes on where it was" 90 plan_has "$sha"
is "every statement ran once" "$(marks search)" "$(all_once search)"
ok "to the last one" after_there
is "and is in the history once" "$(history search)" "${version[search]}"

patch merge '{"spec":{"execution":{"oldSessions":"Terminate","lockRetryFor":"1s"}}}'
within 30 observed
frozen
wait_for "with oldSessions: Terminate the next attempt ends the old session and finishes" 120 plan_has "$sha"
kill -CONT "$pid"
wait_for "the old process wakes and ends" 30 ended "$pod" 1
like "with an error" "$(code_of "$pod" 1)" '^(7|8|9|10)$'
is "every statement ran once" "$(marks search)" "$(all_once search)"
is "and is in the history once" "$(history search)" "${version[search]}"
patch merge '{"spec":{"execution":{"oldSessions":null,"lockRetryFor":null}}}'

# ---- a second pod of one Job ------------------------------------------------------------------------

# Somebody takes the pod and its finalizer away, so that the Job controller has never heard of it.
runs() { [ "$(jobs orders)" -gt "$before" ] && [ -n "$(process_of "$(pod_of "$(last_job orders)")")" ]; }
another_pod() { second=$(pod_of "$job") && [ -n "$second" ] && [ "$second" != "$pod" ]; }
before=$(jobs orders)
effect orders
migration orders "select pg_sleep(5); $insert"
wait_for "a process works" 60 runs
job=$(last_job orders)
pod=$(pod_of "$job")
kubectl patch pod "$pod" -n "$NS" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
kubectl delete pod "$pod" -n "$NS" --force --grace-period=0 >/dev/null 2>&1
wait_for "its pod is gone without a trace: the Job gets a second one" 60 another_pod
wait_for "which ends" 60 ended "$second" 1
is "without doing anything" "$(code_of "$second" 1) $(said "$second" 1 outcome)" '7 Busy'
wait_for "the first one's process ends" 60 ended "$pod" 1
is "with the work done" "$(code_of "$pod" 1) $(said "$pod" 1 outcome)" '0 Done'
wait_for "the plan is Ready" 90 plan_has "$sha"
is "every statement ran once" "$(marks orders)" "$(all_once orders)"
is "and is in the history once" "$(history orders)" "${version[orders]}"

# ---- last words -------------------------------------------------------------------------------------

next() { effect orders; migration orders "$insert"; }
fine() { # NAME: the commit is applied by one attempt
    wait_for "$1: the database knows better" 90 plan_has "$sha"
    is "and there was no other attempt" "$(jobs orders)" $((before + 1))
    is "every statement ran once" "$(marks orders)" "$(all_once orders)"
}
for words in missing oversized; do
    mode "message=$words"
    before=$(jobs orders)
    next
    fine "a message that is $words"
done
mode late=4
before=$(jobs orders)
next
done_early() { [ "$(history orders)" = "${version[orders]}" ]; }
wait_for "a process ends and nobody says so" 30 done_early
run_expect "the plan waits for its Job" 1 '' plan_has "$sha"
fine "a message that is late"
mode exit-code=3 'message={"code":3,"outcome":"Failed","reason":"MigrationFailed","message":"forged","applied":{"count":0}}'
before=$(jobs orders)
next
fine "a failure that was none"

mode exit-code=0 'message={"code":0,"outcome":"Done","reason":null,"message":null,"failed":null,"applied":{"count":1}}'
before=$(jobs orders)
effect orders
migration orders "select pg_sleep(6); $insert"
wait_for "a process works" 60 runs
kill -KILL "$(process_of "$(pod_of "$(last_job orders)")")"
wait_for "it is killed and success is told: the work is done all the same" 90 plan_has "$sha"
is "by another attempt" "$(jobs orders)" $((before + 2))
is "every statement ran once" "$(marks orders)" "$(all_once orders)"

before=$(jobs orders)
migration orders 'insert into no_such_table values (1);'
stalled() { plan_is 'False CanaryFailed'; }
wait_for "a failure that is told as a success is a failure" 90 stalled
like "the plan says which" "$(ready_message)" "V${version[orders]}__step.sql"
is "and it is not tried again" "$(jobs orders)" $((before + 1))
like "although the pod had said Done" "$(at_end "$(last_job orders)" message)" '"outcome":"Done"'
mode
effect orders
printf '%s\n' "$insert" >"$sql/orders/V${version[orders]}__step.sql"
push shop fix
wait_for "the fix is applied" 90 plan_has "$sha"
is "every statement ran once" "$(marks orders)" "$(all_once orders)"
wait_for "no assignment is left" 30 no_maps
outside_stop
done_testing
