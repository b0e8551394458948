#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows Sluice at work: private PostgreSQL and MariaDB servers, a git repository, the controller.
#
#   deploy/demo/run.sh [--keep]
#
# Installs what is missing where it may, builds, tells the story (story.sh), and removes everything.
# --keep: everything goes on running until you press Enter, and the folder stays.
set -euo pipefail
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../tests/support/servers.sh
. "$source_root/tests/support/servers.sh"

keep=''
for argument in "$@"; do
    case $argument in
    --keep) keep=1 ;;
    *)
        sed -n 's/^# \{0,1\}//; 3,9p' "${BASH_SOURCE[0]}" >&2
        exit 1
        ;;
    esac
done

build() {
    local log=$source_root/build/demo-build.log start=$SECONDS
    mkdir -p "$source_root/build"
    if [ ! -x "$source_root/build/release/sluice" ]; then
        printf 'Building Sluice (about a minute on two cores) ...\n'
    fi
    if ! (cd "$source_root" && cmake --preset release -DSLUICE_TESTS=OFF &&
        cmake --build --preset release --target sluice -j "$(nproc)") >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        printf 'the build failed; the whole log: build/demo-build.log\n' >&2
        exit 1
    fi
    printf 'Built build/release/sluice in %d s.\n\n' $((SECONDS - start))
}

# Servers refuse root, so the story runs as one unprivileged user, who must be able to read it.
stage=''
remove_stage() { [ -z "$stage" ] || rm -rf "$stage"; }

stage_for_user() {
    stage=$(mktemp -d /tmp/sluice-demo-XXXXXX)
    trap remove_stage EXIT
    mkdir -p "$stage/deploy/demo" "$stage/tests" "$stage/build/release"
    cp "$source_root"/deploy/demo/*.sh "$stage/deploy/demo/"
    cp -R "$source_root/deploy/demo/sql" "$stage/deploy/demo/"
    cp -R "$source_root/tests/support" "$stage/tests/"
    cp "$source_root/build/release/sluice" "$stage/build/release/"
    chmod -R a+rX "$stage"
}

"$source_root/deploy/install-packages.sh" build servers
build
if [ "$(id -u)" = 0 ]; then
    stage_for_user
    cd /
    export SLUICE=$stage/build/release/sluice SLUICE_DEMO_KEEP=$keep
    servers_as_user bash "$stage/deploy/demo/story.sh"
else
    export SLUICE=$source_root/build/release/sluice SLUICE_DEMO_KEEP=$keep
    bash "$source_root/deploy/demo/story.sh"
fi
