/* SPDX-License-Identifier: Apache-2.0 */
/* Databases with clocks of their own, looks at them, and Jobs. */
#include <stdio.h>
#include <string.h>

#include "model/reason.h"
#include "order_world.h"

/* ---- databases ---------------------------------------------------------------------------------- */

void place_init(struct world *w, int place)
{
    struct place *p = &w->places[place];
    *p = (struct place){ .up = true, .newest_commit = -1 };
    p->content.failed_file = -1;
    p->clock_ms = world_chance(w, 3) ? (world_pick(w, 7) - 3) * INT64_C(60000) : 0;
}

uint64_t place_files(const struct place *p)
{
    uint64_t files = 0;
    for (int i = 0; i < p->content.count; i++) {
        files |= UINT64_C(1) << (unsigned)p->content.applied[i];
    }
    return files;
}

bool place_empty(const struct place *p)
{
    return p->content.count == 0 && !p->foreign;
}

static int64_t clock_of(const struct world *w, const struct place *p)
{
    return WORLD_EPOCH_MS + w->mono_ms + p->clock_ms;
}

static void add_row(struct place *p, int file, bool journalled)
{
    struct content *c = &p->content;
    c->applied[c->count] = (int8_t)file;
    c->flyway[c->count++] = !journalled;
    p->head++;
    p->journal += journalled;
}

/* The rank of the newest row that has no journal row; 0: none. */
static int32_t newest_by_hand(const struct content *c)
{
    int32_t rank = c->count;
    while (rank > 0 && !c->flyway[rank - 1]) {
        rank--;
    }
    return rank;
}

void place_had(struct world *w, int place, int file, bool journalled)
{
    struct place *p = &w->places[place];
    add_row(p, file, journalled);
    p->finished_ms = journalled ? WORLD_EPOCH_MS - 86400000 : 0;
    oracle_holds(&w->oracle, place, UINT64_C(1) << (unsigned)file);
    world_say(w, "         place %d has file %d (V%d) since long", place, file,
              w->files[file].version);
}

void place_apply(struct world *w, int place, int file, struct attempt *job, bool journalled)
{
    struct place *p = &w->places[place];
    struct content *c = &p->content;
    add_row(p, file, journalled);
    if (c->failed_file >= 0 && w->files[c->failed_file].version == w->files[file].version) {
        c->failed_file = -1;
    }
    if (journalled) {
        p->finished_ms = clock_of(w, p);
        p->newest_commit = job ? job->commit : p->newest_commit;
    }
    world_say(w, "         place %d: file %d (V%d) runs %s", place, file, w->files[file].version,
              job ? job->name : "by hand");
    oracle_statement(&w->oracle, job ? job->id : 0, place, file, clock_of(w, p), journalled);
    if (job) {
        w->statements++;
        w->statement_ms = w->mono_ms;
        w->figures->statements++;
    }
}

/* ---- looks -------------------------------------------------------------------------------------- */

void look_begin(struct world *w, struct entry *e)
{
    if (e->look_ends_ms == 0) {
        bool slow = world_fault(w, 12);
        e->look_start_ms = w->mono_ms;
        e->look_place = e->place;
        e->look_ends_ms = w->mono_ms + LOOK_MS + (slow ? world_pick(w, 20000) : world_pick(w, 100));
    }
}

static void look_failed(struct world *w, struct entry *e)
{
    struct database_view *view = &e->view;
    int32_t count = view->inspection == INSPECTION_FAILED ? view->failure.count + 1 : 1;
    view->inspection = INSPECTION_FAILED;
    view->failure = (struct failure){ REASON_DATABASE_UNAVAILABLE, "connection refused", 0, count };
    e->failed_ms = w->mono_ms;
    e->next_look_ms = w->mono_ms + w->spec.interval_ms;
    view->busy = false;
}

enum owner_relation place_owner(const struct world *w, const struct place *p, const struct entry *e)
{
    if (!p->owner[0]) {
        return OWNER_NONE;
    }
    if (p->owner_uid != w->uid) {
        return OWNER_GONE;
    }
    if (strcmp(p->owner, e->name) == 0) {
        return OWNER_MINE;
    }
    return spec_find(w, p->owner) >= 0 ? OWNER_OTHER_ENTRY : OWNER_GONE;
}

void look_end(struct world *w, struct entry *e)
{
    const struct place *p = &w->places[e->place];
    struct database_view *view = &e->view;
    e->look_ends_ms = 0;
    w->look_again = true;
    if (e->look_place != e->place) {
        look_begin(w, e); /* that one looked at the old place */
        return;
    }
    if (e->look_start_ms >= w->process.retry_ms) {
        e->before_retry = false;
    }
    if (!p->up) {
        look_failed(w, e);
        return;
    }
    e->seen = p->content;
    e->look_began_ms = e->look_start_ms;
    e->looked_ms = w->mono_ms;
    e->next_look_ms = w->mono_ms + w->spec.interval_ms;
    view->inspection = INSPECTION_OK;
    view->failure = (struct failure){ 0 };
    view->known = true;
    view->busy = false;
    memcpy(view->target, p->target, sizeof view->target);
    memcpy(view->owner_label, p->owner, sizeof p->owner);
    view->engine = ENGINE_POSTGRESQL;
    view->epoch = p->epoch;
    view->head = p->head;
    view->journal = p->journal;
    view->foreign = newest_by_hand(&p->content);
    view->now_ms = clock_of(w, p);
    view->newest_finished_ms = p->finished_ms;
    view->newest_commit[0] = '\0';
    if (p->newest_commit >= 0) {
        memcpy(view->newest_commit, w->commits[p->newest_commit].id,
               sizeof w->commits[p->newest_commit].id);
    }
    view->empty = place_empty(p);
    view->owner = place_owner(w, p, e);
    oracle_inspected(&w->oracle, e->place, w->mono_ms, clock_of(w, p));
}

