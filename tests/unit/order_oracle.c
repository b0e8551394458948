/* SPDX-License-Identifier: Apache-2.0 */
/* Who has got what, who has proven it, and whether the next one may. */
#include "order_oracle_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORED_MS 1000 /* status keeps times in whole seconds */

static void broken(struct oracle *o, const char *what)
{
    if (!o->trouble[0]) {
        (void)snprintf(o->trouble, sizeof o->trouble, "%s", what);
    }
}

void oracle_init(struct oracle *o)
{
    memset(o, 0, sizeof *o);
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        o->wave_of[d] = -1;
    }
}

void oracle_holds(struct oracle *o, int database, uint64_t files)
{
    o->databases[database].applied |= files;
}

/* ---- what makes earlier answers void ----------------------------------------------------------- */

/* A roll-out that begins anew counts gates from zero, so an earlier no is over with it; and only
 * what databases say goes on, so an earlier retry is, too. Whether it began anew is not known here. */
static void forgive(struct oracle *o)
{
    o->was_silent = 0;
    o->forgave = ++o->tick;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        o->databases[d].retry_ms = 0;
        for (int w = 0; w < ORACLE_WAVES; w++) {
            for (int g = 0; g < ORACLE_GATES; g++) {
                struct oracle_count *count = &o->databases[d].answers[w][g];
                count->forgiven += count->no + count->no_new + count->no_read;
                count->no = count->no_new = count->no_read = 0;
            }
        }
    }
}

/* It is one like the others: what it is to get now it did not get as an empty one, or nobody remembers. */
static void forget_empty(struct oracle *o, int database)
{
    o->databases[database].had_empty = false;
    o->databases[database].when_empty = 0;
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        o->jobs[i].empty = o->jobs[i].empty && o->jobs[i].database != database;
    }
}

static void note_wanted(struct oracle *o)
{
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        uint64_t wanted = o->now.wanted[d];
        if (wanted && o->databases[d].wanted && wanted != o->databases[d].wanted) {
            forget_empty(o, d);
        }
        o->databases[d].wanted = wanted ? wanted : o->databases[d].wanted;
        if (o->came & BIT(d)) {
            forget_empty(o, d);
        }
    }
}

/* Where none has anything else than Jobs gave it when it was empty, none proves less than another. */
static void note_all_empty(struct oracle *o)
{
    uint32_t full = 0;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        bool empty = (o->now.empty & BIT(d)) || o->databases[d].when_empty;
        full |= empty ? 0 : BIT(d);
    }
    o->all_empty = (o->any_job && o->all_empty) || !(full & o->now.present);
}

static void forget_proofs(struct oracle *o)
{
    o->answers_after = ++o->tick;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        oracle_forget_answers(o, d);
        memset(o->databases[d].proven, 0, sizeof o->databases[d].proven);
        o->databases[d].retry_ms = 0;
    }
    o->was_silent = 0;
    memset(o->reach, 0, sizeof o->reach);
    memset(o->reach_count, 0, sizeof o->reach_count);
}

static int64_t known_now_ms(const struct oracle *o, const struct oracle_database *d)
{
    return d->look_now_ms + o->now.mono_ms - d->look_mono_ms;
}

static void retry(struct oracle *o, int32_t level)
{
    o->answers_after = ++o->tick;
    o->retried = level;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        oracle_forget_answers(o, d);
        if (o->databases[d].looked) {
            o->databases[d].retry_ms = known_now_ms(o, &o->databases[d]) - STORED_MS;
        }
    }
}

/* Those that are compared for the first time since they came: what they have may begin it anew. */
static uint32_t compared(struct oracle *o)
{
    uint32_t now = 0;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        now |= o->now.wanted[d] ? BIT(d) : 0;
    }
    now &= o->newcomers & ~(o->strangers | o->now.silent);
    o->newcomers &= ~now;
    return now;
}

/* Which databases are to have other trees than at the decision before. */
static uint32_t want_other(const struct oracle *o, const struct oracle_decision *in)
{
    uint32_t both = in->present & o->now.present & ~o->came, other = 0;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        other |= in->wanted[d] != o->now.wanted[d] ? BIT(d) : 0;
    }
    return other & both;
}

/* ---- proofs ------------------------------------------------------------------------------------ */

/* A retry lets the wave that it came in serve its soak again. */
static bool soaked(const struct oracle *o, const struct oracle_database *d, int w, int64_t soak_ms)
{
    int64_t since = w == o->retried ? d->retry_ms : 0;
    int64_t from = d->look_from_ms > since ? d->look_from_ms : since;
    return from == 0 || soak_ms == 0 || known_now_ms(o, d) - from >= soak_ms;
}

