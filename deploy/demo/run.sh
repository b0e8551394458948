#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows Sluice at work: private PostgreSQL and MariaDB servers, a git repository, the controller.
#
#   deploy/demo/run.sh [--kubernetes] [--keep]
#
# Installs what is missing where it may, builds, tells the story (story.sh), and removes everything.
# --kubernetes: on a private cluster of one node, the controller and its Jobs are pods
# (story_kubernetes.sh). Needs root. The first time it compiles Kubernetes, in about ten minutes.
# --keep: everything goes on running until you press Enter, and the folder stays; with --kubernetes
# you get a shell in the cluster.
set -euo pipefail
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../tests/support/servers.sh
. "$source_root/tests/support/servers.sh"
kubernetes=$source_root/tests/support/kubernetes

keep='' on_kubernetes=''
for argument in "$@"; do
    case $argument in
    --kubernetes) on_kubernetes=1 ;;
    --keep) keep=1 ;;
    *)
        sed -n 's/^# \{0,1\}//; 3,12p' "${BASH_SOURCE[0]}" >&2
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

stage_for_user() { # PROGRAM
    [ -n "$stage" ] || stage=$(mktemp -d /tmp/sluice-demo-XXXXXX)
    trap remove_stage EXIT
    mkdir -p "$stage/deploy/demo" "$stage/tests/cluster" "$stage/build/release"
    cp "$source_root"/deploy/demo/*.sh "$stage/deploy/demo/"
    cp -R "$source_root/deploy/demo/sql" "$stage/deploy/demo/"
    cp -R "$source_root/deploy/kustomize" "$stage/deploy/"
    cp -R "$source_root/crds" "$stage/"
    cp -R "$source_root/tests/support" "$stage/tests/"
    cp -R "$source_root/tests/cluster/kustomize" "$stage/tests/cluster/"
    cp "$1" "$stage/build/release/sluice"
    chmod -R a+rX "$stage"
}

# ---- on Kubernetes --------------------------------------------------------------------------------

# One line about why a cluster cannot be had here, and the end.
need_cluster() {
    local reason
    reason=$("$kubernetes/with-cluster.sh" --check 2>&1) && return 0
    reason=${reason#\# skipped: }
    if [ "$(id -u)" != 0 ]; then reason+=": start it by sudo, or without --kubernetes, which needs no root"; fi
    printf 'deploy/demo/run.sh --kubernetes cannot work here: %s\n' "$reason" >&2
    exit 1
}

# What is in the environment is taken as it is (the tests have it ready): SLUICE, the program;
# SLUICE_IMAGE_FILE, an archive of localhost/sluice:test; CLUSTER_BIN, what build.sh makes.
prepare_kubernetes() {
    stage=$(mktemp -d /tmp/sluice-demo-XXXXXX)
    trap remove_stage EXIT
    if [ -z "${SLUICE:-}" ]; then
        build
        SLUICE=$source_root/build/release/sluice
    fi
    if [ -z "${CLUSTER_BIN:-}" ]; then
        CLUSTER_BIN=$stage/bin
        "$kubernetes/build.sh" "$CLUSTER_BIN"
    fi
    if [ -z "${SLUICE_IMAGE_FILE:-}" ]; then
        SLUICE_IMAGE_FILE=$stage/sluice.tar
        printf 'Making the image (minutes the first time) ...\n'
        "$source_root/deploy/image/build.sh" --name localhost/sluice:test --output "$SLUICE_IMAGE_FILE"
    fi
    stage_for_user "$SLUICE"
    export CLUSTER_BIN
}

tell_on_kubernetes() {
    [ "$(id -u)" = 0 ] || need_cluster
    "$source_root/deploy/install-packages.sh" build servers cluster roots
    need_cluster
    prepare_kubernetes
    cd /
    export SLUICE=$stage/build/release/sluice SLUICE_SOURCE=$stage SLUICE_DEMO_KEEP=$keep
    "$stage/tests/support/kubernetes/with-cluster.sh" --image "$SLUICE_IMAGE_FILE" \
        bash "$stage/deploy/demo/story_kubernetes.sh"
}

# ---- without a cluster ----------------------------------------------------------------------------

tell_standalone() {
    "$source_root/deploy/install-packages.sh" build servers
    build
    export SLUICE=$source_root/build/release/sluice SLUICE_DEMO_KEEP=$keep
    if [ "$(id -u)" = 0 ]; then
        stage_for_user "$SLUICE"
        cd /
        export SLUICE=$stage/build/release/sluice
        servers_as_user bash "$stage/deploy/demo/story.sh"
    else
        bash "$source_root/deploy/demo/story.sh"
    fi
}

if [ -n "$on_kubernetes" ]; then tell_on_kubernetes; else tell_standalone; fi
