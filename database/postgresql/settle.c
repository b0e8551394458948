// SPDX-License-Identifier: Apache-2.0
// What earlier attempts left open: their session is gone, as we hold its lock (docs/engine.md 4).
#include "database/pgdb.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/script.h"
#include "reconcile/model/reason.h"

struct err *pgdb_unknown(const struct run *run, const struct migration *file, int line, int step,
                         const char *why)
{
    return run_unknown(run, file, step, "%s:%d: statement %d %s", file->path, line, step, why);
}

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
        steps += script->statements[i].class != STEP_SESSION;
    }
    return steps == 1;
}

static bool is_decided_by_false(const struct script *script, const struct journal_row *row)
{
    const bool last = (size_t)row->step == script->count;
    const bool outside = script->statements[row->step - 1].leaves_transaction;
    return script->transactional && outside ? is_alone(script) : last;
}

static const char *what_happened(const struct script *script, const struct journal_row *row)
{
    return script->statements[row->step - 1].leaves_transaction
               ? "of an interrupted attempt writes outside of its transaction and may have done so "
                 "(the transaction itself was rolled back)"
               : "of an interrupted attempt may or may not have run";
}

static bool is_same_statement(const struct journal_row *row, const struct statement *s)
{
    char hex[SHA256_HEX_LEN + 1];
    hex_format(s->sha256, SHA256_LEN, hex);
    return str_eq(row->statement_sha256, hex);
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
        const bool outside = script->statements[row->step - 1].leaves_transaction;
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
    struct err *e = pgdb_probe_after(pg, &script->statements[index], row->pre_state, out);
    pg->block_limit_ms = 0;
    struct err *after = pg->conn ? pgdb_session_leave(run) : NULL;
    if (e) {
        err_free(after);
        return err_wrap(e, "%s:%d", file->path, row->line);
    }
    return after;
}

static struct err *settle_row(struct run *run, const struct migration *file,
                              const struct script *script, const struct journal_row *row,
                              bool *changed)
{
    const size_t index = (size_t)row->step - 1;
    enum pgdb_probe found = PROBE_AGAIN;
    if (row->step < 1 || index >= script->count ||
        !is_same_statement(row, &script->statements[index])) {
        return unknown(run, file, row, "of an interrupted attempt is not in the file any more");
    }
    TRY(journal_check_values(run, file, script, row));
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
