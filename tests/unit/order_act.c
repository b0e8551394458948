/* SPDX-License-Identifier: Apache-2.0 */
/* What the effect of a decision does: lost, doubled and late now and then. */
#include <stdio.h>
#include <string.h>

#include "model/reason.h"
#include "order_world.h"

/* ---- Jobs --------------------------------------------------------------------------------------- */

static struct attempt *free_job(struct world *w)
{
    struct attempt *oldest = NULL;
    for (int i = 0; i < JOBS; i++) {
        struct attempt *j = &w->jobs[i];
        if (!j->present) {
            return j;
        }
        if (!job_live(j) && (!oldest || j->id < oldest->id)) {
            oldest = j; /* long ended: its time to live is over */
        }
    }
    return oldest;
}

/* The same name: what is asked for once more is the Job that is there; what lands late then, is not
 * made. */
static bool is_there(struct world *w, const struct entry *e, int64_t attempt)
{
    bool there = false;
    for (int i = 0; i < JOBS; i++) {
        struct attempt *j = &w->jobs[i];
        if (!j->present || j->uid != w->uid || strcmp(j->entry, e->name) != 0 ||
            j->attempt != attempt) {
            continue;
        }
        if (j->appears_ms > w->mono_ms) {
            j->present = false;
            oracle_job_gone(&w->oracle, j->id);
        } else {
            there = true;
        }
    }
    return there;
}

static void check_memory(struct world *w, const struct entry *e)
{
    const struct database_status *d = status_database(&w->stored, e->name);
    if (MEMORY_CHECKED && !w->stored.rollout.catch_up && (!d || !d->begun)) {
        world_broken(w, "rule 3: a Job of a database that is not stored as begun");
    }
    for (int i = 0; i < JOBS; i++) {
        if (job_live(&w->jobs[i]) && w->jobs[i].uid == w->uid &&
            strcmp(w->jobs[i].entry, e->name) == 0) {
            world_broken(w, "rule 3: two live Jobs of one database");
        }
    }
}

static void fill_files(const struct plan *plan, struct attempt *j)
{
    for (size_t i = 0; plan && i < plan->action_count; i++) {
        j->files[j->count++] = (int8_t)plan->actions[i].file->sha256[0];
    }
}

/* Does it begin no file in the freeze of the spec? Its runner gives up by itself after startTimeout and deadline. */
static bool stops_in_time(const struct world *w, const struct attempt *j)
{
    const struct spec *s = &w->spec;
    int64_t begins_ms = s->freeze_from_ms - WORLD_EPOCH_MS - w->utc_shift_ms; /* mono */
    int64_t over_ms = w->mono_ms + s->start_timeout_ms + WORLD_DEADLINE_MS;
    return s->freeze_to_ms == 0 || begins_ms <= w->mono_ms || over_ms <= begins_ms ||
           (j->stop_ms > 0 && j->stop_ms <= begins_ms + 1000);
}

static void judge_job(struct world *w, const struct entry *e, const struct attempt *j)
{
    int64_t now_ms = WORLD_EPOCH_MS + w->mono_ms + w->utc_shift_ms;
    /* Whole seconds, as a status and an assignment have them. */
    bool frozen = w->spec.freeze_from_ms <= now_ms - now_ms % 1000 && now_ms < w->spec.freeze_to_ms;
    struct oracle_job job = { .database = e->place,
                              .empty = e->view.empty,
                              .suspended = w->spec.suspend,
                              .frozen = frozen,
                              .too_long = !stops_in_time(w, j),
                              .tree = tree_files(w, j->commit, e->dirs),
                              .inputs = tree_hash(w, j->commit, e) };
    int newest = newest_commit(w);
    for (int i = 0; i < j->count; i++) {
        job.files |= UINT64_C(1) << (unsigned)j->files[i];
    }
    job.newest_known = newest >= 0 && commit_fetched(w, newest);
    job.newest = newest >= 0 ? tree_files(w, newest, e->dirs) : 0;
    oracle_job(&w->oracle, j->id, &job);
}

static void create_failed(struct world *w, struct entry *e)
{
    e->view.create = (struct failure){ REASON_NAME_CONFLICT, "could not create", 0,
                                       e->view.create.reason ? e->view.create.count + 1 : 1 };
    e->create_ms = w->mono_ms;
}

