#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files that are too large for memory: one that is applied is read once for its checksum, one that must run runs from the
# disk. Memory is the largest resident set of the process.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"

measure=$(dirname "$SLUICE_BUILD")/release/bench/measure
[ -x "$measure" ] || measure=$SLUICE_BUILD/bench/measure
VALIDATED_KIB=$((32 * 1024))
APPLIED_KIB=$((64 * 1024))

scenes_start

# Flyway's checksum, by another program: CRC-32 over the lines without their ends, signed.
flyway_checksum() {
    perl -MCompress::Zlib -e 'open my $f, "<:raw", $ARGV[0] or die; my $crc = crc32("");
        while (<$f>) { s/^\xEF\xBB\xBF// if $. == 1; tr/\r\n//d; $crc = crc32($_, $crc) } print unpack("l", pack("L", $crc))' "$1"
}

# measured NAME KIB COMMAND…: as migrate and its like, and no more memory than that.
measured() {
    local name=$1 most=$2 wall cpu kib
    shift 2
    run_expect "$name" 0 '' "$measure" "$PWD/figures" "$@"
    read -r wall cpu kib <figures
    echo "# $name: $((kib / 1024)) MiB, $((wall / 1000)) ms, CPU $((cpu / 1000)) ms"
    if [ "$kib" -le "$most" ]; then kib="at most"; fi
    is "$name: at most $((most / 1024)) MiB" "$kib" "at most"
}

# ---- applied ---------------------------------------------------------------------------------------------------

for engine in pg mariadb; do
    scene $engine
    echo 'create table seed (a text);' >sql/V1__seed.sql
    run_expect "$engine: a small file" 0 '' migrate
    perl -e 'print "create table seed (a text);\n"; my $line = "insert into seed values (\x27" . "\xc3\xa9x" x 300 . "\x27);\r\n";
        print $line for 1 .. 320000' >sql/V1__seed.sql
    q "update flyway_schema_history set checksum = $(flyway_checksum sql/V1__seed.sql)"
    is "$engine: it has grown" "$(($(stat -c %s sql/V1__seed.sql) / 1000000 >= 290))" 1
    measured "$engine: validate with a file of 300 MB that is applied" $VALIDATED_KIB "$SLUICE" validate --url "$url" --dir sql
    echo 'create table u (a int);' >sql/V2__u.sql
    measured "$engine: migrate goes on behind it" $VALIDATED_KIB "$SLUICE" migrate --url "$url" --dir sql
    is "$engine: the next one is applied" "$(applied version success)" '1 1,2 1'
    measured "$engine: info" $VALIDATED_KIB "$SLUICE" info --url "$url" --dir sql
    printf x >>sql/V1__seed.sql
    run_expect "$engine: a changed one is noticed" 6 'checksum' "$SLUICE" validate --url "$url" --dir sql
done

# ---- dumps -----------------------------------------------------------------------------------------------------

scene pg
perl -e 'print "set client_encoding = \x27UTF8\x27;\ncreate table t (id int primary key, note text);\nCOPY t (id, note) FROM stdin;\n";
    my $text = "\xc3\xa9\\t" . "abcdefghij" x 19; printf "%d\t%s\n", $_, $text for 1 .. 1000000;
    print "\\.\n\ncreate index i on t (id);\n"' >sql/V1__dump.sql
is "200 MB of COPY" "$(($(stat -c %s sql/V1__dump.sql) / 1000000 >= 195))" 1
measured "pg: a dump with COPY" $APPLIED_KIB "$SLUICE" migrate --url "$url" --dir sql
is "pg: all rows" "$(q 'select count(*), max(id), max(length(note)) from t')" '1000000|1000000|192'
is "pg: Flyway's checksum" "$(applied checksum)" "$(flyway_checksum sql/V1__dump.sql)"

scene pg
perl -e 'print "create table t (id int, note text);\n"; printf "insert into t values (%d, \x27%s\x27);\n", $_, "n" x 60 for 1 .. 500000' >sql/V1__rows.sql
printf 'insert into t values (1, 2, 3);\n' >>sql/V1__rows.sql
run_expect "pg: half a million statements, the last one wrong" 3 'V1__rows.sql:500002:' migrate
is "pg: nothing remains" "$(q "select to_regclass('t')")" ''
sed -i '$d' sql/V1__rows.sql
measured "pg: half a million statements" $APPLIED_KIB "$SLUICE" migrate --url "$url" --dir sql
is "pg: all of them" "$(q 'select count(*), count(distinct id) from t')" '500000|500000'

scene mariadb
perl -e 'print "/*!40101 SET NAMES utf8mb4 */;\nDROP TABLE IF EXISTS `t`;\nCREATE TABLE `t` (`id` int primary key, `note` text) CHARSET utf8mb4;\nLOCK TABLES `t` WRITE;\n";
    my $id = 0; for (1 .. 210) { print "INSERT INTO `t` VALUES ", join(",", map { sprintf "(%d,\x27%s\x27)", ++$id, "\xc3\xa9\\\x27" . "abcdefghij" x 18 } 1 .. 5000), ";\n" }
    print "UNLOCK TABLES;\n"' >sql/V1__dump.sql
is "200 MB of INSERT" "$(($(stat -c %s sql/V1__dump.sql) / 1000000 >= 195))" 1
measured "mariadb: a dump" $APPLIED_KIB "$SLUICE" migrate --url "$url" --dir sql
is "mariadb: all rows" "$(q 'select count(*), max(id), max(char_length(note)) from t')" '1050000|1050000|182'
is "mariadb: Flyway's checksum" "$(applied checksum | paste -sd,)" "$(flyway_checksum sql/V1__dump.sql)"

done_testing
