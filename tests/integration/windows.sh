#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Windows and freezes on real servers: nothing begins outside them, a Job that runs ends its file and begins no other, a file that
# was interrupted half-way is finished, and every statement takes effect once. Judged by the databases' own times.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"
controller_init
pg_start pg
mariadb_start mariadb
db_create pg orders
db_create mariadb billing
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql/orders" "$sql/billing"
secret orders-db "$(db_uri pg orders)"
secret billing-db "$(db_uri mariadb billing)"

at() { date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%SZ; }

plan() { # [FREEZE…], each a flow mapping
    local freeze list=''
    for freeze in "$@"; do list+="${list:+, }$freeze"; done
    plan_file shop shop <<YAML
  strategy: {type: AllAtOnce}
  databases: [{name: orders, secretRef: {name: orders-db}}, {name: billing, secretRef: {name: billing-db}}]
  freezes: [$list]
YAML
}

# freeze AFTER SECONDS: from so many seconds from now on, so long; $from and $to.
freeze() {
    from=$(at "$1") to=$(at "$(($1 + $2))")
    plan "{from: '$from', to: '$to'}"
}

sql_of() { # DATABASE SQL
    case $1 in
    orders) db_sql pg orders "$2" ;;
    billing) db_sql mariadb billing "set time_zone = '+00:00'; $2" ;;
    esac
}
time_of() { # DATABASE TIME, as that server writes it
    case $1 in
    orders) printf "timestamptz '%s'" "$2" ;;
    billing) printf "timestamp('%s')" "$(sed 's/T/ /; s/Z//' <<<"$2")" ;;
    esac
}
versions() { sql_of "$1" "select version from flyway_schema_history where version is not null order by installed_rank" | paste -sd' ' -; }
has() { [[ " $(versions "$1") " = *" $2 "* ]]; }
# Does the file's first step lie between $from and $to?
begun_in_freeze() { # DATABASE VERSION
    sql_of "$1" "select count(*) from (select min(started) as began from sluice_journal where version = '$2') first where began >= $(time_of "$1" "$from") and began < $(time_of "$1" "$to")"
}
is_shut() { [ "$(plan_json .status.window.open)" = 0 ] || [ "$(plan_json .status.window.open)" = false ]; }
slowly() { # DATABASE SECONDS
    if [ "$1" = orders ]; then echo "select pg_sleep($2);"; else echo "select sleep($2);"; fi
}

# ---- a freeze that is on ---------------------------------------------------------------------------

plan
for database in orders billing; do echo 'create table one (id int);' >"$sql/$database/V1__one.sql"; done
commit shop first
controller_start
run_expect "without windows and freezes a commit is applied" 0 '' wait_commit "$sha"
is "and status says nothing of them" "$(plan_json .status.window)" ''

freeze -5 15
for database in orders billing; do echo 'create table two (id int);' >"$sql/$database/V2__two.sql"; done
commit shop second
wait_for "a commit waits for the end of a freeze" 10 condition_is Waiting 'True AwaitingWindow'
is "Ready is Unknown" "$(condition Ready)" 'Unknown AwaitingWindow'
is "the roll-out is there" "$(plan_json .status.rollout.phase)" Waiting
like "what is awaited" "$("$SLUICE" describe plan/shop)" "waits: frozen \($from to $to\); Jobs may start from $to on"
is "and in the status" "$(plan_json .status.window.next)" "$to"
is "nobody has it" "$(versions orders), $(versions billing)" '1, 1'
run_expect "it goes on by itself" 0 '' wait_commit "$sha"
for database in orders billing; do
    is "$database: V2 did not begin in the freeze" "$(begun_in_freeze $database 2)" 0
done

# ---- a freeze that comes while Jobs run ----------------------------------------------------------------

for database in orders billing; do
    for version in 3 4 5; do
        { slowly $database 4; echo "create table t$version (id int);"; } >"$sql/$database/V${version}__slow.sql"
    done
