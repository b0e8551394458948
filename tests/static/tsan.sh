#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The thread sanitizer has nothing to report of what has threads: unit tests, and a controller at work in scripts of
# tests/integration. --full: in all of the controller's.
# timeout: 3600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

scripts='controller_fleet controller_standalone'
# controller_kills starts the debug build; controller_reasons awaits too many plans, each in 30 s.
[ -z "${SLUICE_FULL:-}" ] ||
    scripts+=' controller_resolve controller_story controller_kill gates order_members idle_jobs'

# Its shadow leaves room for no more random bits of an address than this.
if [ "$(cat /proc/sys/vm/mmap_rnd_bits)" -gt 28 ] && [ -z "${TSAN_SAME_ADDRESSES:-}" ]; then
    setarch "$(uname -m)" -R true ||
        skip_all "addresses are too random here (vm.mmap_rnd_bits over 28), and setarch -R is not allowed"
    TSAN_SAME_ADDRESSES=1 exec setarch "$(uname -m)" -R bash "$0"
fi

work=$(mktemp -d /tmp/slt-XXXXXX) # short: a socket's path is under 108 bytes
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
mkdir "$work/src" "$work/w" "$work/templates" "$work/reports"

readarray -t programs < <(sed -n 's/^sluice_test(\(controller_[a-z_]*_test\) .*/\1/p' tests/unit/controller.cmake)
programs+=(base_system_test base_address_test local_state_test k8s_watch_test k8s_limit_test)
if ! { cmake --preset tsan -DSLUICE_TESTS=ON &&
    cmake --build --preset tsan -j "$(nproc)" --target sluice "${programs[@]}"; } >"$work/log" 2>&1; then
    flunk "the tsan build" "$(grep -E -A8 'error: |undefined reference|CMake Error' "$work/log" | head -n 60)"
    done_testing
fi

# A report is a file, and no failure by itself.
options="exitcode=0:history_size=4:suppressions=$work/src/tests/support/tsan.supp"
quiet() { # NAME: no report below $work/reports/NAME
    local name=$1 files
    files=$(find "$work/reports" -name "$name.*" -size +0)
    if [ -z "$files" ]; then
        pass "$name: the thread sanitizer reports nothing"
    else
        # shellcheck disable=SC2086
        flunk "$name: the thread sanitizer reports nothing" "$(head -qn 60 $files | head -n 200)"
    fi
}

# It must see a race, else it would see none of ours.
cat >"$work/race.c" <<'C'
#include <pthread.h>
static int shared;
static void *add(void *payload) { shared++; return payload; }
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, add, 0);
    shared++;
    return pthread_join(thread, 0);
}
C
cc -fsanitize=thread -o "$work/race" "$work/race.c"
like "a race is reported" "$(TSAN_OPTIONS=exitcode=0 "$work/race" 2>&1)" 'WARNING: ThreadSanitizer: data race'

# What the unprivileged user runs must be readable to it.
sources | xargs -d '\n' tar -c | tar -x -C "$work/src" --no-same-owner
mkdir -p "$work/src/build/tsan"
cp build/tsan/sluice "$work/src/build/tsan/"
if [ "$(id -u)" = 0 ]; then
    chown -R "$(servers_user):" "$work"
fi

for program in "${programs[@]}"; do
    TSAN_OPTIONS="$options:log_path=$work/reports/$program" program "build/tsan/tests/$program"
    quiet "$program"
done

script() { # NAME: its lines in $work/NAME
    cd "$work/w"
    SLUICE=$work/src/build/tsan/sluice SLUICE_BUILD=$work/src/build/tsan SLUICE_SOURCE=$work/src TMPDIR=$work/w \
        SLUICE_TEST_TEMPLATES=$work/templates TSAN_OPTIONS="$options:log_path=$work/reports/$1" \
        servers_as_user timeout -k 15 1500 bash "$work/src/tests/integration/$1.sh" >"$work/$1" 2>&1
}
running=0
for name in $scripts; do
    if [ $running -ge $(($(nproc) + 1)) ]; then
        wait -n || true
        running=$((running - 1))
    fi
    { code=0; script "$name" || code=$?; echo $code >"$work/$name.code"; } &
    running=$((running + 1))
done
wait

for name in $scripts; do
    code=$(<"$work/$name.code")
    if [ "$code" = 77 ]; then
        skip "$name passes under the thread sanitizer" "$(sed -n 's/^# skipped: //p' "$work/$name" | tail -n 1)"
        continue
    fi
    is "$name passes under the thread sanitizer" "$code $(grep -A20 '^not ok' "$work/$name")" '0 '
    quiet "$name"
done
done_testing
