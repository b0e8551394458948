#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark of one database runs, and says a figure for each program, engine, setting and work. How large
# a figure is, is no matter of a test.
# timeout: 120
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

[ -n "$(pg_bin)" ] || skip_all "PostgreSQL is not installed"
servers_need mariadbd mariadb-install-db mariadb psql

bench() { SLUICE_BENCH_PROGRAM=$SLUICE SLUICE_BENCH_GOOSE=no SLUICE_BENCH_DBMATE=no "$SLUICE_SOURCE/bench/engines.sh" "$@"; }

run_expect "it ends well" 0 '' bench smoke
figures=$(grep -v '^#' <<<"$run_stdout" || true)

# engine setting work files program rounds ms min ratio cpu_ms MiB trips
for engine in pg mariadb; do
    for setting in loopback 1ms fsync; do
        for work in apply noop one; do
            is "$engine, $setting, $work: the loop and sluice, each with its figures" "$(awk -v e=$engine -v s=$setting -v w=$work '
                $1 == e && $2 == s && $3 == w && $4 == 10 && $6 == 1 && NF == 12 {
                    trips = (s == "1ms") ? ($12 > 1) : ($12 == "-")
                    print $5, ($7 > 0 && $8 > 0 && $8 <= $7 && $9 > 0 && $10 > 0 && $11 > 0 && trips)
                }' <<<"$figures")" $'loop 1\nsluice 1'
        done
    done
done
is "nothing else is a figure" "$(wc -l <<<"$figures")" 36
is "the loop is what the ratio is of" "$(awk '$5 == "loop" { print $9 }' <<<"$figures" | sort -u)" 1.00

# No limit on how slow: only a relay that holds nothing lets them be faster. The last trip is the good-bye.
is "the relay's millisecond is in the time of each trip" \
    "$(awk '$2 == "1ms" && $7 < $12 - 1' <<<"$figures")" ''
is "the loop on PostgreSQL: four trips a file" \
    "$(awk '$1 == "pg" && $2 == "1ms" && $5 == "loop" { n[$3] = $12 } END { print n["apply"] - n["noop"] }' <<<"$figures")" 40

run_expect "a work that there is not" 1 'usage|ENGINE' bench smoke sleep
done_testing
