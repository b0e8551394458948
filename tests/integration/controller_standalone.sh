#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Standalone mode: manifests are read again on change, a bad one stops nobody else, a running Job
# outlives its controller and is found by the next one, requests go beside the manifests, and the
# HTTP servers keep to their limits.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg
mariadb_start mariadb
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"/{one,two}
db_create pg one
db_create mariadb two
secret one-db "$(db_uri pg one)"
secret two-db "$(db_uri mariadb two)"
plan() {
    plan_file "$1" shop <<YAML
  databases:
  - {name: $1, secretRef: {name: $1-db}}
${2:-}
YAML
}
logged() { grep -qs "$1" "$CONTROLLER_LOG"; }
jobs_created() { grep -c '"job created"' "$CONTROLLER_LOG" || true; }
ready() { condition_is Ready "True ReconciliationSucceeded" "$1"; }

echo 'create table a (id int);' >"$sql/one/V1__a.sql"
echo 'create table a (id int);' >"$sql/two/V1__a.sql"
commit shop first
plan one
printf 'kind: MigrationPlan\nmetadata: [\n' >"$PLANS/bad.yaml"
printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: one-db}\nstringData: {uri: "postgresql://x/y"}\n' >"$PLANS/zz-twice.yml"
sums() { (cd "$PLANS" && cat -- *.yaml *.yml | md5sum); }
before=$(sums)
controller_start

# ---- manifests -------------------------------------------------------------------------------------

run_expect "a plan beside a bad manifest is applied" 0 '' "$SLUICE" wait plan/one --timeout 60s
ok "the bad one is told with its place" logged 'bad\.yaml:3:1: '
ok "an object defined twice is told with both places" logged 'zz-twice\.yml:1: Secret default/one-db is defined already at one-db\.yaml:1'
"$SLUICE" get >/dev/null 2>warnings
like "get warns, too" "$(cat warnings)" 'warning: bad\.yaml:3:1: '
rm "$PLANS/bad.yaml" "$PLANS/zz-twice.yml"
wait_for "and is in order again" 10 logged '"manifest in order again".*bad\.yaml'
run_expect "a second controller is refused with the first one's pid" 7 "pid $controller_pid" \
    "$SLUICE" controller --standalone "$PLANS" --metrics-addr=off --health-addr=off --hook-addr=off
like "the state is nobody else's" "$(stat -c '%a %n' "$PLANS/.sluice" "$PLANS/.sluice/plans/default.one.json" | sed "s|$PLANS/||" | tr '\n' ' ')" \
    '^700 \.sluice 600 \.sluice/plans/default\.one\.json'
mkdir -p foreign/.sluice
chmod 755 foreign/.sluice
standalone() { timeout 20 "$SLUICE" controller --standalone "$1" --metrics-addr=off --health-addr=off --hook-addr=off; }
run_expect "a state that others may read is refused" 1 'foreign/.sluice may be used by others .mode 0755.*chmod 700' standalone foreign
mv foreign/.sluice elsewhere
chmod 700 elsewhere
ln -s ../elsewhere foreign/.sluice
run_expect "so is one that lies elsewhere" 1 'foreign/.sluice is not a folder' standalone foreign
rm foreign/.sluice
mkdir -m 700 foreign/.sluice
# Who is somebody else's guest is told so: here the folder is ours, and the controller somebody else.
printf '#include <unistd.h>\nuid_t geteuid(void) { return getuid() + 1; }\n' >else.c
cc -shared -fPIC -o else.so else.c
run_expect "so is one that belongs to another user" 1 "foreign/.sluice belongs to user $(id -u) and the controller runs as user $(($(id -u) + 1)): run it as that user, or chown -R" \
    env "LD_PRELOAD=$PWD/else.so" timeout 20 "$SLUICE" controller --standalone foreign --metrics-addr=off --health-addr=off --hook-addr=off
is "and nothing is written there" "$(find foreign -mindepth 2)" ''
is "git ignores it" "$(cat "$PLANS/.sluice/.gitignore")" '*'

plan two
wait_for "a manifest that arrives is applied" 30 ready two
generation=$(plan_json .metadata.generation two)
perl -pi -e 's/interval: 2s/interval: 3s/' "$PLANS/two.yaml"
wait_for "a changed spec is a new generation, observed" 20 eval \
    "[ \"\$(plan_json .status.observedGeneration two)\" = $((generation + 1)) ]"
wait_for "and Ready is for it" 20 ready two

# ---- suspend, by the manifest -------------------------------------------------------------------------

perl -pi -e 's/^  interval: 3s/  suspend: true\n  interval: 3s/' "$PLANS/two.yaml"
wait_for "a suspended plan says so and keeps its conditions" 20 eval \
    '"$SLUICE" get plan/two -o wide | grep -q "True .*(suspended)"'
