#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The marks of the lease (docs/reference/formats.md 1.4): what is over is not read again and yet not believed blindly, what is
# old can be deleted, and a database of version 0.1 gets the columns from whoever may add them.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

scenes_start

fresh() { # ENGINE
    scene "$1"
    printf 'create table log (v int);\ninsert into log values (1);\n' >sql/V1__log.sql
    printf 'insert into log values (2);\n' >sql/V2__two.sql
    printf 'insert into log values (100);\n' >sql/R__each.sql
}
verify() { "$SLUICE" validate --url "$url" --journal "$@"; }
prune() { "$SLUICE" prune --url "$url" "$@"; }
marks() { q "select coalesce(settled_seq, 0), coalesce(pruned_seq, 0) from sluice_lease where history_table = 'flyway_schema_history'"; }
head_of() { q "select max(seq) from sluice_journal where history_table = 'flyway_schema_history'"; }
rows_left() { q "select count(*) from sluice_journal where history_table = 'flyway_schema_history'"; }
is_over() { # NAME
    is "$1" "$(q "select l.settled_seq = j.seq and l.settled_hash = j.row_hash from sluice_lease l join sluice_journal j on j.history_table = l.history_table order by j.seq desc limit 1" | tr t 1)" 1
}
without_marks() {
    q 'alter table sluice_lease drop column settled_seq, drop column settled_hash, drop column pruned_seq, drop column pruned_hash, drop column pruned_rank'
}
save() { q 'drop table if exists saved' 2>/dev/null; q 'create table saved as select * from sluice_journal'; }
restore() { q 'delete from sluice_journal'; q 'insert into sluice_journal select * from saved'; }

