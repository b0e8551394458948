#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: a connection is lost at a statement that only its object can tell about. Then the world goes on, and the
# next run must conclude rightly: only "as the statement makes it" is done, only "as before" is not done, and only
# where the effect must show.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/relay.sh"

mariadb_start mariadb event_scheduler=ON

q() { db_sql mariadb "$db" "$1"; }
number=0

# lost HOW PATTERN SETUP FILE: the statement with PATTERN never arrives ("request"), or its answer does not ("reply").
lost() {
    number=$((number + 1))
    db=recovery$number
    db_create mariadb $db
    [ -z "$3" ] || q "${3//THIS/$db}"
    rm -rf sql
    mkdir sql
    printf '%s\n' "${4//THIS/$db}" >sql/V2__file.sql
    relay_start "$SLUICE_TEST_MARIADB_SOCKET" "$2" 1 "$1"
    "$SLUICE" migrate --url "mariadb://app@127.0.0.1:$relay_port/$db?ssl-mode=DISABLED" --dir sql --lock-wait 20s \
        --baseline-on-migrate >out 2>err </dev/null && { cat out err; return 1; }
    relay_stop
    relay_cut || { cat out err; return 1; }
}
again() { "$SLUICE" migrate --url "$(db_uri mariadb "$db")" --dir sql --lock-wait 20s "$@"; }
clean() { # nothing of ours has stayed
    is "$1: nothing of ours has stayed" "$(q "select concat(
        (select count(*) from information_schema.tables where table_name like 'sluice\_________\\_%'),
        (select count(*) from information_schema.routines where routine_name like 'sluice%'))")" 00
}
# recovers NAME HOW PATTERN SETUP FILE BETWEEN WANT [QUERY ANSWER]: WANT is done or unknown. THIS is the database.
recovers() {
    local name=$1 want=$7
    lost "$2" "$3" "$4" "$5" || { flunk "$name: the connection is lost" "$(cat out err)"; return 0; }
    [ -z "$6" ] || q "$6"
    case $want in
    done) run_expect "$name: goes on" 0 '' again ;;
    unknown) run_expect "$name: a person is asked, and told how" 8 \
        'an attempt was interrupted inside it.*find out whether it took effect; if so: .sluice resolve --url.*\(OutcomeUnknown\)' again ;;
    esac
    [ -z "${8:-}" ] || is "$name: and is right" "$(q "$8")" "$9"
    clean "$name"
}
columns() { printf "select group_concat(column_name order by ordinal_position) from information_schema.columns where table_schema = database() and table_name = '%s'" "$1"; }
t='create table t (id int primary key, a int, b int, v varchar(20))'

# ---- the answer was lost: done, and not a second time -------------------------------------------------

recovers "CREATE TABLE" reply 'create table n' "$t" "create table n (id int, k int references t (id), foreign key (k) references t (id));" '' done "$(columns n)" id,k
recovers "CREATE TABLE with its schema" reply 'create table' "$t" 'create table THIS.n (id int primary key, x text);' '' done "$(columns n)" id,x
recovers "CREATE TABLE LIKE" reply 'create table n' "$t" 'create table n like t;' '' done "$(columns n)" id,a,b,v
recovers "CREATE TABLE AS SELECT" reply 'create table n' "$t; insert into t (id) values (1)" $'create table n (z int) as select id, a from t where id > 0 union select 2, 2 -- end\n;' '' done 'select group_concat(id) from n' 1,2
recovers "ALTER TABLE" reply 'alter table t' "$t" 'alter table t add column c int, modify v varchar(40), drop column b;' '' done "$(columns t)" id,a,v,c
recovers "ALTER TABLE that drops a named constraint" reply 'alter table t' \
    "create table p (id int primary key); create table t (id int primary key, a int, constraint c_a check (a > 0), constraint fk_a foreign key (a) references p (id))" \
    'alter table t drop constraint c_a, drop foreign key fk_a, add constraint `fk_b` foreign key (id) references p (id);' '' done
recovers "a table that refers to itself, with names and a comment" reply 'create table n' '' \
    "create table n (id int primary key, up int, constraint n_up foreign key (up) references n (id), constraint `n ``c` check (up <> id)) comment 'constraint n_up';" '' done
