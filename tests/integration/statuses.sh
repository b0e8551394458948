#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a plan says of what no waiting mends, and of databases on which nothing ran: Stalled at once, `wait` ends, and a
# refusal is not a failure.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

pg_start pg
mariadb_start mariadb
git_http_start
repo_new shop
clone=$SERVERS_DIR/shop
plan_databases='orders billing search'
for database in $plan_databases; do
    mkdir -p "$clone/sql/$database"
    echo 'create table one (id int);' >"$clone/sql/$database/V1__one.sql"
done
plan_commit "$clone" first
db_create pg orders
db_create mariadb billing
db_create pg search
plan_begin plans
plan_secret orders-db "$(db_uri pg orders)"
plan_secret billing-db "$(db_uri mariadb billing)"
plan_secret search-db "$(db_uri pg search)"
plan_write shop shop
sed -i '/strategy:/,$d' "$PLANS/shop.yaml"
printf '  strategy: {type: AllAtOnce}\n' >>"$PLANS/shop.yaml"
export SLUICE_STANDALONE=$PLANS

# ---- a source that the controller does not allow --------------------------------------------------------
"$SLUICE" controller --standalone "$PLANS" --min-interval=100ms --metrics-addr=off --health-addr=off --hook-addr=off 2>strict.log &
controller=$!
refused='plan default/shop is Stalled and will not go on by itself: .*InvalidSpec.*the scheme http:// is not allowed here: use https or ssh, or allow it with --allow-source-scheme'
start=$SECONDS
run_expect "a scheme that is not allowed ends a wait" 3 "$refused" "$SLUICE" wait plan/shop --timeout 100s
run_expect "and one for a commit" 3 "$refused" "$SLUICE" wait plan/shop --commit "$sha" --timeout 100s
ok "at once" test $((SECONDS - start)) -lt 30
is "it is Stalled" "$(plan_condition shop Stalled)" 'True InvalidSpec'
is "and nothing else" "$(plan_condition shop Reconciling)" ''
like "describe says what to do" "$("$SLUICE" describe shop)" 'Stalled +True +InvalidSpec.*what to do: correct the field'
controller_stop
controller_start
mended() { [ "$(plan_condition shop Stalled)" = '' ]; }
wait_for "a controller that allows it is Stalled no more" 30 mended
run_expect "and goes on" 0 '' "$SLUICE" wait plan/shop --commit "$sha" --timeout 60s

# ---- refused is not failed ------------------------------------------------------------------------------------
for database in $plan_databases; do echo 'create table one (id bigint);' >"$clone/sql/$database/V1__one.sql"; done
plan_commit "$clone" edited
run_expect "files that do not go with any database" 3 'orders: sql/orders/V1__one.sql was changed .*\(and 2 more refused\)' \
    "$SLUICE" wait plan/shop --commit "$sha" --timeout 60s
described=$("$SLUICE" describe shop)
is "each is refused, none has failed" "$(grep -cE '^  (orders|billing|search) +Refused +version 1 ' <<<"$described") $(grep -cE '^  (orders|billing|search) +Failed' <<<"$described")" '3 0'
is "and shows no Job of the roll-out before" "$(grep -c ' job ' <<<"$described" || true)" 0
counts() {
    "$SLUICE" get shop -o json | perl -MJSON::PP -0ne '
        my $s = decode_json($_)->{status}{summary}; print "$s->{refused} refused $s->{failed} failed";'
}
is "in numbers" "$(counts)" '3 refused 0 failed'
for database in $plan_databases; do
    echo 'create table one (id int);' >"$clone/sql/$database/V1__one.sql"
    echo 'select nothing_there;' >"$clone/sql/$database/V2__two.sql"
done
sed -i 's/strategy: {type: AllAtOnce}/strategy: {type: AllAtOnce, maxFailures: 2}/' "$PLANS/shop.yaml"
echo 'create table one (id bigint);' >"$clone/sql/search/V1__one.sql"
plan_commit "$clone" "two fail, one is refused"
run_expect "each by what became of it" 3 '\(and 1 more failed, 1 more refused\)' "$SLUICE" wait plan/shop --commit "$sha" --timeout 60s
described=$("$SLUICE" describe shop)
is "a Job that failed is shown" "$(grep -cE '^  (orders|billing) +Failed .* job shop-(orders|billing)-' <<<"$described")" 2
is "beside one that is refused" "$(grep -cE '^  search +Refused +version 1 +(wave [a-z]+)?$' <<<"$described")" 1
is "in numbers, too" "$(counts)" '1 refused 2 failed'
controller_stop
done_testing