for engine in mariadb pg; do
    # ---- what is over ------------------------------------------------------------------------------------------

    fresh $engine
    ok "$engine: a first run" migrate
    is_over "$engine: marks the head as settled"
    before=$(q 'select epoch, nonce from sluice_lease')
    ok "$engine: a run with nothing to do" migrate
    is "$engine: writes nothing" "$(q 'select epoch, nonce from sluice_lease')" "$before"
    count=$(rows_left)
    run_expect "$engine: the whole journal can be verified without files" 0 '' verify
    like "$engine: and says how much it read" "$run_stdout" "the $count rows of the journal are as they were written"
    run_expect "$engine: in JSON too" 0 '' verify --dir sql -o json
    like "$engine: beside the comparison" "$run_stdout" "\"journalRows\": $count"

    save
    q "delete from sluice_journal where seq = $count"
    run_expect "$engine: a row that is deleted at the end is missed by a run" 6 "row $count of 'flyway_schema_history' is missing.*HistoryTampered" migrate
    run_expect "$engine: by info" 6 'HistoryTampered' "$SLUICE" info --url "$url" --dir sql
    run_expect "$engine: and by a verification" 6 "row $count of" verify
    restore
    q "update sluice_journal set row_hash = repeat('0', 64) where seq = $count"
    run_expect "$engine: so is another one in its place" 6 "row $count of .* was changed" migrate
    restore
    q "update sluice_journal set line = 77 where seq = 1"
    run_expect "$engine: a change in what is over does not stop a run" 0 '' migrate
    run_expect "$engine: but a verification finds it" 6 'row 1 of' verify
    restore
    q "delete from sluice_journal where seq = 2"
    run_expect "$engine: and a hole" 6 'row 2 of .* is missing' verify
    restore
    q 'drop table sluice_journal'
    run_expect "$engine: a journal that is gone is missed" 6 'HistoryTampered' migrate
    q 'drop table sluice_lease'
    run_expect "$engine: without both tables the history is as a real Flyway's" 0 '' migrate
    is "$engine: nothing ran twice" "$(q 'select count(*) from log')" 3

    # ---- what is not ---------------------------------------------------------------------------------------------

    fresh $engine
    ok "$engine: a run before one that fails" migrate
    over=$(head_of)
    printf '%s\ncreate table half (v int);\ncreate table broken (v nonsense);\n' "$none" >sql/V3__broken.sql
    run_expect "$engine: a file fails half-way" 3 'MigrationFailed' migrate
    is "$engine: the mark stays before it" "$(marks)" "$over|0"
    run_expect "$engine: and again" 3 'MigrationFailed' migrate
    is "$engine: also when the lease was taken again" "$(marks)" "$over|0"
    save
    q "update sluice_journal set line = 77 where seq = $((over + 1))"
    run_expect "$engine: what is not over is verified by each run" 6 "row $((over + 1)) of" migrate
    restore
    sed -i 's/nonsense/int/' sql/V3__broken.sql
    ok "$engine: the file goes through" migrate
    is_over "$engine: and the mark moves behind it"

    fresh $engine
    ok "$engine: a run before one that is interrupted" migrate
    concurrently=$([ $engine = pg ] && echo concurrently || true)
    printf '%s\ncreate table half (v int);\ninsert into half values (1), (1);\ncreate unique index %s half_v on half (v);\n' "$none" "$concurrently" >sql/V3__twice.sql
    run_expect "$engine: its last statement does not end well" 3 'MigrationFailed' migrate
    save
    q "update sluice_journal set state = 'intent' where seq = $(head_of)" # as a killed runner leaves it
    q "update sluice_journal set line = 77 where seq = 1"
    run_expect "$engine: where a step is to be settled, the whole journal is verified" 6 'row 1 of' migrate
    restore
    q 'delete from half'
    ok "$engine: it goes on where it was" migrate
    is_over "$engine: and all is settled"

    # ---- a database of version 0.1 --------------------------------------------------------------------------------

    fresh $engine
    ok "$engine: a database" migrate
    without_marks
    run_expect "$engine: without the columns there is nothing to do, as with them" 0 '' migrate
    run_expect "$engine: its journal is verified" 0 '' verify
    run_expect "$engine: each run reads it" 0 '' migrate --dry-run
    printf 'insert into log values (3);\n' >sql/V3__three.sql
    ok "$engine: a run that writes" migrate
    is_over "$engine: adds the columns and marks"
    ok "$engine: the journal is whole" verify

    fresh $engine
    ok "$engine: a database while a backup reads our table" migrate
    without_marks
    if [ $engine = mariadb ]; then
        q "begin; select * from sluice_lease; select sleep(60)" >/dev/null 2>&1 &
        reads() { [ "$(db_sql mariadb '' "select count(*) from information_schema.processlist where info like 'select sleep(60)%'")" = 1 ]; }
    else
        q "begin; select * from sluice_lease; select pg_sleep(60)" >/dev/null 2>&1 &
        reads() { [ "$(q "select count(*) from pg_stat_activity where query like '%pg_sleep(60)' and wait_event = 'PgSleep'")" = 1 ]; }
    fi
    backup=$!
    within 30 reads || flunk "$engine: the backup reads"
    printf 'insert into log values (3);\n' >sql/V3__three.sql
    run_expect "$engine: a run does not wait for its end" 0 '' timeout 25 "$SLUICE" migrate --url "$url" --dir sql
    is "$engine: and does its work without the columns" "$(q 'select max(v) from log where v < 100') $(q "select count(*) from information_schema.columns where table_name = 'sluice_lease' and column_name = 'settled_seq' and table_schema in ('$db', 'public')")" '3 0'
    if [ $engine = mariadb ]; then
        q "kill $(db_sql mariadb '' "select id from information_schema.processlist where info like 'select sleep(60)%'")"
    else
        q "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)' and wait_event = 'PgSleep'" >/dev/null
    fi
    wait $backup 2>/dev/null || true

    fresh $engine
    ok "$engine: a database whose login may not alter our table" migrate
    without_marks
    if [ $engine = mariadb ]; then
        q "create or replace user narrow identified by 'narrow'"
        q "grant select, insert, update, delete, create on $db.* to narrow"
    else
        db_sql pg '' "drop role if exists narrow" >/dev/null
        db_sql pg '' "create role narrow login password 'narrow'" >/dev/null
        q "grant all on schema public to narrow; grant select, insert, update, delete on all tables in schema public to narrow" >/dev/null
    fi
    wide=$url
    url=$(sed -E 's#//[^@]*@#//narrow:narrow@#' <<<"$url")
    printf 'insert into log values (3);\n' >sql/V3__three.sql
    run_expect "$engine: goes on without" 0 '' migrate
    is "$engine: with its file" "$(q 'select max(v) from log where v < 100')" 3
    run_expect "$engine: but cannot delete" 5 'may not add it.*AccessDenied' prune --older-than 0s
    url=$wide
    run_expect "$engine: the owner can" 0 '' prune --older-than 0s
    if [ $engine = mariadb ]; then
        q 'drop user narrow'
    else
        db_sql pg "$db" "drop owned by narrow; drop role narrow" >/dev/null
    fi

    # ---- what is old ------------------------------------------------------------------------------------------------

    fresh $engine
    ok "$engine: a journal" migrate
    ok "$engine: of another history table beside it" migrate --table other_history --baseline-on-migrate
    others=$(q "select count(*) from sluice_journal where history_table = 'other_history'")
    last=$(head_of)
    run_expect "$engine: nothing is 90 days old" 0 '' prune
    like "$engine: and prune says so" "$run_stdout" 'the journal has no such rows'
    run_expect "$engine: what would be deleted is said first" 0 '' prune --older-than 0s --dry-run -o json
    like "$engine: and is not deleted" "$run_stdout $(head_of) $(rows_left)" "\"rows\": $((last - 1)).*\"dryRun\": true.* $last $last"
    is "$engine: nor is a lease taken for it" "$(q "select format_version from sluice_lease where history_table = 'flyway_schema_history'")" 1
    run_expect "$engine: all but the newest are deleted" 0 '' prune --older-than 0s
    like "$engine: as it says" "$run_stdout" "$((last - 1)) rows of the journal were deleted, up to row $((last - 1))"
    is "$engine: the newest stays" "$(rows_left) $(marks)" "1 $last|$((last - 1))"
    is "$engine: version 0.1 is told that it cannot read it" "$(q "select format_version from sluice_lease where history_table = 'flyway_schema_history'")" 2
    is "$engine: the other history's rows stay" "$(q "select count(*) from sluice_journal where history_table = 'other_history'")" "$others"
    ok "$engine: the rest is whole" verify
    run_expect "$engine: there is nothing to do" 0 '' migrate
    is "$engine: not even for the repeatable" "$(q 'select count(*) from log where v = 100')" 2
    ok "$engine: validate agrees" "$SLUICE" validate --url "$url" --dir sql
    printf 'insert into log values (3);\n' >sql/V3__three.sql
    printf 'insert into log values (100), (101);\n' >sql/R__each.sql
    ok "$engine: the next files run" migrate
    is "$engine: once each" "$(q 'select count(*) from log where v = 3')$(q 'select count(*) from log where v = 101')" 11
    ok "$engine: the chain goes on from what was deleted" verify
    save
    q "delete from sluice_journal where history_table = 'flyway_schema_history' and seq = $last"
    run_expect "$engine: who deletes by hand is found out" 6 "row $last of .* is missing" verify
    restore
    run_expect "$engine: it can be done again" 0 '' prune --older-than 0s
    ok "$engine: and the rest is whole again" verify

    fresh $engine
    ok "$engine: a run before an open one" migrate
    over=$(head_of)
    printf '%s\ncreate table half (v int);\ncreate table broken (v nonsense);\n' "$none" >sql/V3__broken.sql
    run_expect "$engine: a file stays open" 3 'MigrationFailed' migrate
    run_expect "$engine: its rows are not deleted" 0 '' prune --older-than 0s
    is "$engine: the mark is before them" "$(marks)" "0|$over"
    sed -i 's/nonsense/int/' sql/V3__broken.sql
    ok "$engine: so it goes on where it was" migrate
    is_over "$engine: and is settled then"

    # ---- too much ----------------------------------------------------------------------------------------------------

    fresh $engine
    ok "$engine: a history" migrate
    series=$([ $engine = mariadb ] && echo 'seq_1000_to_101000' || echo 'generate_series(1000, 101000) as s(seq)')
    q "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) select seq, seq, 'x', 'SQL', 'x', 1, 'x', 1, true from $series" >/dev/null
    run_expect "$engine: of more rows than can be read" 6 'more than 100000 rows: begin a new one.*\(HistoryTooLarge\)' migrate

    # ---- the way out that is printed ----------------------------------------------------------------------------

    fresh $engine
    ok "$engine: a history that is right" migrate
    q 'delete from sluice_journal where seq = 1'
    run_expect "$engine: a journal that is not" 6 'forget what the journal says of it, in schema .*HistoryTampered' verify
    sql=$(grep -oE "delete from sluice_journal [^;]*; delete from sluice_lease [^()]*'" <<<"$run_stderr")
    q "${sql%%;*}"
    q "${sql#*;}"
    run_expect "$engine: is forgotten by what is printed" 0 '' migrate
    is "$engine: and nothing runs twice" "$(q 'select count(*) from log')" 3
done

# A journal of a million files that nobody pruned: the command is whole, and where a person reads it.
fresh pg
ok "a history" migrate
columns=$(q "select string_agg(column_name, ', ' order by ordinal_position) from information_schema.columns where table_name = 'sluice_journal' and column_name <> 'seq'")
q "insert into sluice_journal (seq, $columns) select s, $columns from sluice_journal j, generate_series(1000, 1001001) s where j.seq = 1" >/dev/null
run_expect "a journal of more rows than can be read" 6 'more than 1000000 rows to read: delete those of finished files: `sluice prune --url .*HistoryTooLarge' migrate
said=$run_stderr
run_expect "the command that it prints is whole" 0 '' follow "$said" '^sluice prune'

done_testing
