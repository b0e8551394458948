#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every fuzz target of tests/fuzz from its corpus, as many at once as there are cores: about 20 seconds of inputs, the same ones
# at each run, so that a change of the program fails it and nothing else; --full: 10 minutes from a new seed.
# An input that breaks a property is kept in build/test-logs/, as fuzz-TARGET-crash-DIGEST; build/debug/tests/fuzz_TARGET
# FILE plays it again.
# timeout: 4800
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

command -v clang >/dev/null || skip_all "clang is not installed"
# how TARGET: what libFuzzer is told of seed, number and time
how() {
    if [ -n "${SLUICE_FULL:-}" ]; then
        echo -max_total_time=600
        return
    fi
    case $1 in
    split_*) echo -seed=1 -runs=30000 ;;
    *) echo -seed=1 -runs=100000 ;;
    esac
}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
kept=$SLUICE_SOURCE/build/test-logs
mkdir -p "$kept"

if ! { cmake --preset fuzz && cmake --build --preset fuzz -j "$(nproc)"; } >"$work/build" 2>&1; then
    flunk "the fuzz build" "$(grep -E -A8 'error: |undefined reference|CMake Error' "$work/build" | head -n 60)"
    done_testing
fi

fuzz() { # TARGET: as `timeout` says; the new inputs are thrown away
    local options
    mkdir "$work/$1.new"
    read -ra options <<<"$(how "$1")"
    timeout -k 10 720 "build/fuzz/tests/fuzz_$1" "${options[@]}" -max_len=4096 -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 "-artifact_prefix=$kept/fuzz-$1-" "$work/$1.new" "tests/fuzz/corpus/$1" \
        >"$work/$1" 2>&1
}

running=0
for program in build/fuzz/tests/fuzz_*; do
    target=${program##*/fuzz_}
    if [ $running -ge "$(nproc)" ]; then
        wait -n || true
        running=$((running - 1))
    fi
    { fuzz "$target" && touch "$work/$target.fine"; } &
    running=$((running + 1))
done
wait

for program in build/fuzz/tests/fuzz_*; do
    target=${program##*/fuzz_}
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target")
    name="$target: no input breaks it"
    # Much fewer than the slowest machine makes of the slowest target, and more than the corpus.
    if [ ! -e "$work/$target.fine" ]; then
        flunk "$name" "$(grep -vE '^(#|INFO:)' "$work/$target" | head -n 40)"
    elif [ "${runs:-0}" -lt 200 ]; then
        flunk "$name" "only ${runs:-no} inputs were tried"
    else
        pass "$name ($runs inputs, $(sed -n 's/^stat::average_exec_per_sec: *//p' "$work/$target") a second)"
    fi
done
done_testing
