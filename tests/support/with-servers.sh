#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Start private servers, run a command with their addresses in its environment, stop them.
#
#   tests/support/with-servers.sh SERVER[:OPTION,…]… -- COMMAND [ARGUMENT…]
#
#   SERVER   pg pg2 … mariadb mariadb2 … http ssh
#   OPTION   tcp plain log KEY=VALUE         see servers.sh, which also lists the variables
#
#   tests/support/with-servers.sh pg mariadb:log http -- bash
#
# Code: the command's, 77 if a server is not installed. As root all of it runs as an unprivileged
# user in a temporary folder; SERVERS_KEEP=1 leaves that folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/servers.sh
. "$here/servers.sh"
servers_drop_root "${BASH_SOURCE[0]}" "$@"

wanted=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    wanted+=("$1")
    shift
done
if [ $# -lt 2 ] || [ ${#wanted[@]} = 0 ]; then
    sed -n 's/^# \{0,1\}//; 3,13p' "${BASH_SOURCE[0]}" >&2
    exit 1
fi
shift

servers_init
for server in "${wanted[@]}"; do
    name=${server%%:*}
    options=()
    [ "$name" = "$server" ] || IFS=, read -ra options <<<"${server#*:}"
    case $name in
    pg*) pg_start "$name" "${options[@]}" ;;
    mariadb*) mariadb_start "$name" "${options[@]}" ;;
    http) git_http_start ;;
    ssh) git_ssh_start ;;
    *) servers_fail "unknown server $name" ;;
    esac
done
cd "$SERVERS_DIR"
"$@"
