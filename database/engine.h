/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine adapter supplies. Internal to database/. The common order of a run is in apply.c;
 * SQL, fences and recovery are the adapters' (engine-notes.md 1-4 for pgdb, 6-8 for mydb). */
#pragma once
#include "database/database.h"
#include "reconcile/migration/placeholder.h"

struct engine_ops;

struct db { /* an adapter embeds this as its first member */
    const struct engine_ops *ops;
    const struct target *target; /* copy owned by database.c */
    struct db_options options;
    char *table;              /* history table */
    struct identity identity; /* filled by identify() */
};

struct run { /* one apply_run, shared by apply.c and the adapter */
    const struct apply_request *request;
    struct db *db;
    struct inspection seen; /* kept up to date by the adapter as rows are written */
    int64_t epoch;
    char nonce[33];
    char target_id[37];
    struct placeholders placeholders;
    struct result *result;
    int64_t started_mono_ms;
};

struct engine_ops {
    struct err *(*open)(const struct target *target, const struct db_options *options,
                        struct db **out);
    void (*close)(struct db *db);
    /* Fills db->identity: version, user, schema, read_only, superuser, pooled, topology, now. */
    struct err *(*identify)(struct db *db);
    struct err *(*inspect)(struct db *db, int64_t journal_after, struct inspection *out);
    struct err *(*gate)(struct db *db, const char *query, int64_t timeout_ms,
                        struct gate_value *out);
    /* Flyway's key (flyway.md 7.1) on this session, outside any transaction. One try. */
    struct err *(*try_lock)(struct db *db, bool *taken);
    /* Who holds it, for people: "backend 4711 (sluice/1f0c2a9b/7/ab12cd34), idle for 12 s". Owned;
     * *old_sluice: it is an earlier runner's session (WaitingForOldSession). */
    char *(*lock_holder)(struct db *db, bool *old_sluice);
    struct err *(*terminate_holder)(struct db *db);
    /* Create history table, lease, journal where missing; take the lease (formats.md 1); rename the
     * session. Sets run->epoch, nonce, target_id; refreshes run->seen.lease. */
    struct err *(*take_lease)(struct run *run);
    /* Judge what earlier attempts left open (engine-notes.md 3, 4, 6.4); refreshes run->seen.
     * OutcomeUnknown when a verdict is needed. */
    struct err *(*settle)(struct run *run);
    struct err *(*apply)(struct run *run, const struct apply_list *list);
    /* Insert one journal row by itself (failed, resolved), fenced. */
    struct err *(*append)(struct run *run, struct journal_row *row);
};

extern const struct engine_ops pgdb_ops;
extern const struct engine_ops mydb_ops;

/* journal.c: row_hash of formats.md 1; prev is "" for seq 1. */
void journal_row_hash(const char *history_table, const char *prev_hex,
                      const struct journal_row *row, char out[SHA256_HEX_LEN + 1]);
/* Chain over rows[0..count) starting from prev_hex. ERR_TERMINAL HistoryTampered naming the seq. */
struct err *journal_verify(const char *history_table, const char *prev_hex,
                           const struct journal *journal) ERR_MUST_USE;
/* A new row with everything the client knows: seq, rank, ids, epoch, hash. */
void journal_row_prepare(const struct run *run, const struct migration *file, int32_t rank,
                         int32_t step, const struct statement *statement, enum journal_state state,
                         const char *pre_state, struct journal_row *out);
