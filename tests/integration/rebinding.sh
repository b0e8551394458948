#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A name that has another address with every question leads nobody where nothing may lead: to no database and no repository.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/integration/git_support.bash"

cc -shared -fPIC -O1 -o "$SERVERS_DIR/rebind.so" "$SLUICE_SOURCE/tests/support/rebind.c" -ldl
mkdir sql
echo 'create table one (id int);' >sql/V1__one.sql
ssh-keygen -q -t ed25519 -N '' -f key

# 0.0.0.0 is refused, and is the one such address behind which a test can listen: the kernel takes 127.0.0.1 for it.
# Nobody listens at 127.0.0.3.
perl "$SLUICE_SOURCE/tests/integration/mydb_hostile.pl" 1 garbage >heard 2>&1 &
hostile=$!
trap 'kill "$hostile" 2>/dev/null || true; wait "$hostile" 2>/dev/null || true; servers_end $?' EXIT
within 10 grep -q '^[0-9]' heard || flunk "the listener is up" "$(cat heard)"
port=$(head -n 1 heard)
connections() { tail -n +2 heard | wc -l; }

preload="LD_PRELOAD=$SERVERS_DIR/rebind.so"
# In the process itself; who only asks, as info does, leaves it to a child with an environment of its own.
migrate() { # "FIRST THEN" URL
    env "$preload" REBIND="moves.test $1" timeout 20 "$SLUICE" migrate --url "$2" --dir sql --connect-timeout 2s
}
polls() { # NAME REGEX "FIRST THEN" ARGUMENT...
    printf '#!/bin/sh\nexec /usr/bin/env ASAN_OPTIONS=verify_asan_link_order=0 "%s" "REBIND=moves.test %s" "%s" "$@"\n' \
        "$preload" "$3" "$probe" >child
    chmod 755 child
    said "$1" "$2" poll "${@:4}" --exe "$PWD/child"
}
refused='address that is refused: link-local'
ssh=("ssh://git@moves.test:$port/x.git" --secret identity=@key --secret "known_hosts=[moves.test]:$port $(cut -d' ' -f1,2 key.pub)")

# A name goes where its address says at all, or the rest proves nothing.
run_expect "a name with a good address leads there" 9 'DatabaseUnavailable' migrate '127.0.0.1 127.0.0.1' "mariadb://u:horse@moves.test:$port/x?ssl-mode=DISABLED"
polls "ssh, too" SourceUnavailable '127.0.0.1 127.0.0.1' "${ssh[@]}"
polls "and http" SourceUnavailable '127.0.0.1 127.0.0.1' "http://moves.test:$port/x.git" --http
is "and the listener hears of it" "$([ "$(connections)" -ge 3 ] && echo yes)" yes

before=$(connections)
for answers in '0.0.0.0 0.0.0.0' '127.0.0.3 0.0.0.0' '0.0.0.0 127.0.0.3'; do
    # Who asks once meets the first alone.
    expected=$refused
    [ "$answers" = '0.0.0.0 0.0.0.0' ] || expected="$refused|onnect"
    for mode in DISABLED REQUIRED VERIFY_CA VERIFY_IDENTITY; do
        run_expect "mariadb, $mode: $answers" 9 "$expected" migrate "$answers" "mariadb://u:horse@moves.test:$port/x?ssl-mode=$mode"
    done
    for mode in disable require verify-ca verify-full; do
        run_expect "postgresql, $mode: $answers" 9 "$expected" migrate "$answers" "postgresql://u:horse@moves.test:$port/x?sslmode=$mode"
    done
    polls "ssh: $answers" "SourceUnavailable: .*($expected|failed to connect)" "$answers" "${ssh[@]}"
    polls "http: $answers" "SourceUnavailable: .*($expected|port $port)" "$answers" "http://moves.test:$port/x.git" --http
done
is "nobody was told a word at the refused address" "$(connections)" "$before"
done_testing
