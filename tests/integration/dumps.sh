#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What other tools write is a migration: real dumps of pg_dump and mariadb-dump, phpMyAdmin's form, files that are wrapped
# in BEGIN and COMMIT. What was one transaction stays one.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"

scenes_start

pg_dump_of() { pg_dump --no-owner "$(servers_get pg ADMIN_URI | sed "s#/postgres?#/$1?#")" "${@:2}"; }
my_dump_of() { mariadb-dump --no-defaults --skip-ssl --user=root --socket="$(servers_get mariadb SOCKET)" "$@"; }

# ---- PostgreSQL ---------------------------------------------------------------------------------------------------

scene pg
q "create table customer (id int primary key, note text); insert into customer values (1, 'a'), (2, E'\\\\\\\\restrict is data\\\\n\\\\\\\\.');
   create view v as select * from customer; create function f(a int) returns int language sql as 'select a + 1'"
pg_dump_of $db --schema=public >dump.sql
for how in '' --inserts; do
    scene pg
    pg_dump_of scene1 $how | sed '/^CREATE SCHEMA public/d' >sql/V1__dump.sql
    run_expect "a dump of pg_dump ${how:-with COPY} is a migration" 0 '' migrate
    is "with all of its rows" "$(q 'select count(*), max(length(note)) from customer')" "$(db=scene1 q 'select count(*), max(length(note)) from customer')"
    is "and the same schema" "$(pg_dump_of $db --schema-only | grep -v 'flyway\|sluice\|^\\\|^--\|^$' | grep -c 'customer\|FUNCTION public.f')" \
        "$(pg_dump_of scene1 --schema-only | grep -v '^\\\|^--\|^$' | grep -c 'customer\|FUNCTION public.f')"
    run_expect "there is nothing to do then" 0 '' migrate
done
if grep -q '^.restrict' sql/V1__dump.sql; then
    like "its psql lines are told of" "$("$SLUICE" plan --url "$(db_uri pg scene1)" --dir sql --baseline-on-migrate --baseline-version 0 2>&1 || true)" 'V1__dump.sql:[0-9]+: .restrict is passed over'
else
    skip "its psql lines are told of" "this pg_dump writes none"
fi

scene pg
printf 'set search_path = public;\nBEGIN;\n\ncreate table a (v int);\ninsert into a values (1);\n\nCOMMIT;\n' >sql/V1__a.sql
printf 'begin;\ninsert into a values (2);\ninsert into a values (1 / 0);\nend;\n' >sql/V2__b.sql
run_expect "one pair around the file" 3 'V2__b.sql:3:.*22012' migrate
like "is passed over with a notice" "$run_stdout$run_stderr" 'V1__a.sql:2: BEGIN is passed over'
is "what was one transaction is one" "$(q 'select array_agg(v) from a')" '{1}'
sed -i 's/1 \/ 0/3/' sql/V2__b.sql
run_expect "corrected" 0 '' migrate
is "it is there as a whole" "$(q 'select array_agg(v) from a')" '{1,2,3}'
printf 'begin;\ninsert into a values (4);\ncommit;\nbegin;\ninsert into a values (5);\ncommit;\n' >sql/V3__two.sql
run_expect "two transactions are not made one in silence" 3 'V3__two.sql:4:1: BEGIN in a migration.*make each block a file' migrate
is "nothing of them has run" "$(q 'select max(v) from a')" 3

# ---- MariaDB -------------------------------------------------------------------------------------------------------

scene mariadb
q "create table city (id int primary key, name varchar(40)); insert into city values (1, 'Ghent'), (2, 'Lviv; BEGIN; COMMIT');
   create table other (id int auto_increment primary key, city int, foreign key (city) references city (id)); insert into other (city) values (1), (2);
   create view v as select * from city; create trigger g before insert on city for each row set new.name = trim(new.name)"
source=$db
for how in '' --no-autocommit '--single-transaction --skip-extended-insert' '--skip-opt --routines'; do
    scene mariadb
    # shellcheck disable=SC2086
    my_dump_of $how $source | sed 's/DEFINER=`root`@`localhost`//g' >sql/V1__dump.sql
    run_expect "a dump of mariadb-dump $how is a migration" 0 '' migrate
    is "with its rows" "$(q 'select (select count(*) from city), (select count(*) from other), (select group_concat(name) from v)')" \
        "$(db=$source q 'select (select count(*) from city), (select count(*) from other), (select group_concat(name) from v)')"
    run_expect "then there is nothing to do" 0 '' migrate
done

scene mariadb
cat >sql/V1__phpmyadmin.sql <<'SQL'
-- phpMyAdmin SQL Dump
SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
START TRANSACTION;
SET time_zone = "+00:00";
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `city` (`id` int(11) NOT NULL, `name` varchar(40) DEFAULT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `city` (`id`, `name`) VALUES (0, 'Ghent'), (2, 'Lviv');
ALTER TABLE `city` ADD PRIMARY KEY (`id`);
ALTER TABLE `city` MODIFY `id` int(11) NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=3;
COMMIT;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
SQL
run_expect "phpMyAdmin's form is a migration" 0 '' migrate
is "under its settings" "$(q 'select group_concat(id) from city')" 0,2
printf 'start transaction;\ninsert into city values (4, 4);\ninsert into city values (4, 5);\ncommit;\n' >sql/V2__block.sql
run_expect "a block that fails" 3 'V2__block.sql:3:1: statement 2: 1062' migrate
is "is taken back as a whole" "$(q 'select group_concat(id) from city')" 0,2
sed -i 's/(4, 5)/(5, 5)/' sql/V2__block.sql
run_expect "corrected, too" 0 '' migrate
is "it is there" "$(q 'select group_concat(id) from city')" 0,2,4,5
printf 'start transaction;\ninsert into city values (6, 6);\nrollback;\n' >sql/V3__rollback.sql
run_expect "a ROLLBACK is not passed over" 3 'V3__rollback.sql:3:1: ROLLBACK in a migration' migrate

# ---- what the server has set for quotes and strings ------------------------------------------------------------------

mode=$(db_sql mariadb mysql 'select @@global.sql_mode')
db_sql mariadb mysql "set global sql_mode = 'NO_BACKSLASH_ESCAPES'"
scene mariadb
printf "create table t (p varchar(20));\ninsert into t values ('c:\\'), ('d:\\');\n" >sql/V1__p.sql
run_expect "NO_BACKSLASH_ESCAPES of the server" 0 '' migrate
is "is that of its files" "$(q "select group_concat(p order by p) from t" | tr -d '\\')" c:,d:
db_sql mariadb mysql "set global sql_mode = 'ANSI_QUOTES'"
scene mariadb
printf 'create table "t1" (a int); alter table "t1" add b int;\n' >sql/V1__p.sql
run_expect "ANSI_QUOTES of the server: plan" 0 '' "$SLUICE" plan --url "$url" --dir sql
is "sees names" "$(grep -c 'class A' <<<"$run_stdout")" 2
run_expect "and migrate runs them" 0 '' migrate
db_sql mariadb mysql "set global sql_mode = '$mode'"
scene pg
q 'alter role app set standard_conforming_strings = off'
cat >sql/V1__p.sql <<'SQL'
create table t (p text);
insert into t values ('it\'s; fine');
SQL
cat >sql/V2__q.sql <<'SQL'
-- sluice: transaction=none
insert into t values ('so\'s; this');
vacuum t;
SQL
cat >sql/V3__r.sql <<'SQL'
set standard_conforming_strings = on;
insert into t values ('c:\');
SQL
cat >sql/V4__s.sql <<'SQL'
insert into t values ('it\'s again');
SQL
run_expect "standard_conforming_strings off for the role" 0 '' migrate
is "is that of its files" "$(q "select string_agg(p, '+' order by p) from t")" "c:\\+it's again+it's; fine+so's; this"
q 'alter role app reset standard_conforming_strings'
done_testing
