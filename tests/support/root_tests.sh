# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What must work on every bare root: the demo as it is, then the tests. Sourced by tests/roots/*.sh.
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/root.sh"

# The checkout lies under /root, which the tests' own user cannot read: that must work too.
root_clone() {
    git -c safe.directory='*' clone -q --no-hardlinks "$SLUICE_SOURCE" "$root_dir/root/sluice"
}

root_step() { # NAME SECONDS NET SCRIPT: a line with the last line that it said
    local name=$1 log start=$SECONDS code=0
    log=$(mktemp)
    root_run "$2" "$3" "cd ~/sluice && $4" >"$log" 2>&1 || code=$?
    name="$name: $(tail -n 1 "$log") ($((SECONDS - start)) s)"
    if [ $code = 0 ]; then pass "$name"; else flunk "$name" "code $code" "$(tail -n 80 "$log")"; fi
    rm -f "$log"
}

root_tests() { # SUITE
    root_need
    trap root_done EXIT
    local start=$SECONDS tests='tests/run.sh unit' net=nonet
    [ -z "${SLUICE_FULL:-}" ] || { tests='tests/run.sh --full unit integration' net=net; }
    if ! root_make "$1"; then
        flunk "$1: a bare root can be made"
        done_testing
    fi
    root_clone
    pass "$1: a bare root with a clone ($((SECONDS - start)) s)"
    if [ -e "$SLUICE_SOURCE/deploy/demo/run.sh" ]; then
        root_step "$1: deploy/demo/run.sh" 900 net deploy/demo/run.sh
    else
        skip "$1: deploy/demo/run.sh" "there is no demo yet"
    fi
    root_step "$1: the packages of the tests" 600 net 'deploy/install-packages.sh build tests && echo there'
    ok "$1: what the installation switches off is on again" \
        test ! -e "$root_dir/usr/sbin/policy-rc.d" -a ! -e "$root_dir/etc/postgresql-common/createcluster.d/sluice.conf"
    # From here on without a network: nothing may phone home.
    root_step "$1: $tests" 3000 $net "CI=${CI:-} SLUICE_SEEDS=1000 $tests"
    done_testing
}
