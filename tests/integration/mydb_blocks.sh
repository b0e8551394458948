#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: the transactions that a file brings along. What the server would take back together is recorded together or
# refused before it begins; what it would leave anyway (tables without transactions, SET GLOBAL) does not stand in the
# way. Runners are killed with -9 inside.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb
number=0
q() { db_sql mariadb "$db" "$1"; }
compound() { # one statement with semicolons inside
    mariadb --no-defaults --skip-ssl --user=app --socket="$SLUICE_TEST_MARIADB_SOCKET" --delimiter='$$' -e "$1" "$db"
}
migrate() { "$SLUICE" migrate --url "$url" --dir sql --lock-wait 20s "$@"; }
# fresh FILE: t, u and gate have transactions; log, and what leads to it, has none
fresh() {
    number=$((number + 1))
    db=block$number
    db_create mariadb $db
    db_create mariadb other_$db
    url=$(db_uri mariadb $db)
    rm -rf sql
    mkdir sql
    printf '%s\n' 'create table t (id int primary key, a int);' 'create table u (id int primary key);' \
        'create table gate (id int primary key, n int);' 'insert into gate values (1, 0);' \
        'create table log (a int) engine=myisam;' 'create view seen as select a from log;' \
        'create table loud (id int primary key);' \
        'create trigger loud_t after insert on loud for each row insert into log values (new.id);' \
        "create table other_$db.far (a int) engine=aria;" >sql/V1__base.sql
    "$SLUICE" migrate --url "$url" --dir sql >/dev/null 2>&1
    compound "create function noted(x int) returns int begin insert into log values (x); return x; end"
    compound "create procedure notes(x int) begin do noted(x); end"
    compound "create table louder (id int primary key)"
    compound "create trigger louder_t after insert on louder for each row begin call notes(new.id); end"
    compound "create function quiet(x int) returns int return x"
    printf '%s\n' "${1//DB/$db}" >sql/V2__block.sql
}
all() { q "select concat_ws(' ', (select group_concat(id order by id) from t), (select group_concat(id order by id) from u), '/', (select group_concat(a order by a) from log), '/', (select group_concat(a) from other_$db.far))"; }
applied() { q "select count(*) from flyway_schema_history where version = '2' and success"; }

# ---- refused before anything runs -------------------------------------------------------------------------------

# parts NAME LINE FILE: nothing of the file has run
parts() {
    fresh "$3"
    run_expect "$1: refused" 3 "V2__block.sql:$2: a statement that is recorded by itself, in one transaction with other changes" migrate
    is "$1: nothing of it has run" "$(all) $(q "select count(*) from information_schema.tables where table_schema = database() and table_name = 'made'")" '/ / 0'
}
parts "MyISAM behind a change" 3:1 $'start transaction;\ninsert into t values (1, 1);\ninsert into log values (1);\ncommit;'
parts "MyISAM between two" 3:1 $'start transaction;\ninsert into t values (1, 1);\nupdate log set a = 2;\ninsert into u values (1);\ncommit;'
parts "without START TRANSACTION" 3:1 $'set autocommit = 0;\ninsert into t values (1, 1);\ndelete from log;\ncommit;'
parts "in a conditional comment" 3:1 $'start transaction;\ninsert into t values (1, 1);\n/*!40000 insert into log values (1) */;\ncommit;'
parts "by a view" 3:1 $'start transaction;\ninsert into t values (1, 1);\ninsert into seen values (1);\ncommit;'
parts "by a trigger" 3:1 $'start transaction;\ninsert into t values (1, 1);\ninsert into loud values (1);\ncommit;'
parts "by a function" 3:1 $'start transaction;\ninsert into t values (1, 1);\ninsert into u values (noted(1));\ncommit;'
parts "by a trigger that calls" 3:1 $'start transaction;\ninsert into t values (1, 1);\ninsert into louder values (1);\ncommit;'
parts "in another schema" 3:1 $'start transaction;\ninsert into t values (1, 1);\ninsert into other_DB.far values (1);\ncommit;'
parts "a change of both kinds before another" 2:1 $'start transaction;\ninsert into loud values (1);\ninsert into t values (1, 1);\ncommit;'
parts "in ANSI_QUOTES" 4:1 $'set sql_mode = \'ANSI_QUOTES\';\nstart transaction;\ninsert into "t" values (1, 1);\ninsert into "log" values (1);\ncommit;'
parts "behind a backslash" 4:1 $'set sql_mode = \'NO_BACKSLASH_ESCAPES\';\nstart transaction;\ninsert into t values (1, length(\'c:\\\'));\ninsert into log select a from t where \'\\\' <> \'\';\ncommit;'
parts "SET GLOBAL" 3:1 $'start transaction;\ninsert into t values (1, 1);\nset global max_statement_time = 0;\ncommit;'
parts "SET TRANSACTION" 3:1 $'start transaction;\ninsert into t values (1, 1);\nset transaction isolation level serializable;\ncommit;'
parts "CALL" 3:1 $'start transaction;\ninsert into t values (1, 1);\ncall p();\ncommit;'
parts "behind a table that the file makes" 4:1 $'create table made (a int);\nstart transaction;\ninsert into t values (1, 1);\ninsert into log values (1);\ncommit;'
parts "behind a block that is whole" 6:1 $'start transaction;\ninsert into t values (1, 1);\ncommit;\nstart transaction;\ninsert into u values (1);\ninsert into log values (1);\ncommit;'

