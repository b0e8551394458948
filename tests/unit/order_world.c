/* SPDX-License-Identifier: Apache-2.0 */
/* Time, and the life of the controller: it observes, decides, stores, acts, and dies between. */
#include "order_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/reason.h"

/* ---- chance ------------------------------------------------------------------------------------- */

uint64_t world_draw(struct world *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int world_pick(struct world *w, int below)
{
    return (int)(world_draw(w) % (uint64_t)below);
}

bool world_chance(struct world *w, int one_in)
{
    return world_draw(w) % (uint64_t)one_in == 0;
}

bool world_fault(struct world *w, int one_in)
{
    if (w->faults <= 0 || !world_chance(w, one_in)) {
        return false;
    }
    w->faults--;
    w->hampered = true;
    return true;
}

/* ---- words -------------------------------------------------------------------------------------- */

void world_say(const struct world *w, const char *fmt, ...)
{
    if (w->log) {
        va_list args;
        va_start(args, fmt);
        printf("%9lld ", (long long)w->mono_ms);
        vprintf(fmt, args);
        printf("\n");
        va_end(args);
    }
}

void world_broken(struct world *w, const char *what)
{
    if (!w->trouble[0]) {
        (void)snprintf(w->trouble, sizeof w->trouble, "at %lld: %s", (long long)w->mono_ms, what);
        world_say(w, "******** %s", what);
    }
}

static void say_decision(const struct world *w, const struct decision *d)
{
    const struct condition *ready = &d->status.conditions[CONDITION_READY];
    const struct rollout_status *r = &d->status.rollout;
    char names[128] = "";
    size_t at = 0;
    for (size_t i = 0; i < d->count && at < sizeof names - NAME_LEN; i++) {
        at += (size_t)snprintf(names + at, sizeof names - at, " %s",
                               w->spec.entries[d->databases[i]].name);
    }
    world_say(w, "%s%s %s wave %d %s: Ready=%s %s: %s", effect_text(d->effect), names,
              r->present ? r->commit + 6 + 26 : "-", (int)r->wave_index,
              r->present ? rollout_phase_text(r->phase) : "-", condition_status_text(ready->status),
              ready->reason ? ready->reason : "", ready->message ? ready->message : "");
}

/* At a start: who has begun, who is in which wave, and what each of them has left. */
static void say_members(const struct world *w, const struct decision *d)
{
    if (!d->status.rollout.digest[0] || strcmp(d->status.rollout.digest, w->digest) == 0) {
        return;
    }
    for (size_t i = 0; i < d->status.database_count; i++) {
        const struct database_status *database = &d->status.databases[i];
        const struct database_view *view = &w->views[i];
        char left[128] = "?";
        size_t at = 0;
        for (size_t k = 0; view->plan && k < view->plan->action_count && at < 100; k++) {
            at += (size_t)snprintf(left + at, sizeof left - at, " %d",
                                   view->plan->actions[k].file->sha256[0]);
        }
        world_say(w, "           %s: wave %d%s%s%s, left:%s", database->name, (int)database->member,
                  database->begun ? ", begun" : "", database->verified[0] ? ", verified" : "",
                  view->empty ? ", empty" : "",
                  view->plan_error    ? view->plan_error->message
                  : at || !view->plan ? left
                                      : " none");
    }
}

/* ---- the controller's life ---------------------------------------------------------------------- */

static void begin_process(struct world *w)
{
    w->process = (struct process){ .polled = -1, .next_poll_ms = w->mono_ms + 10 };
    for (int i = 0; i < w->spec.count; i++) {
        struct entry *e = &w->spec.entries[i];
        e->view = (struct database_view){ 0 };
        e->look_ends_ms = e->look_began_ms = e->job_ended_ms = 0;
        e->next_look_ms = INT64_MAX;
        e->before_retry = false;
        e->recorded_attempt = 0;
    }
    w->wake_ms = w->mono_ms;
    w->look_again = true;
}

void world_crash(struct world *w, int64_t down_ms)
{
    struct json *json = status_format(&w->stored);
    status_done(&w->status);
    status_parse(json, &w->status);
    json_free(json);
    w->dirty = false;
    w->down_until_ms = down_ms ? w->mono_ms + down_ms : 0;
    begin_process(w);
    w->figures->crashes++;
    oracle_died(&w->oracle);
    world_say(w, "==== the controller dies, for %lld ms", (long long)down_ms);
}

void world_forget_status(struct world *w)
{
    status_done(&w->status);
    status_done(&w->stored);
    status_init(&w->status);
    status_init(&w->stored);
    w->dirty = false;
    begin_process(w);
    oracle_forgotten(&w->oracle);
}

static void store(struct world *w)
{
    status_done(&w->stored);
    status_copy(&w->status, &w->stored);
    w->dirty = false;
    oracle_stored(&w->oracle);
}

/* A retry counts after a look that began after it came. */
static void take_retry(struct world *w)
{
    if (!w->retry[0] || strcmp(w->retry, w->process.retry) == 0 || w->spec.suspend ||
        str_eq(w->status.last_handled_retry, w->retry)) {
        return;
    }
    memcpy(w->process.retry, w->retry, sizeof w->retry);
    w->process.retry_ms = w->mono_ms;
    w->process.next_poll_ms = w->mono_ms + 20;
    for (int i = 0; i < w->spec.count; i++) {
        struct entry *e = &w->spec.entries[i];
        e->before_retry = true;
        e->look_ends_ms = 0; /* one that is on is asked for again */
        look_begin(w, e);
    }
}

static void note_rollout(struct world *w, const struct decision *d)
{
    const struct rollout_status *r = &d->status.rollout;
    const char *digest = r->present ? r->digest : "";
    if (strcmp(digest, w->digest) != 0) {
        memcpy(w->digest, digest, strlen(digest) + 1);
        w->statements = 0;
    }
}

/* Did this decision find every database at the commit, and no roll-out on any more? */
static bool is_finished(const struct world *w, const struct decision *d)
{
    if (d->status.rollout.present || w->spec.suspend) {
        return false;
    }
    for (int i = 0; i < w->spec.count; i++) {
        const struct database_view *view = &w->views[i];
        if (view->inspection != INSPECTION_OK || !view->plan || view->plan_error ||
            view->plan->action_count > 0 || view->owner != OWNER_MINE || !view->after_job) {
            return false;
        }
    }
    return w->spec.count > 0;
}

static void note_finished(struct world *w, const struct decision *d)
{
    int commit = commit_find(w, d->status.last_applied_commit);
    bool finished = commit >= 0 && is_finished(w, d);
    if (finished && (!w->was_ready || strcmp(w->finished, d->status.last_applied_commit) != 0)) {
        uint64_t inputs[ORACLE_DATABASES] = { 0 };
        for (int i = 0; i < w->spec.count; i++) {
            inputs[w->spec.entries[i].place] = tree_hash(w, commit, &w->spec.entries[i]);
        }
        oracle_finished(&w->oracle, inputs);
        memcpy(w->finished, d->status.last_applied_commit, sizeof w->finished);
    }
    w->was_ready = finished;
}

/* What a finished roll-out verified changes at no other time. */
static void check_verified(struct world *w, const struct observed *seen, const struct decision *d)
{
    for (size_t i = 0; MEMORY_CHECKED && i < d->status.database_count && !is_finished(w, d); i++) {
        const struct database_status *now = &d->status.databases[i];
        const struct database_status *was = status_database(seen->status, now->name);
        if (was ? strcmp(was->verified, now->verified) != 0 : now->verified[0] != '\0') {
            world_broken(w, "rule 3: verified changes though no roll-out ends");
        }
    }
}

static void decide(struct world *w, struct decision *out)
{
    struct observed seen;
    take_retry(w);
    observe(w, &seen);
    step_decide(&seen, out);
    w->figures->decisions++;
    if (w->log) {
        say_decision(w, out);
        say_members(w, out);
    }
    const char *trouble = check_decision(&seen, out);
    if (trouble) {
        world_broken(w, trouble);
    }
    note_rollout(w, out);
    if (!w->deleting) {
        tell_oracle(w, &seen, out);
    }
    if (!w->deleting) {
        check_verified(w, &seen, out);
        note_finished(w, out);
    }
}

static void remember(struct world *w, struct decision *d)
{
    bool changed = !status_equal(&w->status, &d->status);
    status_done(&w->status);
    w->status = d->status;
    status_init(&d->status);
    w->dirty = w->dirty || changed;
    w->wake_ms = d->requeue_after_ms < 0 ? -1 : w->mono_ms + d->requeue_after_ms;
}

/* What a process has decided, it stores and does; it may die between any two of these lines. */
static bool dies_on_the_way(struct world *w, const struct decision *d)
{
    bool conditions = !status_conditions_equal(&w->stored, &w->status);
    if (world_fault(w, 40)) {
        return true;
    }
    if (d->write_first || (w->dirty && conditions)) {
        if (world_fault(w, 15)) {
            w->wake_ms = w->mono_ms + 1000; /* the write was refused */
            if (d->write_first) {
                return false;
            }
        } else {
            store(w);
        }
        if (world_fault(w, 30)) {
            return true;
        }
    }
    act(w, d);
    if (world_fault(w, d->effect == EFFECT_CREATE_JOB ? 8 : 40)) {
        return true;
    }
    if (w->dirty && !world_fault(w, 10)) {
        store(w);
    }
    return false;
}

static void live_once(struct world *w)
{
    struct decision d;
    w->look_again = false;
    decide(w, &d);
    remember(w, &d);
    bool died = dies_on_the_way(w, &d);
    observation_done(w);
    decision_done(&d);
    if (w->oracle.trouble[0]) {
        world_broken(w, w->oracle.trouble);
    }
    if (died) {
        world_crash(w, world_chance(w, 2) ? 0 : world_pick(w, 60000));
    }
}

/* ---- polls and fetches -------------------------------------------------------------------------- */

static void end_poll(struct world *w)
{
    struct process *p = &w->process;
    p->next_poll_ms = w->mono_ms + 60000;
    w->look_again = true;
    if (!w->git_up) {
        p->poll = (struct failure){ REASON_SOURCE_UNAVAILABLE, "could not connect", 0,
                                    p->poll.reason ? p->poll.count + 1 : 1 };
        p->poll_failed_ms = w->mono_ms;
        return;
    }
    p->poll = (struct failure){ 0 };
    p->polled = w->tips[w->spec.branch];
}

static void end_fetch(struct world *w, int commit)
{
    struct fetch_memory *f = &w->process.fetched[commit];
    f->ends_ms = 0;
    w->look_again = true;
    if (w->git_up && !w->commits[commit].lost) {
        f->state = FETCH_DONE;
        f->failures = 0;
        f->against = commit_find(w, w->status.last_applied_commit);
    } else {
        f->state = FETCH_FAILED;
        f->failed_ms = w->mono_ms;
        f->failures++;
    }
}

/* ---- time --------------------------------------------------------------------------------------- */

static void sooner(int64_t at, int64_t *next)
{
    if (at > 0 && at < *next) {
        *next = at;
    }
}

static int64_t next_event(const struct world *w)
{
    int64_t next = INT64_MAX;
    bool alive = w->down_until_ms == 0, looks = alive && !w->spec.suspend && !w->deleting;
    sooner(w->down_until_ms, &next);
    sooner(looks ? w->process.next_poll_ms : 0, &next);
    for (int i = 0; alive && i < w->commit_count; i++) {
        sooner(w->process.fetched[i].ends_ms, &next);
    }
    for (int i = 0; alive && i < w->process.gate_count; i++) {
        sooner(w->process.gates[i].ends_ms, &next);
    }
    for (int i = 0; alive && i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        sooner(e->look_ends_ms, &next);
        sooner(looks && e->next_look_ms != INT64_MAX ? e->next_look_ms : 0, &next);
    }
    for (int i = 0; i < JOBS; i++) {
        sooner(job_live(&w->jobs[i]) ? w->jobs[i].next_ms : 0, &next);
        sooner(w->jobs[i].present && w->jobs[i].appears_ms > w->mono_ms ? w->jobs[i].appears_ms : 0,
               &next);
    }
    return next;
}

static bool due(int64_t at, const struct world *w)
{
    return at > 0 && at <= w->mono_ms;
}

static void happen_to_controller(struct world *w)
{
    bool looks = !w->spec.suspend && !w->deleting;
    if (looks && due(w->process.next_poll_ms, w)) {
        end_poll(w);
    }
    for (int i = 0; i < w->commit_count; i++) {
        if (due(w->process.fetched[i].ends_ms, w)) {
            end_fetch(w, i);
        }
    }
    for (int i = 0; i < w->process.gate_count; i++) {
        if (due(w->process.gates[i].ends_ms, w)) {
            gate_ended(w, &w->process.gates[i]);
        }
    }
    for (int i = 0; i < w->spec.count; i++) {
        struct entry *e = &w->spec.entries[i];
        if (due(e->look_ends_ms, w)) {
            look_end(w, e);
        } else if (looks && due(e->next_look_ms, w)) {
            e->next_look_ms = w->mono_ms + w->spec.interval_ms;
            look_begin(w, e);
        }
    }
}

static void happen(struct world *w)
{
    if (due(w->down_until_ms, w)) {
        w->down_until_ms = 0;
        begin_process(w);
    }
    if (w->down_until_ms == 0) {
        happen_to_controller(w);
    }
    for (int i = 0; i < JOBS; i++) {
        struct attempt *j = &w->jobs[i];
        if (job_live(j) && due(j->next_ms, w)) {
            job_run(w, j);
        }
        w->look_again = w->look_again || (j->present && j->appears_ms == w->mono_ms);
    }
}

bool world_on(const struct world *w)
{
    return w->status.rollout.present && w->status.rollout.digest[0];
}

bool world_rests(const struct world *w)
{
    if (w->down_until_ms || w->look_again || w->wake_ms >= 0) {
        return false;
    }
    for (int i = 0; i < JOBS; i++) {
        if (job_live(&w->jobs[i])) {
            return false;
        }
    }
    for (int i = 0; i < w->spec.count; i++) {
        if (w->spec.entries[i].look_ends_ms) {
            return false;
        }
    }
    return true;
}

void world_run(struct world *w, int64_t until_ms, bool (*when)(const struct world *w, int64_t arg),
               int64_t arg)
{
    for (int rounds = 0; rounds < 6000 && !w->trouble[0] && !w->forgotten; rounds++) {
        if (when && when(w, arg)) {
            return;
        }
        bool awake = w->wake_ms >= 0 && w->wake_ms <= w->mono_ms;
        if (w->down_until_ms == 0 && (w->look_again || awake)) {
            live_once(w);
            continue;
        }
        int64_t next = next_event(w);
        if (w->down_until_ms == 0 && w->wake_ms >= 0 && w->wake_ms < next) {
            next = w->wake_ms;
        }
        if (next > until_ms) {
            w->mono_ms = until_ms > w->mono_ms ? until_ms : w->mono_ms;
            return;
        }
        w->mono_ms = next > w->mono_ms ? next : w->mono_ms;
        happen(w);
        if (w->oracle.trouble[0]) {
            world_broken(w, w->oracle.trouble);
        }
    }
    if (!w->trouble[0] && !w->forgotten) {
        world_broken(w, "rule 3: no rest");
    }
}

/* ---- the whole ---------------------------------------------------------------------------------- */

void world_init(struct world *w, uint64_t seed, struct figures *figures, bool log)
{
    memset(w, 0, sizeof *w);
    w->random = seed * 0x2545f4914f6cdd1du + 1;
    w->figures = figures;
    w->log = log;
    w->generation = 1;
    w->mono_ms = 1000;
    status_init(&w->status);
    status_init(&w->stored);
    oracle_init(&w->oracle);
    git_init(w);
    for (int p = 0; p < PLACES; p++) {
        place_init(w, p);
    }
    for (int g = 0; g < GATE_NAMES; g++) {
        w->moods[g] = ORACLE_YES;
    }
    spec_make(w);
    begin_process(w);
}

void world_done(struct world *w)
{
    status_done(&w->status);
    status_done(&w->stored);
}
