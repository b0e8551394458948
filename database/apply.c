// SPDX-License-Identifier: Apache-2.0
// The order of a run, the same on every engine: checks, lock, look, lease, settle, apply, verdict.
#include <inttypes.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/run.h"
#include "database/said.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

#define LOCK_POLL_FIRST_MS 50
#define LOCK_POLL_MAX_MS 1000
#define LOCK_NOTICE_MS 10000
#define LOCK_ENDING_MS 20000 // a session that was told to end rolls back first

void apply_list_done(struct apply_list *list)
{
    free(list->items);
    *list = (struct apply_list){ 0 };
}

// ---- before anything is locked ------------------------------------------------------------------

static struct err *check_session(const struct run *run)
{
    const struct identity *id = &run->db->identity;
    const bool allowed = run->request->execution->allow_superuser;
    TRY(identity_check(id, allowed || run->request->warn_superuser));
    if (id->superuser && !allowed) {
        run_notice(run, "role '%s' is a superuser; a migration needs only the owner of its schema",
                   id->user);
    }
    return NULL;
}

// ---- the lock -----------------------------------------------------------------------------------

static struct err *lock_refused(const char *holder, bool old_job)
{
    return err_new(ERR_WAIT, old_job ? REASON_WAITING_FOR_OLD_SESSION : REASON_DATABASE_BUSY,
                   "the migration lock is held by %s", holder ? holder : "another session");
}

struct polling {
    int64_t start_ms, next_notice_ms, pause_ms;
    int64_t ended_ms; // when the old session was told to end; 0: not
};

static bool may_end(const struct run *run, bool old_session)
{
    return old_session && run->request->execution->old_sessions == OLD_SESSIONS_TERMINATE;
}

// How much longer: an old session that may be ended gets execution.lockRetryFor to end by itself.
static int64_t lock_left_ms(const struct run *run, const struct polling *p, bool old_session)
{
    const int64_t now = clock_mono_ms(), patience = run->request->execution->lock_retry_for_ms;
    if (p->ended_ms > 0) {
        return p->ended_ms + LOCK_ENDING_MS - now;
    }
    const bool patient = may_end(run, old_session) && patience > run->request->lock_wait_ms;
    return p->start_ms + (patient ? patience : run->request->lock_wait_ms) - now;
}

// The lock is not free: tell, end an old session if that is due, wait a little. An error: give up.
static struct err *lock_wait(struct run *run, struct polling *p)
{
    bool old_session = false;
    AUTO(free_auto) char *holder = run->db->ops->lock_holder(run->db, &old_session);
    const int64_t left = lock_left_ms(run, p, old_session);
    if (holder && clock_mono_ms() >= p->next_notice_ms) {
        run_notice(run, "waiting for the migration lock, held by %s", holder);
        p->next_notice_ms = clock_mono_ms() + LOCK_NOTICE_MS;
    }
    if (left <= 0 && (p->ended_ms > 0 || !may_end(run, old_session))) {
        return lock_refused(holder, old_session && run->request->lease == LEASE_JOB);
    }
    if (left <= 0) {
        run_notice(run, "ending the old session: %s", holder ? holder : "unknown");
        TRY(run->db->ops->terminate_holder(run->db));
        p->ended_ms = clock_mono_ms();
        p->pause_ms = LOCK_POLL_FIRST_MS;
    }
    const int64_t pause = left > 0 && left < p->pause_ms ? left : p->pause_ms;
    TRY(run_pause(run, jitter_ms(pause)));
    p->pause_ms = backoff_ms(p->pause_ms, LOCK_POLL_MAX_MS, 2);
    return NULL;
}

static struct err *lock_poll(struct run *run)
{
    struct polling p = { .start_ms = clock_mono_ms(), .pause_ms = LOCK_POLL_FIRST_MS };
    for (;;) {
        bool taken = false;
        TRY(run_check(run));
        TRY(run->db->ops->try_lock(run->db, &taken));
        if (taken) {
            return NULL;
        }
        TRY(lock_wait(run, &p));
    }
}

// ---- one run ------------------------------------------------------------------------------------

bool run_must_pause(struct run *run)
{
    run->paused =
        run->paused || (run->request->stop_at_ms > 0 && clock_mono_ms() >= run->stop_mono_ms);
    return run->paused;
}