fresh $'create table made (a int) engine=myisam;\nstart transaction;\ninsert into t values (1, 1);\ninsert into made values (1);\ncommit;'
run_expect "a table without transactions that the file itself makes: refused" 3 'V2__block.sql:4:1: a statement that is recorded by itself' migrate
is "nothing of the block has run" "$(all) $(q 'select count(*) from made')" '/ / 0'
sed -i 's/^insert into made/commit;\nstart transaction;\n&/' sql/V2__block.sql
run_expect "with a COMMIT between them it goes on" 0 '' migrate
is "and all is there once" "$(all) $(q 'select count(*) from made')" '1 / / 1'

# ---- what the server leaves, too ---------------------------------------------------------------------------------

# runs NAME WANT FILE
runs() {
    fresh "$3"
    run_expect "$1: runs" 0 '' migrate
    is "$1: all is there" "$(all)" "$2"
}
runs "MyISAM alone" '/ 1,2 /' $'start transaction;\ninsert into log values (1);\ninsert into log (a) values (2);\ncommit;'
runs "MyISAM before the changes" '1 1 / 1 / 1' $'start transaction;\ninsert into log values (1);\ninsert into other_DB.far values (1);\ninsert into t values (1, 1);\ninsert into u values (1);\ncommit;'
runs "settings and looks between them" '1 1 / /' $'start transaction;\ninsert into t values (1, 1);\nset session transaction isolation level serializable;\nshow warnings;\nset @g = @@global.autocommit;\ninsert into u values (1);\ncommit;'
runs "a temporary table among them" '1 1 / /' $'start transaction;\ncreate temporary table x (a int);\ninsert into t values (1, 1);\ninsert into u values (1);\ncommit;'
runs "a statement that commits between them" '1 / 1 /' $'start transaction;\ninsert into t values (1, 1);\nalter table u add column b int;\ninsert into log values (1);\ncommit;'
runs "a table that the file changes first" '1 / 1 /' $'alter table log engine=innodb;\nstart transaction;\ninsert into t values (1, 1);\ninsert into log values (1);\ncommit;'
runs "a statement alone in its transaction" '/ 1 /' $'start transaction;\nbegin not atomic insert into log values (1); end;\ncommit;'
runs "two transactions" '1 / 1 /' $'start transaction;\ninsert into t values (1, 1);\ncommit;\nstart transaction;\ninsert into log values (1);\ncommit;'
runs "no transaction" '1 1 / 1 /' $'insert into t values (1, 1);\ninsert into log values (1);\ninsert into u values (1);'

