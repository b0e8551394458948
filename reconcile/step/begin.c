/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that starts a roll-out, starts it anew, and remembers who has begun and what is
 * verified (docs/reference/migrationplan.md 5): nothing but a verified, soaked and passed first wave of this
 * roll-out opens the next one. */
#include "reconcile/step/internal.h"

static void set_commit(struct rollout_status *rollout, const struct commit_view *commit)
{
    (void)snprintf(rollout->commit, sizeof rollout->commit, "%s", commit->commit);
    mem_strset(&rollout->revision, commit->revision);
}

static void queue_commit(struct step *s, const char *commit)
{
    (void)snprintf(s->next->queued_commit, sizeof s->next->queued_commit, "%s", commit);
}

/* ---- memory of databases ----------------------------------------------------------------------- */

/* Jobs of a catch-up carry nothing but what a finished roll-out has verified, or go to an empty one: that
 * it was empty is remembered by both marks. */
void begin_mark(struct step *s, size_t index)
{
    struct database_status *database = &s->next->databases[index];
    database->begun = database->begun || database->empty || !s->next->rollout.catch_up;
}

void begin_note_end(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        struct database_status *database = &s->next->databases[i];
        const char *inputs = s->seen->databases[i].inputs;
        (void)snprintf(database->verified, sizeof database->verified, "%s", inputs);
        (void)snprintf(database->tree, sizeof database->tree, "%s", inputs);
        database->begun = database->empty = false;
        database->member = database->own = -1;
    }
}

/* ---- what is on does not fit any more ---------------------------------------------------------- */

enum fit {
    FIT_SAME,
    FIT_CHANGED,
    FIT_UNKNOWN
};

/* Against what every database was frozen with, or seen with first when it came later. */
static enum fit inputs_fit(const struct step *s, bool newest)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        const struct database_status *database = &s->next->databases[i];
        const char *inputs = newest ? view->newest_inputs : view->inputs;
        if (database->tree[0] == '\0') {
            continue;
        }
        if (inputs[0] == '\0') {
            return FIT_UNKNOWN;
        }
        if (!str_eq(inputs, database->tree)) {
            return FIT_CHANGED;
        }
    }
    return FIT_SAME;
}

static void hash_spec(struct step *s)
{
    rollout_order_hash(s->plan, s->order);
    rollout_source_hash(s->plan, s->source);
}

static bool order_fits(const struct step *s)
{
    return str_eq(s->order, s->next->rollout.order);
}

static bool source_fits(const struct step *s)
{
    return str_eq(s->source, s->next->rollout.source);
}

static void set_hashes(const struct step *s, struct rollout_status *rollout)
{
    memcpy(rollout->order, s->order, sizeof rollout->order);
    memcpy(rollout->source, s->source, sizeof rollout->source);
}

/* Versions before `order` kept a hash of the whole strategy: while that fits, what they froze goes on. */
static void take_old_rollout(struct step *s)
{
    struct rollout_status *rollout = &s->next->rollout;
    char strategy[ROLLOUT_HASH_LEN + 1];
    if (rollout->source[0]) {
        return;
    }
    rollout_strategy_hash(s->plan, strategy);
    if (!str_eq(strategy, rollout->strategy) || rollout->catch_up) {
        return; /* theirs let everybody catch up; who may is not known, so it begins anew */
    }
    set_hashes(s, rollout);
    for (size_t i = 0; i < s->plan->database_count; i++) {
        struct database_status *database = &s->next->databases[i];
        database->begun = database->member >= 0 && database->member <= rollout->wave_index;
    }
}

/* The commit is gone from the repository, or was never whole. */
static bool commit_lost(const struct step *s)
{
    const char *reason = s->commit->fetch_failure.reason;
    return s->commit->fetch == FETCH_FAILED && (step_class_of(reason) != REASON_CLASS_RETRY ||
                                                str_eq(reason, REASON_REVISION_NOT_FOUND));
}

/* Did it belong to a first wave that has not passed? */
static bool was_first(const struct step *s, const struct database_status *database)
{
    const struct rollout_status *rollout = &s->next->rollout;
    return canary_on(s) && rollout->digest[0] && database->member >= rollout->wave_index &&
           database->member <= rollout->lead;
}

