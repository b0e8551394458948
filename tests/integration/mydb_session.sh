#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: a file's session ends with it, our own statements do not depend on it, nothing that a ROLLBACK
# leaves is tried again, and a resumed file never goes on without what its lost session held.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb

number=0
fresh() { # a new database with tables t and log, and an empty folder sql
    number=$((number + 1))
    db=session$number
    db_create mariadb $db
    url=$(db_uri mariadb $db)
    rm -rf sql
    mkdir sql
    printf '%s\n' 'create table t (id int primary key, n bigint, s varchar(40));' \
        'create table log (id int auto_increment primary key, n bigint, s varchar(200)) engine=myisam;' \
        'insert into t values (7, 0, null);' >sql/V1__base.sql
    "$SLUICE" migrate --url "$url" --dir sql >/dev/null 2>&1
}
q() { db_sql mariadb "$db" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
states() { # "step class state" of the newest row of each step
    q "select concat_ws(' ', step, step_class, state, verdict) from sluice_journal j where version = '$1' and step > 0 and seq =
        (select max(seq) from sluice_journal k where k.version = j.version and k.step = j.step) order by step"
}
applied() { q "select count(*) from flyway_schema_history where version = '$1' and success"; }
compound() { # one statement with semicolons inside
    mariadb --no-defaults --skip-ssl --user=root --socket="$(servers_get mariadb SOCKET)" --delimiter='$$' -e "$1" "$db"
}

# ---- a file's session ends with it ---------------------------------------------------------------

# leak NAME FIRST READ WANT: what the first file sets, the second must not see
leak() {
    fresh
    printf '%s\n' "$2" >sql/V2__set.sql
    printf 'insert into t (id, s) select 1, %s;\n' "$3" >sql/V3__read.sql
    run_expect "$1: both files" 0 '' migrate
    is "$1 does not reach the next file" "$(q 'select s from t where id = 1')" "$4"
}
leak "timestamp" 'set timestamp = 1000000000;' "if(unix_timestamp() > 1700000000, 'now', 'then')" now
leak "insert_id" 'set insert_id = 900;' "@@insert_id" 0
leak "a strict mode" "set sql_mode = '';" "if(@@sql_mode like '%STRICT%', 'strict', @@sql_mode)" strict
leak "a variable" 'set @left = 5;' "coalesce(@left, 'none')" none
leak "a variable by SELECT" 'select 5 into @left;' "coalesce(@left, 'none')" none
leak "alter_algorithm" "set alter_algorithm = 'copy';" '@@alter_algorithm' DEFAULT
leak "old_mode" "set old_mode = 'NO_PROGRESS_INFO';" '@@old_mode' "$(q 'select @@old_mode')"
leak "sql_select_limit" 'set sql_select_limit = 1;' "if(@@sql_select_limit > 1, 'all', 'one')" all
leak "a time zone" "set time_zone = '+11:00';" '@@time_zone' "$(q 'select @@time_zone')"
leak "a variable set in a procedure" "begin not atomic set @left = 6; end;" "coalesce(@left, 'none')" none
db_sql mariadb mysql "create role if not exists leaking; grant leaking to app@localhost; grant binlog admin on *.* to app@localhost"
leak "a role" 'set role leaking;' "coalesce(current_role(), 'none')" none
leak "sql_log_bin" 'set sql_log_bin = 0;' '@@sql_log_bin' 1
db_sql mariadb mysql "drop role leaking; revoke binlog admin on *.* from app@localhost"
leak "LAST_INSERT_ID" 'insert into log (n) values (1); set @x = last_insert_id();' 'last_insert_id()' 0

fresh
echo "prepare s from 'insert into log (n) values (1)';" >sql/V2__prepare.sql
echo 'execute s;' >sql/V3__execute.sql
run_expect "a prepared statement does not reach the next file" 3 'V3__execute.sql:1.*1243' migrate

fresh
printf '%s\n' 'create temporary table t (id int);' 'insert into t values (1);' >sql/V2__temporary.sql
echo 'update t set n = 1 where id = 7;' >sql/V3__real.sql
run_expect "a temporary table of a file" 0 '' migrate
is "does not take the next file's rows" "$(q 'select n from t')" 1

fresh
for i in 2 3 4 5 6; do echo "set @x = $i; insert into t (id, n) values ($((i * 10)), @x);" >sql/V${i}__set.sql; done
run_expect "several such files, each in its own session" 0 '' migrate
is "each once" "$(q 'select group_concat(n order by n) from t where id > 7')" 2,3,4,5,6

# The lock goes over without a gap: seven runners beside the one that changes its session six times.
fresh
for i in 2 3 4 5 6 7; do echo "set @x = $i; insert into log (n) values (@x); do sleep(0.2);" >sql/V${i}__set.sql; done
pids=()
for i in 1 2 3 4 5 6 7 8; do
    "$SLUICE" migrate --url "$url" --dir sql >out$i 2>&1 </dev/null &
    pids+=($!)
done
codes=''
for i in "${pids[@]}"; do { wait "$i" && codes+=0 || codes+=$?; } 2>/dev/null; done
is "eight runners, none is thrown out between two files" "$codes" 00000000
is "each file once" "$(q 'select group_concat(n order by n) from log')" 2,3,4,5,6,7

# ---- our own statements do not depend on it ------------------------------------------------------

for setting in "sql_select_limit = 0" "max_join_size = 1, sql_big_selects = 0" "sql_mode = 'EMPTY_STRING_IS_NULL,ANSI_QUOTES'" \
    "character_set_results = ucs2" "collation_connection = utf32_bin" "character_set_results = null" \
    "max_error_count = 0" "sql_quote_show_create = 0"; do
    fresh
    printf 'set %s;\ncreate table u (a int);\ninsert into u values (1);\nalter table u add b int;\n' "$setting" >sql/V2__set.sql
    run_expect "a file with SET $setting" 0 '' migrate
    is "$setting: it is applied, once" "$(applied 2) $(q 'select count(*) from u')" '1 1'
    run_expect "$setting: validate" 0 '' "$SLUICE" validate --url "$url" --dir sql
done

fresh
printf 'create table u (a int);\ninsert into u values (1);\nalter table u add b int;\n' >sql/V2__set.sql
q 'set global sql_select_limit = 0'
run_expect "a server that gives no rows, unless asked" 0 '' migrate
run_expect "info of it" 0 '' "$SLUICE" info --url "$url" --dir sql
q 'set global sql_select_limit = default'
like "all is told" "$run_stdout" '2 +set +Success'
is "it is applied, once" "$(applied 2) $(q 'select count(*) from u')" '1 1'

# ---- not again in a session that has moved on ----------------------------------------------------

# locked NAME SQL WANT: the file meets a row lock, which is given back after two seconds
locked() {
    fresh
    printf '%s\n' "$2" >sql/V2__locked.sql
    q "begin; select * from t where id = 7 for update; select sleep(2); rollback" >/dev/null &
    holder=$!
    within 20 eval "[ -n \"\$(q \"select 1 from information_schema.processlist where info like 'select sleep(2)%' and db = '$db'\")\" ]"
    run_expect "$1: the file waits" 0 '' migrate
    wait $holder
    is "$1" "$(q 'select n from t where id = 7')" "$3"
}
locked "a counter in a variable counts once" 'set @n = 0; update t set n = (@n := @n + 1) where id = 7;' 1
locked "LAST_INSERT_ID is the last one" 'insert into log (n) values (1); update t set n = last_insert_id() where id = 7;' 1
locked "a MEMORY temporary table has its row once" \
    'create temporary table m (a int) engine=memory; insert into m values (1); update t set n = (select count(*) from m) where id = 7;' 1
locked "a CALL waits as long" 'begin not atomic update t set n = n + 1 where id = 7; end;' 1
locked "an EXECUTE too" "prepare s from 'update t set n = n + 1 where id = 7'; execute s; deallocate prepare s;" 1
locked "plain DML" 'update t set n = n + 1 where id = 7;' 1

# ---- what a ROLLBACK leaves ----------------------------------------------------------------------

# half NAME SQL ROWS: a statement that fails half-way; a second run must not add anything
half() {
    fresh
    compound "create procedure fill() begin insert into log (n) values (1); insert into t (id, n) values (1, 1); signal sqlstate '45000' set message_text = 'no'; end"
    compound "create procedure parts() begin insert into t (id, n) values (1, 1); commit; insert into t (id, n) values (2, 2); signal sqlstate '45000' set message_text = 'no'; end"
    compound "create procedure plain() begin insert into t (id, n) values (1, 1); signal sqlstate '45000' set message_text = 'no'; end"
    compound "create trigger loose after insert on t for each row if new.id > 90 then insert into log (n) values (new.id); end if"
    compound "create function hidden(x int) returns int begin insert into log (n) values (x); return x; end"
    db_create mariadb "other_$db"
    q "create table other_$db.rows (n int) engine=aria transactional=0"
    q "create table bare (id int primary key)"
    q "create view other as select * from log"
    printf '%s\n' "${2//DB/$db}" >sql/V2__half.sql
    local code=0
    migrate >/dev/null 2>first || code=$?
    is "$1: the code" "$code" "$3"
    migrate >/dev/null 2>second || true
    is "$1: nothing twice" "$(q "select concat_ws(' ', (select count(*) from t where id <> 7), (select count(*) from log), (select count(*) from other_$db.rows))")" "$4"
    q "drop database other_$db"
}
half "a CALL that fails" 'call plain();' 3 '0 0 0'
half "a CALL that wrote to MyISAM" 'call fill();' 8 '0 1 0'
like "it is said what may have stayed, and how it is settled" "$(<first)" \
    "a part of it may have stayed.*sluice resolve --url '[^']*' --version '2' --step 1 --verdict applied .*--verdict not-applied "
like "the next run asks the same" "$(<second)" 'OutcomeUnknown'
half "a CALL that commits" 'call parts();' 8 '2 0 0'
half "a CALL behind SET STATEMENT" 'set statement max_statement_time = 5 for call parts();' 8 '2 0 0'
half "a compound" "begin not atomic insert into t (id) values (1); insert into nowhere values (1); end;" 3 '0 0 0'
half "a compound with a transaction of its own" \
    "begin not atomic start transaction; insert into t (id) values (1); commit; signal sqlstate '45000'; end;" 8 '1 0 0'
half "a compound that leaves its transaction open" \
    "begin not atomic start transaction; insert into t (id) values (1); signal sqlstate '45000'; end;" 8 '0 0 0'
half "an EXECUTE" "prepare s from 'insert into t (id) values (1), (7)'; execute s;" 3 '0 0 0'
half "MyISAM by a trigger" 'insert into t (id) values (91); insert into t (id) values (7);' 3 '1 1 0'
half "MyISAM by a view" 'insert into other (n) values (1); insert into t (id) values (7);' 3 '0 1 0'
half "a table of another schema" 'insert into other_DB.rows values (1); insert into t (id) values (7);' 3 '0 0 1'
half "MyISAM by a function that this user may not read" 'insert into bare values (hidden(51)); insert into bare values (nope);' 8 '0 1 0'
half "DML that ended before it wrote" 'insert into t (id, nope) values (1, 1);' 3 '0 0 0'

fresh
compound "create procedure parts() begin insert into t (id, n) values (1, 1); commit; signal sqlstate '45000' set message_text = 'no'; end"
printf 'call parts();\ncreate table after_it (a int);\n' >sql/V2__x.sql
run_expect "unknown" 8 'resolve' migrate
run_expect "the command that was printed" 0 '' "$SLUICE" resolve --url "$url" --version 2 --step 1 --verdict applied --reason 'one row is there'
run_expect "leads out" 0 '' migrate
is "and the file goes on behind it" "$(states 2)" $'1 X resolved applied\n2 A done'

# ---- a resumed file ------------------------------------------------------------------------------

# resumed NAME HEAD TAIL: HEAD is applied, then a statement fails; corrected, TAIL must not run without HEAD's session
resumed() {
    fresh
    compound "create procedure outs(out v bigint) set v = 7"
    compound "create function writes() returns bigint begin insert into t (id, n) values (50, 1); return 50; end"
    printf '%s\nalter table t add column c intt;\n%s\n' "$2" "$3" >sql/V2__x.sql
    run_expect "$1: the second statement fails" 3 'intt|syntax' migrate
    sed -i 's/intt/int/' sql/V2__x.sql
    local code=0
    migrate >/dev/null 2>second || code=$?
    if [ "$4" = stops ]; then
        is "$1: it stops" "$code $(applied 2)" '3 0'
        like "$1: and says what is gone" "$(<second)" 'needs a value of the session'
    else
        is "$1: it goes on" "$code $(q 'select n from t where id = 7')" "0 $4"
    fi
}
resumed "INTO on several lines" $'select 7\n  into\n    @m;' 'update t set n = @m;' stops
resumed "an OUT argument" 'call outs(@m);' 'update t set n = @m;' stops
resumed "a function that writes" 'set @m = writes();' 'update t set n = @m;' stops
is "its row is there once" "$(q 'select count(*) from t where id = 50')" 1
resumed "UUID()" 'set @m = uuid();' 'update t set s = @m;' stops
resumed "a subquery" 'set @m = (select max(id) from t);' 'update t set n = @m;' stops
resumed "a computed mode" "set sql_mode = concat(@@sql_mode, ',ANSI_QUOTES');" 'update t set n = 1;' stops
resumed "LAST_INSERT_ID behind an UPDATE" 'insert into log (n) values (1);' 'update t set n = 1; update t set n = last_insert_id();' stops
resumed "a temporary table with rows" 'create temporary table w (a int); insert into w values (7);' 'update t set n = (select max(a) from w);' stops
resumed "a temporary table that was dropped" 'create temporary table w (a int); drop table w; create table w (a int);' 'insert into w values (1);' stops
resumed "a literal" 'set @m = 9;' 'update t set n = @m;' 9
resumed "what a dump saves" 'set @old = @@sql_mode, sql_mode = "";' 'set sql_mode = @old; update t set n = 3;' 3
resumed "nothing of the session" 'insert into log (n) values (1);' 'update t set n = 4;' 4

# ---- placeholders between two attempts -----------------------------------------------------------

fresh
printf 'create table ${t}_a (id int);\ncreate table ${t}_b (id intt);\n' >sql/V2__x.sql
run_expect "the second statement fails" 3 'intt|syntax' migrate --placeholder t=blue --placeholder spare=1
sed -i 's/intt/int/' sql/V2__x.sql
run_expect "another value: refused, before anything runs" 6 \
    'V2__x.sql:1: statement 1 was run by an interrupted attempt with other placeholder values' \
    migrate --placeholder t=green --placeholder spare=1
run_expect "no value: refused" 6 'placeholder' migrate --placeholder spare=1
run_expect "the old value: it goes on, whatever others have become" 0 '' migrate --placeholder t=blue --placeholder spare=2
is "one name" "$(q "select group_concat(table_name order by 1) from information_schema.tables where table_schema = '$db' and table_name like '%\_a' or table_name like '%\_b'")" blue_a,blue_b

fresh
printf 'create table ${t}_a (id int);\ncreate table ${t}_b (id intt);\n' >sql/V2__x.sql
run_expect "it fails again" 3 'intt|syntax' migrate --placeholder t=blue
sed -i 's/intt/${type}/' sql/V2__x.sql
run_expect "a correction may name one more" 0 '' migrate --placeholder t=blue --placeholder type=bigint

fresh
printf 'create table m (a int);\nset max_session_mem_used = 8192;\ncreate table n (a int);\n' >sql/V2__x.sql
run_expect "a SET that our own statements cannot live with: the file's failure, not the server's" 3 \
    'V2__x.sql: .*1290.* a setting that the file has SET prevents its record.*\(MigrationFailed\)' migrate
printf 'create table m (a int);\ncreate table n (a int);\n' >sql/V2__x.sql
run_expect "without it the file goes on" 0 '' migrate

# ---- what cannot work is said before it is tried -------------------------------------------------

q "set global max_allowed_packet = 1048576"
for kind in "insert into t (id, s) values (1, '%s');" "do length('%s');" "create view u as select '%s' as s;" \
    "begin not atomic do length('%s'); end;" "update t set n = length('%s');"; do
    fresh
    # shellcheck disable=SC2059
    printf "$kind\n" "$(head -c 1100000 /dev/zero | tr '\0' x)" >sql/V2__large.sql
    run_expect "too large for the server: ${kind:0:12}" 3 \
        'V2__large.sql:1:1: statement 1 has [0-9]+ bytes and the server takes 1048576: make max_allowed_packet larger' migrate
    printf 'create table v (a int);\n' >sql/V2__large.sql
    run_expect "and a smaller one goes on: ${kind:0:12}" 0 '' migrate
done
fresh
printf 'create table before_it (a int);\ninsert into before_it values (1);\ndo length("%s");\n' "$(head -c 1100000 /dev/zero | tr '\0' x)" >sql/V2__large.sql
run_expect "too large behind others: which" 3 'V2__large.sql:3:1: statement 3 has [0-9]+ bytes .* no statement of the file was sent' migrate
is "too large behind others: none of them has run" "$(q "select count(*) from information_schema.tables where table_name = 'before_it'")" 0
q "set global max_allowed_packet = 16777216"

for table in sluice_journal sluice_lease flyway_schema_history; do
    for engine in MyISAM Aria MEMORY; do
        fresh
        [ "$engine" != MEMORY ] || [ $table != sluice_journal ] || continue # it has text columns
        q "alter table $table engine=$engine"
        echo 'create table u (a int);' >sql/V2__u.sql
        run_expect "$table with engine $engine is refused" 6 \
            "'$table' has engine $engine, which has no transactions: ALTER TABLE $table ENGINE=InnoDB first" migrate
        q "alter table $table engine=InnoDB"
        run_expect "$table: as it says" 0 '' migrate
    done
done

done_testing
