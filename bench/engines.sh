#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How long one database takes: sluice migrate beside a raw loop on libpq or Connector/C, goose and dbmate,
# on real servers, in rounds that take turns (A B C D, A B C D, …). Nothing here passes or fails.
#
#   bench/engines.sh [smoke | quick | full] [ENGINE] [SETTING] [WORK] [FILES]      in any order, each repeatable
#
#   smoke      10 files, one round, nothing is fetched: a few seconds, for the test that it still works
#   quick      1,000 files, few rounds: two minutes (the default)
#   full       10, 1,000 and 10,000 files: the better part of an hour
#   ENGINE     pg, mariadb
#   SETTING    loopback      memory-backed server, TCP on the loopback address
#              1ms           the same behind a relay that adds a millisecond to each round trip
#              fsync         a server on a disk that syncs each commit
#   WORK       apply         all files are pending
#              noop          all are applied
#              one           all but one are applied
#              instructions  of noop, by callgrind, with the functions that cost most
#   FILES      a number
#
# SLUICE_BENCH_PROGRAM: another build of sluice; the loops are taken from bench/ beside it.
# SLUICE_BENCH_ROUNDS: instead of the mode's. SLUICE_BENCH_DISK: a folder on the disk to sync to ($TMPDIR, /tmp).
# SLUICE_BENCH_GOOSE, SLUICE_BENCH_DBMATE: programs to take instead of fetching them; "no": without it.
#
# The figures go to stdout, one program a line; README.md says what the columns mean. All it starts ends with
# it. Needs what the integration tests need, and valgrind for instructions.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${SLUICE_BENCH_PROGRAM:-$root/build/release/sluice}
mode=quick
for argument in "$@"; do
    case $argument in
    smoke | quick | full) mode=$argument ;;
    pg | mariadb | loopback | 1ms | fsync | apply | noop | one | instructions) ;;
    *[!0-9]* | '' | 0*)
        sed -n 's/^# \{0,1\}//; 3,29p' "${BASH_SOURCE[0]}" >&2
        exit 1
        ;;
    esac
done

if [ ! -x "$program" ] || [ ! -x "${program%/*}/bench/loop_pg" ]; then
    (cd "$root" && cmake --preset release && cmake --build --preset release) >&2
fi
# shellcheck source=tests/support/servers.sh
. "$root/tests/support/servers.sh"
# shellcheck source=tests/support/cache.sh
. "$root/tests/support/cache.sh"
# shellcheck source=bench/stage.sh
. "$root/bench/stage.sh"
# shellcheck source=bench/rivals.sh
. "$root/bench/rivals.sh"
[ "$mode" != smoke ] || rivals_offline=1
rivals_find

# Everything runs as the unprivileged user of the tests, who may not be able to read this folder.
disk=${SLUICE_BENCH_DISK:-${TMPDIR:-/tmp}}
stage_make "$disk" sle
mkdir "$stage/disk" "$stage/bin"
cp "$program" "$stage/bin/sluice"
cp "${program%/*}"/bench/{loop_pg,loop_my,measure,relay} "$stage/bin/"
[ -z "$goose" ] || cp "$goose" "$stage/bin/goose"
[ -z "$dbmate" ] || cp "$dbmate" "$stage/bin/dbmate"
chmod -R a+rX "$stage"
[ "$(id -u)" != 0 ] || chown "$(servers_user)" "$stage/disk"
export SLUICE_BENCH_STAGE=$stage SLUICE_SOURCE=$stage/src
stage_run bash "$stage/src/bench/engines_cases.sh" "$mode" "$@"