recovers "ALTER TABLE of one with children and parents" reply 'alter table t' \
    "create table p (id int primary key); create table t (id int primary key, a int, b int, v varchar(20), foreign key (a) references p (id)); create table k (i int, foreign key (i) references t (id))" \
    'alter table t add foreign key (b) references p (id), add column c int;' '' done "$(columns t)" id,a,b,v,c 
recovers "ALTER TABLE RENAME" reply 'alter table t' "$t" 'alter table t add column c int, rename to u;' '' done "$(columns u)" id,a,b,v,c
recovers "RENAME TABLE" reply 'rename table' "$t; create table s (id int)" 'rename table t to u, s to w;' '' done "$(columns u)" id,a,b,v
recovers "CREATE INDEX" reply 'create index' "$t" 'create index i on t (a, b);' '' done \
    "select count(*) from information_schema.statistics where table_schema = database() and index_name = 'i'" 2
recovers "DROP INDEX" reply 'drop index' "$t; create index i on t (a)" 'drop index i on t;' '' done \
    "select count(*) from information_schema.statistics where table_schema = database() and index_name = 'i'" 0
recovers "DROP TABLE" reply 'drop table' "$t" 'drop table t;' '' done "select count(*) from information_schema.tables where table_name = 't' and table_schema = database()" 0
recovers "CREATE VIEW" reply 'create view' "$t" 'create view v as select id, a from t where a > 1 with check option;' '' done "$(columns v)" id,a
recovers "CREATE PROCEDURE" reply 'create procedure' "$t" $'create procedure p(x int) comment \'c\'\nbegin\n  update t set a = x;\nend;' '' done
recovers "CREATE FUNCTION" reply 'create function' "$t" 'create function f(x int) returns int deterministic return x + 1;' '' done 'select f(1)' 2
recovers "CREATE TRIGGER" reply 'create trigger' "$t" "create trigger g before insert on t for each row set new.a = 1;" '' done
recovers "CREATE SEQUENCE" reply 'create sequence' '' 'create sequence q start with 5 increment by 2;' '' done 'select nextval(q)' 5
recovers "under a SET and a USE of the file" reply 'alter table' "$t" $'set sql_mode=\'\', time_zone=\'+05:00\';\nuse THIS;\nalter table t add column d timestamp not null default \'2020-01-01 00:00:00\', add column z date not null default \'0000-00-00\';' '' done "$(columns t)" id,a,b,v,d,z
db_sql mariadb mysql 'grant create on recovery_other.* to app@localhost'
recovers "CREATE DATABASE, which has no copy" reply 'create database' '' 'create database recovery_other character set latin1;' '' unknown \
    "select default_character_set_name from information_schema.schemata where schema_name = 'recovery_other'" latin1

# ---- it never arrived: run again ------------------------------------------------------------------------

recovers "ALTER TABLE that never arrived" request 'alter table t' "$t" 'alter table t add column c int;' '' done "$(columns t)" id,a,b,v,c
db_sql mariadb mysql "create database recovery_else; grant all on recovery_else.* to app@localhost, app@'127.0.0.1'"
recovers "ALTER VIEW that never arrived, from another schema" request 'alter view' "$t; create definer=app@localhost view w as select id from t" \
    $'use recovery_else;\nalter view THIS.w as select id, a from THIS.t;' '' done "$(columns w)" id,a
recovers "the server's time zone is another one since" request 'alter table t' \
    "create table t (id int, ts timestamp not null default '2020-01-01 00:00:00')" \
    'alter table t add column c int;' "set global time_zone = '+03:00'" done "$(columns t)" id,ts,c
q "set global time_zone = 'SYSTEM'"
recovers "a file's time zone" request 'alter table t' \
    "create table t (id int, ts timestamp not null default '2020-01-01 00:00:00')" \
    $'set time_zone = \'-07:00\';\nalter table t add column c int;' '' done "$(columns t)" id,ts,c

recovers "the server quotes no names since" request 'alter table t' "$t" 'alter table t add column c int;' \
    'set global sql_quote_show_create = 0' done "$(columns t)" id,a,b,v,c
q 'set global sql_quote_show_create = 1'
recovers "a file without quotes" request 'alter table t' "$t" $'set sql_quote_show_create = 0;\nalter table t add column c int;' '' done "$(columns t)" id,a,b,v,c
recovers "a file with other quotes" reply 'alter table t' "$t" $'set sql_mode = \'ANSI_QUOTES\';\nalter table t add column "c" int;' '' done "$(columns t)" id,a,b,v,c
recovers "the server has other quotes since" request 'alter table t' "$t" 'alter table t add column c int;' \
    "set global sql_mode = concat(@@global.sql_mode, ',ANSI_QUOTES')" done "$(columns t)" id,a,b,v,c
