#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# CREATE INDEX CONCURRENTLY in an ordinary file just works, several in one file too, while other
# runners poll the lock; killed half-way, the invalid index is found, dropped and rebuilt.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg
valid() {
    db_sql pg "$1" "select c.relname, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid
        join pg_class t on t.oid = i.indrelid where t.relname = 'big' order by 1"
}
holder() { # a session that holds an old snapshot, so that a concurrent build has to wait for it
    coproc HOLD { psql -XAtq "$(servers_get pg ADMIN_URI | sed "s#/postgres?#/$1?#")"; }
    printf 'begin isolation level repeatable read; select 1;\n' >&"${HOLD[1]}"
    read -r -u "${HOLD[0]}" _
    # shellcheck disable=SC2153
    hold_pid=$HOLD_PID hold_in=${HOLD[1]}
}
let_go() { eval "exec $hold_in>&-"; wait "$hold_pid" 2>/dev/null || true; }
building() { [ "$(db_sql pg "$1" "select count(*) from pg_stat_progress_create_index where phase like 'waiting%'")" -gt 0 ]; }
no_session() { [ "$(db_sql pg "$1" "select count(*) from pg_stat_activity where datname = '$1' and usename = 'app'")" = 0 ]; }

db_create pg one
url=$(db_uri pg one)
mkdir sql
echo 'create table big (id int, a int, b text); insert into big select n, n, n::text from generate_series(1, 20000) n;' >sql/V1__big.sql
printf 'create index concurrently big_a on big (a);\ncreate index concurrently on big (b);\ncreate unique index concurrently big_id on big (id);\n' >sql/V2__indexes.sql
run_expect "several in one file just work" 0 '' "$SLUICE" migrate --url "$url" --dir sql
is "all of them are valid, the one without a name too" "$(valid one)" "$(printf 'big_a|t\nbig_b_idx|t\nbig_id|t')"
run_expect "and real history says so: nothing is left to do" 0 '' "$SLUICE" migrate --url "$url" --dir sql
like "nothing to do" "$run_stdout" 'nothing to do'

# ---- while others poll the lock -----------------------------------------------------------------
db_create pg polled
url=$(db_uri pg polled)
holder polled
"$SLUICE" migrate --url "$url" --dir sql >builder.out 2>&1 &
builder=$!
wait_for "the build waits for an old snapshot" 20 building polled
pollers=()
for i in 1 2 3; do
    "$SLUICE" migrate --url "$url" --dir sql --lock-wait 60s >"poller.$i" 2>&1 &
    pollers+=($!)
done
polling() { [ "$(db_sql pg polled "select count(*) from pg_stat_activity where datname = 'polled' and usename = 'app'")" -ge 4 ]; }
wait_for "three others poll the lock" 20 polling
let_go
code=0; wait "$builder" || code=$?
is "the build ends though they poll" "$code" 0
for i in 0 1 2; do
    code=0; wait "${pollers[i]}" || code=$?
    is "poller $((i + 1)) finds nothing to do" "$code $(grep -c '^nothing to do' "poller.$((i + 1))")" '0 1'
done
is "its indexes are valid" "$(valid polled)" "$(printf 'big_a|t\nbig_b_idx|t\nbig_id|t')"

# ---- killed half-way ------------------------------------------------------------------------------
for how in client backend; do
    name=killed_$how
    db_create pg "$name"
    url=$(db_uri pg "$name")
    mkdir -p first && cp sql/V1__big.sql first/
    run_expect "$how killed: the table" 0 '' "$SLUICE" migrate --url "$url" --dir first
    holder "$name"
    "$SLUICE" migrate --url "$url" --dir sql >out 2>&1 &
    victim=$!
    wait_for "$how killed: the build waits for an old snapshot" 20 building "$name"
    if [ $how = client ]; then
        kill -9 "$victim"
        wait "$victim" 2>/dev/null || true
        run_expect "client killed: while its session lives the next one waits, and says for whom" 7 'WaitingForOldSession|DatabaseBusy' \
            "$SLUICE" migrate --url "$url" --dir sql --lock-wait 1s
    else
        db_sql pg "$name" "select pg_terminate_backend(pid) from pg_stat_activity where datname = '$name' and usename = 'app'" >/dev/null
        code=0; wait "$victim" || code=$?
        is "backend killed: the run ends with what it knows" "$code" 9
        is "backend killed: an invalid index is left" "$(valid "$name")" 'big_a|f'
    fi
    run_expect "$how killed: info says where it stands" 0 '' "$SLUICE" info --url "$url" --dir sql
    like "$how killed: the statement is named" "$run_stdout" '(interrupted at|running) statement 1 of sql/V2__indexes.sql:1'
    let_go
    wait_for "$how killed: the old session ends" 30 no_session "$name"
    run_expect "$how killed: the next run settles it" 0 '' "$SLUICE" migrate --url "$url" --dir sql
    is "$how killed: all valid, no debris" "$(valid "$name")" "$(printf 'big_a|t\nbig_b_idx|t\nbig_id|t')"
    is "$how killed: once in the history" "$(db_sql pg "$name" "select count(*) from flyway_schema_history where version = '2'")" 1
done

# ---- a duplicate in a unique build ----------------------------------------------------------------
db_create pg dup
url=$(db_uri pg dup)
rm -rf bad && mkdir bad
echo 'create table big (id int); insert into big values (1), (1);' >bad/V1__big.sql
echo 'create unique index concurrently if not exists big_id on big (id);' >bad/V2__unique.sql
run_expect "duplicates: the build fails with file and line" 3 'bad/V2__unique.sql:1.*23505' "$SLUICE" migrate --url "$url" --dir bad
is "duplicates: the invalid index is dropped" "$(valid dup)" ''
run_expect "duplicates: IF NOT EXISTS does not hide it on the next try" 3 '23505' "$SLUICE" migrate --url "$url" --dir bad
db_sql pg dup 'delete from big where ctid = (select max(ctid) from big)'
run_expect "duplicates gone: it goes through" 0 '' "$SLUICE" migrate --url "$url" --dir bad
is "duplicates gone: the index is valid" "$(valid dup)" 'big_id|t'
done_testing
