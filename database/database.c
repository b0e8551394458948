// SPDX-License-Identifier: Apache-2.0
// The port's entry points: choose the adapter, check what it read.
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "database/engine.h"
#include "model/reason.h"

#define PACKET ((size_t)20 * 1024 * 1024) // the largest, and a little
#define VERIFY_ROWS 10000                 // read at a time

// PGSSLMODE, PGHOSTADDR, PGSERVICE, MYSQL_TCP_PORT, MARIADB_PLUGIN_DIR, LIBMYSQL_PLUGINS ... would change where and how we
// connect.
static bool changes_connections(const char *variable)
{
    static const char *const prefixes[] = { "PG", "MYSQL_", "MARIADB_", "LIBMYSQL_" };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (str_starts(variable, prefixes[i])) {
            return true;
        }
    }
    return false;
}

static void forget_environment(void)
{
    for (char **p = environ; p && *p;) {
        const size_t length = strcspn(*p, "=");
        if (changes_connections(*p) && length < 64) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)length, *p);
            unsetenv(name);
            p = environ;
        } else {
            p++;
        }
    }
}

static atomic_bool memory_short;

void db_note_memory_short(void)
{
    atomic_store(&memory_short, true);
}

bool db_memory_is_short(void)
{
    struct rlimit limit; // a budget of a size that real packets fit into
    if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur < 4 * (rlim_t)PACKET) {
        return false;
    }
    struct rusage used; // by now the library has given it back
    return getrusage(RUSAGE_SELF, &used) == 0 &&
           (rlim_t)used.ru_maxrss * 1024 + 2 * PACKET > limit.rlim_cur;
}

bool db_memory_was_short(void)
{
    return atomic_load(&memory_short);
}

static pthread_once_t environment_once = PTHREAD_ONCE_INIT;

void db_forget_environment(void)
{
    pthread_once(&environment_once, forget_environment);
}

static struct { // db_init()
    const struct engine_ops *postgresql, *mysql;
} adapters;

void db_init(const struct engine_ops *postgresql, const struct engine_ops *mysql)
{
    adapters.postgresql = postgresql;
    adapters.mysql = mysql;
    db_forget_environment();
}

void db_libraries(struct kvlist *out)
{
    adapters.postgresql->library(out);
    adapters.mysql->library(out);
}

struct err *db_format_too_new(const char *table, int64_t version, int known)
{
    return err_new(ERR_TERMINAL, REASON_FORMAT_TOO_NEW,
                   "%s has format %" PRId64 ", this program knows up to %d: use a newer sluice",
                   table, version, known);
}

struct err *db_history_full(const struct db *db)
{
    return err_new(ERR_TERMINAL, REASON_HISTORY_TOO_LARGE,
                   "the history table '%s' has more than %d rows: begin a new one with a baseline "
                   "(docs/reference/limits.md)",
                   db->table, LIMIT_HISTORY_ROWS);
}

struct err *db_journal_full(const struct db *db)
{
    AUTO(free_auto) char *prune = command_prune(db->options.place);
    return err_new(
        ERR_TERMINAL, REASON_HISTORY_TOO_LARGE,
        "sluice_journal has more than %d rows to read: delete those of finished files: %s",
        LIMIT_JOURNAL_ROWS, prune);
}

// Which row was changed does not tell what to do about it.
static struct err *with_way(const struct db *db, struct err *e)
{
    if (e && str_eq(e->reason, REASON_HISTORY_TAMPERED)) {
        const char *schema = db->identity.schema ? db->identity.schema : "";
        char *message =
            mem_printf("%s; if the history table is right as it is, forget what the journal says "
                       "of it, in schema '%s': delete from sluice_journal where history_table = "
                       "'%s'; delete from sluice_lease where history_table = '%s'",
                       e->message, schema, db->table, db->table);
        free(e->message);
        e->message = message;
    }
    return e;
}

struct err *db_no_marks(const struct run *run)
{
    AUTO(free_auto) char *prune = command_prune(run->request->place);
    return err_new(ERR_TERMINAL, REASON_ACCESS_DENIED,
                   "sluice_lease has no column for what is deleted, and user '%s' may not add it: "
                   "as the owner of the table, run once %s",
                   run->db->identity.user, prune);
}

static const struct engine_ops *ops_for(enum engine engine)
{
    switch (engine) {
    case ENGINE_POSTGRESQL:
        return adapters.postgresql;
    case ENGINE_MARIADB:
    case ENGINE_MYSQL:
        return adapters.mysql;
    case ENGINE_UNKNOWN:
    case ENGINE_MAX_:
        break;
    }
    return NULL;
}

static void target_free(struct target *target)
{
    target_done(target);
    free(target);
}
DEFINE_AUTO(struct target, target_free)

