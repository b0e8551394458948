/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's errors as reasons: SQLSTATEs, texts of failed connects, a file's own statements. */
#include <criterion/criterion.h>
#include "base/auto.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

static char *c(const char *text)
{
    return (char *)(uintptr_t)text;
}

static const struct {
    const char *sqlstate, *own, *in_file; /* own NULL: no rule, UnsupportedServer */
} states[] = {
    { "08006", REASON_DATABASE_UNAVAILABLE, REASON_MIGRATION_FAILED },
    { "08P01", REASON_DATABASE_UNAVAILABLE, REASON_MIGRATION_FAILED }, /* select $1 in a file */
    { "23505", NULL, REASON_MIGRATION_FAILED },
    { "25006", REASON_TARGET_READ_ONLY, REASON_TARGET_READ_ONLY },
    { "25P02", NULL, REASON_MIGRATION_FAILED },
    { "25P03", REASON_DATABASE_UNAVAILABLE, REASON_DATABASE_UNAVAILABLE },
    { "28000", REASON_ACCESS_DENIED, REASON_MIGRATION_FAILED },
    { "28P01", REASON_ACCESS_DENIED, REASON_MIGRATION_FAILED },
    { "3D000", REASON_DATABASE_UNAVAILABLE, REASON_MIGRATION_FAILED },
    { "40001", REASON_DEADLOCK, REASON_DEADLOCK },
    { "40P01", REASON_DEADLOCK, REASON_DEADLOCK },
    { "42501", REASON_ACCESS_DENIED, REASON_MIGRATION_FAILED },
    { "42601", NULL, REASON_MIGRATION_FAILED },
    { "53100", REASON_DATABASE_DISK_FULL, REASON_DATABASE_DISK_FULL },
    { "53200", REASON_DATABASE_UNAVAILABLE, REASON_DATABASE_UNAVAILABLE },
    { "53300", REASON_DATABASE_UNAVAILABLE, REASON_DATABASE_UNAVAILABLE },
    { "55000", NULL, REASON_MIGRATION_FAILED },
    { "55P03", REASON_LOCK_TIMEOUT, REASON_LOCK_TIMEOUT },
    { "57014", REASON_DATABASE_UNAVAILABLE, REASON_MIGRATION_FAILED }, /* statement_timeout */
    { "57P01", REASON_DATABASE_UNAVAILABLE, REASON_DATABASE_UNAVAILABLE },
    { "57P02", REASON_DATABASE_UNAVAILABLE, REASON_DATABASE_UNAVAILABLE },
    { "57P03", REASON_DATABASE_UNAVAILABLE, REASON_DATABASE_UNAVAILABLE },
    { "58030", REASON_DATABASE_UNAVAILABLE, REASON_DATABASE_UNAVAILABLE },
    { "XX000", NULL, REASON_MIGRATION_FAILED },
    { "", NULL, REASON_MIGRATION_FAILED },
};

Test(pgdb_errors, sqlstates_follow_the_table)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        const struct pgdb_rule *rule = pgdb_judge(states[i].sqlstate);
        cr_expect(rule ? states[i].own && strcmp(rule->reason, states[i].own) == 0 : !states[i].own,
                  "%s alone: %s", states[i].sqlstate, rule ? rule->reason : "no rule");
        struct pgdb_fault fault = { .message = NULL };
        enum err_kind kind;
        const char *reason = NULL;
        memcpy(fault.sqlstate, states[i].sqlstate, strlen(states[i].sqlstate));
        pgdb_fault_judge(&fault, NULL, &kind, &reason);
        cr_expect_str_eq(reason, states[i].in_file, "%s in a file", states[i].sqlstate);
        cr_expect_eq(kind == ERR_TERMINAL, strcmp(reason, REASON_MIGRATION_FAILED) == 0, "%s",
                     states[i].sqlstate);
    }
}

