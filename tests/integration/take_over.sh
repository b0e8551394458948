#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A renamed plan with nothing to apply takes its databases over without a Job, once each, also when the controller is
# killed in the middle of it; where it cannot, a Job does.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

pg_start pg
mariadb_start mariadb
git_http_start
repo_new shop
clone=$SERVERS_DIR/shop
plan_databases='pga pgb mya myb'
plan_begin plans
server_of() { [ "${1%?}" = pg ] && echo pg || echo mariadb; }
for name in $plan_databases; do
    mkdir -p "$clone/sql/$name"
    echo 'create table one (id int);' >"$clone/sql/$name/V1__one.sql"
    db_create "$(server_of "$name")" "$name"
    plan_secret "$name-db" "$(db_uri "$(server_of "$name")" "$name")"
done
plan_commit "$clone" first

q() { db_sql "$(server_of "$1")" "$1" "$2"; }
on_each() { for name in $plan_databases; do q "$name" "$1"; done | tr '\n' ' '; } # SQL
owners() { on_each 'select owner_name from sluice_lease'; }
epochs() { on_each 'select epoch from sluice_lease'; }
rows() { on_each 'select count(*) from flyway_schema_history'; }
owned_by() { [ "$(owners)" = "$1 $1 $1 $1 " ]; }
jobs_of() { find "$PLANS/.sluice/jobs" -mindepth 1 -maxdepth 1 -name "$1-*" | wc -l; }
ready() { [ "$(plan_condition "$1" Ready)" = 'True ReconciliationSucceeded' ]; }
rename_plan() { # OLD NEW
    rm "$PLANS/$1.yaml"
    plan_write "$2" shop
}
# hold NAME: another session has the lease's row, until release NAME.
sleepers() { # NAME: its sessions, by id
    if [ "$(server_of "$1")" = pg ]; then
        q "$1" "select pid from pg_stat_activity where datname = '$1' and query like '%pg_sleep(120)%' and state = 'active' and pid <> pg_backend_pid()"
    else
        q "$1" "select id from information_schema.processlist where db = '$1' and info like 'select sleep(120)%'"
    fi
}
is_held() { [ -n "$(sleepers "$1")" ]; }
hold() {
    local hold="begin; select 1 from sluice_lease for update; select pg_sleep(120)"
    [ "$(server_of "$1")" = pg ] || hold="start transaction; select 1 from sluice_lease for update; select sleep(120)"
    q "$1" "$hold" >/dev/null 2>&1 &
    wait_for "$1: another session has the lease" 20 is_held "$1"
}
release() {
    local id end='select pg_terminate_backend'
    [ "$(server_of "$1")" = pg ] || end=kill
    for id in $(sleepers "$1"); do q "$1" "$end($id)" >/dev/null 2>&1 || q "$1" "$end $id" >/dev/null; done
}
waits_for_it() { # NAME: somebody waits for that row
    if [ "$(server_of "$1")" = pg ]; then
        [ "$(q "$1" "select count(*) from pg_stat_activity where datname = '$1' and wait_event_type = 'Lock'")" != 0 ]
    else
        # Not innodb_trx, which answers from a cache to whoever asks every 100 ms.
        [ "$(q "$1" "select count(*) from information_schema.processlist where db = '$1' and command = 'Query' and info like '%sluice_lease%' and time_ms > 200 and id <> connection_id()")" != 0 ]
    fi
}

plan_write old shop
controller_start
wait_for "a plan brings four databases up to date" 60 ready old
is "and owns them" "$(owners)" 'old old old old '

# ---- renamed -----------------------------------------------------------------------------------------
before=$(epochs)
rename_plan old new
wait_for "under another name it is ready" 60 ready new
is "and owns them again" "$(owners)" 'new new new new '
is "no Job was made for that" "$(jobs_of new)" 0
is "each was written to once" "$(epochs)" "$(for epoch in $before; do echo $((epoch + 1)); done | tr '\n' ' ')"
is "nothing ran twice" "$(rows)" '1 1 1 1 '
is "the log names each" "$(grep -c '"database taken over"\|database taken over' "$PLANS.log")" 4

# ---- the controller dies while it writes -------------------------------------------------------------
for name in pga mya; do
    hold $name
    rename_plan new "killed"
    wait_for "$name: the owner waits to be written" 30 waits_for_it $name
    controller_kill
    is "$name: nothing of it was written" "$(q $name 'select owner_name from sluice_lease')" new
    release $name
    controller_start
    wait_for "$name: the next controller does it" 60 ready killed
    is "$name: all belong to the plan" "$(owners)" 'killed killed killed killed '
    rename_plan killed new
    wait_for "$name: renamed back" 60 owned_by new
done
is "nothing ran twice in all that" "$(rows)" '1 1 1 1 '

# ---- it cannot be written ----------------------------------------------------------------------------
for name in pgb myb; do
    hold $name
done
rename_plan new last
wait_for "two are taken over, of two the row stays locked: Jobs are made for these" 60 eval '[ "$(jobs_of last)" -ge 2 ]'
is "and for no other" "$(find "$PLANS/.sluice/jobs" -mindepth 1 -maxdepth 1 -name 'last-pga-*' -o -name 'last-mya-*' | wc -l)" 0
for name in pgb myb; do
    release $name
done
wait_for "when the row is free the plan gets there" 90 ready last
is "with all of its databases" "$(owners)" 'last last last last '
is "and nothing ran twice" "$(rows)" '1 1 1 1 '

# ---- two plans want it -------------------------------------------------------------------------------
# Both have seen that the owner is gone; the one that comes second must see who is it now.
both_wait() { # NAME
    if [ "$(server_of "$1")" = pg ]; then
        [ "$(q "$1" "select count(*) from pg_stat_activity where datname = '$1' and application_name like 'sluice%'")" -ge 2 ] && waits_for_it "$1"
    else
        [ "$(q "$1" "select count(*) from information_schema.processlist where db = '$1'")" -ge 4 ] && waits_for_it "$1"
    fi
}
settled() { [ "$(for plan in left right; do plan_condition $plan Ready; done | sort | tr '\n' ' ')" = 'False TargetIdConflict True ReconciliationSucceeded ' ]; }
former=last
for name in pga mya; do
    plan_databases=$name
    epoch=$(q $name 'select epoch from sluice_lease')
    hold $name
    rm -f "$PLANS/$former.yaml"
    plan_write left shop
    plan_write right shop
    wait_for "$name: two plans want it" 30 both_wait $name
    release $name
    wait_for "$name: one has it, the other says whose it is" 60 settled
    is "$name: it was written to once" "$(q $name 'select epoch from sluice_lease')" $((epoch + 1))
    rm "$PLANS/left.yaml" "$PLANS/right.yaml"
    former=none
done
controller_stop
done_testing
