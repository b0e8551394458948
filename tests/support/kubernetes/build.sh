#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kubernetes and etcd for the cluster tests, compiled from the module beside this file.
#
#   tests/support/kubernetes/build.sh FOLDER
#
# FOLDER then has etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kubectl and
# the image pause.tar. A program that the environment names is taken instead, as envtest does it:
# TEST_ASSET_KUBE_APISERVER=FILE and so on, or KUBEBUILDER_ASSETS=FOLDER for those that are in it.
# The rest is compiled once, in about ten minutes on two cores, into the cache of tests/support/cache.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/cache.sh
. "$here/../cache.sh"
# shellcheck source=tests/support/go.sh
. "$here/../go.sh"
version=1.36.2
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl)

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# FILE of PROGRAM that the environment offers; nothing if there is none.
offered() {
    local variable
    variable=TEST_ASSET_$(tr a-z- A-Z_ <<<"$1")
    if [ -n "${!variable:-}" ]; then
        [ -x "${!variable}" ] || fail "$variable=${!variable}: there is no such program"
        printf '%s' "${!variable}"
    elif [ -x "${KUBEBUILDER_ASSETS:-/nonexistent}/$1" ]; then
        printf '%s' "$KUBEBUILDER_ASSETS/$1"
    fi
}

# ---- the programs -----------------------------------------------------------------------------

compile() { # FOLDER
    local flags="-s -w" variable
    # Without these /version says v0.0.0-master.
    for variable in k8s.io/component-base/version.gitVersion=v$version \
        k8s.io/component-base/version.gitMajor=1 k8s.io/component-base/version.gitMinor=36 \
        k8s.io/client-go/pkg/version.gitVersion=v$version; do
        flags+=" -X $variable"
    done
    (cd "$here" && CGO_ENABLED=0 "$go" build -buildvcs=false -trimpath -ldflags "$flags" -o "$1/" \
        go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kube-apiserver \
        k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kube-scheduler \
        k8s.io/kubernetes/cmd/kubelet k8s.io/kubernetes/cmd/kubectl) || return 1
    mv "$1/server" "$1/etcd"
    chmod -R a+rX "$1"
}

find_go_and_compile() {
    go_find "$here" || exit 1
    printf 'compiling Kubernetes %s with %s\n' "$version" "$("$go" version)" >&2
    compile "$1"
}

# The process that holds a pod's namespaces. One static file is the whole image.
make_pause() { # FOLDER
    mkdir "$1/root"
    gcc -static -Os -s -o "$1/root/pause" "$here/pause.c" || return 1
    "$here/../../../deploy/image/archive.sh" --root "$1/root" --name localhost/pause:1 --entrypoint /pause \
        --user 65535:65535 --output "$1/pause.tar" >&2 || return 1
    chmod -R a+rX "$1"
}

content() { sha256sum | cut -c1-16; }

main() {
    [ $# = 1 ] || { sed -n 's/^# \{0,1\}//; 3,10p' "${BASH_SOURCE[0]}" >&2; exit 1; }
    local folder=$1 program file missing=''
    mkdir -p "$folder"
    for program in "${programs[@]}"; do
        file=$(offered "$program")
        if [ -n "$file" ]; then ln -sf "$(readlink -f "$file")" "$folder/$program"; else missing+=" $program"; fi
    done
    if [ -n "$missing" ]; then
        cache_build "kubernetes-$version-$( (cat "$here/go.mod" "$here/go.sum"; declare -f compile; uname -m) | content)" \
            find_go_and_compile || fail "Kubernetes could not be compiled"
        for program in $missing; do ln -sf "$cache_path/$program" "$folder/$program"; done
    fi
    cache_build "pause-$( (cat "$here/pause.c" "$here/../../../deploy/image/archive.sh"; declare -f make_pause; uname -m) | content)" \
        make_pause || fail "the pause image could not be made"
    ln -sf "$cache_path/pause.tar" "$folder/pause.tar"
}

main "$@"
