#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How long fleets take: measures the controller on a real API server with a real PostgreSQL. Pods are
# processes (tests/support/kubernetes/with-pod-runner.sh). Nothing here passes or fails.
#
#   bench/fleet.sh [plans] [rollout] [rename]        all of them without arguments
#
#   plans     SLUICE_BENCH_PLANS plans with one database each, one push, one webhook (500)
#   rollout   one plan with SLUICE_BENCH_DATABASES databases (500), rolled out SLUICE_BENCH_ROLLOUTS times
#             (5): each one finds the ended Jobs of those before it
#   rename    that plan, deleted and made again under another name
#
# SLUICE_BENCH_FLAGS: more arguments of the controller. SLUICE_BENCH_PROGRAM: another build of sluice.
# The figures go to stdout, one a line. All it starts ends with it. Needs what the cluster tests need; the
# first run compiles Kubernetes for ten minutes.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${SLUICE_BENCH_PROGRAM:-$root/build/release/sluice}
[ $# != 0 ] || set -- plans rollout rename
for argument in "$@"; do
    case $argument in
    plans | rollout | rename) ;;
    *)
        sed -n 's/^# \{0,1\}//; 3,17p' "${BASH_SOURCE[0]}" >&2
        exit 1
        ;;
    esac
done

if [ ! -x "$program" ]; then
    (cd "$root" && cmake --preset release && cmake --build --preset release) >&2
fi
# Everything runs as the unprivileged user of the tests, who may not be able to read this folder.
# shellcheck source=bench/stage.sh
. "$root/bench/stage.sh"
stage_make /tmp slb
mkdir "$stage/cluster"
cp -R "$root/crds" "$stage/src/"
cp "$program" "$stage/sluice"
chmod -R a+rX "$stage"
"$root/tests/support/kubernetes/build.sh" "$stage/cluster" >&2
chmod 755 "$stage/cluster"
export SLUICE=$stage/sluice SLUICE_SOURCE=$stage/src CLUSTER_BIN=$stage/cluster
for name in $(compgen -e SLUICE_BENCH_); do # what is passed on has no blanks
    export "$name=$(tr ' ' , <<<"${!name}")"
done
stage_run "$stage/src/tests/support/kubernetes/with-pod-runner.sh" ${SLUICE_BENCH_LOGS:+--logs "$SLUICE_BENCH_LOGS"} \
    bash "$stage/src/bench/fleet_cases.sh" "$@"
