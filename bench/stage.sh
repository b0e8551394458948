# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Where a bench runs: a folder that the tests' unprivileged user can read, and one process group that ends with us.
#
#   stage_make FOLDER NAME   a new folder in FOLDER: $stage, with src/bench and src/tests/support of $root
#   stage_run COMMAND...     as a group of its own; ends the script with its code

stage='' inner=''

stage_make() {
    stage=$(mktemp -d "$1/$2-XXXXXX")
    trap 'rm -rf "$stage"' EXIT
    trap 'exit 143' INT TERM HUP
    mkdir -p "$stage/src/tests"
    cp -R "$root/bench" "$stage/src/"
    cp -R "$root/tests/support" "$stage/src/tests/"
}

stage_end() {
    trap '' INT TERM HUP
    [ -z "$inner" ] || kill -- "-$inner" 2>/dev/null || true # a group: a shell in it waits for its command
    [ -z "$inner" ] || wait "$inner" 2>/dev/null || true
    rm -rf "$stage"
}

stage_run() {
    local code=0
    trap stage_end EXIT
    setsid "$@" &
    inner=$!
    wait "$inner" || code=$?
    inner=''
    exit $code
}
