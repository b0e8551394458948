/* SPDX-License-Identifier: Apache-2.0 */
/* One seed: a plan, events at moments that hurt, then rest, and what must be true of it. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "model/reason.h"
#include "order_world.h"

const char *const row_texts[ROW_MAX_] = {
    [ROW_INPUTS] = "inputs edited: source, revision, migrations, paths",
    [ROW_ORDER] = "waves edited",
    [ROW_ALL_AT_ONCE] = "strategy.type edited",
    [ROW_PACE] = "maxParallel, maxFailures, timeouts, intervals edited",
    [ROW_ADDED_EMPTY] = "database added, empty",
    [ROW_ADDED_HISTORY] = "database added, with a history",
    [ROW_RENAMED] = "databases renamed",
    [ROW_UNREACHABLE] = "database unreachable, or reachable again",
    [ROW_REMOVED] = "database removed, label gone",
    [ROW_BACK] = "database back again",
    [ROW_SECRET] = "its Secret leads elsewhere",
    [ROW_BY_HAND] = "files run by hand",
    [ROW_SAME_INPUTS] = "new commit, same inputs",
    [ROW_MORE_FILES] = "new commit, more files",
    [ROW_WITHDRAWN] = "a pending file reverted, edited, removed, force-pushed",
    [ROW_RETRY] = "retry",
    [ROW_SUSPEND] = "suspend, resume",
    [ROW_FREEZE] = "freezes edited",
    [ROW_DELETED] = "plan deleted and created again",
    [ROW_DIES] = "the controller dies",
    [ROW_CLOCK] = "its clock jumps",
    [ROW_DATABASE_CLOCK] = "a database's clock jumps",
    [ROW_STATUS_LOST] = "status lost",
};

/* ---- events of the platform --------------------------------------------------------------------- */

static bool retry(struct world *w)
{
    (void)snprintf(w->retry, sizeof w->retry, "r%lld", (long long)w->mono_ms);
    w->look_again = true;
    world_say(w, "#### retry");
    return true;
}

static bool suspend(struct world *w)
{
    w->spec.suspend = !w->spec.suspend;
    w->generation++;
    w->look_again = true;
    world_say(w, "#### suspend is %s", w->spec.suspend ? "true" : "false");
    return true;
}

/* One that has begun, or begins soon; or it is taken away. */
static bool edit_freeze(struct world *w)
{
    int64_t now_ms = WORLD_EPOCH_MS + w->mono_ms + w->utc_shift_ms;
    bool none = w->spec.freeze_to_ms > now_ms && world_chance(w, 2);
    w->spec.freeze_from_ms =
        none ? 0
             : now_ms + (world_chance(w, 2) ? -1000
                                            : world_pick(w, world_chance(w, 3) ? 1800000 : 60000));
    w->spec.freeze_to_ms = none ? 0 : w->spec.freeze_from_ms + 1000 + world_pick(w, 900000);
    w->generation++;
    w->look_again = true;
    world_say(w, "#### frozen from %lld to %lld, now is %lld", (long long)w->spec.freeze_from_ms,
              (long long)w->spec.freeze_to_ms, (long long)now_ms);
    return true;
}

static bool forgotten(const struct world *w, int64_t arg)
{
    (void)arg;
    return w->forgotten;
}

static bool delete_plan(struct world *w)
{
    world_say(w, "#### the plan is deleted");
    w->deleting = w->look_again = true;
    w->deleting_ms = w->mono_ms;
    world_run(w, w->mono_ms + 1800000, forgotten, 0);
    if (!w->forgotten) {
        world_broken(w, "rule 3: a deleted plan is not forgotten");
        return true;
    }
    w->forgotten = w->deleting = false;
    w->uid++;
    w->generation = 1;
    world_forget_status(w);
    world_say(w, "#### and created again");
    return true;
}

static bool die(struct world *w)
{
    world_crash(w, world_chance(w, 2) ? 0 : world_pick(w, 120000));
    return true;
}

static bool jump_clock(struct world *w)
{
    static const int64_t by[] = { -3600000, -60000, 60000, 3600000 };
    w->utc_shift_ms += by[world_pick(w, 4)];
    world_say(w, "#### the controller's clock is %lld ms ahead", (long long)w->utc_shift_ms);
    return true;
}

