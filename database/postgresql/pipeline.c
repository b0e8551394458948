// SPDX-License-Identifier: Apache-2.0
// Applying a list: transactional files travel as groups, several in flight (docs/explanation/engine.md 2).
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "database/said.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

#define DEPTH 8 // deeper was no faster
#define PART_COMMANDS 256
#define PART_BYTES ((size_t)1024 * 1024)
#define WATCH_MIN_MS 50 // after so long without an answer we ask who blocks us

struct pipe {
    struct run *run;
    struct pgdb *pg;
    const struct apply_list *list;
    struct pgdb_group groups[DEPTH]; // a ring: in flight from `first`
    int first, flying;
    size_t sent, done; // items; sent = done + flying
    size_t told;       // file_begin was called for items below
    int64_t since_ms;  // the item at work began
    struct pgdb_retry retry;
};

static struct pgdb_group *group_at(struct pipe *p, int i)
{
    return &p->groups[(p->first + i) % DEPTH];
}

static const struct migration *file_at(const struct pipe *p, size_t i)
{
    return p->list->items[i].baseline_marker ? NULL : p->list->items[i].file;
}

// ---- telling ------------------------------------------------------------------------------------

static void tell_begin(struct pipe *p, const struct script *script)
{
    const struct progress *progress = p->run->request->progress;
    if (p->told > p->done) {
        return; // another try
    }
    p->told = p->done + 1;
    p->since_ms = clock_mono_ms();
    if (progress && progress->file_begin && file_at(p, p->done)) {
        progress->file_begin(progress->payload, file_at(p, p->done), (int)p->done,
                             (int)p->list->count, (int)script->count);
    }
    for (size_t i = 0; i < script->notices.count; i++) {
        run_notice(p->run, "%s", script->notices.items[i]);
    }
}

static void tell_end(struct pipe *p, const struct err *e)
{
    const struct progress *progress = p->run->request->progress;
    run_server_said_end(p->run);
    if (progress && progress->file_end && file_at(p, p->done)) {
        progress->file_end(progress->payload, file_at(p, p->done), clock_mono_ms() - p->since_ms,
                           e);
    }
}

// The item at work is in the history.
static void confirm(struct pipe *p, int32_t rank)
{
    run_applied(p->run, file_at(p, p->done), rank);
    tell_end(p, NULL);
    p->done++;
    p->retry = (struct pgdb_retry){ 0 };
    free(TAKE(p->pg->blocker)); // of this file, if any
}

// ---- sending ------------------------------------------------------------------------------------

static bool is_watched(const struct run *run)
{
    return run->request->progress && run->request->progress->statement_begin;
}

// The next commands, and behind the last the end of the pipeline. What is sent and not answered stands in memory on both
// sides, so a large file goes in parts; the server tells at each part's end. `watched`: somebody wants to see each answer
// at once, which the server else keeps until the end.
static bool send_part(struct pgdb *pg, struct pgdb_group *group, bool watched)
{
    const int count = pgdb_group_count(group);
    const bool whole = !script_is_spooled(&group->script);
    size_t bytes = 0;
    for (int i = 0; group->sent < count && (whole || (i < PART_COMMANDS && bytes < PART_BYTES));
         i++) {
        struct pgdb_command command;
        int statement = 0;
        pgdb_group_command(group, group->sent++, &command, &statement);
        bytes += whole ? 0 : strlen(command.sql);
        if (!pgdb_send(pg, &command) || (watched && PQsendFlushRequest(pg->conn) != 1)) {
            return false;
        }
    }
    const int ended =
        group->sent == count ? PQpipelineSync(pg->conn) : PQsendFlushRequest(pg->conn);
    return ended == 1 && PQflush(pg->conn) >= 0;
}

static int32_t next_rank(struct pipe *p)
{
    return p->flying > 0 ? group_at(p, p->flying - 1)->rank + 1 : p->run->rank + 1;
}

enum next {
    NEXT_SENT,
    NEXT_LATER,
    NEXT_SINGLE,
    NEXT_STEPS,
    NEXT_LOST
};

