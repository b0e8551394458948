#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL, files in a transaction: what a file may do, what it leaves behind when it fails, and what
# it does not leave behind for the next file.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg tcp
fresh() { # NAME: a new database and an empty folder sql
    db_create pg "$1"
    database=$1
    url=$(db_uri pg "$1")
    rm -rf sql
    mkdir sql
}
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
ask() { db_sql pg "$database" "$1"; }
versions() { ask "select string_agg(version, ' ' order by installed_rank) from flyway_schema_history"; }

# ---- a failure --------------------------------------------------------------------------------------
fresh failing
echo 'create table t (id int primary key);' >sql/V1__table.sql
printf -- '-- a comment\ninsert into t values (1);\n\ninsert into t\n  values (2), (äö);\n' >sql/V2__typo.sql
echo 'create table never (id int);' >sql/V3__after.sql
run_expect "a failed file is named with line, column, statement and SQLSTATE" 3 \
    'sql/V2__typo.sql:5:16: statement 2: 42703 column "äö" does not exist' migrate
is "what was before it stays, the file itself is undone" "$(versions) $(ask 'select count(*) from t')" '1 0'
is "the file behind it did not run" "$(ask "select to_regclass('never') is null")" t
is "its failure is in the journal" \
    "$(ask "select installed_rank, version, step, line, state, error_code, message, step_class from sluice_journal where state = 'failed'")" \
    '2|2|2|5|failed|42703|column "äö" does not exist|T'
"$SLUICE" info --url "$url" --dir sql >info
like "info says where it stands" "$(cat info)" 'failed at statement 2 of sql/V2__typo.sql:5: 42703'
run_expect "running it again is the retry" 3 '42703' migrate
is "each try leaves its row" "$(ask "select count(*) from sluice_journal where state = 'failed'")" 2
echo 'insert into t values (2);' >sql/V2__typo.sql
run_expect "the fixed file goes through, and what follows" 0 '' migrate
is "all of it is in" "$(versions)|$(ask 'select count(*) from t')" '1 2 3|1'
ok "the journal's chain is whole" "$SLUICE" validate --url "$url" --journal
ask "update sluice_journal set error_code = '00000' where seq = 2"
ok "what the server wrote is not in the chain" "$SLUICE" validate --url "$url" --journal
ask "update sluice_journal set file_sha256 = md5('x') where seq = 2"
run_expect "a changed row is" 6 'row 2 of' "$SLUICE" validate --url "$url" --journal

fresh values
echo 'create table t (id int primary key); insert into t values (4711), (4711);' >sql/V1__secret.sql
run_expect "a value from the data does not get into the message" 3 '23505' migrate
is "nor into the journal" "$(ask "select count(*) from sluice_journal where message like '%4711%'")" 0

# ---- at the end of a file ---------------------------------------------------------------------------
fresh deferred
echo 'create table t (id int unique deferrable initially deferred);' >sql/V1__table.sql
echo 'insert into t values (1), (1);' >sql/V2__twice.sql
run_expect "a deferred constraint fails the file, not our commit" 3 'sql/V2__twice.sql: a deferred constraint.*23505' migrate
is "nothing of it is in" "$(versions)|$(ask 'select count(*) from t')" '1|0'

fresh swallowed
trigger='create function nothing() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger nothing before insert on flyway_schema_history for each row execute function nothing();'
printf '%s\n' "$trigger" >sql/V1__trigger.sql
echo 'create table t (id int);' >sql/V2__t.sql
run_expect "a trigger that swallows our row fails the file" 3 'sql/V1__trigger.sql: the history table .*did not keep our row' migrate
is "nothing of it is in" "$(ask 'select count(*) from flyway_schema_history')|$(ask "select to_regclass('t') is null")" '0|t'
is "no journal row says that it is done" "$(ask "select count(*) from sluice_journal where state = 'done'")" 0
echo 'select 1;' >sql/V1__trigger.sql
rm sql/V2__t.sql
ok "without it the file goes through" migrate
ask "$trigger" >/dev/null
printf -- '-- sluice: transaction=none\ncreate table t (id int);\n' >sql/V2__t.sql
run_expect "nor is a file outside a transaction applied without its row" 3 'did not keep our row' migrate
ask 'drop trigger nothing on flyway_schema_history' >/dev/null
ok "it is settled when the trigger is gone" migrate
is "with nothing done twice" "$(versions)" '1 2'