q 'set global sql_mode = default'

# ---- other than before, but not as the statement makes it -------------------------------------------------

recovers "somebody else's column" request 'alter table t' "$t" 'alter table t add column c int;' 'alter table t add column d int' unknown "$(columns t)" id,a,b,v,d
recovers "somebody else's index" request 'create index' "$t" 'create index i on t (a);' 'create index j on t (b)' unknown
recovers "an index of that name with other columns" request 'create index' "$t" 'create index i on t (a);' 'create index i on t (b)' unknown
recovers "somebody else's table of that name" request 'create table n' '' 'create table n (id int primary key);' 'create table n (id varchar(20))' unknown "$(columns n)" id
recovers "the same table, made by somebody else" request 'create table n' '' 'create table n (id int primary key);' 'create table n (id int primary key)' done
recovers "somebody else's view" request 'create view' "$t" 'create view v as select id from t;' 'create view v as select a from t' unknown
recovers "somebody else's procedure" request 'create procedure' "$t" 'create procedure p() update t set a = 1;' 'create procedure p() update t set a = 2' unknown
recovers "somebody else's trigger" request 'create trigger' "$t" 'create trigger g before insert on t for each row set new.a = 1;' 'create trigger g before insert on t for each row set new.a = 2' unknown
recovers "renamed, to a table of another definition" request 'rename table' "$t" 'rename table t to u;' 'drop table t; create table u (id int)' unknown
recovers "a table that a query fills, without transactions" reply 'create table n' "$t; insert into t (id) values (1)" 'create table n engine=Aria as select id, a from t;' '' unknown
recovers "a table of an engine that leads elsewhere" reply 'create table n' "$t" 'create table n (id int) engine=MERGE union=(); ' '' unknown
recovers "a table that a query with a LIMIT fills" reply 'create table n' "$t" 'create table n as select id, a from t limit 5;' '' unknown
recovers "a partition that an event has added" request 'alter table t' \
    "create table t (id int, a int) partition by range (id) (partition p0 values less than (10))" 'alter table t add column c int;' \
    'alter table t add partition (partition p1 values less than (20))' unknown "$(columns t)" id,a
recovers "an event" reply 'create event' "$t" 'create event e on schedule every 1 day do delete from t;' '' unknown

# ---- views, and the schema in which their names are looked up ------------------------------------------------

db_sql mariadb mysql "create database recovery_views; grant all on recovery_views.* to app@localhost, app@'127.0.0.1'"
other() { # the setup of a case: a table t in both schemas, with different columns
    printf '%s; drop view if exists recovery_views.v, recovery_views.w; create or replace table recovery_views.t (id int, x int); %s' "$t" "${1:-}"
}
in_other() { columns "$1" | sed "s/table_schema = database()/table_schema = 'recovery_views'/"; }
over() { printf "select view_definition regexp '%s' from information_schema.views where table_schema = '%s' and table_name = 'v'" "$1" "$2"; }
drop_f='drop function if exists recovery_views.f; create function recovery_views.f(i int) returns int deterministic return i'
for how in reply request; do
    recovers "CREATE VIEW below USE, names without schema ($how)" $how 'create view' "$(other)" \
        $'use recovery_views;\ncreate view v as select id, x from t where x > 1;' '' done "$(in_other v)" id,x
    recovers "a view of another schema, names of this one ($how)" $how 'create view' "$(other)" \
        'create view recovery_views.v as select t.id, t.a from t join t as u on t.id = u.id;' '' done "$(in_other v)" id,a
    recovers "a view of this schema below USE of another ($how)" $how 'create view' "$(other)" \
        $'use recovery_views;\ncreate view THIS.v as select t.x, s.a from t join THIS.t as s;' '' done "$(columns v)" x,a
    recovers "a view that calls a function without schema ($how)" $how 'create view' "$(other "$drop_f")" \
        $'use recovery_views;\ncreate view v as select f(x) as y from t;' '' done "$(in_other v)" y
    recovers "a view of a view ($how)" $how 'create view v' "$(other 'create definer=app@localhost view recovery_views.w as select x from recovery_views.t')" \
        $'use recovery_views;\ncreate view v as select x as y from w;' '' done "$(in_other v)" y
    recovers "DROP VIEW below USE ($how)" $how 'drop view' "$(other 'create definer=app@localhost view recovery_views.v as select x from recovery_views.t; create view v as select a from t')" \
        $'use recovery_views;\ndrop view v;' '' done "$(columns v | sed 's/^/select concat(coalesce((/; s/$/), 0), (select count(*) from information_schema.views where table_schema = "recovery_views" and table_name = "v"))/')" a0
    recovers "ALTER VIEW below USE ($how)" $how 'alter view' "$(other 'create definer=app@localhost view recovery_views.v as select x from recovery_views.t')" \
        $'use recovery_views;\nalter view v as select id, x from t;' '' done "$(in_other v)" id,x
    recovers "CREATE OR REPLACE VIEW below USE ($how)" $how 'create or replace view' "$(other 'create definer=app@localhost view recovery_views.v as select x from recovery_views.t')" \
        $'use recovery_views;\ncreate or replace view v as select id, x from t;' '' done "$(in_other v)" id,x