// Makes the next group and sends it if it may travel now.
static struct err *send_next(struct pipe *p, enum next *out)
{
    struct pgdb_group *group = group_at(p, p->flying);
    const struct apply_item *item = &p->list->items[p->sent];
    struct err *e = pgdb_group_make(p->run, item, next_rank(p), group);
    if (e) {
        pgdb_group_done(group);
        return e;
    }
    const bool steps = !item->baseline_marker && !group->script.transactional;
    const bool alone = steps || pgdb_group_is_alone(group);
    *out = NEXT_SENT;
    if (alone && p->flying > 0) {
        *out = NEXT_LATER;
    } else if (steps) {
        *out = NEXT_STEPS;
    } else if (pgdb_group_is_single(group)) {
        *out = NEXT_SINGLE;
    }
    if (*out != NEXT_SENT) {
        if (*out != NEXT_SINGLE) { // a single keeps its group
            pgdb_group_unwind(p->run, group);
            pgdb_group_done(group);
        }
        return NULL;
    }
    const bool piped = p->flying > 0 || PQenterPipelineMode(p->pg->conn) == 1;
    p->flying++;
    p->sent++;
    p->pg->prepared = group->unnamed ? 0 : p->pg->prepared; // it may drop them
    if (!piped || !send_part(p->pg, group, is_watched(p->run))) {
        *out = NEXT_LOST;
    } else if (alone) {
        *out = NEXT_LATER; // nothing behind it until it is answered
    }
    return NULL;
}

// ---- reading ------------------------------------------------------------------------------------

// The results of one command; the first error is kept. False: lost.
static bool read_command(struct pgdb *pg, enum pgdb_part part, bool failed,
                         struct pgdb_failure *failure, bool *ok)
{
    *ok = true;
    if (part == PART_STATEMENT) {
        PQsetSingleRowMode(pg->conn); // a large SELECT is thrown away row by row
    }
    for (int seen = 0;; seen++) {
        AUTO(pgdb_clear_auto) PGresult *result = NULL;
        AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
        if (!pgdb_take(pg, pgdb_file_deadline(pg), &result, &fault)) {
            if (!failed && *ok) {
                failure->fault = fault;
                fault = (struct pgdb_fault){ 0 };
            }
            return false;
        }
        if (!result) { // a command without any result would be a COMMIT that nobody confirmed
            return seen > 0;
        }
        const bool aborted = PQresultStatus(result) == PGRES_PIPELINE_ABORTED;
        const bool wrong_tag =
            part == PART_COMMIT && !aborted && !str_eq(PQcmdStatus(result), "COMMIT");
        if (pgdb_result_ok(result) && !wrong_tag) {
            continue;
        }
        if (!failed && *ok) {
            pgdb_fault_read(pg, result, &failure->fault);
        }
        *ok = false;
    }
}

// Everything that was sent is read; after an error the rest of it is not sent. False: lost.
static bool read_commands(struct pipe *p, struct pgdb_group *group, struct pgdb_failure *failure,
                          bool *failed)
{
    const int count = pgdb_group_count(group);
    int64_t since = clock_mono_ms();
    for (int i = 0; i < count && (i < group->sent || !*failed); i++) {
        struct pgdb_command command;
        int statement = 0;
        bool ok = true;
        const bool sent = i < group->sent || send_part(p->pg, group, is_watched(p->run));
        const enum pgdb_part part = pgdb_group_command(group, i, &command, &statement);
        if (sent) {
            pgdb_notices_of(p->pg, group, part, statement);
        }
        if (part == PART_STATEMENT && !*failed) { // it is sent: the server is at this one now
            run_tell_begin(p->run, group->item->file, &group->script, statement + 1);
        }
        const bool alive = sent && read_command(p->pg, part, *failed, failure, &ok);
        if (!*failed && (!alive || !ok)) {
            failure->part = part;
            failure->statement = statement;
            *failed = true;
        }
        if (!alive) {
            p->pg->about.file = NULL;
            failure->fault.lost = true;
            return false;
        }
        if (ok && part == PART_STATEMENT) {
            pgdb_tell_statement(p->run, group->item->file, statement + 1, &since);
        }
    }
    return group->sent == count || (PQpipelineSync(p->pg->conn) == 1 && PQflush(p->pg->conn) >= 0);
}

// True: committed. False: `failure`, with failure->fault.lost or everything up to the group's end read.
static bool read_group(struct pipe *p, struct pgdb_group *group, struct pgdb_failure *failure)
{
    bool failed = false;
    const bool alive = read_commands(p, group, failure, &failed);
    p->pg->about.file = NULL;
    if (!alive) {
        failure->fault.lost = true;
        return false;
    }
    AUTO(pgdb_clear_auto) PGresult *sync = NULL;
    AUTO(pgdb_fault_done) struct pgdb_fault lost = { 0 };
    if (!pgdb_take(p->pg, pgdb_deadline(p->pg), &sync, &lost)) {
        // An answered COMMIT stands whatever happens next.
        failure->fault.lost = failed || failure->fault.lost;
    }
    return !failed;
}