fresh not_copied
printf -- '-- sluice: verify=copy (select true) to stdout\ncreate table t (id int);\n' >sql/V1__t.sql
run_expect "a verify= that is a COPY fails the file, and does not hang" 3 'sql/V1__t.sql: verify=: a COPY is no query: write a SELECT \(MigrationFailed\)' timeout 20 "$SLUICE" migrate --url "$url" --dir sql
is "nothing of the file stays" "$(ask "select to_regclass('t') is null")" t
printf -- '-- sluice: transaction=none\n-- sluice: verify=copy t from stdin\ncreate table t (id int);\n' >sql/V1__t.sql
run_expect "outside a transaction it does, too" 3 'sql/V1__t.sql: verify=: a COPY is no query: write a SELECT \(MigrationFailed\)' timeout 20 "$SLUICE" migrate --url "$url" --dir sql
fresh outside
printf "do \$\$ begin execute 'vac' || 'uum'; end \$\$;\n" >sql/V1__vacuum.sql
run_expect "what no program may run is said with what leads out of it" 3 \
    'V1__vacuum.sql:1:1: statement 1: 25001 .*never may: write it as a statement of its own' migrate
sed -i '1i -- sluice: transaction=none' sql/V1__vacuum.sql
run_expect "outside a transaction, too" 3 '25001 .*never may: write it as a statement of its own' migrate
echo 'vacuum;' >sql/V1__vacuum.sql
ok "as a statement it may" migrate

fresh verified
printf -- "-- sluice: verify=select count(*) = 2 from t\ncreate table t (id int); insert into t values (1), (2);" >sql/V1__two.sql
printf -- "-- sluice: verify=select count(*) = 2 from t\ninsert into t values (3);" >sql/V2__three.sql
run_expect "verify= decides before the commit" 3 'sql/V2__three.sql: verify= is not true' migrate
is "a file that does not verify is undone" "$(versions)|$(ask 'select count(*) from t')" '1|2'

# ---- COPY --------------------------------------------------------------------------------------------
fresh copied
printf 'create table t (id int, n text);\ncopy t from stdin;\n1\ta\\tb\n2\t\\N\n\\.\ncopy t (id) from stdin with (format csv);\n3\n\\.\ninsert into t values (4, null);\n' >sql/V1__copy.sql
seq 1 200000 | sed '1i create table big (id int);\ncopy big from stdin;' >sql/V2__big.sql
echo '\.' >>sql/V2__big.sql
printf 'create table bad (id int);\ncopy bad from stdin;\n1\nx\n\\.\n' >sql/V3__bad.sql
run_expect "data of COPY that the server does not like fails the file" 3 'sql/V3__bad.sql:2:1: statement 2: 22P02' migrate
is "COPY FROM STDIN brings its lines" "$(ask 'select count(*), count(n) from t')|$(ask 'select sum(id) from big')" '4|1|20000100000'
rm sql/V3__bad.sql
echo 'select * from generate_series(1, 300000);' >sql/V4__select.sql
run_expect "rows that a file asks for are thrown away" 0 '' migrate

# ---- the session between files ----------------------------------------------------------------------
fresh session
ask 'create role other; grant other to app; create schema aside; grant all on schema aside to app'
cat >sql/V1__leave.sql <<'SQL'
create table t (id int);
grant all on t to other;
set search_path = aside;
set statement_timeout = '6h';
set lock_timeout = '7h';
set timezone = 'Asia/Tokyo';
set default_transaction_isolation = 'serializable';
set client_encoding = 'LATIN1';
select set_config('sluice.left', 'behind', false);
create table here (id int);
set role other;
SQL
cat >sql/V2__look.sql <<'SQL'
create table seen as select current_schema() as schema, current_user as role, current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement,
  current_setting('transaction_isolation') as isolation, coalesce(current_setting('sluice.left', true), '') as custom,
  split_part(current_setting('application_name'), '/', 1) as name;
SQL
cat >sql/V3__things.sql <<'SQL'
create temp table scratch (id int);
prepare mine as select 1;
declare c cursor with hold for select 1;
listen something;
deallocate all;
SQL
cat >sql/V4__look.sql <<'SQL'
create table left_over as select (select count(*) from pg_prepared_statements where name not like 'sluice%') as prepared,
  (select count(*) from pg_cursors where name <> '') as cursors, (select count(*) from pg_listening_channels()) as channels,
  (select count(*) from pg_class where relname = 'scratch') as temp;
