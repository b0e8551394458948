#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller is killed before and after every one of its writes and child starts, while a commit
# goes to two databases and a second commit fails on the canary. Started again it comes to the same
# end: every effect once, no second Job for what was done, the failure held.
# timeout: 1500
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
servers_need cc perl
pg_start pg
git_http_start
shim=$SERVERS_DIR/kill_at_write.so
cc -shared -fPIC -O1 -o "$shim" "$SLUICE_SOURCE/tests/support/kill_at_write.c" -ldl
MIN_INTERVAL=100ms
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"

# Two commits of one repository: the first is good, the second fails at its second statement.
cat >"$sql/V1__first.sql" <<'SQL'
create table effect (n int);
insert into effect values (1);
SQL
commit shop good
good=$sha
printf 'insert into effect values (2);\ninsert into missing values (1);\n' >"$sql/V2__second.sql"
commit shop bad
bad=$sha
printf 'insert into effect values (3);\n' >"$sql/V2__second.sql"
commit shop fix
fix=$sha
at() { git -C "$SERVERS_DIR/shop" push -q -f origin "$1:refs/heads/main"; }

write_plan() {
    plan_file shop shop <<'YAML'
  databases:
  - {name: first, secretRef: {name: first-db}}
  - {name: second, secretRef: {name: second-db}}
  strategy:
    type: Canary
    waves:
    - {name: canary, select: {names: [first]}}
YAML
    perl -pi -e 's/interval: 200ms/interval: 100ms\n    paths: [sql]/ if /^    interval/; s/interval: 2s/interval: 1s/' "$PLANS/shop.yaml"
}

fresh() {
    local name
    at "$good"
    rm -rf "$PLANS" "$SERVERS_DIR/count"
    mkdir "$PLANS"
    for name in first second; do
        db_sql pg postgres "drop database if exists $name with (force)" >/dev/null 2>&1
        db_create pg "$name" >/dev/null
        secret "$name-db" "$(db_uri pg "$name")"
    done
    write_plan
}

# The story with whatever controller runs: to the end, or until it is dead.
dead() { ! kill -0 "$controller_pid" 2>/dev/null; }
applied() { [ "$(plan_json .status.lastAppliedCommit)" = "$1" ]; }
failed() { [ "$(condition Stalled)" = "True CanaryFailed" ] && [ "$(plan_json .status.lastAttemptedCommit)" = "$bad" ]; }
until_dead_or() { within 60 eval "dead || $*"; }

story() {
    pushed=$good
    until_dead_or applied "$good" || return 1
    if dead; then return 0; fi
    at "$bad"
    pushed=$bad
    until_dead_or failed
}

count_of() { db_sql pg "$1" "$2" | tr -d ' \n'; }

# What must be true after the second start, whatever happened to the first.
same_end() {
    local name
    if [ "$pushed" = "$good" ]; then
        within 60 applied "$good" || { echo "the good commit is not applied: $(condition Ready)"; return 1; }
        at "$bad"
    fi
    within 60 failed || { echo "the bad commit is not Stalled: $(condition Stalled), $(plan_json .status.lastAttemptedCommit)"; return 1; }
    for name in first second; do
        [ "$(count_of "$name" 'select count(*) from effect where n = 1')" = 1 ] || { echo "$name: the first effect is not there once"; return 1; }
        [ "$(count_of "$name" 'select count(*) from effect where n = 2')" = 0 ] || { echo "$name: half of the bad file"; return 1; }
        [ "$(count_of "$name" 'select count(*) from flyway_schema_history')" = 1 ] || { echo "$name: history"; return 1; }
    done
    [ "$(count_of first "select count(*) from sluice_journal where state = 'failed'")" = 1 ] || { echo "not one failed row: it ran again, or is forgotten"; return 1; }
    [ "$(count_of second "select count(*) from sluice_journal where state <> 'done'")" = 0 ] || { echo "second saw the bad commit"; return 1; }
    at "$fix"
    within 60 applied "$fix" || { echo "the fix is not applied: $(condition Ready)"; return 1; }
    for name in first second; do
        [ "$(count_of "$name" 'select count(*) from effect where n = 3')" = 1 ] || { echo "$name: the fix is not there once"; return 1; }
    done
    within 10 no_live_job || { echo "a Job is left running"; return 1; }
    [ -z "$(ls -d "$PLANS"/.sluice/jobs/.new-* "$PLANS"/.sluice/jobs/*/credentials 2>/dev/null)" ] || { echo "half-made Jobs or credentials are left"; return 1; }
}

no_live_job() {
    local alive
    for alive in "$PLANS"/.sluice/jobs/*/alive; do
        flock -n -s "$alive" true || return 1
    done
}

start_raw() { # without waiting for /readyz: it may be dead before
    "$@" "$SLUICE" controller --standalone "$PLANS" --allow-source-scheme=http --min-interval=$MIN_INTERVAL \
        --metrics-addr=off --health-addr=off --hook-addr=off </dev/null 2>>"$CONTROLLER_LOG" &
    controller_pid=$!
    disown "$controller_pid" # its death is no news
}

# How many points are there? A run that nobody kills.
fresh
start_raw env LD_PRELOAD="$shim" KILL_AT=0 KILL_COUNT="$SERVERS_DIR/count"
if story && ! dead; then pass "the story, undisturbed"; else flunk "the story, undisturbed"; fi
points=$(<"$SERVERS_DIR/count")
ok "and its end" same_end
controller_kill
if [ "$points" -lt 40 ]; then flunk "there are enough points" "only $points"; fi

# Odd points are before a call, even ones behind it: every third takes both kinds. --full takes all.
step=${SLUICE_FULL:+1}
step=${step:-3}
killed=0 broken=''
for ((at = 1; at <= points; at += step)); do
    fresh
    : >"$CONTROLLER_LOG"
    start_raw env LD_PRELOAD="$shim" KILL_AT=$at
    story || true
    if dead; then killed=$((killed + 1)); fi
    controller_kill
    start_raw
    if ! why=$(same_end 2>&1); then
        broken="point $at of $points: $why"
        break
    fi
    controller_kill
done
if [ -z "$broken" ]; then
    pass "killed at $killed of $points points, every time the same end"
else
    flunk "the same end after every kill" "$broken"
fi
if [ -z "$broken" ] && [ $((killed * step * 2)) -lt "$points" ]; then
    flunk "most kills hit" "only $killed"
fi
done_testing
