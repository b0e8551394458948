// SPDX-License-Identifier: Apache-2.0
// Error numbers of MariaDB and MySQL: kind and reason, and where in the text the error is.
#include <criterion/criterion.h>
#include "database/mysql/rules.h"
#include "model/reason.h"

TestSuite(mydb_errors, .timeout = 30);

static const struct {
    const char *name;
    unsigned code;
    const char *message;
    bool ours;
    enum err_kind kind;
    const char *reason;
} cases[] = {
    { "wrong password", 1045, "", true, ERR_TERMINAL, REASON_ACCESS_DENIED },
    { "no right to the database", 1044, "", true, ERR_TERMINAL, REASON_ACCESS_DENIED },
    { "host not allowed", 1130, "", true, ERR_TERMINAL, REASON_ACCESS_DENIED },
    { "our own table is denied", 1142, "", true, ERR_TERMINAL, REASON_ACCESS_DENIED },
    { "a right that a file lacks is the file's failure", 1142, "", false, ERR_TERMINAL,
      REASON_MIGRATION_FAILED },
    { "too many connections", 1040, "", true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "no socket", 2002, "", true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "refused", 2003, "", true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "unknown host", 2005, "", true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "gone away", 2006, "", true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "lost in a file's statement", 2013, "", false, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "killed", 1927, "", false, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "the database is missing", 1049, "", true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    { "a file's USE of a missing database", 1049, "", false, ERR_TERMINAL,
      REASON_MIGRATION_FAILED },
    { "certificate", 2026, "", true, ERR_TERMINAL, REASON_TLS_VERIFICATION_FAILED },
    { "lock wait", 1205, "", false, ERR_TRANSIENT, REASON_LOCK_TIMEOUT },
    { "deadlock", 1213, "", false, ERR_TRANSIENT, REASON_DEADLOCK },
    { "read only", 1290, "running with the --read-only option so it cannot", false, ERR_TRANSIENT,
      REASON_TARGET_READ_ONLY },
    { "another option with the same number", 1290, "running with the --secure-file-priv option",
      false, ERR_TERMINAL, REASON_MIGRATION_FAILED },
    { "read only by innodb", 1836, "", false, ERR_TRANSIENT, REASON_TARGET_READ_ONLY },
    { "disk full", 1021, "", false, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL },
    { "table full", 1114, "", false, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL },
    { "the engine says 28", 1030, "Got error 28 \"No space left on device\" from storage engine",
      false, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL },
    { "the engine says something else", 1030, "Got error 1 from storage engine", false,
      ERR_TERMINAL, REASON_MIGRATION_FAILED },
    { "a table that is there already", 1050, "", false, ERR_TERMINAL, REASON_MIGRATION_FAILED },
    { "syntax", 1064, "", false, ERR_TERMINAL, REASON_MIGRATION_FAILED },
    { "an unknown number at the login is tried again", 4999, "", true, ERR_TRANSIENT,
      REASON_DATABASE_UNAVAILABLE },
};

Test(mydb_errors, numbers_become_reasons)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct mydb_error_class class =
            cases[i].ours ? mydb_error_of_ours(cases[i].code, cases[i].message)
                          : mydb_error_of_file(cases[i].code, cases[i].message);
        cr_expect_eq(class.kind, cases[i].kind, "%s: kind %d", cases[i].name, class.kind);
        cr_expect_str_eq(class.reason, cases[i].reason, "%s: %s", cases[i].name, class.reason);
        cr_expect_not_null(reason_find(class.reason), "%s", cases[i].name);
    }
}

Test(mydb_errors, what_is_not_listed_is_not_tried_again)
{
    static const struct {
        unsigned code;
        bool set;
        enum err_kind kind;
        const char *reason;
    } rows[] = {
        { 4999, false, ERR_TERMINAL, REASON_UNSUPPORTED_SERVER },
        { 4999, true, ERR_TERMINAL, REASON_MIGRATION_FAILED },
        { 1146, false, ERR_TERMINAL, REASON_UNSUPPORTED_SERVER },
        { 1205, true, ERR_TRANSIENT, REASON_LOCK_TIMEOUT },
        { 1142, true, ERR_TERMINAL, REASON_MIGRATION_FAILED },
        { 1142, false, ERR_TERMINAL, REASON_ACCESS_DENIED },
        { 1969, true, ERR_TERMINAL, REASON_MIGRATION_FAILED },
        { 1969, false, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
        { 1317, true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
        { 1317, false, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
        { 2013, true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
        { 2099, false, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
        { 9001, true, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct mydb_error_class class =
            mydb_error_of_statement(rows[i].code, "", rows[i].set);
        cr_expect_eq(class.kind, rows[i].kind, "%u", rows[i].code);
        cr_expect_str_eq(class.reason, rows[i].reason, "%u: %s", rows[i].code, class.reason);
    }
}

Test(mydb_errors, a_lost_connection_leaves_the_outcome_open)
{
    cr_expect(mydb_error_is_lost(2006));
    cr_expect(mydb_error_is_lost(2013));
    cr_expect(mydb_error_is_lost(1927));
    cr_expect_not(mydb_error_is_lost(2003), "never connected");
    cr_expect_not(mydb_error_is_lost(1205));
    cr_expect_not(mydb_error_is_lost(0));
}

static const struct {
    const char *name, *message, *text;
    bool found;
    int position;
} places[] = {
    { "the quoted rest is in the line", "You have an error ... near 'frm t' at line 1",
      "select * frm t", true, 10 },
    { "a later line", "... near 'oops' at line 3", "create table t (\n  a int,\n  oops\n)", true,
      29 },
    { "characters, not bytes", "... near 'oops' at line 1", "select 'é' oops", true, 12 },
    { "several lines in the message", "... near 'x int\n)' at line 2",
      "create table t (\n  x int\n)", true, 20 },
    { "nothing quoted: the line", "... near '' at line 2", "select 1\nfrom", true, 10 },
    { "the message quotes a quote", "... near 'it's' at line 1' at line 1",
      "select it's' at line 1", true, 8 },
    { "no line", "Table 'd.t' doesn't exist", "select * from t", false, 0 },
    { "a line that is not there", "... near 'x' at line 9", "select 1", false, 0 },
};

Test(mydb_errors, the_place_is_found_in_the_text)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int position = 0;
        bool exact = false;
        const bool found =
            mydb_error_position(1064, places[i].message, places[i].text, &position, &exact);
        cr_expect_eq(found, places[i].found, "%s", places[i].name);
        if (found) {
            cr_expect_eq(position, places[i].position, "%s: %d", places[i].name, position);
        }
    }
}