# A dump of both kinds of tables, as mariadb-dump and phpMyAdmin write it.
fresh 'select 1;'
q 'insert into t values (1, 1), (2, 2); insert into log values (1), (2), (3); insert into loud values (9)'
for how in '' --no-autocommit '--no-autocommit --skip-extended-insert' '--skip-opt'; do
    source=$db
    # shellcheck disable=SC2086
    mariadb-dump --no-defaults --skip-ssl --user=root --socket="$SLUICE_TEST_MARIADB_SOCKET" $how $source t log loud >dump.sql
    number=$((number + 1))
    db=block$number
    db_create mariadb $db
    rm -rf sql && mkdir sql
    sed 's/DEFINER=`root`@`localhost`//g' dump.sql >sql/V1__dump.sql
    run_expect "a dump of both kinds: mariadb-dump $how" 0 '' "$SLUICE" migrate --url "$(db_uri mariadb $db)" --dir sql
    is "its rows" "$(q 'select (select count(*) from t), (select count(*) from log), (select count(*) from loud)')" "$(db=$source q 'select (select count(*) from t), (select count(*) from log), (select count(*) from loud)')"
    db=$source
done
fresh 'select 1;'
cat >sql/V2__block.sql <<'SQL'
SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
SET AUTOCOMMIT = 0;
START TRANSACTION;
SET time_zone = "+00:00";
CREATE TABLE `city` (`id` int(11) NOT NULL) ENGINE=InnoDB;
INSERT INTO `city` (`id`) VALUES (0), (2);
CREATE TABLE `words` (`id` int(11) NOT NULL, `a` text) ENGINE=MyISAM;
INSERT INTO `words` (`id`, `a`) VALUES (1, 'f(x)');
INSERT INTO `words` (`id`, `a`) VALUES (2, 'g');
ALTER TABLE `city` ADD PRIMARY KEY (`id`);
COMMIT;
SQL
run_expect "phpMyAdmin's form with both" 0 '' migrate
is "has its rows" "$(q 'select (select group_concat(id) from city), (select group_concat(id) from words)')" $'0,2\t1,2'

# ---- killed inside -----------------------------------------------------------------------------------------------

# killed NAME FILE THEN WANT: the runner is killed with -9 while it waits for the row of `gate`; THEN: what is there
killed() {
    local holder runner
    fresh "$2"
    q 'begin; select * from gate where id = 1 for update; select sleep(60)' >/dev/null 2>&1 &
    holder=$!
    within 20 eval "[ -n \"\$(q \"select 1 from information_schema.processlist where info like 'select sleep(60)%' and db = '$db'\")\" ]"
    "$SLUICE" migrate --url "$url" --dir sql --lock-wait 20s >/dev/null 2>&1 </dev/null &
    runner=$!
    within 20 eval "[ -n \"\$(q \"select 1 from information_schema.processlist where info like '%update gate%' and info like '/*%' and db = '$db'\")\" ]" || flunk "$1: it waits" "$(all)"
    kill -9 $runner
    wait $runner 2>/dev/null || true
    q "kill $(q "select id from information_schema.processlist where info like 'select sleep(60)%' and db = '$db'")" || true
    wait $holder 2>/dev/null || true
    within 20 eval "[ -z \"\$(q \"select 1 from information_schema.processlist where info like '/*%' and db = '$db'\")\" ]"
    is "$1: killed" "$(all)" "$3"
    run_expect "$1: the next run" 0 '' migrate
    is "$1: each once" "$(all) $(q 'select n from gate') $(applied)" "$4 1 1"
}
gate='update gate set n = n + 1 where id = 1'
killed "a block" $'start transaction;\ninsert into t values (1, 1);\nset session transaction isolation level read committed;\ninsert into u values (1);\n'"$gate"$';\ncommit;' '/ /' '1 1 / /'
killed "MyISAM before the block's changes" $'set autocommit = 0;\ninsert into log values (1);\ninsert into t values (1, 1);\n'"$gate"$';\ncommit;' '/ 1 /' '1 / 1 /'
killed "MyISAM by a trigger, no block" $'insert into loud values (5);\n'"$gate;" '/ 5 /' '/ 5 /'
killed "MyISAM by a view, no block" $'insert into seen values (6);\n'"$gate;" '/ 6 /' '/ 6 /'
killed "MyISAM by a function, no block" $'insert into u values (noted(7));\n'"$gate;" '7 / 7 /' '7 / 7 /'
killed "MyISAM in another schema, no block" $'insert into other_DB.far values (8);\n'"$gate;" '/ / 8' '/ / 8'
killed "a function that only reads" $'insert into u values (quiet(9));\n'"$gate;" '/ /' '9 / /'
done_testing
