// SPDX-License-Identifier: Apache-2.0
// Flyway's lock by name on the executing session, and who holds it or a table (docs/reference/flyway.md 7.1).
#include <inttypes.h>
#include "base/mem.h"
#include "database/mysql/mydb.h"
#include "model/reason.h"

static const char *lock_name(struct mydb *m)
{
    if (!m->lock_name) { // Flyway does not double a backtick inside
        AUTO(free_auto) char *table =
            mem_printf("`%s`.`%s`", m->base.identity.schema, m->base.table);
        m->lock_name = mem_printf("Flyway-%" PRId32, lock_java_hash(table));
    }
    return m->lock_name;
}

// The second lock excludes nobody: it says that the holder of the first one is a Sluice. An idle session
// has no statement that could.
#define MARK "sluice-"

struct err *mydb_try_lock(struct db *db, bool *taken)
{
    struct mydb *m = mydb_of(db);
    AUTO(free_auto) char *sql = mem_printf(
        "SELECT CASE GET_LOCK('%s', 0) WHEN 1 THEN GET_LOCK('" MARK "%s', 0) IS NULL OR 1"
        " WHEN 0 THEN 0 END",
        lock_name(m), lock_name(m));
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "take the migration lock", sql, &result));
    char **row = mydb_next(result);
    if (!row || !row[0]) {
        return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                       "could not take the migration lock: the server gave no answer");
    }
    *taken = m->locked = str_eq(row[0], "1");
    return NULL;
}

static int64_t holder_id(struct mydb *m, bool *sluice)
{
    AUTO(free_auto) char *sql = mem_printf("SELECT IS_USED_LOCK('%s'), IS_USED_LOCK('" MARK "%s')",
                                           lock_name(m), lock_name(m));
    *sluice = false;
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    if (mydb_try_read(m, sql, &result)) {
        return 0;
    }
    char **row = mydb_next(result);
    const int64_t id = row ? mydb_int64(row[0], 0) : 0;
    *sluice = id != 0 && mydb_int64(row[1], 0) == id;
    return id;
}

// "/* sluice 1f0c2a9b/7/ab12cd34 */ ALTER ..." -> "sluice/1f0c2a9b/7/ab12cd34"
static char *tag_of(const char *statement)
{
    static const char prefix[] = "/* sluice ";
    if (!statement || !str_starts(statement, prefix)) {
        return NULL;
    }
    const char *start = statement + strlen(prefix);
    return mem_printf("sluice/%.*s", (int)strcspn(start, " *"), start);
}

char *mydb_lock_holder(struct db *db, bool *old_sluice)
{
    struct mydb *m = mydb_of(db);
    const int64_t id = holder_id(m, old_sluice);
    if (id == 0) {
        return NULL;
    }
    AUTO(free_auto) char *sql = mem_printf(
        "SELECT command, time, info FROM information_schema.processlist WHERE id = %" PRId64, id);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    char **row = mydb_try_read(m, sql, &result) ? NULL : mydb_next(result);
    if (!row) { // another user's sessions are not shown without PROCESS, nor may we end them
        *old_sluice = false;
        return mem_printf("connection %" PRId64 " of another user", id);
    }
    AUTO(free_auto) char *tag = tag_of(row[2]);
    const bool idle = str_eq(row[0], "Sleep");
    return mem_printf("connection %" PRId64 "%s%s%s, %s for %s s", id, tag ? " (" : "",
                      tag ? tag : "", tag ? ")" : "", idle ? "idle" : "running a statement",
                      row[1] ? row[1] : "?");
}

struct err *mydb_terminate_holder(struct db *db)
{
    struct mydb *m = mydb_of(db);
    bool sluice = false;
    const int64_t id = holder_id(m, &sluice);
    if (!sluice) { // it has ended, or the lock has gone to a Flyway
        return NULL;
    }
    AUTO(free_auto) char *sql = mem_printf("KILL %" PRId64, id);
    const unsigned code = mydb_send(m, sql, strlen(sql));
    return code && code != 1094 ? mydb_error(m, "end the old session") : NULL; // 1094: it is gone
}

// ---- who blocks ---------------------------------------------------------------------------------

static char *describe(struct mydb *m, const char *sql, const char *what)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    char **row = mydb_try_read(m, sql, &result) ? NULL : mydb_next(result);
    if (!row) {
        return NULL;
    }
    return mem_printf("connection %s of '%s'@'%s', %s %s s", row[0], row[1], row[2], what,
                      row[3] ? row[3] : "?");
}

char *mydb_blocker(struct mydb *m)
{
    // The oldest open transaction is the usual culprit; seeing it needs PROCESS.
    char *found =
        describe(m,
                 "SELECT p.id, p.user, p.host, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) "
                 "FROM information_schema.innodb_trx t JOIN information_schema.processlist p "
                 "ON p.id = t.trx_mysql_thread_id WHERE p.id <> CONNECTION_ID() "
                 "ORDER BY t.trx_started LIMIT 1",
                 "transaction open for");
    if (found) {
        return found;
    }
    return describe(m,
                    "SELECT id, user, host, time FROM information_schema.processlist WHERE "
                    "id <> CONNECTION_ID() AND db = DATABASE() AND command <> 'Daemon' "
                    "ORDER BY time DESC LIMIT 1",
                    "in its present state for");
}