struct err *db_open(const struct target *target, const struct db_options *options, struct db **out)
{
    const struct engine_ops *ops = ops_for(target->engine);
    if (!ops) {
        return err_new(ERR_TERMINAL, REASON_UNSUPPORTED_SERVER, "unknown database engine");
    }
    struct db_options filled = *options;
    filled.application = filled.application ? filled.application : "sluice";
    filled.connect_timeout_ms = filled.connect_timeout_ms ? filled.connect_timeout_ms : 10000;
    filled.query_timeout_ms = filled.query_timeout_ms ? filled.query_timeout_ms : 30000;
    AUTO(target_free_auto) struct target *copy = mem_alloc(sizeof *copy);
    target_copy(target, copy);

    struct db *db = NULL;
    TRY(ops->open(copy, &filled, &db));
    db->ops = ops;
    db->target = TAKE(copy);
    db->options = filled;
    db->table = mem_strdup(target->table ? target->table : "flyway_schema_history");
    struct err *e = ops->identify(db);
    if (e) {
        db_close(db);
        return e;
    }
    *out = db;
    return NULL;
}

void db_close(struct db *db)
{
    if (!db) {
        return;
    }
    struct target *target = (struct target *)(uintptr_t)db->target; // ours since db_open
    char *table = db->table;
    struct identity identity = db->identity;
    db->ops->close(db);
    target_free(target);
    free(table);
    identity_done(&identity);
}

static void identity_copy(const struct identity *from, struct identity *out)
{
    identity_done(out);
    *out = *from;
    out->server_text = mem_strdup(from->server_text);
    out->server_identity = mem_strdup(from->server_identity);
    out->user = mem_strdup(from->user);
    out->database = mem_strdup(from->database);
    out->schema = mem_strdup(from->schema);
}

// Of the rows up to the lease's mark only some are read: the mark stands for them. Behind it none is left out.
static struct err *verify_read(const struct db *db, const struct inspection *seen)
{
    const struct journal *journal = &seen->journal;
    const struct journal_mark *settled = &seen->lease.settled;
    size_t first = 0;
    while (first < journal->count && journal->rows[first].seq <= settled->seq) {
        first++;
    }
    if (settled->seq == 0) {
        return journal_verify(db->table, &seen->lease.pruned, journal->rows, journal->count);
    }
    TRY(journal_check_mark(db->table, settled, first > 0 ? &journal->rows[first - 1] : NULL));
    return journal_verify(db->table, settled, journal->rows + first, journal->count - first);
}

static void set_head(struct journal *journal)
{
    if (journal->count == 0) {
        return;
    }
    const struct journal_row *last = &journal->rows[journal->count - 1];
    journal->head_seq = last->seq;
    memcpy(journal->head_hash, last->row_hash, sizeof last->row_hash);
}

struct err *db_inspect(struct db *db, enum journal_scope scope, struct inspection *out)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    TRY(db->ops->inspect(db, scope, &seen));
    identity_copy(&db->identity, &seen.identity);
    inspection_complete(&seen);
    set_head(&seen.journal);
    if (scope != JOURNAL_HEAD) {
        TRY(with_way(db, verify_read(db, &seen)));
    }
    *out = seen;
    seen = (struct inspection){ 0 };
    return NULL;
}

static const struct journal_row *row_at(const struct journal *piece, int64_t seq)
{
    const size_t index = piece->count > 0 ? (size_t)(seq - piece->rows[0].seq) : 0;
    return index < piece->count ? &piece->rows[index] : NULL;
}

static struct err *verify_all(struct db *db, const struct inspection *seen, int64_t *rows)
{
    const struct lease *lease = &seen->lease;
    struct journal_mark at = lease->pruned;
    *rows = 0;
    while (seen->journal.table_exists) {
        AUTO(journal_done) struct journal piece = { 0 };
        TRY(db->ops->read_journal(db, at.seq, VERIFY_ROWS, &piece));
        TRY(journal_verify(db->table, &at, piece.rows, piece.count));
        const bool last = piece.count < VERIFY_ROWS;
        if (lease->settled.seq > at.seq &&
            (last || piece.rows[piece.count - 1].seq >= lease->settled.seq)) {
            TRY(journal_check_mark(db->table, &lease->settled, row_at(&piece, lease->settled.seq)));
        }
        *rows += (int64_t)piece.count;
        if (last) {
            return NULL;
        }
        const struct journal_row *end = &piece.rows[piece.count - 1];
        at.seq = end->seq;
        memcpy(at.hash, end->row_hash, sizeof at.hash);
    }
    return NULL;
}

struct err *db_verify_journal(struct db *db, const struct inspection *seen, int64_t *rows)
{
    return with_way(db, verify_all(db, seen, rows));
}

struct err *db_gate(struct db *db, const char *query, int64_t timeout_ms, struct gate_value *out)
{
    return db->ops->gate(db, query, timeout_ms, out);
}
