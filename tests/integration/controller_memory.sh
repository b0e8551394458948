#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Databases with the same long history cost a controller little memory each: what they have alike it holds once.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

databases=21 rows=1000 each_kb=256
controller_init
pg_start pg
repo_new shop
mkdir -p "$SERVERS_DIR/shop/sql"
for i in $(seq 1 $rows); do echo "select $i;" >"$SERVERS_DIR/shop/sql/V${i}__the_step_that_has_number_$i.sql"; done
commit shop files
db_create pg base
run_expect "a template gets the history" 0 '' "$SLUICE" migrate --url "$(db_uri pg base)" --dir "$SERVERS_DIR/shop/sql"
db_sql pg base 'delete from sluice_lease' # a copy is a database of its own
for i in $(seq 1 $databases); do
    echo "create database d$i owner app template base strategy file_copy;"
done | psql -XAtq -v ON_ERROR_STOP=1 "$SLUICE_TEST_PG_ADMIN_URI"
for i in $(seq 1 $databases); do secret "d$i" "$(db_uri pg "d$i")"; done

# plan COUNT: of the first so many
plan() {
    {
        printf 'apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: shop}\nspec:\n'
        printf '  source: {url: "file://%s/shop.git", paths: [sql]}\n' "$SLUICE_TEST_GIT_ROOT"
        printf '  strategy: {type: AllAtOnce, maxParallel: 8}\n  databases:\n'
        for i in $(seq 1 "$1"); do printf '  - {name: d%s, secretRef: {name: d%s}}\n' "$i" "$i"; done
    } >"$PLANS/.new"
    mv "$PLANS/.new" "$PLANS/shop.yaml"
}
up_to_date() { [ "$("$SLUICE" get plan/shop -o json | grep -c '"state": *"UpToDate"')" = "$1" ]; }
resident_kb() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$controller_pid/status"; }
at_most() { most=$(resident_kb); [ "$most" -le "$1" ]; }

plan 1
controller_start
wait_for "one database is up to date" 60 up_to_date 1
one=$(resident_kb)
plan $databases
wait_for "$databases are" 120 up_to_date $databases
# What was freed goes back to the system now and then.
wait_for "each of them costs less than $each_kb KiB" 30 at_most $((one + (databases - 1) * each_kb))
servers_say "one: $one KiB, $databases: $most KiB, each: $(((most - one) / (databases - 1))) KiB"
done_testing
