#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A file that failed or was interrupted half-way, and then is taken back, renamed, numbered otherwise or undone by
# hand: no dead end, and nothing twice. The printed commands are run as they are printed.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

scenes_start

fresh() { # ENGINE
    scene "$1"
    printf 'create table log (v int);\n' >sql/V1__log.sql
}

for engine in mariadb pg; do
    # ---- taken back --------------------------------------------------------------------------------------------

    fresh $engine
    printf '%s\ncreate table broken (v nonsense);\n' "$none" >sql/V2__broken.sql
    run_expect "$engine: a file fails at its first statement" 3 'MigrationFailed' migrate
    rm sql/V2__broken.sql
    run_expect "$engine: it is taken back: nothing to do" 0 '' migrate
    run_expect "$engine: and validate has nothing against it" 0 '' "$SLUICE" validate --url "$url" --dir sql
    printf 'insert into log values (3);\n' >sql/V3__next.sql
    run_expect "$engine: the next one goes on by itself" 0 '' migrate
    is "$engine: no failed row has stayed" "$(applied version success)" '1 1,3 1'

    fresh $engine
    printf '%s\ncreate table half (v int);\ncreate table broken (v nonsense);\n' "$none" >sql/V2__broken.sql
    run_expect "$engine: a file fails at its second statement" 3 'MigrationFailed' migrate
    rm sql/V2__broken.sql
    printf 'insert into log values (3);\n' >sql/V3__next.sql
    run_expect "$engine: taken back, what stays is said" 6 "version 2: an attempt has left statement 1 \(line 2\) applied, and its file is gone.*--verdict restart.*\(MigrationMissing\)" migrate
    said=$run_stderr
    run_expect "$engine: by validate too" 6 'an attempt has left statement 1' "$SLUICE" validate --url "$url" --dir sql
    run_expect "$engine: and by info" 0 '' "$SLUICE" info --url "$url" --dir sql
    like "$engine: info says it" "$run_stdout$run_stderr" 'an attempt has left statement 1'
    is "$engine: nothing has run" "$(q 'select count(*) from log')" 0
    run_expect "$engine: the printed command" 0 '' follow "$said"
    run_expect "$engine: leads out" 0 '' migrate
    is "$engine: with what was pending" "$(applied version success) $(q 'select count(*) from log')" '1 1,3 1 1'

    # ---- renamed, numbered otherwise ------------------------------------------------------------------------------

    fresh $engine
    printf '%s\ninsert into log values (1);\ncreate table broken (v nonsense);\n' "$none" >sql/V2__x.sql
    [ $engine = mariadb ] && sed -i '1i create table first (v int);' sql/V2__x.sql
    run_expect "$engine: half of V2" 3 'MigrationFailed' migrate
    mv sql/V2__x.sql sql/V3__x.sql
    sed -i 's/nonsense/int/' sql/V3__x.sql
    run_expect "$engine: as V3 it does not begin again" 6 'version 2: an attempt has left statement 1' migrate
    mv sql/V3__x.sql sql/V02.0__x.sql
    run_expect "$engine: as V02.0 it goes on" 0 '' migrate
    is "$engine: every statement ran once" "$(q 'select count(*) from log')" 1

    # ---- undone by hand -----------------------------------------------------------------------------------------------

    fresh $engine
    printf '%s\ncreate table a (v int);\ncreate table broken (v nonsense);\n' "$none" >sql/V2__x.sql
    run_expect "$engine: half of V2 once more" 3 'MigrationFailed' migrate
    q 'drop table a'
    sed -i 's/nonsense/int/; s/table a (v int)/table a (v int, w int)/' sql/V2__x.sql
    run_expect "$engine: a changed statement that is applied" 6 'ChecksumMismatch' migrate
    run_expect "$engine: a failed statement is not applied" 4 'failed and nothing of it has stayed' \
        "$SLUICE" resolve --url "$url" --version 2 --step 2 --verdict applied --reason x
    run_expect "$engine: statement 1 was undone" 0 '' "$SLUICE" resolve --url "$url" --version 2 --step 1 --verdict not-applied --reason 'dropped by hand'
    like "$engine: that is what it says" "$run_stdout" 'recorded: statement 1 of 2 is not-applied'
    run_expect "$engine: it runs" 0 '' migrate
    run_expect "$engine: a finished file is not resolved" 4 'the last attempt at version 2 is finished' \
        "$SLUICE" resolve --url "$url" --version 2 --verdict restart --reason x

    fresh $engine
    printf '%s\ncreate table a (v int);\ncreate table b (v int);\ncreate table broken (v nonsense);\n' "$none" >sql/V2__x.sql
    run_expect "$engine: two of three" 3 'MigrationFailed' migrate
    q 'drop table a'
    q 'drop table b'
    printf '%s\ncreate table b (v int);\n' "$none" >sql/V2__x.sql
    run_expect "$engine: another file of that version" 6 'ChecksumMismatch' migrate
    run_expect "$engine: restart needs no statement" 0 '' "$SLUICE" resolve --url "$url" --version 2 --verdict restart --reason 'all dropped'
    like "$engine: and says what it does" "$run_stdout" 'recorded: 2 starts anew'
    run_expect "$engine: the file runs as a whole" 0 '' migrate
    is "$engine: the failed row was replaced" "$(applied version success)" '1 1,2 1'

    # ---- a repeatable may change at will -----------------------------------------------------------------------------

    fresh $engine
    printf '%s\ncreate table if not exists a (v int);\ninsert into log values (1);\ncreate table broken (v nonsense);\n' "$none" >sql/R__all.sql
    run_expect "$engine: a repeatable fails at its third statement" 3 'MigrationFailed' migrate
    run_expect "$engine: and again, from there" 3 'statement 3' migrate
    is "$engine: what ran did not run twice" "$(q 'select count(*) from log')" 1
    printf '%s\ninsert into log values (2);\ncreate table if not exists b (v int);\n' "$none" >sql/R__all.sql
    run_expect "$engine: another content runs as a whole" 0 '' migrate
    is "$engine: all of it" "$(q 'select v from log order by v' | paste -sd,)" 1,2
    printf '%s\ncreate table if not exists a (v int);\ninsert into log values (1);\ncreate table broken (v int);\n' "$none" >sql/R__all.sql
    run_expect "$engine: the first one, corrected" 0 '' migrate
    is "$engine: all of that too" "$(q 'select v from log order by v' | paste -sd,)" 1,1,2
    p=$(printf 'x%.0s' {1..205})
    printf 'insert into log values (4);\n' >"sql/R__${p}A.sql"
    printf 'insert into log values (5);\n' >"sql/R__${p}B.sql"
    run_expect "$engine: two that are one in the history table" 6 'keeps 200 characters of a description.*shorten one of them.*\(DuplicateVersion\)' migrate
    run_expect "$engine: a verdict that is none" 1 '--verdict: "[a-z]*" is not applied, not-applied or restart' \
        "$SLUICE" resolve --url "$url" --version 2 --step 1 --verdict undone --reason x
