#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL, files outside a transaction: steps that are done stay done, what cannot be known is asked
# for with the command that answers it, REINDEX, DROP INDEX and DETACH CONCURRENTLY are settled.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg
fresh() {
    db_create pg "$1"
    database=$1
    url=$(db_uri pg "$1")
    rm -rf sql
    mkdir sql
}
ask() { db_sql pg "$database" "$1"; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
steps() { ask "select string_agg(step || ':' || state, ' ' order by seq) from sluice_journal where version = '$1'"; }
snapshot() { # a session that keeps an old snapshot of this database
    coproc SESSION { PGAPPNAME=bystander psql -XAtq "$url"; }
    # shellcheck disable=SC2153
    session_pid=$SESSION_PID in=${SESSION[1]}
    printf 'begin isolation level repeatable read; select 1;\n' >&"$in"
    read -r -u "${SESSION[0]}" _
}
hang_up() { eval "exec $in>&-"; wait "$session_pid" 2>/dev/null || true; }
active() { [ "$(ask "select count(*) from pg_stat_activity where datname = '$database' and state = 'active' and query ilike '$1%'")" -gt 0 ]; }
alone() { [ "$(ask "select count(*) from pg_stat_activity where datname = '$database' and application_name like 'sluice%'")" = 0 ]; }
kill_in() { # STATEMENT: start a run and kill it with its backend in the middle of STATEMENT
    migrate >out 2>err &
    local runner=$!
    within 20 active "$1" || { flunk "$database: never came to: $1" "$(cat out err)"; return; }
    kill -9 $runner
    wait $runner 2>/dev/null || true
    ask "select pg_terminate_backend(pid) from pg_stat_activity where datname = '$database' and application_name like 'sluice%'" >/dev/null
    within 20 alone || flunk "$database: the old session does not end"
}

# ---- steps ------------------------------------------------------------------------------------------
fresh resume
cat >sql/V1__steps.sql <<'SQL'
-- sluice: transaction=none
create table t (id int);
set search_path = pg_catalog;
insert into public.t values (1);
copy public.t from stdin;
2
\.
create index concurrently t_id on public.t (id);
insert into public.t values (1 / 0);
vacuum public.t;
SQL
run_expect "a step that fails is named" 3 'sql/V1__steps.sql:9:1: statement 6: 22012' migrate
is "the steps before it are done" "$(steps 1)" '1:done 3:done 4:done 5:done 6:failed'
is "there is no history row yet" "$(ask 'select count(*) from flyway_schema_history')" 0
"$SLUICE" info --url "$url" --dir sql >info
like "info says where it stands" "$(cat info)" 'failed at statement 6 of sql/V1__steps.sql:9: 22012'
sed -i 's/^insert into public.t values (1);/insert into public.t values (7);/' sql/V1__steps.sql
run_expect "a changed statement that was applied is refused" 6 'sql/V1__steps.sql:4:1: statement 3 was changed' migrate
sed -i 's/^insert into public.t values (7);/insert into public.t values (1);/; s/1 \/ 0/3/' sql/V1__steps.sql
run_expect "the corrected file goes on behind them" 0 '' migrate
is "every effect once, under the file's settings" "$(ask 'select string_agg(id::text, $$ $$ order by id) from t')" '1 2 3'
is "every step is done, the file too" "$(ask "select string_agg(step || ':' || state, ' ' order by seq) from (select distinct on (step) * from sluice_journal order by step, seq desc) j")" \
    '1:done 3:done 4:done 5:done 6:done 7:done 0:done'
is "the history has it" "$(ask 'select installed_rank, version, type, success from flyway_schema_history')" '1|1|SQL|t'

fresh repeated
printf -- '-- sluice: transaction=none\ncreate table if not exists r (n int);\ninsert into r values (1);\n' >sql/R__again.sql
migrate >/dev/null
printf -- '-- sluice: transaction=none\ncreate table if not exists r (n int);\ninsert into r values (1);\ninsert into r values (2);\n' >sql/R__again.sql
run_expect "a repeatable begins anew when it changes" 0 '' migrate
is "with all its steps" "$(ask 'select count(*) from r')|$(ask 'select count(*) from flyway_schema_history')" '3|2'

fresh settings
echo 'create table t (id int);' >sql/V1__t.sql
migrate >/dev/null
printf 'set no_such_setting = 1;\ncreate index concurrently on t (id);\n' >sql/V2__set.sql
run_expect "a SET that fails is named" 3 'sql/V2__set.sql:1:[0-9]+: statement 1: 42704' migrate
is "and written down" "$(ask "select step, error_code from sluice_journal where state = 'failed'")" '1|42704'
printf -- '-- sluice: transaction=none\n-- sluice: verify=select count(*) = 1 from t\ncreate temp table scratch (id int);\nlisten x;\n' >sql/V2__set.sql
run_expect "verify= decides about a file in steps too" 3 'sql/V2__set.sql: verify= is not true' migrate
sed -i 's/count(\*) = 1/count(*) = nothing/' sql/V2__set.sql
run_expect "one that cannot be asked is the file's failure" 3 'sql/V2__set.sql: verify=: 42703' migrate
sed -i 's/= nothing/= 0/' sql/V2__set.sql
printf "create table seen as select to_regclass('pg_temp.scratch') is null as t, (select count(*) from pg_listening_channels()) as l;\n" >sql/V3__look.sql
run_expect "when it is true the file is done" 0 '' migrate
is "what it left in the session is gone" "$(ask 'select * from seen')" 't|0'

# ---- what nobody can know ---------------------------------------------------------------------------
fresh unknown
ask 'create table effect (n int); grant all on effect to app; create procedure p() language plpgsql as $$ begin
    insert into effect values (1); commit; perform pg_sleep(600); end $$'
printf -- '-- sluice: transaction=none\ncall p();\ninsert into effect values (2);\n' >sql/V1__call.sql
"$SLUICE" baseline --url "$url" --baseline-version 0 >/dev/null
kill_in call
run_expect "an interrupted CALL is not guessed" 8 "sql/V1__call.sql:2: statement 1 .*sluice resolve --url '[^']*' --version '1' --step 1 --verdict applied.*--verdict not-applied" migrate
"$SLUICE" info --url "$url" --dir sql >info
like "info asks too" "$(cat info)" 'outcome unknown at statement 1 of sql/V1__call.sql:2'
run_expect "a person says it was applied" 0 '' "$SLUICE" resolve --url "$url" --version 1 --step 1 --verdict applied --reason 'looked at effect'
run_expect "saying it again changes nothing" 0 '' "$SLUICE" resolve --url "$url" --version 1 --step 1 --verdict applied --reason 'looked at effect'
is "the verdict is written down once" "$(ask "select verdict, message like '%looked at effect%', count(*) from sluice_journal where state = 'resolved' group by 1, 2")" 'applied|t|1'
run_expect "then the rest runs" 0 '' migrate
is "the call was not repeated" "$(ask 'select string_agg(n::text, $$ $$ order by n) from effect')" '1 2'
run_expect "what is done cannot be resolved otherwise" 4 'nothing to resolve' "$SLUICE" resolve --url "$url" --version 1 --step 1 --verdict not-applied --reason x

fresh not_applied
ask 'create table effect (n int); grant all on effect to app; create procedure p() language plpgsql as $$ begin
    if (select count(*) from effect) = 0 then insert into effect values (1); commit; perform pg_sleep(600); end if; insert into effect values (2); end $$'
printf -- '-- sluice: transaction=none\ncall p();\n' >sql/V1__call.sql
"$SLUICE" baseline --url "$url" --baseline-version 0 >/dev/null
kill_in call
run_expect "unknown" 8 OutcomeUnknown migrate
run_expect "a person says it was not applied" 0 '' "$SLUICE" resolve --url "$url" --version 1 --step 1 --verdict not-applied --reason 'looked'
run_expect "then it is run again" 0 '' migrate
is "to its end" "$(ask 'select string_agg(n::text, $$ $$ order by n) from effect')" '1 2'

for directive in idempotent=true 'verify=select count(*) > 0 from effect' 'verify=select count(*) > 1 from effect'; do
    fresh "d$RANDOM"
    ask 'create table effect (n int); grant all on effect to app; create procedure p() language plpgsql as $$ begin
        insert into effect values (1); commit; if (select count(*) from effect) = 1 then perform pg_sleep(600); end if; end $$'
    printf -- '-- sluice: transaction=none\n-- sluice: %s\ncall p();\n' "$directive" >sql/V1__call.sql
    "$SLUICE" baseline --url "$url" --baseline-version 0 >/dev/null
    kill_in call
    run_expect "with $directive nobody is asked" 0 '' migrate
    case $directive in *'> 0'*) want=1 state='1:inferred 0:done' ;; *) want=2 state='1:intent 1:done 0:done' ;; esac
    is "with $directive it runs as often as it should" "$(ask 'select count(*) from effect')" $want
    is "with $directive the journal says how" "$(steps 1)" "$state"
