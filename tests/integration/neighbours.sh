#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One namespace's plans keep everything waiting that they can: git servers and databases that never
# answer, files that fill the memory. Another's go on, /healthz sees it, and SIGTERM ends it all.
# timeout: 400
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

NOISY=24

controller_init
pg_start pg
git_http_start
repo_new shop
repo_new large
db_create pg quiet
db_create pg greedy
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql" "$SERVERS_DIR/large/sql"
echo 'create table a (id int);' >"$sql/V1__a.sql"
commit shop first
first=$sha

# A server that takes connections and says nothing; its port is in the file.
perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Listen => 128, LocalAddr => "127.0.0.1", ReuseAddr => 1) or die;
    open my $f, ">", "$ARGV[0].new" or die; print $f $s->sockport; close $f; rename "$ARGV[0].new", $ARGV[0];
    my @kept; while (my $c = $s->accept) { push @kept, $c }' "$SERVERS_DIR/silent" &
silent_pid=$!
trap 'code=$?; kill $silent_pid 2>/dev/null || true; controller_end $code' EXIT
silent_listens() { [ -s "$SERVERS_DIR/silent" ]; }
within 20 silent_listens || { servers_fail "no silent server"; exit 1; }
silent=127.0.0.1:$(<"$SERVERS_DIR/silent")

# tenant_secret NAMESPACE NAME URI
tenant_secret() {
    cat >"$PLANS/$1-$2.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: $2, namespace: $1}
stringData: {uri: '$3'}
YAML
    chmod 600 "$PLANS/$1-$2.yaml"
}
# tenant_plan NAMESPACE NAME URL [TIMEOUT]
tenant_plan() {
    cat >"$PLANS/.new" <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: $2, namespace: $1}
spec:
  source: {url: '$3', interval: 200ms, timeout: ${4:-60s}, paths: [sql]}
  interval: 1s
  retryInterval: 200ms
  databases: [{name: db, secretRef: {name: db}}]
YAML
    mv "$PLANS/.new" "$PLANS/$1-$2-plan.yaml"
}
shop=$SLUICE_TEST_GIT_HTTP_URL/shop.git

tenant_secret noisy db "postgresql://x@$silent/x?sslmode=disable"
tenant_secret quiet db "$(db_uri pg quiet)"
for ((i = 0; i < NOISY; i++)); do
    tenant_plan noisy "git$i" "http://$silent/repo$i.git" 10m
    tenant_plan noisy "db$i" "$shop"
done
controller_start --stuck-after=4s
polls_hang() { curl -fsS "http://$(controller_port metrics)/metrics" | awk '/^sluice_oldest_task_seconds\{kind="poll"\}/ { found = $2 >= 2 } END { exit !found }'; }
wait_for "polls of the silent server hang" 60 polls_hang

tenant_plan quiet shop "$shop"
run_expect "another namespace's plan is polled, fetched, inspected and run" 0 '' \
    "$SLUICE" wait plan/shop -n quiet --commit "$first" --timeout 90s
echo 'create table b (id int);' >"$sql/V2__b.sql"
commit shop second
run_expect "and so is its next commit" 0 '' "$SLUICE" wait plan/shop -n quiet --commit "$sha" --timeout 90s
is "it has both files" "$(db_sql pg quiet "select count(*) from pg_tables where tablename in ('a', 'b')" | tr -d ' ')" 2

health() { http_get "$(controller_port health)" /healthz; }
stuck() { health | grep -q '^stuck: a poll has been running for [0-9]* s; the log names its plan'; }
wait_for "/healthz says what is stuck" 30 stuck
is "with 503" "$(health | http_code)" 503
ok "without naming a plan to anybody who asks" test -z "$(health | grep noisy)"
like "the log does" "$(grep '"msg":"stuck"' "$CONTROLLER_LOG" | head -n 1)" '"what":"poll","plan":"noisy/git[0-9]*"'

began=$(date +%s%N)
kill "$controller_pid"
wait_for "SIGTERM ends it within 5 s, whatever hangs" 5 controller_dead
wait "$controller_pid" 2>/dev/null && code=0 || code=$?
printf '# ended after %d ms with %s\n' $((($(date +%s%N) - began) / 1000000)) $code
controller_pid=''

tenant_plan slow shop "http://$silent/x.git" 1h
rm -f "$PLANS"/noisy-*.yaml
tenant_secret slow db "$(db_uri pg quiet)"
# The memory for files: 1 MiB for all.
for i in 1 2 3; do
    { echo "create table l$i (id int);"; printf -- '-- %0400000d\n' "$i"; } >"$SERVERS_DIR/large/sql/V${i}__l.sql"
done
commit large three
tenant_secret greedy db "$(db_uri pg greedy)"
tenant_plan greedy large "$SLUICE_TEST_GIT_HTTP_URL/large.git"
controller_start --source-memory=1
ready_of() {
    "$SLUICE" get "plan/$2" -n "$1" -o json 2>/dev/null | perl -0777 -MJSON::PP -ne '
        for (@{decode_json($_)->{status}{conditions} // []}) { print "$_->{status} $_->{reason}: $_->{message}\n" if $_->{type} =~ /^(Ready|SourceReady)$/ }'
}
says() { [[ $(ready_of "$1" "$2") =~ $3 ]]; }
wait_for "files that are larger than the memory for all are refused, with the numbers" 60 \
    says greedy large 'need 1\.1 MiB, and the controller keeps 1\.0 MiB for all plans: name narrower paths'
wait_for "a fetch may take ten minutes, not an hour" 30 says slow shop 'InvalidSpec: .*spec\.source\.timeout: must be from 1s to 10m'
wait_for "other plans go on" 60 says quiet shop 'True ReconciliationSucceeded'
rm "$SERVERS_DIR/large/sql/V3__l.sql"
commit large two
wait_for "two thirds of them fit" 60 says greedy large 'True ReconciliationSucceeded'

# Another namespace needs its share: what holds most gives way.
mkdir -p "$SERVERS_DIR/shop/other"
{ echo 'create table o (id int);'; printf -- '-- %0300000d\n' 9; } >"$SERVERS_DIR/shop/other/V9__o.sql"
commit shop other
perl -pi -e 's/paths: \[sql\]/paths: [sql, other]/' "$PLANS/quiet-shop-plan.yaml"
run_expect "the other namespace gets what it needs" 0 '' "$SLUICE" wait plan/shop -n quiet --commit "$sha" --timeout 60s
wait_for "who holds most gives way, and says so" 60 says greedy large 'False SourceFetchFailed: .*(gave way to those of another namespace|no other namespace holds more)'
rm "$PLANS/quiet-shop-plan.yaml"
echo 'create table l9 (id int);' >"$SERVERS_DIR/large/sql/V9__l.sql"
commit large nine
run_expect "and goes on when there is room" 0 '' "$SLUICE" wait plan/large -n greedy --commit "$sha" --timeout 60s
controller_stop
done_testing