static void want_anew(struct step *s, const char *why)
{
    s->next->rollout.order[0] = '\0'; /* remembered until running Jobs have ended */
    mem_strset(&s->next->rollout.restarted, why);
}

/* A member of a first wave that leaves the plan takes with it what it was to prove. Its entry in the
 * status goes now, also while suspended. */
void begin_note_left(struct step *s)
{
    for (size_t i = 0; i < s->old->database_count; i++) {
        const struct database_status *before = &s->old->databases[i];
        bool same = i < s->next->database_count && str_eq(s->next->databases[i].name, before->name);
        if (!same && was_first(s, before) && !status_database(s->next, before->name)) {
            AUTO(free_auto) char *why = mem_printf("database %s has left", before->name);
            want_anew(s, why);
            return;
        }
    }
}

static bool withdrawn(const struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (s->seen->databases[i].withdrawn) {
            return true;
        }
    }
    return false;
}

/* The newest commit against the roll-out's. Owned text: it takes over. NULL: it does not, is queued, or
 * is the roll-out's as well because no migration tree changed. */
static char *newer_commit(struct step *s, bool source_same)
{
    struct rollout_status *rollout = &s->next->rollout;
    const struct commit_view *newest = &s->seen->source.newest;
    bool failed = rollout->phase == PHASE_FAILED;
    if (s->commit == newest || newest->commit[0] == '\0' || newest->fetch != FETCH_DONE) {
        return NULL;
    }
    if (withdrawn(s)) {
        return mem_printf("commit %.12s takes back or changes pending files", newest->commit);
    }
    enum fit fit = inputs_fit(s, true);
    if (fit == FIT_CHANGED && !source_same) {
        return mem_strdup("source edited");
    }
    if (newest->rewrite == REWRITE_CHANGED) {
        return NULL;
    }
    if (fit == FIT_SAME) {
        set_commit(rollout, newest);
        memcpy(rollout->source, s->source, sizeof rollout->source);
        s->again = true;
        return NULL;
    }
    if (fit == FIT_CHANGED && (rollout_may_supersede(rollout->supersessions, failed) ||
                               commit_lost(s) || window_waits_untouched(s))) {
        return mem_printf("newer commit %.12s", newest->commit);
    }
    queue_commit(s, newest->commit);
    return NULL;
}

/* Nothing to run, or only what a finished roll-out had, or on a database that has nothing to lose. */
static bool may_catch_up(const struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    const char *verified = s->next->databases[index].verified;
    bool nothing = s->judged[index].pending == 0 && s->judged[index].kind != J_WAITS;
    return nothing || view->empty || (verified[0] && str_eq(verified, view->inputs));
}

/* One takes part whose files are none that a catch-up may bring: its Secret leads elsewhere since, or it
 * was empty and somebody else has filled it. */
static bool no_catch_up(const struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count && s->next->rollout.catch_up; i++) {
        bool ours = str_eq(s->seen->databases[i].newest_commit, s->commit->commit);
        if (s->judged[i].member == 0 && judged_pending(&s->judged[i]) && !may_catch_up(s, i) &&
            !ours) {
            return true;
        }
    }
    return false;
}

/* A catch-up has done what it may: others have files that no finished roll-out has verified. */
static bool catch_up_done(const struct step *s)
{
    bool others = false;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        bool pending = judged_pending(&s->judged[i]);
        if (s->judged[i].member == 0 &&
            (pending || judged_live(&s->judged[i]) || s->judged[i].kind == J_STALE)) {
            return false;
        }
        others = others || (s->judged[i].member != 0 && pending);
    }
    return others && s->next->rollout.catch_up;
}

/* Nobody is left of those whom it was frozen with. */
static bool all_new(const struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (s->next->databases[i].member >= 0) {
            return false;
        }
    }
    return s->plan->database_count > 0;
}

/* Why the roll-out must begin anew; NULL: it goes on. Owned. `newcomer`: standing_newcomer() of it. */
static char *why_anew(struct step *s, const char *newcomer)
{
    const struct rollout_status *rollout = &s->next->rollout;
    bool source_same = source_fits(s);
    if (!order_fits(s)) {
        bool known = rollout->order[0] == '\0' && rollout->restarted;
        return mem_strdup(known ? rollout->restarted : "strategy edited");
    }
    if (inputs_fit(s, false) == FIT_CHANGED) {
        return mem_strdup(source_same ? "migrations edited" : "source edited");
    }
    if (all_new(s)) {
        return mem_strdup("every database is another one");
    }
    if (newcomer) {
        return mem_strdup(newcomer);
    }
    char *newer = newer_commit(s, source_same);
    if (newer) {
        return newer;
    }
    bool waves = no_catch_up(s) || catch_up_done(s);
    return waves ? mem_strdup("files are pending that no roll-out has verified") : NULL;
}

