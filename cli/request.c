/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice retry|resolve|reconcile|suspend|resume plan/NAME`: requests to the controller, as patches of
 * annotations and spec.suspend (standalone: beside the manifest). */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/plans.h"
#include "model/history.h"
#include "model/reason.h"
#include "reconcile/step/step.h"

struct request_values {
    struct plan_args plan;
    const char *database, *version, *description, *verdict, *reason;
    int64_t step;
};

#define ROW(name, type, value, help, field)                                                        \
    {                                                                                              \
        name, 0, type, value, help, offsetof(struct request_values, field)                         \
    }
static const struct option_row retry_rows[] = {
    PLAN_OPTIONS(struct request_values),
};

const struct cli_spec retry_spec = {
    .command = "retry",
    .synopsis = "plan/NAME",
    .about = "Lets a Stalled plan try again: failed migrations are run once more, the wave's soak"
             " begins anew.",
    .rows = retry_rows,
    .row_count = sizeof retry_rows / sizeof *retry_rows,
    .argument = "plan/NAME",
    .min_words = 1,
    .max_words = 2,
};

const struct cli_spec reconcile_spec = {
    .command = "reconcile",
    .synopsis = "plan/NAME",
    .about = "Asks the controller to poll the repository and inspect the databases now.",
    .rows = retry_rows,
    .row_count = sizeof retry_rows / sizeof *retry_rows,
    .argument = "plan/NAME",
    .min_words = 1,
    .max_words = 2,
};

const struct cli_spec suspend_spec = {
    .command = "suspend",
    .synopsis = "plan/NAME",
    .about = "Sets spec.suspend: running Jobs finish, nothing new starts, nothing is fetched. Where"
             " a\nGitOps tool owns the manifest, set it there.",
    .rows = retry_rows,
    .row_count = sizeof retry_rows / sizeof *retry_rows,
    .argument = "plan/NAME",
    .min_words = 1,
    .max_words = 2,
};

const struct cli_spec resume_spec = {
    .command = "resume",
    .synopsis = "plan/NAME",
    .about = "Takes spec.suspend back.",
    .rows = retry_rows,
    .row_count = sizeof retry_rows / sizeof *retry_rows,
    .argument = "plan/NAME",
    .min_words = 1,
    .max_words = 2,
};

static const struct option_row resolve_rows[] = {
    PLAN_OPTIONS(struct request_values),
    ROW("database", OPTION_TEXT, "NAME", "entry of the plan", database),
    ROW("version", OPTION_TEXT, "VERSION", "the migration, by version", version),
    ROW("description", OPTION_TEXT, "TEXT", "the migration, by description (a repeatable)",
        description),
    ROW("step", OPTION_NUMBER, "N", "the statement, from 1, as `sluice info` says", step),
    ROW("verdict", OPTION_WORD, "applied|not-applied|restart", "what became of it", verdict),
    ROW("reason", OPTION_TEXT, "TEXT", "how you know; kept in the journal with your name", reason),
};

const struct cli_spec resolve_plan_spec = {
    .command = "resolve",
    .synopsis = "plan/NAME --database NAME --version VERSION --step N"
                " --verdict applied|not-applied|restart --reason TEXT",
    .about = "Settles a statement whose outcome nobody else can know; the plan then goes on. (For a"
             " database\nwithout a plan: sluice resolve --url DB --help.)",
    .rows = resolve_rows,
    .row_count = sizeof resolve_rows / sizeof *resolve_rows,
    .argument = "plan/NAME",
    .min_words = 1,
    .max_words = 2,
};

/* A value that differs from every one before. */
static char *new_token(void)
{
    char now[TIME_TEXT_LEN];
    char random[9];

    time_format(clock_utc_ms(), now);
    random_hex(random, 8);
    return mem_printf("%s-%s", now, random);
}

/* Sends the patch, which it takes. */
static struct err *request(const struct request_values *v, const char *word, struct json *patch)
{
    AUTO(json_free_auto) struct json *owned = patch;
    AUTO(plans_close) struct platform platform = { 0 };
    const char *name = NULL;

    TRY(plan_word(word, &name));
    TRY(plans_open(&v->plan, &platform));
    TRY(platform.ops->patch_plan(platform.self, plans_namespace(&v->plan, &platform), name, owned));
    plans_warn_unattended(&platform);
    return NULL;
}

static struct json *suspension(bool suspend)
{
    struct json *patch = json_object();
    struct json *spec = json_object();

    json_set_bool(spec, "suspend", suspend);
    json_set(patch, "spec", spec);
    return patch;
}

/* One of the commands that only send something. `patch` is taken; `done` is said at the end. */
static int send(const struct cli_spec *spec, int argc, char **argv, struct json *patch,
                const char *done)
{
    struct request_values values = { 0 };
    AUTO(strlist_done) struct strlist words = { 0 };
    bool help = false;

    struct err *failed = cli_parse(spec, argc, argv, &values, &words, &help);
    if (help || failed) {
        json_free(patch);
        return help ? 0 : cli_fail(spec->command, failed, false);
    }
    failed = request(&values, words.items[words.count - 1], patch);
    if (failed) {
        return cli_fail(spec->command, failed, false);
    }
    say("%s\n", done);
    return 0;
}

int retry_main(int argc, char **argv)
{
    AUTO(free_auto) char *token = new_token();
    AUTO(free_auto) char *done = mem_printf("retry requested (%s)", token);

    return send(&retry_spec, argc, argv, annotation_patch(ANNOTATION_RETRY, token), done);
}

int reconcile_main(int argc, char **argv)
{
    AUTO(free_auto) char *token = new_token();
    AUTO(free_auto) char *done = mem_printf("reconcile requested (%s)", token);

    return send(&reconcile_spec, argc, argv, annotation_patch(ANNOTATION_REQUESTED, token), done);
}

int suspend_main(int argc, char **argv)
{
    return send(&suspend_spec, argc, argv, suspension(true),
                "suspended: running Jobs finish, nothing new starts");
}

int resume_main(int argc, char **argv)
{
    return send(&resume_spec, argc, argv, suspension(false), "resumed");
}

/* ---- resolve ------------------------------------------------------------------------------------- */

static struct err *usage(const char *message)
{
    return err_new(ERR_TERMINAL, REASON_USAGE, "%s", message);
}

static struct err *check(const struct request_values *v)
{
    if (!v->database) {
        return usage("no database is given: add --database NAME, an entry of the plan");
    }
    if (!v->version == !v->description) {
        return usage("no migration is given, or two are: add one of --version and --description");
    }
    if (v->step <= 0 && !(v->verdict && verdict_parse(v->verdict) == VERDICT_RESTART)) {
        return usage(
            "no statement is given: add --step N, from 1 (for all of them: --verdict restart)");
    }
    if (!v->verdict || verdict_parse(v->verdict) == VERDICT_NONE) {
        return usage("--verdict must be applied, not-applied or restart");
    }
    if (!v->reason || !*v->reason) {
        return usage("no reason is given: add --reason TEXT, how you know");
    }
    return NULL;
}

static const char *user_name(void)
{
    const struct passwd *user = getpwuid(getuid());

    return user ? user->pw_name : "unknown";
}

/* The name is what the caller claims, and is marked so. */
static char *resolve_text(const struct request_values *v)
{
    struct json *list = json_array();
    struct json *item = json_object();
    AUTO(free_auto) char *reason = mem_printf("%s (claimed by %s)", v->reason, user_name());

    json_set_string(item, "database", v->database);
    json_set_string_opt(item, "version", v->version);
    json_set_string_opt(item, "description", v->description);
    json_set_int64(item, "step", v->step);
    json_set_string(item, "verdict", v->verdict);
    json_set_string(item, "reason", reason);
    json_push(list, item);
    char *text = json_text(list);
    json_free(list);
    return text;
}

static bool names_plan(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (str_starts(argv[i], "plan/") || str_starts(argv[i], "mplan/") ||
            str_starts(argv[i], "migrationplan/")) {
            return true;
        }
    }
    return false;
}

int resolve_main(int argc, char **argv)
{
    struct request_values values = { 0 };
    AUTO(strlist_done) struct strlist words = { 0 };
    AUTO(free_auto) char *text = NULL;
    bool help = false;

    if (!names_plan(argc, argv)) {
        return resolve_database_main(argc, argv);
    }
    struct err *failed = cli_parse(&resolve_plan_spec, argc, argv, &values, &words, &help);
    if (help) {
        return 0;
    }
    failed = failed ? failed : check(&values);
    if (!failed) {
        text = resolve_text(&values);
        failed = request(&values, words.items[words.count - 1],
                         annotation_patch(ANNOTATION_RESOLVE, text));
    }
    if (failed) {
        return cli_fail("resolve", failed, false);
    }
    say("verdict requested: statement %lld of %s on %s is %s\n", (long long)values.step,
        values.version ? values.version : values.description, values.database, values.verdict);
    return 0;
}
