#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL: a statement that ends its own session. Somebody else's pg_terminate_backend() is met once and tried again;
# what ends at the same statement each time, on a server that is up, is the file's failure.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg
number=0
fresh() {
    number=$((number + 1))
    database=ended$number
    db_create pg $database
    url=$(db_uri pg $database)
    rm -rf sql
    mkdir sql
    echo 'create table t (id int);' >sql/V1__t.sql
    "$SLUICE" migrate --url "$url" --dir sql >/dev/null
}
ask() { db_sql pg "$database" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
failed() { ask "select count(*) from sluice_journal where state = 'failed'"; }
sleeping() { [ "$(ask "select count(*) from pg_stat_activity where datname = '$database' and wait_event = 'PgSleep'")" = 1 ]; }

# ends_itself NAME STATEMENT: the second of the file
ends_itself() {
    fresh
    printf '%sinsert into t values (1);\n%s;\n' "${head:-}" "$2" >sql/V2__end.sql
    for try in 1 2; do
        run_expect "$1: attempt $try is tried again" 9 'V2__end.sql:[23]:[0-9]*: statement 2: 57P01 .*DatabaseUnavailable' migrate
    done
    is "$1: no failure yet" "$(failed)" 0
    run_expect "$1: info takes it for a file that waits" 0 '' "$SLUICE" info --url "$url" --dir sql
    run_expect "$1: the third is the file's failure, and says what to do" 3 \
        'V2__end.sql:[23]:[0-9]*: statement 2: 57P01 .*server is up since.*3 attempts in a row.*ends its own session.*take that out of the file.*\(MigrationFailed\)' migrate
    is "$1: it is written down" "$(failed)" 1
    sed -i '$d' sql/V2__end.sql
    run_expect "$1: without it the file goes through" 0 '' migrate
    is "$1: once" "$(ask 'select count(*) from t')" 1
}
ends_itself "a SELECT" 'select pg_terminate_backend(pg_backend_pid())'
ends_itself "a DO block" "do \$\$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); end \$\$"
ends_itself "a program in text" "do \$\$ begin execute 'select pg_term' || 'inate_backend(pg_backend_pid())'; perform pg_sleep(1); end \$\$"
head=$'-- sluice: transaction=none\n'
ends_itself "a step in a transaction" 'select pg_terminate_backend(pg_backend_pid())'
head=''

# ---- somebody else ---------------------------------------------------------------------------------------

fresh
echo 'insert into t values (1); select pg_sleep(600);' >sql/V2__sleep.sql
end_it() {
    migrate >out 2>err &
    runner=$!
    wait_for "$1: the statement runs" 20 sleeping
    ask "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'" >/dev/null
    code=0; wait "$runner" || code=$?
    is "$1: tried again" "$code|$(failed)" '9|0'
}
end_it "once"
end_it "twice"
echo 'insert into t values (1); select pg_sleep(601);' >sql/V2__sleep.sql
end_it "another statement begins to count anew"
end_it "twice"
server_stop pg
server_resume pg
end_it "on a server that was started since"
echo 'insert into t values (1); select pg_sleep(0.1);' >sql/V2__sleep.sql
run_expect "when nobody ends it all is well" 0 '' migrate
is "once" "$(ask 'select count(*) from t')" 1
done_testing
