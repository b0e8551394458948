#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL: what is concluded after a connection was lost inside a file that has no transaction, what a failed
# procedure left, what a session takes with it, and files that write outside of their transaction.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/relay.sh"

pg_start pg

number=0
q() { db_sql pg "$database" "$1"; }
fresh() { # SETUP FILE
    number=$((number + 1))
    database=recovery$number
    db_create pg $database
    [ -z "$1" ] || q "set role app; $1"
    rm -rf sql
    mkdir sql
    printf '%s\n' "$2" >sql/V2__file.sql
}
migrate() { "$SLUICE" migrate --url "$(db_uri pg "$database")" --dir sql --lock-wait 20s --baseline-on-migrate "$@"; }
# lost HOW PATTERN SETUP FILE: the statement with PATTERN never arrives ("request"), or its answer does not ("reply").
lost() {
    fresh "$3" "$4"
    relay_start "$SLUICE_TEST_PG_SOCKET/.s.PGSQL.5432" "$2" 1 "$1"
    "$SLUICE" migrate --url "postgresql://app@127.0.0.1:$relay_port/$database?sslmode=disable" --dir sql --lock-wait 20s \
        --baseline-on-migrate >out 2>err </dev/null && { cat out err; return 1; }
    relay_stop
    relay_cut || { cat out err; return 1; }
    within 20 alone
}
alone() { [ "$(q "select count(*) from pg_stat_activity where datname = '$database' and application_name like 'sluice%'")" = 0 ]; }
recovers() { # NAME HOW PATTERN SETUP FILE BETWEEN CODE STDERR QUERY ANSWER
    lost "$2" "$3" "$4" "$5" || { flunk "$1: the connection is lost" "$(cat out err)"; return 0; }
    [ -z "$6" ] || q "$6"
    run_expect "$1" "$7" "$8" migrate
    is "$1: and is right" "$(q "$9")" "${10}"
    is "$1: nothing of ours has stayed" "$(q "select count(*) from pg_class where relname like 'sluice\_copy%' or relname = 'sluice_index'")" 0
}
indexes="select string_agg(indexdef || case when indisvalid then '' else ' INVALID' end, ', ' order by indexname) from pg_indexes
    join pg_index on indexrelid = indexname::regclass where tablename = 't'"
t='create table t (a int, b int, c text); insert into t select n, n, n from generate_series(1, 100) n'
on() { printf 'CREATE %sINDEX %s ON public.t USING btree (%s)' "${3:-}" "$1" "$2"; }

# ---- an index is ours only if it is the one that the statement describes -------------------------------------

recovers "an index without a name that was made" reply 'create index' "$t" 'create index concurrently on t (a);' '' 0 '' "$indexes" "$(on t_a_idx a)"
recovers "one with a name, an expression and a condition" reply 'unique index concurrently' "$t" \
    'create unique index concurrently if not exists i on t using btree (lower(c) desc, (a + b)) include (b) where a > 5;' '' 0 '' \
    "select count(*) from pg_index where indexrelid = 'i'::regclass and indisvalid" 1
is "it was not made twice" "$(q "select count(*) from sluice_journal where state = 'inferred'")" 1
recovers "somebody else's index on the table" request 'create index' "$t" 'create index concurrently on t (a);' \
    'create index theirs on t (b)' 0 '' "$indexes" "$(on t_a_idx a), $(on theirs b)"
recovers "a unique one is another one" request 'create index' "$t" 'create index concurrently on t (a);' \
    'create unique index theirs on t (a)' 0 '' "$indexes" "$(on t_a_idx a), $(on theirs a 'UNIQUE ')"
recovers "somebody else's index of that name" request 'create index' "$t" 'create index concurrently i on t (a);' \
    'create index i on t (b)' 3 'relation "i" already exists' "$indexes" "$(on i b)"
recovers "the same index, made by somebody else" request 'create index' "$t" 'create index concurrently on t (a);' \
    'create index theirs on t (a)' 0 '' "$indexes" "$(on theirs a)"
recovers "an invalid one of ours is dropped and made again" reply 'create unique index' "$t; insert into t values (1)" \
    'create unique index concurrently i on t (a);' 'delete from t where b is null' 0 '' "$indexes" "$(on i a 'UNIQUE ')"
