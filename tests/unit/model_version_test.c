/* SPDX-License-Identifier: Apache-2.0 */
/* Versions: what is one, and which is the greater. */
#include "model/version.h"
#include "tests/unit/rows.h"

TestSuite(version, .timeout = 60);

Test(version, text_is_kept_and_underscores_become_dots)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "one part", "1", "1" },
        { "underscores", "1_2_3", "1.2.3" },
        { "dots", "1.2.3", "1.2.3" },
        { "both", "1_2.3", "1.2.3" },
        { "zeros are kept", "0012_01", "0012.01" },
        { "a time stamp beyond 64 bits", "20261122033000123456789012345",
          "20261122033000123456789012345" },
        { "fifty characters", "12345678901234567890123456789012345678901234567890",
          "12345678901234567890123456789012345678901234567890" },
        { "51 characters are too many", "123456789012345678901234567890123456789012345678901",
          NULL },
        { "a trailing dot", "1.", NULL },
        { "a leading dot", ".1", NULL },
        { "an empty part", "1..2", NULL },
        { "an empty part between both", "1._2", NULL },
        { "a letter", "1.a", NULL },
        { "a letter at the end", "1a", NULL },
        { "nothing", "", NULL },
        { "NULL", NULL, NULL },
        { "a minus", "-13", NULL },
        { "a blank", "1 ", NULL },
        { "latest is a target, not a version", "latest", NULL },
        { "current", "current", NULL },
        { "next", "next", NULL },
        { "Arabic digits", "\xd9\xa1", NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct version got = { "" };
        cr_expect(version_parse(rows[i].text, &got) == (rows[i].want != NULL), "%s", rows[i].name);
        check_text(rows[i].name, got.text, rows[i].want ? rows[i].want : "");
    }
}

Test(version, order_is_numeric_part_by_part)
{
    /* Each entry is greater than all before it; entries joined by '=' are equal. */
    static const char *const ladder[][3] = {
        { "" },
        { "0", "0.0", "00" },
        { "0.0.1" },
        { "0.1" },
        { "1", "1.0", "01" },
        { "1.0.0.1" },
        { "1.2", "1.02" },
        { "1.9" },
        { "1.10", "01.10.0" },
        { "2" },
        { "9" },
        { "10", "0010" },
        { "99" },
        { "20261122" },
        { "20261122.1" },
        { "9223372036854775807" },
        { "9223372036854775808" },
        { "18446744073709551616" },
        { "20261122033000123456789012344" },
        { "20261122033000123456789012345" },
    };
    for (size_t i = 0; i < ROWS(ladder); i++) {
        for (size_t k = 0; k < ROWS(ladder); k++) {
            for (size_t x = 0; x < 3 && ladder[i][x]; x++) {
                for (size_t y = 0; y < 3 && ladder[k][y]; y++) {
                    struct version a = { "" };
                    struct version b = { "" };
                    (void)version_parse(ladder[i][x], &a);
                    (void)version_parse(ladder[k][y], &b);
                    int want = (i > k) - (i < k);
                    cr_expect(version_compare(&a, &b) == want, "%s against %s", a.text, b.text);
                }
            }
        }
    }
}

Test(version, texts_of_one_version)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "1", "1", true },       { "1", "1.0", true }, { "07", "7.0.0", true },
        { "1.10", "1.1", false }, { "10", "1", false }, { "20260101", "20260102", false },
        { "x", "x", true },       { "x0", "x", false }, { "1.", "1.0", false },
        { "", "", true },         { "", "0", false },   { NULL, NULL, true },
        { NULL, "1", false },     { "1", NULL, false }, { "1.0.0.0.1", "01.0.0.00.01", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(version_same(rows[i].a, rows[i].b), rows[i].same, "%zu", i);
    }
}
