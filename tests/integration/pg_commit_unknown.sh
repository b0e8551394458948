#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The connection is cut around a COMMIT: the request is lost, the answer is lost, or the request arrives
# late. With one file or several in flight every effect is there exactly once, and the run knows it.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg
relay=''
through() { # HOW NUMBER DATABASE: $url through a fresh relay
    [ -z "$relay" ] || kill "$relay" 2>/dev/null || true
    rm -f port
    "$SLUICE_SOURCE/tests/support/pg-relay.pl" port "$SLUICE_TEST_PG_SOCKET/.s.PGSQL.5432" "$1" "$2" &
    relay=$!
    within 10 test -s port
    url="postgresql://app@127.0.0.1:$(cat port)/$3?sslmode=disable"
}
state() { db_sql pg "$1" "select coalesce((select string_agg(version, ' ' order by installed_rank) from flyway_schema_history), ''),
    (select coalesce(string_agg(mark, ' ' order by mark), '') from effect)"; }

session_ended() { [ "$(db_sql pg postgres "select count(*) from pg_stat_activity where datname = '$1'")" = 0 ]; }

mkdir one many
echo 'create table effect (mark text);' >one/V1__table.sql
cp one/V1__table.sql many/
echo "insert into effect values ('2');" >one/V2__effect.sql
for i in 2 3 4 5 6; do echo "insert into effect values ('$i');" >"many/V${i}__effect.sql"; done

# The COMMITs of the first connection on a new database: 1 the lease, 2 the reading behind it, then the
# files.
for how in request reply late; do
    for dir in one many; do
        last=$([ $dir = one ] && echo 2 || echo 6)
        for number in 3 4; do
            name=${how}_${dir}_$((number - 2))
            db_create pg "$name"
            through "$how" "$number" "$name"
            code=0
            timeout 60 "$SLUICE" migrate --url "$url" --dir $dir >out 2>err || code=$?
            # What was sent before the lost request is executed, however late the server comes to it.
            [ $how != request ] || within 20 session_ended "$name"
            history=$(db_sql pg "$name" "select count(*) from flyway_schema_history")
            if [ "$history" = "$last" ]; then
                is "$name: all of it is in, and the run says so" "$code" 0
            else
                is "$name: not all of it is in, and the run says so" "$code" 9
                like "$name: in one clear line" "$(cat err)" '^sluice migrate: [^
]*DatabaseUnavailable'
            fi
            case $how in
            request) is "$name: the lost request had no effect" "$history" $((number - 3)) ;;
            *) ok "$name: the COMMIT that arrived had its effect" test "$history" -ge $((number - 2)) ;;
            esac
            run_expect "$name: the next run brings the rest" 0 '' "$SLUICE" migrate --url "$(db_uri pg "$name")" --dir $dir
            is "$name: every effect once" "$(state "$name")" "$(echo $(seq 1 "$last"))|$(echo $(seq 2 "$last"))"
        done
    done
done
kill "$relay"
done_testing
