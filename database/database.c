// SPDX-License-Identifier: Apache-2.0
// The port's entry points: choose the adapter, check what it read.
#include <inttypes.h>
#include "database/engine.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

struct err *db_format_too_new(const char *table, int64_t version)
{
    return err_new(ERR_TERMINAL, REASON_FORMAT_TOO_NEW,
                   "%s has format %" PRId64 ", this program knows up to %d: use a newer sluice",
                   table, version, DB_FORMAT);
}

static const struct engine_ops *ops_for(enum engine engine)
{
    switch (engine) {
    case ENGINE_POSTGRESQL:
        return &pgdb_ops;
    case ENGINE_MARIADB:
    case ENGINE_MYSQL:
        return &mydb_ops;
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

// The row `journal_after` was read along as the anchor of the chain; the caller knows it already.
static void drop_first_row(struct journal *journal)
{
    journal_row_done(&journal->rows[0]);
    journal->count--;
    memmove(journal->rows, journal->rows + 1, journal->count * sizeof *journal->rows);
    journal->rows[journal->count] = (struct journal_row){ 0 };
}

static struct err *verify_tail(const struct db *db, struct journal *journal)
{
    const struct journal_row *anchor = &journal->rows[0];
    const struct journal rest = { .rows = journal->rows + 1, .count = journal->count - 1 };
    if (rest.count > 0 && rest.rows[0].seq != anchor->seq + 1) {
        return err_new(ERR_TERMINAL, REASON_HISTORY_TAMPERED,
                       "sluice_journal: row %" PRId64 " of '%s' is missing", anchor->seq + 1,
                       db->table);
    }
    return journal_verify(db->table, anchor->row_hash, &rest);
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

struct err *db_inspect(struct db *db, int64_t journal_after, struct inspection *out)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    TRY(db->ops->inspect(db, journal_after, &seen));
    struct journal *journal = &seen.journal;
    if (journal_after > 0 && (journal->count == 0 || journal->rows[0].seq != journal_after)) {
        // Fewer rows than the caller knows: a restored database. Read all, let the caller judge.
        return db_inspect(db, 0, out);
    }
    identity_copy(&db->identity, &seen.identity);
    set_head(journal);
    if (journal_after > 0) {
        TRY(verify_tail(db, journal));
        drop_first_row(journal);
    } else {
        TRY(journal_verify(db->table, "", journal));
    }
    *out = seen;
    seen = (struct inspection){ 0 };
    return NULL;
}

struct err *db_gate(struct db *db, const char *query, int64_t timeout_ms, struct gate_value *out)
{
    return db->ops->gate(db, query, timeout_ms, out);
}
