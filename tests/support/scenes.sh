# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Scenes of a script that runs on PostgreSQL and MariaDB: each has a database and a folder sql of its own.
#
#   scenes_start            both servers, as "pg" and "mariadb"
#   scene ENGINE            a new scene: sets $engine, $db, $url, and $none: the first line of a file whose
#                           statements are steps of their own
#   q SQL                   asks its database; columns are parted by |
#   migrate OPTION…         `sluice migrate` with its folder
#   applied COLUMN…         columns of its history, by rank: "1 1,3 1"; true is 1
#
# After tap.sh and servers.sh.

[ -n "${SCENES_SH:-}" ] && return 0
SCENES_SH=1
scene_number=0
engine='' db='' url='' none=''

scenes_start() {
    mariadb_start mariadb
    pg_start pg
}

scene() {
    scene_number=$((scene_number + 1))
    engine=$1
    db=scene$scene_number
    none='-- a comment'
    [ "$engine" = mariadb ] || none='-- sluice: transaction=none'
    db_create "$engine" $db
    url=$(db_uri "$engine" $db)
    rm -rf sql
    mkdir sql
}

q() { db_sql "$engine" "$db" "$1" | tr '\t' '|'; }
migrate() { "$SLUICE" migrate --url "$url" --dir sql "$@"; }
applied() {
    local IFS=,
    q "select $* from flyway_schema_history order by installed_rank" | tr '|' ' ' | sed 's/ t$/ 1/; s/ f$/ 0/' | paste -sd,
}