static void prove(struct oracle *o)
{
    static const struct oracle_wave canary; /* without waves: no soak, no gates */
    for (int database = 0; database < ORACLE_DATABASES; database++) {
        struct oracle_database *d = &o->databases[database];
        for (int w = 0; w < o->levels && d->looked && oracle_present(o, database); w++) {
            const struct oracle_wave *wave =
                o->now.spec.wave_count ? &o->now.spec.waves[w] : &canary;
            if (soaked(o, d, w, wave->soak_ms) && oracle_gates_passed(wave, d, w)) {
                d->proven[w] = d->look_files;
                d->named[w] = o->now.spec.wave_count && wave->select == ORACLE_NAMES &&
                              (o->now.picked[w] & BIT(database));
            }
        }
    }
}

/* What a Job is about to hand out: one file, or all of a set of trees. */
struct share {
    int database;
    bool tree;
    uint64_t inputs;  /* of the trees */
    uint64_t files;   /* all of them */
    uint64_t pending; /* those that the Job has */
    uint32_t got;     /* who has got any of them */
    bool goes_first;  /* for its trees: it is one of those whom nobody needs to precede */
};

/* Who got a file as an empty database proves nothing of it, unless all were empty, or a person named
 * that one for this wave. */
static bool is_proven(const struct oracle *o, int w, const struct share *share)
{
    for (int database = 0; database < ORACLE_DATABASES; database++) {
        const struct oracle_database *d = &o->databases[database];
        bool counts = !(d->when_empty & share->pending) || o->all_empty || d->named[w];
        if (database != share->database && counts &&
            (d->proven[w] & share->files) == share->files) {
            return true;
        }
    }
    return false;
}

/* Do databases of this later wave get the file, or exactly these trees, whichever selection counts? */
static bool concerns(const struct oracle *o, int w, const struct share *share)
{
    uint32_t get = 0;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        bool wants =
            share->tree ? o->now.wanted[d] == share->inputs : (o->now.trees[d] & share->files) != 0;
        get |= wants ? BIT(d) : 0;
    }
    get &= o->now.present & ~(o->was_silent | o->now.empty);
    for (int i = 0; i < o->selection_count; i++) {
        if (!(o->selections[i][w] & get)) {
            return false;
        }
    }
    return true;
}

/* Has a person begun its set of trees, or did it come with a part of what others got since the end? */
static bool has_what_others_got(const struct oracle *o, int database)
{
    uint64_t applied = o->databases[database].applied;
    if (o->by_hand & BIT(database)) {
        return true;
    }
    for (; applied; applied &= applied - 1) {
        if (o->got_file[__builtin_ctzll(applied)]) {
            return true;
        }
    }
    return false;
}

/* It has by hand what everybody lacks who got this, so one of them must get what the other has. */
static bool must_cross(const struct oracle *o, const struct share *share)
{
    uint64_t applied = o->databases[share->database].applied;
    uint32_t others = share->got & o->now.present & ~BIT(share->database);
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if ((others & BIT(d)) && !(o->now.trees[d] & ~o->databases[d].applied & applied)) {
            return false;
        }
    }
    return (o->by_hand & BIT(share->database)) && others;
}

/* The wave whose proof is missing before the database may join those who got them; -1: it may. */
static int missing_proof(const struct oracle *o, const struct share *share)
{
    uint32_t known = share->got & o->now.present & ~o->strangers;
    int32_t others = __builtin_popcount(known & ~BIT(share->database));
    bool goes_on = share->tree && has_what_others_got(o, share->database);
    if (goes_on || (share->got & BIT(share->database)) || must_cross(o, share)) {
        return -1;
    }
    for (int w = 0; w < o->levels; w++) {
        bool ahead = ((o->reach[w] | o->has_begun) & BIT(share->database)) || share->goes_first;
        if (others < o->reach_count[w] || (w > 0 && ahead)) {
            return -1;
        }
        if (!is_proven(o, w, share) && (w == 0 || concerns(o, w, share))) {
            return w;
        }
    }
    return -1;
}

/* ---- events ------------------------------------------------------------------------------------ */

static void forget_left(struct oracle *o)
{
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if (o->left & BIT(d)) {
            oracle_forget_answers(o, d); /* what it has proven stays proven */
        }
    }
    o->has_begun &= ~o->left;
    o->newcomers &= ~o->left;
}

void oracle_listed(struct oracle *o, const struct oracle_decision *in)
{
    oracle_list(o, in);
    o->now.present = in->present;
    o->now.uid = in->uid;
    forget_left(o);
}

