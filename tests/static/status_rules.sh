#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rules by which the cluster tests judge every status find what breaks them.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
rules=$SLUICE_SOURCE/tests/support/status-rules.pl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# condition TYPE STATUS [REASON [GENERATION [MESSAGE]]]
condition() {
    printf '{"type":"%s","status":"%s","reason":"%s","observedGeneration":%s,"message":"%s","lastTransitionTime":"%s"}' \
        "$1" "$2" "${3:-Progressing}" "${4:-2}" "${5:-}" 2026-11-22T10:00:00Z
}
plan() { # OBSERVED CONDITION…
    local observed=$1 IFS=,
    shift
    printf '{"kind":"MigrationPlan","metadata":{"name":"shop","generation":2},"status":{"observedGeneration":%s,"lastAttemptedCommit":"%s","conditions":[%s]}}\n' \
        "$observed" 4f2c9e0000000000000000000000000000000000 "$*"
}
judged() { # NAME WANT OBSERVED CONDITION…
    local name=$1 want=$2
    shift 2
    plan "$@" >"$work/plan"
    is "$name" "$("$rules" "$work/plan" 2>&1 | sed 's/^[^:]*: //')" "$want"
}

progressing=("$(condition Ready Unknown)" "$(condition Reconciling True)")
stalled=("$(condition Ready False CanaryFailed)" "$(condition Stalled True CanaryFailed)")
done_=$(condition Ready True ReconciliationSucceeded)
judged "nobody has seen it" '' -1
judged "on its way" '' 2 "${progressing[@]}" "$(condition Waiting True Soaking)"
judged "the status of the last generation, while a new one is there" '' 1 "$(condition Ready True Succeeded 1)"
judged "stalled" '' 2 "${stalled[@]}" "$(condition Finished True Failed 2 "4f2c9e0000000000000000000000000000000000: no")"
judged "done" '' 2 "$done_"
judged "no Ready" 'Ready is missing' 2 "$(condition Reconciling True)"
judged "both at once" 'Reconciling and Stalled' 2 "${stalled[@]}" "$(condition Reconciling True)"
judged "Reconciling=False is written" 'Reconciling: it is there, but False' 2 "$done_" "$(condition Reconciling False)"
judged "Ready beside Reconciling" 'Ready is True beside Reconciling' 2 "$done_" "$(condition Reconciling True)"
judged "Unknown, and nothing on its way" 'Ready is Unknown without Reconciling' 2 "$(condition Ready Unknown)"
judged "False for ever, and no Stalled" 'Ready is False without Reconciling and Stalled' 2 "$(condition Ready False)"
judged "two causes" 'Ready says Progressing, Stalled CanaryFailed' 2 "$(condition Ready False)" "${stalled[1]}"
judged "a generation that will be" 'Ready: it has seen a generation that is not there' 2 "$(condition Ready True Succeeded 3)"
judged "Ready and an old condition" 'Ready is True, but Migrated speaks of another generation' 2 "$done_" "$(condition Migrated True Succeeded 1)"
judged "Finished without its commit" 'the message of Finished does not begin with a commit' 2 "$done_" "$(condition Finished True Succeeded 2 well)"
judged "a reason in words" 'Ready: it has no reason in the right form' 2 "$(condition Ready True 'it works')"
judged "a condition twice" 'Ready is there twice' 2 "$done_" "$done_"
printf '{"kind":"MigrationPlan","metadata":{"generation":1}}\n' >"$work/plan"
is "no default of the schema" "$("$rules" "$work/plan" | sed 's/^[^:]*: //')" 'status has no observedGeneration: kstatus would take it for done'

{ plan -1; plan 2 "${progressing[@]}"; printf '{"kind":'; } >"$work/watch"
is "a watch is told, and its broken end is left out" "$("$rules" --list "$work/watch")" \
    '2 -1 - -
2 2 Ready?,Reconciling Progressing'
{
    plan 2 "$done_" "$(condition Finished True Succeeded 1 "4f2c9e0000000000000000000000000000000000: well")"
    plan 2 "${progressing[@]}" "$(condition Finished True Succeeded 2 "4f2c9e0000000000000000000000000000000000: well")"
} | sed '1s/"observedGeneration":2/"observedGeneration":1/g; 1s/"generation":2/"generation":1/' >"$work/watch"
is "an end that is told of what has not ended" "$("$rules" "$work/watch" | sed 's/^[^:]*: //')" \
    'Finished speaks of generation 2, whose roll-out has not ended'
run_expect "a file without objects is an error" 2 'no object' "$rules" --list /dev/null
done_testing