/* ---- coming to rest, beginning anew ------------------------------------------------------------ */

/* The answer was an error, or none, but the platform may make that Job all the same. */
static bool may_land(struct step *s, const struct database_view *view)
{
    const struct failure *create = &view->create;
    int64_t left = STEP_CREATE_BOUND_MS - create->age_ms;
    if (!create->reason || str_eq(create->reason, REASON_RUNNER_NOT_STARTED) || left <= 0) {
        return false;
    }
    step_wake(s, left);
    return true;
}

/* Nothing runs, and what ran has been looked at. */
static bool at_rest(struct step *s)
{
    bool rest = s->seen->stray_jobs == 0;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (step_may_delete(&s->seen->databases[i].job)) {
            step_want(s, EFFECT_DELETE_JOB, i);
        }
        rest = rest && !judged_live(&s->judged[i]) && s->judged[i].kind != J_STALE &&
               !may_land(s, &s->seen->databases[i]);
    }
    return rest && s->out->effect != EFFECT_RECORD_FAILURE;
}

/* The next roll-out, not frozen yet: it is when every database has been compared with its tree. What
 * databases say outlives it (applied files, soak by their clocks, the time before which no soak counts),
 * and so does who has begun; nothing else does. */
static void begin_anew(struct step *s, const char *why)
{
    struct rollout_status *rollout = &s->next->rollout;
    const struct commit_view *newest = &s->seen->source.newest;
    bool failed = rollout->phase == PHASE_FAILED;
    bool other = newest->commit[0] && !str_eq(newest->commit, rollout->commit);
    int32_t supersessions =
        other && !window_waits_untouched(s)
            ? rollout_supersede(rollout->supersessions, failed, rollout->wave_index)
            : rollout->supersessions;
    if (newest->commit[0]) { /* else of a source that has not been read yet */
        set_commit(rollout, newest);
        memcpy(rollout->source, s->source, sizeof rollout->source);
    }
    rollout->digest[0] = rollout->order[0] = '\0';
    rollout->started_ms = s->seen->now_ms - s->seen->now_ms % 1000;
    rollout->wave_index = rollout->lead = 0;
    mem_strset(&rollout->wave, NULL);
    mem_strset(&rollout->restarted, why);
    rollout->phase = PHASE_APPLYING;
    rollout->supersessions = supersessions;
    rollout->elapsed_ms = 0;
    rollout->catch_up = false;
    for (size_t i = 0; i < s->next->database_count; i++) {
        s->next->databases[i].member = s->next->databases[i].own = -1;
    }
    gates_reset(s);
    s->again = true;
}

/* After an edit of the source nothing starts for the old one, whose commit nobody wants any more. */
static void say_new_source(struct step *s)
{
    const struct commit_view *newest = &s->seen->source.newest;
    const struct failure *failure =
        newest->commit[0] ? &newest->fetch_failure : &s->seen->source.poll;
    const char *reason = step_reason(failure->reason, REASON_SOURCE_FETCH_FAILED);
    if (failure->reason && step_class_of(reason) == REASON_CLASS_RETRY) {
        say_outage(s, reason, failure->message, STEP_FAILED_INSPECTIONS, s->next->outage_ms);
    } else if (failure->reason) {
        step_say(s, SAY_STALLED, reason, mem_strdup(failure->message));
    } else {
        step_say(s, SAY_PROGRESS, REASON_PROGRESSING,
                 mem_strdup("source edited: reading the new one"));
    }
}

static bool is_silent(const struct step *s, size_t index)
{
    return s->judged[index].kind == J_UNREACHABLE;
}

/* A newcomer, and one that did not answer at the start, is held to the files that it was compared with
 * first. An empty one takes part in a catch-up, and stays in it when it is empty no longer. */
