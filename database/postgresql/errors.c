// SPDX-License-Identifier: Apache-2.0
// What PostgreSQL says, as kinds and reasons: one table for SQLSTATEs, one for connection texts.
#include <ctype.h>
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

// Five characters before their class. 08 and 42501 in a file are the file's (dblink, a missing grant).
static const struct pgdb_rule rules[] = {
    { "08", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, false },
    { "25006", ERR_TRANSIENT, REASON_TARGET_READ_ONLY, true },
    { "25P03", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, true }, // idle in transaction too long
    { "28", ERR_TRANSIENT, REASON_ACCESS_DENIED, false },
    { "3D000", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, false },
    { "40001", ERR_TRANSIENT, REASON_DEADLOCK, true },
    { "40P01", ERR_TRANSIENT, REASON_DEADLOCK, true },
    { "42501", ERR_TRANSIENT, REASON_ACCESS_DENIED, false },
    { "53100", ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, true },
    { "53", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, true },
    { "55P03", ERR_TRANSIENT, REASON_LOCK_TIMEOUT, true },
    { "57014", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, false }, // cancelled, but not by us
    { "57P", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, true },
    { "58", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, true },
};

const struct pgdb_rule *pgdb_judge(const char *sqlstate)
{
    const struct pgdb_rule *best = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (str_starts(sqlstate, rules[i].sqlstate) &&
            (!best || strlen(rules[i].sqlstate) > strlen(best->sqlstate))) {
            best = &rules[i];
        }
    }
    return best;
}

void pgdb_fault_done(struct pgdb_fault *fault)
{
    free(fault->message);
    free(fault->said);
    free(fault->detail);
    free(fault->hint);
    free(fault->context);
    free(fault->inner);
    strlist_done(&fault->names);
    *fault = (struct pgdb_fault){ 0 };
}

// libpq's own words, which come without a SQLSTATE.
bool pgdb_memory_short(const char *text)
{
    const bool is = strstr(text, "out of memory") || strstr(text, "cannot allocate memory");
    if (is) {
        db_note_memory_short();
    }
    return is;
}

// ---- a failed connect ---------------------------------------------------------------------------

static const struct pgdb_rule tls_rule = { "", ERR_TERMINAL, REASON_TLS_VERIFICATION_FAILED,
                                           false };
static const struct pgdb_rule denied_rule = { "", ERR_TRANSIENT, REASON_ACCESS_DENIED, false };
static const struct pgdb_rule down_rule = { "", ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, false };

// libpq's own words: never translated, as this program sets no locale.
static const struct {
    const char *words;
    const struct pgdb_rule *rule;
} connect_words[] = {
    { "certificate verify failed", &tls_rule },
    { "does not match host name", &tls_rule },
    { "root certificate file", &tls_rule },
    { "server certificate", &tls_rule },
    { "server does not support SSL", &tls_rule },
    { "tlsv1 alert", &denied_rule }, // the server refused our certificate
    { "private key file", &denied_rule },
    { "certificate file", &denied_rule },
    { "no password supplied", &denied_rule },
    { "authentication method", &denied_rule },
    { "SCRAM", &denied_rule },
};

// In "FATAL:  28P01: text" the level may be translated, the code is not.
static const char *find_sqlstate(const char *text)
{
    for (const char *p = strstr(text, ":  "); p; p = strstr(p + 1, ":  ")) {
        const char *code = p + 3;
        size_t n = 0;
        while (n < 5 && (isdigit((unsigned char)code[n]) || isupper((unsigned char)code[n]))) {
            n++;
        }
        if (n == 5 && str_starts(code + 5, ": ")) {
            return code;
        }
    }
    return NULL;
}

const struct pgdb_rule *pgdb_judge_connect(const char *text)
{
    const char *code = find_sqlstate(text);
    if (code) {
        char sqlstate[6];
        snprintf(sqlstate, sizeof sqlstate, "%.5s", code);
        const struct pgdb_rule *rule = pgdb_judge(sqlstate);
        return rule ? rule : &down_rule;
    }
    for (size_t i = 0; i < sizeof connect_words / sizeof *connect_words; i++) {
        if (strstr(text, connect_words[i].words)) {
            return connect_words[i].rule;
        }
    }
    return &down_rule;
}

char *pgdb_connect_text(const char *text)
{
    const char *code = find_sqlstate(text);
    const char *start = code ? code + 7 : text;
    const char *failed = strstr(text, " failed: ");
    if (!code && failed && str_starts(text, "connection to server")) {
        start = failed + 9;
    }
    size_t length = strcspn(start, "\n");
    if (!code && pgdb_memory_short(start)) {
        return mem_strdup(DB_MEMORY_TEXT);
    }
    return code ? mem_printf("%.*s (%.5s)", (int)length, start, code) : mem_strndup(start, length);
}

// ---- a failed query -----------------------------------------------------------------------------

bool pgdb_table_gone(const char *sqlstate)
{
    static const char *const gone[] = { "42P01", "42703", "3F000" }; // table, column, schema
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        if (str_eq(sqlstate, gone[i])) {
            return true;
        }
    }
    return false;
}

struct err *pgdb_fault_err(const struct pgdb_fault *fault, const char *stopped, const char *what)
{
    if (stopped && !fault->lost) {
        return err_new(ERR_TRANSIENT, stopped, "%s: %s", what,
                       str_eq(stopped, REASON_INTERRUPTED) ? "interrupted" : "the time is over");
    }
    const struct pgdb_rule *rule = pgdb_judge(fault->sqlstate);
    if ((fault->lost && !fault->copies) || str_eq(fault->message, DB_MEMORY_TEXT)) {
        rule = &down_rule;
    }
    return err_new(rule ? rule->kind : ERR_TERMINAL,
                   rule ? rule->reason : REASON_UNSUPPORTED_SERVER, "%s: %s%s%s", what,
                   fault->sqlstate, fault->sqlstate[0] ? " " : "",
                   fault->said ? fault->said : "the connection is lost");
}

void pgdb_fault_judge(const struct pgdb_fault *fault, const char *stopped, enum err_kind *kind,
                      const char **reason)
{
    const struct pgdb_rule *rule = pgdb_judge(fault->sqlstate);
    *kind = ERR_TERMINAL;
    *reason = REASON_MIGRATION_FAILED;
    if (stopped) {
        *kind = ERR_TRANSIENT;
        *reason = stopped;
    } else if (fault->lost && !fault->copies) {
        *kind = ERR_TRANSIENT;
        *reason = REASON_DATABASE_UNAVAILABLE;
    } else if (rule && rule->in_file) {
        *kind = rule->kind;
        *reason = rule->reason;
    }
}
