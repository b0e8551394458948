// SPDX-License-Identifier: Apache-2.0
// Server and client error numbers of MariaDB and MySQL as kinds and reasons.
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "database/mysql/rules.h"
#include "model/reason.h"

enum where {
    OURS = 1, // the login and our own statements
    FILES = 2,
    BOTH = 3,
};

#define DENIED ERR_TERMINAL, REASON_ACCESS_DENIED, NULL, false
#define DOWN ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL, false
#define LOST ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL, true
#define READ_ONLY ERR_TRANSIENT, REASON_TARGET_READ_ONLY, NULL, false
#define DISK_FULL ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, NULL, false

static const struct row {
    unsigned code;
    enum where where;
    enum err_kind kind;
    const char *reason;
    const char *text; // only when the message holds this; NULL: always
    bool lost;        // the connection is gone, the outcome open
} rows[] = {
    // login and rights; in a file a missing right is the file's failure
    { 1044, OURS, DENIED },
    { 1045, OURS, DENIED },
    { 1130, OURS, DENIED }, // host not allowed
    { 1142, OURS, DENIED },
    { 1143, OURS, DENIED },
    { 1227, OURS, DENIED },
    { 1251, OURS, DENIED }, // login method not supported
    { 1370, OURS, DENIED },
    { 1698, OURS, DENIED },
    { 1820, OURS, DENIED }, // password expired
    { 1862, OURS, DENIED },
    { 2059, OURS, DENIED }, // login plug-in missing
    { 3118, OURS, DENIED }, // account locked, MySQL
    { 4151, OURS, DENIED }, // account locked, MariaDB
    { 2026, BOTH, ERR_TERMINAL, REASON_TLS_VERIFICATION_FAILED, NULL, false },
    // a server that is not there, not ready or full
    { 1040, BOTH, DOWN }, // too many connections
    { 1041, BOTH, DOWN }, // out of memory
    { 1047, BOTH, DOWN }, // cluster node not ready
    { 1049, OURS, DOWN }, // no such database (yet)
    { 1053, BOTH, LOST }, // shutdown
    { 1129, BOTH, DOWN }, // host blocked
    { 1158, BOTH, LOST },
    { 1159, BOTH, LOST },
    { 1160, BOTH, LOST },
    { 1161, BOTH, LOST },
    { 1203, BOTH, DOWN },
    { 1226, OURS, DOWN },
    { 1927, BOTH, LOST }, // connection killed
    { 2002, BOTH, DOWN },
    { 2003, BOTH, DOWN },
    { 2005, BOTH, DOWN },
    { 2006, BOTH, LOST },
    { 2012, BOTH, DOWN },
    { 2013, BOTH, LOST },
    { 2055, BOTH, LOST },
    { 4031, BOTH, LOST }, // idle too long, MySQL
    // of our own statements: a limit, a busy moment, a proxy between
    { 1020, OURS, DOWN }, // changed since the last read
    { 1028, OURS, DOWN }, // a sort that was ended
    { 1037, BOTH, DOWN }, // out of memory
    { 1038, OURS, DOWN }, // out of sort memory
    { 1135, BOTH, DOWN }, // no thread
    { 1152, OURS, DOWN },
    { 1180, OURS, DOWN }, // error during COMMIT
    { 1184, OURS, DOWN },
    { 1206, OURS, DOWN }, // lock table full
    { 1297, OURS, DOWN }, // the engine's temporary error
    { 1317, OURS, DOWN }, // interrupted
    { 1637, OURS, DOWN }, // too many transactions
    { 1969, OURS, DOWN }, // max_statement_time
    { 3024, OURS, DOWN }, // max_execution_time
    { 3032, OURS, DOWN }, // offline mode
    { 3168, OURS, DOWN }, // not available
    { 3169, OURS, DOWN }, // session killed
    // locks
    { 1205, BOTH, ERR_TRANSIENT, REASON_LOCK_TIMEOUT, NULL, false },
    { 1213, BOTH, ERR_TRANSIENT, REASON_DEADLOCK, NULL, false },
    // read only; 1290 is also said about other options, e.g. secure-file-priv
    { 1290, BOTH, ERR_TRANSIENT, REASON_TARGET_READ_ONLY, "read-only", false },
    { 1290, BOTH, ERR_TRANSIENT, REASON_TARGET_READ_ONLY, "read_only", false },
    { 1792, OURS, READ_ONLY },
    { 1836, BOTH, READ_ONLY },
    // disk; 28 is ENOSPC
    { 3, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, "28", false },
    { 1021, BOTH, DISK_FULL },
    { 1026, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, "28", false },
    { 1030, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, "28", false },
    { 1114, BOTH, DISK_FULL },
};

static const struct row *find(unsigned code, enum where where, const char *message)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].code == code && (rows[i].where & where) &&
            (!rows[i].text || (message && strstr(message, rows[i].text)))) {
            return &rows[i];
        }
    }
    return NULL;
}

