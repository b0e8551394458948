#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two controllers and one lease: one works, the other is ready and waits. The leader is stopped for longer
# than its lease and woken: it ends itself, and no attempt has had two Jobs, no statement run twice.
# timeout: 400
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
migration() { # NUMBER SQL
    printf '%s\n' "$2" >"$sql/V$1__step.sql"
    push shop "V$1"
}
elect=(--enable-leader-election --leader-election-namespace "$NS" --leader-election-lease-duration 4s
    --leader-election-renew-deadline 3s --leader-election-retry-period 500ms)
holder() { get lease/sluice-controller '{.spec.holderIdentity}' -n "$NS" 2>/dev/null; }
held() { [ -n "$(holder)" ]; }
held_by_another() { [ -n "$(holder)" ] && [ "$(holder)" != "$1" ]; }
health() { # LOG-OF-CONTROLLER PATH: the body
    local address
    address=$(sed -n 's/.*"server":"health","address":"\([^"]*\)".*/\1/p' "$1" | tail -n 1)
    perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], Timeout => 5) or exit 1;
        print $s "GET $ARGV[1] HTTP/1.0\r\n\r\n"; local $/; my $t = <$s>; $t =~ s/.*\r\n\r\n//s; print $t' "$address" "$2"
}

outside_begin
db_secret orders-db pg orders
kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop, namespace: $NS}
spec:
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/shop.git", interval: 1s, paths: [sql]}
  databases: [{name: orders, secretRef: {name: orders-db}}]
  interval: 5s
  retryInterval: 1s
YAML
migration 1 'create table effect (mark int not null);'
CONTROLLER_LOG=$PWD/first.log
outside_start "${elect[@]}"
first=$controller
wait_for "one takes the lease" 30 held
wait_for "and works" 60 plan_has "$sha"
leader=$(holder)
CONTROLLER_LOG=$PWD/second.log
outside_start "${elect[@]}"
second=$controller
wait_for "another one waits" 30 grep -q 'waits for the lease' second.log
is "it is ready: a roll-out of the Deployment must not wait for it to lead" "$(health second.log /readyz)" ok
is "and well" "$(health second.log /healthz)" ok

migration 2 'select pg_sleep(8); insert into effect values (2);'
wait_for "a migration runs" 60 runner_up
kill -STOP "$first"
wait_for "the leader stands still for longer than its lease: the other one takes it" 30 held_by_another "$leader"
wait_for "and sees the migration through" 60 plan_has "$sha"
migration 3 'insert into effect values (3);'
wait_for "it works itself" 60 plan_has "$sha"
kill -CONT "$first"
wait_for "the old leader wakes and ends" 30 outside_dead "$first"
code=0
wait "$first" || code=$?
is "with an error" "$code" 1
like "that it names" "$(tail -n 1 first.log)" 'the lease is lost'
is "it made no Job after it woke" "$(grep -c '"job created"' first.log)" 2
is "every attempt had one Job" "$(jobs_of orders | wc -l) $(jobs_of orders | sort -u | wc -l)" '3 3'
is "every statement ran once" "$(db_sql pg orders 'select mark, count(*) from effect group by mark order by mark' | tr '\t\n' '| ')" '2|1 3|1 '
outside_stop "$second"
is "one that ends gives the lease back" "$(holder)" ''
done_testing