static bool jump_database_clock(struct world *w)
{
    const struct entry *e = &w->spec.entries[world_pick(w, w->spec.count)];
    static const int64_t by[] = { -300000, -30000, 30000, 300000 };
    w->places[e->place].clock_ms += by[world_pick(w, 4)];
    world_say(w, "#### the clock of %s jumps to %lld", e->name,
              (long long)w->places[e->place].clock_ms);
    return true;
}

static bool lose_status(struct world *w)
{
    world_say(w, "#### status is lost");
    world_forget_status(w);
    return true;
}

/* ---- events that are in no row ------------------------------------------------------------------- */

static void change_mood(struct world *w)
{
    int gate = world_pick(w, GATE_NAMES);
    static const int moods[] = { ORACLE_NO, ORACLE_NO, ORACLE_SILENT };
    bool yes = w->moods[gate] == ORACLE_YES && !world_chance(w, 4);
    w->moods[gate] = yes ? moods[world_pick(w, 3)] : ORACLE_YES;
    world_say(w, "#### gate %d will say %s", gate,
              w->moods[gate] == ORACLE_YES  ? "yes"
              : w->moods[gate] == ORACLE_NO ? "no"
                                            : "nothing");
}

static void change_git(struct world *w)
{
    w->git_up = !w->git_up;
    w->hampered = true;
    world_say(w, "#### the repository %s", w->git_up ? "answers again" : "does not answer");
}

static const struct event_row {
    enum row row;
    int weight;
    bool edit;
    bool (*happens)(struct world *w);
} events[] = {
    { ROW_INPUTS, 8, true, edit_inputs },
    { ROW_ORDER, 14, true, edit_order },
    { ROW_ALL_AT_ONCE, 3, true, edit_type },
    { ROW_PACE, 6, true, edit_pace },
    { ROW_ADDED_EMPTY, 3, true, add_empty },
    { ROW_ADDED_HISTORY, 5, true, add_with_history },
    { ROW_RENAMED, 4, true, rename_entry },
    { ROW_UNREACHABLE, 3, false, lose_server },
    { ROW_REMOVED, 8, true, remove_entry },
    { ROW_BACK, 6, true, bring_back },
    { ROW_SECRET, 2, false, change_secret },
    { ROW_BY_HAND, 8, false, run_by_hand },
    { ROW_SAME_INPUTS, 3, false, push_same },
    { ROW_MORE_FILES, 12, false, push_more },
    { ROW_WITHDRAWN, 6, false, push_withdrawal },
    { ROW_RETRY, 6, false, retry },
    { ROW_SUSPEND, 5, true, suspend },
    { ROW_FREEZE, 5, true, edit_freeze },
    { ROW_DELETED, 1, false, delete_plan },
    { ROW_DIES, 5, false, die },
    { ROW_CLOCK, 2, false, jump_clock },
    { ROW_DATABASE_CLOCK, 4, false, jump_database_clock },
    { ROW_STATUS_LOST, 4, false, lose_status },
};

static void happen_once(struct world *w)
{
    int total = 0, count = (int)(sizeof events / sizeof *events);
    for (int i = 0; i < count; i++) {
        total += events[i].weight;
    }
    for (int tries = 0; tries < 8; tries++) {
        int at = world_pick(w, total), i = 0;
        while (at >= events[i].weight) {
            at -= events[i++].weight;
        }
        bool on = world_on(w), ran = w->statements > 0;
        if (events[i].happens(w)) {
            w->figures->edits += events[i].edit;
            w->figures->hits[events[i].row][ran] += on;
            return;
        }
    }
}

/* ---- moments ------------------------------------------------------------------------------------ */

static bool after_statement(const struct world *w, int64_t since)
{
    return w->statement_ms > since;
}

static bool in_soak(const struct world *w, int64_t since)
{
    (void)since;
    return world_on(w) && w->status.rollout.phase == PHASE_SOAKING;
}

static bool in_later_wave(const struct world *w, int64_t since)
{
    (void)since;
    return world_on(w) && w->status.rollout.wave_index > 0;
}

static bool after_failure(const struct world *w, int64_t since)
{
    (void)since;
    return world_on(w) && w->status.rollout.phase == PHASE_FAILED;
}

static bool just_begun(const struct world *w, int64_t since)
{
    (void)since;
    return world_on(w) && w->statements == 0;
}

