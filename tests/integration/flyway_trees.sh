#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tree that real Flyway runs, Sluice runs: the same rows of history, the same schema, the same data. Names by other
# settings, misnamed files, transaction control, dumps, session settings, a large file. Where Sluice does otherwise it
# says so: it refuses, with the reason that is written here.
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/flyway.sh"

flyway_need

# A tree says what it is about, makes its files, and may set
#   flyway_options, sluice_options   settings by either's names
#   refused='CODE REGEX'             Sluice refuses it, though Flyway may run it, and has run nothing
#   superset='SQL=OURS'              Flyway fails at it, Sluice runs it; what it asks of Sluice's database gives OURS
#   both='CODE REGEX'                Flyway refuses it, too
#   differs='SQL=OURS'               the same rows, but for this: what it asks of Sluice's database gives OURS
#   notices=N                        so many files are passed over

# ---- names: PostgreSQL ---------------------------------------------------------------------------------

table() { echo "create table $1 (id int);"; }

names_prefix_word() {
    flyway_options=(-sqlMigrationPrefix=ver) sluice_options=(--sql-migration-prefix ver)
    table a >ver1__a.sql; table b >ver1.2__b.sql; table c >V3__c.sql; table v >R__v.sql; notices=1
}
names_prefix_empty() {
    flyway_options=(-sqlMigrationPrefix=) sluice_options=(--sql-migration-prefix '')
    table a >1__a.sql; table b >20261122_10__b_c.sql; table v >R__v.sql; table n >notes.sql; table x >V9__x.sql; table y >3_y.sql
    notices=3
}
names_prefix_lower() {
    flyway_options=(-sqlMigrationPrefix=v) sluice_options=(--sql-migration-prefix v)
    table a >v1__a.sql; table b >V2__b.sql; notices=1
}
names_prefix_of_baselines() {
    flyway_options=(-sqlMigrationPrefix=B) sluice_options=(--sql-migration-prefix B)
    table a >B1__a.sql; table b >B2__b.sql
}
names_repeatable_word() {
    flyway_options=(-repeatableSqlMigrationPrefix=rep) sluice_options=(--repeatable-sql-migration-prefix rep)
    table a >V1__a.sql; table b >rep__b.sql; table c >R__c.sql; notices=1
}
names_repeatable_longer() {
    flyway_options=(-repeatableSqlMigrationPrefix=VR) sluice_options=(--repeatable-sql-migration-prefix VR)
    table a >V1__a.sql; table b >VR__b.sql
}
names_repeatable_empty() {
    flyway_options=(-repeatableSqlMigrationPrefix=) sluice_options=(--repeatable-sql-migration-prefix '')
    table a >V1__a.sql; table b >__b.sql; table c >x__c.sql; notices=1
}
names_prefixes_swapped() {
    flyway_options=(-sqlMigrationPrefix=R -repeatableSqlMigrationPrefix=V)
    sluice_options=(--sql-migration-prefix R --repeatable-sql-migration-prefix V)
    table a >R1__a.sql; table b >V__b.sql
}
names_separator_dash() {
    flyway_options=(-sqlMigrationSeparator=-) sluice_options=(--sql-migration-separator -)
    table a >V1-a_b-c.sql; table b >V1_1-b.sql; table c >V2__c.sql; table v >R-v_w.sql; notices=1
}
names_separator_underscore() {
    flyway_options=(-sqlMigrationSeparator=_) sluice_options=(--sql-migration-separator _)
    table a >V1_2_a.sql; table b >V2.1_b.sql; table v >R_v_w.sql
}
names_separator_dot() {
    flyway_options=(-sqlMigrationSeparator=.) sluice_options=(--sql-migration-separator .)
    table a >V1_2.a.sql; table b >V2.b.c.sql; table v >R.v.sql
}
names_suffix() {
    flyway_options=(-sqlMigrationSuffixes=.ddl) sluice_options=(--sql-migration-suffix .ddl)
    table a >V1__a.ddl; table b >V2__b.DDL; table c >V3__c.sql
}
names_suffixes() {
    flyway_options=(-sqlMigrationSuffixes=.ddl,.sql) sluice_options=(--sql-migration-suffix .ddl --sql-migration-suffix .sql)
    table a >V1__a.ddl; table b >V2__b.sql; table v >R__v.ddl; table n >n.ddl; notices=1
}
names_suffixes_short_first() {
    flyway_options=(-sqlMigrationSuffixes=.sql,.pkg.sql) sluice_options=(--sql-migration-suffix .sql --sql-migration-suffix .pkg.sql)
    table a >V1__a.pkg.sql; table b >V2__b.sql
}
names_suffixes_long_first() {
    flyway_options=(-sqlMigrationSuffixes=.pkg.sql,.sql) sluice_options=(--sql-migration-suffix .pkg.sql --sql-migration-suffix .sql)
    table a >V1__a.pkg.sql; table b >V2__b.sql
}
names_suffix_capital() {
    flyway_options=(-sqlMigrationSuffixes=.SQL) sluice_options=(--sql-migration-suffix .SQL)
    table a >V1__a.sql; table b >V2__b.Sql
}
names_suffix_without_dot() {
    flyway_options=(-sqlMigrationSuffixes=-up.psql) sluice_options=(--sql-migration-suffix -up.psql)
    table a >V1__a-up.psql; table b >V1__a-down.psql; table c >V2__c.sql
}
names_all_at_once() {
    flyway_options=(-sqlMigrationPrefix=m -repeatableSqlMigrationPrefix=again -sqlMigrationSeparator=~ -sqlMigrationSuffixes=.txt)
    sluice_options=(--sql-migration-prefix m --repeatable-sql-migration-prefix again --sql-migration-separator '~' --sql-migration-suffix .txt)
    table a >m1~a_b.txt; table b >m2.txt; table c >again~c.txt; table d >R__d.sql
}
names_misnamed() {
    table a >V1__a.sql
    for name in V1_x v2__x notes Report V_customer R1__y R_z V__q .V8__x V3x__w beforeMigrates R V; do table never >"$name.sql"; done
    table never >V4__a.sql.bak; table never >README.md
    notices=13
}
names_undo_files() { table a >V1__a.sql; echo 'drop table a;' >U1__a.sql; notices=1; }
names_validated() {
    flyway_options=(-validateMigrationNaming=true) sluice_options=(--validate-migration-naming)
    table a >V1__a.sql; table v >R__v.sql; echo text >README.md; echo text >notes.txt
}
names_validated_misnamed() {
    flyway_options=(-validateMigrationNaming=true) sluice_options=(--validate-migration-naming)
    table a >V1__a.sql; table b >V2_b.sql; both='6 V2_b\.sql: its name is not that of a migration; V2__b\.sql would be'
}
names_validated_undo() {
    flyway_options=(-validateMigrationNaming=true) sluice_options=(--validate-migration-naming)
    table a >V1__a.sql; echo 'drop table a;' >U1__a.sql; both='6 U1__a\.sql: undo migrations are not run'
}
names_validated_other_prefix() {
    flyway_options=(-validateMigrationNaming=true -sqlMigrationPrefix=ver) sluice_options=(--validate-migration-naming --sql-migration-prefix ver)
    table a >ver1__a.sql; table b >V2__b.sql; both='6 V2__b\.sql'
}
names_versions() {
    table a >V0__a.sql; table b >V0.0.1__b.sql; table c >V00_1__c.sql; table d >V1.1.1.1.1.1__d.sql; table e >V02__e.sql
}
names_descriptions() {
    table a >"V1__it's (a) \"quoted\" name.sql"; table b >V2__a.b.c.sql; table c >V3__ž_ů.sql; table d >V4____.sql; table v >"R__%s;--.sql"
}
names_folders() {
    mkdir -p a/b .hidden a/.git; table a >a/V2__a.sql; table b >a/b/V1__b.sql; table c >.hidden/V3__c.sql; table d >a/.git/V4__d.sql
}
names_equal_versions() { table a >V1__a.sql; table b >V1.0__b.sql; both='6 \(DuplicateVersion\)'; }
names_equal_repeatables() { mkdir x; table a >R__a_b.sql; table b >"x/R__a b.sql"; both='6 \(DuplicateVersion\)'; }
names_repeatables_by_case() { mkdir x y; table a >x/R__View.sql; table b >y/R__view.sql; }
names_repeatables_by_blank() { table a >R__a.sql; table b >R__a_.sql; table c >"R__a .sql2"; }
names_negative() { table a >V-13__a.sql; table b >V1__b.sql; refused='6 V-13__a\.sql: a version cannot be negative'; }
names_target_word() { table a >Vnext__a.sql; table b >V1__b.sql; refused='6 Vnext__a\.sql: latest, current and next name targets'; }
names_only_misnamed() { table a >V1_a.sql; refused='6 1 passed over, the first: .*V1_a\.sql'; }