static int32_t last_rank(const struct history *history)
{
    return history->count > 0 ? history->rows[history->count - 1].rank : 0;
}

struct err *run_refresh(struct run *run)
{
    struct inspection seen = { 0 };
    TRY(db_inspect(run->db, run->scope, &seen));
    inspection_done(&run->seen);
    run->seen = seen;
    run->rank = last_rank(&seen.history);
    return NULL;
}

static void prepare_placeholders(struct run *run)
{
    time_format_local(run->timestamp);
    if (run->request->timestamp) {
        snprintf(run->timestamp, sizeof run->timestamp, "%s", run->request->timestamp);
    }
    run->working_directory = getcwd(NULL, 0);
    run->placeholders = placeholders_for(run->request->migrations, &run->db->identity,
                                         run->timestamp, run->working_directory);
    run->placeholders.table = run->db->table;
}

struct err *run_open(const struct apply_request *request, enum journal_scope scope, bool look,
                     struct result *result, struct run *run)
{
    *run = (struct run){
        .request = request, .scope = scope, .result = result, .started_mono_ms = clock_mono_ms()
    };
    random_hex(run->nonce, 32);
    *result = (struct result){ .attempt = request->lease == LEASE_JOB ? request->attempt : 0 };
    memcpy(result->nonce, run->nonce, sizeof run->nonce);
    run->notices = mem_alloc(sizeof *run->notices);
    const struct db_options options = { .cancel = request->cancel,
                                        .connect_timeout_ms = request->connect_timeout_ms,
                                        .place = request->place,
                                        .show_values = request->show_values,
                                        .read_only = look };
    TRY(db_open(request->target, &options, &run->db));
    if (request->stop_at_ms > 0) {
        run->stop_mono_ms = clock_mono_ms() + request->stop_at_ms - run->db->identity.now_ms;
    }
    prepare_placeholders(run);
    return check_session(run);
}

struct err *run_begin(const struct apply_request *request, enum journal_scope scope,
                      struct result *result, struct run *run)
{
    TRY(run_open(request, scope, false, result, run));
    const int64_t lock_start = clock_mono_ms();
    struct err *e = lock_poll(run);
    result->ms.lock = clock_mono_ms() - lock_start;
    TRY(e);
    return run_refresh(run);
}

bool run_has_open_steps(const struct run *run)
{
    const struct journal *journal = &run->seen.journal;
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        const struct migration *file =
            row->state == JOURNAL_INTENT ? journal_row_file(run->request->files, row) : NULL;
        if (file && journal_find(journal, row->installed_rank, file, row->step) == row) {
            return true;
        }
    }
    return false;
}

struct err *run_check_scripts(const struct run *run, const struct apply_list *list)
{
    const struct identity *id = &run->db->identity;
    for (size_t i = 0; i < list->count; i++) {
        AUTO(script_done) struct script script = { 0 };
        if (!list->items[i].baseline_marker) {
            TRY(script_parse_on(id, list->items[i].file, &run->placeholders, &script));
        }
    }
    return NULL;
}

// Both are in the order of the plan.
static bool holds_all(const struct apply_list *checked, const struct apply_list *list)
{
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        while (at < checked->count && checked->items[at].file != list->items[i].file) {
            at++;
        }
        if (at == checked->count && !list->items[i].baseline_marker) {
            return false;
        }
    }
    return true;
}

static struct journal_mark settled(const struct run *run)
{
    const struct migration_set *files = run->request->files;
    return files && files->count > 0 ? journal_settled(&run->seen, files)
                                     : run->seen.lease.settled; // which files are gone is not known
}

// Where something is decided by the journal, all of it must be what was written.
static struct err *settle(struct run *run)
{
    int64_t rows = 0;
    if (run_has_open_steps(run)) {
        TRY(db_verify_journal(run->db, &run->seen, &rows));
    }
    return run->db->ops->settle(run);
}

// Every file is over now: who looks next need not read what was written. If this fails, it only reads more.
static struct err *mark_settled(struct run *run, bool all_over)
{
    if (!all_over) { // an earlier attempt at one of the files was: its rows are to be looked at with those behind them
        TRY(run_refresh(run));
        const struct journal_mark mark = settled(run);
        return run->db->ops->mark_settled(run, &mark);
    }
    struct journal_mark mark = { .seq = run->seen.journal.head_seq };
    memcpy(mark.hash, run->seen.journal.head_hash, sizeof mark.hash);
    return run->db->ops->mark_settled(run, &mark);
}