// After an error the server skips or refuses everything behind it; we only read it away.
static void drain(struct pipe *p)
{
    for (int i = 1; i < p->flying; i++) {
        AUTO(pgdb_failure_done) struct pgdb_failure consequence = { 0 };
        if (!read_group(p, group_at(p, i), &consequence) && consequence.fault.lost) {
            return;
        }
    }
    PQexitPipelineMode(p->pg->conn);
    pgdb_rollback(p->pg);
}

static void drop_flying(struct pipe *p)
{
    for (int i = 0; i < p->flying; i++) {
        pgdb_group_done(group_at(p, i));
    }
    p->flying = 0;
    p->first = 0;
    p->sent = p->done;
}

// ---- after a failure ----------------------------------------------------------------------------

static bool in_history(const struct history *history, const struct pgdb_group *group)
{
    for (size_t i = history->count; i > 0; i--) {
        const struct history_row *row = &history->rows[i - 1];
        if (row->rank == group->rank) {
            return row->success && str_eq(row->script, group->row.script) &&
                   str_eq(row->version_text, group->row.version);
        }
    }
    return false;
}

// The connection went away: which of the files in flight are in? (docs/explanation/engine.md 3)
static struct err *resolve(struct pipe *p, struct err *lost)
{
    struct err *e = pgdb_resolve(p->run);
    if (e) {
        struct err *both = err_new(e->kind, e->reason,
                                   "%s; how far it came is found out by the next run (now: %s)",
                                   lost->message, e->message);
        err_free(e);
        err_free(lost);
        return both;
    }
    int applied = 0;
    while (applied < p->flying && in_history(&p->run->seen.history, group_at(p, applied))) {
        tell_begin(p, &group_at(p, applied)->script);
        confirm(p, group_at(p, applied)->rank);
        applied++;
    }
    if (p->done < p->list->count) {
        return lost;
    }
    err_free(lost);
    return NULL;
}

// Decides about the group at work after it failed: NULL = try again.
static struct err *after_failure(struct pipe *p, struct pgdb_group *group,
                                 struct pgdb_failure *failure)
{
    const struct migration *file = file_at(p, p->done);
    struct err *e = pgdb_failure_err(p->run, group, failure);
    if (failure->fault.lost) {
        const struct err *lost = e;
        e = resolve(p, e);
        if (e && e == lost && file) { // nothing was committed
            e = pgdb_outside_lost(p->run, file, &group->script, &group->outside, e);
            e = pgdb_session_ended(p->run, file, group->rank, &group->script, e);
        }
        if (e) {
            tell_end(p, e);
        }
        drop_flying(p);
        return e;
    }
    pgdb_group_unwind(p->run, group);
    if (file) {
        const bool begun = failure->part != PART_BEGIN && failure->part != PART_GUARD;
        e = begun ? pgdb_no_repeat(file, &group->script, p->run->result->failed.statement, e) : e;
        e = pgdb_outside_failed(p->run, file, group->rank, &group->script, &group->outside,
                                failure->fault.sqlstate, e);
    }
    e = pgdb_record_failed(p->run, file, group->rank, &group->script, &failure->fault, e);
    if (group->once && p->retry.since_ms == 0) { // it has waited all the time already
        p->retry.since_ms = p->since_ms;
    }
    const bool undone = file && !pgdb_script_leaves(&group->script);
    drop_flying(p);
    e = pgdb_retry_wait(p->run, file, &p->retry, e);
    if (e && undone && run_stays_is_told(e)) {
        AUTO(free_auto) char *name = run_file_name(file);
        e = run_stays(p->run, e, "rolled back: nothing of %s remains", name);
    }
    if (e) {
        tell_end(p, e);
    }
    return e;
}

static struct err *read_first(struct pipe *p)
{
    struct pgdb_group *group = group_at(p, 0);
    AUTO(pgdb_failure_done) struct pgdb_failure failure = { 0 };
    tell_begin(p, &group->script);
    if (!read_group(p, group, &failure)) {
        if (!failure.fault.lost) {
            drain(p);
        }
        return after_failure(p, group, &failure);
    }
    confirm(p, group->rank);
    pgdb_group_done(group);
    p->first = (p->first + 1) % DEPTH;
    p->flying--;
    if (p->flying == 0 && p->pg->conn) {
        PQexitPipelineMode(p->pg->conn);
    }
    return NULL;
}

// ---- files that travel alone --------------------------------------------------------------------

