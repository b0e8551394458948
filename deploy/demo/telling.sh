# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# How the demo's stories are told. Source after servers.sh, with $here = this folder.
#
#   tell LINE…          chapter TITLE
#   show COMMAND…       the command as a person would type it, then what it says; its code
#   commit MESSAGE FOLDER   the files of sql/FOLDER become a commit on main of the repository shop;
#                       $sha is it
#
# show_names: variables whose values `show` prints as their names, because they are long.
show_names=() sha=none

bold='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi

tell() { printf '%s\n' "$@"; }
chapter() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

show() {
    local line='' word name
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_.,:/=@%+-]*) word="'$word'" ;; esac
        for name in "${show_names[@]}"; do [ "$word" != "'${!name}'" ] || word="\"\$$name\""; done
        line+=" $word"
    done
    printf '\n  $%s\n' "${line//$sha/${sha:0:10}}"
    "$@" 2>&1 | sed 's/^/    /'
    return "${PIPESTATUS[0]}"
}

commit() {
    mkdir -p "$SERVERS_DIR/shop/sql"
    cp -R "$here/sql/$2/." "$SERVERS_DIR/shop/sql/"
    git -C "$SERVERS_DIR/shop" add -A
    git -C "$SERVERS_DIR/shop" commit -q -m "$1"
    git -C "$SERVERS_DIR/shop" push -q origin HEAD:main
    sha=$(git -C "$SERVERS_DIR/shop" rev-parse HEAD)
    printf '\n  $ git push      # %s  "%s"\n' "${sha:0:10}" "$1"
    git -C "$SERVERS_DIR/shop" show --stat=70 --format= HEAD | sed 's/^/    /'
}
