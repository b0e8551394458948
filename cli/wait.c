/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice wait plan/NAME`: until a commit is applied everywhere or a condition holds; a plan that is
 * Stalled ends it at once, because nothing will change by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/plan_wait.h"
#include "cli/render.h"
#include "model/reason.h"

#define TIMEOUT_MS ((int64_t)15 * 60 * 1000)
#define EXIT_STALLED 3
#define COMMIT_MIN 7 /* digits of an abbreviated commit */

struct wait_values {
    struct plan_args plan;
    const char *for_, *commit, *if_missing;
    int64_t generation, timeout_ms;
    bool fail_if_suspended;
};

#define ROW(name, type, value, help, field)                                                        \
    {                                                                                              \
        name, 0, type, value, help, offsetof(struct wait_values, field)                            \
    }
static const struct option_row wait_rows[] = {
    PLAN_OPTIONS(struct wait_values),
    ROW("commit", OPTION_TEXT, "SHA", "until this commit is applied to every database", commit),
    ROW("generation", OPTION_NUMBER, "N", "until the condition holds for this generation",
        generation),
    ROW("for", OPTION_TEXT, "condition=TYPE", "condition to wait for (default condition=Ready)",
        for_),
    ROW("timeout", OPTION_DURATION, "TIME", "then exit 2 (default 15m)", timeout_ms),
    ROW("if-missing", OPTION_WORD, "wait|fail|pass", "no such plan (default fail: exit 4)",
        if_missing),
    ROW("fail-if-suspended", OPTION_FLAG, NULL, "a suspended plan ends the wait with exit 3",
        fail_if_suspended),
    PLAN_OUTPUT(struct wait_values, "json", "print the whole object at the end"),
};

const struct cli_spec wait_spec = {
    .command = "wait",
    .synopsis = "plan/NAME [--commit SHA | --generation N | --for condition=TYPE]",
    .about =
        "Ends with 0 when it is so, at once with 3 when the plan is Stalled, with 2 when time is"
        " up.\nA commit that a newer one skipped counts as applied with it.",
    .rows = wait_rows,
    .row_count = sizeof wait_rows / sizeof *wait_rows,
    .argument = "plan/NAME",
    .min_words = 1,
    .max_words = 2,
};

struct waiting {
    const struct wait_values *values;
    struct plan_wait plan;
    enum condition_type type;
    enum condition_status wanted;
    bool quiet;
    bool attempted;  /* --commit: its roll-out was seen */
    bool unanswered; /* the newest look failed, and that was said */
    char *shown;     /* the newest line */
};

enum verdict_of_look {
    LOOK_WAIT,
    LOOK_MET,
    LOOK_STALLED,
    LOOK_SUSPENDED,
    LOOK_MISSING
};

/* ---- judging ------------------------------------------------------------------------------------- */

static bool is_commit(const char *full, const char *given)
{
    return full && full[0] && str_starts(full, given);
}

static bool commit_applied(const struct status *status, const char *commit)
{
    if (is_commit(status->last_applied_commit, commit)) {
        return true;
    }
    for (size_t i = 0; i < status->covered_commits.count; i++) {
        if (is_commit(status->covered_commits.items[i], commit)) {
            return true;
        }
    }
    return false;
}

/* What no commit mends: it is not looked for, or does not come this far. */
static bool outlives_commits(const struct status *status)
{
    static const char *const reasons_[] = {
        REASON_INVALID_SPEC,       REASON_SECRET_INVALID,     REASON_NO_DATABASES,
        REASON_HOST_KEY_MISMATCH,  REASON_TARGET_ID_CONFLICT, REASON_TARGET_CHANGED,
        REASON_ROLE_TOO_POWERFUL,  REASON_POOLER_UNSUPPORTED, REASON_UNSUPPORTED_TOPOLOGY,
        REASON_UNSUPPORTED_SERVER, REASON_FORMAT_TOO_NEW,     REASON_HISTORY_TOO_LARGE,
        REASON_HISTORY_TAMPERED,   REASON_HISTORY_REGRESSED,
    };
    const char *reason = status->conditions[CONDITION_STALLED].reason;

    for (size_t i = 0; i < sizeof reasons_ / sizeof *reasons_; i++) {
        if (str_eq(reason, reasons_[i])) {
            return true;
        }
    }
    return str_eq(reason, REASON_DEADLINE_EXCEEDED) && /* nobody hears of a commit */
           status->conditions[CONDITION_SOURCE_READY].status == CONDITION_FALSE;
}

/* A failure of the commit before must not end the wait for the one that fixes it. */
static bool stall_concerns(struct waiting *w, const struct status *status)
{
    const char *commit = w->values->commit;
    bool of_commit = is_commit(status->last_attempted_commit, commit) ||
                     (status->rollout.present && is_commit(status->rollout.commit, commit));

    w->attempted = w->attempted || of_commit;
    return w->attempted || outlives_commits(status);
}

static bool condition_met(const struct waiting *w, const struct plan_text *text)
{
    const struct condition *c = &text->status.conditions[w->type];
    int64_t generation = w->values->generation > 0 ? w->values->generation : text->generation;

    return c->status == w->wanted && c->generation >= generation;
}

static enum verdict_of_look judge(struct waiting *w, const struct plan_text *text)
{
    const struct status *status = &text->status;
    const char *commit = w->values->commit;

    if (commit ? commit_applied(status, commit) : condition_met(w, text)) {
        return LOOK_MET;
    }
    if (text->suspended && w->values->fail_if_suspended) {
        return LOOK_SUSPENDED;
    }
    if (plan_text_stalled(text) && (!commit || stall_concerns(w, status))) {
        return LOOK_STALLED;
    }
    return LOOK_WAIT;
}

/* ---- showing ------------------------------------------------------------------------------------- */

static void show(struct waiting *w, const struct plan_text *text)
{
    const char *wave = text->status.rollout.present ? text->status.rollout.wave : NULL;
    const char *reason = text->reason[0] ? text->reason : "not seen by a controller yet";
    char *now = mem_printf("%s: Ready=%s %s%s%s%s%s%s%s", w->plan.name, text->ready, reason,
                           text->progress[0] ? " " : "", text->progress, wave ? ", wave " : "",
                           wave ? wave : "", text->message[0] ? ": " : "", text->message);

    if (!w->quiet && !str_eq(now, w->shown)) {
        say("%s\n", now);
        fflush(stdout);
    }
    free(w->shown);
    w->shown = now;
}

static struct err *look(struct waiting *w, enum verdict_of_look *out, struct json **object)
{
    AUTO(plan_text_done) struct plan_text text = { 0 };

    TRY(plan_wait_look(&w->plan, object));
    if (!*object) {
        *out = LOOK_MISSING;
        return NULL;
    }
    plan_text_make(*object, &text);
    *out = judge(w, &text);
    show(w, &text);
    return NULL;
}

/* ---- waiting ------------------------------------------------------------------------------------- */

/* Sets *code when the wait is over. */
static struct err *conclude(const struct waiting *w, enum verdict_of_look verdict, bool late,
                            int *code)
{
    const char *if_missing = w->values->if_missing;
    const char *why = plan_wait_why(&w->plan);

    *code = -1;
    if (verdict == LOOK_MET || (verdict == LOOK_MISSING && str_eq(if_missing, "pass"))) {
        *code = 0;
    } else if (verdict == LOOK_STALLED || verdict == LOOK_SUSPENDED) {
        /* The reason in the one line that a pipeline's log surely keeps, whatever stdout became. */
        complain("sluice wait: plan %s/%s is %s and will not go on by itself: %s\n",
                 w->plan.namespace_, w->plan.name,
                 verdict == LOOK_STALLED ? "Stalled" : "suspended", w->shown);
        *code = EXIT_STALLED;
    } else if (verdict == LOOK_MISSING && !str_eq(if_missing, "wait")) {
        return plan_wait_missing(&w->plan);
    } else if (late) {
        return err_new(ERR_TRANSIENT, REASON_TIMED_OUT,
                       "plan %s/%s: not met in time, last seen: %s%s%s", w->plan.namespace_,
                       w->plan.name, w->shown ? w->shown : "no such plan", *why ? "; " : "", why);
    }
    return NULL;
}

/* An API server that does not answer is asked again until time is up; said once. */
static struct err *unanswered(struct waiting *w, struct err *failed)
{
    if (!plan_wait_transient(failed) || plan_wait_late(&w->plan)) {
        return failed;
    }
    if (!w->unanswered) {
        complain("sluice wait: %s; trying again\n", failed->message);
    }
    w->unanswered = true;
    err_free(failed);
    return NULL;
}

static struct err *wait_for(struct waiting *w, struct json **last, int *code)
{
    *code = -1;
    for (;;) {
        enum verdict_of_look verdict = LOOK_WAIT;
        struct err *failed = look(w, &verdict, last);
        if (failed) {
            TRY(unanswered(w, failed));
        } else {
            w->unanswered = false;
            TRY(conclude(w, verdict, plan_wait_late(&w->plan), code));
        }
        if (*code >= 0) {
            return NULL;
        }
        plan_wait_sleep(&w->plan);
    }
}

/* ---- arguments ----------------------------------------------------------------------------------- */

static struct err *parse_condition(const char *text, struct waiting *w)
{
    const char *name = str_starts(text, "condition=") ? text + strlen("condition=") : "";
    size_t length = strcspn(name, "=");
    AUTO(free_auto) char *type = mem_strndup(name, length);
    const char *value = name[length] ? name + length + 1 : "True";

    w->wanted = str_ieq(value, "True")      ? CONDITION_TRUE
                : str_ieq(value, "False")   ? CONDITION_FALSE
                : str_ieq(value, "Unknown") ? CONDITION_UNKNOWN
                                            : CONDITION_ABSENT;
    for (int i = 0; i < CONDITION_TYPE_MAX_; i++) {
        if (str_ieq(condition_type_text((enum condition_type)i), type) &&
            w->wanted != CONDITION_ABSENT) {
            w->type = (enum condition_type)i;
            return NULL;
        }
    }
    return err_new(ERR_TERMINAL, REASON_USAGE,
                   "--for: \"%s\" is not condition=TYPE or condition=TYPE=STATUS", text);
}

static struct err *check_values(const struct wait_values *v)
{
    if (v->commit && (strlen(v->commit) < COMMIT_MIN ||
                      strspn(v->commit, "0123456789abcdef") != strlen(v->commit))) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "--commit: \"%s\" is not a commit id of at least %d lower-case hex digits",
                       v->commit, COMMIT_MIN);
    }
    if (v->commit && (v->for_ || v->generation > 0)) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "--commit goes without --for and --generation");
    }
    return NULL;
}

static struct err *run(struct waiting *w, const char *word, struct json **last, int *code)
{
    struct err *failed =
        plan_wait_open("wait", &w->values->plan, word, w->values->timeout_ms, &w->plan);

    failed = failed ? failed : wait_for(w, last, code);
    plan_wait_done(&w->plan);
    free(w->shown);
    return failed;
}

int wait_main(int argc, char **argv)
{
    struct wait_values values = { .timeout_ms = TIMEOUT_MS, .if_missing = "fail" };
    struct waiting w = { .values = &values, .wanted = CONDITION_TRUE };
    AUTO(strlist_done) struct strlist words = { 0 };
    AUTO(json_free_auto) struct json *last = NULL;
    bool help = false;
    bool json = false;
    int code = 0;

    struct err *failed = cli_parse(&wait_spec, argc, argv, &values, &words, &help);
    if (help) {
        return 0;
    }
    json = str_eq(values.plan.output, "json");
    failed = failed ? failed : check_values(&values);
    failed = failed ? failed : parse_condition(values.for_ ? values.for_ : "condition=Ready", &w);
    w.quiet = json;
    failed = failed ? failed : run(&w, words.items[words.count - 1], &last, &code);
    if (failed) {
        return cli_fail("wait", failed, json);
    }
    if (json && last) {
        render_print(TAKE(last));
    }
    return code;
}