static const struct {
    const char *text, *reason, *line;
} connects[] = {
    { "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password "
      "authentication failed for user \"app\"\nLOCATION:  auth_failed, auth.c:330\n",
      REASON_ACCESS_DENIED, "password authentication failed for user \"app\" (28P01)" },
    { "connection to server on socket \"/x/.s.PGSQL.5432\" failed: FATAL:  3D000: database \"a: "
      "b\" "
      "does not exist\nLOCATION:  x\n",
      REASON_DATABASE_UNAVAILABLE, "database \"a: b\" does not exist (3D000)" },
    { "FATAL:  53300: sorry, too many clients already\n", REASON_DATABASE_UNAVAILABLE,
      "sorry, too many clients already (53300)" },
    { "SCHWERWIEGEND:  57P03: das Datenbanksystem startet\n", REASON_DATABASE_UNAVAILABLE,
      "das Datenbanksystem startet (57P03)" },
    { "connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused\n\tIs the "
      "server running on that host and accepting TCP/IP connections?\n",
      REASON_DATABASE_UNAVAILABLE, "Connection refused" },
    { "could not translate host name \"nowhere.invalid\" to address: Name or service not known\n",
      REASON_DATABASE_UNAVAILABLE,
      "could not translate host name \"nowhere.invalid\" to address: Name or service not known" },
    { "connection to server at \"localhost\" (::1), port 5432 failed: SSL error: certificate "
      "verify "
      "failed\n",
      REASON_TLS_VERIFICATION_FAILED, "SSL error: certificate verify failed" },
    { "connection to server at \"127.0.0.1\", port 5432 failed: server certificate for "
      "\"localhost\" "
      "does not match host name \"127.0.0.1\"\n",
      REASON_TLS_VERIFICATION_FAILED,
      "server certificate for \"localhost\" does not match host name \"127.0.0.1\"" },
    { "connection to server at \"127.0.0.1\", port 5432 failed: root certificate file \"/x\" does "
      "not exist\n",
      REASON_TLS_VERIFICATION_FAILED, "root certificate file \"/x\" does not exist" },
    { "connection to server at \"127.0.0.1\", port 5432 failed: server does not support SSL, but "
      "SSL was required\n",
      REASON_TLS_VERIFICATION_FAILED, "server does not support SSL, but SSL was required" },
    { "connection to server at \"127.0.0.1\", port 5432 failed: fe_sendauth: no password "
      "supplied\n",
      REASON_ACCESS_DENIED, "fe_sendauth: no password supplied" },
    { "connection to server at \"127.0.0.1\", port 5432 failed: private key file \"/k\" has group "
      "or world access\n",
      REASON_ACCESS_DENIED, "private key file \"/k\" has group or world access" },
};

Test(pgdb_errors, failed_connects_follow_the_table)
{
    for (size_t i = 0; i < sizeof connects / sizeof *connects; i++) {
        AUTO(free_auto) char *line = pgdb_connect_text(connects[i].text);
        cr_expect_str_eq(pgdb_judge_connect(connects[i].text)->reason, connects[i].reason, "%s",
                         connects[i].text);
        cr_expect_str_eq(line, connects[i].line);
    }
}

Test(pgdb_errors, what_we_stopped_ourselves_is_no_failure_of_the_file)
{
    static const char *const stops[] = { REASON_INTERRUPTED, REASON_DEADLINE_EXCEEDED,
                                         REASON_LOCK_TIMEOUT };
    const struct pgdb_fault fault = { .sqlstate = "57014", .message = c("canceling statement") };
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        enum err_kind kind;
        const char *reason = NULL;
        pgdb_fault_judge(&fault, stops[i], &kind, &reason);
        cr_expect_str_eq(reason, stops[i]);
        cr_expect_eq(kind, ERR_TRANSIENT);
        AUTO(err_free_auto) struct err *e = pgdb_fault_err(&fault, stops[i], "could not look");
        cr_expect_str_eq(e->reason, stops[i]);
    }
}

Test(pgdb_errors, a_lost_connection_is_unavailable_whatever_the_code)
{
    const struct pgdb_fault fault = { .lost = true, .sqlstate = "42601" };
    enum err_kind kind;
    const char *reason = NULL;
    pgdb_fault_judge(&fault, NULL, &kind, &reason);
    cr_expect_str_eq(reason, REASON_DATABASE_UNAVAILABLE);
    AUTO(err_free_auto) struct err *e = pgdb_fault_err(&fault, NULL, "could not look");
    cr_expect_str_eq(e->reason, REASON_DATABASE_UNAVAILABLE);
    cr_expect_str_eq(e->message, "could not look: 42601 the connection is lost");
}

Test(pgdb_errors, the_fence_speaks_by_one_word)
{
    static const struct {
        const char *sqlstate, *message, *word;
    } rows[] = {
        { "22P02", "invalid input syntax for type integer: \"sluice:fenced\"", "fenced" },
        { "22P02", "ung\xc3\xbcltige Eingabe: \xc2\xbbsluice:moved\xc2\xab", "moved" },
        { "22P02", "invalid input syntax for type boolean: \"sluice:txcontrol\"", "txcontrol" },
        { "22P02", "invalid input syntax for type integer: \"x\"", NULL },
        { "22000", "sluice:fenced", NULL },
        { "22P02", "sluice:other", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pgdb_fault fault = { .message = c(rows[i].message) };
        memcpy(fault.sqlstate, rows[i].sqlstate, 5);
        const char *word = pgdb_fence_word(&fault);
        cr_expect(word ? rows[i].word && strcmp(word, rows[i].word) == 0 : !rows[i].word, "%s",
                  rows[i].message);
    }
}