static bool same_spec(const struct oracle_spec *a, const struct oracle_spec *b)
{
    const void *one = a, *other = b; /* zeroed before they are filled */
    return memcmp(one, other, sizeof *a) == 0;
}

void oracle_decided(struct oracle *o, const struct oracle_decision *in)
{
    bool edited = o->begun && !same_spec(&in->spec, &o->now.spec);
    bool start = !o->begun || edited || o->finished;
    oracle_list(o, in);
    uint32_t trees = o->begun ? want_other(o, in) : 0;
    bool other = trees || (o->begun && in->source != o->now.source);
    /* one that nobody has compared, or that did not answer, is not held to any trees yet */
    bool sure = start || (trees & ~(o->newcomers | o->was_silent));
    bool same = !sure && !o->came && !o->left && in->empty == o->now.empty &&
                in->unreachable == o->now.unreachable && in->silent == o->now.silent &&
                memcmp(in->picked, o->now.picked, sizeof in->picked) == 0;
    o->now = *in;
    o->begun = true;
    forget_left(o);
    note_wanted(o);
    note_all_empty(o);
    if (edited) {
        forget_proofs(o);
    }
    if (other || o->came || o->left || compared(o)) {
        forgive(o);
    }
    o->was_silent |= in->silent;
    if (sure) { /* another source alone begins nothing anew */
        o->selection_count = 0;
    }
    if (!same) {
        oracle_reach_out(o);
    }
    o->strangers |= o->came;
    o->newcomers |= o->came;
    o->came = o->left = 0;
    o->finished = false;
    oracle_read_answers(o);
    if (in->retry) {
        retry(o, in->retry - 1);
    }
    prove(o);
}

/* Of those who are to have these trees still. */
static uint32_t got_tree(const struct oracle *o, uint64_t inputs)
{
    uint32_t got = 0, have = 0;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        have |= o->now.wanted[d] == inputs ? BIT(d) : 0;
    }
    for (size_t i = 0; i < o->tree_count; i++) {
        got |= o->trees[i].inputs == inputs ? o->trees[i].got : 0;
    }
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        bool counts = o->jobs[i].id && !o->jobs[i].exempt && o->jobs[i].files;
        got |= counts && o->jobs[i].inputs == inputs ? BIT(o->jobs[i].database) : 0;
    }
    return got & have;
}

static uint32_t got_file(const struct oracle *o, int file)
{
    uint32_t got = o->got_file[file];
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        bool counts = o->jobs[i].id && !o->jobs[i].exempt;
        got |= counts && (o->jobs[i].files & FILE_BIT(file)) ? BIT(o->jobs[i].database) : 0;
    }
    return got;
}

static void judge_share(struct oracle *o, const struct share *share)
{
    char text[160];
    int wave = missing_proof(o, share);
    if (wave < 0) {
        return;
    }
    const char *name = o->databases[share->database].name;
    if (share->tree) {
        (void)snprintf(text, sizeof text,
                       "rule 1: %s gets files of a set of trees that nobody has proven for wave %d",
                       name, wave);
    } else {
        (void)snprintf(text, sizeof text,
                       "rule 1: %s gets file %d that nobody has proven for wave %d", name,
                       __builtin_ctzll(share->files), wave);
    }
    broken(o, text);
}

static void judge(struct oracle *o, const struct oracle_job *job)
{
    struct share trees = { .database = job->database,
                           .tree = true,
                           .files = job->tree,
                           .pending = job->files,
                           .inputs = job->inputs,
                           .got = got_tree(o, job->inputs) };
    int32_t others = __builtin_popcount(trees.got & o->now.present & ~BIT(job->database));
    judge_share(o, &trees);
    for (int file = 0; file < ORACLE_FILES; file++) {
        if (job->files & FILE_BIT(file)) {
            struct share one = { .database = job->database,
                                 .files = FILE_BIT(file),
                                 .pending = FILE_BIT(file),
                                 .got = got_file(o, file),
                                 .goes_first = others < o->reach_count[0] };
            judge_share(o, &one);
        }
    }
}

static bool was_finished(const struct oracle_database *d, uint64_t inputs)
{
    for (int i = 0; i < d->finished_count; i++) {
        if (d->finished[i] == inputs) {
            return true;
        }
    }
    return false;
}

