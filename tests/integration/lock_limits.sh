#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How long a statement waits for a lock: what may be tried again waits lockTimeout (1 s), again and again; what may not
# waits once, as long as lockRetryFor. Real sessions hold the locks.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb
pg_start pg
number=0
q() { db_sql "$engine" "$db" "$1"; }
compound() { # one statement with semicolons inside
    if [ "$engine" = mariadb ]; then
        mariadb --no-defaults --skip-ssl --user=root --socket="$SLUICE_TEST_MARIADB_SOCKET" --delimiter='$$' -e "$1" "$db"
    else
        q "set role app; $1"
    fi
}
sleeping() { # SECONDS: the session that holds the lock is there
    if [ "$engine" = mariadb ]; then
        [ -n "$(q "select 1 from information_schema.processlist where info like '%select sleep($1)%' and info not like '%processlist%' and db = '$db'")" ]
    else
        [ -n "$(q "select 1 from pg_stat_activity where query like '%pg_sleep($1)%' and pid <> pg_backend_pid() and datname = '$db' and state = 'active'")" ]
    fi
}
# waits NAME HOLD SECONDS FILE ARGUMENTS CODE REGEX [QUERY ANSWER]: HOLD takes the lock
waits() {
    local began
    number=$((number + 1))
    db=locks$number
    db_create $engine $db
    rm -rf sql
    mkdir sql
    if [ "$engine" = mariadb ]; then
        q 'create table t (id int primary key, n int); insert into t values (1, 0); create table log (n int) engine=myisam'
        compound 'create procedure twice() begin insert into t values (2, 2); commit; update t set n = n + 1 where id = 1; end'
    else
        q 'set role app; create table t (id int primary key, n int); insert into t values (1, 0)'
        compound 'create procedure twice() language plpgsql as $$ begin insert into t values (2, 2); commit; update t set n = n + 1 where id = 1; end $$'
    fi
    printf '%s\n' "$4" >sql/V2__wait.sql
    if [ "$engine" = mariadb ]; then
        q "$2; select sleep($3); rollback" >/dev/null 2>&1 &
    else
        q "begin; $2; select pg_sleep($3); rollback" >/dev/null 2>&1 &
    fi
    holder=$!
    within 20 sleeping "$3"
    began=$(date +%s%N)
    # shellcheck disable=SC2086
    run_expect "$engine: $1" "$6" "$7" "$SLUICE" migrate --url "$(db_uri $engine $db)" --dir sql --baseline-on-migrate $5
    took=$((($(date +%s%N) - began) / 1000000))
    [ -z "${8:-}" ] || is "$engine: $1: and is right" "$(q "$8")" "$9"
    kill $holder 2>/dev/null || true
    wait $holder 2>/dev/null || true
    echo "# $engine: $1: $took ms"
}
n='select n from t where id = 1'

engine=pg
row='update t set n = n where id = 1'
none='-- sluice: transaction=none'
waits "a CALL that commits in between waits once" "$row" 4 "$none"$'\ncall twice();' '' 0 '' "$n" 1
waits "a DO that does" "$row" 4 "$none"$'\ndo $$ begin insert into t values (2, 2); commit; update t set n = n + 1 where id = 1; end $$;' '' 0 '' "$n" 1
waits "a step that writes outside of its transaction" 'lock table t' 4 \
    "$none"$'\nselect pg_logical_emit_message(false, \'sluice\', n::text) from t;' '' 0 '' "select count(*) from sluice_journal where state = 'done' and step = 1" 1
waits "a file that does" 'lock table t' 4 $'select pg_logical_emit_message(false, \'sluice\', n::text) from t;' '' 0 '' \
    "select count(*) from sluice_journal where step_class = 'X' and state = 'done'" 1
waits "and gives up when lockRetryFor is over" 'lock table t' 31 $'select pg_logical_emit_message(false, \'sluice\', n::text) from t;' '--lock-retry-for 3s' 3 '55P03'
[ "$took" -lt 9000 ] && pass "pg: it does not wait twice as long" || flunk "pg: it does not wait twice as long" "$took ms"
waits "a CALL gives up then, too" "$row" 31 "$none"$'\ncall twice();' '--lock-retry-for 3s' 8 'it has committed in between'
[ "$took" -lt 9000 ] && pass "pg: nor does that" || flunk "pg: nor does that" "$took ms"
waits "lock-timeout of the file, if it is longer" "$row" 4 $'-- sluice: lock-timeout=20s\n'"$none"$'\ncall twice();' '--lock-retry-for 1s' 0 '' "$n" 1
waits "ordinary DML is tried again" "$row" 4 'update t set n = n + 1 where id = 1;' '' 0 '' "$n" 1
like "pg: after a second" "$run_stdout$run_stderr" 'LockTimeout|lock timeout.*trying V2__wait.sql again'

engine=mariadb
row='begin; update t set n = n + 5 where id = 1'
waits "a CALL that commits in between waits once" "$row" 4 'call twice();' '' 0 '' "$n" 1
waits "an EXECUTE of it" "$row" 4 $'prepare s from \'call twice()\';\nexecute s;' '' 0 '' "$n" 1
waits "DML with a variable" "$row" 4 $'set @a = 0;\nupdate t set n = n + (@a := @a + 1) where id = 1;' '' 0 '' "$n" 1
waits "a change of a table without transactions" 'lock tables log write' 4 'insert into log values (1);' '' 0 '' 'select count(*) from log' 1
waits "a CALL gives up when lockRetryFor is over" "$row" 31 'call twice();' '--lock-retry-for 3s' 8 'a part of it may have stayed'
[ "$took" -lt 9000 ] && pass "mariadb: it does not wait twice as long" || flunk "mariadb: it does not wait twice as long" "$took ms"
waits "lock-timeout of the file, if it is longer" "$row" 4 $'-- sluice: lock-timeout=20s\ncall twice();' '--lock-retry-for 1s' 0 '' "$n" 1
waits "TRUNCATE in a conditional comment is tried again" 'begin; select * from t' 4 '/*!40000 truncate t */;' '' 0 '' 'select count(*) from t' 0
waits "ordinary DML is, too" "$row" 4 'update t set n = n + 1 where id = 1;' '' 0 '' "$n" 1
like "mariadb: after a second" "$run_stdout$run_stderr" 'trying again, blocked by'
done_testing
