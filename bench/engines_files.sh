# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The migrations that engines.sh applies, in the form of each program: $files/sluice (the loops read the same
# files), $files/goose, $files/dbmate.
#
#   files_make COUNT    anew
#   files_add           one more
#
# Ten files are a little history of two tables: made, a column, an index, rows, a change of rows, the second table,
# rows, a view, rows deleted, and a column with its values, the only file with two statements. With
# SLUICE_BENCH_SQL=tables each file makes a table. A statement ends with ";" and a new line; nothing else does.
files_count=0

files_write() { # FIRST LAST
    mkdir -p "$files/sluice" "$files/goose" "$files/dbmate"
    awk -v first="$1" -v last="$2" -v folder="$files" -v kind="${SLUICE_BENCH_SQL:-mixed}" '
        function put(form, name, head, body, tail,    path) {
            path = folder "/" form "/" name
            printf "%s%s%s", head, body, tail > path
            close(path)
        }
        function sql(i,    t, u, k) {
            k = kind == "tables" ? i : int((i - 1) / 10)
            t = "account_" k
            u = "entry_" k
            step = kind == "tables" ? 0 : (i - 1) % 10
            if (step == 0) return "CREATE TABLE " t " (\n    id bigint NOT NULL PRIMARY KEY,\n    name varchar(100) NOT NULL,\n    balance decimal(12, 2) NOT NULL DEFAULT 0,\n    created timestamp NOT NULL DEFAULT current_timestamp\n);\n"
            if (step == 1) return "ALTER TABLE " t " ADD COLUMN email varchar(200);\n"
            if (step == 2) return "CREATE INDEX " t "_name ON " t " (name);\n"
            if (step == 3) return "INSERT INTO " t " (id, name, email) VALUES\n    (1, \047first\047, \047first@example.com\047),\n    (2, \047second\047, NULL),\n    (3, \047third\047, \047third@example.com\047);\n"
            if (step == 4) return "UPDATE " t " SET balance = balance + 10 WHERE email IS NOT NULL;\n"
            if (step == 5) return "CREATE TABLE " u " (\n    id bigint NOT NULL PRIMARY KEY,\n    account bigint NOT NULL REFERENCES " t " (id),\n    amount decimal(12, 2) NOT NULL\n);\n"
            if (step == 6) return "INSERT INTO " u " (id, account, amount) SELECT id, id, balance FROM " t ";\n"
            if (step == 7) return "CREATE VIEW " t "_total AS\nSELECT account, sum(amount) AS total FROM " u " GROUP BY account;\n"
            if (step == 8) return "DELETE FROM " u " WHERE amount = 0;\n"
            return "ALTER TABLE " t " ADD COLUMN state varchar(20) NOT NULL DEFAULT \047open\047;\nUPDATE " t " SET state = \047closed\047 WHERE id = 3;\n"
        }
        BEGIN {
            for (i = first; i <= last; i++) {
                body = sql(i)
                put("sluice", sprintf("V%06d__step.sql", i), "", body, "")
                put("goose", sprintf("%06d_step.sql", i), "-- +goose Up\n", body, "")
                put("dbmate", sprintf("%06d_step.sql", i), "-- migrate:up\n", body, "\n-- migrate:down\n")
            }
        }' </dev/null
}

files_make() {
    rm -rf "$files"
    files_count=$1
    files_write 1 "$1"
}

files_add() {
    files_count=$((files_count + 1))
    files_write "$files_count" "$files_count"
}
