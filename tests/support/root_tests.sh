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

# What a person does who has got the package, in a root without any compiler: apt brings what it depends on.
root_try_package='
export DEBIAN_FRONTEND=noninteractive
apt-get -q update && apt-get -y -q --no-install-recommends install ~/sluice.deb man-db || exit 1
dpkg-query -W -f "\${db:Status-Status}" sluice | grep -qx installed
sluice help | grep -q "^  migrate  *apply what is missing" || { echo "sluice help"; exit 1; }
[ "$(kubectl-sluice version)" = "sluice $(dpkg-query -W -f "\${Version}" sluice)" ] || { echo "kubectl-sluice version"; exit 1; }
LC_ALL=C.UTF-8 man sluice | grep -q "sluice-migrate(1)" || { echo "man sluice"; exit 1; }
LC_ALL=C.UTF-8 man sluice-migrate | grep -q -- "--url URL" || { echo "man sluice-migrate"; exit 1; }
. /usr/share/bash-completion/completions/sluice
COMP_WORDS=(sluice wait --if-missing w) COMP_CWORD=3
_sluice
[ "${COMPREPLY[*]}" = wait ] || { echo "completion: ${COMPREPLY[*]}"; exit 1; }
[ -e /usr/share/sluice/deploy/kustomize/base/../../../crds/kustomization.yaml ] || { echo "the definitions"; exit 1; }
sluice version -o json | grep -q libmicrohttpd || { echo "a library is missing"; exit 1; }
! sluice version -o json | grep -q unknown || { echo "the commit is unknown"; exit 1; }
dpkg --remove sluice >/dev/null
left=$(find / -xdev -path /proc -prune -o -path /root -prune -o -name "*sluice*" -print | grep -v "^/var/\|^/sys" || true)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "installed, tried and removed"'

root_package() { # SUITE
    local start=$SECONDS log code=0 built
    root_step "$1: the package" 600 net \
        'deploy/install-packages.sh build package && cmake --build --preset release && cd build/release && cpack >/dev/null && ls sluice_*.deb'
    built=$(find "$root_dir/root/sluice/build/release" -maxdepth 1 -name 'sluice_*.deb')
    log=$(mktemp)
    ( # a root of its own
        root_make "$1" || exit 1
        trap root_done EXIT
        cp "$built" "$root_dir/root/sluice.deb"
        root_run 300 net "$root_try_package"
    ) >"$log" 2>&1 || code=$?
    if [ $code = 0 ]; then
        pass "$1: it is installed where there is nothing else: $(tail -n 1 "$log") ($((SECONDS - start)) s)"
    else
        flunk "$1: it is installed where there is nothing else" "code $code" "$(tail -n 40 "$log")"
    fi
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
    root_package "$1"
    root_step "$1: the packages of the tests" 600 net 'deploy/install-packages.sh build tests && echo there'
    ok "$1: what the installation switches off is on again" \
        test ! -e "$root_dir/usr/sbin/policy-rc.d" -a ! -e "$root_dir/etc/postgresql-common/createcluster.d/sluice.conf"
    # From here on without a network: nothing may phone home.
    root_step "$1: $tests" 3000 $net "CI=${CI:-} SLUICE_SEEDS=1000 $tests"
    done_testing
}