# ---- transactions, dumps, settings: PostgreSQL -----------------------------------------------------------

pg_wrapped() {
    printf 'BEGIN;\ncreate table a (v int);\ninsert into a values (1);\nCOMMIT;\n' >V1__a.sql
    printf 'begin transaction;\ninsert into a values (2);\nend transaction;\n' >V2__b.sql
    printf -- '-- a\nstart transaction;\n\ninsert into a values (3);\ncommit work;\n-- b\n' >V3__c.sql
    printf 'BEGIN WORK;\ninsert into a values (4);\nEND' >V4__d.sql
}
pg_wrapped_settings() {
    printf "set client_min_messages = warning;\nset search_path = public;\nbegin;\ncreate table a (v int);\ncommit;\nreset search_path;\n" >V1__a.sql
    table b >V2__b.sql
}
pg_blocks() {
    printf 'create table a (v int);\nbegin;\ninsert into a values (1);\ncommit;\nbegin;\ninsert into a values (2);\ncommit;\n' >V1__a.sql
    refused='3 \(TransactionControlInMigration\)'
}
pg_isolation() {
    printf 'begin isolation level serializable;\ncreate table a (v int);\ncommit;\n' >V1__a.sql
    refused='3 \(TransactionControlInMigration\)'
}
pg_rollback() {
    printf 'create table a (v int);\nbegin;\ninsert into a values (1);\nrollback;\n' >V1__a.sql
    refused='3 \(TransactionControlInMigration\)'
}
pg_savepoints() {
    printf 'create table a (v int);\nsavepoint x;\ninsert into a values (1);\nrollback to savepoint x;\ninsert into a values (2);\nrelease savepoint x;\n' >V1__a.sql
}
pg_search_path() {
    printf 'create schema other;\nset search_path = other;\ncreate table a (v int);\nselect set_config($$search_path$$, $$other$$, false);\ncreate table b (v int);\n' >V1__a.sql
    table c >V2__c.sql
}
pg_local_settings() {
    printf "set local statement_timeout = '1h';\nset local default_tablespace = '';\ncreate table a (t text default current_setting('statement_timeout'));\ninsert into a default values;\n" >V1__a.sql
}
pg_leak() {
    printf "create table a (t text);\nset my.setting = 'of V1';\ninsert into a values (current_setting('my.setting'));\n" >V1__a.sql
    printf "insert into a values (coalesce(current_setting('my.setting', true), ''));\n" >V2__b.sql
    differs="select string_agg(t, ',' order by t) from a=,of V1"
}
pg_autocommit() {
    # In its default mode Flyway would wait for its own lock connection for ever.
    flyway_options=(-postgresql.transactional.lock=false)
    table t >V1__t.sql
    printf 'create index concurrently i on t (id);\n' >V2__i.sql
    printf 'vacuum t;\nvacuum (analyze) t;\n' >V3__v.sql
    printf 'drop index concurrently i;\n' >V4__d.sql
}
pg_mixed() { printf 'create table t (id int);\nvacuum t;\n' >V1__t.sql; both='6 transaction=none'; }
pg_programs() {
    cat >V1__p.sql <<'SQL'
do $$ begin perform 1; exception when others then raise; end $$;
create function f(a int) returns int language plpgsql as $f$ begin return a; end; $f$;
create function g(a int) returns int language sql begin atomic select case when a > 0 then 1 else 2 end; end;
create procedure p(a int) language plpgsql as 'begin perform ''x;y''; end';
create function tr() returns trigger language plpgsql as $_$ begin new.v := 'a;b $$ c'; return new; end $_$;
create table a (v text); create trigger t before insert on a for each row execute function tr();
insert into a values ('x');
SQL
}
pg_quotes() {
    cat >V1__q.sql <<'SQL'
create table "odd ""name;" (v text, "a'b" int);
insert into "odd ""name;" values ('it''s; --', 1), (E'a\'b;', 2), ($$a;b$$, 3), ($x$ $$ ; $x$, 4), (U&'d\0061t\+000061', 5), ('\', 6);
/* a ; /* nested ; */ ' */ insert into "odd ""name;" values ('-- no', 7); -- ' ;
SQL
}
pg_copy() {
    printf 'create table t (id int, v text);\nCOPY t (id, v) FROM stdin;\n1\ta;b\n2\t\\N\n3\tit'"'"'s\n\\.\n\ncopy t from stdin with (format csv);\n4,"x;y"\n\\.\n' >V1__c.sql
}
pg_enum() {
    printf "create type mood as enum ('a');\n" >V1__e.sql
    printf "alter type mood add value 'b';\n" >V2__e.sql
    printf "create table m (v mood);\ninsert into m values ('b');\n" >V3__m.sql
}
pg_empty_files() { : >V1__e.sql; printf '\n-- c\n/* d */\n' >V2__c.sql; printf '\xef\xbb\xbf;;\n;' >V3__s.sql; table a >V4__a.sql; }
pg_dump_copy() { pg_dump_file >V1__dump.sql; }
pg_dump_inserts() { pg_dump_file --inserts --rows-per-insert=2 >V1__dump.sql; }
pg_dump_clean() { pg_dump_file --column-inserts --clean --if-exists --no-comments | sed '/SCHEMA/d' >V1__dump.sql; }
pg_large() {
    { echo 'create table big (id int primary key, v text);'
      for i in $(seq 1 400); do
          printf "insert into big values (%d, '%s')" "$((i * 100))" "$(printf 'y%.0s' {1..60})"
          for k in $(seq 1 99); do printf ",\n(%d, 'number %d; it''s %070d')" "$((i * 100 + k))" "$k" "$i"; done
          echo ';'
      done; } >V1__big.sql
}

pg_dump_file() {
    pg_dump --no-owner --schema=public "$@" "$(servers_get pg ADMIN_URI | sed 's#/postgres?#/source?#')" |
        sed '/^CREATE SCHEMA public/d; /^\\\(un\)\?restrict/d'
}

# ---- the same: MariaDB -----------------------------------------------------------------------------------

my_prefix_word() { names_prefix_word; }
my_misnamed() { names_misnamed; }
my_repeatables_by_blank() { names_repeatables_by_blank; }
my_repeatables_by_case() { names_repeatables_by_case; }
my_all_at_once() { names_all_at_once; }
my_wrapped() {
    printf 'START TRANSACTION;\ncreate table a (v int) engine=InnoDB;\ninsert into a values (1);\nCOMMIT;\n' >V1__a.sql
    printf 'begin;\ninsert into a values (2);\ncommit;\n' >V2__b.sql
    printf 'start transaction with consistent snapshot;\ninsert into a values (3);\ncommit work;\n' >V3__c.sql
}
my_blocks() {
    printf 'create table a (v int);\nbegin;\ninsert into a values (1);\ncommit;\nbegin work;\ninsert into a values (2);\nupdate a set v = v + 1;\ncommit;\ninsert into a values (9);\n' >V1__a.sql
}
my_autocommit() {
    printf 'create table a (v int);\nset autocommit = 0;\ninsert into a values (1);\ninsert into a values (2);\ncommit;\nset autocommit = 1;\ninsert into a values (3);\n' >V1__a.sql
}
my_ddl_in_block() {
    printf 'start transaction;\ncreate table a (v int);\ninsert into a values (1);\nalter table a add w int;\ninsert into a values (2, 2);\ncommit;\n' >V1__a.sql
}
my_rollback() {
    printf 'create table a (v int);\nstart transaction;\ninsert into a values (1);\nrollback;\n' >V1__a.sql
    refused='3 \(TransactionControlInMigration\)'
}
my_savepoint() {
    printf 'create table a (v int);\nsavepoint s;\ninsert into a values (1);\nrelease savepoint s;\n' >V1__a.sql
    refused='6 V1__a.sql:2:1: a savepoint in a migration has no transaction of several statements'
}
my_dump_default() { my_dump_file >V1__dump.sql; }
my_dump_autocommit() { my_dump_file --no-autocommit --add-drop-table >V1__dump.sql; }
my_dump_plain() { my_dump_file --skip-opt --skip-extended-insert >V1__dump.sql; }
my_dump_routines() { my_dump_file --routines --triggers --events --single-transaction >V1__dump.sql; }
my_dump_compact() { my_dump_file --compact --complete-insert >V1__dump.sql; }
my_phpmyadmin() {
    cat >V1__phpmyadmin.sql <<'SQL'
-- phpMyAdmin SQL Dump
-- version 5.2.1
SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
START TRANSACTION;
SET time_zone = "+00:00";


/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET NAMES utf8mb4 */;

CREATE TABLE `city` (
  `id` int(11) NOT NULL,
  `name` varchar(40) DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

INSERT INTO `city` (`id`, `name`) VALUES
(0, 'Ghent'),
(2, 'Lviv; \'x\'');

ALTER TABLE `city`
  ADD PRIMARY KEY (`id`);

ALTER TABLE `city`
  MODIFY `id` int(11) NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=3;
COMMIT;

/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
SQL
}
my_programs() {
    cat >V1__p.sql <<'SQL'
DELIMITER $$
create procedure p(in a int) begin if a > 0 then select 1; else select 2; end if; end$$
create function f(a int) returns int deterministic begin declare b int; set b = a; return b; end$$
DELIMITER ;
create table t (id int, v varchar(20));
create trigger tr before insert on t for each row begin set new.v = 'a;b'; set new.id = new.id + 1; end;
create event e on schedule at '2037-01-01 00:00:00' do begin delete from t; end;
insert into t values (1, 'x');
create view w as select id from t;
SQL
}
my_settings() {
    cat >V1__s.sql <<'SQL'
set sql_mode = 'ANSI_QUOTES,NO_AUTO_VALUE_ON_ZERO';
set foreign_key_checks = 0;
create table "child" (id int primary key auto_increment, p int, foreign key (p) references parent (id)) engine=InnoDB;
create table parent (id int primary key) engine=InnoDB;
insert into child values (0, 7);
set foreign_key_checks = 1;
SQL
    printf 'insert into parent values (1);\ninsert into child (p) values (1);\n' >V2__t.sql
}
my_variables() {
    printf "create table a (id int primary key auto_increment, v varchar(20));\nset @v = 'x;y';\ninsert into a (v) values (@v);\nset @id = last_insert_id();\ninsert into a (v) values (concat(@v, @id));\n" >V1__a.sql
}
my_comments() {
    cat >V1__c.sql <<'SQL'
# it's; a comment
-- another; one
create table a (id int /*!50000 , v int */, w varchar(9) /* ; */ default '/*');
/*!50100 insert into a values (1, 2, 'a') */;
insert into a values (5--1, 3, "it's; \" "); # end; of it
SQL
}
my_mariadb_comments() {
    printf 'create table a (id int);\n/*M!100000 insert into a values (4) */;\ninsert into a values (1);\n' >V1__a.sql
    differs='select group_concat(id order by id) from a=1,4'
}
my_or_replace() {
    printf 'create or replace procedure p() begin select 1; select 2; end;\ncreate table a (id int);\n' >V1__a.sql
    superset='select count(*) from information_schema.routines where routine_schema = database()=1'
}
my_alter() {
    printf 'create table a (id int, b int);\nalter table a add c int, drop b;\ncreate index i on a (c);\nrename table a to d;\ncreate temporary table x as select 1 y;\ninsert into d select y, y from x;\ndrop temporary table x;\ntruncate table d;\ncreate table e like d;\n' >V1__a.sql
}
my_quotes() {
    cat >V1__q.sql <<'SQL'
create table `odd ``name;` (v varchar(40));
insert into `odd ``name;` values ('it''s; \\'), ("a\";b"), ('--'), ('a\';b'), ("/*"), ('*/');
SQL
}
my_large() { pg_large; }

my_dump_file() {
    mariadb-dump --no-defaults --skip-ssl --user=root --socket="$(servers_get mariadb SOCKET)" --skip-dump-date "$@" source |
        sed 's/DEFINER=`root`@`localhost`//g'
}

# ---- both ----------------------------------------------------------------------------------------------

columns='installed_rank, version, description, type, script, checksum, installed_by, success'
history() { db_sql "$1" "$2" "select $columns from flyway_schema_history order by installed_rank" 2>&1; }

contents() { # all that a database holds, but for what either keeps for itself
    if [ "$1" = pg ]; then
        pg_dump --no-owner --inserts -T 'public.sluice_*' -T public.flyway_schema_history \
            "$(servers_get pg ADMIN_URI | sed "s#/postgres?#/$2?#")" | sed '/^\\\(un\)\?restrict/d; /^--/d; /^$/d'
    else
        mariadb-dump --no-defaults --skip-ssl --user=root --socket="$(servers_get mariadb SOCKET)" --skip-comments --routines --events \
            --ignore-table="$2.sluice_lease" --ignore-table="$2.sluice_journal" --ignore-table="$2.flyway_schema_history" "$2" |
            sed "s/\`$2\`/\`db\`/g; s/IGNORE_SPACE,//" # which Flyway's driver sets
    fi
}

make() { # SERVER TREE: its files and settings
    dir=$PWD/trees/$1.$2
    flyway_options=() sluice_options=() refused='' both='' superset='' differs='' notices=0
    rm -rf "$dir"
    mkdir -p "$dir"
    cd "$dir"
    "$2"
    cd - >/dev/null
}

run_flyway() { # SERVER TREE
    local code=0
    make "$1" "$2"
    flyway "$1" "f_$2" "$dir" "${flyway_options[@]}" migrate >"$dir.flyway" 2>&1 || code=$?
    echo $code >"$dir.code"
}

judge() { # SERVER TREE
    local server=$1 tree=$2 name="$1 $2" theirs ours=0 error want
    make "$server" "$tree"
    theirs=$(<"$dir.code")
    "$SLUICE" migrate --url "$(db_uri "$server" "s_$tree" plain)" --dir "$dir" "${sluice_options[@]}" >"$dir.sluice" 2>"$dir.error" || ours=$?
    error=$(<"$dir.error")
    want=$refused$both
    if [ -n "$want" ]; then
        if [ "$ours" = "${want%% *}" ] && [[ $error =~ ${want#* } ]]; then
            pass "$name: is refused (Flyway: code $theirs)"
        else
            flunk "$name: is refused" "code $ours, $error" "want: $want" "Flyway: code $theirs" "$(tail -n 5 "$dir.flyway")"
        fi
        [ -z "$both" ] || isnt "$name: as by Flyway" "$theirs" 0
        is "$name: nothing of it has run" "$(db_sql "$server" "s_$tree" "select count(*) from information_schema.tables where table_name in ('a', 'b', 't') and table_schema in ('public', 's_$tree')")" 0
        return
    fi
    if [ -n "$superset" ]; then
        isnt "$name: Flyway fails at it" "$theirs" 0
        is "$name: Sluice runs it" "$ours $(db_sql "$server" "s_$tree" "${superset%=*}")" "0 ${superset##*=}"
        return
    fi
    if [ "$theirs" != 0 ]; then
        flunk "$name: Flyway runs it" "$(tail -n 20 "$dir.flyway")" "Sluice: code $ours" "$error"
        return
    fi
    if [ "$ours" != 0 ]; then
        flunk "$name: Sluice runs it, too" "$error" "$(tail -n 5 "$dir.sluice")"
        return
    fi
    is "$name: the same history" "$(history "$server" "s_$tree")" "$(history "$server" "f_$tree")"
    if [ -n "$differs" ]; then
        is "$name: the documented difference" "$(db_sql "$server" "s_$tree" "${differs%=*}")" "${differs##*=}"
        isnt "$name: is one" "$(db_sql "$server" "f_$tree" "${differs%=*}")" "${differs##*=}"
    elif ! diff <(contents "$server" "f_$tree") <(contents "$server" "s_$tree") >"$dir.diff"; then
        flunk "$name: the same schema and data" "$(head -n 30 "$dir.diff")"
    else
        pass "$name: the same schema and data"
    fi
    is "$name: files are passed over with a notice" "$(grep -c 'is passed over: ' "$dir.sluice" || true)" "$notices"
}

isnt() { if [ "$2" != "$3" ]; then pass "$1"; else flunk "$1" "got: $2"; fi; }

pg_start pg plain
mariadb_start mariadb plain
mkdir trees
db_create pg source
db_sql pg source "create table customer (id serial primary key, note text, at timestamptz default now(), check (id > 0)); comment on table customer is 'it''s; a comment';
    insert into customer (note, at) values ('a;b', '2026-01-01'), (E'\\\\\\\\. is data', '2026-01-02'), (null, null); create view v as select id, note from customer;
    create function f(a int) returns int language plpgsql as 'begin return a; end'; create type mood as enum ('x', 'y'); create table m (v mood, k int references customer (id));
    create index i on customer (lower(note)); insert into m values ('y', 1); create materialized view mv as select count(*) from m"
db_create mariadb source
db_sql mariadb source "create table city (id int primary key auto_increment, name varchar(40), b blob); insert into city (name, b) values ('Ghent', 'bytes'), ('Lviv; BEGIN; it''s', null);
    create table other (id int primary key, city int, foreign key (city) references city (id)); insert into other values (1, 1), (2, 2);
    create view v as select name from city; create trigger g before insert on city for each row set new.name = trim(new.name);
    create procedure p(a int) select a"

mapfile -t names < <(declare -F | sed -n 's/^declare -f \(names_.*\)/\1/p')
mapfile -t pg_trees < <(declare -F | sed -n 's/^declare -f \(pg_.*\)/\1/p' | grep -vxE 'pg_(start|bin|build|probe|addresses|dump_file)')
mapfile -t my_trees < <(declare -F | sed -n 's/^declare -f \(my_.*\)/\1/p' | grep -vx 'my_dump_file')
only=${SLUICE_TEST_TREES:-.}
queue=()
for tree in "${names[@]}" "${pg_trees[@]}"; do [[ $tree =~ $only ]] && queue+=("pg $tree"); done
for tree in "${my_trees[@]}"; do [[ $tree =~ $only ]] && queue+=("mariadb $tree"); done

# Most of the time is Flyway's start: the first run leaves its classes ready to load for the others, two at a time.
for one in "${queue[@]}"; do
    read -r server tree <<<"$one"
    db_create "$server" "f_$tree"
    db_create "$server" "s_$tree"
done
printf '%s\n' "${queue[@]}" >queue
take() { # every second one, from line $1
    while read -r server tree; do run_flyway "$server" "$tree"; done < <(awk -v from="$1" 'NR % 2 == from' queue)
}
judge_limit=120 # set, not handed on: Flyway reads variables of its environment that begin with its name
judge_java=-XX:ArchiveClassesAtExit=$PWD/flyway.jsa
flyway pg source "$PWD/trees" info >archive.out 2>&1 || true
judge_java=
[ ! -s flyway.jsa ] || judge_java=-XX:SharedArchiveFile=$PWD/flyway.jsa
take 0 &
half=$!
take 1
wait $half
for one in "${queue[@]}"; do
    read -r server tree <<<"$one"
    judge "$server" "$tree"
done
done_testing
