#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real Flyway as the judge of `sluice repair`: the same damage, repaired by the one and by the other, leaves equal
# tables, which both find in order.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/flyway.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

flyway_need
pg_start pg plain
mariadb_start mariadb plain

columns='installed_rank, version, description, type, script, checksum, installed_by, execution_time, success'
history() { db_sql "$1" "$2" "select $columns from flyway_schema_history order by installed_rank"; }
shown() { db_sql "$1" "$2" "select version, description, type, success from flyway_schema_history order by installed_rank" | tr '\t\n' '| '; }

# ---- damage: each function has a tree with more and more in it, and what happens to the table -------------------------

start() {
    echo 'create table a (id int);' >V1__a.sql
    echo 'create table b (id int);' >V2__b.sql
    echo 'create table c (id int);' >V3__c.sql
    # shellcheck disable=SC2016
    echo 'insert into a values (${number});' >R__r.sql
    echo 'insert into a values (2);' >R__s.sql
}
damage_edited() { echo '-- another word' >>V1__a.sql; }
damage_renamed() { mv V2__b.sql "V2__$(printf 'x%.0s' {1..205}).sql" && mv V3__c.sql V3.sql; }
damage_missing() { rm V2__b.sql R__s.sql; }
damage_future() { rm V3__c.sql; }
damage_all() { damage_edited && rm V2__b.sql R__s.sql && mv V3__c.sql V3__d.sql; }
damage_repeatable() { echo '-- runs again' >>R__s.sql; }
sql_raw_checksum="update flyway_schema_history set checksum = $(printf 'insert into a values (${number});' | python3 -c 'import sys, zlib; v = zlib.crc32(sys.stdin.buffer.read()); print(v - (v >> 31 << 32))') where description = 'r'"
damage_raw_checksum() { :; }
sql_no_checksum="update flyway_schema_history set checksum = null where version = '1'"
damage_no_checksum() { :; }
sql_failed="insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) values
    (6, '4', 'd', 'SQL', 'V4__d.sql', 1, 'app', 1, false), (7, null, 's', 'SQL', 'R__s.sql', 2, 'app', 1, false)"
damage_failed() { rm R__s.sql; }
sql_twice="insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
    select 6, version, description, 'DELETE', script, checksum, 'app', 0, success from flyway_schema_history where version = '2'"
damage_twice() { rm V2__b.sql V1__a.sql; }

options=(-placeholders.number=7)
sluice_options=(--placeholder number=7)

compare() { # SERVER CASE
    local server=$1 case=$2 dir=$PWD/$1.$2 sql="sql_$2" side
    mkdir "$dir"
    (cd "$dir" && start)
    for side in flyway sluice; do
        db_create "$server" "${side}_$case"
        if [ $side = flyway ]; then
            flyway "$server" "${side}_$case" "$dir" "${options[@]}" migrate >"$dir.log" 2>&1
        else
            "$SLUICE" migrate --url "$(db_uri "$server" "${side}_$case" plain)" --dir "$dir" "${sluice_options[@]}" >"$dir.log" 2>&1
        fi || { flunk "$server $case: $side migrates" "$(tail -n 20 "$dir.log")"; return; }
        db_sql "$server" "${side}_$case" "update flyway_schema_history set execution_time = 1"
        [ -z "${!sql-}" ] || db_sql "$server" "${side}_$case" "${!sql}"
    done
    (cd "$dir" && "damage_$case")
    # Flyway repairs the one, Sluice the other, and a third that Flyway has migrated.
    ok "$server $case: Flyway repairs" flyway "$server" "flyway_$case" "$dir" "${options[@]}" repair
    run_expect "$server $case: Sluice repairs" 0 '' \
        "$SLUICE" repair --url "$(db_uri "$server" "sluice_$case" plain)" --dir "$dir" "${sluice_options[@]}"
    is "$server $case: to equal tables" "$(history "$server" "sluice_$case")" "$(history "$server" "flyway_$case")"
    ok "$server $case: Flyway finds nothing wrong in it" \
        flyway "$server" "sluice_$case" "$dir" "${options[@]}" "-ignoreMigrationPatterns=*:future,*:pending" validate
    for side in flyway sluice; do
        run_expect "$server $case: nor does Sluice in what $side repaired" 0 '' "$SLUICE" validate \
            --url "$(db_uri "$server" "${side}_$case" plain)" --dir "$dir" "${sluice_options[@]}" --ignore-pattern '*:future' --ignore-pattern '*:pending'
        run_expect "$server $case: and Sluice has nothing to repair in it" 0 '' "$SLUICE" repair \
            --url "$(db_uri "$server" "${side}_$case" plain)" --dir "$dir" "${sluice_options[@]}"
        like "$server $case: as it says ($side)" "$run_stdout" 'nothing to repair'
    done
}

for case in edited missing future all repeatable raw_checksum no_checksum failed twice; do
    for server in pg mariadb; do compare $server $case; done
done

# ---- a description over 200 characters: Flyway's own repair fails there, ours writes what its validate wants -----------

for server in pg mariadb; do
    dir=$PWD/$server.renamed
    mkdir "$dir"
    (cd "$dir" && start)
    db_create $server renamed
    ok "$server: Flyway migrates" flyway $server renamed "$dir" "${options[@]}" migrate
    (cd "$dir" && damage_renamed)
    run_expect "$server: renamed to more than 200 characters" 0 '' "$SLUICE" repair --url "$(db_uri $server renamed plain)" --dir "$dir" "${sluice_options[@]}"
    ok "$server: Flyway finds nothing wrong" flyway $server renamed "$dir" "${options[@]}" validate
done

# ---- Flyway's own failed migration: the printed command leads out ------------------------------------------------------

db_create mariadb broken
dir=$PWD/broken
mkdir "$dir"
echo 'create table a (id int);' >"$dir/V1__a.sql"
printf 'create table b (id int);\ncreate table broken (id nonsense);\n' >"$dir/V2__b.sql"
flyway mariadb broken "$dir" migrate >/dev/null 2>&1 && flunk "Flyway fails" || pass "Flyway fails"
url=$(db_uri mariadb broken)
sed -i 's/nonsense/int/' "$dir/V2__b.sql"
run_expect "its row stops us" 6 '\(FailedHistoryRow\)' "$SLUICE" migrate --url "$url" --dir "$dir"
said=$run_stderr
db_sql mariadb broken 'drop table b'
run_expect "the printed command" 0 '' follow "$said" '^sluice repair'
run_expect "leads out" 0 '' "$SLUICE" migrate --url "$url" --dir "$dir"
ok "and Flyway is content" flyway mariadb broken "$dir" validate
is "with its two" "$(shown mariadb broken)" '1|a|SQL|1 2|b|SQL|1 '
done_testing
