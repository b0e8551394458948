/* SPDX-License-Identifier: Apache-2.0 */
/* Locations: one spelling each, none outside the repository, none counted twice. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "git/paths.h"
#include "model/reason.h"

TestSuite(paths, .timeout = 30);

Test(paths, have_one_spelling)
{
    static const char *const rows[][2] = {
        { "sql", "sql" },
        { "sql/", "sql" },
        { "./sql", "sql" },
        { "sql//orders", "sql/orders" },
        { "sql/./orders/.", "sql/orders" },
        { "", "." },
        { ".", "." },
        { "./", "." },
        { ".hidden/x", ".hidden/x" },
        { "..sql", "..sql" },
        { "a/...", "a/..." },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(free_auto) char *got = NULL;
        cr_assert_null(paths_normalize(rows[i][0], &got), "%s", rows[i][0]);
        cr_expect_str_eq(got, rows[i][1], "%s", rows[i][0]);
    }
}

Test(paths, never_leave_the_repository)
{
    static const char *const rows[] = { "/sql", "/", "..", "../sql", "sql/..", "sql/../../x" };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = NULL;
        AUTO(err_free_auto) struct err *error = paths_normalize(rows[i], &got);
        cr_assert_not_null(error, "%s was taken", rows[i]);
        cr_expect_str_eq(error->reason, REASON_INVALID_MIGRATION);
        cr_expect_null(got);
    }
    AUTO(free_auto) char *text = mem_alloc(1100);
    memset(text, 'a', 1025);
    char *got = NULL;
    AUTO(err_free_auto) struct err *error = paths_normalize(text, &got);
    cr_assert_not_null(error);
    cr_expect_not_null(strstr(error->message, "longer than 1024"));
}

Test(paths, inside_another_are_read_once)
{
    static const struct {
        const char *paths[4];
        bool covered[4];
    } rows[] = {
        { { "sql", "sql/a" }, { false, true } }, { { "sql/a", "sql" }, { true, false } },
        { { "sql", "sql" }, { false, true } },   { { "sql", "sqlite" }, { false, false } },
        { { ".", "sql" }, { false, true } },     { { "sql", "." }, { true, false } },
        { { ".", "." }, { false, true } },       { { "a", "a/b", "a/b/c" }, { false, true, true } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(strlist_done) struct strlist list = { 0 };
        for (int k = 0; k < 4 && rows[i].paths[k]; k++) {
            strlist_add(&list, rows[i].paths[k]);
        }
        for (size_t k = 0; k < list.count; k++) {
            cr_expect_eq(paths_covered(&list, k), rows[i].covered[k], "row %zu path %zu", i, k);
        }
    }
}

Test(paths, content_is_wanted_of_sql_and_its_settings_only)
{
    static const struct {
        const char *name;
        bool wanted;
    } rows[] = { { "V1__a.sql", true },  { "V1__a.SQL", true }, { "V1__a.sql.conf", true },
                 { "README.md", false }, { "V1__a", false },    { "V1__a.sh", false },
                 { "sql", false },       { ".sql", false } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(paths_wants_content(rows[i].name, NULL), rows[i].wanted, "%s", rows[i].name);
    }
}
