/* SPDX-License-Identifier: Apache-2.0 */
/* Exhaustive walk over what the order of a roll-out depends on: who has begun, what is verified, who is
 * empty, what the status froze, and every edit beside it. */
#include "step_view.h"

#define SAME "1111222233334444"
#define OTHER "9999222233334444"

enum {
    STANDS = 8, /* a database */
    MARKS = 4,  /* what is remembered of it */
    FROZEN = 9, /* the roll-out */
    EDITS = 11
};

static const struct migration *file(void)
{
    static struct migration one;
    one.script = text("V2__x.sql");
    one.sha256[0] = 2;
    return &one;
}

/* Two entries of the same tree: one file, applied here and pending there. */
static void set_stand(struct view *v, size_t i, int stand)
{
    static struct plan_entry entries[2][1];
    struct database_view *d = &v->databases[i];
    bool applied = stand == 0 || stand == 5;
    entries[i][0] =
        (struct plan_entry){ .state = applied ? STATE_SUCCESS : STATE_PENDING, .file = file() };
    v->plans[i].entries = entries[i];
    v->plans[i].entry_count = 1;
    if (!applied) {
        v->plans[i].action_count = 1;
        v->actions[i].file = file();
    }
    switch (stand) {
    case 2:
        d->empty = true;
        d->head = 0;
        break;
    case 3:
        set_job(v, i, 2);
        break;
    case 4:
        set_look(v, i, 4);
        break;
    case 5: /* applied, and its newest row is of the wanted commit */
        memcpy(d->newest_commit, COMMIT, sizeof COMMIT);
        break;
    case 6:
        fail_with(v, i, REASON_MIGRATION_FAILED);
        break;
    case 7:
        set_look(v, i, 0);
        break;
    default:
        break;
    }
}

static void set_mark(struct view *v, size_t i, int mark)
{
    struct database_status *d = &v->status.databases[i];
    d->begun = mark == 1;
    memcpy(d->verified, mark == 2 ? SAME : mark == 3 ? OTHER : "", mark >= 2 ? 17 : 1);
}

static void set_frozen(struct view *v, int frozen)
{
    struct rollout_status *r = &v->status.rollout;
    if (!r->present) {
        return;
    }
    rollout_order_hash(&v->plan, r->order);
    rollout_source_hash(&v->plan, r->source);
    r->lead = frozen == 3 || frozen == 4;
    r->wave_index = frozen == 4;
    r->restarted = strdup("strategy edited");
    for (size_t i = frozen == 5; i < v->status.database_count && (frozen == 5 || frozen == 8);
         i++) {
        v->status.databases[i].member = -1; /* one, or all of them, came later */
    }
}

/* NEVER, READY and a catch-up have nothing frozen of their own. */
static const enum memory memories[FROZEN] = { READY,      FIRST_WAVE, SOAKING,
                                              FIRST_WAVE, FIRST_WAVE, FIRST_WAVE,
                                              UNFROZEN,   CATCH_UP,   CATCH_UP };

static void set_edit(struct view *v, int edit)
{
    struct rollout_status *r = &v->status.rollout;
    struct commit_view *newest = &v->seen.source.newest;
    switch (edit) {
    case 1: /* strategy */
        memcpy(r->order, "another order 12", 17);
        break;
    case 2: /* source, read already */
        memcpy(r->source, "another source 1", 17);
        break;
    case 3: /* source, not read yet */
        memcpy(r->source, "another source 1", 17);
        v->seen.source.rollout = *newest;
        memset(newest, 0, sizeof *newest);
        v->databases[0].inputs[0] = '\0'; /* its paths are not there yet */
        break;
    case 10: /* source, of which the same commit has other files */
        memcpy(r->source, "another source 1", 17);
        __attribute__((fallthrough));
    case 4: /* migrations */
        for (size_t i = 0; i < 2; i++) {
            memcpy(v->databases[i].inputs, OTHER, 17);
        }
        break;
    case 9: /* source, of which the newest commit has other files */
        memcpy(r->source, "another source 1", 17);
        __attribute__((fallthrough));
    case 5: /* a newer commit with more files */
    case 6: /* that takes back what is pending */
        v->seen.source.rollout = *newest;
        memcpy(newest->commit, OLDER, sizeof OLDER);
        for (size_t i = 0; i < 2; i++) {
            memcpy(v->databases[i].newest_inputs, OTHER, 17);
            v->databases[i].withdrawn = edit == 6 && v->plans[i].action_count > 0;
        }
        break;
    case 7:
        v->plan.suspend = true;
        break;
    case 8: /* an entry has left the plan, another one came */
        free(v->status.databases[0].name);
        v->status.databases[0].name = strdup("gone");
        break;
    default:
        break;
    }
}

/* What must hold for every Job beyond check_decision(). */
static void check_jobs(const struct view *v, long number, long *jobs)
{
    struct decision d;
    step_decide(&v->seen, &d);
    for (size_t at = 0; d.effect == EFFECT_CREATE_JOB && at < d.count; at++) {
        const struct database_status *db = &d.status.databases[d.databases[at]];
        const struct rollout_status *r = &d.status.rollout;
        (*jobs)++;
        cr_expect(db->begun || r->catch_up, "%ld: a Job for one that is not marked as begun",
                  number);
        const struct database_status *before = status_database(&v->status, db->name);
        cr_expect((before && db->begun == before->begun) || d.write_first,
                  "%ld: begun is not stored before the Job", number);
        cr_expect(!r->catch_up || db->member == 0, "%ld: a catch-up takes others along", number);
        cr_expect(db->member <= r->wave_index, "%ld: a Job of a later wave", number);
        cr_expect(!v->databases[d.databases[at]].withdrawn, "%ld: a file that was taken back",
                  number);
    }
    for (size_t i = 0; i < d.status.database_count && d.status.rollout.present; i++) {
        const struct database_status *before =
            status_database(&v->status, d.status.databases[i].name);
        cr_expect(!before || str_eq(d.status.databases[i].verified, before->verified),
                  "%ld: verified changes before the end", number);
    }
    decision_done(&d);
}

Test(step_order_walk, two_databases_and_every_edit)
{
    struct tally tally = { 0 };
    long jobs = 0;
    int counts[] = { STANDS, STANDS, MARKS, MARKS, FROZEN, EDITS, 2 };
    int pick[ROWS(counts)] = { 0 };
    do {
        static struct view v;
        view_init(&v, 2);
        v.plan.max_parallel = 2;
        set_first_wave(&v, pick[6] + 1);
        remember(&v, memories[pick[4]]);
        set_frozen(&v, pick[4]);
        for (size_t i = 0; i < 2; i++) {
            set_stand(&v, i, pick[i]);
            set_mark(&v, i, pick[2 + i]);
        }
        set_edit(&v, pick[5]);
        check_view(&v, &tally, "order");
        check_jobs(&v, tally.views, &jobs);
        view_done(&v);
    } while (next_pick(counts, pick, ROWS(counts)));
    cr_expect(tally.views > 200000, "walked %ld", tally.views);
    cr_expect(jobs > 1000, "%ld Jobs", jobs);
    cr_log_info("walked %ld, %ld Jobs", tally.views, jobs);
}
