#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What happens to pods, in the middle of a MariaDB file, whose statements commit one by one: the pod is
# deleted, or taken away by force, its Job or its plan is deleted, its kubelet is killed. The database
# says what was done, the next attempt does the rest, nothing is done twice. And pods that never start.
# cluster: node
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
cluster_init

mariadb_start mariadb tcp
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql
cases='deleted forced jobless planless kubelet'
db_create mariadb gates
for case in $cases nowhere; do
    db_create mariadb "$case"
    db_sql mariadb gates "create table gate_$case (mark varchar(20))"
    mkdir -p "$sql/$case"
    cat >"$sql/$case/V1__steps.sql" <<SQL
create table effect (mark varchar(20));
insert into effect values ('one');
create table middle (id int);
insert into gates.gate_$case values ('two');
insert into effect values ('three');
create table last_one (id int);
SQL
done
push shop steps

ok "the controller is installed" sluice_install
namespace shop pod-security.kubernetes.io/enforce=restricted >/dev/null
sluice_grant shop >/dev/null
for case in $cases nowhere; do db_secret "$case-db" mariadb "$case"; done

plan() { # NAME [JSON: more of spec]
    kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: $1, namespace: shop}
spec:
  source: {url: $SLUICE_TEST_GIT_HTTP_URL/shop.git, interval: 1h}
  databases: [{name: $1, secretRef: {name: $1-db}}]
  strategy: {type: AllAtOnce}
  interval: 2s
  retryInterval: 1s
