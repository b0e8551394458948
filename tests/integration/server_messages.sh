#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a server says reaches people: the place in the file, DETAIL, HINT, CONTEXT, warnings, what stays; and where
# other people read it, it has no values in it.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

pg_start pg plain
mariadb_start mariadb log plain
n=0

# migrated SERVER SQL: the file on a new database; $out is what was printed, $code the exit code, $recorded the journal's.
migrated() {
    n=$((n + 1)) code=0
    rm -rf sql
    mkdir sql
    printf '%b' "$2" >sql/V9__x.sql
    db_create "$1" "d$n"
    out=$("$SLUICE" migrate --url "$(db_uri "$1" "d$n")" --dir sql 2>&1) || code=$?
    recorded=$(db_sql "$1" "d$n" "select message from sluice_journal where message is not null")
}
lines() { grep -v '^postgresql\|^mariadb' <<<"$out" | sed -E 's/ \([0-9]+ ms\)//; s/^sluice migrate: .*/E/; s/`.*`/C/'; }

# ---- PostgreSQL -----------------------------------------------------------------------------------

migrated pg "create table t (a int);\n\nselect a\n  from t where é = 'LIT-CANARY';\n"
is "pg: a wrong name: code" "$code" 3
like "pg: a wrong name: place and cause in one line" "$out" 'sql/V9__x.sql:4:16: statement 2: 42703 column "é" does not exist \(MigrationFailed\): '
is "pg: a wrong name: the line, a mark under the place, what stays" "$(lines)" \
    "  [1/1] V9__x.sql  FAILED
E
     4 |   from t where é = 'LIT-CANARY';
       |                ^
  HINT: Perhaps you meant to reference the column \"t.a\".
  rolled back: nothing of V9 remains"

migrated pg "create table t (a int primary key);\ninsert into t values (4711);\ninsert into t values (4711);\n"
like "pg: DETAIL is shown" "$out" '  DETAIL: Key \(a\)=\(4711\) already exists\.'
like "pg: and the message" "$out" '23505 duplicate key value violates unique constraint "t_pkey"'
is "pg: the journal has no value" "$recorded" 'duplicate key value violates unique constraint "t_pkey"'

migrated pg "do \$\$ begin\n raise exception 'too many: %', 'secret' using detail='the detail', hint='the hint'; end \$\$;"
like "pg: HINT and CONTEXT of a RAISE" "$(tr '\n' '|' <<<"$out")" \
    'DETAIL: the detail\|  HINT: the hint\|  CONTEXT: PL/pgSQL function inline_code_block line 2 at RAISE\|'
is "pg: of what RAISE says the journal keeps its own words" "$recorded" 'too many: …'

migrated pg "create function f() returns int language plpgsql as \$\$ begin\n return (select nope from pg_class limit 1); end \$\$;\nselect f();"
like "pg: the statement inside of a function, and the place in it" "$(tr '\n' '|' <<<"$out")" \
    'inside: a statement of the program:\|     1 \| \(select nope from pg_class limit 1\)\|       \|         \^'

long=$(printf 'x%.0s' $(seq 3000))
migrated pg "do \$\$ begin raise exception 'é$long'; end \$\$;"
like "pg: a long message is cut, and says so" "$out" 'x… \(cut\) \(MigrationFailed\)'

migrated pg "-- sluice: transaction=none\ncreate table a (i int);\nset lock_timeout = 1000;\ncreate table b (i int);\ninsert into a values ('x');"
like "pg, transaction=none: what stays" "$out" '  statements 1 to 3 of V9 are done and stay, nothing of statement 4 remains'
is "pg, transaction=none: it is so" "$(db_sql pg "d$n" "select (select count(*) from a), (select count(*) from b)")" '0|0'

migrated pg "-- sluice: transaction=none\ncreate table a (i int);\ndo \$\$ begin insert into a values (1); raise exception 'no'; end \$\$;"
like "pg, transaction=none: a block that failed was taken back" "$out" '  statement 1 of V9 is done and stays, nothing of statement 2 remains'
is "pg, transaction=none: it was" "$(db_sql pg "d$n" "select count(*) from a")" 0
migrated pg "-- sluice: transaction=none\ncreate table a (i int);\ninsert into a values (1), (1);\ncreate unique index concurrently u on a (i);"
is "pg, transaction=none: of what has no transaction that is not said" "$(grep ' of V9 ' <<<"$out")" '  statements 1 to 2 of V9 are done and stay'

