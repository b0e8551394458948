/* SPDX-License-Identifier: Apache-2.0 */
/* Printed commands: whole, for a shell, and short enough to come back from a Job. */
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/command.h"
#include "tests/unit/rows.h"

TestSuite(command, .timeout = 60);

Test(command, words_are_quoted_for_a_shell)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "a plain word", "2.0", "'2.0'" },
        { "nothing", "", "''" },
        { "what a shell would read", "a b$HOME;*", "'a b$HOME;*'" },
        { "a quote", "it's", "'it'\\''s'" },
        { "a backtick ends the command in our text", "`x`", "$'\\140x\\140'" },
        { "a line end, with a quote and a backslash", "a\nb'\\", "$'a\\012b\\047\\134'" },
        { "DEL", "\x7f", "$'\\177'" },
        { "UTF-8", "\xc3\xa9", "'\xc3\xa9'" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(free_auto) char *got = command_quote(rows[i].text);
        check_text(rows[i].name, got, rows[i].want);
    }
}

Test(command, names_the_place)
{
    const struct command_place shop = { .url = "--url 'u'", .files = "--dir 'sql'" };
    const struct command_place environment = { .url = "" };
    const struct command_place plan = {
        .url = "--url 'u'", .plan = "shop", .namespace_ = "ns", .database = "one"
    };
    const struct command_place folder = {
        .plan = "shop", .namespace_ = "default", .database = "one", .standalone = "/the plans"
    };
    static const char version[] = " --version '2' --step 3 --verdict applied --reason 'I looked'`";
    const struct {
        const char *name;
        const struct command_place *place;
        const char *resolve, *repair, *baseline;
    } rows[] = {
        { "none", NULL, "`sluice resolve", "`sluice repair`",
          "`sluice baseline --baseline-version '1'`" },
        { "by $SLUICE_URL", &environment, "`sluice resolve", "`sluice repair`",
          "`sluice baseline --baseline-version '1'`" },
        { "by --url", &shop, "`sluice resolve --url 'u'", "`sluice repair --url 'u' --dir 'sql'`",
          "`sluice baseline --url 'u' --baseline-version '1'`" },
        { "a plan, and its database", &plan, "`sluice resolve plan/shop -n ns --database one",
          "`sluice repair --url 'u' --force`",
          "`sluice baseline --url 'u' --force --baseline-version '1'`" },
        { "a plan in a folder", &folder,
          "`sluice resolve plan/shop -n default --standalone '/the plans' --database one",
          "`sluice repair --force`", "`sluice baseline --force --baseline-version '1'`" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(free_auto) char *want = mem_printf("%s%s", rows[i].resolve, version);
        AUTO(free_auto)
        char *resolve = command_resolve(rows[i].place, "2", "a", 3, VERDICT_APPLIED);
        AUTO(free_auto) char *repair = command_repair(rows[i].place, true);
        AUTO(free_auto) char *failed = command_repair(rows[i].place, false);
        AUTO(free_auto) char *baseline = command_baseline(rows[i].place, "1");
        check_text(rows[i].name, resolve, want);
        check_text(rows[i].name, repair, rows[i].repair);
        check_text(rows[i].name, baseline, rows[i].baseline);
        cr_expect_null(strstr(failed, "--dir"), "failed rows need no files");
    }
    AUTO(free_auto) char *prune = command_prune(&plan);
    check_text("a plan's database is asked for with --force", prune,
               "`sluice prune --url 'u' --force`");
    AUTO(free_auto) char *retry = command_of_plan("retry", &folder);
    check_text("a plan's verb", retry,
               "`sluice retry plan/shop -n default --standalone '/the plans'`");
    AUTO(free_auto) char *restart = command_resolve(&shop, NULL, "a", 3, VERDICT_RESTART);
    check_text(
        "a restart is about all steps", restart,
        "`sluice resolve --url 'u' --description 'a' --verdict restart --reason 'I looked'`");
}

Test(command, leads_where_this_one_went_without_the_password)
{
    struct target target = { .engine = ENGINE_MARIADB,
                             .host = (char[]){ "h" },
                             .database = (char[]){ "d" },
                             .schema = (char[]){ "it's" },
                             .table = (char[]){ "other" },
                             .tls = TLS_DISABLE,
                             .password = secret_make("S3CRET", 6) };
    AUTO(free_auto) char *all = command_url(&target, true);
    AUTO(free_auto) char *rest = command_url(&target, false);
    check_text("by --url", all,
               "--url 'mariadb://h/d?ssl-mode=disable' --schema 'it'\\''s' --table 'other'");
    check_text("by $SLUICE_URL", rest, "--schema 'it'\\''s' --table 'other'");
    secret_done(&target.password);
}

Test(command, both_verdicts_fit_into_what_a_job_may_say)
{
    AUTO(free_auto) char *far = mem_printf("/%0200d", 0);
    struct command_place plan = { .plan = "shop", .namespace_ = "ns", .database = "one" };
    AUTO(free_auto) char *both = command_verdicts(&plan, "2", "a", 1);
    cr_expect(strstr(both, "--verdict applied ") &&
                  strstr(both, "`, if not: `sluice resolve plan/"),
              "%s", both);
    plan.standalone = far;
    AUTO(free_auto) char *one = command_verdicts(&plan, "2", "a", 1);
    cr_expect(strstr(one, "--verdict applied ") && strstr(one, "`, if not: --verdict not-applied"),
              "%s", one);
    cr_expect_lt(strlen(one), 430);
}
