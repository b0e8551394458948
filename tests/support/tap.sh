# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What an integration script reports with: one line a test, "ok - NAME" or "not ok - NAME".
#
#   ok NAME COMMAND…                  passes if the command ends with 0
#   is NAME GOT WANT                  equal texts
#   like NAME TEXT REGEX              extended regular expression
#   run_expect NAME CODE REGEX COMMAND…
#                                     the exit code, and REGEX ('' = any) in stderr; then $run_code,
#                                     $run_stdout, $run_stderr hold what was said
#   wait_for NAME SECONDS COMMAND…    polls until the command ends with 0
#   within SECONDS COMMAND…           the same without a line of its own
#   pass NAME / flunk NAME [WHY] / skip NAME WHY
#   skip_all WHY                      the whole script cannot run here: code 77
#   criterion BINARY [ARGUMENT…]      runs a Criterion program and reports each of its tests
#   program BINARY [ARGUMENT…]        any other program: one test, told by its exit code
#   done_testing                      last line of every script: "1..N" and the exit code
#
# A script that ends without done_testing, or with a number of lines that is not N, has failed.

[ -n "${TAP_SH:-}" ] && return 0
TAP_SH=1
tap_count=0
tap_failed=0
run_code=0 run_stdout='' run_stderr=''

pass() {
    tap_count=$((tap_count + 1))
    printf 'ok - %s\n' "$1"
}

flunk() {
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    printf 'not ok - %s\n' "$1"
    shift
    [ $# = 0 ] || printf '%s\n' "$@" | sed 's/^/#   /'
    return 0
}

skip() {
    # Where everything must be there, a skipped test is a failed one.
    if [ "${CI:-}" = true ]; then
        flunk "$1" "skipped in CI: $2"
        return
    fi
    tap_count=$((tap_count + 1))
    printf 'ok - %s # SKIP %s\n' "$1" "$2"
}

skip_all() {
    printf '# skipped: %s\n' "$*" >&2
    exit 77
}

ok() {
    local name=$1 output code=0
    shift
    output=$("$@" 2>&1) || code=$?
    if [ $code = 0 ]; then pass "$name"; else flunk "$name" "code $code of: $*" "$output"; fi
}

is() {
    if [ "$2" = "$3" ]; then pass "$1"; else flunk "$1" "got:  $2" "want: $3"; fi
}

like() {
    if [[ $2 =~ $3 ]]; then pass "$1"; else flunk "$1" "got:  $2" "want: $3"; fi
}

run_expect() {
    local name=$1 code=$2 regex=$3 errors
    shift 3
    errors=$(mktemp)
    run_code=0
    run_stdout=$("$@" 2>"$errors" </dev/null) || run_code=$?
    run_stderr=$(<"$errors")
    rm -f "$errors"
    if [ "$run_code" = "$code" ] && [[ $run_stderr =~ $regex ]]; then
        pass "$name"
    else
        flunk "$name" "command: $*" "code: $run_code, want $code" "want in stderr: $regex" \
            "stderr: $run_stderr" "stdout: ${run_stdout:0:2000}"
    fi
}

within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

wait_for() {
    local name=$1 seconds=$2
    shift 2
    if within "$seconds" "$@"; then pass "$name"; else flunk "$name" "not after $seconds s: $*"; fi
}

# Criterion prints leaks without failing, and ends with 0 when a filter matches no test.
criterion() {
    local program=$1 name code=0 log tap line count=0 bad=0 planned=0
    name=$(basename "$1")
    shift
    log=$(mktemp) tap=$(mktemp)
    # One job, and so one test at a time: criterion_fork.c says why.
    "$program" --jobs 1 "--tap=$tap" "$@" >"$log" 2>&1 </dev/null || code=$?
    while IFS= read -r line; do
        if [[ $line =~ ^1\.\.([0-9]+) ]]; then
            planned=${BASH_REMATCH[1]}
        elif [[ $line =~ ^(not\ )?ok\ -\ ([^\ ]+)(.*)$ ]]; then
            count=$((count + 1))
            if [[ "$* ${BASH_REMATCH[3]}" == *--filter*"# SKIP test was skipped"* ]]; then
                : # not chosen
            elif [[ ${BASH_REMATCH[3]} == *"# SKIP"* ]]; then
                skip "$name ${BASH_REMATCH[2]}" "disabled in the program"
            elif [ -n "${BASH_REMATCH[1]}" ]; then
                bad=$((bad + 1))
                flunk "$name ${BASH_REMATCH[2]}"
            else
                pass "$name ${BASH_REMATCH[2]}"
            fi
        fi
    done <"$tap"
    if [ $count = 0 ]; then
        flunk "$name runs" "no test ran, code $code"
    elif [ $count != "$planned" ]; then
        flunk "$name runs all its tests" "$count of $planned, code $code"
    elif grep -Eq 'ERROR: (Leak|Address|Thread)Sanitizer|runtime error:' "$log"; then
        flunk "$name is clean under the sanitizers"
    elif [ $code != 0 ] && [ $bad = 0 ]; then
        flunk "$name ends well" "code $code"
    elif [ $bad = 0 ]; then
        rm -f "$log" "$tap"
        return 0
    fi
    head -c 20000 "$log" | sed 's/^/#   /'
    rm -f "$log" "$tap"
}

program() {
    local name code=0 log
    name=$(basename "$1")
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || code=$?
    if [ $code = 0 ] && ! grep -Eq 'ERROR: (Leak|Address|Thread)Sanitizer|runtime error:' "$log"; then
        pass "$name: $(tail -n 1 "$log")"
    else
        flunk "$name" "code $code" "$(tail -c 20000 "$log")"
    fi
    rm -f "$log"
}

done_testing() {
    printf '1..%d\n' "$tap_count"
    [ "$tap_failed" = 0 ] && [ "$tap_count" -gt 0 ] || exit 1
    exit 0
}