struct mydb_error_class mydb_error_of_ours(unsigned code, const char *message)
{
    const struct row *row = find(code, OURS, message);
    return row ? (struct mydb_error_class){ row->kind, row->reason }
               : (struct mydb_error_class){ ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE };
}

// Libraries count from 2000, proxies from 9000: what they say is the connection's.
static bool is_servers(unsigned code)
{
    return code < 2000 || (code >= 3000 && code < 9000);
}

struct mydb_error_class mydb_error_of_statement(unsigned code, const char *message, bool set)
{
    const struct row *row = find(code, OURS, message);
    // A right, or time, that our statements have without the file's settings.
    const bool taken =
        set && row && (code == 1969 || code == 3024 || str_eq(row->reason, REASON_ACCESS_DENIED));
    if ((row && !taken) || !is_servers(code)) {
        return mydb_error_of_ours(code, message);
    }
    return set ? (struct mydb_error_class){ ERR_TERMINAL, REASON_MIGRATION_FAILED }
               : (struct mydb_error_class){ ERR_TERMINAL, REASON_UNSUPPORTED_SERVER };
}

struct mydb_error_class mydb_error_of_file(unsigned code, const char *message)
{
    const struct row *row = find(code, FILES, message);
    return row ? (struct mydb_error_class){ row->kind, row->reason }
               : (struct mydb_error_class){ ERR_TERMINAL, REASON_MIGRATION_FAILED };
}

bool mydb_error_is_lost(unsigned code)
{
    const struct row *row = find(code, BOTH, NULL);
    return row && row->lost;
}

bool mydb_error_is_lock(unsigned code)
{
    return code == 1205 || code == 1213;
}

bool mydb_error_is_gone(unsigned code)
{
    return code == 1146 || code == 1054 || code == 1049;
}

bool mydb_error_is_absent(unsigned code)
{
    // table or view, routine, trigger, event, sequence, database, not of this type (twice)
    static const unsigned absent[] = { 1146, 1305, 1360, 1539, 4091, 1049, 1347, 4089 };
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        if (absent[i] == code) {
            return true;
        }
    }
    return false;
}

// ---- where in the text --------------------------------------------------------------------------

static const char *line_start(const char *text, int64_t line)
{
    for (; line > 1; line--) {
        const char *next = strchr(text, '\n');
        if (!next) {
            return NULL;
        }
        text = next + 1;
    }
    return text;
}

static int characters(const char *from, const char *to)
{
    int count = 0;
    for (; from < to; from++) {
        count += ((unsigned char)*from & 0xC0) != 0x80;
    }
    return count;
}

// What a message quotes of the statement, from the quote at `open` to the one at `end`, is the statement's rest, or the
// beginning of it. NULL: it does not stand there.
static const char *find_quoted(const char *open, const char *end, const char *text,
                               const char *start)
{
    const char *near = open + 1;
    const size_t length = (size_t)(end - near), all = strlen(text);
    if (length == 0) {
        return NULL;
    }
    if (length <= all && memcmp(text + all - length, near, length) == 0 &&
        text + all - length >= start) {
        return text + all - length;
    }
    char snippet[81];
    size_t n = 0;
    while (n < length && near[n] != '\n' && n < sizeof snippet - 1) {
        snippet[n] = near[n];
        n++;
    }
    snippet[n] = '\0';
    return n > 0 ? strstr(start, snippet) : NULL;
}

// "... near 'x y' at line 3"; of a syntax error in any language: the quoted rest, and a number behind it.
static const char *find_line(unsigned code, const char *message, int64_t *line)
{
    const char *at = NULL;
    for (const char *p = message; (p = strstr(p, "' at line ")); p++) {
        at = p;
    }
    const bool syntax = code == 1064 || code == 1149;
    const char *number = at ? at + strlen("' at line ") : NULL;
    if (!at && syntax && (at = strrchr(message, '\''))) {
        number = at + 1 + strcspn(at + 1, "0123456789");
    }
    char digits[12] = "";
    if (number) {
        snprintf(digits, sizeof digits, "%.*s", (int)strspn(number, "0123456789"), number);
    }
    return number && str_to_int64(digits, 1, INT32_MAX, line) ? at : NULL;
}

bool mydb_error_position(unsigned code, const char *message, const char *text, int *position,
                         bool *exact)
{
    int64_t line = 0;
    const char *end = find_line(code, message, &line);
    const char *start = end ? line_start(text, line) : NULL;
    if (!start) {
        return false;
    }
    const char *found = NULL;
    for (const char *p = message; !found && (p = strchr(p, '\'')) && p < end; p++) {
        found = find_quoted(p, end, text, start);
    }
    *exact = found != NULL;
    *position = 1 + characters(text, found ? found : start);
    return true;
}

char *mydb_error_translate(unsigned code, const char *message, int line)
{
    int64_t own = 0;
    const char *end = find_line(code, message, &own);
    if (!end) {
        return mem_strdup(message);
    }
    const char *number = end + 1 + strcspn(end + 1, "0123456789");
    return mem_printf("%.*s%d%s", (int)(number - message), message, line,
                      number + strspn(number, "0123456789"));
}