${2:+  $2}
YAML
}
jobs_of() { kubectl get jobs -n shop -l "sluice.dev/plan=$1" --sort-by=.metadata.labels.sluice\\.dev/attempt \
    -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'; }
pod_of() { kubectl get pods -n shop -l "sluice.dev/plan=$1" -o 'jsonpath={.items[0].metadata.name}'; }
attempts() { jobs_of "$1" | wc -l; }
attempted() { jobs_of "$1" | grep -q -- "-$2\$"; }
ready() { kubectl wait --for=condition=Ready --timeout=60s "mplan/$1" -n shop; }
says() { get "mplan/$1" '{.status.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Ready")].message} {.status.databases}' -n shop; }
says_like() { [[ $(says "$1") =~ $2 ]]; }

# The runner waits for this table as for one that somebody is altering, and tries again each second.
declare -A gate=()
shut() {
    local fd
    exec {fd}> >(exec mariadb --no-defaults --skip-ssl --user=root --socket="$(servers_get mariadb SOCKET)" gates >/dev/null)
    gate[$1]=$fd
    echo "lock tables gate_$1 write;" >&"$fd"
}
open() { echo 'unlock tables;' >&"${gate[$1]}"; }
is_shut() { ! db_sql mariadb gates "set lock_wait_timeout = 0; insert into gate_$1 select 'never' from dual where false"; }
# What is before the third statement is committed, what is after it waits.
in_the_middle() { [ "$(db_sql mariadb "$1" "select mark from effect; show tables like 'middle'" | tr '\n' ' ')" = 'one middle ' ]; }

# everything CASE: each effect once, in one history row, told by a journal without loose ends
everything() {
    local got
    got=$(db_sql mariadb "$1" "select group_concat(mark order by mark) from (select mark from effect union all select mark from gates.gate_$1) m;
        select count(*) from last_one; select group_concat(concat(version, success)) from flyway_schema_history;
        select count(*) from (select state, row_number() over (partition by installed_rank, step order by seq desc) n from sluice_journal) j
        where n = 1 and state not in ('done', 'inferred')" | tr '\n' ' ')
    [ "$got" = 'one,three,two 0 11 0 ' ] || { printf '%s: %s\n' "$1" "$got"; return 1; }
}

for case in $cases; do shut "$case"; done
for case in $cases; do within 10 is_shut "$case"; done
plan deleted
plan forced
plan jobless
plan kubelet
plan planless
for case in $cases; do wait_for "$case: a runner is between two statements" 90 in_the_middle "$case"; done

# ---- what can be seen of a runner ----------------------------------------------------------------

runner=$(container_pid "$(pod_of deleted)" runner shop)
process_of() { node_run sh -c "tr '\\0' '\\n' </proc/$runner/cmdline; tr '\\0' '\\n' </proc/$runner/environ"; }
like "its process is ours" "$(process_of)" 'assignment-sha256'
like "with no rights" "$(node_run grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$runner/status" | tr -s '\t\n' ' ')" \
    '^Uid: 65532 .*CapEff: 0+ NoNewPrivs: 1 Seccomp: 2'
run_expect "and no token" 2 'No such file' node_run ls "/proc/$runner/root/var/run/secrets/kubernetes.io"
everything_said() {
    process_of
    kubectl get mplan,jobs,pods,configmaps,events -n shop -o yaml
    for pod in $(kubectl get pods -n shop -o name); do kubectl logs -n shop "$pod"; done
    kubectl logs deployment/sluice-controller -n sluice-system
}
run_expect "its arguments, environment, log, events, status and ConfigMaps have no byte of the password" 1 '' \
    grep -qe "$SLUICE_TEST_PASSWORD" -e "$(printf %s "$SLUICE_TEST_PASSWORD" | base64)" <(everything_said)

# ---- pods, Jobs and plans that go --------------------------------------------------------------------

deleted_job=$(jobs_of deleted)
kubectl delete pod "$(pod_of deleted)" -n shop --wait=false >/dev/null
kubectl delete pod "$(pod_of forced)" -n shop --wait=false --grace-period=0 --force >/dev/null 2>&1
jobless_job=$(jobs_of jobless)
kubectl delete job "$jobless_job" -n shop --wait=false >/dev/null
planless_job=$(jobs_of planless)
planless_pod=$(pod_of planless)
kubectl delete mplan planless -n shop --cascade=foreground --wait=false >/dev/null

wait_for "a deleted pod: another attempt follows" 60 attempted deleted 2
is "the first one's end is known" "$(get "job/$deleted_job" '{.status.conditions[?(@.type=="Failed")].status}' -n shop)" True
like "and the runner's last words, though its pod is gone" "$(kubectl logs deployment/sluice-controller -n sluice-system | grep '"job ended"')" \
    "$deleted_job\",\"outcome\":\"Interrupted\",\"code\":143"
wait_for "a pod taken by force: another attempt follows" 60 attempted forced 2
wait_for "a deleted Job: another attempt follows" 60 attempted jobless 2
is "with no database told as failed" "$(get mplan '{.items[*].status.summary.failed}' -n shop | tr -d '0 ')" ''
is "a plan that is deleted in the foreground takes no running Job along" \
    "$(get "pod/$planless_pod" '{.status.phase} {.metadata.deletionTimestamp}' -n shop)" 'Running '
like "it waits for it" "$(get mplan/planless '{.metadata.deletionTimestamp}' -n shop)" '^20'
for case in deleted forced jobless planless; do open "$case"; done
for case in deleted forced jobless; do
    ok "$case: the plan gets Ready" ready "$case"
    ok "$case: every effect is there once" everything "$case"
done
is "by the second attempt" "$(attempts deleted) $(attempts forced) $(attempts jobless)" '2 2 1'
plan_gone() { ! kubectl get mplan/planless -n shop; }
ok "the deleted plan's Job ends well" job_ends 60 "$planless_job" -n shop
wait_for "and then the plan goes" 30 plan_gone
ok "planless: every effect is there once" everything planless

# ---- the kubelet -------------------------------------------------------------------------------------

kubelet_job=$(jobs_of kubelet)
ok "the kubelet is killed" node_run kubelet_down KILL
open kubelet
wait_for "the runner goes on without it" 30 everything kubelet
is "which nobody can know from the Job" "$(get "job/$kubelet_job" '{.status.active}' -n shop)" 1
ok "the kubelet is started again" node_run kubelet_up
ok "then the plan gets Ready" ready kubelet
ok "kubelet: every effect is there once" everything kubelet
is "by the only attempt" "$(jobs_of kubelet)" "$kubelet_job"

# ---- pods that do not start --------------------------------------------------------------------------

plan nowhere 'execution: {startTimeout: 10s, job: {nodeSelector: {nowhere: "yes"}}}'
wait_for "a pod without a node is told" 40 says_like nowhere "RunnerNotStarted .*(didn't match|Unschedulable)"
like "by the name of its Job" "$(says nowhere)" 'nowhere-nowhere-[0-9a-f]{10}-1 (did not start|has not started) within execution.startTimeout'
is "nothing was done" "$(db_sql mariadb nowhere 'show tables')" ''
kubectl patch mplan/nowhere -n shop --type merge --patch '{"spec":{"execution":{"job":{"nodeSelector":null}}}}' >/dev/null
ok "the plan goes on once its spec is right" ready nowhere
ok "nowhere: every effect is there once" everything nowhere
no_carriers() { ! kubectl get configmaps -n shop -o name | grep -E '/sluice-(sql|assignment)-'; }
wait_for "no assignment is left" 30 no_carriers
done_testing
