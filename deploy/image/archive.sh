#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packs a folder as a container image: a docker-archive of one layer, which `ctr images import`,
# `docker load`, podman and skopeo read. The same folder gives the same bytes.
#
#   deploy/image/archive.sh --root FOLDER --name NAME:TAG --output FILE [OPTION…]
#
#   --entrypoint PATH    program of the image     --user UID:GID      who it runs as
#   --label KEY=VALUE    any number of them       --epoch SECONDS     time of every file (default 0)
#
# Prints the image's id, sha256:… . Needs tar and sha256sum alone.
set -euo pipefail

root='' name='' output='' entrypoint='' user='' epoch=0 labels=()
usage() {
    sed -n 's/^# \{0,1\}//; 3,12p' "${BASH_SOURCE[0]}" >&2
    exit 1
}

while [ $# -ge 2 ]; do
    case $1 in
    --root) root=$2 ;;
    --name) name=$2 ;;
    --output) output=$2 ;;
    --entrypoint) entrypoint=$2 ;;
    --user) user=$2 ;;
    --label) labels+=("$2") ;;
    --epoch) epoch=$2 ;;
    *) usage ;;
    esac
    shift 2
done
[ $# = 0 ] && [ -d "$root" ] && [ -n "$name" ] && [ -n "$output" ] || usage

json_text() { # as a JSON string
    local text=$1
    case $text in *[[:cntrl:]]*)
        printf 'archive.sh: a control character in "%s"\n' "$text" >&2
        return 1
        ;;
    esac
    text=${text//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

json_labels() {
    local label separator=''
    for label in "${labels[@]}"; do
        printf '%s%s:%s' "$separator" "$(json_text "${label%%=*}")" "$(json_text "${label#*=}")"
        separator=,
    done
}

architecture() {
    case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
    esac
}

# Nothing of the machine, the day or the user may get into the bytes.
pack() { tar --sort=name --format=gnu --mtime="@$epoch" --owner=0 --group=0 --numeric-owner "$@"; }
digest() { sha256sum "$1" | cut -d ' ' -f 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# "." itself would carry the mode of whatever temporary folder this is.
(cd "$root" && find . -mindepth 1 -maxdepth 1 -printf '%P\0' | LC_ALL=C sort -z |
    pack -c -f "$work/layer.tar" --null --files-from=-)
layer=$(digest "$work/layer.tar")
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
printf '{"architecture":"%s","os":"linux","created":"%s","config":{"User":%s,"Entrypoint":[%s],"Env":["PATH=/usr/local/bin:/usr/bin"],"WorkingDir":"/","Labels":{%s}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"deploy/image/archive.sh"}]}' \
    "$(architecture)" "$created" "$(json_text "$user")" "$(json_text "$entrypoint")" "$(json_labels)" \
    "$layer" "$created" >"$work/config.json"
id=$(digest "$work/config.json")
mv "$work/config.json" "$work/$id.json"
mkdir "$work/$layer"
mv "$work/layer.tar" "$work/$layer/layer.tar"
printf '[{"Config":"%s.json","RepoTags":[%s],"Layers":["%s/layer.tar"]}]' "$id" "$(json_text "$name")" "$layer" \
    >"$work/manifest.json"
chmod -R u=rwX,go=rX "$work"
pack -C "$work" -c -f "$output" manifest.json "$id.json" "$layer"
printf 'sha256:%s\n' "$id"
