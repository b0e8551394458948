#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# plan, rollout and step decide what happens to databases: their own unit tests take every branch,
# or the line says why not, with a comment "uncovered: REASON" on it or on the line above.
# timeout: 1200
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

build=build/coverage
log=$(mktemp) report=$(mktemp)
trap 'rm -f "$log" "$report"' EXIT
command -v gcov >/dev/null || skip_all "gcov is not installed"

cmake --preset coverage >"$log" 2>&1 || { flunk "the coverage build" "$(tail -n 20 "$log")"; done_testing; }
readarray -t programs < <(cut -d' ' -f1 "$build/tests/unit.list" | grep -E '^(plan|rollout|step)_' || true)
if ! cmake --build "$build" -j "$(nproc)" --target "${programs[@]}" >"$log" 2>&1; then
    flunk "the coverage build" "$(tail -n 30 "$log")"
    done_testing
fi
find "$build" -name '*.gcda' -delete
# Criterion's own processes write the counts; the results are judged by label unit.
for program in "${programs[@]}"; do "$build/tests/$program" >/dev/null 2>&1 </dev/null || true; done

# gcov tells the branches after the line that has them. A line that compiles into several functions
# comes more than once; assertions have a branch that no test can take, and the compiler shares the
# way out of a function with AUTO() by a branch of its own.
uncovered='
    /^ *[^:]*: *[0-9]+:/ {
        split($0, part, ":"); number = part[2] + 0; above = text
        text = substr($0, length(part[1]) + length(part[2]) + 3)
        excused = text ~ /uncovered:/ || above ~ /uncovered:/ || text ~ /(assert|AUTO)\(/
        if (part[1] ~ /#####/ && !excused) print file ":" number ": never runs:" text
        next
    }
    /^branch/ { total++ }
    /^branch.*(never executed|taken 0)/ && !excused { print file ":" number ": branch not taken:" text }
    END { print total + 0 > "/dev/stderr" }'

for folder in plan rollout step; do
    : >"$report"
    count=0
    for source in reconcile/"$folder"/*.c; do
        data=$build/reconcile/$folder/CMakeFiles/sluice_$folder.dir/$(basename "$source").gcda
        if [ ! -e "$data" ]; then
            # No code at all leaves no data either.
            grep -q '^{' "$source" && echo "$source: no test runs any of it" >>"$report"
            continue
        fi
        gcov -b -c -t "$data" 2>/dev/null |
            awk -v want="$PWD/$source" '/^ *-: *0:Source:/ { on = ($0 ~ ("Source:" want "$")) } on' |
            awk -v file="$source" "$uncovered" >>"$report" 2>"$log"
        count=$((count + $(cat "$log")))
    done
    name="every branch of $folder is taken or excused"
    if [ $count = 0 ]; then
        flunk "$name" "no branch was measured"
    elif [ -s "$report" ]; then
        flunk "$name" "$(sort -u "$report" | wc -l) lines have a gap" \
            "$(sort -u "$report" | sort -t: -k1,1 -k2,2n | head -n 60)"
    else
        pass "$name ($count branches)"
    fi
done
done_testing
