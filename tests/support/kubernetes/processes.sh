# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The programs of a cluster: $CLUSTER_DIR/NAME.pid and log/NAME.log of each.

say() { printf '# cluster: %s\n' "$*" >&2; }

# until_true SECONDS WHAT COMMAND…
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            say "$what: not in time"
            return 1
        fi
        sleep 0.05
    done
}

# start NAME COMMAND…: in the background, with a log. Behind $start_prefix.
start_prefix=()
start() {
    local name=$1
    shift
    "${start_prefix[@]}" setsid "$@" </dev/null >>"$CLUSTER_DIR/log/$name.log" 2>&1 &
    echo $! >"$CLUSTER_DIR/$name.pid"
    disown # or the shell would tell of its end
}

# running NAME: true; or the end of its log, and false.
running() {
    kill -0 "$(<"$CLUSTER_DIR/$1.pid")" 2>/dev/null && return 0
    say "$1 ended:"
    tail -n 5 "$CLUSTER_DIR/log/$1.log" | cut -c1-300 >&2
    return 1
}
