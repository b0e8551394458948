// SPDX-License-Identifier: Apache-2.0
// What earlier attempts left open: their session is gone, as we hold its lock (docs/explanation/engine.md 4).
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

static struct err *unknown(const struct run *run, const struct migration *file,
                           const struct journal_row *row, const char *why)
{
    return pgdb_unknown(run, file, row->line, row->step, why);
}

// Its transaction has not committed, so verify= is false of all that the file does inside; the file may do nothing else.
static bool is_alone(const struct script *script)
{
    size_t steps = 0;
    for (size_t i = 0; i < script->count; i++) {
        steps += script_at(script, i)->class != STEP_SESSION;
    }
    return steps == 1;
}

static bool is_decided_by_false(const struct script *script, const struct journal_row *row)
{
    const bool last = (size_t)row->step == script->count;
    const bool outside = script_at(script, (size_t)row->step - 1)->leaves_transaction;
    return script->transactional && outside ? is_alone(script) : last;
}

static const char *what_happened(const struct script *script, const struct journal_row *row)
{
    return script_at(script, (size_t)row->step - 1)->leaves_transaction
               ? "of an interrupted attempt writes outside of its transaction and may have done so "
                 "(the transaction itself was rolled back)"
               : "of an interrupted attempt may or may not have run";
}

// Answers for statements without a probe of their own: verify=, idempotent=, or a person.
static struct err *judge_other(struct run *run, const struct migration *file,
                               const struct script *script, const struct journal_row *row,
                               enum pgdb_probe *out)
{
    bool pass = false;
    if (!file->directives.verify) {
        *out = PROBE_AGAIN;
        return file->directives.idempotent ? NULL
                                           : unknown(run, file, row, what_happened(script, row));
    }
    TRY(pgdb_session_enter(run, file, script, script->count));
    struct err *e = pgdb_verify(run, file, &pass);
    struct err *after = pgdb_session_leave(run);
    if (e) {
        err_free(after);
        return e;
    }
    TRY(after);
    if (!pass && !is_decided_by_false(script, row)) {
        const bool outside = script_at(script, (size_t)row->step - 1)->leaves_transaction;
        return unknown(run, file, row,
                       outside ? "of an interrupted attempt may have written outside: its verify= "
                                 "is false, which other statements of the file may change"
                               : "of an interrupted attempt may have run: its verify= is false, "
                                 "which statements behind it may change");
    }
    *out = pass ? PROBE_DONE : PROBE_AGAIN;
    return NULL;
}

static struct err *judge_probe(struct run *run, const struct migration *file,
                               const struct script *script, const struct journal_row *row,
                               enum pgdb_probe *out)
{
    struct pgdb *pg = pgdb_of(run->db);
    const size_t index = (size_t)row->step - 1;
    TRY(pgdb_session_enter(run, file, script, index));
    pg->block_limit_ms = run->request->execution->lock_retry_for_ms;
    struct err *e = pgdb_probe_after(pg, script_at(script, index), row->pre_state, out);
    pg->block_limit_ms = 0;
    struct err *after = pg->conn ? pgdb_session_leave(run) : NULL;
    if (e) {
        err_free(after);
        return err_wrap(e, "%s:%d", file->path, row->line);
    }
    return after;
}

// What is decided without a look at the database's objects.
static struct err *check_row(const struct run *run, const struct migration *file,
                             const struct script *script, const struct journal_row *row)
{
    const size_t index = (size_t)row->step - 1;
    if (row->step < 1 || index >= script->count ||
        !statement_was(script_at(script, index), file, row->statement_sha256)) {
        return unknown(run, file, row, "of an interrupted attempt is not in the file any more");
    }
    return journal_check_values(run, file, script, row);
}

