// SPDX-License-Identifier: Apache-2.0
// A run on MariaDB/MySQL: file after file, each finished one recorded along with the next one's first step.
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

// ---- the baseline marker ------------------------------------------------------------------------

static struct err *apply_marker(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    TRY(mydb_flush(run));
    const int32_t rank = run->rank + 1;
    const struct mydb_history history = { .rank = rank, .success = true };
    AUTO(journal_row_done) struct journal_row row = { 0 };
    journal_row_prepare(run, NULL, rank, 0, NULL, JOURNAL_DONE, NULL, &row);
    AUTO(free_auto) char *journal = mydb_sql_journal(m, &row, 0);
    AUTO(strlist_done) struct strlist sql = { 0 };
    mydb_add_history(run, &history, &sql);
    strlist_add(&sql, journal);
    journal_advance(run, &row);
    bool resolved = false;
    TRY(mydb_write(run, &sql, MYDB_BEGIN | MYDB_COMMIT, &resolved));
    run_applied(run, NULL, rank);
    return NULL;
}

// ---- one file -----------------------------------------------------------------------------------

static struct err *prepare_session(struct mydb_file *f)
{
    if (f->m->session.used) {
        TRY(mydb_renew(f->run));
    }
    f->m->session.used = mydb_uses_session(&f->script);
    f->generation = f->m->generation;
    return mydb_wait_often(f);
}

static void plan_transactions(struct mydb_file *f)
{
    for (size_t i = 0; i < f->script.count; i++) {
        f->stepped |= f->complete[i] || !script_at(&f->script, i)->grouped;
    }
}

// The rows wait for the next file's first transaction, unless nothing could tell what happened.
static struct err *finish(struct mydb_file *f)
{
    struct mydb *m = f->m;
    TRY(mydb_flush(f->run)); // a file of SETs alone: the one before may still wait
    mydb_finish_rows(f, &m->pending.sql);
    m->pending.set = true;
    m->pending.file = f->file;
    m->pending.rank = f->rank;
    m->pending.head = mydb_head_of(f->run);
    const bool judged =
        f->script.count > 0 && script_at(&f->script, f->script.count - 1)->class == STEP_ATOMIC;
    return judged ? NULL : mydb_flush(f->run);
}

// It was taken back, or is all or nothing. Of what controls itself, a ROLLBACK has proved it, or the outcome is unknown;
// but not where its session was `lost`: it may have left something, and run again nevertheless (idempotent=true).
static bool left_nothing(const struct statement *s, bool lost)
{
    return s->class == STEP_TRANSACTIONAL || s->class == STEP_ATOMIC || s->class == STEP_SESSION ||
           (mydb_controls_itself(s) && !lost);
}

static struct err *tell_what_stays(const struct mydb_file *f, bool lost, struct err *e)
{
    const struct result *result = f->run->result;
    const size_t index = (size_t)result->failed.statement - 1;
    const bool whole = result->failed.script && index < f->script.count &&
                       left_nothing(script_at(&f->script, index), lost);
    return run_stays_done(f->run, e, f->file, &f->script, f->complete, whole ? index : SIZE_MAX);
}

static struct err *run_file(struct mydb_file *f)
{
    TRY(mydb_progress_load(f));
    TRY(mydb_check_resume(f));
    plan_transactions(f);
    TRY(prepare_session(f));
    if (!f->accepted) {
        struct err *e = mydb_run_statements(f);
        if (e) {
            const bool lost = mydb_lost(f->m);
            return tell_what_stays(f, lost, mydb_session_ended(f, e));
        }
    }
    if (f->finished) {
        return NULL;
    }
    if (f->file->directives.verify && !f->accepted) {
        struct err *e = mydb_verify(f);
        if (e) {
            e = mydb_record_failure(f, f->script.count, 0, e);
            return run_stays_done(f->run, e, f->file, &f->script, f->complete, SIZE_MAX);
        }
    }
    return finish(f);
}

// A statement of our own was refused in the session as the file has set it: the file has failed, and that is recorded by
// whoever still can.
static struct err *blame_file(const struct mydb_file *f, struct err *e)
{
    if (!e || !f->m->session.set || f->run->result->failed.script ||
        !str_eq(e->reason, REASON_MIGRATION_FAILED)) {
        return e;
    }
    run_failed(f->run, f->file, 0, 1, 1, f->m->failure.sqlstate, (int)f->m->failure.code);
    return err_wrap(e, "%s", f->file->path);
}

static void file_done(struct mydb_file *f)
{
    script_done(&f->script);
    free(f->complete);
    f->run->script = NULL;
}

static void tell_notices(const struct mydb_file *f)
{
    for (size_t i = 0; i < f->script.notices.count; i++) {
        run_notice(f->run, "%s", f->script.notices.items[i]);
    }
}

static struct err *apply_file(struct run *run, const struct apply_item *item, int index, int count)
{
    const struct progress *progress = run->request->progress;
    AUTO(file_done) struct mydb_file f = { .run = run,
                                           .m = mydb_of(run->db),
                                           .item = item,
                                           .file = item->file,
                                           .started_ms = clock_mono_ms() };
    TRY(mydb_parse(run, item->file, &f.script));
    run->script = &f.script;
    if (progress && progress->file_begin) {
        progress->file_begin(progress->payload, f.file, index, count, (int)f.script.count);
    }
    tell_notices(&f);
    struct err *e = blame_file(&f, run_file(&f));
    run_server_said_end(run);
    if (progress && progress->file_end) {
        progress->file_end(progress->payload, f.file, clock_mono_ms() - f.started_ms, e);
    }
    return e;
}

// ---- all files ----------------------------------------------------------------------------------

static struct err *apply_items(struct run *run, const struct apply_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        TRY(run_check(run));
        if (run_must_pause(run)) {
            return NULL;
        }
        if (list->items[i].baseline_marker) {
            TRY(apply_marker(run));
        } else {
            TRY(apply_file(run, &list->items[i], (int)i, (int)list->count));
        }
    }
    return NULL;
}

struct err *mydb_apply(struct run *run, const struct apply_list *list)
{
    struct mydb *m = mydb_of(run->db);
    mydb_start_writing(run);
    TRY(mydb_check_columns(run, list));
    TRY(mydb_watch_start(m, run->request->cancel));
    struct err *e = apply_items(run, list);
    // The last file, and the one before a failure, have happened whatever comes of the rest.
    struct err *unflushed = m->conn ? mydb_flush(run) : NULL;
    mydb_head_rewind(run);
    mydb_watch_stop(m);
    if (e) {
        err_free(unflushed);
        return e;
    }
    return unflushed;
}
