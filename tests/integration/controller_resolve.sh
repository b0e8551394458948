#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Verdicts on a plan's database: `sluice resolve plan/NAME` reaches the journal through the controller, and the plan goes on.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql/one
mkdir -p "$sql"
db_create pg one
secret one-db "$(db_uri pg one)"
q() { db_sql pg one "$1"; }
echo 'create table log (v int);' >"$sql/V1__log.sql"
commit shop first
plan_file shop shop <<YAML
  databases:
  - {name: one, secretRef: {name: one-db}}
YAML
controller_start
run_expect "a plan that is fine" 0 '' wait_commit "$sha" 60
resolve() { "$SLUICE" resolve plan/shop --database one "$@" --reason 'looked'; }

# ---- a file that failed half-way is taken back ---------------------------------------------------------------------

printf -- '-- sluice: transaction=none\ncreate table half (v int);\ncreate table broken (v nonsense);\n' >"$sql/V2__half.sql"
commit shop half
wait_for "it fails at its second statement" 60 eval '[[ "$(condition Stalled)" == "True "* ]]'
rm "$sql/V2__half.sql"
echo 'insert into log values (3);' >"$sql/V3__next.sql"
commit shop back
wait_for "taken back, the plan says what stays" 60 condition_is Stalled 'True MigrationMissing'
like "and names the statement" "$("$SLUICE" describe plan/shop)" 'version 2: an attempt has left statement 1 \(line 2\) applied, and its file is gone'
is "nothing has run since" "$(q 'select count(*) from log')" 0
run_expect "restart on the plan" 0 '' resolve --version 2 --verdict restart
run_expect "leads out" 0 '' wait_commit "$sha" 60
is "the verdict is in the journal" "$(q "select version, step, verdict, message like 'looked%' from sluice_journal where state = 'resolved'")" '2|0|restart|t'
is "what was pending has run" "$(q 'select count(*) from log')" 1

# ---- an outcome that nobody knows ------------------------------------------------------------------------------------

printf -- "-- sluice: transaction=none\ncreate procedure part() language plpgsql as 'begin insert into log values (4); commit; raise exception ''after''; end';\ncall part();\ninsert into log values (5);\n" >"$sql/V4__part.sql"
commit shop part
wait_for "a procedure that commits and fails: nobody knows" 60 condition_is Stalled 'True OutcomeUnknown'
run_expect "applied, said on the plan" 0 '' resolve --version 4 --step 2 --verdict applied
run_expect "goes on behind it" 0 '' wait_commit "$sha" 60
is "every statement once" "$(q 'select array_agg(v order by v) from log')" '{3,4,5}'
controller_stop
done_testing
