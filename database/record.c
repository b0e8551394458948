// SPDX-License-Identifier: Apache-2.0
// Rows that are written without running anything: a human verdict, a dead runner's failure.
#include <inttypes.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/run.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"

#define MESSAGE_MAX 1024 /* characters of sluice_journal.message */

static void set_message(struct journal_row *row, const char *text)
{
    free(row->message);
    row->message = text ? mem_strndup(text, str_utf8_cut(text, strlen(text), MESSAGE_MAX)) : NULL;
}

// ---- verdicts -----------------------------------------------------------------------------------

static bool is_named(const struct journal_row *row, const struct resolution *r)
{
    return row_is_about(row->version, row->description, r->version, r->description);
}

// Newest row of the named file, of the named step if one is given: the one that counts. A restart is about all.
static const struct journal_row *find_named(const struct journal *journal,
                                            const struct resolution *r)
{
    for (size_t i = journal->count; i > 0; i--) {
        const struct journal_row *row = &journal->rows[i - 1];
        if (is_named(row, r) &&
            (r->step == 0 || r->verdict == VERDICT_RESTART || row->step == r->step)) {
            return row;
        }
    }
    return NULL;
}

// Was the file finished after this row?
static bool is_finished(const struct journal *journal, const struct journal_row *row)
{
    for (size_t i = journal->count; i > 0 && &journal->rows[i - 1] != row; i--) {
        const struct journal_row *later = &journal->rows[i - 1];
        if (journal_row_closes(later) && journal_same_file(later, row)) {
            return true;
        }
    }
    return false;
}

// Of a finished file only its own row is read, not those of its steps.
static bool was_finished(const struct journal *journal, const struct resolution *r)
{
    const struct resolution whole = { .version = r->version, .description = r->description };
    const struct journal_row *row = find_named(journal, &whole);
    return row && journal_row_closes(row);
}

static bool resolved_already(const struct journal_row *row, const struct resolution *r)
{
    return row->state == JOURNAL_RESOLVED && row->verdict == r->verdict &&
           str_eq(row->retry_token, r->token ? r->token : "");
}

static struct err *find_open(const struct journal *journal, const struct resolution *r,
                             const struct journal_row **out)
{
    const struct journal_row *row = find_named(journal, r);
    const char *name = r->version ? r->version : r->description;
    const char *kind = r->version ? "version" : "repeatable";
    if (!row && !was_finished(journal, r)) {
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND,
                       "the journal knows no attempt at %s %s, step %d: nothing to resolve", kind,
                       name, r->step);
    }
    *out = row;
    if (row && resolved_already(row, r)) {
        return NULL;
    }
    if (!row || journal_row_closes(row) || is_finished(journal, row)) {
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND,
                       "the last attempt at %s %s is finished: nothing to resolve", kind, name);
    }
    if (r->verdict == VERDICT_APPLIED && row->state == JOURNAL_FAILED) {
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND,
                       "step %d of %s %s failed and nothing of it has stayed, so that it is not "
                       "applied: correct the "
                       "file and run it again",
                       row->step, kind, name);
    }
    if (r->verdict == VERDICT_APPLIED && journal_row_applied(row)) {
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND,
                       "step %d of %s %s is recorded as %s: nothing to resolve", row->step, kind,
                       name, journal_state_text(row->state));
    }
    return NULL;
}

// A row about the same statement as `about`, or about its whole file, behind the head.
static void prepare_verdict(const struct run *run, const struct journal_row *about,
                            const struct resolution *r, struct journal_row *out)
{
    const struct apply_request *request = run->request;
    const bool whole = r->verdict == VERDICT_RESTART;
    *out = (struct journal_row){
        .seq = run->seen.journal.head_seq + 1,
        .installed_rank = about->installed_rank,
        .kind = about->kind,
        .version = mem_strdup(about->version),
        .description = mem_strdup(about->description),
        .script = mem_strdup(about->script),
        .step = whole ? 0 : about->step,
        .line = whole ? 1 : about->line,
        .statement_sha256 = whole ? NULL : mem_strdup(about->statement_sha256),
        .step_class = whole ? '\0' : about->step_class,
        .state = JOURNAL_RESOLVED,
        .verdict = r->verdict,
        .git_commit = mem_strdup(about->git_commit),
        .file_sha256 = mem_strdup(about->file_sha256),
        .placeholders_hmac = mem_strdup(about->placeholders_hmac),
        .epoch = run->epoch,
        .attempt = request->lease == LEASE_JOB ? request->attempt : 0,
        .retry_token = mem_strdup(r->token ? r->token : ""),
        .session_id = run->db->session_id,
    };
    set_message(out, r->reason);
    journal_row_rehash(run, out);
}

