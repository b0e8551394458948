#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Libraries are loaded when they are needed: which command loads which, and what is said if one is not as it should be.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
[ "$(uname -m)" = x86_64 ] || skip_all "only on x86-64 libraries are loaded on demand"

# Of the five, those that COMMAND… has loaded, by the dynamic linker's own account; its exit code does not matter.
loaded() {
    rm -f linker.*
    LD_DEBUG=files LD_DEBUG_OUTPUT=linker "$SLUICE" "$@" >out 2>&1 || true
    grep -hoE 'calling init: .*/lib(pq|mariadb|mysqlclient|git2|curl|microhttpd)\.so' linker.* |
        sed 's/.*\/lib//; s/\.so//; s/mysqlclient/mariadb/' | sort -u | paste -sd' '
}
mkdir sql
echo 'SELECT 1;' >sql/V1__one.sql
is "version: none" "$(loaded version)" ""
is "version -o json: all" "$(loaded version -o json)" "curl git2 mariadb microhttpd pq"
is "migrate on PostgreSQL: its client" "$(loaded migrate --dir sql --url postgresql://a:b@127.0.0.1:1/x)" "pq"
like "and the client was asked" "$(cat out)" "Connection refused"
is "migrate on MariaDB: its client" "$(loaded migrate --dir sql --url mariadb://a:b@127.0.0.1:1/x)" "mariadb"
like "and the client was asked" "$(cat out)" "127.0.0.1"
cat >kubeconfig <<'END'
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
END
is "get on a cluster: HTTP" "$(loaded get --kubeconfig kubeconfig)" "curl"
like "and the cluster was asked" "$(cat out)" "127.0.0.1 port 1"

# Nothing has been done yet when a library turns out to be missing, or too old for a function: not in the middle.
mkdir broken lacking
: >broken/libpq.so.5
: | cc -shared -Wl,-soname,libpq.so.5 -x c - -o lacking/libpq.so.5
to_postgresql() { LD_LIBRARY_PATH=$1 "$SLUICE" migrate --dir sql --url postgresql://a:b@127.0.0.1:1/x; }
run_expect "a library that cannot be loaded" 127 \
    "^sluice: .*/libpq.so.5: file too short: install the package that has libpq.so.5$" to_postgresql "$PWD/broken"
run_expect "a library without a function" 127 \
    "^sluice: .*/libpq.so.5: undefined symbol: PQ[a-zA-Z]+: install the package that has libpq.so.5$" to_postgresql "$PWD/lacking"
like "is not needed for what does not need it" \
    "$(LD_LIBRARY_PATH=$PWD/broken "$SLUICE" migrate --dir sql --url mariadb://a:b@127.0.0.1:1/x 2>&1 || true)" "127.0.0.1"
done_testing
