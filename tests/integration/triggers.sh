#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Triggers, rules and row security on the tables that tell what has run: on Sluice's own nothing may stand, on the
# history table what leaves our row as it is.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg
mariadb_start mariadb log_bin_trust_function_creators=1

number=0
fresh() { # SERVER: a database with one applied file, and one that waits
    number=$((number + 1))
    server=$1 db=triggers$number
    db_create "$server" $db
    url=$(db_uri "$server" $db)
    rm -rf sql
    mkdir sql
    echo 'create table a (id int);' >sql/V1__a.sql
    "$SLUICE" migrate --url "$url" --dir sql >/dev/null
    echo 'insert into a values (1);' >sql/V2__b.sql
}
q() { db_sql "$server" "$db" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
rows() { q 'select count(*) from a'; }
versions() { q 'select version from flyway_schema_history where success order by installed_rank' | tr '\n' ' '; }

# refused NAME SQL REGEX UNDO: nothing runs, every command says why, and without it all is well
refused() {
    q "$2"
    run_expect "$server, $1: refused" 6 "$3.*remove it.*\(UnsupportedServer\)" migrate
    run_expect "$server, $1: info says so" 6 "$3" "$SLUICE" info --url "$url" --dir sql
    run_expect "$server, $1: validate too" 6 "$3" "$SLUICE" validate --url "$url" --dir sql
    is "$server, $1: nothing has run" "$(rows)" 0
    q "$4"
}
# altered NAME SQL UNDO: the file is rolled back
altered() {
    q "$2"
    run_expect "$server, $1: rolled back" 3 'the history table .* did not keep our row as it was written: rolled back.*\(MigrationFailed\)' migrate
    is "$server, $1: nothing of the file stays" "$(rows)|$(versions)" '0|1 '
    q "$3"
}

# ---- PostgreSQL ---------------------------------------------------------------------------------------

fresh pg
q "create function nothing() returns trigger language plpgsql as 'begin return null; end';
   create function forget() returns trigger language plpgsql as 'begin delete from flyway_schema_history where version = ''2''; return null; end';
   create function rename() returns trigger language plpgsql as 'begin new.version := ''7''; return new; end';
   create function fail() returns trigger language plpgsql as 'begin update flyway_schema_history set success = false where version = ''2''; return null; end'"
for table in sluice_journal sluice_lease; do
    refused "a trigger on $table" "create trigger t after insert or update on $table for each row execute function nothing()" \
        "trigger t on $table" "drop trigger t on $table"
    refused "a rule on $table" "create rule r as on update to $table do instead nothing" "rule r on $table" "drop rule r on $table"
    refused "row security on $table" "alter table $table enable row level security, force row level security" \
        "row security on $table" "alter table $table disable row level security"
done
refused "row security on the history table" 'alter table flyway_schema_history enable row level security, force row level security' \
    'row security on flyway_schema_history' 'alter table flyway_schema_history disable row level security'
t='drop trigger t on flyway_schema_history'
altered "a trigger that deletes the row" 'create trigger t after insert on flyway_schema_history for each row execute function forget()' "$t"
altered "one of the statement" 'create trigger t after insert on flyway_schema_history execute function forget()' "$t"
altered "a deferred one" 'create constraint trigger t after insert on flyway_schema_history deferrable initially deferred for each row execute function forget()' "$t"
altered "one that changes the version" 'create trigger t before insert on flyway_schema_history for each row execute function rename()' "$t"
altered "one that changes success" 'create trigger t after insert on flyway_schema_history for each row execute function fail()' "$t"
q 'create trigger t after insert on flyway_schema_history for each row execute function forget()'
echo 'vacuum a;' >sql/V2__b.sql
run_expect "pg, a file outside a transaction: its row is missed too" 3 'did not keep our row as it was written' migrate
is "pg, it is not in the history" "$(versions)" '1 '
q "$t"
echo 'insert into a values (1);' >sql/V3__c.sql
q "create table audit (version text); grant all on audit to app;
   create function audit() returns trigger language plpgsql as 'begin insert into audit values (new.version); return new; end';
   create trigger audit after insert on flyway_schema_history for each row execute function audit();
   create trigger off before insert on sluice_journal for each row execute function nothing(); alter table sluice_journal disable trigger off"
run_expect "pg, an audit does no harm, nor does what is disabled" 0 '' migrate
is "pg, each file once" "$(rows)|$(q 'select string_agg(version, $$ $$ order by version) from audit')" '1|2 3'

# ---- MariaDB ------------------------------------------------------------------------------------------

fresh mariadb
for table in sluice_journal sluice_lease; do
    refused "a trigger on $table" "create trigger t before update on $table for each row set @seen = 1" \
        "trigger t on $table" 'drop trigger t'
done
altered "a trigger that changes the version" "create trigger t before insert on flyway_schema_history for each row set new.version = '7'" 'drop trigger t'
altered "one that changes the checksum" "create trigger t before insert on flyway_schema_history for each row set new.checksum = 7" 'drop trigger t'
altered "one that changes success" "create trigger t before insert on flyway_schema_history for each row set new.success = 0" 'drop trigger t'
q 'create table audit (version varchar(50))'
q 'create trigger audit after insert on flyway_schema_history for each row insert into audit values (new.version)'
run_expect "mariadb, an audit does no harm" 0 '' migrate
is "mariadb, once" "$(rows)|$(q 'select group_concat(version) from audit')" '1|2'

done_testing