static void create_job(struct world *w, const struct decision *d, size_t at)
{
    struct entry *e = &w->spec.entries[d->databases[at]];
    const struct new_job *new = &d->jobs[at];
    if (is_there(w, e, new->attempt)) {
        return;
    }
    check_memory(w, e);
    /* An error says that nothing was made, or no answer comes, and it lands later all the same. */
    bool failed = world_fault(w, 12), late = failed && world_chance(w, 2);
    if (failed) {
        create_failed(w, e);
    }
    if (failed && !late) {
        return;
    }
    struct attempt *j = free_job(w);
    *j = (struct attempt){
        .present = true,
        .id = ++w->job_serial,
        .phase = JOB_WAITING,
        .uid = w->uid,
        .place = e->place,
        .commit = commit_find(w, d->commit),
        .attempt = new->attempt,
        .generation = w->generation,
        .expect_journal = e->view.journal,
        .appears_ms = w->mono_ms + (late ? 300 : 0),
        .created_ms = WORLD_EPOCH_MS + w->mono_ms + w->utc_shift_ms,
    };
    j->next_ms = j->appears_ms + 20 + (world_fault(w, 10) ? world_pick(w, 60000) : 0);
    memcpy(j->entry, e->name, sizeof j->entry);
    (void)snprintf(j->name, sizeof j->name, "%s-%d", e->name, (int)new->attempt);
    step_retry_token(&w->plan, &w->status, j->token);
    j->stop_ms = new->stop_in_ms >= 0 ? w->mono_ms + new->stop_in_ms : 0;
    fill_files(w->judgements[d->databases[at]].error ? NULL : e->view.plan, j);
    if (!late) {
        e->view.create = (struct failure){ 0 };
    }
    e->view.record = (struct failure){ 0 };
    e->recorded_attempt = 0;
    judge_job(w, e, j);
}

static void create_jobs(struct world *w, const struct decision *d)
{
    for (size_t at = 0; at < d->count; at++) {
        create_job(w, d, at);
        if (world_fault(w, 20)) {
            create_job(w, d, at); /* the answer was lost, so it is asked again */
        }
        if (world_fault(w, 25)) {
            break; /* a conflict: the rest waits for a newer look */
        }
    }
    w->look_again = true;
}

static void delete_job(struct world *w, const struct entry *e)
{
    struct attempt *j = job_of(w, e->name);
    if (j && j->phase == JOB_WAITING && !world_fault(w, 6)) { /* else it has just started */
        world_say(w, "         %s is deleted", j->name);
        j->present = false;
        oracle_job_gone(&w->oracle, j->id);
    }
    w->look_again = true;
}

static void cancel_job(struct world *w, const struct entry *e)
{
    struct attempt *j = job_of(w, e->name);
    if (j && job_live(j)) {
        job_end(w, j, 143, OUTCOME_INTERRUPTED, REASON_ATTEMPT_INTERRUPTED);
    }
}

static int file_of_script(const struct world *w, const struct attempt *j)
{
    for (int i = 0; i < j->count; i++) {
        if (strcmp(w->files[j->files[i]].script, j->script) == 0) {
            return j->files[i];
        }
    }
    return -1;
}

static void record_failure(struct world *w, struct entry *e)
{
    const struct attempt *j = job_of(w, e->name);
    struct place *p = &w->places[e->place];
    if (!j || !p->up || world_fault(w, 4)) {
        e->view.record = (struct failure){ REASON_DATABASE_UNAVAILABLE, "connection refused", 0,
                                           e->view.record.reason ? e->view.record.count + 1 : 1 };
        e->record_ms = w->mono_ms;
        return;
    }
    p->content.failed_file = file_of_script(w, j);
    memcpy(p->content.failed_token, j->token, sizeof j->token);
    p->content.failed_attempt = j->attempt;
    e->recorded_attempt = j->attempt;
    p->epoch++;
    p->journal++;
    e->view.busy = true;
    look_begin(w, e);
}

/* ---- gates -------------------------------------------------------------------------------------- */

static struct gate_memory *gate_cell(struct world *w, const char *wave, int name)
{
    struct process *p = &w->process;
    for (int i = 0; i < p->gate_count; i++) {
        if (strcmp(p->gates[i].wave, wave) == 0 && p->gates[i].name == name) {
            return &p->gates[i];
        }
    }
    int most = (int)(sizeof p->gates / sizeof *p->gates);
    if (p->gate_count == most) { /* of waves that were renamed since */
        memmove(p->gates, p->gates + 1, sizeof p->gates - sizeof *p->gates);
        p->gate_count--;
    }
    struct gate_memory *g = &p->gates[p->gate_count++];
    *g = (struct gate_memory){ .present = true, .name = name };
    (void)snprintf(g->wave, sizeof g->wave, "%s", wave);
    return g;
}

