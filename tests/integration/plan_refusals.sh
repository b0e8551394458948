#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `sluice plan` says what `sluice migrate` then says: over bad trees and half-done databases both end with the same reason
# and code, and what an earlier attempt has done is marked.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"

scenes_start
options=()
reason() { grep -oE '\([A-Z][A-Za-z]+\)' <<<"$1" | tail -n 1; }
plan() { "$SLUICE" plan --url "$url" --dir sql "${options[@]}" "$@"; }

# same NAME [REASON]: both end alike; without REASON both go through.
same() {
    local name="$engine: $1" want=${2:-} planned='' said='' plan_code=0 code=0 before
    before=$(q "select count(*) from sluice_journal" 2>/dev/null || true)
    planned=$(plan 2>&1 >planned.out) || plan_code=$?
    is "$name: plan writes nothing" "$(q "select count(*) from sluice_journal" 2>/dev/null || true)" "$before"
    said=$(migrate "${options[@]}" 2>&1 >migrated.out) || code=$?
    is "$name: plan and migrate" "$plan_code $(reason "$planned")" "$code $(reason "$said")"
    is "$name: for this reason" "$(reason "$said")" "${want:+($want)}"
}
# A file that does its first statement, and fails in the second or third.
half() { printf '%s\n' "$none" "$@" 'select nothing_there;' >sql/V2__half.sql; }
begin() { # SERVER: one migration is applied
    scene "$1"
    options=()
    echo 'create table a (id int);' >sql/V1__a.sql
    migrate >/dev/null
}
failed() { migrate "${options[@]}" >/dev/null 2>&1 && flunk "$engine: the attempt fails"; return 0; }
edit() { sed -i "$1" sql/V2__half.sql; }

for server in pg mariadb; do
    # ---- trees -----------------------------------------------------------------------------------------------
    scene $server
    echo 'create table a (id int);' >sql/V1__a.sql
    same "a new database"
    same "nothing to do"
    begin $server
    echo 'create table a (id bigint);' >sql/V1__a.sql
    same "an edited file" ChecksumMismatch
    begin $server
    mv sql/V1__a.sql sql/V1__b.sql
    same "a renamed one" DescriptionMismatch
    begin $server
    echo 'select 1;' >sql/V0.5__early.sql
    same "one that comes too late" OutOfOrder
    begin $server
    echo 'select 1;' >sql/V3__c.sql
    rm sql/V1__a.sql
    same "one that is gone" MigrationMissing
    begin $server
    echo 'select 1;' >sql/V2__b.sql
    printf '/* sluice */ select 1;\nstart transaction;\n' >sql/V3__c.sql
    same "a transaction in the second pending file" TransactionControlInMigration
    begin $server
    echo 'create table a (id bigint);' >sql/V1__a.sql
    echo 'select 1;' >sql/V0.5__early.sql
    same "two things that are wrong" ChecksumMismatch
    is "$engine: two things that are wrong: both list them" "$(grep -c '^-- problem: ' planned.out) $(grep -c '^  problem: ' migrated.out)" '2 2'
    begin $server
    echo 'select 1;' >sql/V2__b.sql
    echo 'select 1;' >sql/V2.0__b.sql
    same "two of one version" DuplicateVersion
    begin $server
    # shellcheck disable=SC2016
    echo 'select ${nobody};' >sql/V2__b.sql
    same "a placeholder without a value" InvalidMigration
    begin $server
    printf -- '-- sluice: after=billing/12\nselect 1;\n' >sql/V2__b.sql
    same "one that waits for another database" InvalidMigration
    scene $server
    echo 'create table a (id int);' >sql/V1__a.sql
    q 'create table theirs (id int)'
    same "objects without a history" BaselineRequired
    options=(--baseline-on-migrate)
    same "and with a baseline"
    begin $server
    q "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) values (2, '2', 'x', 'SQL', 'V2__x.sql', 1, 'x', 1, false)"
    echo 'select 1;' >sql/V2__x.sql
    same "a failed row of another tool" FailedHistoryRow
    begin $server
    q 'update sluice_lease set format_version = 99'
    echo 'select 1;' >sql/V2__b.sql
    same "a newer Sluice's database" FormatTooNew
    begin $server
    q "update sluice_lease set owner_plan_uid = 'u', owner_namespace = 'default', owner_name = 'shop', owner_database = 'one', owner_cluster = 'c'"
    echo 'select 1;' >sql/V2__b.sql
    same "a plan's database" TargetIdConflict
    like "$engine: a plan's database: the statements are printed all the same" "$(<planned.out)" 'select 1;'
    options=(--force)
    same "a plan's database, with --force"

    # ---- half-done ----------------------------------------------------------------------------------------------
    begin $server
    half 'create table b (id int);' 'create table c (id int);'
    failed
    shown=$(plan)
    like "$engine: what was done is marked" "$shown" '1\. line 2, class ., done by an earlier attempt: it is not run again.-- create table b \(id int\);'
    like "$engine: and what runs is not" "$shown" '3\. line 4, class .$|3\. line 4, class T.select nothing_there;|3\. line 4, class ..select nothing_there;'
    is "$engine: likewise as JSON" "$(plan -o json | perl -MJSON::PP -0ne 'print join ",", map { $_->{attempted} // "-" } @{ decode_json($_)->{actions}[0]{statements} }')" 'done,done,-'
    edit 's/select nothing_there/select 1/'
    same "a half-done file that is mended"
    begin $server
    half 'create table b (id int);'
    failed
    edit 's/table b (id int)/table b (id bigint)/'
    same "a done statement that was edited" ChecksumMismatch
    begin $server
    half 'create table b (id int);' 'create table c (id int);'
    failed
    printf '%s\ncreate table b (id int);\n' "$none" >sql/V2__half.sql
    same "a done statement that is gone" ChecksumMismatch
    begin $server
    # shellcheck disable=SC2016
    half 'create table b (id ${type});'
    options=(--placeholder type=int)
    failed
    options=(--placeholder type=bigint)
    same "another value of a placeholder" ChecksumMismatch
    begin $server
    half 'create table b (id int);'
    failed
    rm sql/V2__half.sql
    same "a half-done file that is gone" MigrationMissing
    begin $server
    half 'create table b (id int);' 'insert into b values (1);'
    failed
    step=$(q "select max(seq) from sluice_journal where step = 1")
    q "update sluice_journal set state = 'intent', pre_state = '[]', step_class = 'X' where seq = $step"
    same "a journal that was changed" HistoryTampered
