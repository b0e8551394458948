#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real Flyway as the judge: it accepts what Sluice migrated and finds nothing to do, its own history of
# the same tree is equal row for row, Sluice takes over what it migrated, and the two keep each other out.
# timeout: 1500
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/flyway.sh"

flyway_need

# ---- trees: both engines read all of them; `pg_` and `mariadb_` ones are of one engine --------------

tree_plain() {
    echo 'create table a (id int);' >V1__a.sql
    echo 'create table b (id int);' >V2__b.sql
}
tree_versions() {
    echo 'create table a1 (id int);' >V1_0_1__under_scores.sql
    echo 'create table a2 (id int);' >V1.2__dots.sql
    echo 'create table a3 (id int);' >V001.10__leading_zeros.sql
    echo 'create table a4 (id int);' >V20261122103000__timestamp.sql
}
tree_big_version() { echo 'create table a (id int);' >V202611220330001234567890123456789__big.sql; }
tree_descriptions() {
    echo 'create table a (id int);' >V1.sql
    echo 'create table b (id int);' >V2__.sql
    echo 'create table c (id int);' >"V3__with blank and-dash.sql"
    echo 'create table d (id int);' >V4__two__separators_here.sql
}
tree_suffix_case() { echo 'create table a (id int);' >V1__up.SQL; }
tree_folders() {
    mkdir -p deep/er
    echo 'create table a (id int);' >deep/V2__b.sql
    echo 'create table b (id int);' >deep/er/V1__a.sql
    echo 'not a migration' >README.md
}
tree_empty_file() {
    : >V1__empty.sql
    printf '\n\n' >V2__newlines.sql
    echo '-- only a comment' >V3__comment.sql
    echo 'create table a (id int);' >V4__a.sql
}
tree_line_ends() {
    printf 'create table a (id int);\r\ncreate table b (id int);\r\n' >V1__crlf.sql
    printf '\xef\xbb\xbfcreate table c (id int);\n' >V2__bom.sql
    printf 'create table d\n(id int)' >V3__no_end.sql
}
tree_unicode() {
    printf 'create table a (name varchar(50));\ninsert into a values (%s);\n' "'žluťoučký kůň € 🚀'" >V1__unicode.sql
    echo 'create table b (id int);' >V2__příliš.sql
}
tree_long_description() {
    echo 'create table a (id int);' >"V1__$(printf 'x%.0s' {1..210}).sql"
}
tree_repeatables() {
    echo 'create table t (id int);' >V1__t.sql
    echo 'insert into t values (1);' >R__b_second.sql
    echo 'insert into t values (2);' >R__a_first.sql
    echo 'insert into t values (3);' >R__Z.sql
}
tree_placeholders() {
    # shellcheck disable=SC2016
    printf 'create table ${name}_t (id int);\n-- ${flyway:table} ${NAME}\n' >V1__p.sql
    # shellcheck disable=SC2016
    echo 'insert into ${name}_t values (${number});' >R__p.sql
}
tree_many_statements() {
    {
        echo 'create table t (id int, name varchar(50));'
        for i in $(seq 1 60); do echo "insert into t values ($i, 'it''s; number $i'); /* a; b */ -- c;"; done
    } >V1__many.sql
}
tree_forty_files() { for i in $(seq 1 40); do echo "create table t$i (id int);" >"V${i}__t$i.sql"; done; }
tree_baseline_file() {
    echo 'create table old (id int);' >V1__old.sql
    echo 'create table old (id int); create table newer (id int);' >B3__base.sql
    echo 'create table newer (id int);' >V3__newer.sql
    echo 'create table newest (id int);' >V4__newest.sql
}
tree_quotes() {
    printf "create table t (v varchar(100));\ninsert into t values ('a;b'), ('--'), ('/* x'), ('''');\n" >V1__q.sql
}
tree_pg_functions() {
    cat >V1__f.sql <<'SQL'
create function f() returns int language plpgsql as $$ begin return 1; end $$;
create function g() returns text language sql as $body$ select 'a;b' $body$;
create procedure p() language sql begin atomic select 1; select case when true then 2 end; end;
SQL
}
tree_pg_copy() {
    printf 'create table t (id int, name text);\nCOPY t FROM STDIN;\n1\tone\n2\ttwo; and a half\n\\.\ninsert into t values (3);\n' >V1__c.sql
}
tree_pg_types() {
    printf "create type mood as enum ('a', 'b');\ncreate view v as select 1 as one;\ncreate sequence s;\n" >V1__x.sql
    printf 'create table p (id int, d date) partition by range (d);\ncreate table p1 partition of p for values from (%s) to (%s);\n' "'2026-01-01'" "'2027-01-01'" >V2__p.sql
}
tree_pg_savepoint() { printf 'create table t (id int);\nsavepoint s;\ninsert into t values (1);\nrollback to s;\n' >V1__s.sql; }
tree_pg_vacuum() {
    echo 'create table t (id int);' >V1__t.sql
    echo 'vacuum t;' >V2__v.sql
}
tree_mariadb_delimiter() {
    cat >V1__d.sql <<'SQL'
delimiter //
create procedure p() begin select 1; select 2; end//
delimiter ;
create table t (id int);
create trigger tr before insert on t for each row begin set new.id = 1; end;
SQL
}
tree_mariadb_dump() {
    cat >V1__dump.sql <<'SQL'
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE TABLE `t` (`id` int NOT NULL AUTO_INCREMENT, `v` varchar(10) DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB;
INSERT INTO `t` VALUES (1,'a'),(2,'b\'c');
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
# a comment of MySQL's own; with a semicolon
SQL
}
tree_mariadb_alter() {
    printf 'create table t (id int, a int);\nalter table t add column b int, drop column a;\ncreate index t_b on t (b);\nrename table t to u;\ndrop table u;\n' >V1__a.sql
}

# ---- comparing ----------------------------------------------------------------------------------------

options=(-placeholders.name=shop -placeholders.number=7)
sluice_options=(--placeholder name=shop --placeholder number=7)
columns='installed_rank, version, description, type, script, checksum, installed_by, success'

history() { db_sql "$1" "$2" "select $columns from flyway_schema_history order by installed_rank"; }

compare() {
    local server=$1 tree=$2 dir flyway_db sluice_db
    dir=$PWD/trees/$server.$tree
    flyway_db=f_$tree sluice_db=s_$tree
    rm -rf "$dir" && mkdir -p "$dir"
    (cd "$dir" && "tree_$tree")
    db_create "$server" "$flyway_db"
    db_create "$server" "$sluice_db"
    flyway "$server" "$flyway_db" "$dir" "${options[@]}" migrate >"$dir.flyway" 2>&1 || {
        flunk "$server $tree: Flyway itself migrates it" "$(tail -n 20 "$dir.flyway")"
        return
    }
    "$SLUICE" migrate --url "$(db_uri "$server" "$sluice_db" plain)" --dir "$dir" "${sluice_options[@]}" >"$dir.sluice" 2>&1 || {
        flunk "$server $tree: Sluice migrates it" "$(tail -n 20 "$dir.sluice")"
        return
    }
    is "$server $tree: the two histories are equal row for row" "$(history "$server" "$sluice_db")" "$(history "$server" "$flyway_db")"
    ok "$server $tree: Flyway validates what Sluice migrated" \
        flyway "$server" "$sluice_db" "$dir" "${options[@]}" validate migrate
    flyway_idle "$server $tree: and finds nothing to do" "$server" "$sluice_db" "$dir"
    run_expect "$server $tree: Sluice takes over what Flyway migrated" 0 '' \
        "$SLUICE" migrate --url "$(db_uri "$server" "$flyway_db" plain)" --dir "$dir" "${sluice_options[@]}"
    like "$server $tree: and finds nothing to do, too" "$run_stdout" 'nothing to do'
}

# Its history did not grow by the `migrate` above.
flyway_idle() {
    local rows
    rows=$(db_sql "$2" "$3" 'select count(*) from flyway_schema_history')
    is "$1" "$rows" "$(db_sql "$2" "${3/#s_/f_}" 'select count(*) from flyway_schema_history')"
}

pg_start pg plain
mariadb_start mariadb plain
mkdir trees
common='plain versions big_version descriptions suffix_case folders empty_file line_ends unicode
    long_description repeatables placeholders many_statements forty_files baseline_file quotes'
for tree in $common pg_functions pg_copy pg_types pg_savepoint pg_vacuum; do compare pg "$tree"; done
for tree in $common mariadb_delimiter mariadb_dump mariadb_alter; do compare mariadb "$tree"; done

# ---- going on where the other stopped -------------------------------------------------------------------

for server in pg mariadb; do
    db_create $server relay
    rm -rf relay && mkdir relay
    url=$(db_uri $server relay plain)
    echo 'create table a (id int);' >relay/V1__a.sql
    ok "$server: Flyway does the first" flyway $server relay "$PWD/relay" migrate
    echo 'create table b (id int);' >relay/V2__b.sql
    run_expect "$server: Sluice the second" 0 '' "$SLUICE" migrate --url "$url" --dir relay
    echo 'create table c (id int);' >relay/V3__c.sql
    ok "$server: Flyway the third" flyway $server relay "$PWD/relay" migrate
    echo 'create table d (id int);' >relay/V4__d.sql
    run_expect "$server: Sluice the fourth" 0 '' "$SLUICE" migrate --url "$url" --dir relay
    is "$server: one history of the four" \
        "$(db_sql $server relay 'select installed_rank, version from flyway_schema_history order by 1' | tr '\t\n' '| ')" '1|1 2|2 3|3 4|4 '

    db_create $server based
    rm -rf based && mkdir based
    echo 'create table existing (id int);' >based/V1__existing.sql
    echo 'create table newer (id int);' >based/V2__after.sql
    db_sql $server based 'create table existing (id int)'
    run_expect "$server: a baseline by Sluice" 0 '' \
        "$SLUICE" migrate --url "$(db_uri $server based plain)" --dir based --baseline-on-migrate
    ok "$server: which Flyway accepts" flyway $server based "$PWD/based" validate migrate
    is "$server: two rows, the first a baseline" \
        "$(db_sql $server based 'select type from flyway_schema_history order by installed_rank' | tr '\n' ' ')" 'BASELINE SQL '
done

# ---- the lock ---------------------------------------------------------------------------------------------

for server in pg mariadb; do
    db_create $server locked
    url=$(db_uri $server locked plain)
    rm -rf slow && mkdir slow
    echo 'create table first (id int);' >slow/V1__first.sql
    run_expect "$server: a table to begin with" 0 '' "$SLUICE" migrate --url "$url" --dir slow
    if [ $server = pg ]; then echo 'select pg_sleep(6);' >slow/V2__slow.sql; else echo 'do sleep(6);' >slow/V2__slow.sql; fi
    echo '-- sluice: idempotent=true' | cat - slow/V2__slow.sql >slow/x && mv slow/x slow/V2__slow.sql
    sleeping() {
        [ "$(if [ $server = pg ]; then
            db_sql pg locked "select count(*) from pg_stat_activity where query like '%pg_sleep(6)%' and state = 'active' and pid <> pg_backend_pid()"
        else
            db_sql mariadb locked "select count(*) from information_schema.processlist where info like '%sleep(6)%' and id <> connection_id()"
        fi)" -gt 0 ]
    }
    flyway $server locked "$PWD/slow" migrate >flyway.out 2>&1 &
    holder=$!
    wait_for "$server: Flyway is at work" 20 sleeping
    run_expect "$server: Sluice waits for Flyway, then says that it is busy" 7 '\(DatabaseBusy\)' \
        "$SLUICE" migrate --url "$url" --dir slow --lock-wait 500ms
    code=0; wait $holder || code=$?
    is "$server: Flyway was not disturbed" $code 0
    sed 's/6/5.5/' slow/V2__slow.sql >slow/V3__slow.sql
    sleeping_ours() {
        [ "$(if [ $server = pg ]; then
            db_sql pg locked "select count(*) from pg_stat_activity where query like '%pg_sleep(5.5)%' and state = 'active' and pid <> pg_backend_pid()"
        else
            db_sql mariadb locked "select count(*) from information_schema.processlist where info like '%sleep(5.5)%' and id <> connection_id()"
        fi)" -gt 0 ]
    }
    "$SLUICE" migrate --url "$url" --dir slow >sluice.out 2>&1 &
    holder=$!
    wait_for "$server: Sluice is at work" 20 sleeping_ours
    if flyway $server locked "$PWD/slow" -lockRetryCount=0 migrate >flyway.out 2>&1; then
        # MariaDB: Flyway waits for its lock for ever; then it must have found nothing left to do.
        is "$server: Flyway waited for Sluice" "$(db_sql $server locked "select count(*) from flyway_schema_history where version = '3'")" 1
    else
        like "$server: Flyway gives up on Sluice's lock" "$(cat flyway.out)" '[Ll]ock'
    fi
    code=0; wait $holder || code=$?
    is "$server: Sluice was not disturbed" $code 0
done
done_testing
