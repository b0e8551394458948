#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles kstatus, which judges a resource as Flux and Helm do, from the module beside this file.
#
#   tests/support/kstatus/build.sh FOLDER
#
# FOLDER/kstatus is then the program (main.go says what it prints). It is compiled once, in half a
# minute, into the cache of tests/support/cache.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/cache.sh
. "$here/../cache.sh"
# shellcheck source=tests/support/go.sh
. "$here/../go.sh"

compile() { # FOLDER
    go_find "$here" || return 1
    (cd "$here" && CGO_ENABLED=0 "$go" build -buildvcs=false -trimpath -ldflags '-s -w' -o "$1/kstatus" .) || return 1
    chmod -R a+rX "$1"
}

[ $# = 1 ] || { sed -n 's/^# \{0,1\}//; 3,8p' "${BASH_SOURCE[0]}" >&2; exit 1; }
mkdir -p "$1"
cache_build "kstatus-$( (cat "$here"/{go.mod,go.sum,main.go}; declare -f compile; uname -m) | sha256sum | cut -c1-16)" \
    compile || { printf 'kstatus could not be compiled\n' >&2; exit 1; }
ln -sf "$cache_path/kstatus" "$1/kstatus"