done
# Two files take as long as it is until the freeze: the third begins after that however soon the Job starts.
freeze 8 12
sleep_until=$(date -d "$from" +%s)
commit shop third
has_both() { has orders 3 && has billing 3; }
wait_for "Jobs run before the freeze" 20 has_both
wait_for "then they stop" 20 condition_is Waiting 'True AwaitingWindow'
ok "inside it" [ "$(date +%s)" -ge "$sleep_until" ]
ok "not all files are in" [ "$(versions orders) $(versions billing)" != '1 2 3 4 5 1 2 3 4 5' ]
wait_for "the log names the outcome" 5 grep -q '"outcome":"Paused"' <(cat "$PLANS"/.sluice/jobs/*/log 2>/dev/null "$CONTROLLER_LOG")
run_expect "they go on after it" 0 '' wait_commit "$sha"
for database in orders billing; do
    is "$database: every file, once" "$(versions $database)" '1 2 3 4 5'
    for version in 3 4 5; do is "$database: V$version did not begin in the freeze" "$(begun_in_freeze $database $version)" 0; done
done
is "a pause is no failure" "$(grep -c '"reason":"MigrationFailed"' "$CONTROLLER_LOG" || true)" 0

# ---- a runner that is killed, and a freeze before its next attempt ---------------------------------------

printf '%s\n' 'create table six_a (id int);' 'alter table six_a add column b int;' 'select sleep(12);' 'create table six_c (id int);' \
    >"$sql/billing/V6__half.sql"
printf '%s\n' 'create table six_a (id int);' 'select pg_sleep(12);' 'create table six_c (id int);' >"$sql/orders/V6__half.sql"
for database in orders billing; do echo 'create table seven (id int);' >"$sql/$database/V7__seven.sql"; done
commit shop fourth
at_work() {
    [ "$(sql_of billing "select count(*) from information_schema.processlist where state = 'User sleep'")" = 1 ] &&
        [ "$(sql_of orders "select count(*) from pg_stat_activity where wait_event = 'PgSleep'")" = 1 ]
}
wait_for "both are inside a file" 30 at_work
freeze -1 36
wait_for "a freeze comes" 10 is_shut
for alive in "$PLANS"/.sluice/jobs/*/alive; do
    if [ -s "$alive" ] && ! flock -n -s "$alive" true; then kill -9 "$(<"$alive")"; fi
done
wait_for "what stands half-way on MariaDB is finished, in the freeze" 34 has billing 6
ok "in the freeze it was" [ "$(date +%s)" -lt "$(date -d "$to" +%s)" ]
is "the file after it waits" "$(versions billing)" '1 2 3 4 5 6'
is "on PostgreSQL nothing stands half-way: it waits" "$(versions orders)" '1 2 3 4 5'
run_expect "after it all is done" 0 '' wait_commit "$sha"
is "billing: every file, once" "$(versions billing)" '1 2 3 4 5 6 7'
is "orders: every file, once" "$(versions orders)" '1 2 3 4 5 6 7'
is "orders: V6 did not begin in the freeze" "$(begun_in_freeze orders 6)" 0
is "billing: V7 did not begin in the freeze" "$(begun_in_freeze billing 7)" 0

# ---- what is refused ---------------------------------------------------------------------------------

plan "{schedule: '0 2 * *', duration: 4h}"
wait_for "four fields are no schedule" 10 condition_is Stalled 'True InvalidSpec'
like "and the message says what to write" "$("$SLUICE" describe plan/shop)" 'spec.freezes\[0\].schedule: "0 2 \* \*" is not a schedule: write five fields: minute hour day month weekday'
plan "{from: '2026-01-01T00:00:00Z', to: '2099-01-01T00:00:00Z'}"
says() { "$SLUICE" describe plan/shop | grep -q "$1"; }
wait_for "nor may a freeze last for ever" 10 says 'no window opens within 366 days'
plan
wait_for "without it all is well" 20 condition_is Ready 'True ReconciliationSucceeded'
done_testing
