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
    local key=$1 folder lock path
    shift
    folder=$(cache_folder)
    path=$folder/$key
    if [ ! -d "$path" ]; then
        exec {lock}>"$folder/$key.lock"
        flock "$lock"
        if [ ! -d "$path" ]; then
            rm -rf "$path.new"
            mkdir "$path.new"
            if ! "$@" "$path.new" {lock}>&-; then
                rm -rf "$path.new"
                exec {lock}>&-
                return 1
            fi
            mv "$path.new" "$path"
        fi
        exec {lock}>&-
    fi
    cache_path=$path # last, because FUNCTION may have built something itself
}
