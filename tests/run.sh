#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds, and runs the tests.
#
#   tests/run.sh [--full] [LABEL | SCRIPT]…
#
#   static        second compiler without warnings, include arrows, purity, sizes, format, clang-tidy;
#                 also what has builds of its own: coverage, fuzzing, the thread sanitizer
#   unit          tests/unit, under the Address and undefined-behaviour sanitizers
#   integration   tests/integration/*.sh: real servers, the release build
#   cluster       tests/cluster/*.sh: a real Kubernetes of one node each, the image; where a node cannot
#                 run, as without root, a pod runner stands in for it, and what needs one is skipped
#   roots         tests/roots/*.sh: the demo and the tests on bare Debian 12 and 13 (root only)
#   SCRIPT        one of those scripts, by its path
#
# Without arguments: every label. --full runs the big numbers too. Missing packages are installed
# where that is allowed. With CI=true whatever cannot run has failed. Started as root, the tests run
# as the user sluice-test, which is made if it is not there.
#
# The last line is "N passed, N failed, N skipped"; the code is 0 only if nothing failed and
# something passed. Logs: build/test-logs/.
set -euo pipefail
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/support/servers.sh
. "$source_root/tests/support/servers.sh"

passed=0 failed=0 skipped=0
labels=() scripts=() summary=() notes=()
full=''
run_dir=''
logs=$source_root/build/test-logs
jobs=$(nproc)
waiting_jobs=$((jobs + (jobs + 1) / 2)) # of what waits for servers, disks and packages much of its time
built=''
stage_source=''
cluster_files='' cluster_obstacle='could not be prepared' node_obstacle=''

say() { printf '%s\n' "$*"; }

usage() {
    sed -n 's/^# \{0,1\}//; 3,23p' "${BASH_SOURCE[0]}" >&2
    exit 1
}

