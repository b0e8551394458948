// SPDX-License-Identifier: Apache-2.0
// Server and client error numbers of MariaDB and MySQL as kinds and reasons.
#include <string.h>
#include "database/mydb_rules.h"
#include "reconcile/base/str.h"
#include "reconcile/model/reason.h"

enum where {
    OURS = 1, // the login and our own statements
    FILES = 2,
    BOTH = 3,
};

static const struct row {
    unsigned code;
    enum where where;
    enum err_kind kind;
    const char *reason;
    const char *text; // only when the message holds this; NULL: always
} rows[] = {
    // login and rights; in a file a missing right is the file's failure
    { 1044, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 1045, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 1130, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL }, // host not allowed
    { 1142, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 1143, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 1227, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 1251, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL }, // login method not supported
    { 1370, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 1698, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 1820, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL }, // password expired
    { 1862, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL },
    { 2059, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL }, // login plug-in missing
    { 3118, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL }, // account locked, MySQL
    { 4151, OURS, ERR_TERMINAL, REASON_ACCESS_DENIED, NULL }, // account locked, MariaDB
    { 2026, BOTH, ERR_TERMINAL, REASON_TLS_VERIFICATION_FAILED, NULL },
    // a server that is not there, not ready or full
    { 1040, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // too many connections
    { 1041, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // out of memory
    { 1047, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // cluster node not ready
    { 1049, OURS, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // no such database (yet)
    { 1053, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // shutdown
    { 1129, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // host blocked
    { 1158, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 1159, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 1160, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 1161, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 1203, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 1226, OURS, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 1927, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // connection killed
    { 2002, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 2003, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 2005, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 2006, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 2012, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 2013, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 2055, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL },
    { 4031, BOTH, ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, NULL }, // idle too long, MySQL
    // locks
    { 1205, BOTH, ERR_TRANSIENT, REASON_LOCK_TIMEOUT, NULL },
    { 1213, BOTH, ERR_TRANSIENT, REASON_DEADLOCK, NULL },
    // read only; 1290 is also said about other options, e.g. secure-file-priv
    { 1290, BOTH, ERR_TRANSIENT, REASON_TARGET_READ_ONLY, "read-only" },
    { 1290, BOTH, ERR_TRANSIENT, REASON_TARGET_READ_ONLY, "read_only" },
    { 1792, OURS, ERR_TRANSIENT, REASON_TARGET_READ_ONLY, NULL },
    { 1836, BOTH, ERR_TRANSIENT, REASON_TARGET_READ_ONLY, NULL },
    // disk; 28 is ENOSPC
    { 3, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, "28" },
    { 1021, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, NULL },
    { 1026, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, "28" },
    { 1030, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, "28" },
    { 1114, BOTH, ERR_TRANSIENT, REASON_DATABASE_DISK_FULL, NULL },
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

struct mydb_error_class mydb_error_of_file(unsigned code, const char *message)
{
    const struct row *row = find(code, FILES, message);
    return row ? (struct mydb_error_class){ row->kind, row->reason }
               : (struct mydb_error_class){ ERR_TERMINAL, REASON_MIGRATION_FAILED };
}

bool mydb_error_is_lost(unsigned code)
{
    static const unsigned lost[] = { 1053, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055, 4031 };
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        if (lost[i] == code) {
            return true;
        }
    }
    return false;
}

bool mydb_error_is_lock(unsigned code)
{
    return code == 1205 || code == 1213;
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

// The quoted rest of the statement: long enough to find its place, and it ends at a line's end.
static const char *find_near(const char *message, const char *end, const char *start)
{
    const char *near = strstr(message, "near '");
    if (!near || near + 6 >= end) {
        return NULL;
    }
    near += 6;
    char snippet[81];
    size_t n = 0;
    while (near + n < end && near[n] != '\n' && n < sizeof snippet - 1) {
        snippet[n] = near[n];
        n++;
    }
    snippet[n] = '\0';
    return n > 0 ? strstr(start, snippet) : NULL;
}

bool mydb_error_position(const char *message, const char *text, int *position)
{
    const char *at = NULL;
    for (const char *p = message; (p = strstr(p, "' at line ")); p++) {
        at = p;
    }
    int64_t line = 0;
    if (!at || !str_to_int64(at + strlen("' at line "), 1, INT32_MAX, &line)) {
        return false;
    }
    const char *start = line_start(text, line);
    if (!start) {
        return false;
    }
    const char *found = find_near(message, at, start);
    *position = 1 + characters(text, found ? found : start);
    return true;
}
