#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A login goes where its Secret allows, and nowhere else, whatever the plan says: nobody else's server hears
# of it.
# timeout: 200
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg
git_http_start
repo_new shop
db_create pg one
mkdir -p "$SERVERS_DIR/shop/sql"
echo 'create table a (id int);' >"$SERVERS_DIR/shop/sql/V1__a.sql"
commit shop first

# A server that writes down what it hears.
: >"$SERVERS_DIR/heard"
perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Listen => 16, LocalAddr => "127.0.0.1", ReuseAddr => 1) or die;
    open my $f, ">", "$ARGV[0].new" or die; print $f $s->sockport; close $f; rename "$ARGV[0].new", $ARGV[0];
    while (my $c = $s->accept) { open my $h, ">>", $ARGV[1]; syswrite $h, "connection\n"; close $c }' \
    "$SERVERS_DIR/evil" "$SERVERS_DIR/heard" &
evil_pid=$!
trap 'code=$?; kill $evil_pid 2>/dev/null || true; controller_end $code' EXIT
evil_listens() { [ -s "$SERVERS_DIR/evil" ]; }
within 20 evil_listens || { servers_fail "no server"; exit 1; }
evil=$(<"$SERVERS_DIR/evil")
heard() { wc -l <"$SERVERS_DIR/heard" | tr -d ' '; }

# login NAME HOSTS KEY=VALUE…: a Secret, with the annotation if HOSTS is not "-".
login() {
    local name=$1 hosts=$2 pair
    shift 2
    {
        printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n' "$name"
        [ "$hosts" = - ] || printf '  annotations: {sluice.dev/host: "%s"}\n' "$hosts"
        printf 'stringData:\n'
        for pair in "$@"; do printf '  %s: "%s"\n' "${pair%%=*}" "${pair#*=}"; done
    } >"$PLANS/.new"
    mv "$PLANS/.new" "$PLANS/$name.yaml"
}
# plan NAME SECRET CONNECTION [SOURCE]
plan() {
    cat >"$PLANS/.new" <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: $1}
spec:
  source: {url: ${4:-$SLUICE_TEST_GIT_HTTP_URL/shop.git}, interval: 200ms, paths: [sql]${5:+, secretRef: {name: $5\}}}
  interval: 1s
  retryInterval: 200ms
  databases:
  - {name: db, secretRef: {name: $2}, connection: {$3}, tls: {mode: disable}}
YAML
    mv "$PLANS/.new" "$PLANS/$1.yaml"
}
says() { [[ $("$SLUICE" get "plan/$1" -o json 2>/dev/null) =~ $2 ]]; }

uri=$(db_uri pg one)
login with-host - "uri=$uri"
login no-host - type=postgresql username=stolen password=S3CRET-canary database=one
login listed "*.example.com, db.internal:5432" type=postgresql username=stolen password=S3CRET-canary database=one
login loopback "127.0.0.1:$evil" type=postgresql username=stolen password=S3CRET-canary database=one

plan steal with-host "host: 127.0.0.1, port: $evil"
plan annotated listed "host: 127.0.0.1, port: $evil"
plan wrong-port listed "host: db.internal, port: $evil"
plan git with-host '' "http://127.0.0.1:$evil/x.git" with-host
plan git-listed with-host '' "http://127.0.0.1:$evil/x.git" listed
controller_start

wait_for "a host of the plan's own is refused where the Secret has one" 30 condition_is Stalled "True InvalidSpec" steal
like "and named" "$("$SLUICE" get plan/steal -o json)" 'connection\.host is another host than the one that the Secret names'
wait_for "so is one that the Secret does not list" 30 condition_is Stalled "True InvalidSpec" annotated
like "by its annotation" "$("$SLUICE" get plan/annotated -o json)" "names 127\.0\.0\.1, and the Secret's annotation sluice\.dev/host does not list that host"
wait_for "and another port of a listed one" 30 condition_is Stalled "True InvalidSpec" wrong-port
wait_for "a database's login is none for a git server" 30 says git "key uri belongs to a database's Secret"
wait_for "and no other one goes where it is not listed" 30 says git-listed 'source\.url names 127\.0\.0\.1, and the Secret'
is "nobody else's server was asked" "$(heard)" 0

plan listed loopback "host: 127.0.0.1, port: $evil"
reached() { [ "$(heard)" -gt 0 ]; }
wait_for "what is listed is reached" 30 reached
login loopback "elsewhere" type=postgresql username=stolen password=S3CRET-canary database=one
wait_for "a list that is changed counts" 30 says listed 'does not list that host'

plan steal with-host ''
run_expect "without the host the plan goes on" 0 '' "$SLUICE" wait plan/steal --commit "$sha" --timeout 60s
is "the canary is in no log" "$(grep -c S3CRET-canary "$CONTROLLER_LOG" || true)" 0
done_testing