static struct err *apply_locked(struct run *run)
{
    const struct apply_request *request = run->request;
    AUTO(apply_list_done) struct apply_list list = { 0 }, checked = { 0 };
    TRY(request->decide(request->payload, &run->seen, false, &list));
    if (list.count == 0 && lease_is_ours(&run->seen.lease, &request->owner) &&
        !run_has_open_steps(run)) {
        return NULL;
    }
    if (list.count > 0 && run_must_pause(run)) {
        return NULL;
    }
    TRY(run_check_scripts(run, &list));
    checked = list;
    list = (struct apply_list){ 0 };
    run->settled = settled(run);
    TRY(run_lease(run));
    TRY(run_refresh(run)); // after the bump nobody of an older epoch can add a row
    TRY(settle(run));
    TRY(request->decide(request->payload, &run->seen, true, &list));
    if (list.count == 0) {
        return NULL;
    }
    if (!holds_all(&checked, &list)) { // what was settled brought a file that nobody has read
        TRY(run_check_scripts(run, &list));
    }
    const bool all_over = settled(run).seq == run->seen.journal.head_seq;
    const int64_t start = clock_mono_ms();
    struct err *e = run->db->ops->apply(run, &list);
    run->result->ms.apply = clock_mono_ms() - start;
    if (!e) {
        err_free(mark_settled(run, all_over));
    }
    return e;
}

struct err *run_lease(struct run *run)
{
    TRY(run->db->ops->take_lease(run));
    run->result->epoch = run->epoch;
    return NULL;
}

// ---- the verdict --------------------------------------------------------------------------------

static const struct {
    int code;
    enum outcome outcome;
} outcomes[] = {
    { 2, OUTCOME_TIMED_OUT },   { 3, OUTCOME_FAILED }, { 5, OUTCOME_DENIED },
    { 6, OUTCOME_INVALID },     { 7, OUTCOME_BUSY },   { 8, OUTCOME_UNKNOWN },
    { 9, OUTCOME_UNREACHABLE }, { 10, OUTCOME_MOVED }, { 143, OUTCOME_INTERRUPTED },
};

enum outcome run_outcome(const char *reason)
{
    const int code = reason_exit_code(reason);
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        if (outcomes[i].code == code) {
            return outcomes[i].outcome;
        }
    }
    return OUTCOME_ERROR;
}

void run_end(struct run *run, const struct err *e)
{
    struct result *result = run->result;
    if (e) {
        result->code = reason_exit_code(e->reason);
        if (result->outcome == OUTCOME_NONE) { // an adapter may have said Fenced
            result->outcome = run_outcome(e->reason);
        }
        result->reason = mem_strdup(e->reason);
        result->message = mem_strdup(e->message);
    } else if (run->paused) {
        result->outcome = OUTCOME_PAUSED;
    } else if (result->outcome == OUTCOME_NONE) {
        result->outcome = result->applied.count > 0 ? OUTCOME_DONE : OUTCOME_NOTHING_TO_DO;
    }
    const struct journal *journal = &run->seen.journal;
    const char *target = run->target_id[0] ? run->target_id : run->seen.lease.target_id;
    memcpy(result->target, target, sizeof result->target);
    result->epoch = result->epoch ? result->epoch : run->seen.lease.epoch;
    result->head.rank = run->rank;
    result->head.journal_seq = journal->head_seq;
    memcpy(result->head.journal_hash, journal->head_hash, sizeof journal->head_hash);
    run_server_said_end(run);
    free(TAKE(run->notices));
    db_close(run->db);
    run->db = NULL;
    inspection_done(&run->seen);
    free(run->working_directory);
    result->ms.total = clock_mono_ms() - run->started_mono_ms;
}

struct err *apply_run(const struct apply_request *request, struct result *out)
{
    struct run run;
    struct err *e = run_begin(request, JOURNAL_OPEN, out, &run);
    if (!e) {
        e = apply_locked(&run);
    }
    run_end(&run, e);
    return e;
}
