// SPDX-License-Identifier: Apache-2.0
// Steps of a file as rows of an earlier version have counted them: a DROP of several tables was one step for each.
#include "base/auto.h"
#include "database/mysql/file.h"
#include "migration_support.h"

TestSuite(mydb_progress, .timeout = 30);

#define ONE(name)                                                                                  \
    "[{\"type\":\"table\",\"name\":\"`s`.`" name "`\",\"state\":\"absent\",\"form\":2}]"
#define TWO                                                                                        \
    "[{\"type\":\"table\",\"name\":\"`s`.`a`\",\"state\":\"absent\",\"form\":2},"                  \
    "{\"type\":\"table\",\"name\":\"`s`.`b`\",\"state\":\"absent\",\"form\":2}]"

static const struct {
    const char *name, *text;
    struct {
        int32_t step;
        size_t of; // the statement, from 0, of the file with the list as one; SIZE_MAX: another one
        const char *pre_state;
    } rows[3];
    size_t count; // of steps
} files[] = {
    { "no row",
      "insert into t values (1); drop table a, b; insert into t values (2)",
      { { 0 } },
      3 },
    { "a row before the list", "insert into t values (1); drop table a, b", { { 1, 0, NULL } }, 2 },
    { "a row of the whole list",
      "insert into t values (1); drop table a, b",
      { { 2, 1, TWO } },
      2 },
    { "a row of its first object",
      "insert into t values (1); drop table a, b",
      { { 1, 0, NULL }, { 2, 1, ONE("a") } },
      3 },
    { "rows of both",
      "drop table a, b; insert into t values (2)",
      { { 1, 0, ONE("a") }, { 2, 0, ONE("b") } },
      3 },
    { "of another statement", "drop table a, b", { { 1, SIZE_MAX, ONE("a") } }, 1 },
    { "of a DROP of one", "drop table a; drop table a, b", { { 1, 0, ONE("a") } }, 2 },
    { "of the second list", "drop view v, w; drop table a, b", { { 3, 1, ONE("a") } }, 4 },
};

Test(mydb_progress, a_drop_goes_on_as_it_was_begun)
{
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct db db = { .identity = { .engine = ENGINE_MYSQL, .server_version = 90704 } };
        struct migration m = support_migration("V2__x.sql", files[i].text, strlen(files[i].text));
        cr_assert(version_parse("2", &m.version));
        m.description = (char *)(uintptr_t) "x";
        const struct placeholders none = { .replacement = false };
        struct script whole = { 0 }, script = { 0 };
        support_expect_ok(script_parse_on(&db.identity, &m, &none, &whole), files[i].name);
        struct journal_row rows[3] = { 0 };
        char sha[3][SHA256_HEX_LEN + 1] = { "" };
        size_t count = 0;
        for (; count < 3 && files[i].rows[count].step; count++) {
            const size_t of = files[i].rows[count].of;
            hex_format(of < whole.count ? whole.statements[of].sha256 : m.sha256, SHA256_LEN,
                       sha[count]);
            rows[count] =
                (struct journal_row){ .seq = (int64_t)count + 1,
                                      .installed_rank = 1,
                                      .kind = MIGRATION_VERSIONED,
                                      .version = (char *)(uintptr_t) "2",
                                      .step = files[i].rows[count].step,
                                      .state = JOURNAL_INTENT,
                                      .step_class = 'A',
                                      .statement_sha256 = sha[count],
                                      .pre_state =
                                          (char *)(uintptr_t)files[i].rows[count].pre_state };
        }
        const struct run run = { .db = &db,
                                 .placeholders = none,
                                 .seen = { .journal = { .rows = rows, .count = count } } };
        support_expect_ok(mydb_parse(&run, &m, &script), files[i].name);
        cr_expect_eq(script.count, files[i].count, "%s: %zu", files[i].name, script.count);
        script_done(&script);
        script_done(&whole);
    }
}