/* Which gate of the spec: it is borrowed from there. */
static bool locate_gate(const struct world *w, const struct mplan_gate *gate, int *wave, int *index)
{
    for (*wave = 0; *wave < w->spec.wave_count; (*wave)++) {
        for (*index = 0; *index < w->spec.waves[*wave].gate_count; (*index)++) {
            if (&w->gates[*wave][*index] == gate) {
                return true;
            }
        }
    }
    return false;
}

static void measure(struct world *w, const struct decision *d)
{
    int wave, index;
    if (!locate_gate(w, d->gate, &wave, &index)) {
        world_broken(w, "a measurement of a gate that is not in the spec");
        return;
    }
    struct gate_memory *g = gate_cell(w, d->wave, w->spec.waves[wave].gates[index].name);
    g->round = d->round;
    g->running = true;
    g->wave_index = wave;
    g->gate_index = index;
    g->answer = (struct gate_answer){ 0 };
    g->ends_ms = w->mono_ms + 100 + (world_fault(w, 8) ? world_pick(w, 40000) : 0);
    g->asked = oracle_asks(&w->oracle);
    g->databases = 0;
    for (size_t i = 0; i < d->count; i++) {
        g->databases |= 1u << (unsigned)w->spec.entries[d->databases[i]].place;
    }
}

void gate_ended(struct world *w, struct gate_memory *g)
{
    int mood = w->moods[g->name];
    for (int p = 0; p < PLACES; p++) {
        if ((g->databases >> p) & 1 && !w->places[p].up && mood == ORACLE_YES) {
            mood = ORACLE_SILENT;
        }
    }
    g->running = false;
    g->ends_ms = 0;
    g->taken_ms = w->mono_ms;
    w->look_again = true;
    w->said_no = w->said_no || mood == ORACLE_NO;
    gate_answer_add(&g->answer, "db", mood != ORACLE_SILENT, mood == ORACLE_YES,
                    mood == ORACLE_YES ? "t" : "f", "timeout");
    world_say(w, "         gate %d of %s: %s (round %d)", g->name, g->wave,
              mood == ORACLE_YES  ? "yes"
              : mood == ORACLE_NO ? "no"
                                  : "no answer",
              g->round);
    oracle_answered(&w->oracle, g->asked, g->wave_index, g->gate_index, g->databases,
                    (enum oracle_answer)mood);
}

/* What the controller writes by itself: not behind a runner that holds the lock, not over another owner. */
static void take_over(struct world *w, struct entry *e)
{
    struct place *p = &w->places[e->place];
    if (!p->up || place_locked(w, e->place) || place_owner(w, p, e) != OWNER_GONE ||
        world_fault(w, 10)) {
        e->view.record = (struct failure){ REASON_DATABASE_BUSY, "lock not available", 0, 1 };
        e->record_ms = w->mono_ms;
        return;
    }
    memcpy(p->owner, e->name, sizeof p->owner);
    p->owner_uid = w->uid;
    p->epoch++;
    e->view.record = (struct failure){ 0 };
    if (!world_fault(w, 4)) { /* else the answer is lost */
        e->view.busy = true;
        look_begin(w, e);
    }
}

/* ---- all of them -------------------------------------------------------------------------------- */

static void act_on_each(struct world *w, const struct decision *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct entry *e = &w->spec.entries[d->databases[i]];
        switch (d->effect) {
        case EFFECT_INSPECT:
            if (world_fault(w, 15)) { /* lost; the schedule comes round */
                e->next_look_ms = w->mono_ms + 5000;
            } else {
                look_begin(w, e);
            }
            break;
        case EFFECT_TAKE_OVER:
            take_over(w, e);
            break;
        case EFFECT_DELETE_JOB:
            delete_job(w, e);
            break;
        case EFFECT_CANCEL_JOB:
            cancel_job(w, e);
            break;
        default:
            break;
        }
    }
}

void act(struct world *w, const struct decision *d)
{
    int commit = commit_find(w, d->commit);
    switch (d->effect) {
    case EFFECT_REFRESH:
        w->process.next_poll_ms = w->mono_ms + 20;
        for (int i = 0; i < w->spec.count; i++) {
            look_begin(w, &w->spec.entries[i]);
        }
        break;
    case EFFECT_FETCH:
        if (commit >= 0) {
            w->process.fetched[commit].ends_ms = w->mono_ms + 100 + world_pick(w, 200);
        }
        break;
    case EFFECT_CREATE_JOB:
        create_jobs(w, d);
        break;
    case EFFECT_RECORD_FAILURE:
        record_failure(w, &w->spec.entries[d->databases[0]]);
        break;
    case EFFECT_MEASURE_GATE:
        measure(w, d);
        break;
    case EFFECT_FORGET:
        w->forgotten = true;
        break;
    default:
        act_on_each(w, d);
        break;
    }
}
