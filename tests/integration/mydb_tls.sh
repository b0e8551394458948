#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whom MariaDB's password is shown to: nobody without TLS where a mode asks for it, no plugin that would send it as it is.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

mariadb_start mariadb tcp
db_create mariadb shop
mkdir sql
echo 'create table one (id int);' >sql/V1__one.sql
real=$(servers_get mariadb PORT)
hostile='' heard=/dev/null number=0
end_hostile() { [ -z "$hostile" ] || { kill "$hostile" 2>/dev/null || true; wait "$hostile" 2>/dev/null || true; }; hostile=''; }
trap 'end_hostile; servers_end $?' EXIT
answers() { # WORD...: from now on $port
    end_hostile
    number=$((number + 1))
    heard=heard.$number # whoever the one before still talks to has a file of its own
    perl "$SLUICE_SOURCE/tests/integration/mydb_hostile.pl" "$real" "$@" >$heard 2>&1 &
    hostile=$!
    within 10 grep -q '^[0-9]' $heard || flunk "the hostile server listens" "$(cat $heard)"
    port=$(head -n 1 $heard)
}
url() { # MODE HOST [CA]
    printf 'mariadb://app:%s@%s:%s/shop?ssl-mode=%s%s' "$SLUICE_TEST_PASSWORD" "$2" "$port" "$1" "${3:+&ssl-ca=$3}"
}
info() { "$SLUICE" info --url "$(url "$@")" --dir sql --connect-timeout 3s; }
unheard() { # NAME
    if grep -qF "$SLUICE_TEST_PASSWORD" $heard; then flunk "$1" "$(cat $heard)"; else pass "$1"; fi
}

# ---- the real server ---------------------------------------------------------------------------------

port=$real
run_expect "verify-full: a name of the certificate" 0 '' info VERIFY_IDENTITY 127.0.0.1 "$SLUICE_TEST_CA"
LISTEN_ADDRESS=127.0.0.2 answers relay
run_expect "and no other" 5 'TLSVerificationFailed' info VERIFY_IDENTITY 127.0.0.2 "$SLUICE_TEST_CA"
run_expect "verify-ca: any name" 0 '' info VERIFY_CA 127.0.0.2 "$SLUICE_TEST_CA"
port=$real
run_expect "but no other CA" 5 'verify-ca.*certificate.*\(TLSVerificationFailed\)' info VERIFY_CA 127.0.0.1 "$SLUICE_TEST_OTHER_CA"
run_expect "and not the system's store" 5 'TLSVerificationFailed' info VERIFY_CA 127.0.0.1
echo no certificate >bad.crt
run_expect "nor a file that is none" 5 'bad.crt.*is no file of certificates' info VERIFY_CA 127.0.0.1 "$PWD/bad.crt"
run_expect "require: whatever the certificate" 0 '' info REQUIRED 127.0.0.1
run_expect "a run: several connections" 0 '' "$SLUICE" migrate --url "$(url VERIFY_CA 127.0.0.1 "$SLUICE_TEST_CA")" --dir sql
is "the session has TLS" "$(db_sql mariadb shop 'select count(*) from flyway_schema_history')" 1

# ---- a server without TLS ------------------------------------------------------------------------------

for mode in VERIFY_IDENTITY VERIFY_CA REQUIRED; do
    answers plain
    run_expect "$mode: a server that offers no TLS is refused" 5 'the server offers no TLS: add \?ssl-mode=DISABLED to the URL \(plan: tls.mode: disable\) if the network is trusted \(TLSVerificationFailed\)' info $mode 127.0.0.1 "$SLUICE_TEST_CA"
    unheard "$mode: before it hears the password"
    within 5 grep -q '^plain' $heard || true # the server's own last word
    is "$mode: or anything" "$(tail -n +2 $heard | sort -u)" 'plain: nothing'
done
for mode in VERIFY_CA REQUIRED; do
    answers relay plain
    run_expect "$mode: also when it comes after one that does" 5 'TLSVerificationFailed' info $mode 127.0.0.1 "$SLUICE_TEST_CA"
    unheard "$mode: it hears no password either"
    answers hangup
    run_expect "$mode: one that breaks off is refused" 5 'cut off|TLSVerificationFailed' info $mode 127.0.0.1 "$SLUICE_TEST_CA"
    answers error
    run_expect "$mode: one that has no room says so" 9 'Too many connections.*\(DatabaseUnavailable\)' info $mode 127.0.0.1 "$SLUICE_TEST_CA"
    answers garbage
    run_expect "$mode: what is no database is named so" 9 'no MariaDB or MySQL server' info $mode 127.0.0.1 "$SLUICE_TEST_CA"
    answers drip
    run_expect "$mode: one that takes its time has as long as any" 9 'no answer in time' timeout 8 "$SLUICE" info \
        --url "$(url $mode 127.0.0.1 "$SLUICE_TEST_CA")" --dir sql --connect-timeout 2s
done

# ---- plugins --------------------------------------------------------------------------------------------

for plugin in mysql_clear_password dialog sha256_password; do
    answers "switch:$plugin"
    run_expect "$plugin is not used" 5 "authentication plugin '$plugin'.*\\(AccessDenied\\)" info DISABLED 127.0.0.1
    unheard "$plugin: the password is not shown"
    answers "switch:$plugin"
    MARIADB_PLUGIN_DIR=$(dirname "$(find /usr/lib -name mysql_clear_password.so | head -n 1)") LIBMYSQL_PLUGINS=$plugin \
        LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN=1 run_expect "$plugin: nor when the environment names it" 5 'AccessDenied' info DISABLED 127.0.0.1
    unheard "$plugin: and does not show it then"
done
for plugin in client_ed25519 caching_sha2_password mysql_native_password; do
    answers "switch:$plugin"
    run_expect "$plugin is used: the server breaks off after it" 9 'DatabaseUnavailable' info DISABLED 127.0.0.1
    unheard "$plugin: the password itself is not shown"
done
# Of a library that does not have one of ours (parsec comes with 11.8) the user cannot log in, and is told why.
answers switch:parsec
if [ -n "$(find /usr/lib -name parsec.so | head -n 1)" ]; then
    run_expect "parsec is used: the server breaks off after it" 9 'DatabaseUnavailable' info DISABLED 127.0.0.1
else
    run_expect "parsec is not there" 5 "asks for authentication plugin 'parsec', which the client library of this machine does not have.*\(AccessDenied\)" info DISABLED 127.0.0.1
fi
unheard "parsec: the password itself is not shown"
port=$real
MYSQL_TCP_PORT=1 MYSQL_HOST=nowhere run_expect "no variable says where to connect" 0 '' "$SLUICE" info --url "$(url VERIFY_CA 127.0.0.1 "$SLUICE_TEST_CA")" --dir sql
done_testing
