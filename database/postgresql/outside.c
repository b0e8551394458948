// SPDX-License-Identifier: Apache-2.0
// Statements that write what a rollback does not take back (dblink, a program, a file): an intent of each is committed
// before they run, so that a runner that dies there leaves a trace (docs/explanation/engine.md 1.1).
#include <inttypes.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "database/said.h"
#include "model/reason.h"

// ---- which -------------------------------------------------------------------------------------

struct err *pgdb_outside_skip(const struct run *run, const struct migration *file,
                              const struct script *script, bool *skip)
{
    for (size_t i = 0; i < script->count; i++) {
        if (script_at(script, i)->leaves_transaction) {
            TRY(pgdb_step_done(run, file, script, i, &skip[i]));
        }
    }
    return NULL;
}

// ---- before -------------------------------------------------------------------------------------

void pgdb_outside_row(struct run *run, const struct migration *file, int32_t rank,
                      const struct script *script, size_t index, enum journal_state state,
                      struct journal_row *out)
{
    const struct script *before = run->script;
    run->script = script;
    journal_row_prepare(run, file, rank, (int32_t)index + 1, script_at(script, index), state,
                        state == JOURNAL_INTENT ? "[]" : NULL, out);
    run->script = before;
    out->step_class = STEP_OTHER; // nothing tells whether it ran
    journal_row_rehash(run, out);
}

struct err *pgdb_outside_begin(struct run *run, const struct migration *file, int32_t rank,
                               const struct script *script, const bool *skip,
                               struct pgdb_outside *out)
{
    const struct journal *journal = &run->seen.journal;
    const int64_t head_seq = journal->head_seq;
    char head_hash[SHA256_HEX_LEN + 1];
    memcpy(head_hash, journal->head_hash, sizeof head_hash);
    AUTO(free_auto) char *sql = pgdb_journal_sql(pgdb_of(run->db));
    struct pgdb_rows *rows = mem_array(script->count + 1, sizeof *rows);
    struct journal_row *intents = mem_array(script->count + 1, sizeof *intents);
    struct pgdb_command *commands = mem_array(script->count + 1, sizeof *commands);
    size_t index = 0;
    int count = 0;
    for (size_t i = 0; i < script->count; i++) {
        if (script_at(script, i)->leaves_transaction && !skip[i]) {
            pgdb_outside_row(run, file, rank, script, i, JOURNAL_INTENT, &intents[count]);
            pgdb_rows_fill(run, &intents[count], NULL, -1, &rows[count]);
            commands[count] =
                (struct pgdb_command){ sql, false, PGDB_JOURNAL_VALUES, rows[count].values };
            journal_advance(run, &intents[count]);
            index = count == 0 ? i : index;
            count++;
        }
    }
    struct err *e =
        count == 0 ? NULL : pgdb_fenced(run, commands, count, "could not write to the journal");
    *out = (struct pgdb_outside){ 0 };
    if (count > 0 && !e) {
        *out = (struct pgdb_outside){ intents[0].seq, intents[count - 1].seq, index };
    }
    if (e) {
        run->seen.journal.head_seq = head_seq;
        memcpy(run->seen.journal.head_hash, head_hash, sizeof head_hash);
    }
    for (int i = 0; i < count; i++) {
        journal_row_done(&intents[i]);
    }
    free(commands);
    free(intents);
    free(rows);
    return e;
}

// ---- after --------------------------------------------------------------------------------------

char *pgdb_outside_close_sql(const struct pgdb *pg, const struct pgdb_outside *o,
                             enum journal_state state)
{
    return mem_printf("UPDATE %s SET state = '%s', error_code = $2, message = $3,"
                      " finished = pg_catalog.clock_timestamp() WHERE history_table = $1"
                      " AND seq BETWEEN %" PRId64 " AND %" PRId64 " AND state = 'intent'",
                      pg->journal, journal_state_text(state), o->first, o->last);
}

struct err *pgdb_outside_failed(struct run *run, const struct migration *file, int32_t rank,
                                const struct script *script, const struct pgdb_outside *o,
                                const char *sqlstate, struct err *e)
{
    struct pgdb *pg = pgdb_of(run->db);
    if (o->first == 0 || !pg->conn) {
        return e;
    }
    // What is left open would be asked about.
    const bool before = pg->uncancellable;
    const char *stopped = pg->stopped;
    pg->uncancellable = true;
    AUTO(free_auto) char *sql = pgdb_outside_close_sql(pg, o, JOURNAL_FAILED);
    AUTO(said_done) struct said said = { 0 };
    said_init(run->db, script_at(script, o->index), &said);
    AUTO(free_auto) char *text = run->request->show_values
                                     ? said_recorded(run, &said, e->message)
                                     : mem_strdup(e->message); // hidden already
    const char *values[] = { pg->base.table, sqlstate && sqlstate[0] ? sqlstate : NULL, text };
    const struct pgdb_command close = { sql, false, 3, values };
    struct err *open = pgdb_fenced(run, &close, 1, "could not write to the journal");
    if (!open &&
        e->kind != ERR_TERMINAL) { // none of them has begun: the next run simply tries again
        AUTO(journal_row_done) struct journal_row row = { 0 };
        pgdb_outside_row(run, file, rank, script, o->index, JOURNAL_RESOLVED, &row);
        row.verdict = VERDICT_NOT_APPLIED;
        row.message = TAKE(text);
        open = pgdb_append(run, &row);
    }
    pg->uncancellable = before;
    pg->stopped = stopped;
    err_free(open);
    return e;
}

struct err *pgdb_outside_lost(struct run *run, const struct migration *file,
                              const struct script *script, const struct pgdb_outside *o,
                              struct err *e)
{
    if (o->first == 0 || file->directives.verify || file->directives.idempotent) {
        return e; // the next run settles it
    }
    struct err *unknown =
        pgdb_unknown(run, file, script_at(script, o->index)->line, (int)o->index + 1,
                     "writes outside of the transaction, and may have done so "
                     "before the connection was lost");
    err_free(e);
    return unknown;
}