done

# ---- other settings above what has run -----------------------------------------------------------------------------

# settings NAME FIRST SECOND CODE: the head of the file in the first attempt and in the next one.
settings() {
    fresh "$engine"
    migrate >/dev/null 2>&1
    [ $engine = mariadb ] || q 'create schema x authorization app; create schema y authorization app'
    printf '%s\n%s\ncreate table a (v int);\ncreate table broken (v nonsense);\n' "$none" "$2" >sql/V2__x.sql
    run_expect "$engine: $1: half of it" 3 'MigrationFailed' migrate
    printf '%s\n%b\ncreate table a (v int);\ncreate table broken (v int);\n' "$none" "$3" >sql/V2__x.sql
    run_expect "$engine: $1: the next attempt" "$4" "$([ "$4" = 0 ] || printf '%s' '(under other SET or USE statements above it: restore those|statement [12] was (applied|changed)).*[(]ChecksumMismatch[)]')" migrate
}
cut_short() { # a file that is shorter now than what has run of it
    fresh "$engine"
    printf '%s\ncreate table a (v int);\ncreate table b (v int);\ncreate table broken (v nonsense);\n' "$none" >sql/V2__x.sql
    run_expect "$engine: two of three have run" 3 'MigrationFailed' migrate
    printf '%s\ncreate table a (v int);\n' "$none" >sql/V2__x.sql
    run_expect "$engine: one of them is not in the file any more" 6 'statement 2 .*[(]ChecksumMismatch[)]' migrate
}
engine=mariadb none='-- a comment'
cut_short
db_sql mariadb mysql "create database x; create database y; grant all on x.* to app@localhost; grant all on y.* to app@localhost"
settings "another USE" 'use x;' 'use y;' 6
db_sql mariadb x 'drop table if exists a'
settings "another SET" "set sql_mode='';" "set sql_mode='ANSI';" 6
settings "one SET more" 'set @a = 1;' 'set @a = 1;\nset time_zone = \x27+01:00\x27;' 6
settings "one that was not there" '' 'set sql_mode=\x27\x27;' 6
settings "one that is gone" "set sql_mode='';" '' 6
lost_lease() { # a new lease has another id: what is compared must not be keyed with it alone
    fresh "$engine"
    printf '%s\nset @a = 1;\ncreate table a (v int);\ncreate table broken (v nonsense);\n' "$none" >sql/V2__x.sql
    [ $engine = mariadb ] || sed -i 's/set @a = 1/set work_mem = 4096/' sql/V2__x.sql
    run_expect "$engine: half of a file" 3 'MigrationFailed' migrate
    q 'delete from sluice_lease'
    sed -i 's/nonsense/int/' sql/V2__x.sql
    run_expect "$engine: goes on when the lease was lost" 0 '' migrate
}
lost_lease
settings "the same, with other line ends and comments" "set sql_mode='';" 'set sql_mode=\x27\x27;\r\n-- a word about it\r' 0
engine=pg none='-- sluice: transaction=none'
cut_short
lost_lease
settings "another search_path" 'set search_path = x;' 'set search_path = y;' 6
settings "another set_config()" "select set_config('search_path', 'x', false);" 'select set_config(\x27search_path\x27, \x27y\x27, false);' 6
settings "a role that was not there" '' 'set role app;' 6
settings "the same" 'set search_path = x;' 'set search_path = x;' 0