migrated pg "drop table if exists nope;\ncreate table t (a int);\ndo \$\$ begin raise warning '12 orders have no customer'; end \$\$;"
is "pg: notices and warnings, with file and statement" "$(lines)" \
    '  notice: sql/V9__x.sql:1: statement 1: NOTICE: table "nope" does not exist, skipping
  notice: sql/V9__x.sql:3: statement 3: WARNING: 12 orders have no customer
  [1/1] V9__x.sql  applied
'"$(grep '^done' <<<"$out" | sed -E 's/ \([0-9]+ ms\)//')"

migrated pg "do \$\$ begin for i in 1..300000 loop raise notice 'flood %', repeat('x', 1000); end loop; end \$\$;"
is "pg: a flood is counted" "$code $(grep -c 'statement 1: NOTICE: flood' <<<"$out") $(grep -o '[0-9]* more notices.*' <<<"$out")" \
    "0 20 299980 more notices and warnings of the server's"

# ---- MariaDB ----------------------------------------------------------------------------------------

migrated mariadb "create table t (a int);\n\nselect a\n  frm t where a = 'LIT-CANARY';\n"
like "mariadb: the line is the file's, not the statement's" "$out" \
    "sql/V9__x.sql:4:7: statement 2: 1064 \(42000\) .* near 't where a = 'LIT-CANARY'' at line 4 \(MigrationFailed\)"
is "mariadb: the line, the mark, what stays" "$(lines)" \
    "  [1/1] V9__x.sql  FAILED
E
     4 |   frm t where a = 'LIT-CANARY';
       |       ^
  statement 1 of V9 is done and stays, nothing of statement 2 remains
  if you undo that by hand, let the file begin anew: C"
unlike() { if grep -qE "$3" <<<"$2"; then flunk "$1" "$2"; else pass "$1"; fi; }
unlike "mariadb: the journal has no literal" "$recorded" 'CANARY'
db_sql mariadb "d$n" "drop table t"
printf 'create table t (a int, b int);\nselect a\n  from t where a = 5;\n' >sql/V9__x.sql
run_expect "mariadb: another first statement, without a word" 6 'statement 1 was applied by an interrupted attempt.*is another one now' "$SLUICE" migrate --url "$(db_uri mariadb "d$n")" --dir sql
run_expect "mariadb: the command that was printed" 0 '' follow "$out"
run_expect "mariadb: and the file begins anew" 0 '' "$SLUICE" migrate --url "$(db_uri mariadb "d$n")" --dir sql
like "mariadb: but what happened" "$recorded" 'You have an error in your SQL syntax'

migrated mariadb "create table t (a int) engine=innodb;\nbegin not atomic insert into t values (1); signal sqlstate '45000' set message_text='no'; end;"
like "mariadb: a block that failed was taken back" "$out" '  statement 1 of V9 is done and stays, nothing of statement 2 remains'
is "mariadb: it was" "$(db_sql mariadb "d$n" "select count(*) from t")" 0
migrated mariadb "create procedure p() begin signal sqlstate '45000' set message_text='no'; end"
echo 'call p();' >sql/V10__call.sql
run_expect "mariadb: a procedure that failed" 3 '  nothing of V10 remains' "$SLUICE" migrate --url "$(db_uri mariadb "d$n")" --dir sql
migrated mariadb "create table t (a int) engine=myisam;\ncreate procedure p() begin insert into t values (1); signal sqlstate '45000' set message_text='no'; end"
echo 'call p();' >sql/V10__call.sql
run_expect "mariadb: one that wrote without transactions" 8 'a part of it may have stayed' "$SLUICE" migrate --url "$(db_uri mariadb "d$n")" --dir sql
is "mariadb: of that it is not said" "$(grep -c 'remains' <<<"$run_stderr" || true)" 0

migrated mariadb "create table t (a int primary key);\ninsert into t values (4711);\ninsert into t values (4711);\n"
like "mariadb: the value for the person" "$out" "Duplicate entry '4711' for key 'PRIMARY'"
is "mariadb: not for the journal" "$recorded" "Duplicate entry '…' for key 'PRIMARY'"