static bool after_answer(const struct world *w, int64_t since)
{
    for (int i = 0; i < w->process.gate_count; i++) {
        if (w->process.gates[i].taken_ms > since) {
            return true;
        }
    }
    return false;
}

static bool when_ready(const struct world *w, int64_t since)
{
    (void)since;
    return w->was_ready;
}

static void await_moment(struct world *w)
{
    static bool (*const moments[])(const struct world *w, int64_t since) = {
        NULL,       NULL,          after_statement, after_statement, in_soak,   in_soak,
        just_begun, in_later_wave, after_failure,   after_answer,    when_ready
    };
    int pick = world_pick(w, (int)(sizeof moments / sizeof *moments));
    int64_t most = moments[pick] ? 150000 : world_pick(w, 40000);
    world_run(w, w->mono_ms + most, moments[pick], w->mono_ms);
    if (moments[pick] && world_chance(w, 2)) { /* not at the same point of every state */
        world_run(w, w->mono_ms + world_pick(w, 3000), NULL, 0);
    }
}

/* ---- the end ------------------------------------------------------------------------------------ */

static bool at_rest(const struct world *w, int64_t since)
{
    return w->mono_ms > since + 250000 && world_rests(w);
}

static void come_to_rest(struct world *w)
{
    world_run(w, w->mono_ms + 8 * INT64_C(3600000), at_rest, w->mono_ms);
    if (!w->trouble[0] && !world_rests(w)) {
        const struct condition *ready = &w->status.conditions[CONDITION_READY];
        char text[300];
        (void)snprintf(text, sizeof text, "rule 3: it waits for ever: %s: %.200s", ready->reason,
                       ready->message);
        world_broken(w, text);
    }
}

static bool is_ready(const struct world *w)
{
    return w->status.conditions[CONDITION_READY].status == CONDITION_TRUE;
}

/* The entry whose database belongs to another one that is there; -1: none. */
static int find_conflict(const struct world *w)
{
    for (int i = 0; i < w->spec.count; i++) {
        const struct place *p = &w->places[w->spec.entries[i].place];
        bool other = p->owner[0] && strcmp(p->owner, w->spec.entries[i].name) != 0;
        if (other && p->owner_uid == w->uid && spec_find(w, p->owner) >= 0) {
            return i;
        }
    }
    return -1;
}

static bool all_up_to_date(struct world *w, bool *obstacle)
{
    static struct judgement judgement;
    bool all = true;
    spec_build(w);
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        all = entry_judged(w, i, newest_commit(w), &judgement) && all;
        *obstacle = *obstacle || judgement.error || e->place != e->home;
        for (size_t k = 0; k < judgement.plan.action_count; k++) {
            *obstacle = *obstacle || w->files[judgement.plan.actions[k].file->sha256[0]].bad;
        }
        err_free(judgement.error);
    }
    return all;
}

/* At rest it is Ready at the newest commit, or Stalled for something that is so. */
static void check_rest(struct world *w)
{
    const struct condition *ready = &w->status.conditions[CONDITION_READY];
    int applied = commit_find(w, w->status.last_applied_commit);
    bool rewritten = applied >= 0 && !commit_descends(w, newest_commit(w), applied);
    bool lost = newest_commit(w) >= 0 && w->commits[newest_commit(w)].lost; /* pinned to it */
    bool obstacle = w->said_no || w->hampered || rewritten || lost || find_conflict(w) >= 0;
    if (w->trouble[0]) {
        return;
    }
    bool all = all_up_to_date(w, &obstacle);
    if (ready->status == CONDITION_TRUE) {
        if (!all) {
            world_broken(w, "rule 3: Ready, but a database is not at the newest commit");
        }
        return;
    }
    w->figures->stalled++;
    bool explained = obstacle || str_eq(ready->reason, REASON_INVALID_SPEC) ||
                     str_eq(ready->reason, REASON_TARGET_CHANGED);
    if (w->status.conditions[CONDITION_STALLED].status != CONDITION_TRUE || !explained) {
        char text[300];
        (void)snprintf(text, sizeof text, "rule 3: nothing is in the way, but %s: %.200s",
                       ready->reason, ready->message);
        world_broken(w, text);
    }
}

