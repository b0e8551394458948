#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller is killed at every one of its writes during a canary roll-out: the next one brings it to
# the same end, and no effect is there twice. Uses the debug build, which has the places to die.
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

SLUICE=$SLUICE_DEBUG_BUILD/sluice
export ASAN_OPTIONS=detect_leaks=0
pg_start pg
mariadb_start mariadb
git_http_start
repo_new shop
clone=$SERVERS_DIR/shop
for database in $plan_databases; do
    mkdir -p "$clone/sql/$database"
    printf "create table effect (mark varchar(50) not null);\ninsert into effect values ('one');\n" >"$clone/sql/$database/V1__one.sql"
    printf "insert into effect values ('two');\n" >"$clone/sql/$database/V2__two.sql"
done
plan_commit "$clone" first
wait_plan() { "$SLUICE" wait plan/shop --standalone "$PLANS" --commit "$sha" --timeout "${1:-60s}" --if-missing wait; }
dead() { ! kill -0 "$controller" 2>/dev/null; }
settled() { dead || [ "$(plan_condition shop Ready 2>/dev/null)" = 'True ReconciliationSucceeded' ]; }

# same_end NAME: every effect once, in order of waves, and no Job left running.
same_end() {
    local server database
    for server in pg:orders pg:billing mariadb:search; do
        database=${server#*:}
        [ "$(db_sql "${server%:*}" "$database$run" 'select mark, count(*) from effect group by mark order by mark' | tr '\t\n' '| ')" = 'one|1 two|1 ' ] ||
            { printf 'effects of %s\n' "$database"; return 1; }
        [ "$(db_sql "${server%:*}" "$database$run" 'select version from flyway_schema_history order by installed_rank' | tr '\n' ' ')" = '1 2 ' ] ||
            { printf 'history of %s\n' "$database"; return 1; }
    done
    [ "$(db_sql pg "orders$run" "select max(installed_on) from flyway_schema_history")" '<' \
        "$(db_sql pg "billing$run" "select min(installed_on) from flyway_schema_history")" ] ||
        { printf 'billing came before the canary was done\n'; return 1; }
}

run=0 kills=0
for point in before_status status_written before_create created; do
    for ((n = 1; n <= 40; n++)); do
        run=$((run + 1))
        db_create pg "orders$run"
        db_create pg "billing$run"
        db_create mariadb "search$run"
        plan_begin "plans$run"
        plan_secret orders-db "$(db_uri pg "orders$run")"
        plan_secret billing-db "$(db_uri pg "billing$run")"
        plan_secret search-db "$(db_uri mariadb "search$run")"
        plan_write shop shop 'select count(*) = 2 from effect' 500ms
        controller_start SLUICE_FAILPOINT="$point:$n"
        within 60 settled || true
        if ! dead; then
            controller_stop
            run_expect "$point: an undisturbed run comes there $((n - 1)) times" 0 '' test "$n" -gt 1
            break
        fi
        wait "$controller" 2>/dev/null || true
        kills=$((kills + 1))
        controller_start
        run_expect "$point, time $n: the next controller ends the roll-out" 0 '' wait_plan
        ok "$point, time $n: every effect once, the canary first" same_end
        controller_stop
    done
done
ok "the sweep killed at least ten times: $kills" test "$kills" -ge 10
done_testing
