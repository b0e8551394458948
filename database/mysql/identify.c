// SPDX-License-Identifier: Apache-2.0
// Who the server is, who we are there, and whether it may be written to.
#include <inttypes.h>
#include "base/mem.h"
#include "database/mysql/mydb.h"
#include "model/reason.h"

#define MARIADB_OLDEST 100600 // atomic DDL
#define MYSQL_OLDEST 80000

const char *mydb_server_expression(const struct mydb *m)
{
    if (m->plain_identity) {
        return "CONCAT(@@hostname, ':', @@port)";
    }
    return m->mariadb ? "@@server_uid" : "@@server_uuid";
}

#define IDENTITY_HEAD "mysql:"

const char *mydb_server_of(const struct identity *identity)
{
    return identity->server_identity + strlen(IDENTITY_HEAD);
}

// Columns of the one query.
enum {
    C_VERSION,
    C_USER,
    C_DATABASE,
    C_NOW,
    C_MODE,
    C_READ_ONLY,
    C_READ_ONLY_2,
    C_WSREP,
    C_LOWER,
    C_SERVER
};

static struct err *ask(struct mydb *m, struct mydb_result **out)
{
    for (;;) {
        AUTO(buf_done) struct buf sql = BUF(4096);
        buf_adds(&sql,
                 "SELECT VERSION(), SUBSTRING_INDEX(USER(),'@',1), DATABASE(), "
                 "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) DIV 1000, "
                 "@@sql_mode, @@GLOBAL.read_only, ");
        buf_adds(&sql, !m->mariadb ? "@@GLOBAL.super_read_only, NULL, "
                       : m->version < 110101
                           ? "@@GLOBAL.tx_read_only, @@GLOBAL.wsrep_on, "
                           : "@@GLOBAL.transaction_read_only, @@GLOBAL.wsrep_on, ");
        buf_adds(&sql, "@@GLOBAL.lower_case_table_names, ");
        buf_adds(&sql, mydb_server_expression(m));
        const unsigned code = mydb_try_read(m, buf_text(&sql), out);
        if (code == 1193 && !m->plain_identity) { // server_uid came in the middle of several series
            m->plain_identity = true;
            continue;
        }
        return code ? mydb_error(m, "identify the server") : NULL;
    }
}

static struct err *check_version(const struct mydb *m)
{
    const int32_t oldest = m->mariadb ? MARIADB_OLDEST : MYSQL_OLDEST;
    if (m->version >= oldest) {
        return NULL;
    }
    return err_new(ERR_TERMINAL, REASON_UNSUPPORTED_SERVER,
                   "%s is too old: from %s on each DDL statement is all or nothing",
                   m->base.identity.server_text, m->mariadb ? "MariaDB 10.6" : "MySQL 8.0");
}

// Roles in use are shown too, so rights that come through one count.
static struct err *read_grants(struct mydb *m, bool *powerful)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "read the grants of this user", "SHOW GRANTS", &result));
    for (char **row; (row = mydb_next(result));) {
        *powerful |= row[0] && mydb_grant_too_powerful(row[0]);
    }
    return NULL;
}

// MySQL's own clusters; variables that are absent give no row.
static struct err *read_topology(struct mydb *m, bool *multi_primary)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "read the server's topology",
                  "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', "
                  "'group_replication_single_primary_mode')",
                  &result));
    for (char **row; (row = mydb_next(result));) {
        const bool on = mydb_setting_on(row[1]);
        *multi_primary |= str_eq(row[0], "wsrep_on") ? on : !on;
    }
    return NULL;
}

static char *server_text(const struct mydb *m, const char *version)
{
    return mem_printf("%s %.*s", m->mariadb ? "MariaDB" : "MySQL", (int)strcspn(version, "-"),
                      version);
}

// On such a server H1 and h1 are one table: they are one history then, with one lock and one lease, under the
// spelling that the lease began with.
static struct err *spell_table(struct mydb *m)
{
    AUTO(free_auto) char *lower = str_lower(m->base.table);
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "SELECT history_table FROM sluice_lease WHERE LOWER(history_table)=");
    mydb_add_text(&sql, lower);
    buf_adds(&sql, " ORDER BY history_table LIMIT 1");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const unsigned code = mydb_try_read(m, buf_text(&sql), &result);
    if (code && mydb_lost(m)) {
        return mydb_error(m, "read the lease");
    }
    char **row = code == 0 ? mydb_next(result) : NULL; // no such table: nobody was here
    mem_strset(&m->base.table, row && row[0] ? row[0] : lower);
    return NULL;
}

struct err *mydb_identify(struct db *db)
{
    struct mydb *m = mydb_of(db);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(ask(m, &result));
    char **row = mydb_next(result);
    if (!row || !row[C_DATABASE] || !row[C_VERSION]) {
        return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                       "could not identify the server: no database is selected");
    }
    const char *schema = row[C_DATABASE];
    struct identity id = {
        .engine = m->mariadb ? ENGINE_MARIADB : ENGINE_MYSQL,
        .server_version = m->version,
        .server_text = server_text(m, row[C_VERSION]),
        .server_identity = mem_printf(IDENTITY_HEAD "%s", row[C_SERVER] ? row[C_SERVER] : ""),
        .user = mem_strdup(row[C_USER] ? row[C_USER] : ""),
        .database = mem_strdup(schema),
        .schema = mem_strdup(schema),
        .read_only = mydb_setting_on(row[C_READ_ONLY]) || mydb_setting_on(row[C_READ_ONLY_2]),
        .multi_primary = mydb_setting_on(row[C_WSREP]),
        .now_ms = mydb_int64(row[C_NOW], 0),
        .other_strings = row[C_MODE] && strstr(row[C_MODE], "NO_BACKSLASH_ESCAPES"),
        .ansi_quotes = row[C_MODE] && strstr(row[C_MODE], "ANSI_QUOTES"),
    };
    mydb_session_started(m, row[C_MODE]);
    identity_done(&db->identity);
    db->identity = id;
    TRY(check_version(m));
    if (mydb_setting_on(row[C_LOWER])) {
        TRY(spell_table(m));
    }
    if (!m->mariadb) {
        TRY(read_topology(m, &db->identity.multi_primary));
    }
    return read_grants(m, &db->identity.superuser);
}
