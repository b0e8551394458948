# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Where downloads live between runs: outside the tree, one folder a content.

# cache_folder: made if it is not there; others may read it.
cache_folder() {
    local folder=${SLUICE_TEST_CACHE:-}
    if [ -z "$folder" ]; then
        if [ -n "${XDG_CACHE_HOME:-}" ]; then
            folder=$XDG_CACHE_HOME/sluice-tests
        elif [ "$(id -u)" = 0 ]; then
            folder=/var/cache/sluice-tests
        else
            folder=$HOME/.cache/sluice-tests
        fi
    fi
    mkdir -p "$folder"
    printf '%s' "$folder"
}

# cache_build KEY FUNCTION…: $cache_path = folder KEY of the cache, which FUNCTION fills (its last
# argument is the folder) if nobody did before. All or nothing: it is renamed into its place.
cache_build() {
    local key=$1 folder lock
    shift
    folder=$(cache_folder)
    cache_path=$folder/$key
    [ -d "$cache_path" ] && return 0
    exec {lock}>"$folder/$key.lock"
    flock "$lock"
    if [ ! -d "$cache_path" ]; then
        rm -rf "$cache_path.new"
        mkdir "$cache_path.new"
        if ! "$@" "$cache_path.new" {lock}>&-; then
            rm -rf "$cache_path.new"
            exec {lock}>&-
            return 1
        fi
        mv "$cache_path.new" "$cache_path"
    fi
    exec {lock}>&-
}
