#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: the connection is cut at each COMMIT in turn, before it arrives, before its answer arrives,
# or with the request still on its way; what happened is found out, and every effect is there once.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/relay.sh"

mariadb_start mariadb

mkdir sql
echo 'create table effect (mark varchar(20));' >sql/V1__effect.sql
printf "insert into effect values ('2.1');\ninsert into effect values ('2.2');\n" >sql/V2__dml.sql
cat >sql/V3__mixed.sql <<'SQL'
insert into effect values ('3.1');
alter table effect add column x int;
insert into effect (mark) values ('3.3');
truncate table effect;
insert into effect (mark) values ('3.5');
SQL
echo 'create table last_one (v int);' >sql/V4__last.sql

through() { # PATTERN NTH HOW: $url through a fresh relay
    relay_start "$SLUICE_TEST_MARIADB_SOCKET" "$@"
    url="mariadb://app@127.0.0.1:$relay_port/$db?ssl-mode=DISABLED"
}
check() {
    local got
    got=$(db_sql mariadb "$db" "select group_concat(mark) from effect")
    [ "$got" = 3.5 ] || { echo "effects: $got"; return 1; }
    got=$(db_sql mariadb "$db" "select group_concat(concat(version, '/', success) order by installed_rank) from flyway_schema_history")
    [ "$got" = 1/1,2/1,3/1,4/1 ] || { echo "history: $got"; return 1; }
    got=$(db_sql mariadb "$db" "select group_concat(distinct n) from (select count(*) n from sluice_journal where state in ('done', 'inferred') group by version, step) s")
    [ "$got" = 1 ] || { echo "steps done more than once: $got"; return 1; }
    got=$(db_sql mariadb "$db" "select count(*) from information_schema.columns where table_schema = '$db' and column_name = 'x'")
    [ "$got" = 1 ] || { echo "columns: $got"; return 1; }
}

resolved=0 cuts=0
for how in reply request hold; do
    nth=0
    while :; do
        nth=$((nth + 1))
        db=unknown_${how}_$nth
        db_create mariadb "$db"
        through 'COMMIT' $nth $how
        code=0
        "$SLUICE" migrate --url "$url" --dir sql --lock-wait 20s >out 2>err </dev/null || code=$?
        relay_cut || { relay_stop; break; } # fewer COMMITs than that
        cuts=$((cuts + 1))
        case $how:$code in
        *:0) resolved=$((resolved + 1)) ;;
        *:9) ;;
        *) flunk "$how of COMMIT $nth" "code $code" "$(cat out err)" ;;
        esac
        again=0
        "$SLUICE" migrate --url "$url" --dir sql --lock-wait 20s >out2 2>err2 </dev/null || again=$?
        is "$how of COMMIT $nth: the next run ends well" "$again $(cat err2)" '0 '
        ok "$how of COMMIT $nth: every effect once" check
        relay_stop
    done
done
printf '# %s cuts, %s resolved in the same run\n' $cuts $resolved
ok "there were cuts" test $cuts -ge 12
ok "a COMMIT that happened is found out without a second run" test $resolved -ge 4
done_testing
