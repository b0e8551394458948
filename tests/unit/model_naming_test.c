/* SPDX-License-Identifier: Apache-2.0 */
/* Flyway's settings of file names: what is not given is the default, and only what differs is written. */
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "model/naming.h"
#include "tests/unit/rows.h"

static char empty[] = "", lower[] = "v", upper[] = "V", rep[] = "rep", dash[] = "-", two[] = "__",
            ddl[] = ".ddl", sql[] = ".sql", quoted[] = "it's";
static char *both[] = { ddl, sql }, *usual[] = { sql };

static const struct row {
    const char *rule;
    struct naming naming;
    const char *json, *options;
} rows[] = {
    { "nothing is said of the defaults", { 0 }, "{}", "" },
    { "nor of defaults that are given, but for a command that repeats what it got",
      { .prefix = upper, .separator = two, .suffixes = { .items = usual, .count = 1 } },
      "{}",
      "--sql-migration-suffix '.sql'" },
    { "an empty prefix is one",
      { .prefix = empty },
      "{\"sqlMigrationPrefix\":\"\"}",
      "--sql-migration-prefix ''" },
    { "each setting by its name",
      { .prefix = lower,
        .repeatable_prefix = rep,
        .separator = dash,
        .suffixes = { .items = both, .count = 2 },
        .validate = true },
      "{\"sqlMigrationPrefix\":\"v\",\"repeatableSqlMigrationPrefix\":\"rep\","
      "\"sqlMigrationSeparator\":\"-\",\"sqlMigrationSuffixes\":[\".ddl\",\".sql\"]}",
      "--sql-migration-prefix 'v' --repeatable-sql-migration-prefix 'rep' "
      "--sql-migration-separator '-' --sql-migration-suffix '.ddl' --sql-migration-suffix '.sql' "
      "--validate-migration-naming" },
    { "which files there are does not depend on validation",
      { .validate = true },
      "{}",
      "--validate-migration-naming" },
    { "a shell reads them as they are",
      { .separator = quoted },
      "{\"sqlMigrationSeparator\":\"it's\"}",
      "--sql-migration-separator 'it'\\''s'" },
};

Test(naming, is_written)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *r = &rows[i];
        AUTO(json_free_auto) struct json *object = json_object();
        AUTO(buf_done) struct buf options = BUF(4096);
        AUTO(naming_done) struct naming copy = { 0 };
        naming_copy(&r->naming, &copy);
        naming_json(&copy, object);
        naming_options(&copy, &options);
        AUTO(free_auto) char *text = json_text(object);
        check_text(r->rule, text, r->json);
        check_text(r->rule, buf_text(&options), r->options);
        for (size_t k = 0; k < ROWS(rows); k++) {
            bool defaults = i < 2 && k < 2;
            cr_expect_eq(naming_equal(&copy, &rows[k].naming), i == k || defaults, "%zu %zu", i, k);
        }
    }
}

Test(naming, says_what_is_wrong)
{
    char long_text[NAMING_TEXT_MAX + 2];
    const struct naming same = { .repeatable_prefix = upper },
                        none = { .prefix = empty, .repeatable_prefix = empty };
    const struct naming fine = { .prefix = rep };

    memset(long_text, 'x', sizeof long_text - 1);
    long_text[NAMING_TEXT_MAX + 1] = '\0';
    cr_expect_not_null(naming_text_problem(long_text));
    cr_expect_null(naming_text_problem(long_text + 1));
    cr_expect_not_null(naming_text_problem("a/b"));
    cr_expect_not_null(naming_text_problem("a\nb"));
    cr_expect_not_null(naming_text_problem("a\x7f"));
    cr_expect_not_null(naming_text_problem("\xff"));
    cr_expect_null(naming_text_problem("\xc3\xa9"));
    cr_expect_null(naming_text_problem(""));
    cr_expect_not_null(naming_problem(&same));
    cr_expect_not_null(naming_problem(&none));
    cr_expect_null(naming_problem(&fine));
    cr_expect_null(naming_problem(NULL));
}

Test(naming, finds_the_first_suffix_in_any_case)
{
    static char package[] = ".pkg.sql";
    char *list[] = { sql, package }, *turned[] = { package, sql };
    const struct naming first = { .suffixes = { .items = list, .count = 2 } };
    const struct naming second = { .suffixes = { .items = turned, .count = 2 } };

    check_text("in order", naming_suffix_of(&first, "V1__a.PKG.SQL", 13), ".sql");
    check_text("the other way", naming_suffix_of(&second, "V1__a.PKG.SQL", 13), ".pkg.sql");
    check_text("of the length", naming_suffix_of(NULL, "a.sqlx", 5), ".sql");
    cr_expect_null(naming_suffix_of(NULL, "a.ddl", 5));
    cr_expect_null(naming_suffix_of(NULL, ".sql", 4), "nothing before it");
}