done

# ---- what one of them has alone -----------------------------------------------------------------------------------
begin pg
half 'create temporary table t (id int);' 'create table b (id int);'
failed
edit 's/select nothing_there/insert into t values (2)/'
same "a session that is gone" MigrationFailed
begin mariadb
q 'alter table sluice_journal engine = MyISAM'
echo 'select 1;' >sql/V2__b.sql
same "a journal without transactions" UnsupportedServer
begin mariadb
echo 'drop table sluice_lease;' >sql/V2__b.sql
same "a file that takes our tables away" MigrationFailed
begin mariadb
half 'set @one = uuid();' 'create table b (id int);' 'insert into b values (@one);'
failed
edit 's/select nothing_there/select 1/'
sed -i 's/insert into b values (@one);/insert into b values (length(@one));/' sql/V2__half.sql
same "a variable that is gone" MigrationFailed

# An attempt that died inside a statement: its row is an intent.
interrupted() { # STATEMENT: runs it in a file of its own, and is killed in it
    printf '%s\n%s\n' "$none" "$1" >sql/V2__half.sql
    "$SLUICE" migrate --url "$url" --dir sql >/dev/null 2>&1 &
    local runner=$!
    inside() { [ "$(q "select count(*) from sluice_journal where state = 'intent' and step = 1")" = 1 ]; }
    within 20 inside || flunk "$engine: the attempt is inside"
    kill -9 $runner
    wait $runner 2>/dev/null || true
    free() { "$SLUICE" info --url "$url" --dir sql >/dev/null && [ "$(sessions)" = 0 ]; }
    sessions() {
        if [ $engine = pg ]; then q "select count(*) from pg_stat_activity where application_name like 'sluice/%'"
        else q "select count(*) from information_schema.processlist where info like '%sleep%' and info not like '%processlist%'"; fi
    }
    within 30 free || flunk "$engine: its session ends"
}
begin pg
q 'create procedure slow() language plpgsql as $$ begin perform pg_sleep(3); commit; end $$'
interrupted 'call slow();'
same "killed inside a procedure" OutcomeUnknown
begin pg
q 'create procedure slow() language plpgsql as $$ begin perform pg_sleep(3); commit; end $$'
interrupted 'call slow();'
q 'update sluice_journal set line = 77 where seq = 1'
same "and a row of a finished file was changed, which decides something now" HistoryTampered
begin mariadb
q 'create procedure slow() select sleep(3)'
interrupted 'call slow();'
same "killed inside a procedure" OutcomeUnknown
done_testing