void oracle_job(struct oracle *o, int32_t id, const struct oracle_job *job)
{
    struct oracle_database *d = &o->databases[job->database];
    o->tick++;
    o->any_job = true;
    if (job->suspended) {
        broken(o, "rule 2: a Job while suspended");
    }
    if (job->newest_known && (job->files & ~job->newest)) {
        broken(o, "rule 2: a Job with a file that the newest commit has taken back");
    }
    if (job->frozen && !job->empty && !d->had_empty && !d->when_empty) {
        broken(o, "rule 2: a Job in a freeze");
    }
    if (job->too_long && !job->empty && !d->had_empty && !d->when_empty) {
        broken(o, "rule 2: a Job that may begin files in a freeze");
    }
    d->had_empty |= job->empty; /* it stays in its catch-up when a person fills it meanwhile */
    bool exempt = d->had_empty || d->when_empty || was_finished(d, job->inputs);
    if (job->files && !exempt && !o->now.spec.all_at_once) {
        judge(o, job);
    }
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        if (o->jobs[i].id == 0) {
            o->jobs[i].id = id;
            o->jobs[i].database = job->database;
            o->jobs[i].inputs = job->inputs;
            o->jobs[i].files = job->files;
            o->jobs[i].exempt = exempt;
            o->jobs[i].empty = job->empty || d->when_empty;
            return;
        }
    }
    broken(o, "the oracle has no room for one more Job");
}

void oracle_job_gone(struct oracle *o, int32_t id)
{
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        if (o->jobs[i].id == id) {
            o->jobs[i].id = 0;
        }
    }
}

static void note_tree(struct oracle *o, uint64_t inputs, int database)
{
    size_t i = 0;
    while (i < o->tree_count && o->trees[i].inputs != inputs) {
        i++;
    }
    if (i == ORACLE_TREES) {
        broken(o, "the oracle has no room for one more set of trees");
        return;
    }
    if (i == o->tree_count) {
        o->tree_count++;
        o->trees[i].inputs = inputs;
        o->trees[i].got = 0;
    }
    o->trees[i].got |= BIT(database);
}

void oracle_statement(struct oracle *o, int32_t id, int database, int file, int64_t clock_ms,
                      bool journalled)
{
    struct oracle_database *d = &o->databases[database];
    o->tick++;
    if (d->applied & FILE_BIT(file)) {
        broken(o, "rule 3: a file took effect twice");
    }
    d->applied |= FILE_BIT(file);
    d->from_ms = clock_ms;
    d->from_unrecorded = !journalled;
    if (id == 0) {
        o->by_hand |= BIT(database);
        return;
    }
    d->asked_after = o->tick;
    oracle_forget_answers(o, database);
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        if (o->jobs[i].id == id && !o->jobs[i].exempt) {
            o->got_file[file] |= BIT(database);
            o->has_begun |= BIT(database);
            note_tree(o, o->jobs[i].inputs, database);
        }
        d->when_empty |= o->jobs[i].id == id && o->jobs[i].empty ? FILE_BIT(file) : 0;
    }
}

void oracle_inspected(struct oracle *o, int database, int64_t mono_ms, int64_t clock_ms)
{
    struct oracle_database *d = &o->databases[database];
    o->tick++;
    /* Nobody can know more of a statement without a journal row than when it was found. */
    if (d->from_unrecorded && clock_ms < d->from_ms) {
        d->from_ms = clock_ms;
    }
    d->looked = true;
    o->strangers &= ~BIT(database);
    d->look_mono_ms = mono_ms;
    d->look_now_ms = clock_ms;
    d->look_from_ms = d->from_ms;
    d->look_files = d->applied;
}

void oracle_repaired(struct oracle *o, int database, int was, int is)
{
    o->databases[database].applied &= ~FILE_BIT(was);
    o->databases[database].applied |= FILE_BIT(is);
}

void oracle_forgotten(struct oracle *o)
{
    o->strangers = o->newcomers = o->now.present;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        forget_empty(o, d);
    }
    forgive(o);
}

void oracle_finished(struct oracle *o, const uint64_t inputs[ORACLE_DATABASES])
{
    forget_proofs(o);
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        forget_empty(o, d);
    }
    oracle_reach_out(o);
    o->finished = true;
    memset(o->got_file, 0, sizeof o->got_file);
    o->tree_count = 0;
    o->has_begun = o->by_hand = 0;
    o->any_job = false;
    for (int database = 0; database < ORACLE_DATABASES; database++) {
        struct oracle_database *d = &o->databases[database];
        if (oracle_present(o, database) && !was_finished(d, inputs[database])) {
            int most = (int)(sizeof d->finished / sizeof *d->finished);
            if (d->finished_count == most) {
                memmove(d->finished, d->finished + 1, sizeof d->finished - sizeof *d->finished);
                d->finished_count--;
            }
            d->finished[d->finished_count++] = inputs[database];
        }
    }
}