static void join_newcomers(struct step *s)
{
    bool late = false;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        struct database_status *database = &s->next->databases[i];
        const struct database_view *view = &s->seen->databases[i];
        if (view->plan && !is_silent(s, i)) {
            if (database->tree[0] == '\0') {
                late = true;
                (void)snprintf(database->tree, sizeof database->tree, "%s", view->inputs);
            }
            standing_note_empty(s, i);
        }
        if (database->member < 0 && s->next->rollout.catch_up && view->empty) {
            database->member = s->judged[i].member = s->waves.member[i] = 0;
        }
    }
    for (size_t i = 0; late && i < s->plan->database_count; i++) {
        if (!s->seen->databases[i]
                 .plan) { /* what it lacks was not known: it is compared later, too */
            s->next->databases[i].tree[0] = '\0';
        }
    }
}

static bool check_frozen(struct step *s)
{
    const struct commit_view *newest = &s->seen->source.newest;
    take_old_rollout(s);
    AUTO(free_auto) char *newcomer = NULL;
    size_t unknown = step_count(s).unknown; /* what they lack is not known; no Job starts either */
    /* who comes after a gate has failed, or answers again, does not undo its no: they are compared after a retry */
    if (unknown == 0 && !gates_failed(s)) {
        newcomer = canary_on(s) ? standing_newcomer(s) : NULL;
        join_newcomers(s);
    }
    AUTO(free_auto) char *why = why_anew(s, newcomer);
    if (why) {
        step_say(s, SAY_PROGRESS, REASON_PROGRESSING,
                 mem_printf("%s: the roll-out begins anew once running Jobs have ended", why));
        want_anew(s, why);
        if (at_rest(s)) {
            begin_anew(s, why);
        }
        return true;
    }
    if (!source_fits(s) && newest->fetch != FETCH_DONE) {
        say_new_source(s);
        return true;
    }
    set_hashes(s, &s->next->rollout);
    if (!s->spec_same) {
        rollout_strategy_hash(s->plan, s->next->rollout.strategy);
    }
    return false;
}

/* Begun anew, and not frozen: nothing is lost with its commit. */
static bool check_unfrozen(struct step *s)
{
    const struct commit_view *newest = &s->seen->source.newest;
    if (s->commit != newest && newest->fetch == FETCH_DONE) {
        set_commit(&s->next->rollout, newest);
        memcpy(s->next->rollout.source, s->source, sizeof s->source);
        s->again = true;
        step_say(s, SAY_PROGRESS, REASON_PROGRESSING,
                 mem_printf("newer commit %.12s", newest->commit));
        return true;
    }
    if (!source_fits(s) && newest->fetch != FETCH_DONE) {
        say_new_source(s);
        return true;
    }
    return false;
}

bool begin_check(struct step *s)
{
    const struct rollout_status *rollout = &s->next->rollout;
    queue_commit(s, "");
    if (!rollout->present) {
        return false;
    }
    hash_spec(s);
    return rollout->digest[0] ? check_frozen(s) : check_unfrozen(s);
}

/* ---- a start ----------------------------------------------------------------------------------- */

/* No waves: no roll-out is there, not even a failed one, and nobody gets what is not verified. */
static bool is_catch_up(const struct step *s)
{
    bool files = false;
    if (s->next->rollout.present) {
        return false;
    }
    for (size_t i = 0; i < s->plan->database_count; i++) {
        files = files || s->judged[i].kind == J_WAITS ||
                (judged_pending(&s->judged[i]) && s->judged[i].pending > 0);
        if (judged_pending(&s->judged[i]) && !may_catch_up(s, i)) {
            return false;
        }
    }
    return !files || s->next->last_applied_commit[0] != '\0';
}

static bool has_begun(const struct rollout_standing *standing)
{
    return standing->begun && !standing->empty;
}

/* Those who have begun, or else the first wave, must answer: who would prove the files? One that has been
 * silent for spec.timeout does not hold the others. True: nobody is waited for. */
static bool first_answer(struct step *s, const struct rollout_standing *standings,
                         const struct tally *tally)
{
    size_t begun = 0, answering = 0, awaited = 0;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        begun += has_begun(&standings[i]);
    }
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (begun > 0 ? has_begun(&standings[i]) : s->judged[i].member == 0) {
            answering += !is_silent(s, i);
            awaited += is_silent(s, i) && !s->judged[i].timed_out;
        }
    }
    if (answering > 0 && awaited == 0) {
        return true;
    }
    if (!say_trouble(s, begun > 0 ? INT32_MAX : 0, false)) {
        say_failures(s, tally); /* silent for longer than spec.timeout */
    }
    return false;
}