parse_arguments() {
    local argument
    for argument in "$@"; do
        case $argument in
        --full) full=1 ;;
        static | unit | integration | cluster | roots) labels+=("$argument") ;;
        *.sh)
            if [ ! -f "$argument" ]; then
                say "no such script: $argument" >&2
                exit 1
            fi
            scripts+=("$(readlink -f "$argument")")
            ;;
        *) usage ;;
        esac
    done
    if [ ${#labels[@]} = 0 ] && [ ${#scripts[@]} = 0 ]; then
        labels=(static unit integration cluster roots)
    fi
}

wants() {
    local label
    for label in "${labels[@]}"; do [ "$label" = "$1" ] && return 0; done
    local script
    for script in "${scripts[@]}"; do
        case $script in */tests/"$1"/*) return 0 ;; esac
    done
    return 1
}

wants_script() {
    local one
    for one in "${labels[@]}"; do [ "$one" != "$(basename "$(dirname "$1")")" ] || return 0; done
    for one in "${scripts[@]}"; do [ "$one" != "$1" ] || return 0; done
    return 1
}

# ---- counting ---------------------------------------------------------------------------------

# One more failure that no test could report itself.
failure() {
    failed=$((failed + 1))
    say "not ok - $1"
}

# What cannot run here: a skip for a person, a failure in CI.
unable() {
    if [ "${CI:-}" = true ]; then
        failure "$1: $2"
    else
        skipped=$((skipped + 1))
        notes+=("skipped $1: $2")
    fi
}

# tally NAME CODE LOG START: count the lines of one script or program; whatever does not add up is a
# failure. A line per script, and everything about what failed.
tally() {
    local name=$1 code=$2 log=$3 start=$4 good bad skips plan lines extra=''
    bad=$(grep -c '^not ok\b' "$log" || true)
    skips=$(grep -c '^ok\b.*# SKIP' "$log" || true)
    good=$(($(grep -c '^ok\b' "$log" || true) - skips))
    plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log" | tail -n 1)
    lines=$((good + bad + skips))
    if [ "$code" = 77 ] && [ $lines = 0 ]; then
        unable "$name" "$(sed -n 's/^# skipped: //p' "$log" | tail -n 1)"
        say "  $name: skipped"
        return
    fi
    case $code in
    0) [ "$plan" = "$lines" ] || extra="said \"1..$plan\" but reported $lines tests" ;;
    124 | 137) extra="ran into its time limit, or was killed" ;;
    *)
        if [ "$plan" != "$lines" ]; then
            extra="ended early with code $code"
        elif [ "$bad" = 0 ]; then
            extra="code $code, though no test failed"
        fi
        ;;
    esac
    [ "$code" != 0 ] || [ $lines != 0 ] || extra="reported no test"
    if [ "${CI:-}" = true ]; then
        bad=$((bad + skips)) skips=0
    fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skips))
    if [ "$bad" != 0 ] || [ "$skips" != 0 ]; then
        awk '/^not ok|^ok.*# SKIP/ { print "  " $0; show = 1; next } /^#/ { if (show) print "  " $0; next } { show = 0 }' \
            "$log" | head -n 400
    fi
    if [ -n "$extra" ]; then
        failure "$name: $extra"
        tail -n 40 "$log" | sed 's/^/  | /'
    fi
    say "  $name: $good passed, $bad failed, $skips skipped, $((SECONDS - start)) s"
}

# ---- the machine ------------------------------------------------------------------------------

# install GROUP…: 0 if all of them are there in the end.
install_packages() { "$source_root/deploy/install-packages.sh" "$@"; }

prepare_machine() {
    install_packages build tests || finish_badly "the packages to build with are missing"
    local group
    for group in servers shells analysis cluster roots; do
        case $group in
        servers) wants integration || wants cluster || wants static || continue ;;
        shells) wants integration || continue ;;
        cluster) wants cluster || continue ;;
        analysis) wants static || wants integration || continue ;;
        roots) wants roots || wants cluster || continue ;;
        esac
        install_packages "$group" || unable "packages of group $group" "could not be installed"
    done
    if [ "$(id -u)" = 0 ] && [ -z "${SLUICE_TEST_USER:-}" ] && ! id -u sluice-test >/dev/null 2>&1; then
        # A shell of its own, so that it can log in to the test's sshd; no password, no home.
        useradd --system --no-create-home --home-dir /nonexistent --shell /bin/bash sluice-test
        notes+=("made the system user sluice-test, which runs the tests; userdel removes it")
    fi
    ulimit -c 0
}

finish_badly() {
    failure "$1"
    finish
}

build() {
    local preset=$1 log=$logs/build-$1.log start=$SECONDS options=(-DSLUICE_TESTS=ON)
    if [ "${CI:-}" = true ]; then options+=(-DSLUICE_WERROR=ON); fi
    if (cd "$source_root" && cmake --preset "$preset" "${options[@]}" &&
        cmake --build --preset "$preset" -j "$jobs") >"$log" 2>&1; then
        say "built $preset in $((SECONDS - start)) s"
        return 0
    fi
    grep -E -A8 'error: |undefined reference|CMake Error' "$log" | head -n 60 || tail -n 30 "$log"
    failure "the $preset build (log: build/test-logs/build-$preset.log)"
    return 1
}

# The dropped user must reach the tree and the programs: a checkout under /root cannot be read, so
# what the tests need is copied then.
stage() {
    run_dir=$(mktemp -d /tmp/slr-XXXXXX)
    mkdir "$run_dir/w" "$run_dir/templates"
    stage_source=$source_root
    if [ "$(id -u)" = 0 ]; then
        chown -R "$(servers_user):$(id -g "$(servers_user)")" "$run_dir"
        chmod 755 "$run_dir"
        if ! servers_as_user test -r "$source_root/tests/run.sh"; then
            stage_source=$run_dir/src
            mkdir "$stage_source"
            (cd "$source_root" && git -c safe.directory='*' ls-files -zco --exclude-standard |
                xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' sh |
                tar -c --null -T - | tar -x -C "$stage_source" --no-same-owner)
            stage_build debug
            stage_build release
        fi
    fi
}

stage_build() {
    [ -d "$source_root/build/$1" ] || return 0
    mkdir -p "$stage_source/build/$1"
    # The demo's build has no tests/, no bench/ and no pages/. The wrong versions of the order's rules are linked with what is built.
    (cd "$source_root/build/$1" && {
        find . -maxdepth 2 -type f \( -path ./sluice -o -path './tests/*' -o -path './bench/*' -o -path './pages/*' \) -print0
        find . -type f \( -path './reconcile/*.a' -o -path './base/*.a' -o -path './model/*.a' \
            -o -path './tests/CMakeFiles/order_check.dir/*.o' -o -path './tests/CMakeFiles/step_order_proof_test.dir/*.o' \) \
            -print0
    } | tar -c --null -T -) |
        tar -x -C "$stage_source/build/$1" --no-same-owner
}

# launch LIMIT NAME LOG COMMAND…: in the background, no more than LIMIT at once. With job control,
# because background commands ignore SIGINT otherwise, and so that an interruption of ours is not
# put off until they end.
declare -A job_name=() job_log=() job_start=()
launch() {
    local limit=$1 name=$2 log=$3
    shift 3
    while [ ${#job_name[@]} -ge "$limit" ]; do reap; done
    set -m
    "$@" </dev/null >"$log" 2>&1 &
    set +m
    job_name[$!]=$name job_log[$!]=$log job_start[$!]=$SECONDS
}

# Wait for one of them and count its tests.
reap() {
    local pid code=0
    wait -n -p pid "${!job_name[@]}" || code=$?
    sweep "${job_name[$pid]}"
    tally "${job_name[$pid]}" "$code" "${job_log[$pid]}" "${job_start[$pid]}"
    unset "job_name[$pid]"
}

reap_all() { while [ ${#job_name[@]} != 0 ]; do reap; done; }

# run_as_user NAME SECONDS FOLDER COMMAND…: with a time limit, as the unprivileged user.
run_as_user() {
    local name=$1 seconds=$2 folder=$3
    shift 3
    (
        if [ "$folder" = own ]; then folder=$(exec_as_user mktemp -d "$run_dir/w/XXXXXX"); fi
        cd "$folder"
        test_environment "$name"
        exec_as_user env "HOME=$run_dir/w" timeout -k 15 "$seconds" "$@"
    )
}

test_environment() { # NAME
    export SLUICE=$stage_source/build/release/sluice SLUICE_BUILD=$stage_source/build/release
    export SLUICE_DEBUG_BUILD=$stage_source/build/debug SLUICE_SOURCE=$stage_source
    export SLUICE_TEST_TEMPLATES=$run_dir/templates SLUICE_TEST_RUN=$run_dir/$1 TMPDIR=$run_dir/w
    [ -z "$full" ] || export SLUICE_FULL=1
}

# run_on_cluster NAME SECONDS FILE: the cluster is root's, the script runs as the unprivileged user.
run_on_cluster() {
    local name=$1 seconds=$2 file=$3
    (
        cd "$(exec_as_user mktemp -d "$run_dir/w/XXXXXX")"
        test_environment "$name"
        export SLUICE_IMAGE_FILE=$cluster_files/sluice.tar SLUICE_IMAGE_BUILD=$source_root/deploy/image/build.sh
        export CLUSTER_BIN=$cluster_files CLUSTER_HOME=$run_dir/w
        exec timeout -k 60 "$seconds" "$stage_source/tests/support/kubernetes/with-cluster.sh" \
            --image "$SLUICE_IMAGE_FILE" --logs "$logs/${name//\//-}" bash "$file"
    )
}

# run_on_pod_runner NAME SECONDS FILE: a control plane alone, and the unprivileged user's.
run_on_pod_runner() {
    local name=$1 seconds=$2 file=$3
    (
        cd "$(exec_as_user mktemp -d "$run_dir/w/XXXXXX")"
        test_environment "$name"
        export CLUSTER_BIN=$cluster_files CLUSTER_HOME=$run_dir/w
        exec timeout -k 60 "$seconds" "$stage_source/tests/support/kubernetes/with-pod-runner.sh" \
            --logs "$logs/${name//\//-}" bash "$file"
    )
}

# run_own_cluster NAME SECONDS FILE: one that says "# cluster: own" makes its cluster itself, as root.
run_own_cluster() {
    local name=$1 seconds=$2 file=$3
    (
        test_environment "$name"
        export SLUICE_SOURCE=$source_root SLUICE_IMAGE_FILE=$cluster_files/sluice.tar CLUSTER_BIN=$cluster_files
        cd /
        exec timeout -k 60 "$seconds" bash "$file"
    )
}

# static and roots: as ourselves, in the source tree.
run_here() {
    cd "$source_root"
    export SLUICE_SOURCE=$source_root SLUICE_BUILD=$source_root/build/release
    [ -z "$full" ] || export SLUICE_FULL=1
    exec timeout -k 60 "$@"
}

exec_as_user() {
    if [ "$(id -u)" = 0 ]; then servers_as_user "$@"; else "$@"; fi
}

# Whatever a test left running was started by us: it carries our mark in its environment.
sweep() { # NAME, or nothing for the whole run
    local environ pid
    for environ in $(grep -lsz "^SLUICE_TEST_RUN=$run_dir/${1:+$1\$}" /proc/[0-9]*/environ || true); do
        pid=${environ#/proc/}
        pid=${pid%/environ}
        notes+=("${1:-the run} left process $pid behind: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-120)")
        kill -9 "$pid" 2>/dev/null || true
    done
}

time_limit() { sed -n '1,15s/^# timeout: *\([0-9]*\)$/\1/p' "$1" | head -n 1 | grep . || echo 300; }

# Only if a script that will run asks for it: 254 MB the first time.
fetch_flyway() {
    local script wanted=()
    for script in "$source_root"/tests/integration/*.sh; do
        if wants_script "$script" && grep -q flyway_need "$script"; then wanted+=("$script"); fi
    done
    [ ${#wanted[@]} != 0 ] || return 0
    # shellcheck source=tests/support/cache.sh
    . "$source_root/tests/support/cache.sh"
    # shellcheck source=tests/support/flyway.sh
    . "$source_root/tests/support/flyway.sh"
    if ! { install_packages flyway && flyway_fetch; } >"$logs/flyway.log" 2>&1; then
        tail -n 5 "$logs/flyway.log"
        notes+=("Flyway could not be fetched (log: build/test-logs/flyway.log)")
    fi
}

# What a script of tests/cluster says that it runs on, "# cluster: KIND":
#   node         a node with the image; without one it is skipped
#   own          the same, but it makes its cluster itself, as root
#   pod-runner   no node, even if there could be one
#   nothing      a node if there can be one
cluster_kind() { sed -n '1,15s/^# cluster: *//p' "$1" | head -n 1; }

wants_node() {
    local script
    for script in "$source_root"/tests/cluster/*.sh; do
        if wants_script "$script" && [ "$(cluster_kind "$script")" != pod-runner ]; then return 0; fi
    done
    return 1
}

# What the cluster tests need before the first of them: $cluster_files, or the reason why not. Without a
# node $node_obstacle says why.
prepare_cluster() {
    local start=$SECONDS support=$source_root/tests/support/kubernetes folder=$run_dir/cluster what='Kubernetes'
    wants cluster || return 0
    if ! "$support/with-cluster.sh" --check 2>"$logs/kubernetes.log"; then
        node_obstacle=$(sed -n 's/^# skipped: //p' "$logs/kubernetes.log")
        if ! "$support/with-pod-runner.sh" --check 2>"$logs/kubernetes.log"; then
            cluster_obstacle="$node_obstacle; $(sed -n 's/^# skipped: //p' "$logs/kubernetes.log")"
            return 0
        fi
        ! wants_node || notes+=("cluster: a pod runner stood in for the node: $node_obstacle")
    fi
    mkdir "$folder"
    if ! { "$support/build.sh" "$folder" && "$source_root/tests/support/kstatus/build.sh" "$folder"; } \
        >"$logs/kubernetes.log" 2>&1; then
        tail -n 5 "$logs/kubernetes.log"
        cluster_obstacle="no Kubernetes (log: build/test-logs/kubernetes.log)"
        return 0
    fi
    if [ -z "$node_obstacle" ] && wants_node; then
        what+=' and the image'
        if ! "$source_root/deploy/image/build.sh" --name localhost/sluice:test --output "$folder/sluice.tar" \
            >"$logs/image.log" 2>&1; then
            tail -n 20 "$logs/image.log"
            cluster_obstacle="no image (log: build/test-logs/image.log)"
            return 0
        fi
    fi
    chmod 755 "$folder"
    cluster_files=$folder
    say "prepared $what in $((SECONDS - start)) s"
}

# ---- labels -----------------------------------------------------------------------------------

run_unit() {
    [ "$(stat -c %a /dev/shm 2>/dev/null)" = 1777 ] ||
        say "# /dev/shm is not world-writable: Criterion will not start" >&2
    local name seconds kind
    while read -r name seconds kind; do
        [ -n "$name" ] || continue
        # shellcheck disable=SC2016
        launch "$jobs" "unit/$name" "$logs/unit-$name.log" \
            run_as_user "unit/$name" "$seconds" "$stage_source" bash -c \
            '. tests/support/tap.sh; "$1" "$2"; done_testing' bash "${kind:-program}" \
            "$stage_source/build/debug/tests/$name"
    done <"$source_root/build/debug/tests/unit.list"
    reap_all
}

run_cluster_script() { # NAME LOG FILE
    local name=$1 log=$2 file=$3 kind limit run=run_on_cluster
    kind=$(cluster_kind "$file")
    limit=$(time_limit "$file")
    [ "$kind" != pod-runner ] && [ -z "$node_obstacle" ] || run=run_on_pod_runner
    case $kind in
    node | own | pod-runner | '') ;;
    *)
        failure "$name: \"# cluster: $kind\" is nothing that there is"
        return
        ;;
    esac
    if [ -z "$cluster_files" ]; then
        unable "$name" "$cluster_obstacle"
    elif [ -n "$node_obstacle" ] && [[ $kind = node || $kind = own ]]; then
        unable "$name" "needs a node: $node_obstacle"
    elif [ "$kind" = own ]; then
        launch "$jobs" "$name" "$log" run_own_cluster "$name" "$limit" "$file"
    else
        launch "$jobs" "$name" "$log" "$run" "$name" "$limit" "$stage_source/tests/cluster/$(basename "$file")"
    fi
}

run_script() { # LABEL FILE
    local label=$1 file=$2 name log
    name=$label/$(basename "$file" .sh)
    log=$logs/$label-$(basename "$file" .sh).log
    if [ "$label" = cluster ]; then
        run_cluster_script "$name" "$log" "$file"
    elif [ "$label" = integration ]; then
        launch "$waiting_jobs" "$name" "$log" run_as_user "$name" "$(time_limit "$file")" own \
            bash "$stage_source/tests/$label/$(basename "$file")"
    elif [ "$label" = roots ]; then
        launch "$waiting_jobs" "$name" "$log" run_here "$(time_limit "$file")" bash "$file"
    else # they use all cores themselves
        launch 1 "$name" "$log" run_here "$(time_limit "$file")" bash "$file"
    fi
}

# Those that may take longest first: beside them the others find their way in.
scripts_of() { # LABEL
    local file
    for file in "$source_root/tests/$1"/*.sh; do
        [ ! -e "$file" ] || printf '%s %s\n' "$(time_limit "$file")" "$file"
    done | sort -k1,1nr -k2 | cut -d' ' -f2-
}

run_scripts() {
    local label=$1 file found=''
    while IFS= read -r file; do
        found=1
        run_script "$label" "$file"
    done < <(scripts_of "$label")
    reap_all
    [ -n "$found" ] || unable "$label" "there is no script in tests/$label"
}

# Which build folders a label needs.
builds_of() {
    case $1 in
    unit) echo debug ;;
    static) echo release ;;
    integration | cluster) echo release debug ;;
    esac
}

build_all() {
    local preset label needed=' '
    if [ "${CI:-}" = true ]; then say "warnings are errors"; fi
    for label in unit static integration cluster; do
        if wants "$label"; then needed="$needed$(builds_of "$label") "; fi
    done
    for preset in debug release; do
        case $needed in *" $preset "*) build "$preset" && built="$built $preset" || true ;; esac
    done
}

run_label() {
    local label=$1 start=$SECONDS before_p=$passed before_f=$failed before_s=$skipped preset
    say "== $label"
    for preset in $(builds_of "$label"); do
        case "$built " in *" $preset "*) ;; *) say "  not run: no $preset build"; return ;; esac
    done
    case $label in
    unit) run_unit ;;
    roots) if [ "$(id -u)" = 0 ]; then run_scripts roots; else unable roots "needs root"; fi ;;
    *) run_scripts "$label" ;;
    esac
    summary+=("$(printf '%-12s %d passed, %d failed, %d skipped, %d s' "$label" \
        $((passed - before_p)) $((failed - before_f)) $((skipped - before_s)) $((SECONDS - start)))")
}

finish() {
    local line pid code=0
    trap - EXIT
    trap '' INT TERM HUP # a second one must not cut the cleaning short
    for pid in "${!job_name[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ -n "$run_dir" ]; then
        sweep
        rm -rf "$run_dir"
    fi
    say "=="
    for line in "${notes[@]}"; do say "note: $line"; done
    for line in "${summary[@]}"; do say "$line"; done
    if [ $passed = 0 ] && [ $failed = 0 ]; then
        say "no test ran: that is a failure"
        code=1
    fi
    [ $failed = 0 ] || code=1
    say "$passed passed, $failed failed, $skipped skipped"
    exit $code
}

parse_arguments "$@"
mkdir -p "$logs"
trap 'finish_badly "interrupted"' INT TERM HUP
trap 'finish_badly "tests/run.sh ended early"' EXIT
prepare_machine
build_all
stage
fetch_flyway
prepare_cluster
for label in "${labels[@]}"; do run_label "$label"; done
for script in "${scripts[@]}"; do run_script "$(basename "$(dirname "$script")")" "$script"; done
reap_all
finish
