#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `sluice repair`: failed rows of another tool go, those of ours only when nothing has stayed; edited and missing files are
# written down; once, all or nothing, under the lock. What real Flyway makes of it: flyway_repair.sh.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

scenes_start

fresh() { # a database with V1 and V2 applied by us
    scene "$engine"
    printf 'create table log (v int);\n' >sql/V1__log.sql
    printf 'insert into log values (2);\n' >sql/V2__two.sql
    migrate >/dev/null
}
repair() { "$SLUICE" repair --url "$url" "$@"; }
validate() { "$SLUICE" validate --url "$url" --dir sql "$@"; }
rows() { q "select * from flyway_schema_history order by installed_rank"; }
foreign_failure() { # VERSION DESCRIPTION: as Flyway leaves it
    q "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        select max(installed_rank) + 1, '$1', '$2', 'SQL', 'V$1__$2.sql', 5, 'someone', 7, false from flyway_schema_history"
}

for engine in mariadb pg; do
    # ---- nothing ------------------------------------------------------------------------------------------------

    fresh
    before=$(rows)
    run_expect "$engine: nothing is wrong" 0 '' repair --dir sql
    like "$engine: that is said" "$run_stdout" 'nothing to repair$'
    is "$engine: nothing is written, not even an epoch" "$(rows) $(q 'select epoch from sluice_lease')" "$before 1"
    db_create $engine empty
    run_expect "$engine: a database without history" 0 '' "$SLUICE" repair --url "$(db_uri $engine empty)" --dir sql
    is "$engine: it is still empty" "$(db_sql $engine empty "select count(*) from information_schema.tables where table_schema in ('public', 'empty')")" 0
    db_sql $engine postgres 'drop database empty' 2>/dev/null || db_sql $engine mysql 'drop database empty'

    # ---- another tool's failed row ----------------------------------------------------------------------------------

    foreign_failure 3 three
    printf 'insert into log values (3);\n' >sql/V3__three.sql
    run_expect "$engine: a row of Flyway's stops" 6 "V3__three.sql has failed in an earlier run of another tool \(history row 3, success = false\): undo what it left behind, then remove the row: .sluice repair --url '[^']*'. \(FailedHistoryRow\)" migrate
    before=$(rows)
    run_expect "$engine: what would be done" 0 '' repair --dry-run
    like "$engine: is said" "$run_stdout" 'would remove: history row 3, version 3 "three": it failed in a run of another tool.*would repair: 1 row of flyway_schema_history'
    is "$engine: and not done" "$(rows)" "$before"
    run_expect "$engine: it goes" 0 '' repair
    like "$engine: and what is said" "$run_stdout" 'removed: history row 3, version 3 "three": .* is still there.*done: 1 row of'
    run_expect "$engine: the run goes on" 0 '' migrate
    is "$engine: to a whole history" "$(applied installed_rank version type success)" '1 1 SQL 1,2 2 SQL 1,3 3 SQL 1'
    run_expect "$engine: a second time there is nothing to do" 0 '' repair --dir sql
    like "$engine: which is said again" "$run_stdout" 'nothing to repair$'

    # ---- one of ours ---------------------------------------------------------------------------------------------------

    if [ $engine = mariadb ]; then
        fresh
        printf 'create table half (v int);\ncreate table broken (v nonsense);\n' >sql/V3__x.sql
        run_expect "ours: a file fails half-way" 3 'MigrationFailed' migrate
        run_expect "ours: its row is not removed" 6 "version 3 failed \(history row 3\), and its statement 1 \(line 1\) is applied: .sluice migrate. goes on from there; when what stays is wanted or undone instead, say so, then repair: .sluice resolve --url '[^']*' --version '3' --verdict restart --reason '[^']*'. \(FailedHistoryRow\)" repair --dir sql
        is "ours: it is still there" "$(applied installed_rank version type success)" '1 1 SQL 1,2 2 SQL 1,3 3 SQL 0'
        run_expect "ours: the printed command" 0 '' follow "$run_stderr" '^sluice resolve'
        run_expect "ours: now it goes" 0 '' repair --dir sql
        like "ours: with other words" "$run_stdout" 'removed: history row 3, version 3 "x": it failed, and nothing of it has stayed'
        q 'drop table half'
        sed -i 's/nonsense/int/' sql/V3__x.sql
        run_expect "ours: and the file runs as a whole" 0 '' migrate
        is "ours: with its row" "$(applied installed_rank version type success)" '1 1 SQL 1,2 2 SQL 1,3 3 SQL 1'
    fi

    # ---- edited and missing files ---------------------------------------------------------------------------------------

    fresh
    printf 'select 1;\n' >sql/R__view.sql
    printf 'select 3;\n' >sql/V3__three.sql
    run_expect "$engine: more files" 0 '' migrate
    rm sql/V2__two.sql sql/R__view.sql
    printf -- '-- a word\ncreate table log (v int);\n' >sql/V1__new_name.sql
    rm sql/V1__log.sql
    run_expect "$engine: edited, renamed, gone" 6 'V1__new_name.sql was changed.*ChecksumMismatch' validate
    is "$engine: each of them is listed" "$(grep -c '^problem: ' <<<"$run_stdout")" 3
    run_expect "$engine: without files only failed rows count" 0 '' repair
    like "$engine: and that is said" "$run_stdout" 'nothing to repair among failed rows'
    run_expect "$engine: as JSON" 0 '' repair --dir sql --dry-run -o json
    is "$engine: by kind" "$(jq -c '[.dryRun, (.removed | length), [.realigned[].version], [.deleted[].description]]' <<<"$run_stdout")" '[true,0,["1"],["two","view"]]'
    run_expect "$engine: repaired" 0 '' repair --dir sql
    like "$engine: what was done" "$run_stdout" 'marked as deleted: history row 2, version 2 "two".*marked as deleted: history row 4, repeatable "view".*realigned: history row 1, version 1 "log": checksum .* is now .*, the description "new name"'
    run_expect "$engine: validate has nothing against it" 0 '' validate
    is "$engine: markers copy what they take back" "$(q "select count(*) from flyway_schema_history a join flyway_schema_history b
        on coalesce(a.version, '') = coalesce(b.version, '') and a.description = b.description and a.script = b.script and a.checksum = b.checksum
        where a.type = 'DELETE' and b.type = 'SQL' and a.success and a.execution_time = 0 and a.installed_by = 'app'")" 2
    run_expect "$engine: a second time there is nothing to do" 0 '' repair --dir sql
    like "$engine: as before" "$run_stdout" 'nothing to repair$'
    printf 'insert into log values (22);\n' >sql/V4__four.sql
    run_expect "$engine: the next one goes on" 0 '' migrate
    printf 'insert into log values (5);\n' >sql/V2__two.sql
    run_expect "$engine: a deleted one that comes back is pending again" 0 '' migrate --out-of-order
    is "$engine: and ran" "$(q 'select count(*) from log where v = 5')" 1
    run_expect "$engine: its journal is whole" 0 '' "$SLUICE" info --url "$url" --dir sql

    # ---- the lock, and death in its middle -------------------------------------------------------------------------------

    fresh
    foreign_failure 3 three
    rm sql/V2__two.sql
    printf 'select 4;\n' >sql/V4__four.sql
    before=$(rows)
    sleep_file='select pg_sleep(60)'
    [ $engine = pg ] || sleep_file='select sleep(60)'
    # Another session holds the row that the second statement changes.
    hold=$([ $engine = pg ] && echo "begin; select 1 from flyway_schema_history where installed_rank = 3 for update; $sleep_file" ||
        echo "start transaction; select 1 from $db.flyway_schema_history where installed_rank = 3 for update; $sleep_file")
    db_sql $engine $db "$hold" >/dev/null 2>&1 &
    holder=$!
    held() {
        if [ $engine = pg ]; then
            [ "$(q "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and state = 'active' and pid <> pg_backend_pid()")" = 1 ]
        else
            [ "$(q "select count(*) from information_schema.processlist where info like 'select sleep(60)%'")" = 1 ]
        fi
    }
    wait_for "$engine: a row is held" 10 held
    repair --dir sql >killed.out 2>&1 &
    killed=$!
    leased() { [ "$(q 'select epoch from sluice_lease')" = 2 ]; }
    wait_for "$engine: repair is on its way" 10 leased
    run_expect "$engine: a second one waits for its turn" 7 '\(DatabaseBusy\)' repair --dir sql --lock-wait 300ms
    kill -9 $killed
    wait $killed 2>/dev/null || true
    kill $holder
    wait $holder 2>/dev/null || true
    if [ $engine = pg ]; then
        q "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()" >/dev/null
    else
        for id in $(q "select id from information_schema.processlist where info like 'select sleep(60)%'"); do q "kill $id" || true; done
    fi
    run_expect "$engine: killed, and run again" 0 '' repair --dir sql
    is "$engine: all of it is done, once" "$(applied installed_rank version type success | sed 's/,[0-9]* 2 DELETE 1$/,M/')" '1 1 SQL 1,2 2 SQL 1,M'
    is "$engine: the rest is as it was" "$(rows | head -n 2)" "$(head -n 2 <<<"$before")"
done

run_expect "an unknown output" 1 '--output: "yaml" is not json' "$SLUICE" repair --url "$url" -o yaml
run_expect "a folder that is not there" 6 'nowhere.*\(InvalidMigration\)' "$SLUICE" repair --url "$url" --dir nowhere
run_expect "no database" 1 'no database is given' "$SLUICE" repair
done_testing