static struct err *settle_row(struct run *run, const struct migration *file,
                              const struct script *script, const struct journal_row *row,
                              bool *changed)
{
    enum pgdb_probe found = PROBE_AGAIN;
    TRY(check_row(run, file, script, row));
    switch (row->step_class) {
    case STEP_NONTX:
        TRY(judge_probe(run, file, script, row, &found));
        break;
    case STEP_REPEATABLE:
        break;
    default:
        TRY(judge_other(run, file, script, row, &found));
        break;
    }
    if (found == PROBE_UNKNOWN) {
        TRY(judge_other(run, file, script, row, &found));
    }
    if (found == PROBE_DONE) {
        *changed = true;
        return pgdb_close_step(run, row->seq, JOURNAL_INFERRED, NULL, NULL);
    }
    return NULL; // a new intent row begins the repeat
}

// ---- the same, before a run --------------------------------------------------------------------

// A probe or verify= decides it in the run; without either nobody can.
static struct err *review_row(const struct run *run, const struct migration *file,
                              const struct script *script, const struct journal_row *row,
                              enum step_standing *out)
{
    TRY(check_row(run, file, script, row));
    const bool probed = row->step_class == STEP_NONTX || file->directives.verify;
    const bool again = row->step_class == STEP_REPEATABLE || file->directives.idempotent;
    *out = probed ? STEP_IS_OPEN : STEP_WILL_RUN;
    return probed || again ? NULL : unknown(run, file, row, what_happened(script, row));
}

static struct err *review_rows(const struct run *run, const struct migration *file,
                               const struct script *script, enum step_standing *out)
{
    const struct journal *journal = &run->seen.journal;
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        if (row->state == JOURNAL_INTENT && journal_row_is_of(row, file) &&
            pgdb_step_row(journal, file, row->step) == row) {
            enum step_standing standing = STEP_WILL_RUN;
            TRY(review_row(run, file, script, row, &standing));
            out[row->step - 1] = standing;
        }
    }
    return NULL;
}

struct err *pgdb_review(struct run *run, const struct migration *file, bool next,
                        struct script *script, enum step_standing *statements[])
{
    (void)next; // what its statements may do is known from their text alone
    TRY(script_parse_on(&run->db->identity, file, &run->placeholders, script));
    *statements = mem_array(script->count + 1, sizeof **statements);
    AUTO(free_auto) bool *done = mem_array(script->count + 1, sizeof *done);
    TRY(review_rows(run, file, script, *statements));
    TRY(script->transactional ? pgdb_outside_skip(run, file, script, done)
                              : pgdb_steps_look(run, file, script, done));
    for (size_t i = 0; i < script->count; i++) {
        (*statements)[i] = done[i] ? STEP_IS_DONE : (*statements)[i];
    }
    return NULL;
}

// ---- all files ----------------------------------------------------------------------------------

static struct err *settle_file(struct run *run, const struct migration *file, bool *changed)
{
    const struct journal *journal = &run->seen.journal;
    AUTO(script_done) struct script script = { 0 };
    bool parsed = false;
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        if (row->state != JOURNAL_INTENT || !journal_row_is_of(row, file) ||
            pgdb_step_row(journal, file, row->step) != row) {
            continue;
        }
        if (!parsed) {
            TRY(script_parse_on(&run->db->identity, file, &run->placeholders, &script));
            parsed = true;
        }
        TRY(settle_row(run, file, &script, row, changed));
    }
    return NULL;
}

struct err *pgdb_settle(struct run *run)
{
    struct pgdb *pg = pgdb_of(run->db);
    const struct migration_set *files = run->request->files;
    bool changed = false;
    pg->run = run;
    const int64_t half = run->request->execution->lock_timeout_ms / 2;
    pg->watch_after_ms = half > 50 ? half : 50;
    struct err *e = NULL;
    for (size_t i = 0; !e && files && i < files->count; i++) {
        e = settle_file(run, &files->items[i], &changed);
    }
    pg->watch_after_ms = 0;
    if (!e && changed) {
        e = run_refresh(run);
    }
    return e;
}
