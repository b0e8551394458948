#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is refused on the command line: the documented exit code, one line that names the thing and
# says what to do, and nothing changed, on both engines.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg tcp
mariadb_start mariadb tcp

# Everything that a refused command might have touched: tables, columns, history, journal, lease.
state() {
    local server=$1 database=$2 tables table schema
    schema=$([ "$server" = pg ] && echo public || echo "$database")
    db_sql "$server" "$database" "select table_name, column_name, data_type from information_schema.columns
        where table_schema = '$schema' order by 1, ordinal_position"
    tables=$(db_sql "$server" "$database" "select table_name from information_schema.tables
        where table_schema = '$schema' order by 1")
    for table in $tables; do
        printf '%s: ' "$table"
        db_sql "$server" "$database" "select count(*) from $table"
    done
    db_sql "$server" "$database" "select epoch from sluice_lease" 2>/dev/null || true
}

# refused SERVER DATABASE NAME CODE REGEX COMMAND…: as it should be, in one line, with nothing changed.
refused() {
    local server=$1 database=$2 name=$3 code=$4 regex=$5 before after
    shift 5
    before=$(state "$server" "$database")
    run_expect "$name: code $code and who and what" "$code" "$regex" "$@"
    is "$name: one line" "$(printf '%s\n' "$run_stderr" | wc -l)" 1
    after=$(state "$server" "$database")
    is "$name: nothing changed" "$after" "$before"
}

fresh_files() {
    rm -rf sql
    mkdir sql
    echo 'create table one (id int);' >sql/V1__one.sql
    echo 'create table two (id int);' >sql/V2__two.sql
    echo 'create table four (id int);' >sql/V4__four.sql
}

for server in pg mariadb; do
    db_create "$server" shop
    url=$(db_uri "$server" shop)
    fresh_files
    run_expect "$server: a good tree applies" 0 '' "$SLUICE" migrate --url "$url" --dir sql

    refused $server shop "$server: a missing folder" 6 'nowhere.*\(InvalidMigration\)' \
        "$SLUICE" migrate --url "$url" --dir nowhere
    mkdir -p empty
    refused $server shop "$server: an empty folder" 6 'empty.*\(InvalidMigration\)' \
        "$SLUICE" migrate --url "$url" --dir empty

    echo '-- more' >>sql/V1__one.sql
    refused $server shop "$server: an edited applied file" 6 'V1__one.sql.*changed.*\(ChecksumMismatch\)' \
        "$SLUICE" migrate --url "$url" --dir sql
    run_expect "$server: validate says the same" 6 'V1__one.sql.*\(ChecksumMismatch\)' \
        "$SLUICE" validate --url "$url" --dir sql
    fresh_files

    rm sql/V2__two.sql
    refused $server shop "$server: a deleted applied file" 6 'version 2.*gone.*\(MigrationMissing\)' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    echo 'select 1;' >sql/V04__again.sql
    refused $server shop "$server: a duplicate version" 6 'V04__again.sql.*V4__four.sql|V4__four.sql.*V04__again.sql' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    echo 'create table three (id int);' >sql/V3__three.sql
    refused $server shop "$server: a late lower version" 6 'V3__three.sql.*newest applied one, 4.*\(OutOfOrder\)' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    printf 'create table five (id int);\n\ninsert into five values (%s);\n' "'x" >sql/V5__five.sql
    refused $server shop "$server: an unterminated quote" 6 'sql/V5__five.sql:3:26: .*\(InvalidMigration\)' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    printf 'create table five (id int);\nrollback;\ncreate table six (id int);\n' >sql/V5__five.sql
    refused $server shop "$server: transaction control in a file" 3 \
        'sql/V5__five.sql:2:1: .*\(TransactionControlInMigration\)' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    echo '-- sluice: transactions=none' >sql/V5__five.sql
    refused $server shop "$server: an unknown directive" 6 'sql/V5__five.sql:1:.*transactions' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    # shellcheck disable=SC2016
    echo 'create table ${nobody} (id int);' >sql/V5__five.sql
    refused $server shop "$server: an undefined placeholder" 6 'sql/V5__five.sql:1:14: .*nobody' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    echo 'echo hello' >sql/V5__five.sh
    refused $server shop "$server: a file that Flyway would run as a program" 6 'V5__five.sh.*\(InvalidMigration\)' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    ln -s V1__one.sql sql/V5__link.sql
    refused $server shop "$server: a symlink" 6 'V5__link.sql.*link' \
        "$SLUICE" migrate --url "$url" --dir sql
    fresh_files

    db_create "$server" typed
    run_expect "$server: a database whose history is then changed" 0 '' "$SLUICE" migrate --url "$(db_uri $server typed)" --dir sql
    db_sql $server typed "update flyway_schema_history set type = 'X' where version = '2'"
    refused $server typed "$server: a row of an unknown type" 6 'history row 2 has the type "X".*\(HistoryTampered\)' \
        "$SLUICE" migrate --url "$(db_uri $server typed)" --dir sql
    run_expect "$server: info of it" 0 '^$' "$SLUICE" info --url "$(db_uri $server typed)" --dir sql
    like "$server: tells the problem" "$run_stdout" $'\nproblem: history row 2 has the type "X", .* \\(HistoryTampered\\)'

    db_create "$server" full
    db_sql $server full 'create table existing (id int)'
    refused $server full "$server: a schema that is not empty and has no history" 6 '\(BaselineRequired\)' \
        "$SLUICE" migrate --url "$(db_uri $server full)" --dir sql

    tcp=$(db_uri "$server" shop tcp)
    wrong=${tcp/$SLUICE_TEST_PASSWORD/wrong-horse}
    refused $server shop "$server: a wrong password" 5 '\(AccessDenied\)' \
        "$SLUICE" migrate --url "$wrong" --dir sql
    case $run_stderr in
    *wrong-horse*) flunk "$server: the password is not repeated" "$run_stderr" ;;
    *) pass "$server: the password is not repeated" ;;
    esac
    refused $server shop "$server: a certificate of another CA" 5 '\(TLSVerificationFailed\)' \
        "$SLUICE" migrate --url "${tcp//$SLUICE_TEST_CA/$SLUICE_TEST_OTHER_CA}" --dir sql
    refused $server shop "$server: nobody listens there" 9 '127.0.0.1:1[^0-9].*\(DatabaseUnavailable\)' \
        "$SLUICE" migrate --url "$(printf '%s' "$tcp" | sed 's/@localhost:[0-9]*/@127.0.0.1:1/')" --dir sql
    refused $server shop "$server: a database that does not exist" "$([ $server = pg ] && echo 9 || echo 5)" 'nosuch' \
        "$SLUICE" migrate --url "$(printf '%s' "$tcp" | sed 's#/shop#/nosuch#')" --dir sql
done

for url in 'postgresql://u:p@169.254.169.254/x' 'mariadb://u:p@169.254.169.254/x' 'mariadb://u:p@[::ffff:169.254.169.254]/x?ssl-mode=REQUIRED'; do
    run_expect "${url%%:*}: nobody logs in where a cloud keeps its credentials" 9 'address that is refused.*DatabaseUnavailable' timeout 20 "$SLUICE" info --url "$url" --dir sql --connect-timeout 2s
done
run_expect "an unknown scheme in --url" 1 'must begin with postgresql' "$SLUICE" migrate --url oracle://x/y --dir sql
run_expect "no --url" 1 '--url' "$SLUICE" migrate --dir sql
run_expect "no files" 1 '--dir' "$SLUICE" migrate --url "$url"
# shellcheck disable=SC2016
run_expect "an unknown option, and the help that is printed" 1 '--bogus.*`sluice help migrate`$' "$SLUICE" migrate --bogus
# shellcheck disable=SC2016
run_expect "an unknown command" 1 'bogus.*`sluice help`$' "$SLUICE" bogus
run_expect "a weaker mode than any we have" 1 'prefer' \
    "$SLUICE" migrate --url 'postgresql://u@127.0.0.1/x?sslmode=prefer' --dir sql
done_testing