# ---- what a file may not do ----------------------------------------------------------------------------------------

for statement in 'drop database THIS' 'DROP SCHEMA if exists `THIS`' 'drop table flyway_schema_history' \
    'drop table if exists log, Sluice_Journal' 'rename table sluice_lease to x' 'alter table THIS.sluice_journal rename x'; do
    fresh mariadb
    migrate >/dev/null 2>&1
    printf '%s;\ninsert into log values (1);\n' "${statement//THIS/$db}" >sql/V2__x.sql
    run_expect "$statement is the file's fault" 3 'V2__x.sql:1:[0-9]+: statement [12] takes away or changes the (schema|table) .* which holds the history of this database: remove it \(MigrationFailed\)' migrate
    is "$statement: the history is there, and nothing has run" "$(applied version success) $(q "show tables like 'log'")" '1 1,2 0 log'
done
fresh mariadb
printf 'insert delayed into log values (1);\n' >sql/V2__x.sql
run_expect "INSERT DELAYED is answered before it is written" 6 'V2__x.sql:1:1: INSERT DELAYED in a migration is answered before' migrate
fresh pg
printf "create procedure p() language plpgsql as 'begin commit; end';\ncall p();\n" >sql/V2__x.sql
run_expect "a procedure that commits: what leads out is said" 3 '2D000 invalid transaction termination; outside a transaction it may: begin the file with the line -- sluice: transaction=none' migrate
printf "create type e as enum ('a');\n" >sql/V2__x.sql
run_expect "an enum" 0 '' migrate
printf "alter type e add value 'b';\nselect 'b'::e;\n" >sql/V3__x.sql
run_expect "a new value of an enum: what leads out is said" 3 '55P04 .*; the value can be used once its file is committed: put this statement into a new file' migrate
done_testing
