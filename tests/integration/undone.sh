#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A version that was taken back, by a row of an undo type or by repair's, is pending again, also where our own journal
# says that each of its statements is done.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"

scenes_start

take_back() { # TYPE: as the tool that wrote it does, with what version 2 made
    q 'drop table b'
    q "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        select m.r + 1, h.version, h.description, '$1', h.script, h.checksum, h.installed_by, 1, h.success from flyway_schema_history h, (select max(installed_rank) r from flyway_schema_history) m
        where h.version = '2' and h.type = 'SQL' order by h.installed_rank desc limit 1"
}

for server in pg mariadb; do
    for type in UNDO_SQL UNDO_SCRIPT DELETE; do
        scene $server
        echo 'create table a (id int);' >sql/V1__a.sql
        printf 'create table b (id int);\ninsert into b values (1);\ninsert into b values (2);\n' >sql/V2__b.sql
        run_expect "$server, $type: at first" 0 '' migrate
        for round in first second; do
            take_back $type
            case $type in
            DELETE) state=Deleted ;;
            *) state=Undone ;;
            esac
            like "$server, $type: info shows it, the $round time" "$("$SLUICE" info --url "$url" --dir sql)" "2 +b +$state .*2 +b +Pending"
            run_expect "$server, $type: validate sees a pending file" 6 'V2__b.sql is not applied yet' "$SLUICE" validate --url "$url" --dir sql
            run_expect "$server, $type: it runs again, the $round time" 0 '' migrate
            is "$server, $type: as a whole" "$(q 'select count(*), sum(id) from b')" '2|3'
            run_expect "$server, $type: then there is nothing to do" 0 '' migrate
            like "$server, $type: and it is said" "$run_stdout" 'nothing to do'
        done
        is "$server, $type: each run has its row" "$(applied version type)" "1 SQL,2 SQL,2 $type,2 SQL,2 $type,2 SQL"
    done
done
done_testing
