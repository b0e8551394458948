#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Nothing is a dead end on plans either: each way that a Stalled plan's message names, taken as it is printed, leads the
# plan on. A row: walk ENGINE NAME REASON WAY…, where scene_NAME makes the trees and the database, and a WAY is
# "PATTERN => DO" as in walk.sh. The shell that the commands are pasted into knows nothing of the controller's folder.
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

controller_init
pg_start pg
mariadb_start mariadb
git_http_start
controller_start

number=0
none() { [ $engine = pg ] && printf -- '-- sluice: transaction=none\n' || printf -- '-- a word\n'; }
file() { printf '%b' "$2" >"$sql/$1"; }
steps() { { none; printf '%b' "$2"; } >"$sql/$1"; }
q() { db_sql "$engine" "$db" "$1"; }
push() { commit "$plan" "${1:-next}"; }
settled() { "$SLUICE" wait "plan/$plan" --commit "$sha" --timeout 20s; }
stalled() { [[ "$(condition Stalled "$plan")" =~ ^True\ ($1)$ ]]; } # REASON|REASON
said() { # the message of Stalled, with what describe makes of it
    "$SLUICE" describe "plan/$plan"
}
wait_stalled() { wait_for "$name: stalled" 60 stalled "$1"; }

fresh() {
    number=$((number + 1))
    plan=plan$number db=walk$number
    db_create "$engine" $db
    repo_new $plan
    sql=$SERVERS_DIR/$plan/sql/one
    mkdir -p "$sql"
    file V1__log.sql 'create table log (v int);\n'
    push first
    secret $plan-db "$(db_uri "$engine" $db)"
}
begin() {
    plan_file $plan $plan <<YAML
  databases:
  - {name: one, secretRef: {name: $plan-db}}
YAML
}

walk() {
    local engine=$1 scene=$2 reason=$3 way pattern name text
    shift 3
    [[ $scene =~ ${SLUICE_WALK:-.} ]] || return 0
    for way in "$@"; do
        pattern=${way%% => *}
        name="$engine $scene: ${pattern:0:60}"
        fresh
        "scene_$scene"
        wait_stalled "$reason"
        text=$(said)
        if [[ "$pattern" != sluice* ]]; then like "$name: describe says so" "$text" "$pattern"; fi
        eval "${way#* => }"
        if [[ "$pattern" == sluice* ]]; then
            run_expect "$name: the printed command" 0 '' env -u SLUICE_STANDALONE bash -c "$(declare -f follow printed); SLUICE=$SLUICE; follow \"\$1\" \"\$2\"" _ "$text" "$pattern"
        fi
        wait_for "$name: leads out" 60 settled
        rm "$PLANS/$plan.yaml"
    done
}

scene_failed() { begin; settled >/dev/null; file V2__x.sql 'insert into nowhere values (1);\n'; push; }
walk pg failed CanaryFailed 'correct the file and push => file V2__x.sql "select 1;\n"; push' \
    'or `sluice retry` when the cause is gone => q "create table nowhere (v int); grant all on nowhere to app"; "$SLUICE" retry "plan/$plan"'

half='create table a (v int);\ncreate table broken (v nonsense);\n'
scene_left_behind() {
    begin
    settled >/dev/null
    steps V2__x.sql "$half"
    push half
    wait_stalled CanaryFailed
    rm "$sql/V2__x.sql"
    file V3__y.sql 'insert into log values (3);\n'
    push back
}
told_restart() { [[ "$(said)" == *"--verdict restart"* ]]; }
scene_changed_step() {
    begin
    settled >/dev/null
    steps V2__x.sql "$half"
    push half
    wait_stalled CanaryFailed
    steps V2__x.sql 'create table a (v int, w int);\n'
    push changed
    wait_for "$name: the new commit is judged" 60 told_restart
}
for engine in pg mariadb; do
    walk $engine left_behind MigrationMissing 'sluice resolve plan/.* -n default --standalone .* --database one .*--verdict restart => q "drop table a"'
    walk $engine changed_step "CanaryFailed|ChecksumMismatch" 'sluice resolve plan/.*--verdict restart => q "drop table a"'
done

scene_partly() {
    file V2__effect.sql 'create table effect (v int);\n'
    printf -- "-- sluice: transaction=none\ncreate procedure p() language plpgsql as 'begin insert into effect values (1); commit; if (select count(*) from effect) = 1 then raise exception ''no''; end if; end';\n" >"$sql/V3__p.sql"
    [ $engine = pg ] || printf "create procedure p() begin insert into effect values (1); commit; if (select count(*) from effect) = 1 then signal sqlstate '45000'; end if; end;\n" >"$sql/V3__p.sql"
    steps V4__call.sql 'call p();\ninsert into log values (4);\n'
    push partly
    begin
}
for engine in pg mariadb; do
    walk $engine partly OutcomeUnknown 'sluice resolve plan/.* --step 1 --verdict applied => true' 'sluice resolve plan/.* --step 1 --verdict not-applied => true'
done

scene_flyways_row() {
    begin
    settled >/dev/null
    q "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        values (2, '2', 'x', 'SQL', 'V2__x.sql', 5, 'someone', 7, false)"
    file V2__x.sql 'insert into log values (2);\n'
    push
}
scene_edited() { begin; settled >/dev/null; echo '-- a word' >>"$sql/V1__log.sql"; push; }
scene_gone() { file V2__x.sql 'select 2;\n'; file V3__y.sql 'select 3;\n'; push; begin; settled >/dev/null; rm "$sql/V2__x.sql"; push; }
scene_objects() { q 'create table log (v int)'; file V2__x.sql 'select 2;\n'; push; begin; }
for engine in pg mariadb; do
    walk $engine flyways_row FailedHistoryRow 'sluice repair --url => true'
    walk $engine edited ChecksumMismatch 'sluice repair --url .* --repo .* --ref .* --path .sql/one. => true'
    walk $engine gone MigrationMissing 'sluice repair --url .* --repo => true'
    walk $engine objects BaselineRequired 'sluice baseline --url => true'
done
controller_stop
done_testing