echo 'create table b (id int);' >"$sql/two/V2__b.sql"
echo 'create table b (id int);' >"$sql/one/V2__b.sql"
commit shop second
run_expect "the plan beside it goes on" 0 '' wait_commit "$sha" 60 one
run_expect "a waiter may end at once on a suspended plan" 3 'suspended' \
    "$SLUICE" wait plan/two --commit "$sha" --fail-if-suspended --timeout 60s
is "nothing starts in the suspended one" "$(db_sql mariadb two 'select count(*) from flyway_schema_history')" 1
perl -ni -e 'print unless /suspend: true/' "$PLANS/two.yaml"
run_expect "resumed, it catches up" 0 '' wait_commit "$sha" 60 two

# ---- a Job outlives its controller ----------------------------------------------------------------------

printf 'create table slow_one (id int);\nselect pg_sleep(4);\ninsert into slow_one values (1);\n' >"$sql/one/V3__slow.sql"
commit shop slow
wait_for "the Job runs" 30 eval "ls $PLANS/.sluice/jobs/one-one-*-3/alive && db_sql pg one \"select 1/count(*) from pg_stat_activity where query like '%pg_sleep(4)%' and pid <> pg_backend_pid()\""
job=$(echo "$PLANS"/.sluice/jobs/one-one-*-3)
like "its credentials are its own" "$(stat -c '%a' "$job/credentials" "$job/credentials/uri" | tr '\n' ' ')" '^700 600 '
pid=$(<"$job/alive")
like "its arguments hold no secret" "$(tr '\0' ' ' <"/proc/$pid/cmdline")" '^sluice run --assignment [^@]*$'
is "nor does its environment" "$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -c 'postgresql://' || true)" 0
created=$(jobs_created)
controller_kill
ok "the Job goes on without a controller" kill -0 "$pid"
run_expect "the lock says so" 1 '' flock -n -s "$job/alive" true
controller_start
run_expect "the next controller finds it and its end" 0 '' wait_commit "$sha" 60 one
is "nothing was started twice" "$(jobs_created)" "$created"
is "the effect is there once" "$(db_sql pg one 'select count(*) from slow_one' | tr -d ' ')" 1
wait_for "the credentials are gone with it" 10 eval "[ ! -e $job/credentials ]"

printf 'create table slow_two (id int);\nselect pg_sleep(2);\ninsert into slow_two values (1);\n' >"$sql/one/V4__slow.sql"
commit shop slower
wait_for "the next Job runs" 30 eval "ls $PLANS/.sluice/jobs/one-one-*-4/alive"
controller_stop
ok "a stopped controller says good-bye" logged '"controller stopped"'
wait_for "its Job ends well alone" 20 eval "[ -s $PLANS/.sluice/jobs/one-one-*-4/result.json ]"
wait_for "and cleans up alone" 10 eval "[ ! -e $PLANS/.sluice/jobs/one-one-*-4/credentials ]"
created=$(jobs_created)
controller_start
run_expect "the controller believes the database" 0 '' wait_commit "$sha" 60 one
is "without a second Job" "$(jobs_created)" "$created"

# ---- a killed runner --------------------------------------------------------------------------------------

printf 'create table killed (id int);\nselect pg_sleep(3);\n' >"$sql/one/V5__killed.sql"
commit shop killed
wait_for "a Job to kill runs" 30 eval "[ -s $PLANS/.sluice/jobs/one-one-*-5/alive ]"
kill -9 "$(cat "$PLANS"/.sluice/jobs/one-one-*-5/alive)"
run_expect "a killed runner is followed by another attempt" 0 '' wait_commit "$sha" 60 one
is "the file is there once" "$(db_sql pg one "select count(*) from flyway_schema_history where version = '5' and success" | tr -d ' ')" 1

# ---- deleting a plan with a running Job ---------------------------------------------------------------------

printf 'create table last_one (id int);\nselect pg_sleep(3);\ninsert into last_one values (1);\n' >"$sql/one/V6__last.sql"
commit shop last
wait_for "a Job runs while its plan goes" 30 eval "ls $PLANS/.sluice/jobs/one-one-*-7/alive"
mv "$PLANS/one.yaml" "$SERVERS_DIR/one.yaml"
wait_for "the plan is deleting" 10 eval '[ -n "$(plan_json .metadata.deletionTimestamp one)" ]'
wait_for "its Job ends first" 20 eval "[ -s $PLANS/.sluice/jobs/one-one-*-7/result.json ]"
wait_for "then the plan is gone" 20 eval '"$SLUICE" describe plan/one; [ $? = 4 ]'
is "the Job was not cut" "$(db_sql pg one 'select count(*) from last_one' | tr -d ' ')" 1
mv "$SERVERS_DIR/one.yaml" "$PLANS/one.yaml"
created=$(jobs_created)
run_expect "the plan comes back as a new one and takes its database over" 0 '' wait_commit "$sha" 60 one
is "without a Job" "$(jobs_created)" "$created"
echo 'create table after_all (id int);' >"$sql/one/V7__after.sql"
commit shop after
run_expect "and migrates it" 0 '' wait_commit "$sha" 60 one

# ---- HTTP -----------------------------------------------------------------------------------------------------