static struct err *resolve_locked(struct run *run, const struct resolution *r)
{
    const struct journal_row *about = NULL;
    int64_t rows = 0;
    // A verdict is about what is written there.
    TRY(db_verify_journal(run->db, &run->seen, &rows));
    TRY(find_open(&run->seen.journal, r, &about));
    if (resolved_already(about, r)) {
        return NULL;
    }
    TRY(run_lease(run));
    TRY(run_refresh(run));
    TRY(find_open(&run->seen.journal, r, &about));
    AUTO(journal_row_done) struct journal_row row = { 0 };
    prepare_verdict(run, about, r, &row);
    TRY(run->db->ops->append(run, &row));
    run->result->outcome = OUTCOME_DONE;
    return NULL;
}

struct err *record_resolution(const struct apply_request *request, const struct resolution *r,
                              struct result *out)
{
    struct run run;
    struct err *e = run_begin(request, JOURNAL_FILES, out, &run);
    if (!e) {
        e = resolve_locked(&run, r);
    }
    run_end(&run, e);
    return e;
}

// ---- failures -----------------------------------------------------------------------------------

static bool applied_meanwhile(const struct history *history, const struct migration *file)
{
    for (size_t i = 0; version_set(&file->version) && i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        if (row->success && row->has_version &&
            version_compare(&row->version, &file->version) == 0) {
            return true;
        }
    }
    return false;
}

// Does the newest row about the file already say that it failed, with these bytes and this token?
static bool failure_known(const struct run *run, const struct migration *file)
{
    const struct journal *journal = &run->seen.journal;
    for (size_t i = journal->count; i > 0; i--) {
        const struct journal_row *row = &journal->rows[i - 1];
        if (journal_row_is_of(row, file)) {
            const char *token = run->request->retry_token ? run->request->retry_token : "";
            return row->state == JOURNAL_FAILED && migration_was(file, row->file_sha256) &&
                   str_eq(row->retry_token, token);
        }
    }
    return false;
}

static struct err *failure_locked(struct run *run, const struct migration *file,
                                  const struct result *failed)
{
    if (applied_meanwhile(&run->seen.history, file) || failure_known(run, file)) {
        return NULL;
    }
    TRY(run_lease(run));
    TRY(run_refresh(run));
    AUTO(journal_row_done) struct journal_row row = { 0 };
    journal_row_prepare(run, file, run->rank + 1, failed->failed.statement, NULL, JOURNAL_FAILED,
                        NULL, &row);
    row.line = failed->failed.line > 0 ? failed->failed.line : 1;
    char number[16];
    snprintf(number, sizeof number, "%d", failed->failed.error_number);
    row.error_code = mem_strdup(failed->failed.sqlstate[0]         ? failed->failed.sqlstate
                                : failed->failed.error_number != 0 ? number
                                                                   : NULL);
    set_message(&row, failed->message);
    journal_row_rehash(run, &row);
    TRY(run->db->ops->append(run, &row));
    run->result->outcome = OUTCOME_DONE;
    return NULL;
}

struct err *record_failure(const struct apply_request *request, const struct migration *file,
                           const struct result *failed, struct result *out)
{
    struct run run;
    struct err *e = run_begin(request, JOURNAL_FILES, out, &run);
    if (!e) {
        e = failure_locked(&run, file, failed);
    }
    run_end(&run, e);
    return e;
}
