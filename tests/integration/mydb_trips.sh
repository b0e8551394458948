#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: a file costs as many statements as it must, and the record that goes along with the next
# transaction's begin stands when that one cannot begin.
# timeout: 120
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb log

number=0
fresh() { # a database with one applied file, and our tables
    number=$((number + 1))
    db=trips$number
    db_create mariadb $db
    url=$(db_uri mariadb $db)
    rm -rf sql
    mkdir sql
    echo 'create table a (v int);' >sql/V1__a.sql
    migrate >/dev/null
}
q() { db_sql mariadb "$db" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
history() { q "select group_concat(version order by installed_rank) from flyway_schema_history where success"; }

# ---- how many ------------------------------------------------------------------------------------

fresh
file=1
add() { # KIND…: as the next files
    local kind
    for kind in "$@"; do
        file=$((file + 1))
        case $kind in
        ddl) echo "create table t$file (v int);" ;;
        data) echo "insert into a values ($file);" ;;
        both) printf 'create table t%d (v int);\ninsert into a values (%d);\n' $file $file ;;
        esac >"sql/V${file}__$kind.sql"
    done
}
# trips KIND…: $trips = statements of a run that applies such files.
trips() {
    add "$@"
    : >"$SLUICE_TEST_MARIADB_LOG"
    migrate >/dev/null
    trips=$(grep -c ' Query	' "$SLUICE_TEST_MARIADB_LOG")
}
# costs NAME WHAT LESS WANT: a run of WHAT has WANT statements more than one of LESS
costs() {
    local less
    # shellcheck disable=SC2086
    trips $3
    less=$trips
    # shellcheck disable=SC2086
    trips $2
    is "$1" $((trips - less)) "$4"
}
costs "DDL after DDL: definition, record, statement" 'ddl ddl' ddl 3
costs "data after data: begin, statement, record" 'data data' data 3
costs "data after DDL: the record of the DDL begins the transaction, too" 'ddl data' ddl 3
costs "DDL and data in one file: likewise" both ddl 3
trips ddl ddl
is "the server is asked once who it is" "$(grep -c '@@server_uid' "$SLUICE_TEST_MARIADB_LOG")" 1
is "the rows of a file's end and of the next one's begin are one INSERT" \
    "$(grep -c 'INSERT INTO.*sluice_journal.*INSERT INTO.*sluice_journal' "$SLUICE_TEST_MARIADB_LOG" || true)" 0
is "and all of them are there" "$(q "select count(*) from sluice_journal where state = 'done' and step = 0")" $file

# ---- the transaction behind a record cannot begin ------------------------------------------------

fresh
# As if another runner had taken over between the two.
q "create trigger taken after insert on flyway_schema_history for each row
    update sluice_lease set epoch = epoch + 1, nonce = 'another' where new.version = '2'"
echo 'create table b (v int);' >sql/V2__b.sql
echo 'insert into a values (3);' >sql/V3__data.sql
run_expect "taken over behind the record: stops" 7 '' migrate --output json
like "and says so" "$run_stdout" 'fenced at epoch'
is "the file that is recorded counts" "$(sed -n 's/.*"count": \([0-9]*\).*/\1/p' <<<"$run_stdout")" 1
is "it is in the history, the one behind it is not" "$(history)" 1,2
is "and has had no effect" "$(q 'select count(*) from a')" 0
q 'drop trigger taken'
run_expect "the next run goes on there" 0 '' migrate
is "once" "$(history) $(q 'select count(*) from a')" '1,2,3 1'

fresh
# The record takes a second, in which a rival queues for the lease; it gets it between the two, and keeps it.
q "create trigger slow after insert on flyway_schema_history for each row do if(new.version = '2', sleep(1.5), 0)"
echo 'create table b (v int);' >sql/V2__b.sql
echo 'insert into a values (3);' >sql/V3__data.sql
migrate >out 2>err </dev/null &
runner=$!
recording() { [ -n "$(q "select 1 from information_schema.processlist where db = '$db' and state = 'User sleep'")" ]; }
wait_for "the record is being written" 20 recording
q "begin; select epoch from sluice_lease for update; do sleep(4); rollback" >/dev/null &
rival=$!
code=0
wait $runner || code=$?
is "a rival holds the lease behind the record: stops, and repeats nothing" "$code $(grep -c 'fenced' err || true) $(grep -c 1205 err || true)" '2 0 1'
is "the record stands" "$(history)" 1,2
wait $rival
q 'drop trigger slow'
run_expect "the next run goes on there, too" 0 '' migrate
is "each once" "$(history) $(q 'select count(*) from a')" '1,2,3 1'
done_testing
