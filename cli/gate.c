/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice gate`: for init containers. Is the version that the application needs applied? Once it is,
 * the answer stays yes, whatever later migrations do. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/dbargs.h"
#include "cli/plan_wait.h"
#include "model/reason.h"
#include "model/version.h"

#define TIMEOUT_MS ((int64_t)15 * 60 * 1000)
#define EXIT_STALLED 3
#define RETRY_MS 1000

struct gate_values {
    struct db_args db;
    struct plan_args plan;
    const char *min_version, *database, *if_missing, *on_unreachable;
    int64_t timeout_ms;
};

#define ROW(name, type, value, help, field)                                                        \
    {                                                                                              \
        name, 0, type, value, help, offsetof(struct gate_values, field)                            \
    }
static const struct option_row gate_rows[] = {
    ROW("min-version", OPTION_TEXT, "VERSION", "the version that the application needs",
        min_version),
    PLAN_OPTIONS(struct gate_values),
    ROW("database", OPTION_TEXT, "NAME", "only this entry of the plan (default: all of them)",
        database),
    ROW("if-missing", OPTION_WORD, "wait|fail|pass", "no such plan (default fail: exit 4)",
        if_missing),
    ROW("on-unreachable", OPTION_WORD, "fail|pass",
        "nobody answers until the timeout (default fail)", on_unreachable),
    ROW("timeout", OPTION_DURATION, "TIME", "then exit 2 (default 15m; 0s: look once)", timeout_ms),
    DB_CONNECT_OPTIONS(struct gate_values),
};

const struct cli_spec gate_spec = {
    .command = "gate",
    .synopsis = "(plan/NAME [--database NAME] | --url DB) --min-version VERSION",
    .about = "Ends with 0 when every database of the plan has at least this version, and stays so"
             " whatever\nlater migrations do. Ends at once with 3 when it has not and the plan is"
             " Stalled, with 2 when\ntime is up. With --url the database itself is asked.",
    .rows = gate_rows,
    .row_count = sizeof gate_rows / sizeof *gate_rows,
    .argument = "plan/NAME",
    .max_words = 2,
};

enum gate_look {
    GATE_LOOK_MET,
    GATE_LOOK_WAIT,
    GATE_LOOK_STALLED
};

/* ---- a plan -------------------------------------------------------------------------------------- */

static bool has_version(const char *text, const struct version *wanted)
{
    struct version have;

    return text && version_parse(text, &have) && version_compare(&have, wanted) >= 0;
}

/* The first entry that is behind, in *behind; false: the plan has no such entry, or none at all yet. */
static bool find_behind(const struct status *status, const char *database,
                        const struct version *wanted, const struct database_status **behind)
{
    bool any = false;

    *behind = NULL;
    for (size_t i = 0; i < status->database_count; i++) {
        const struct database_status *entry = &status->databases[i];
        if (database && !str_eq(entry->name, database)) {
            continue;
        }
        any = true;
        if (!has_version(entry->version, wanted)) {
            *behind = entry;
            return true;
        }
    }
    return any;
}

static bool spec_names(const struct json *object, const char *database)
{
    const struct json *list = json_get(json_get(object, "spec"), "databases");
    const struct json *entry;

    if (!list) { /* databaseSelector: only the status knows them */
        return true;
    }
    for (entry = json_first(list); entry; entry = json_next(entry)) {
        if (str_eq(json_get_string(entry, "name"), database)) {
            return true;
        }
    }
    return false;
}

static struct err *judge_plan(const struct json *object, const struct gate_values *v,
                              const struct version *wanted, enum gate_look *out, char **said)
{
    AUTO(plan_text_done) struct plan_text text = { 0 };
    const struct database_status *behind = NULL;

    plan_text_make(object, &text);
    if (v->database && !spec_names(object, v->database)) {
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND, "plan %s/%s has no database \"%s\"",
                       text.namespace_, text.name, v->database);
    }
    bool known = find_behind(&text.status, v->database, wanted, &behind);
    free(*said);
    if (known && !behind) {
        *out = GATE_LOOK_MET;
        *said = NULL;
        return NULL;
    }
    *out = plan_text_stalled(&text) ? GATE_LOOK_STALLED : GATE_LOOK_WAIT;
    *said = mem_printf("%s is at %s, %s is needed; %s%s%s", behind ? behind->name : "the plan",
                       behind && behind->version ? behind->version : "no known version",
                       wanted->text, text.reason[0] ? text.reason : "not seen by a controller yet",
                       text.message[0] ? ": " : "", text.message);
    return NULL;
}

static void tell(const char *said, char **shown)
{
    if (said && !str_eq(said, *shown)) {
        say("%s\n", said);
        fflush(stdout);
        mem_strset(shown, said);
    }
}

static bool passes(const char *word)
{
    return str_eq(word, "pass");
}

/* Not there. *code stays -1: wait on. */
static struct err *judge_missing(const struct plan_wait *w, const struct gate_values *v, int *code)
{
    if (passes(v->if_missing)) {
        say("there is no MigrationPlan %s/%s: passed\n", w->namespace_, w->name);
        *code = 0;
        return NULL;
    }
    return str_eq(v->if_missing, "fail") || plan_wait_late(w) ? plan_wait_missing(w) : NULL;
}

static struct err *time_is_up(const struct plan_wait *w, const char *said)
{
    const char *why = plan_wait_why(w);

    return err_new(ERR_TRANSIENT, REASON_TIMED_OUT, "plan %s/%s: not met in time: %s%s%s",
                   w->namespace_, w->name, said ? said : "no such plan", *why ? "; " : "", why);
}

/* A platform that does not answer is asked again until time is up. */
static struct err *unanswered(struct err *failed, const struct gate_values *v, bool late, int *code)
{
    if (!plan_wait_transient(failed) || (late && !passes(v->on_unreachable))) {
        return failed;
    }
    if (late) {
        complain("sluice gate: %s: passed, because of --on-unreachable=pass\n", failed->message);
        *code = 0;
    }
    err_free(failed);
    return NULL;
}

static struct err *look_once(struct plan_wait *w, const struct gate_values *v,
                             const struct version *wanted, char **said, int *code)
{
    AUTO(json_free_auto) struct json *object = NULL;
    enum gate_look verdict = GATE_LOOK_WAIT;
    bool late = plan_wait_late(w);
    struct err *failed = plan_wait_look(w, &object);

    if (failed) {
        return unanswered(failed, v, late, code);
    }
    if (!object) {
        return judge_missing(w, v, code);
    }
    TRY(judge_plan(object, v, wanted, &verdict, said));
    if (verdict == GATE_LOOK_MET) {
        *code = 0;
    } else if (verdict == GATE_LOOK_STALLED) {
        complain("sluice gate: plan %s/%s is Stalled and will not go on by itself: %s\n",
                 w->namespace_, w->name, *said);
        *code = EXIT_STALLED;
    } else if (late) {
        return time_is_up(w, *said);
    }
    return NULL;
}

static struct err *gate_plan(const struct gate_values *v, const struct version *wanted,
                             const char *word, int *code)
{
    struct plan_wait w;
    AUTO(free_auto) char *said = NULL;
    AUTO(free_auto) char *shown = NULL;
    struct err *failed = plan_wait_open("gate", &v->plan, word, v->timeout_ms, &w);

    *code = -1;
    while (!failed) {
        failed = look_once(&w, v, wanted, &said, code);
        if (failed || *code >= 0) {
            break;
        }
        tell(said, &shown);
        plan_wait_sleep(&w);
    }
    plan_wait_done(&w);
    return failed;
}

/* ---- a database ---------------------------------------------------------------------------------- */

static struct err *look_at_database(const struct db_context *context, const struct gate_values *v,
                                    const struct version *wanted, bool *met, char **said)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    AUTO(plan_done) struct plan plan = { 0 };

    TRY(db_look(context, &v->db, &seen));
    /* Without files the verdict means nothing; what is applied does not depend on them. */
    err_free(db_plan(context, &v->db, &seen, true, &plan));
    *met = version_set(&plan.current) && version_compare(&plan.current, wanted) >= 0;
    free(*said);
    *said = mem_printf("%s is at %s, %s is needed", context->label,
                       version_set(&plan.current) ? plan.current.text : "no version", wanted->text);
    return NULL;
}

static struct err *gate_database(const struct gate_values *v, const struct version *wanted,
                                 int *code)
{
    AUTO(db_context_done) struct db_context context = { 0 };
    AUTO(free_auto) char *said = NULL;
    AUTO(free_auto) char *shown = NULL;
    int64_t end_ms = clock_mono_ms() + v->timeout_ms;

    *code = -1;
    TRY(db_context_make(&v->db, false, &context));
    while (*code < 0) {
        bool met = false;
        bool late = clock_mono_ms() >= end_ms;
        struct err *failed = look_at_database(&context, v, wanted, &met, &said);
        if (failed) {
            TRY(unanswered(failed, v, late, code));
        } else if (met) {
            *code = 0;
        } else if (late) {
            return err_new(ERR_TRANSIENT, REASON_TIMED_OUT, "not met in time: %s", said);
        }
        if (*code < 0) {
            tell(said, &shown);
            (void)poll(NULL, 0, RETRY_MS);
        }
    }
    return NULL;
}

/* ---- arguments ----------------------------------------------------------------------------------- */

static struct err *usage(const char *message)
{
    return err_new(ERR_TERMINAL, REASON_USAGE, "%s", message);
}

static struct err *check(const struct gate_values *v, const struct strlist *words,
                         struct version *wanted)
{
    if (!v->min_version) {
        return usage("no version is given: add --min-version VERSION, which the application needs");
    }
    if (!version_parse(v->min_version, wanted)) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "--min-version: \"%s\" is not a version",
                       v->min_version);
    }
    if (words->count > 0 && v->db.url) {
        return usage("both plan/NAME and --url DB are given: give one of them");
    }
    if (words->count == 0 && !v->db.url && !getenv("SLUICE_URL")) {
        return usage("neither plan/NAME nor --url DB is given: give one of them");
    }
    if (words->count == 0 && v->database) {
        return usage("--database names an entry of a plan; --url needs none");
    }
    return NULL;
}

int gate_main(int argc, char **argv)
{
    struct gate_values values = { .timeout_ms = TIMEOUT_MS,
                                  .if_missing = "fail",
                                  .on_unreachable = "fail" };
    AUTO(strlist_done) struct strlist words = { 0 };
    struct version wanted = { { 0 } };
    bool help = false;
    int code = 0;

    db_args_init(&values.db);
    struct err *failed = cli_parse(&gate_spec, argc, argv, &values, &words, &help);
    if (!help) {
        failed = failed ? failed : check(&values, &words, &wanted);
        if (!failed) {
            failed = words.count == 0
                         ? gate_database(&values, &wanted, &code)
                         : gate_plan(&values, &wanted, words.items[words.count - 1], &code);
        }
    }
    db_args_done(&values.db);
    if (failed) {
        return words.count == 0 ? cli_fail_here("gate", failed, false)
                                : cli_fail("gate", failed, false);
    }
    return code;
}
