#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A file that is too large for a Job and that is applied already holds up no plan: neither the plan is Ready without it, nor
# does the Job of the file behind it miss it.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg
mariadb_start mariadb
git_http_start
for engine in pg mariadb; do
    db_create $engine shop
    secret $engine-db "$(db_uri $engine shop)"
    repo_new $engine-files
    sql=$SERVERS_DIR/$engine-files/sql
    mkdir -p "$sql/only"
    perl -e 'print "create table seed (a int);\ninsert into seed values (1);\n"; print "-- ", "x" x 96, "\n" for 1 .. 95000; print "insert into seed values (2);\n"' \
        >"$sql/only/V1__seed.sql"
    is "$engine: more than 8 MiB" "$(($(stat -c %s "$sql/only/V1__seed.sql") > 9000000))" 1
    run_expect "$engine: applied by hand" 0 '' "$SLUICE" migrate --url "$(db_uri $engine shop)" --dir "$sql/only"
    commit $engine-files first
    plan_file $engine $engine-files <<YAML
  databases: [{name: only, secretRef: {name: $engine-db}}]
YAML
done
controller_start
rows() { db_sql "$1" shop 'select count(*) from seed' | tr -d ' '; }
for engine in pg mariadb; do
    sha=$(git -C "$SERVERS_DIR/$engine-files" rev-parse HEAD)
    run_expect "$engine: the plan is Ready" 0 '' wait_commit "$sha" 60 $engine
    is "$engine: and says so" "$(condition Ready $engine)" 'True ReconciliationSucceeded'
    echo 'create table two (a int);' >"$SERVERS_DIR/$engine-files/sql/only/V2__two.sql"
    commit $engine-files second
    run_expect "$engine: a Job applies the file behind it" 0 '' wait_commit "$sha" 60 $engine
    is "$engine: and has not run the large one" "$(rows $engine)" 2
    is "$engine: both are in the history" "$(db_sql $engine shop 'select count(*) from flyway_schema_history where success' | tr -d ' ')" 2
    assignment=$(echo "$PLANS/.sluice/jobs/$engine"-only-*)
    ok "$engine: the Job was given no large file" test "$(du -s --apparent-size -B1 ${assignment##* } | cut -f1)" -lt 1000000
    printf -- '-- more\n' >>"$SERVERS_DIR/$engine-files/sql/only/V1__seed.sql"
    commit $engine-files third
    refused() { [[ $(condition Ready $engine) =~ ^False ]]; }
    wait_for "$engine: a change of it is noticed" 60 refused
    like "$engine: by its checksum" "$("$SLUICE" describe plan/$engine)" 'V1__seed.sql.*(checksum|changed)'
done
controller_stop
done_testing
