#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL: who may ask for the password in clear. A server whose certificate was verified may; nobody else with libpq 16
# and later. An older library sends it with require and disable, as docs/reference/commands.md says; with verify-full never.
# timeout: 120
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg tcp log_connections=on log_hostname=off
mkdir sql
echo 'create table t (id int);' >sql/V1__t.sql
sed -i 's/scram-sha-256/password/' "$SERVERS_DIR/pg/data/pg_hba.conf"
db_sql pg postgres 'select pg_reload_conf()' >/dev/null
library=$(psql --version | perl -ne 'print $1 if /(\d+)/')
port=$SLUICE_TEST_PG_PORT
hostile=''
trap 'code=$?; [ -z "$hostile" ] || kill $hostile 2>/dev/null; servers_end $code' EXIT

info() { # MODE [CA]
    "$SLUICE" info --url "postgresql://app:$SLUICE_TEST_PASSWORD@localhost:$port/app?sslmode=$1${2:+&sslrootcert=$2}" --dir sql --connect-timeout 5s
}
# A real server that asks so (pg_hba: password), over TLS. What it heard its log tells: who has logged in.
logins() { grep -c 'connection authorized: user=app' "$SLUICE_TEST_PG_LOG" || true; }
run_expect "verify-full: a server that is verified may ask" 0 '' info verify-full "$SLUICE_TEST_CA"
is "and hears it" "$(logins)" 1
run_expect "verify-ca, too" 0 '' info verify-ca "$SLUICE_TEST_CA"
for mode in verify-full verify-ca; do
    run_expect "$mode: another one is refused" 5 'TLSVerificationFailed' info $mode "$SLUICE_TEST_OTHER_CA"
    run_expect "$mode: also by the system's store" 5 'TLSVerificationFailed' info $mode
done
is "and has not heard it" "$(logins)" 2
for mode in require disable; do
    if [ "$library" -ge 16 ]; then
        run_expect "$mode: refused" 5 'AccessDenied' info $mode
    else
        run_expect "$mode: libpq $library sends it, as documented" 0 '' info $mode
    fi
done

# One that offers no TLS and prints what it is told.
perl "$SLUICE_SOURCE/tests/integration/pg_hostile.pl" clear >heard 2>&1 &
hostile=$!
within 20 grep -q '^[0-9]' heard || flunk "the hostile server listens" "$(<heard)"
port=$(head -n 1 heard)
heard() { grep -cF "$SLUICE_TEST_PASSWORD" heard || true; }
for mode in verify-full verify-ca require; do
    run_expect "$mode: a server without TLS is refused" 5 'the server offers no TLS.*TLSVerificationFailed' info $mode "$SLUICE_TEST_CA"
done
is "and has not heard the password" "$(heard)" 0
if [ "$library" -ge 16 ]; then
    run_expect "disable: refused" 5 'AccessDenied' info disable
    is "disable: and has not heard it" "$(heard)" 0
else
    run_expect "disable: libpq $library sends it to whoever asks, as documented" 9 '' info disable
    is "disable: it is heard" "$(heard)" 1
fi
like "the documentation says so" "$(tr '\n' ' ' <"$SLUICE_SOURCE/docs/reference/commands.md")" 'libpq 16 or newer .*An older one sends it: use .verify-full. there'
done_testing