static void stop_faults(struct world *w)
{
    w->faults = 0;
    w->git_up = true;
    w->spec.timeout_ms = w->spec.timeout_ms < 3600000 ? 3600000 : w->spec.timeout_ms;
    for (int p = 0; p < PLACES; p++) {
        w->places[p].up = true;
    }
    if (w->spec.suspend) {
        (void)suspend(w);
    }
    if (w->spec.freeze_to_ms > 0 && world_chance(w, 2)) { /* else it ends by itself */
        w->spec.freeze_from_ms = w->spec.freeze_to_ms = 0;
        w->generation++;
        w->look_again = true;
    }
    for (int g = 0; g < GATE_NAMES; g++) {
        w->moods[g] = w->moods[g] == ORACLE_SILENT ? ORACLE_YES : w->moods[g];
    }
    world_say(w, "#### no more faults");
}

/* Rows whose files were changed since are put right, as `repair` does. */
static void repair(struct world *w, int place, uint64_t tree)
{
    struct content *c = &w->places[place].content;
    for (uint64_t left = tree; left; left &= left - 1) {
        int file = __builtin_ctzll(left);
        for (int i = 0; i < c->count; i++) {
            if (w->files[c->applied[i]].version == w->files[file].version &&
                c->applied[i] != file) {
                oracle_repaired(&w->oracle, place, c->applied[i], file);
                c->applied[i] = (int8_t)file;
            }
        }
    }
}

/* The databases that the Secrets lead to are the right ones. */
static void accept_targets(struct world *w)
{
    size_t at = 0;
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        const char *target = w->places[e->place].target;
        const struct database_status *known = status_database(&w->status, e->name);
        if (known && strncmp(known->target, target, 8) != 0) {
            at += (size_t)snprintf(w->accept + at, sizeof w->accept - at, "%s%s=%.8s",
                                   at ? "," : "", e->name, target[0] ? target : "none");
        }
    }
}

/* A person settles all that is left, and says so. */
static void settle(struct world *w)
{
    w->cured = true;
    w->spec.pinned = -1;
    w->spec.allow_rewrite = true;
    w->process.polled = -1;
    w->process.next_poll_ms = w->mono_ms + 20;
    w->commits[w->tips[w->spec.branch]].lost = false;
    for (int i = 0; i < w->spec.count; i++) {
        struct entry *e = &w->spec.entries[i];
        if (e->place != e->home) {
            e->place = e->home;
            forget_entry(e);
        }
        e->out_of_order = e->ignore_missing = true;
        repair(w, e->place, tree_files(w, w->tips[w->spec.branch], e->dirs));
    }
    for (int at = find_conflict(w); at >= 0; at = find_conflict(w)) {
        entry_remove(w, at); /* one of the two entries goes */
    }
    spec_sane_waves(w);
    for (int g = 0; g < GATE_NAMES; g++) {
        w->moods[g] = ORACLE_YES;
    }
    accept_targets(w);
    spec_edited(w, true);
    (void)retry(w);
    world_say(w, "#### a person puts everything right");
}

void script_play(struct world *w)
{
    w->faults = world_chance(w, 3) ? 0 : world_pick(w, 14);
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        if (!world_chance(w, 6)) {
            give_history(w, e->place, e->dirs);
        }
    }
    if (!world_chance(w, 4)) {
        world_run(w, w->mono_ms + 600000, when_ready, 0);
    }
    int count = 3 + world_pick(w, 10);
    if (w->was_ready && !w->trouble[0]) {
        (void)push_more(w);
    }
    for (int i = 0; i < count && !w->trouble[0]; i++) {
        await_moment(w);
        if (world_chance(w, 6)) {
            change_mood(w);
        } else if (world_chance(w, 30)) {
            change_git(w);
        } else if (!w->trouble[0]) {
            happen_once(w);
        }
    }
    stop_faults(w);
    come_to_rest(w);
    check_rest(w);
    for (int tries = 0; tries < 3 && !w->trouble[0] && !is_ready(w); tries++) {
        settle(w);
        come_to_rest(w);
    }
    if (!w->trouble[0] && !is_ready(w)) {
        const struct condition *ready = &w->status.conditions[CONDITION_READY];
        char text[300];
        (void)snprintf(text, sizeof text, "rule 3: all is put right, but %s: %.200s", ready->reason,
                       ready->message);
        world_broken(w, text);
    }
}