done
rename=$'use recovery_views;\nrename table v to w;'
v='create definer=app@localhost view recovery_views.v as select x from recovery_views.t'
recovers "RENAME of a view that never arrived, below USE" request 'rename table' "$(other "$v")" "$rename" '' done "$(in_other w)" x
recovers "RENAME of a view" reply 'rename table' "$(other "$v")" "$rename" '' unknown "$(in_other w)" x
recovers "somebody else's view below USE, over the table of the other schema" request 'create view' "$(other)" \
    $'use recovery_views;\ncreate view v as select id from t;' "create definer=app@localhost view recovery_views.v as select id from t" unknown "$(over recovery[0-9]+ recovery_views)" 1
recovers "and of this one, over that of the other" request 'create view' "$(other)" \
    'create view v as select id from t;' "create definer=app@localhost view v as select id from recovery_views.t" unknown
recovers "the same view, its names written out" request 'create view' "$(other)" \
    $'use recovery_views;\ncreate view v as select id from t;' "create definer=app@localhost view recovery_views.v as select recovery_views.t.id from recovery_views.t" done
recovers "the same view under another definer" request 'create view' "$(other)" \
    $'use recovery_views;\ncreate view v as select id from t;' "create view recovery_views.v as select id from recovery_views.t" unknown

# ---- as before, but that says nothing -----------------------------------------------------------------------

recovers "DROP and ADD of one column" reply 'alter table t' "$t; insert into t values (1, 2, 3, 'x')" \
    'alter table t drop column b, add column b int after a;' 'update t set b = 7' unknown 'select b from t' 7
recovers "two columns that swap their names" reply 'alter table t' "$t; insert into t values (1, 2, 3, 'x')" \
    'alter table t change a b int, change b a int;' '' unknown 'select concat(a, b) from t' 32
recovers "the same by RENAME COLUMN" reply 'alter table t' "$t; insert into t values (1, 2, 3, 'x')" \
    'alter table t rename column a to b, rename column b to a;' '' unknown 'select concat(a, b) from t' 32
recovers "columns in a list" reply 'alter table t' "$t; insert into t values (1, 2, 3, 'x')" \
    'alter table t drop v, add (w int, V varchar(20));' 'update t set v = 7' unknown 'select v from t' 7
recovers "an event that runs once" reply 'create event' "$t" \
    "create event e on schedule at current_timestamp do insert into t (id) values (1);" '' unknown
recovers "a column that keeps its name" request 'alter table t' "$t" 'alter table t change a a bigint, drop column b;' '' done "$(columns t)" id,a,v

# ---- what is wrong in the row -------------------------------------------------------------------------------

lost reply 'alter table t' "$t" 'alter table t add column c int;' || true
q "update sluice_journal set post_state = replace(post_state, 'varchar(20)', 'varchar(30)') where state = 'intent'"
run_expect "a definition that was changed in the journal is not believed" 8 'the definition from before is not known' again
lost reply 'alter table t' "$t" 'alter table t add column c int;' || true
q "update sluice_journal set post_state = NULL where state = 'intent'"
run_expect "nor is there one in a row of an earlier version" 8 'the definition from before is not known' again
is "the journal forgets it once the step is closed" "$(db=recovery4 q "select count(*) from sluice_journal where post_state like '%definition%'")" 0

done_testing