migrated mariadb "create table t (a tinyint);\nset sql_mode='';\ninsert into t values (4000),(5000);\ninsert into t select seq from seq_1000_to_2000;\noptimize table nope;"
like "mariadb: a warning of a statement that went well" "$out" \
    "notice: sql/V9__x.sql:3: statement 3: Warning 1264: Out of range value for column 'a' at row 1"
is "mariadb: counted when there are many" "$code $(grep -c 'Warning 1264' <<<"$out")" '0 20'
like "mariadb: all of them" "$out" 'V9__x.sql: 984 more notices'

migrated mariadb "optimize table nope;"
like "mariadb: what a report says in a row" "$out" "statement 1: Error of optimize: Table 'd$n.nope' doesn't exist"

migrated mariadb "create table t (a tinyint);\nset sql_mode='';\ninsert into t values (4000),(5000);\ninsert into t select row_count();"
is "mariadb: a statement that asks for the last one's rows gets them" "$code $(db_sql mariadb "d$n" "select group_concat(a order by 1) from t")" '0 2,127,127'
like "mariadb: the warnings are counted then" "$out" '2 more notices'

db_create mariadb quiet
echo "create table q (a int); insert into q values (1); insert into q values (2);" >sql/V9__x.sql
: >"$(servers_get mariadb LOG)"
"$SLUICE" migrate --url "$(db_uri mariadb quiet)" --dir sql >/dev/null
is "mariadb: a statement without warnings costs no trip" "$(grep -ci 'show warnings' "$(servers_get mariadb LOG)")" 0

# ---- what the history table cannot hold -----------------------------------------------------------------

# flyway_table DATABASE TYPE OPTIONS: the history table as somebody made it.
flyway_table() {
    db_sql mariadb "$1" "create table flyway_schema_history (installed_rank int not null primary key, version varchar(50),
        description $2 not null, type varchar(20) not null, script varchar(1000) not null, checksum int,
        installed_by varchar(100) not null, installed_on timestamp not null default current_timestamp,
        execution_time int not null, success bool not null, key (success)) engine=InnoDB $3"
}
held() { # NAME SERVER DATABASE CODE REGEX
    run_expect "$1" "$4" "$5" "$SLUICE" migrate --url "$(db_uri "$2" "$3")" --dir sql
    [ "$4" = 0 ] || is "$1: no statement was run" "$(db_sql "$2" "$3" "select count(*) from information_schema.tables where table_name = 't' and table_schema in ('$3', 'public')")" 0
}
rm -rf sql
mkdir sql
echo 'create table t (a int);' >'sql/V1__größe.sql'
echo 'select 1;' >'sql/V2__大きさ.sql'
db_create mariadb latin
flyway_table latin 'varchar(200)' 'default charset=latin1'
held "mariadb: latin1 does not hold Japanese" mariadb latin 6 \
    'sql/V2__大きさ.sql: its description has characters that .*, latin1, cannot hold: .*convert the table to UTF-8; no statement was run \(InvalidMigration\): '