metrics=$(controller_port metrics) health=$(controller_port health) hook=$(controller_port hook)
body() { sed '1,/^\r$/d'; }
is "it listens on loopback only" "${metrics%:*} ${health%:*} ${hook%:*}" "127.0.0.1 127.0.0.1 127.0.0.1"
is "/healthz" "$(http_get "$health" /healthz | body)" ok
is "/readyz" "$(http_get "$health" /readyz | body)" ok
is "no other path" "$(http_get "$health" /etc/passwd | http_code)" 404
page=$(http_get "$metrics" /metrics)
like "/metrics: conditions" "$page" 'sluice_plan_condition\{namespace="default",plan="two",type="Ready",status="True"\} 1'
like "/metrics: attempts" "$page" 'sluice_migration_attempts_total\{namespace="default",plan="one",database="one",outcome="Done"\} 1'
like "/metrics: controller-runtime's names" "$page" 'controller_runtime_reconcile_total\{controller="migrationplan",result="success"\}'
is "/metrics: no commit, no path, no secret" "$(printf '%s' "$page" | grep -cE "$sha|$PLANS|postgresql://" || true)" 0
like "/metrics: OpenMetrics when asked for" "$(http_get "$metrics" /metrics 'Accept: application/openmetrics-text')" '# EOF'
is "metrics take no POST" "$(http_post "$metrics" /metrics x | http_code)" 405

is "without a webhook secret the path does not exist" "$(http_post "$hook" /hook/default/two '{}' | http_code)" 404
cat >"$PLANS/hook.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: push-hook}
stringData: {token: hook-secret}
YAML
perl -pi -e 's/^    interval: 200ms/    interval: 1h\n    webhook: {secretRef: {name: push-hook}}/' "$PLANS/two.yaml"
sign() { printf '%s' "$1" | openssl dgst -sha256 -hmac "${2:-hook-secret}" | sed 's/.*= //'; }
payload='{"ref":"refs/heads/main"}'
signed() { [ "$(http_post "$hook" /hook/default/two "$payload" "X-Hub-Signature-256: sha256=$(sign "$payload")" | http_code)" = 202 ]; }
wait_for "with one it takes a signed push" 20 signed
wait_for "the plan settles" 20 ready two
without_date() { grep -v '^Date:' | tr -d '\r'; }
nobody=$(http_post "$hook" /hook/default/nobody "$payload" "X-Hub-Signature-256: sha256=$(sign "$payload" wrong)" | without_date)
like "a plan that is not there is 404" "$nobody" '^HTTP/1.1 404 '
is "a wrong signature looks the same" "$(http_post "$hook" /hook/default/two "$payload" "X-Hub-Signature-256: sha256=$(sign "$payload" wrong)" | without_date)" "$nobody"
is "no signature, too" "$(http_post "$hook" /hook/default/two "$payload" | without_date)" "$nobody"
is "a plan without a webhook, too" "$(http_post "$hook" /hook/default/one "$payload" "X-Gitlab-Token: hook-secret" | without_date)" "$nobody"
is "GitLab's token" "$(http_post "$hook" /hook/default/two "$payload" "X-Gitlab-Token: hook-secret" | http_code)" 202
is "GET" "$(http_get "$hook" /hook/default/two | http_code)" 405
is "an unknown plan looks like one without webhook" "$(http_post "$hook" /hook/default/nobody "$payload" "X-Gitlab-Token: hook-secret" | http_code)" 404
is "a path that climbs" "$(http_post "$hook" /hook/default/../two "$payload" | http_code)" 404
declared() { # a length alone: who sends all of it may meet the closed connection before the answer
    exec 9<>"/dev/tcp/${hook%:*}/${hook##*:}"
    printf 'POST /hook/default/two HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' "$1" >&9
    timeout 20 cat <&9
    exec 9>&- 9<&-
}
is "a body over 1 MiB" "$(declared 1100000 | http_code)" 413
forge() { for ((i = 0; i < 300; i++)); do printf 'url = "http://%s/hook/default/two"\noutput = /dev/null\n' "$hook"; done; }
ok "who sends many forged ones is limited" grep -q 429 \
    <<<"$(forge | curl -s -K - -d "$payload" -H 'X-Gitlab-Token: forged' -w '%{http_code}\n')"
# What is signed comes through all the same.
echo 'create table c (id int);' >"$sql/two/V3__c.sql"
commit shop pushed
is "a push is told" "$(http_post "$hook" /hook/default/two "$payload" "X-Gitea-Signature: $(sign "$payload")" | http_code)" 202
run_expect "and applied long before the poll's hour" 0 '' wait_commit "$sha" 60 two
is "the token is in no log" "$(grep -c hook-secret "$CONTROLLER_LOG" || true)" 0

# ---- the manifests ------------------------------------------------------------------------------------------------

is "no manifest was written by the controller" "$(ls "$PLANS" | tr '\n' ' ')" "hook.yaml one-db.yaml one.yaml two-db.yaml two.yaml "
done_testing