/* ---- Jobs --------------------------------------------------------------------------------------- */

bool job_live(const struct attempt *j)
{
    return j->present && (j->phase == JOB_WAITING || j->phase == JOB_RUNNING);
}

/* A live Job is the one to look at, else the newest attempt; a late one is not seen yet. */
struct attempt *job_of(struct world *w, const char *entry)
{
    struct attempt *found = NULL;
    for (int i = 0; i < JOBS; i++) {
        struct attempt *j = &w->jobs[i];
        if (!j->present || j->uid != w->uid || j->appears_ms > w->mono_ms ||
            strcmp(j->entry, entry) != 0) {
            continue;
        }
        if (!found || (job_live(j) && !job_live(found)) ||
            (job_live(j) == job_live(found) && j->attempt > found->attempt)) {
            found = j;
        }
    }
    return found;
}

void job_end(struct world *w, struct attempt *j, int code, enum outcome outcome, const char *reason)
{
    j->phase = JOB_ENDED;
    j->ended_ms = w->mono_ms;
    j->has_result = outcome != OUTCOME_NONE;
    (void)snprintf(j->message, sizeof j->message, "exit %d", code);
    j->result = (struct result){
        .attempt = j->attempt,
        .code = code,
        .outcome = outcome,
        .reason = (char *)(uintptr_t)reason,
        .message = reason ? j->message : NULL,
        .failed = { .script = outcome == OUTCOME_FAILED ? j->script : NULL },
        .head = { .journal_seq = w->places[j->place].journal },
    };
    w->look_again = true;
    oracle_job_gone(&w->oracle, j->id);
    world_say(w, "         %s ends: code %d %s", j->name, code, reason ? reason : "");
}

static bool locked(const struct world *w, int place, const struct attempt *me)
{
    for (int i = 0; i < JOBS; i++) {
        const struct attempt *j = &w->jobs[i];
        if (j != me && j->present && j->phase == JOB_RUNNING && j->place == place) {
            return true;
        }
    }
    return false;
}

bool place_locked(const struct world *w, int place)
{
    return locked(w, place, NULL);
}

static void start(struct world *w, struct attempt *j)
{
    struct place *p = &w->places[j->place];
    j->phase = JOB_RUNNING;
    w->look_again = true;
    if (!p->up) {
        job_end(w, j, 9, OUTCOME_UNREACHABLE, REASON_DATABASE_UNAVAILABLE);
    } else if (locked(w, j->place, j)) {
        job_end(w, j, 8, OUTCOME_BUSY, REASON_DATABASE_BUSY);
    } else if (p->epoch >= j->attempt || p->journal != j->expect_journal) {
        job_end(w, j, 10, OUTCOME_MOVED, REASON_ASSIGNMENT_STALE);
    } else {
        p->epoch = j->attempt;
        memcpy(p->owner, j->entry, sizeof p->owner);
        p->owner_uid = j->uid;
        if (!p->target[0]) {
            (void)snprintf(p->target, sizeof p->target, "%08x-0000-4000-8000-000000000000",
                           (unsigned)(world_draw(w) & 0xffffffffu));
        }
        j->next_ms = w->mono_ms + FILE_MS;
    }
}

/* Rolled back, and remembered by the database, mostly. */
static void fail(struct world *w, struct attempt *j, int file)
{
    struct place *p = &w->places[j->place];
    memcpy(j->script, w->files[file].script, sizeof j->script);
    if (!world_fault(w, 4)) {
        p->content.failed_file = file;
        memcpy(p->content.failed_token, j->token, sizeof j->token);
        p->content.failed_attempt = j->attempt;
        p->journal++;
        p->finished_ms = clock_of(w, p);
        p->newest_commit = j->commit;
    }
    job_end(w, j, 3, OUTCOME_FAILED, REASON_MIGRATION_FAILED);
}

static bool has_version(const struct world *w, const struct place *p, int version)
{
    for (int i = 0; i < p->content.count; i++) {
        if (w->files[p->content.applied[i]].version == version) {
            return true;
        }
    }
    return false;
}

static void next_file(struct world *w, struct attempt *j)
{
    struct place *p = &w->places[j->place];
    if (j->at == j->count) {
        job_end(w, j, 0, OUTCOME_DONE, NULL);
        return;
    }
    int file = (uint8_t)j->files[j->at];
    if (j->stop_ms > 0 && w->mono_ms >= j->stop_ms) {
        job_end(w, j, 0, OUTCOME_PAUSED, NULL);
        return;
    }
    if (has_version(w, p, w->files[file].version)) {
        job_end(w, j, 10, OUTCOME_MOVED, REASON_ASSIGNMENT_STALE); /* somebody ran it by hand */
        return;
    }
    if (w->files[file].bad && !w->cured) {
        fail(w, j, file);
        return;
    }
    place_apply(w, j->place, file, j, true);
    j->at++;
    j->next_ms = w->mono_ms + FILE_MS;
}

void job_run(struct world *w, struct attempt *j)
{
    const struct place *p = &w->places[j->place];
    if (world_fault(w, 20)) {
        job_end(w, j, 137, OUTCOME_NONE, NULL); /* killed: no result */
    } else if (j->phase == JOB_WAITING) {
        start(w, j);
    } else if (!p->up) {
        job_end(w, j, 9, OUTCOME_UNREACHABLE, REASON_DATABASE_UNAVAILABLE);
    } else if (p->epoch != j->attempt) {
        job_end(w, j, 11, OUTCOME_FENCED, REASON_ASSIGNMENT_STALE);
    } else {
        next_file(w, j);
    }
}