rm 'sql/V2__大きさ.sql'
held "mariadb: it holds German" mariadb latin 0 ''
is "mariadb: and has it" "$(db_sql mariadb latin "select hex(description) from flyway_schema_history where version='1'")" 6772F6DF65
db_create mariadb three
flyway_table three 'varchar(200)' 'default charset=utf8mb3'
printf 'create table t (a int);' >'sql/V1__a😀.sql'
rm 'sql/V1__größe.sql'
held "mariadb: utf8mb3 does not hold pictures" mariadb three 6 'V1__a😀.sql: its description has characters .*utf8mb3'
rm sql/*
echo 'create table t (a int);' >sql/V1__much_longer_than_that.sql
db_create mariadb narrow
flyway_table narrow 'varchar(20)' 'default charset=utf8mb4'
held "mariadb: a narrow column" mariadb narrow 6 "its description has 21 characters, and the column 'description' of the history table holds 20"
db_sql pg postgres "create database latin template template0 encoding latin1 locale 'C' owner app"
mv sql/V1__much_longer_than_that.sql 'sql/V1__大きさ.sql'
printf -- '-- sluice: transaction=none\ncreate table t (a int);\n' >'sql/V1__大きさ.sql'
held "pg: a latin1 database" pg latin 6 'V1__大きさ.sql: its description has characters that .*, LATIN1, cannot hold: .*convert the database'
mv 'sql/V1__大きさ.sql' 'sql/V1__größe.sql'
held "pg: it holds German" pg latin 0 ''
db_create pg narrow
db_sql pg narrow "create table public.flyway_schema_history (installed_rank int primary key, version varchar(50), description varchar(4) not null,
    type varchar(20) not null, script varchar(1000) not null, checksum int, installed_by varchar(100) not null,
    installed_on timestamp not null default now(), execution_time int not null, success boolean not null);
    alter table public.flyway_schema_history owner to app"
held "pg: a narrow column" pg narrow 6 'its description has 5 characters.*holds 4'

# ---- a local server without TLS ----------------------------------------------------------------------------

db_create pg bare
db_create mariadb bare
rm -rf sql
mkdir sql
echo 'create table t (a int);' >sql/V1__t.sql
for server in pg mariadb; do
    url=$(db_uri $server bare plain)
    mode=${url##*\?}
    run_expect "$server: no TLS, and what to add" 5 \
        "the server offers no TLS: add \\?$mode to the URL \(plan: tls.mode: disable\) if the network is trusted \(TLSVerificationFailed\)" \
        "$SLUICE" migrate --url "${url%%\?*}" --dir sql
    run_expect "$server: with that it works" 0 '' "$SLUICE" migrate --url "${url%%\?*}?$mode" --dir sql
done

# ---- where other people read it -----------------------------------------------------------------------

git_http_start
repo_new shop
shop=$SERVERS_DIR/shop
plan_databases='orders billing'
db_create pg orders
db_create mariadb billing
plan_begin plans
plan_secret orders-db "$(db_uri pg orders)"
plan_secret billing-db "$(db_uri mariadb billing)"
mkdir -p "$shop/sql/orders" "$shop/sql/billing"
echo "do \$\$ begin raise warning 'customers without mail, the first is %', 'CANARY-N'; end \$\$;" >"$shop/sql/orders/V1__w.sql"
echo "select 'CANARY-A'::int from pg_class;" >"$shop/sql/orders/V2__x.sql"
printf "create table t (a int);\nselect 1 frm t where x = 'CANARY-B\\\\'s';\n" >"$shop/sql/billing/V1__x.sql"
plan_commit "$shop" first
plan_write shop shop
sed -i 's/type: Canary/type: AllAtOnce/; /waves:/,$d' "$PLANS/shop.yaml"
controller_start
ended() { [ "$(grep -c '"outcome":"Failed"' "$PLANS.log" "$PLANS"/.sluice/jobs/*/result.json | awk -F: '{ n += $2 } END { print n }')" -ge 2 ]; }
settled() { [[ $(plan_condition shop Ready) == 'False MigrationFailed' ]] && ended; }
wait_for "both databases fail" 90 settled
everything() {
    "$SLUICE" get shop --standalone "$PLANS" -o json
    "$SLUICE" describe shop --standalone "$PLANS"
    cat "$PLANS.log"
    find "$PLANS/.sluice" \( -name log -o -name '*.json' \) ! -name manifest.json -exec cat {} +
    db_sql pg orders "select message from sluice_journal"
    db_sql mariadb billing "select message from sluice_journal"
}
everything >all.txt
unlike "a plan: no value in status, logs, results and journals" "$(cat all.txt)" 'CANARY'
like "a plan: what happened is there" "$(cat all.txt)" '22P02 invalid input syntax for type integer: \\"…\\"; rolled back: nothing of V2 remains'
like "a plan: what stays, too" "$(cat all.txt)" 'statement 1 of V1 is done and stays, nothing of statement 2 remains'
like "a plan: a warning reaches the Job's log" "$(cat all.txt)" 'WARNING: customers without mail, the first is …'
like "a plan: and its result" "$(cat all.txt)" '"notices":\{"count":1,"first":"V1__w.sql:1|"notices":\{"count":1,"first":"sql'
sed -i 's/^  interval: 5s/  execution: {showValues: true}\n  interval: 5s/' "$PLANS/shop.yaml"
read_again() { "$SLUICE" get shop --standalone "$PLANS" -o json | grep -q '"observedGeneration": 2'; }
within 30 read_again || flunk "the new spec is read"
"$SLUICE" retry plan/shop --standalone "$PLANS" >/dev/null
shown() { everything >all.txt; grep -q 'CANARY-A' all.txt; }
wait_for "showValues: the values are shown" 60 shown
controller_stop
done_testing