done

# ---- other concurrent statements --------------------------------------------------------------------
fresh reindex
echo 'create table t as select n as id from generate_series(1, 1000) n; create index t_id on t (id);' >sql/V1__t.sql
migrate >/dev/null
echo 'reindex table concurrently t;' >sql/V2__reindex.sql
snapshot
kill_in reindex
hang_up
run_expect "an interrupted REINDEX is run again" 0 '' migrate
is "its debris is gone" "$(ask "select string_agg(relname || ' ' || indisvalid, ',') from pg_index join pg_class c on c.oid = indexrelid where indrelid = 't'::regclass")" 't_id true'

fresh drop_index
echo 'create table t as select n as id from generate_series(1, 1000) n; create index t_id on t (id);' >sql/V1__t.sql
migrate >/dev/null
echo 'drop index concurrently t_id;' >sql/V2__drop.sql
snapshot
printf 'select count(*) from t;\n' >&"$in"
kill_in drop
is "an interrupted DROP INDEX leaves it invalid" "$(ask "select indisvalid from pg_index where indrelid = 't'::regclass")" f
hang_up
run_expect "the drop is finished" 0 '' migrate
is "the index is gone" "$(ask "select count(*) from pg_index where indrelid = 't'::regclass")" 0

fresh detach
echo 'create table p (id int) partition by range (id); create table p1 partition of p for values from (0) to (10);' >sql/V1__p.sql
migrate >/dev/null
echo 'alter table p detach partition p1 concurrently;' >sql/V2__detach.sql
snapshot
printf 'select count(*) from p;\n' >&"$in"
kill_in 'alter table p detach'
is "an interrupted DETACH is pending" "$(ask 'select inhdetachpending from pg_inherits')" t
hang_up
run_expect "it is finished" 0 '' migrate
is "the partition stands alone" "$(ask 'select count(*) from pg_inherits')|$(steps 2)" '0|1:inferred 0:done'

fresh gone
echo 'create table t (id int);' >sql/V1__t.sql
migrate >/dev/null
echo 'drop index concurrently if exists nothing; create index concurrently if not exists t_id on t (id); create index concurrently if not exists t_id on t (id);' >sql/V2__if.sql
run_expect "IF EXISTS and IF NOT EXISTS are fine" 0 '' migrate
echo 'create index concurrently on nowhere (id);' >sql/V3__nowhere.sql
run_expect "a table that is not there is the file's failure" 3 'sql/V3__nowhere.sql:1:1: statement 1: 42P01' migrate
is "and is written down" "$(steps 3)" '1:failed'
done_testing