recovers "somebody else's invalid one is left alone" request 'create index' "$t; insert into t values (1)" \
    'create index concurrently on t (c);' '' 0 '' "$indexes" "$(on t_c_idx c)"
recovers "in the schema of a SET above it" reply 'create index' "create schema s; create table s.t (a int); $t" \
    $'set search_path = s;\ncreate index concurrently on t (a);' '' 0 '' "select indexdef from pg_indexes where tablename = 't'" 'CREATE INDEX t_a_idx ON s.t USING btree (a)'

lost request 'create index' "$t" 'create index concurrently on t (a);' || flunk "the connection is lost"
coproc HOLD { psql -XAtq "$(servers_get pg ADMIN_URI | sed "s#/postgres?#/$database?#")"; }
# shellcheck disable=SC2153
hold_pid=$HOLD_PID hold_in=${HOLD[1]}
printf 'begin; lock table t in row exclusive mode; select 1;\n' >&"$hold_in"
read -r -u "${HOLD[0]}" _
q 'create index concurrently theirs on t (a)' >theirs 2>&1 &
theirs=$!
theirs_is_invalid() { [ "$(q "select count(*) from pg_index where not indisvalid")" = 1 ]; }
wait_for "somebody else builds the same index" 20 theirs_is_invalid
run_expect "an index that is being built is not dropped: it is waited for" 2 'process [0-9]+ is at work on the table of the invalid index public.theirs' migrate
eval "exec $hold_in>&-"
wait "$hold_pid" 2>/dev/null || true
wait $theirs || flunk "their build" "$(cat theirs)"
run_expect "then it is taken for what it is" 0 '' migrate
is "one index" "$(q "$indexes")" "$(on theirs a)"

# ---- procedures and blocks that may commit ----------------------------------------------------------------------

log='create table log (i int); create table flag (v int)'
part='create procedure part() language plpgsql as $$ begin insert into log values (1); commit; insert into log values (2);
    if not exists (select 1 from flag) then raise exception $m$no flag$m$; end if; end $$'
fresh "$log; $part" $'-- sluice: transaction=none\ncall part();'
run_expect "a procedure that commits and then fails: a part has stayed" 8 'no flag; it has committed in between.*sluice resolve --url .* --version .2. --step 1.*\(OutcomeUnknown\)' migrate
q 'insert into flag values (1)'
run_expect "it does not run again by itself" 8 '\(OutcomeUnknown\)' migrate
is "once" "$(q 'select array_agg(i) from log')" '{1}'
run_expect "the printed way out" 0 '' "$SLUICE" resolve --url "$(db_uri pg "$database")" --version 2 --step 1 --verdict applied --reason done
run_expect "leads out" 0 '' migrate
fresh "$log" $'-- sluice: transaction=none\ndo $$ begin insert into log values (1); commit; raise exception \'after\'; end $$;'
run_expect "so is a block" 8 'after; it has committed in between' migrate
whole='create procedure whole() language plpgsql as $$ begin insert into log values (1);
    if not exists (select 1 from flag) then raise exception $m$no flag$m$; end if; commit; end $$'
fresh "$log; $whole" $'-- sluice: transaction=none\ncall whole();'
run_expect "one that fails before it commits has failed" 3 'no flag \(MigrationFailed\)' migrate
q 'insert into flag values (1)'
run_expect "and runs again" 0 '' migrate
is "once, too" "$(q 'select array_agg(i) from log')" '{1}'
fresh "$log; $whole" $'-- sluice: transaction=none\ncall nowhere();'
run_expect "one that is not there has failed" 3 'does not exist \(MigrationFailed\)' migrate
fresh "$log; create procedure p() language plpgsql as \$\$ begin insert into log values (1); lock table flag; commit; end \$\$" $'-- sluice: transaction=none\ncall p();'
q 'begin; lock table flag; select pg_sleep(3)' >/dev/null &
holder=$!
locked() { [ "$(q "select count(*) from pg_locks where relation = 'flag'::regclass and granted")" = 1 ]; }
wait_for "a table is locked" 10 locked
run_expect "one that waited for a lock before it committed is tried again" 0 '' migrate
is "and ran once" "$(q 'select array_agg(i) from log')" '{1}'
wait $holder

for how in 'lock table flag;' 'commit; lock table flag;'; do
    fresh "$log; create procedure p() language plpgsql as \$\$ begin insert into log values (1); $how end \$\$" $'-- sluice: transaction=none\ncall p();'
    q 'begin; lock table flag; select pg_sleep(20)' >/dev/null &
    holder=$!
    wait_for "$how: a table is locked" 10 locked
    "$SLUICE" migrate --url "$(db_uri pg "$database")" --dir sql --baseline-on-migrate --lock-timeout 15s >out 2>err </dev/null &
    runner=$!
    calls() { [ "$(q "select count(*) from pg_stat_activity where query like 'call p%' and wait_event_type = 'Lock'")" = 1 ]; }
    wait_for "$how: the procedure waits" 10 calls
    kill $runner
    code=0
    wait $runner || code=$?
    db_sql pg postgres "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(20)%' and pid <> pg_backend_pid()" >/dev/null
    wait $holder 2>/dev/null || true
    if [ "$how" = 'lock table flag;' ]; then
        is "$how: SIGTERM is an interruption" "$code" 143
        run_expect "$how: nothing has stayed: it runs" 0 '' migrate
        is "$how: once" "$(q 'select array_agg(i) from log')" '{1}'
    else
        is "$how: after its COMMIT it is an unknown outcome" "$code" 8
        run_expect "$how: and stays one" 8 'OutcomeUnknown' migrate
    fi
done

recovers "verify= is false in the middle of a file" reply 'call one' 'create table log (i int); create procedure one() language sql as $$ insert into log values (1) $$' \
    $'-- sluice: transaction=none verify=select count(*) = 2 from log\ncall one();\ncall one();' '' 8 'its verify= is false, which statements behind it may change' 'select count(*) from log' 1

# ---- what a session holds ------------------------------------------------------------------------------------------

two='create schema s; create table public.t (a int); create table s.t (a int); insert into public.t values (1); insert into s.t values (1)'
fresh "$two" $'-- sluice: transaction=none\nselect pg_catalog.set_config(\'search_path\', \'s\', false) as x;\ndelete from t;\nvacuum t;'
run_expect "set_config() that is written out is a SET" 0 '' migrate
is "it holds to the file's end" "$(q 'select (select count(*) from public.t), (select count(*) from s.t)')" '1|0'
for call in "set_config('search_path', 's' || '', false)" "set_config('search_path', 's', a = 2), a from t" "1 where set_config('search_path', 's', false) = 's'"; do
    fresh "$two" $'-- sluice: transaction=none\nselect '"$call"$';\ndelete from t;'
    run_expect "select $call is refused where it would be undone" 6 'V2__file.sql:2:1: set_config\(\) is undone behind its own statement' migrate
    fresh "$two" "select $call; delete from s.t;"
    run_expect "in a transaction it may stand" 0 '' migrate
done
fresh "$two" $'-- sluice: transaction=none\nselect set_config(\'search_path\', \'s\', true);\ndelete from t;'
run_expect "one for the transaction alone has no effect, which is said" 6 'has no effect here' migrate

recovers "a temporary table that is gone" request 'delete from orders' 'create table orders (i int); insert into orders values (1)' \
    $'-- sluice: transaction=none\ncreate temporary table if not exists orders (i int);\ndelete from orders;' '' 3 \
    'V2__file.sql:3:1: statement 2 may need what statement 1 \(line 2\) left in the session of an interrupted attempt' 'select count(*) from public.orders' 1
recovers "one that a query made" request 'delete from only' 'create table orders (i int); insert into orders values (1)' \
    $'-- sluice: transaction=none\nselect 1 as i into temp table orders;\ndelete from only orders;' '' 3 'may need what statement 1' 'select count(*) from public.orders' 1
recovers "one that nothing names any more" request 'insert into other' 'create table other (i int)' \
    $'-- sluice: transaction=none\ncreate temp table mine (i int);\ninsert into other values (1);' '' 0 '' 'select count(*) from other' 1

# ---- what a rollback does not take back --------------------------------------------------------------------------------

# The connection is lost behind it: the run itself asks, unless the next one can settle it.
outside="select pg_logical_emit_message(false, 'sluice', 'outside');"
lost request 'alter table m' 'create table m (v int)' "$outside"$'\nalter table m add column z int;'
like "a connection that is lost behind what was written outside" "$(<err)" \
    'statement 1 writes outside of the transaction, and may have done so before the connection was lost.*--step 1 --verdict applied .*--verdict not-applied .*\(OutcomeUnknown\)'
run_expect "the next run asks, too" 8 'OutcomeUnknown' migrate
lost request 'alter table m' 'create table m (v int)' $'-- sluice: idempotent=true\n'"$outside"$'\nalter table m add column z int;'
like "idempotent=true: it is tried again" "$(<err)" 'DatabaseUnavailable'
run_expect "and ends well" 0 '' migrate

if [ "$(database=postgres q "select count(*) from pg_available_extensions where name = 'dblink'")" = 1 ]; then
    dblink() { # FILE
        fresh 'create table log (i int); create table m (v int); insert into m values (1)' "$1"
        q 'create extension dblink; grant execute on function dblink_connect_u(text, text) to app'
    }
    db_sql pg postgres 'select 1' >/dev/null
    write="select dblink_connect_u('c', 'host=$SLUICE_TEST_PG_SOCKET dbname=THIS user=app');
select dblink_exec('c', 'insert into log values (1)');
select dblink_disconnect('c');"
    m_locked() { [ "$(q "select count(*) from pg_locks where relation = 'm'::regclass and granted and mode like 'Acc%Ex%'")" = 1 ]; }
    # locked NAME SECONDS FORMAT: a file that writes elsewhere, and somebody who locks the table that it changes, too
    locked() {
        dblink ''
        # shellcheck disable=SC2059
        printf "$3" "${write//THIS/$database}" >sql/V2__file.sql
        q "begin; lock table m; select pg_sleep($2)" >/dev/null &
        holder=$!
        wait_for "$1" 10 m_locked
    }
    first='%s\nalter table m add column z int;\n' last='alter table m add column z int;\n%s\n'
    locked "a table is locked" 4 "$first"
    run_expect "a file that writes elsewhere waits once" 0 '' migrate
    is "what it wrote is there once" "$(q 'select count(*) from log')" 1
    wait $holder
    locked "a table is locked for longer" 8 "$first"
    run_expect "and then nothing is tried again by itself" 3 'line 2 writes outside of the transaction.*find out what .*V2__file.sql left there before you run it again' migrate --lock-retry-for 2s
    is "what it wrote is there once, still" "$(q 'select count(*) from log')" 1
    wait $holder
    locked "once more" 3 "$last"
    run_expect "before it writes it may be tried again" 0 '' migrate
    is "once" "$(q 'select count(*) from log')" 1
    wait $holder
    locked "and again" 6 "$last"
    run_expect "if that ends before it writes" 2 'LockTimeout' migrate --lock-retry-for 0s
    run_expect "the next run simply tries again" 0 '' migrate --lock-retry-for 20s
    is "once, too" "$(q 'select count(*) from log')" 1
    wait $holder

    # killed HEAD TAIL: kill -9 while the file waits for a table behind what it wrote
    killed() {
        dblink ''
        printf '%s%s\nalter table m add column z int;\n%s' "$1" "${write//THIS/$database}" "${2:-}" >sql/V2__file.sql
        q 'begin; lock table m; select pg_sleep(60)' >/dev/null 2>&1 &
        holder=$!
        within 10 m_locked
        "$SLUICE" migrate --url "$(db_uri pg "$database")" --dir sql --baseline-on-migrate >/dev/null 2>&1 </dev/null &
        runner=$!
        within 10 eval '[ "$(q "select count(*) from pg_locks where relation = '"'m'"'::regclass and not granted")" = 1 ]'
        kill -9 $runner
        wait $runner 2>/dev/null || true
        q "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' and datname = current_database() and pid <> pg_backend_pid()" >/dev/null
        wait $holder 2>/dev/null || true
        within 20 eval '[ "$(q "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name like '"'sluice%'"'")" = 0 ]'
    }
    here() { q "select (select count(*) from log) || ' ' || (select count(*) from information_schema.columns where table_name = 'm' and column_name = 'z')"; }
    resolve() { "$SLUICE" resolve --url "$(db_uri pg "$database")" --version 2 --step 2 --verdict "$1" --reason looked; }
    for how in '' $'-- sluice: transaction=none\n'; do
        name=${how:+outside of a transaction}
        name=${name:-in a transaction}
        killed "$how"
        if [ -n "$how" ]; then # there the writing statement is a step of its own, and done
            run_expect "$name: killed behind it, the file goes on" 0 '' migrate
            is "$name: it is there once" "$(here)" '1 1'
            continue
        fi
        is "$name: killed behind it" "$(here)" '1 0'
        like "$name: info says so" "$("$SLUICE" info --url "$(db_uri pg "$database")" --dir sql)" 'V2__file.sql.*[Oo]utcome [Uu]nknown|[Oo]utcome [Uu]nknown.*'
        for i in 1 2; do
            run_expect "$name: a person is asked ($i)" 8 'V2__file.sql:2: statement 2 of an interrupted attempt writes outside of its transaction and may have done so.*sluice resolve.*--step 2 --verdict applied .*--verdict not-applied .*\(OutcomeUnknown\)' migrate
        done
        is "$name: and nothing runs" "$(here)" '1 0'
        run_expect "$name: it is there" 0 '' resolve applied
        sed -i 's/values (1)/values (2)/' sql/V2__file.sql
        run_expect "$name: another one in its place is refused, with the way out" 6 'statement 2 was changed after an earlier attempt had applied it.*sluice resolve .*--verdict restart.*\(ChecksumMismatch\)' migrate
        sed -i 's/values (2)/values (1)/' sql/V2__file.sql
        run_expect "$name: then the rest runs without it" 0 '' migrate
        is "$name: once" "$(here)" '1 1'
        run_expect "$name: no step is open" 0 '' "$SLUICE" validate --url "$(db_uri pg "$database")" --dir sql
        killed "$how"
        q 'delete from log'
        run_expect "$name: it was taken back" 0 '' resolve not-applied
        run_expect "$name: then it runs again" 0 '' migrate
        is "$name: as a whole" "$(here)" '1 1'
        killed "$how"
        run_expect "$name: it is there, and was changed since" 0 '' resolve applied
        sed -i 's/values (1)/values (2)/' sql/V2__file.sql
        run_expect "$name: that is said" 6 'V2__file.sql:2:1: statement 2 was changed after an earlier attempt had applied it' migrate
    done
    killed $'-- sluice: idempotent=true\n'
    run_expect "idempotent=true may run again" 0 '' migrate
    is "and does" "$(here)" '2 1'
    killed $'-- sluice: verify=SELECT exists (select from log)\n'
    run_expect "verify= that is true settles it" 0 '' migrate
    is "without a second time" "$(here)" '1 1'
    killed $'-- sluice: verify=SELECT exists (select from information_schema.columns where table_name = \'m\' and column_name = \'z\')\n'
    run_expect "verify= of what was rolled back does not" 8 'its verify= is false, which other statements of the file may change' migrate
    is "nothing ran" "$(here)" '1 0'

    # In a step of its own the answer is lost, or it is killed inside.
    dblink $'-- sluice: transaction=none\nselect dblink_connect_u(\'c\', \'x\');'
    printf '%s\n%s\n' '-- sluice: transaction=none' "do \$\$ begin perform dblink_connect_u('c', 'host=$SLUICE_TEST_PG_SOCKET dbname=$database user=app'); perform dblink_exec('c', 'insert into log values (1)'); end \$\$;" >sql/V2__file.sql
    run_expect "DO outside of a transaction" 0 '' migrate
    is "writes once" "$(q 'select count(*) from log')" 1
    dblink ''
    printf '%s\n' '-- sluice: transaction=none' "select count(dblink_exec(dblink_connect_u('c', 'host=$SLUICE_TEST_PG_SOCKET dbname=$database user=app')::text || '', 'x')) from m where false;" >sql/V2__file.sql
    run_expect "a step that leaves its transaction" 0 '' migrate
    is "is done, by its own row" "$(q "select step || step_class || state from sluice_journal where version = '2' and step > 0")" 1Xdone
else
    skip "files that write outside of their transaction" "no dblink on this server"
fi
done_testing
