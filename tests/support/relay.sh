# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A relay between sluice and a server that cuts the connection at one statement (mydb_proxy.pl): a bash library.
#
#   relay_start SOCKET PATTERN NTH HOW   listens on 127.0.0.1:$relay_port; the file `cut` tells what was cut
#   relay_cut                            was it?
#   relay_stop

relay='' relay_port=''

relay_stop() {
    [ -z "$relay" ] || kill "$relay" 2>/dev/null || true
    [ -z "$relay" ] || wait "$relay" 2>/dev/null || true
    relay=''
}

relay_start() {
    relay_stop
    rm -f port cut
    "$SLUICE_SOURCE/tests/integration/mydb_proxy.pl" "$1" port "${@:2}" >cut &
    relay=$!
    within 10 test -s port
    relay_port=$(<port)
}

relay_cut() { grep -q cut cut; }
