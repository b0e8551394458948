#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Eight runners at once on one database, many rounds: every effect exactly once; a loser ends with 7,
# or with 0 having found nothing to do.
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

rounds=50

# One round: every other runner does not wait for the lock, the others do.
round() {
    local url=$1 n=$2 i pids=()
    for i in 1 2 3 4 5 6 7 8; do
        "$SLUICE" migrate --url "$url" --dir sql --lock-wait "$((i % 2 * 30))s" >"out.$i" 2>&1 &
        pids+=($!)
    done
    won=0 busy=0 idle=0 other=''
    for i in 1 2 3 4 5 6 7 8; do
        code=0
        wait "${pids[i - 1]}" || code=$?
        if [ $code = 7 ]; then
            busy=$((busy + 1))
        elif [ $code = 0 ] && grep -q '^nothing to do' "out.$i"; then
            idle=$((idle + 1))
        elif [ $code = 0 ] && grep -q '^done: 2 migrations applied' "out.$i"; then
            won=$((won + 1))
        else
            other="round $n, runner $i: code $code: $(cat "out.$i")"
        fi
    done
    winners=$((winners + won)) losers_busy=$((losers_busy + busy)) losers_idle=$((losers_idle + idle))
    [ -z "$other" ] || { printf '%s\n' "$other"; return 1; }
    [ "$won" = 1 ] || { printf 'round %d: %d runners applied it\n' "$n" "$won"; return 1; }
}

pg_start pg
mariadb_start mariadb
for server in pg mariadb; do
    db_create "$server" many
    url=$(db_uri "$server" many)
    rm -rf sql && mkdir sql
    echo 'create table effect (n int);' >sql/V0__effect.sql
    run_expect "$server: a first run makes the table" 0 '' "$SLUICE" migrate --url "$url" --dir sql
    winners=0 losers_busy=0 losers_idle=0 broken=''
    for ((n = 1; n <= rounds; n++)); do
        printf 'insert into effect values (%d);\ncreate table t%d (id int);\n' $n $n >"sql/V$n.1__both.sql"
        printf 'insert into effect values (-%d);\n' $n >"sql/V$n.2__dml.sql"
        round "$url" $n >problem || { broken=$(cat problem); break; }
    done
    if [ -z "$broken" ]; then
        pass "$server: $rounds rounds: $winners won, $losers_busy found it busy, $losers_idle found nothing to do"
    else
        flunk "$server: $rounds rounds" "$broken"
    fi
    is "$server: every effect once" \
        "$(db_sql "$server" many 'select count(*), count(distinct n) from effect' | tr '\t' '|')" "$((2 * rounds))|$((2 * rounds))"
    is "$server: every file once in the history" \
        "$(db_sql "$server" many 'select count(*) from flyway_schema_history where success' | tr '\t' '|')" "$((2 * rounds + 1))"
done
done_testing