static void freeze_digest(struct step *s)
{
    AUTO(free_auto)
    struct rollout_entry *entries = mem_array(s->plan->database_count, sizeof *entries);
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        entries[i] = (struct rollout_entry){
            .reachable = view->inspection == INSPECTION_OK,
            .head = view->head,
            .oids = view->oids,
            .plan = view->plan,
        };
    }
    rollout_digest(s->plan, entries, s->next->rollout.digest);
    memcpy(s->next->plan_digest, s->next->rollout.digest, sizeof s->next->plan_digest);
}

/* In a catch-up; one that does not answer may have other files left. */
static bool takes_part(const struct step *s, size_t index)
{
    const struct database_status *memory = &s->next->databases[index];
    return judged_pending(&s->judged[index]) || s->judged[index].kind == J_UP_TO_DATE ||
           (memory->verified[0] && str_eq(memory->verified, s->seen->databases[index].inputs));
}

static void freeze_members(struct step *s, struct rollout_standing *standings)
{
    struct rollout_status *rollout = &s->next->rollout;
    rollout->lead = 0;
    if (!rollout->catch_up) {
        standing_arrange(s, standings);
    }
    for (size_t i = 0; i < s->plan->database_count; i++) {
        struct database_status *database = &s->next->databases[i];
        database->member = !rollout->catch_up ? s->waves.member[i] : takes_part(s, i) ? 0 : 1;
        s->judged[i].member = database->member;
        bool unseen = !s->seen->databases[i].plan || is_silent(s, i);
        (void)snprintf(database->tree, sizeof database->tree, "%s",
                       unseen ? "" : s->seen->databases[i].inputs);
    }
}

static void freeze(struct step *s, struct rollout_standing *standings)
{
    struct rollout_status *rollout = &s->next->rollout;
    if (!rollout->present) {
        rollout->started_ms = s->seen->now_ms - s->seen->now_ms % 1000;
        rollout->supersessions = 0;
    }
    rollout->present = true;
    set_commit(rollout, s->commit);
    rollout->wave_index = 0;
    rollout->phase = PHASE_APPLYING;
    rollout->elapsed_ms = 0;
    hash_spec(s);
    set_hashes(s, rollout);
    rollout_strategy_hash(s->plan, rollout->strategy);
    freeze_digest(s);
    freeze_members(s, standings);
    gates_reset(s);
    s->again = true;
}

static void say_start(struct step *s)
{
    const struct rollout_status *rollout = &s->next->rollout;
    const char *why = rollout->restarted;
    char *text = mem_printf("%s%sroll-out of %.12s %s", why ? why : "", why ? ": " : "",
                            rollout->commit, why ? "begins anew" : "starts");
    step_event(s, false, REASON_PROGRESSING, mem_strdup(text));
    step_say(s, SAY_PROGRESS, REASON_PROGRESSING, text);
}

void begin_rollout(struct step *s, const struct tally *tally)
{
    struct rollout_status *rollout = &s->next->rollout;
    step_waves(s);
    standing_recall_empty(s);
    rollout->soak_since_ms = rollout->present ? rollout->soak_since_ms : 0;
    rollout->catch_up = is_catch_up(s);
    bool canary = !rollout->catch_up && s->plan->strategy == STRATEGY_CANARY;
    char *problem = canary ? rollout_empty_wave(s->plan) : NULL;
    if (problem) {
        step_say(s, SAY_STALLED, REASON_INVALID_SPEC, problem);
        return;
    }
    AUTO(free_auto) struct rollout_standing *standings = standing_make(s);
    if (canary) {
        standing_recall(s, standings);
        if (!first_answer(s, standings, tally)) {
            return;
        }
    }
    freeze(s, standings);
    say_start(s);
}

bool begin_serves_again(const struct step *s)
{
    bool begun = false;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_status *database = &s->next->databases[i];
        if (database->tree[0] && !str_eq(database->tree, s->seen->databases[i].inputs)) {
            return false; /* other files: those that were on are not wanted any more */
        }
        begun = begun || database->begun;
    }
    return begun && s->next->rollout.present;
}
