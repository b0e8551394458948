#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Flyway's settings of file names, from the option or the field to the file that runs, and back in the commands that
# messages print; what is passed over is told of everywhere.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

controller_init
scenes_start
git_http_start

# ---- commands ------------------------------------------------------------------------------------------------------

passed_as_error='notes\.ddl: its name is not that of a migration'
passed='notes\.ddl is passed over: its name is not that of a migration'
options=(--sql-migration-prefix m --repeatable-sql-migration-prefix "it's" --sql-migration-separator - --sql-migration-suffix .ddl)
for server in pg mariadb; do
    scene $server
    echo 'create table a (id int);' >sql/m1-a.ddl
    echo 'create table v (id int);' >"sql/it's-v.ddl"
    echo 'create table never (id int);' >sql/V1__never.sql
    echo text >sql/notes.ddl
    read_files() { "$SLUICE" "$1" --url "$url" --dir sql "${options[@]}" "${@:2}"; }
    run_expect "$server: plan by other names" 0 '' read_files plan
    like "$server: tells what is passed over" "$run_stdout" "-- notice: sql/$passed"
    like "$server: also as JSON" "$(read_files plan -o json)" "\"notices\": \[[[:space:]]*\"sql/$passed"
    run_expect "$server: migrate by other names" 0 '' read_files migrate
    like "$server: tells it, too" "$run_stdout" "notice: sql/$passed"
    is "$server: these ran" "$(applied version script)" "1 m1-a.ddl,$([ $server = pg ] || echo NULL) it's-v.ddl"
    like "$server: migrate as JSON" "$(read_files migrate -o json)" "\"notices\": \[[[:space:]]*\"sql/$passed"
    like "$server: info" "$(read_files info)" "notice: sql/$passed"
    like "$server: info as JSON" "$(read_files info -o json)" "\"notices\": \[[[:space:]]*\"sql/$passed"
    run_expect "$server: validate" 0 '' read_files validate
    like "$server: tells it" "$run_stdout" "notice: sql/$passed"
    like "$server: repair" "$(read_files repair --dry-run)" "notice: sql/$passed"
    like "$server: repair as JSON" "$(read_files repair --dry-run -o json)" "\"notices\": \[[[:space:]]*\"sql/$passed"
    for command in migrate plan info validate repair; do
        run_expect "$server: $command where names are validated" 6 "$passed_as_error \(InvalidMigration\)" read_files $command --validate-migration-naming
    done
    echo '-- edited' >>sql/m1-a.ddl
    run_expect "$server: an edited file" 6 '\(ChecksumMismatch\)' read_files migrate
    ok "$server: the printed command finds the same files" follow "$run_stderr" 'sluice repair'
    run_expect "$server: and accepts the file" 0 '' read_files migrate
    like "$server: nothing is left" "$run_stdout" 'nothing to do'
done
lfs() {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n' >sql/m2-lfs.ddl
    read_files migrate
}
run_expect "prefixes that are the same" 1 'are the same' "$SLUICE" migrate --url "$url" --dir sql --sql-migration-prefix R
run_expect "no separator" 1 'sql-migration-separator must not be empty' "$SLUICE" migrate --url "$url" --dir sql --sql-migration-separator ''
run_expect "a folder in a suffix" 1 "sql-migration-suffix must not hold '/'" "$SLUICE" info --url "$url" --dir sql --sql-migration-suffix a/b
run_expect "a Git LFS pointer by another suffix" 6 'm2-lfs\.ddl: a Git LFS pointer' lfs

# ---- plans ---------------------------------------------------------------------------------------------------------

repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"
echo 'create table a (id int);' >"$sql/V1__a.sql"
echo 'create table b (id int);' >"$sql/ver1__b.sql"
echo 'create table c (id int);' >"$sql/1__c.ddl"
commit shop first
for name in usual other late strict; do
    db_create pg $name >/dev/null
    secret $name-db "$(db_uri pg $name)"
done
plan() { # NAME [MIGRATIONS]
    plan_file "$1" shop <<YAML
  databases:
  - {name: $1, secretRef: {name: $1-db}}
  migrations: {${2:-}}
YAML
    perl -pi -e 's/interval: 200ms/interval: 200ms\n    paths: [sql]/ if /^    interval/' "$PLANS/$1.yaml"
}
tables() { db_sql pg "$1" "select string_agg(table_name, ',' order by table_name) from information_schema.tables where table_schema = 'public' and length(table_name) = 1"; }
# Written before it starts: they want the same commit of the same repository at the same moment.
plan usual
plan other 'sqlMigrationPrefix: ver'
plan late 'sqlMigrationPrefix: none'
plan strict 'validateMigrationNaming: true'
controller_start
for name in usual other; do run_expect "plan $name is applied" 0 '' "$SLUICE" wait plan/$name --timeout 60s; done
is "each by its names" "$(tables usual) $(tables other)" 'a b'
like "status.notices of the one" "$(plan_json .status.notices usual)" '^\["sql/ver1__b\.sql is passed over: its name is not that of a migration"\]$'
like "and of the other" "$(plan_json .status.notices other)" '^\["sql/V1__a\.sql is passed over: its name is not that of a migration"\]$'
like "describe shows them" "$("$SLUICE" describe plan/usual)" $'Notices:\n  sql/ver1__b\.sql is passed over'
told() { grep -c '"reason":"FilesPassedOver".*ver1__b' "$CONTROLLER_LOG"; }
wait_for "an event tells of them" 10 told
run_expect "a plan that validates names is stalled" 3 '' "$SLUICE" wait plan/strict --timeout 60s
is "for that" "$(condition Stalled strict)" 'True InvalidMigration'
run_expect "so is one without a file of its names" 3 '' "$SLUICE" wait plan/late --timeout 60s
plan late "sqlMigrationPrefix: '', sqlMigrationSuffixes: [.ddl]"
applied_late() { [ "$(tables late)" = c ]; }
wait_for "an edit of the settings reads the same commit anew, the content of other files too" 60 applied_late
run_expect "and the plan is applied" 0 '' "$SLUICE" wait plan/late --timeout 60s
told_before=$(told)
echo '-- edited' >>"$sql/ver1__b.sql"
git -C "$SERVERS_DIR/shop" mv sql/V1__a.sql sql/V1__a2.sql
commit shop edited
mismatch() { [ "$(condition Stalled other)" = 'True ChecksumMismatch' ]; }
wait_for "an edited file" 60 mismatch
like "prints a command that finds it" "$(plan_json .status.conditions other)" "sluice repair --url .* --repo .* --path .sql. .*--sql-migration-prefix 'ver'"
is "what was told is not told again" "$(told)" "$told_before"
controller_stop
done_testing
