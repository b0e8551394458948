#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A file that takes away or changes the tables that hold its own history: refused, or rolled back, with a message that
# helps, and the next run goes on. What no transaction holds is met behind it, and named.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg
mariadb_start mariadb
number=0
q() { db_sql $engine "$db" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
fresh() {
    number=$((number + 1))
    db=own$number
    db_create $engine $db
    url=$(db_uri $engine $db)
    rm -rf sql
    mkdir sql
    if [ $engine = pg ]; then
        q "set role app; create schema app; create schema spare; alter role app in database $db set search_path = app"
    else
        q "create database if not exists spare; grant all on spare.* to app@localhost"
    fi
    echo 'create table t (n int);' >sql/V1__t.sql
    migrate >/dev/null
}
tables() {
    local schema=$db
    [ $engine = mariadb ] || schema=app
    q "select table_name from information_schema.tables where table_schema = '$schema' order by 1" | paste -sd' '
}
all='flyway_schema_history sluice_journal sluice_lease t'
# spared FILE REGEX [FIRST LINE]: it fails, nothing of it is there, and corrected it goes through
spared() {
    fresh
    printf '%s\n%s;\n' "${3:-select 1;}" "$1" >sql/V2__own.sql
    run_expect "$engine: $1${3:+ ($3)}" 3 "V2__own.sql:?[0-9:]*.*$2.*\(MigrationFailed\)" migrate
    is "$engine: $1: all tables are there" "$(tables)" "$all"
    is "$engine: $1: and what they hold" "$(q "select count(*) from ${home}flyway_schema_history where success")" 1
    echo 'insert into t values (2);' >sql/V2__own.sql
    run_expect "$engine: $1: without it the file goes through" 0 '' migrate
}

engine=pg home=app.
gone='takes away or changes a table that holds the history of this database: take that out of it'
none='-- sluice: transaction=none'
for head in 'select 1;' "$none" 'set search_path = spare;'; do
    [ "$head" = 'set search_path = spare;' ] || spared 'drop table flyway_schema_history' "42P01 .*$gone" "$head"
    spared 'drop schema app cascade' "42P01 .*$gone" "$head"
    spared 'alter schema app rename to old' "42P01 .*$gone" "$head"
    spared 'alter table app.flyway_schema_history rename to h' "42P01 .*$gone" "$head"
    spared 'drop table app.sluice_lease' "42P01 .*$gone" "$head"
    spared 'drop table app.sluice_journal' "42P01 .*$gone" "$head"
    spared 'alter table app.sluice_journal set schema spare' "42P01 .*$gone" "$head"
    spared 'alter table app.sluice_lease drop column nonce' "42703 .*$gone" "$head"
done
spared "do \$\$ begin execute 'drop table flyway_schema_history'; end \$\$" "42P01 .*$gone"
spared 'drop owned by current_user' "42P01 .*$gone"
spared 'drop schema app cascade; create schema app' "42P01 .*$gone"

met='a file, or somebody else, has taken away or changed a table that holds the history of this database: restore it'
# met_behind FILE REGEX TABLE: outside of a transaction
met_behind() {
    fresh
    printf '%s\n' "$1" >sql/V2__own.sql
    run_expect "$engine: $3 by a text" 6 "$2.*$met.*\(HistoryTampered\)" migrate
}
met_behind "$none"$'\ndo $$ begin execute \'drop table sluice_journal\'; end $$;' '42P01' sluice_journal
met_behind "$none"$'\ndo $$ begin execute \'drop table flyway_schema_history\'; end $$;' '42P01' flyway_schema_history

engine=mariadb home=
spared 'drop table flyway_schema_history' 'takes away or changes the table `flyway_schema_history`'
spared 'alter table flyway_schema_history rename to h' 'takes away or changes the table `flyway_schema_history`'
spared 'rename table t to u, sluice_lease to l' 'takes away or changes the table `sluice_lease`'
spared 'alter table sluice_journal rename to spare.j' 'takes away or changes the table `sluice_journal`'
spared 'alter table sluice_lease drop column nonce' 'takes away or changes the table `sluice_lease`'
spared 'alter table sluice_journal change message m text' 'takes away or changes the table `sluice_journal`'
spared 'create or replace table sluice_lease (n int)' 'takes away or changes the table `sluice_lease`'
spared 'truncate table sluice_journal' 'takes away or changes the table `sluice_journal`'
spared 'create index i on sluice_journal (message(10))' 'takes away or changes the table `sluice_journal`'
fresh
echo "drop database $db;" >sql/V2__own.sql
run_expect "mariadb: its database" 3 "takes away or changes the schema .$db." migrate
echo 'create index by_name on flyway_schema_history (script); create table sluice_leases (n int); drop table sluice_leases;' >sql/V2__own.sql
run_expect "mariadb: an index on the history, and a name that begins as ours, are nobody's harm" 0 '' migrate
met_behind $'execute immediate \'drop table sluice_journal\';' '1146' sluice_journal
met_behind $'execute immediate \'drop table flyway_schema_history\';' '1146' flyway_schema_history
met_behind $'execute immediate \'alter table sluice_lease drop column nonce\';' '1054' sluice_lease
done_testing
