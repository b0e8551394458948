#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the image without a registry and without a daemon, from Debian 13's packages. Needs root.
#
#   deploy/image/build.sh [--name NAME:TAG] [--fresh] --output FILE
#
#   --name NAME:TAG   default localhost/sluice:latest
#   --fresh           compile everything again; without it in build/image/, what has changed
#   --output FILE     a docker-archive, for `ctr images import`, `docker load`, podman, skopeo
#
# Prints the image's id. The same sources and packages give the same id: files are dated
# $SOURCE_DATE_EPOCH, by default the last commit. A Debian 13 with the compiler is made once a month
# in the cache (tests/support/cache.sh), in two minutes; only that needs the network.
set -euo pipefail
export SLUICE_SOURCE
SLUICE_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/support/root.sh
. "$SLUICE_SOURCE/tests/support/root.sh"

name=localhost/sluice:latest output='' fresh=''
skip_all() { # root_need's way out
    printf 'the image cannot be made here: %s\n' "$*" >&2
    exit 77
}
tree_git() { git -c safe.directory='*' -C "$SLUICE_SOURCE" "$@"; }

while [ $# != 0 ]; do
    case $1 in
    --name | --output)
        [ $# -ge 2 ] || set -- --help
        ;;&
    --name) name=$2 ;;
    --output) output=$2 ;;
    --fresh)
        fresh=1
        shift
        continue
        ;;
    *)
        sed -n 's/^# \{0,1\}//; 3,13p' "${BASH_SOURCE[0]}" >&2
        exit 1
        ;;
    esac
    shift 2
done
[ -n "$output" ] || { printf 'build.sh: --output FILE is missing\n' >&2; exit 1; }

version() { sed -n 's/^project(sluice VERSION \([^ ]*\).*/\1/p' "$SLUICE_SOURCE/CMakeLists.txt"; }

revision() {
    local commit
    commit=$(tree_git rev-parse HEAD 2>/dev/null) || { echo unknown; return; }
    tree_git diff --quiet HEAD -- || commit+=-dirty
    printf '%s\n' "$commit"
}

# A Debian 13 with everything to compile with.
make_build_root() { # FOLDER
    root_make trixie || return 1
    mkdir "$root_dir/packages"
    cp "$SLUICE_SOURCE/deploy/install-packages.sh" "$root_dir/packages/"
    root_run 900 net '/packages/install-packages.sh build && apt-get clean' || return 1
    cp -a "$root_dir/." "$1/" && rm -rf "$1"/var/lib/apt/lists/* "$1/packages"
    root_done
}

# What git knows, so that nothing that merely lies around is in the image.
copy_sources() {
    mkdir "$root_dir/src"
    (cd "$SLUICE_SOURCE" && tree_git ls-files -zco --exclude-standard |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        tar -c --null --files-from=-) | tar -x -C "$root_dir/src" --no-same-owner
}

compile_and_lay_out='
set -e
cmake -S /src -B /build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSLUICE_TESTS=OFF "-DSLUICE_COMMIT=$1" >/log 2>&1 &&
    cmake --build /build --target sluice sluice_linked >>/log 2>&1 || { tail -n 40 /log >&2; exit 1; }
exec /src/deploy/image/rootfs.sh /build /image'

umask 022
root_need
trap root_done EXIT
trap 'exit 143' INT TERM HUP
cache_build "image-root-$( (declare -f make_build_root root_bootstrap; "$SLUICE_SOURCE/deploy/install-packages.sh" --list build
    uname -m; date -u +%Y-%m) | sha256sum | cut -c1-16)" make_build_root || {
    printf 'a Debian 13 to compile in could not be made\n' >&2
    exit 1
}
root_open "$cache_path"
copy_sources
mkdir "$root_dir/build"
if [ -z "$fresh" ]; then
    kept=$SLUICE_SOURCE/build/image/${cache_path##*/} # another compiler, another folder
    [ -d "$kept" ] || rm -rf "$SLUICE_SOURCE/build/image"
    mkdir -p "$kept"
    mount --bind "$kept" "$root_dir/build"
fi
revision=${SLUICE_REVISION:-$(revision)}
root_run 1800 nonet "$compile_and_lay_out" "$revision"
"$SLUICE_SOURCE/deploy/image/archive.sh" --root "$root_dir/image" --name "$name" --output "$output" \
    --epoch "${SOURCE_DATE_EPOCH:-$(tree_git log -1 --format=%ct 2>/dev/null || echo 0)}" \
    --user 65532:65532 --entrypoint /usr/bin/sluice \
    --label org.opencontainers.image.title=Sluice \
    --label "org.opencontainers.image.description=SQL migrations from git to many databases, canary first" \
    --label org.opencontainers.image.licenses=Apache-2.0 \
    --label "org.opencontainers.image.version=$(version)" \
    --label "org.opencontainers.image.revision=$revision"
