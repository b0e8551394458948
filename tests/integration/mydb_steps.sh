#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB, statement by statement: failures and going on after a fix, what is judged and what is asked,
# sessions that outlive their runner, locks, limits, settings.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb

number=0
# fresh: a new database and an empty folder sql
fresh() {
    number=$((number + 1))
    db=steps$number
    db_create mariadb $db
    url=$(db_uri mariadb $db)
    rm -rf sql
    mkdir sql
}
q() { db_sql mariadb "$db" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
history() { q "select concat_ws(' ', installed_rank, coalesce(version, 'R'), success) from flyway_schema_history order by installed_rank"; }
# The newest row of each step: "step class state [verdict]"
steps() {
    q "select concat_ws(' ', step, step_class, state, verdict) from sluice_journal j where version = '$1' and seq =
        (select max(seq) from sluice_journal k where k.version = j.version and k.step = j.step) order by step"
}
chain() {
    local columns list=''
    for columns in history_table seq format_version installed_rank kind version description script step line \
        statement_sha256 step_class pre_state state git_commit file_sha256 placeholders_hmac epoch attempt \
        retry_token session_id row_hash; do
        list="$list${list:+, '|', }coalesce(lower(hex(cast($columns as char))), '-')"
    done
    q "select concat($list) from sluice_journal order by seq" >journal
    "$SLUICE_SOURCE/tests/support/journal-verify.pl" journal
}
# runner_in TEXT: a statement of a runner that holds this text is running
runner_in() { [ -n "$(q "select 1 from information_schema.processlist where info like '/* sluice %$1%' and db = '$db'")" ]; }
# background ARGUMENT…: migrate in the background, $runner is its pid
background() {
    "$SLUICE" migrate --url "$url" --dir sql "$@" >out 2>err </dev/null &
    runner=$!
}
finished() { { wait $runner && code=0 || code=$?; } 2>/dev/null; }

# ---- a file that fails in the middle -------------------------------------------------------------

fresh
echo 'create table a (id int primary key auto_increment, v varchar(20));' >sql/V1__a.sql
cat >sql/V2__five.sql <<'SQL'
insert into a (v) values ('one');
alter table a add column x int;
alter table a add column x int;
insert into a (v) values ('four');
create index v on a (v);
SQL
run_expect "a failing third statement: code 3, path, line, number, errno" 3 \
    'V2__five.sql:3:1: statement 3: 1060 \(42S21\) Duplicate column' migrate
is "the two before are done, the third failed" "$(steps 2)" $'1 T done\n2 A done\n3 A failed'
is "a row with success=0, as Flyway's" "$(history)" $'1 1 1\n2 2 0'
run_expect "info says where" 0 '' "$SLUICE" info --url "$url" --dir sql
like "info names file, line and statement" "$run_stdout" 'V2__five.sql:3'
run_expect "again: the same failure" 3 'statement 3: 1060' migrate
is "nothing was run twice" "$(q "select group_concat(v) from a")" one
is "still one failed row" "$(history)" $'1 1 1\n2 2 0'

sed -i "1s/one/uno/" sql/V2__five.sql
run_expect "an applied statement was changed: refused by its line" 6 \
    'V2__five.sql:1: statement 1 was applied.*restore it.*\(ChecksumMismatch\)' migrate
sed -i "1s/uno/one/" sql/V2__five.sql
sed -i '3s/x int/y int/' sql/V2__five.sql
run_expect "with the fix it goes on at the third" 0 '' migrate
is "every effect once" "$(q "select group_concat(v order by id) from a")" one,four
is "the row has the rank of the failed one" "$(history)" $'1 1 1\n2 2 1'
ok "the chain of the journal holds" chain
run_expect "then there is nothing to do" 0 '' migrate

# ---- DML is one transaction ----------------------------------------------------------------------

fresh
echo 'create table a (v varchar(20) unique);' >sql/V1__a.sql
printf "insert into a values ('x');\ninsert into a values ('y');\ninsert into a values ('x');\n" >sql/V2__dml.sql
run_expect "a failing INSERT" 3 'V2__dml.sql:3:1: statement 3: 1062 \(23000\)' migrate
is "takes its file's other statements back" "$(q 'select count(*) from a')" 0
is "only the failure is in the journal" "$(steps 2)" '3 T failed'
sed -i "1s/x/z/" sql/V2__dml.sql
run_expect "any statement may be changed then" 0 '' migrate
is "all of the file" "$(q 'select group_concat(v order by v) from a')" x,y,z
is "a file in one transaction has one row" "$(steps 2)" $'0 done\n3 T failed'
ok "the chain of the journal holds then" chain

fresh
cat >sql/V1__dml.sql <<'SQL'
create table a (id int primary key auto_increment, v varchar(20));
insert into a (v) values ('first');
set @id = last_insert_id();
insert into a (v) values (concat('after ', @id));
create temporary table t (v varchar(20));
insert into t select v from a;
insert into a (v) select concat('copy of ', v) from t;
SQL
run_expect "variables and temporary tables live through a file" 0 '' migrate
is "their values are right" "$(q 'select group_concat(v order by id) from a')" \
    'first,after 1,copy of first,copy of after 1'

# ---- what is judged: a runner killed inside DDL --------------------------------------------------

fresh
echo 'create table big (id int primary key auto_increment, v varchar(200));' >sql/V1__big.sql
echo "insert into big (v) select repeat('x', 200) from seq_1_to_300000;" >sql/V2__fill.sql
run_expect "a large table" 0 '' migrate
cat >sql/V3__alter.sql <<'SQL'
create table before_it (id int);
alter table big add column extra int, algorithm=copy;
create table behind_it (id int);
SQL
background
within 30 runner_in 'alter table big'
kill -9 $runner
finished
run_expect "the old session's statement is waited for" 0 '' migrate --lock-wait 60s
like "and judged" "$run_stdout" 'V3__alter.sql:2: statement 2 of an interrupted attempt is applied'
is "what it did is inferred" "$(steps 3 | grep '^2')" '2 A inferred'
is "once" "$(q "select count(*) from information_schema.columns where table_schema = '$db' and column_name = 'extra'")" 1
ok "the chain of the journal holds after an inferred step" chain

# ---- what is asked: a runner killed inside a statement that nothing can judge --------------------

fresh
printf "create table a (v int);\ndo sleep(3);\ninsert into a values (1);\n" >sql/V1__x.sql
background
within 20 runner_in 'do sleep'
kill -9 $runner
finished
run_expect "while it runs: busy, naming the session" 7 'held by connection [0-9]+ \(sluice/[0-9a-f]{8}/1/[0-9a-f]{8}\), running' \
    migrate --lock-wait 500ms
run_expect "nobody knows: code 8, statement, line, command" 8 \
    "V1__x.sql:2: statement 2: .*sluice resolve --url '[^']*' --version '1' --step 2 --verdict applied .*--verdict not-applied " migrate
run_expect "again the same, nothing is run" 8 '' migrate
is "the statement behind it did not run" "$(q 'select count(*) from a')" 0
run_expect "a verdict" 0 '' "$SLUICE" resolve --url "$url" --version 1 --step 2 --verdict applied --reason 'looked'
run_expect "and it goes on behind the statement" 0 '' migrate
is "the verdict is kept" "$(steps 1 | grep '^2')" '2 X resolved applied'
is "the rest ran" "$(q 'select count(*) from a')" 1
ok "the chain of the journal holds after a verdict" chain

fresh
printf "create table a (v int);\ndo sleep(2);\ninsert into a values (1);\n" >sql/V1__x.sql
background
within 20 runner_in 'do sleep'
kill -9 $runner
finished
run_expect "not applied" 8 '' migrate
run_expect "said so" 0 '' "$SLUICE" resolve --url "$url" --version 1 --step 2 --verdict not-applied --reason 'looked'
run_expect "it runs again" 0 '' migrate
is "as a step of its own" "$(steps 1)" $'0 done\n1 A done\n2 X done\n3 T done'

fresh
printf -- "-- sluice: idempotent=true\ndo sleep(2);\ncreate table a (v int);\n" >sql/V1__x.sql
background
within 20 runner_in 'do sleep'
kill -9 $runner
finished
run_expect "idempotent=true: repeated without a question" 0 '' migrate

fresh
echo 'create table a (v int);' >sql/V1__a.sql
run_expect "a table" 0 '' migrate
printf -- "-- sluice: verify=select count(*) > 0 from a\ntruncate table a;\ndo sleep(2);\ninsert into a values (1);\n" >sql/V2__x.sql
background
within 20 runner_in 'do sleep'
kill -9 $runner
finished
run_expect "verify= is false, but a statement behind it makes it true: that is no answer" 8 \
    'verify= is false, which statements behind it may change' migrate
run_expect "a verdict" 0 '' "$SLUICE" resolve --url "$url" --version 2 --step 2 --verdict not-applied --reason 'looked'
run_expect "leads on" 0 '' migrate
is "to the rest" "$(q 'select count(*) from a')" 1

fresh
echo 'create table a (v int);' >sql/V1__a.sql
run_expect "a table" 0 '' migrate
printf -- "-- sluice: verify=select count(*) > 0 from a\ntruncate table a;\nbegin not atomic do sleep(2); insert into a values (1); end;\n" >sql/V2__x.sql
background
within 20 eval "[ -n \"\$(q \"select 1 from information_schema.processlist where info like '%do sleep(2)%' and info not like '%processlist%'\")\" ]"
kill -9 $runner
finished
run_expect "verify= decides the last statement: not there, so it runs again" 0 '' migrate
is "once" "$(q 'select count(*) from a')" 1

fresh
printf -- "-- sluice: verify=select count(*) = 2 from a\ncreate table a (v int);\ninsert into a values (1);\n" >sql/V1__v.sql
run_expect "verify= that is false after the file" 3 'V1__v.sql:1:1: verify= is not true after the file: 0' migrate
is "the transaction that it ends is taken back" "$(q 'select count(*) from a')" 0
sed -i 's/= 2/= 1/' sql/V1__v.sql
run_expect "true" 0 '' migrate
is "then it stays" "$(q 'select count(*) from a')" 1

# ---- interrupted --------------------------------------------------------------------------------

fresh
echo 'create table a (v int);' >sql/V1__a.sql
printf "insert into a values (1);\ninsert into a select sleep(30);\n" >sql/V2__slow.sql
background
within 20 runner_in 'insert into a select sleep'
kill -TERM $runner
finished
is "SIGTERM: code 143" "$code" 143
like "said so" "$(cat err)" 'V2__slow.sql:2:1: statement 2: interrupted'
is "the statement is ended on the server too" "$(q "select count(*) from information_schema.processlist where info like '%sleep(30)%' and info not like '%processlist%'")" 0
is "nothing of the file is there" "$(q 'select count(*) from a')" 0
is "no failure is recorded" "$(history)" '1 1 1'
sed -i '2d' sql/V2__slow.sql
run_expect "and the next run is an ordinary one" 0 '' migrate

fresh
echo 'create table big (v varchar(200));' >sql/V1__big.sql
echo "insert into big select repeat('x', 200) from seq_1_to_300000;" >sql/V2__fill.sql
echo "alter table big add column x int, algorithm=copy;" >sql/V3__alter.sql
background
within 30 runner_in 'alter table big'
kill -TERM $runner
finished
is "SIGTERM inside DDL: code 143" "$code" 143
is "the ALTER is taken back" "$(q "select count(*) from information_schema.columns where table_schema = '$db' and column_name = 'x'")" 0
run_expect "and judged and repeated by the next run" 0 '' migrate
is "as one step" "$(steps 3)" $'0 done\n1 A done'

fresh
echo 'create table big (v varchar(200));' >sql/V1__big.sql
echo "insert into big select repeat('x', 200) from seq_1_to_300000;" >sql/V2__fill.sql
printf -- "-- sluice: statement-timeout=300ms\nalter table big add column x int, algorithm=copy;\n" >sql/V3__slow.sql
run_expect "a statement limit stops DDL" 3 'V3__slow.sql:2:1: statement 1: 1969' migrate
is "the failure is recorded" "$(steps 3)" '1 A failed'

# The limit is the statements': what we do for them has none. A microsecond is over before anything is recorded.
fresh
printf 'create table a (v int);\nset max_statement_time=0.000001;\n' >sql/V1__a.sql
echo 'create table b (v int);' >sql/V2__b.sql
run_expect "a file whose last statement sets a limit of a microsecond" 0 '' migrate
is "it is recorded, and the next one runs" "$(history)" $'1 1 1\n2 2 1'

# ---- locks --------------------------------------------------------------------------------------

hold() { # a session that reads table a and sleeps in its transaction
    mariadb --no-defaults --skip-ssl -u root -S "$SLUICE_TEST_MARIADB_SOCKET" "$db" \
        -e 'begin; select * from a; select sleep(60)' >/dev/null 2>&1 &
    holder=$!
    within 20 holding
}
holding() { [ -n "$(q "select id from information_schema.processlist where info = 'select sleep(60)' and db = '$db'")" ]; }
release() {
    q "$(q "select concat('kill ', id) from information_schema.processlist where info = 'select sleep(60)' and db = '$db'")"
    wait $holder || true
}

fresh
echo 'create table a (v int);' >sql/V1__a.sql
run_expect "a table" 0 '' migrate
printf "insert into a values (1);\nalter table a add column x int;\ntruncate table a;\n" >sql/V2__locked.sql
hold
run_expect "a table lock that nobody gives up: code 2, blocker" 2 \
    'V2__locked.sql:2:1: statement 2: 1205.*gave up after 2 s, blocked by' migrate --lock-retry-for 2s
is "no failure is recorded" "$(history)" '1 1 1'
background
within 20 grep -q 'trying again, blocked by' err out
release
finished
is "given up in time: the file goes on" "$code" 0
is "with everything once" "$(history)" $'1 1 1\n2 2 1'

fresh
printf "create table a (v int);\ninsert into a values (1);\n" >sql/V1__a.sql
run_expect "a table" 0 '' migrate
echo 'truncate table a;' >sql/V2__x.sql
hold
run_expect "TRUNCATE, locked out" 2 'V2__x.sql:1:1: statement 1: 1205' migrate --lock-retry-for 1s
is "is known not to have begun" "$(steps 2)" '1 X resolved not-applied'
release
run_expect "so it runs without a question" 0 '' migrate
is "once" "$(q 'select count(*) from a')" 0

fresh
echo 'create table a (id int primary key, v int);' >sql/V1__a.sql
echo 'insert into a values (1, 0), (2, 0);' >sql/V2__rows.sql
run_expect "two rows" 0 '' migrate
printf "update a set v = v + 1 where id = 1;\nupdate a set v = v + 1 where id = 2;\n" >sql/V3__both.sql
mariadb --no-defaults --skip-ssl -u root -S "$SLUICE_TEST_MARIADB_SOCKET" "$db" \
    -e 'begin; update a set v = v + 10 where id = 2; select sleep(2); commit' >/dev/null 2>&1 &
rival=$!
within 20 eval '[ -n "$(q "select 1 from information_schema.processlist where info = '"'select sleep(2)'"'")" ]'
run_expect "a row lock is waited for, the transaction repeated as a whole" 0 '' migrate
is "each once" "$(q 'select group_concat(v order by id) from a')" 1,11
wait $rival

# ---- settings -----------------------------------------------------------------------------------

fresh
cat >sql/V1__modes.sql <<'SQL'
set sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';
create table "quoted" (v varchar(20) default 'a\');
set names latin1;
alter table "quoted" add column w int;
insert into "quoted" (v) values ('b\');
SQL
echo "create table plain (v varchar(20) default 'it\\'s'); insert into plain values (\"double\");" >sql/V2__plain.sql
run_expect "a file's settings count for the file" 0 '' migrate
is "and not for the next" "$(q 'select v from plain')" double
is "as it was meant" "$(q 'select hex(v) from quoted')" 625C

fresh
echo 'create table here (v int);' >sql/V1__here.sql
q "create database other_$db; grant all on other_$db.* to app@localhost"
printf "use other_$db;\ncreate table there (v int);\nalter table there add w int;\n" >sql/V2__use.sql
printf "insert into here values (1);\n" >sql/V3__back.sql
run_expect "USE counts for its file" 0 '' migrate
is "the objects are named by the schema they are in" \
    "$(q "select group_concat(json_value(pre_state, '\$[0].name') order by step) from sluice_journal where version = '2' and step > 0")" \
    "\`other_$db\`.\`there\`,\`other_$db\`.\`there\`"

fresh
cat >sql/V1__dump.sql <<'SQL'
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
create table child (id int primary key, foreign key (id) references parent (id));
create table parent (id int primary key);
LOCK TABLES parent WRITE;
insert into parent values (0);
UNLOCK TABLES;
insert into child values (0);
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
SQL
run_expect "a dump file" 0 '' migrate
like "LOCK TABLES skipped" "$run_stdout" 'V1__dump.sql:5: LOCK TABLES is skipped'
is "all of it" "$(q 'select count(*) from child')" 1

fresh
printf "create table m (v int) engine=MyISAM;\ninsert into m values (1);\ncreate table i (v int);\ninsert into i values (1);\n" >sql/V1__m.sql
run_expect "DML on a table without transactions" 0 '' migrate
is "is a step that would be asked about" "$(steps 1)" $'0 done\n1 A done\n2 X done\n3 A done\n4 T done'

fresh
printf "create procedure p()\nbegin\n  create table if not exists x (v int);\n  insert into x values (1);\nend;\ncall p();\n" >sql/V1__p.sql
printf "drop table x, missing;\n" >sql/V2__drop.sql
run_expect "DROP of several, one missing" 3 'V2__drop.sql:1:[0-9]+: statement 2: 1051' migrate
is "the first of them is done and known" "$(steps 2)" $'1 A done\n2 A failed'

# ---- fenced -------------------------------------------------------------------------------------

fresh
printf "create table a (v int);\ndo sleep(2);\ncreate table b (v int);\n" >sql/V1__x.sql
background
within 20 runner_in 'do sleep'
q "update sluice_lease set epoch = epoch + 1, nonce = repeat('f', 32)"
finished
is "somebody took the lease meanwhile: code 7" "$code" 7
like "it says so" "$(cat err)" 'fenced at epoch 1'
is "and did nothing more" "$(q "select count(*) from information_schema.tables where table_schema = '$db' and table_name = 'b'")" 0

fresh
printf "create table a (v int);\n" >sql/V1__a.sql
run_expect "a table" 0 '' migrate
printf "create procedure free_all()\nbegin\n  declare n int;\n  set n = release_all_locks();\nend;\ncall free_all();\ncreate table b (v int);\n" >sql/V2__lock.sql
run_expect "a procedure that gives the lock away is noticed at once: code 7" 7 'lost the migration lock' migrate
is "and nothing more is done without it" "$(q "select count(*) from information_schema.tables where table_schema = '$db' and table_name = 'b'")" 0

# ---- the server dies -----------------------------------------------------------------------------

fresh
echo 'create table big (v varchar(200));' >sql/V1__big.sql
echo "insert into big select repeat('x', 200) from seq_1_to_300000;" >sql/V2__fill.sql
run_expect "a large table once more" 0 '' migrate
cat >sql/V3__alter.sql <<'SQL'
insert into big values ('before');
alter table big add column extra int, algorithm=copy;
insert into big (v) values ('behind');
SQL
background
within 30 runner_in 'alter table big'
server_kill mariadb
finished
is "the server died in the ALTER: code 9" "$code" 9
like "the statement is named" "$(cat err)" 'V3__alter.sql:2:1: statement 2: 20(06|13)'
server_resume mariadb
run_expect "the server is back: judged and finished" 0 '' migrate
is "every effect once" "$(q "select concat_ws(' ', sum(v = 'before'), sum(v = 'behind')) from big")" '1 1'
is "the column too" "$(q "select count(*) from information_schema.columns where table_schema = '$db' and column_name = 'extra'")" 1
is "nothing is left of the half-made copy" "$(ls "$SERVERS_DIR/mariadb/data/$db" | grep -c '^#sql' || true)" 0
ok "the chain of the journal holds over a server's death" chain

# ---- a history that is not ours to judge ---------------------------------------------------------

fresh
echo 'create table a (v int);' >sql/V1__a.sql
run_expect "a table" 0 '' migrate
q "alter table flyway_schema_history engine=MyISAM"
echo 'create table b (v int);' >sql/V2__b.sql
run_expect "a history table without transactions is refused" 6 'ENGINE=InnoDB.*\(UnsupportedServer\)' migrate
q "alter table flyway_schema_history engine=InnoDB; set global read_only = 1"
run_expect "a read-only server: code 9" 9 'read only.*\(TargetReadOnly\)' migrate
q "set global read_only = 0"
run_expect "writable again" 0 '' migrate
done_testing
