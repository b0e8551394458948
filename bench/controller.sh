#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What memory the standalone controller takes with many databases that have long histories: one plan with
# SLUICE_BENCH_DATABASES databases (1000) of SLUICE_BENCH_ROWS history rows (1000) each, on one PostgreSQL, when
# they have been adopted, in a new process, and while all are looked at again. Nothing here passes or fails.
#
#   bench/controller.sh
#
# SLUICE_BENCH_PROGRAM: another build of sluice. SLUICE_BENCH_OWN=yes: each history has ranks of its own.
# SLUICE_BENCH_PATIENCE: seconds for any one wait (3600).
# The figures go to stdout, one a line. All it starts ends with it. Needs what the integration tests need, and
# 8 MB of disk a database.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${SLUICE_BENCH_PROGRAM:-$root/build/release/sluice}
if [ $# != 0 ]; then
    sed -n 's/^# \{0,1\}//; 3,13p' "${BASH_SOURCE[0]}" >&2
    exit 1
fi

if [ ! -x "$program" ]; then
    (cd "$root" && cmake --preset release && cmake --build --preset release) >&2
fi
# Everything runs as the unprivileged user of the tests, who may not be able to read this folder.
# shellcheck source=tests/support/servers.sh
. "$root/tests/support/servers.sh"
# shellcheck source=bench/stage.sh
. "$root/bench/stage.sh"
stage_make "${TMPDIR:-/tmp}" slc
cp "$program" "$stage/sluice"
chmod -R a+rX "$stage"
export SLUICE=$stage/sluice SLUICE_SOURCE=$stage/src
stage_run bash "$stage/src/bench/controller_cases.sh"
