#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A statement that sets a password and fails: the server quotes it, and neither the command nor a plan repeats it, not even a
# plan that shows values.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg
mariadb_start mariadb
git_http_start
repo_new shop
rows=0
row() { # ENGINE SQL: a database and a plan of its own, with showValues
    rows=$((rows + 1))
    local name=$1-$rows
    db_create "$1" "d$rows"
    secret "$name-db" "$(db_uri "$1" "d$rows")"
    mkdir -p "$SERVERS_DIR/shop/sql/$name"
    printf '%s;\n' "$2" >"$SERVERS_DIR/shop/sql/$name/V1__x.sql"
    plan_file "$name" shop <<YAML
  databases: [{name: $name, secretRef: {name: $name-db}}]
  execution: {showValues: true}
YAML
    names+=("$name")
    local said code=0
    said=$("$SLUICE" migrate --url "$(db_uri "$1" "d$rows")" --dir "$SERVERS_DIR/shop/sql/$name" 2>&1 | grep -v '^ ') || code=$?
    if [[ $2 = *SHOWN* ]]; then like "$name: the command shows a value" "$said" SHOWN
    else is "$name: the command's message has no password" "$(grep -c 'CANARY' <<<"$said")" 0; fi
    like "$name: and what happened" "$said" 'MigrationFailed'
    db_drop "$1" "d$rows"
    db_create "$1" "d$rows"
}
names=()
row pg "create role r password 'CANARY-1' 'CANARY-2'"
row pg "alter role app password frm 'CANARY'"
row pg "ALTER  USER app ENCRYPTED PASSWORD 'CANARY-1' 'CANARY-2'"
row pg "select 'SHOWN'::int"
row mariadb "create user u@localhost identified by 'CANARY-1' frm 'CANARY-2'"
row mariadb "alter user u@localhost identifed by 'CANARY'"
row mariadb "set password for u@localhost = password('CANARY-1') 'CANARY-2'"
row mariadb "grant usage on *.* to u@localhost identified via 'CANARY' frm"
row mariadb "create table t (a int) frm 'SHOWN'"
commit shop first
controller_start
failed() { for name in "${names[@]}"; do [[ $(condition Ready "$name") = 'False '*Failed ]] || return 1; done; }
wait_for "each plan fails" 120 failed
everything() { # NAME
    "$SLUICE" get "plan/$1" -o json
    "$SLUICE" describe "plan/$1"
    grep "\"default/$1\"" "$CONTROLLER_LOG"
    find "$PLANS/.sluice/jobs/" -path "*/$1-*" \( -name log -o -name result.json \) -exec cat {} +
    db_sql "${1%-*}" "d${1#*-}" 'select message from sluice_journal where message is not null'
}
for name in "${names[@]}"; do
    everything "$name" >all.txt
    like "$name: all places tell of the failure" "$(grep -c 'syntax\|invalid input\|MigrationFailed\|CanaryFailed' all.txt)" '^[1-9]'
    if grep -q SHOWN "$SERVERS_DIR/shop/sql/$name/V1__x.sql"; then ok "$name: a value that is no password is shown" grep -q SHOWN all.txt
    else is "$name: status, logs, result and journal have no password" "$(grep -c CANARY all.txt || true)" 0; fi
done
controller_stop
done_testing
