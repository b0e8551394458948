/* SPDX-License-Identifier: Apache-2.0 */
/* Digests that line ends are no part of. */
#include <criterion/criterion.h>
#include "model/lines.h"

TestSuite(lines, .timeout = 30);

static const struct {
    const char *text, *lf;
} texts[] = {
    { "", "" },
    { "a", "a" },
    { "\n", "\n" },
    { "\r\n", "\n" },
    { "a\r\nb\nc\r\n", "a\nb\nc\n" },
    { "a\rb", "a\rb" },
    { "a\r\rb", "a\r\rb" },
    { "a\r\r\nb", "a\r\nb" },
    { "a\r", "a\r" },
    { "'x\r\ny'", "'x\ny'" },
};

Test(lines, a_line_end_is_a_line_end_wherever_the_pieces_are_cut)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const size_t size = strlen(texts[i].text);
        uint8_t want[SHA256_LEN], got[SHA256_LEN];
        sha256(texts[i].lf, strlen(texts[i].lf), want);
        lines_sha256(texts[i].text, size, got);
        cr_expect_eq(memcmp(got, want, SHA256_LEN), 0, "text %zu", i);
        for (size_t cut = 0; cut <= size; cut++) {
            struct lines lines = { .digest = sha256_new(), .end = "\n" };
            lines_add(&lines, texts[i].text, cut);
            lines_add(&lines, texts[i].text + cut, size - cut);
            lines_end(&lines, got);
            cr_expect_eq(memcmp(got, want, SHA256_LEN), 0, "text %zu cut at %zu", i, cut);
        }
    }
}

Test(lines, two_texts_may_differ_in_their_line_ends)
{
    cr_expect(lines_equal("a\r\nb\n", "a\nb\r\n"));
    cr_expect(lines_equal("", ""));
    cr_expect_not(lines_equal("a\r\n", "a"));
    cr_expect_not(lines_equal("a\rb", "ab"));
    cr_expect_not(lines_equal("a\n", "a\r"));
}

static bool are(const char *today, const char *kept)
{
    char hex[SHA256_HEX_LEN + 1];
    sha256_hex(kept, strlen(kept), hex);
    return lines_are(today, strlen(today), hex);
}

Test(lines, what_was_kept_as_it_stood_is_known_again)
{
    cr_expect(are("a\nb", "a\nb"));
    cr_expect(are("a\nb", "a\r\nb"));
    cr_expect(are("a\r\nb", "a\nb"));
    cr_expect(are("a\r\nb", "a\r\nb"));
    cr_expect(are("a\r\nb\nc", "a\r\nb\nc"), "mixed, unchanged");
    cr_expect(are("a\r\nb\nc", "a\r\nb\r\nc"));
    cr_expect_not(are("a\nb", "a\n\nb"));
    cr_expect_not(are("a\nb", "a\rb"));
    cr_expect_not(lines_are("a", 1, NULL));
    cr_expect_not(lines_are("a", 1, ""));
}