static struct err *run_single(struct pipe *p)
{
    struct pgdb_group *group = group_at(p, 0);
    AUTO(pgdb_failure_done) struct pgdb_failure failure = { 0 };
    struct err *unopened = pgdb_group_open(p->run, group);
    if (unopened) {
        pgdb_group_done(group);
        return unopened;
    }
    p->flying = 1; // for resolve() and drop_flying()
    p->pg->prepared = group->unnamed ? 0 : p->pg->prepared;
    tell_begin(p, &group->script);
    if (!pgdb_single_run(p->run, group, &failure)) {
        return after_failure(p, group, &failure);
    }
    confirm(p, group->rank);
    drop_flying(p);
    return NULL;
}

// The session of a step in a transaction was ended: was it the step?
static struct err *step_ended(struct pipe *p, const struct migration *file,
                              const struct script *script, struct err *e)
{
    const int step = p->run->result->failed.statement;
    const struct statement *s =
        step > 0 && (size_t)step <= script->count ? script_at(script, (size_t)step - 1) : NULL;
    const bool lost = !p->pg->conn || PQstatus(p->pg->conn) == CONNECTION_BAD;
    if (!lost || !s || s->class != STEP_TRANSACTIONAL || s->leaves_transaction ||
        !str_eq(p->run->result->failed.sqlstate, "57P01")) {
        return e;
    }
    AUTO(err_free_auto) struct err *unresolved = pgdb_resolve(p->run);
    return unresolved ? e : pgdb_session_ended(p->run, file, p->run->rank + 1, script, e);
}

static struct err *run_steps(struct pipe *p)
{
    const struct apply_item *item = &p->list->items[p->done];
    AUTO(script_done) struct script script = { 0 };
    p->pg->prepared = 0; // the steps reset the session in their own way
    TRY(script_parse_on(&p->run->db->identity, item->file, &p->run->placeholders, &script));
    tell_begin(p, &script);
    p->run->script = &script;
    p->pg->script = &script;
    struct err *e = pgdb_steps_run(p->run, item, &script);
    e = e ? step_ended(p, item->file, &script, e) : NULL;
    p->pg->script = NULL;
    p->pg->about.file = NULL;
    p->run->script = NULL;
    if (e) {
        tell_end(p, e);
        return e;
    }
    confirm(p, p->run->rank + 1);
    p->sent = p->done;
    return NULL;
}

// ---- the loop -----------------------------------------------------------------------------------

static void set_watch(struct pipe *p)
{
    const int64_t half = p->run->request->execution->lock_timeout_ms / 2;
    p->pg->watch_after_ms = half > WATCH_MIN_MS ? half : WATCH_MIN_MS;
    p->pg->block_limit_ms = 0;
}

static struct err *fill(struct pipe *p)
{
    // What is sent begins when the one before it has ended: that may be after the time at which none may begin.
    const int depth = p->run->request->stop_at_ms > 0 ? 1 : DEPTH;
    while (p->flying < depth && p->sent < p->list->count && !run_must_pause(p->run)) {
        enum next next = NEXT_LATER;
        if (p->flying == 0) {
            TRY(run_check(p->run));
            p->pg->stopped = NULL;
            if (p->pg->prepared == 0) {
                TRY(pgdb_prepare(p->pg));
            }
        } else if (cancel_triggered(p->run->request->cancel)) {
            return NULL; // what is in flight meets the cancel while it is read
        }
        TRY(send_next(p, &next));
        switch (next) {
        case NEXT_SENT:
            break;
        case NEXT_LATER:
        case NEXT_LOST: // reading tells
            return NULL;
        case NEXT_SINGLE:
            TRY(run_single(p));
            break;
        case NEXT_STEPS:
            TRY(run_steps(p));
            break;
        }
    }
    return NULL;
}

static struct err *run_list(struct pipe *p)
{
    struct err *e = NULL;
    while (p->done < p->list->count) {
        if (!e) {
            e = fill(p);
        }
        if (p->flying == 0 && (e || p->run->paused)) {
            return e;
        }
        if (p->flying > 0) { // also after an error of a later file: what was sent is read
            struct err *first = read_first(p);
            if (first) {
                err_free(e);
                return first;
            }
        }
    }
    return e;
}

struct err *pgdb_apply(struct run *run, const struct apply_list *list)
{
    struct pipe p = { .run = run, .pg = pgdb_of(run->db), .list = list };
    p.pg->run = run;
    TRY(pgdb_check_columns(run, list));
    set_watch(&p);
    struct err *e = run_list(&p);
    drop_flying(&p);
    p.pg->watch_after_ms = 0;
    return e;
}