SQL
echo "select pg_catalog.set_config('search_path', '', false); create table public.dumped (id int);" >sql/V5__dump.sql
echo 'create table t6 (id int); savepoint a; create table t7 (id int); rollback to a;' >sql/V6__savepoint.sql
printf 'set transaction isolation level serializable;\ncreate table iso as select current_setting($$transaction_isolation$$) as i;\n' >sql/V7__isolation.sql
run_expect "a file's settings go with it" 0 '' migrate
is "the table of SET search_path is where it says" "$(ask "select to_regclass('aside.here') is not null")" t
is "the next file finds a fresh session" "$(ask 'select * from seen')" 'public|app|1s|0|read committed||sluice'
is "no prepared statement, cursor, channel or temporary table is left" "$(ask 'select * from left_over')" '0|0|0|0'
is "an emptied search_path does not hinder our rows" "$(versions)" '1 2 3 4 5 6 7'
is "a savepoint rolls back what it should" "$(ask "select to_regclass('t6') is not null, to_regclass('t7') is null")" 't|t'
is "SET TRANSACTION as the first statement holds" "$(ask 'select i from iso')" serializable
is "installed_on is in UTC whatever the file set" \
    "$(ask "select bool_and(abs(extract(epoch from (now() at time zone 'UTC') - installed_on)) < 60) from flyway_schema_history")" t

# ---- transaction control that no parser sees ----------------------------------------------------------
fresh control
echo 'create procedure p() language plpgsql as $$ begin create table t (id int); commit; end $$;' >sql/V1__procedure.sql
echo 'call p();' >sql/V2__call.sql
run_expect "a procedure that commits is refused by the server" 3 'sql/V2__call.sql:1.*2D000' migrate
is "and leaves nothing" "$(versions)|$(ask "select to_regclass('t') is null")" '1|t'

fresh saw
echo 'create table t (id int);' >sql/V1__t.sql
echo 'drop table flyway_schema_history;' >sql/V2__saw.sql
run_expect "a file that drops our table fails" 3 'sql/V2__saw.sql: could not write the history row: 42P01' migrate
is "the table is still there" "$(versions)" 1
echo 'drop table sluice_lease;' >sql/V2__saw.sql
run_expect "any of them" 3 'sql/V2__saw.sql: could not write the history row: 42P01' migrate

# ---- limits -----------------------------------------------------------------------------------------
fresh limits
printf -- '-- sluice: statement-timeout=200ms\nselect pg_sleep(60);\n' >sql/V1__slow.sql
run_expect "statement-timeout ends a statement" 3 'sql/V1__slow.sql:2:1: statement 1: 57014' migrate
ask 'alter role app in database limits set default_transaction_read_only = on'
run_expect "a read-only database is refused before anything" 9 'TargetReadOnly' migrate

# ---- schemas and markers ----------------------------------------------------------------------------
fresh schemas
echo 'create table t (id int);' >sql/V1__t.sql
run_expect "a schema that is not there is made" 0 '' migrate --schema 'my "app"'
is "with Flyway's row about it" "$(ask 'select installed_rank, type, script from "my ""app""".flyway_schema_history order by 1')" \
    "$(printf '0|SCHEMA|"my ""app"""\n1|SQL|V1__t.sql')"
is "and the file's table in it" "$(ask "select count(*) from pg_tables where schemaname = 'my \"app\"' and tablename = 't'")" 1
run_expect "nothing is left to do there" 0 '' migrate --schema 'my "app"'

# ---- the environment --------------------------------------------------------------------------------
fresh environment
echo 'create table t as select current_setting($$statement_timeout$$) as s, current_user as u;' >sql/V1__t.sql
run_expect "PG variables do not change where and how we connect" 0 '' env PGHOST=/nowhere PGHOSTADDR=192.0.2.1 PGPORT=1 PGUSER=nobody \
    PGDATABASE=nowhere PGOPTIONS='-c statement_timeout=1' PGSSLMODE=verify-full PGSERVICE=none PGTARGETSESSIONATTRS=read-only \
    "$SLUICE" migrate --url "$url" --dir sql
is "not in the session either" "$(ask 'select * from t')" '0|app'

# ---- many -------------------------------------------------------------------------------------------
fresh many
for i in $(seq 1 300); do echo "create table t$i (id int); insert into t$i values ($i);" >"sql/V${i}__t.sql"; done
echo 'insert into t1 select 1/0;' >sql/V151__t.sql
run_expect "an error in the middle of many in flight is the file's" 3 'sql/V151__t.sql:1:1: statement 1: 22012' migrate
is "everything before it is in, nothing behind it" "$(ask "select count(*), max(installed_rank) from flyway_schema_history")|$(ask "select count(*) from pg_tables where tablename ~ '^t[0-9]'")" '150|150|150'
echo 'create table t151 (id int);' >sql/V151__t.sql
run_expect "then the rest" 0 '' migrate
is "once each" "$(ask "select count(*), count(distinct version), max(installed_rank) from flyway_schema_history")" '300|300|300'
done_testing
