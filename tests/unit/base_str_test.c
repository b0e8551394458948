/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, UTF-8, lists. */
#include <stdint.h>
#include <stdlib.h>
#include "base/auto.h"
#include "base/str.h"
#include "tests/unit/rows.h"

TestSuite(str, .timeout = 60);

Test(str, numbers_are_read_whole_or_not_at_all)
{
    static const struct {
        const char *name, *text;
        int64_t min, max;
        bool ok;
        int64_t want;
    } rows[] = {
        { "a plain number", "42", 0, 100, true, 42 },
        { "a negative number", "-42", -100, 100, true, -42 },
        { "a plus sign is allowed", "+7", 0, 10, true, 7 },
        { "the largest number", "9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX },
        { "the smallest number", "-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN },
        { "one above the largest is refused", "9223372036854775808", INT64_MIN, INT64_MAX, false,
          0 },
        { "one below the smallest is refused", "-9223372036854775809", INT64_MIN, INT64_MAX, false,
          0 },
        { "many digits are refused", "99999999999999999999999999", INT64_MIN, INT64_MAX, false, 0 },
        { "below the minimum is refused", "4", 5, 9, false, 0 },
        { "above the maximum is refused", "10", 5, 9, false, 0 },
        { "nothing is refused", "", 0, 9, false, 0 },
        { "a sign alone is refused", "-", -9, 9, false, 0 },
        { "a blank before is refused", " 1", 0, 9, false, 0 },
        { "a letter behind is refused", "1x", 0, 9, false, 0 },
        { "hex is refused", "0x1", 0, 9, false, 0 },
        { "NULL is refused", NULL, 0, 9, false, 0 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t got = -77;
        bool ok = str_to_int64(rows[i].text, rows[i].min, rows[i].max, &got);
        cr_expect(ok == rows[i].ok, "%s", rows[i].name);
        cr_expect(got == (rows[i].ok ? rows[i].want : -77), "%s: value %lld", rows[i].name,
                  (long long)got);
    }
}

Test(str, utf8_is_valid_up_to_the_first_bad_byte)
{
    static const struct {
        const char *name, *text;
        size_t length, want;
    } rows[] = {
        { "ASCII", "abc", 3, 3 },
        { "two, three and four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, 9 },
        { "overlong two bytes", "a\xc0\x80", 3, 1 },
        { "overlong three bytes", "\xe0\x80\x80", 3, 0 },
        { "overlong four bytes", "\xf0\x80\x80\x80", 4, 0 },
        { "a surrogate", "\xed\xa0\x80", 3, 0 },
        { "the last before the surrogates", "\xed\x9f\xbf", 3, 3 },
        { "U+10FFFF", "\xf4\x8f\xbf\xbf", 4, 4 },
        { "above U+10FFFF", "\xf4\x90\x80\x80", 4, 0 },
        { "a lone continuation byte", "\x80", 1, 0 },
        { "cut in the middle", "ab\xe2\x82", 4, 2 },
        { "NUL is a character", "a\0b", 3, 3 },
        { "five-byte form", "\xf8\x88\x80\x80\x80", 5, 0 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t got = str_utf8_valid(rows[i].text, rows[i].length);
        cr_expect(got == rows[i].want, "%s: got %zu", rows[i].name, got);
    }
}

Test(str, utf8_is_written_as_it_is_read)
{
    static const uint32_t points[] = { 0,      0x41,   0x7f,   0x80,    0xe9,    0x7ff,   0x800,
                                       0xd7ff, 0xe000, 0xffff, 0x10000, 0x1f600, 0x10ffff };
    for (size_t i = 0; i < ROWS(points); i++) {
        char bytes[4];
        uint32_t back = 0;
        const size_t size = str_utf8_encode(points[i], bytes);
        cr_expect(str_utf8_decode(bytes, size, &back) == size && back == points[i],
                  "U+%04X: %zu bytes, back U+%04X", points[i], size, back);
    }
}

/* ASCII is looked at eight bytes at a time. */
Test(str, what_is_no_utf8_is_found_at_every_place)
{
    char text[40];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'x', sizeof text);
        text[at] = '\xff';
        cr_expect(str_utf8_valid(text, sizeof text) == at, "at %zu: got %zu", at,
                  str_utf8_valid(text, sizeof text));
        cr_expect(str_utf8_valid(text, at) == at, "before %zu", at);
    }
}

Test(str, a_cut_splits_no_character)
{
    const char *text = "a\xe2\x82\xac\xf0\x9f\x98\x80z"; /* a, euro, face, z */
    static const size_t want[] = { 0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9 };
    for (size_t max = 0; max < ROWS(want); max++) {
        cr_expect(str_utf8_cut(text, 9, max) == want[max], "max %zu: got %zu", max,
                  str_utf8_cut(text, 9, max));
    }
}

Test(str, foreign_text_is_made_printable)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "plain text stays", "d\xc3\xa9j\xc3\xa0 vu", "d\xc3\xa9j\xc3\xa0 vu" },
        { "line breaks and tabs are named", "a\nb\tc\rd", "a\\nb\\tc\\rd" },
        { "escape sequences are spelled out", "\x1b[31mred\x7f\x07", "\\x1b[31mred\\x7f\\x07" },
        { "OSC with its end", "\x1b]0;title\x1b\\", "\\x1b]0;title\\x1b\\" },
        { "C1 controls",
          "\xc2\x9b"
          "31m",
          "<U+009B>31m" },
        { "a C1 byte that is no UTF-8", "\x9b[2J", "\\x9b[2J" },
        { "marks that turn the direction", "x\xe2\x80\xaey\xe2\x81\xa6z\xd8\x9c",
          "x<U+202E>y<U+2066>z<U+061C>" },
        { "what has no width", "pass\xe2\x80\x8bword\xef\xbb\xbf\xc2\xad\xe2\x80\x8d",
          "pass<U+200B>word<U+FEFF><U+00AD><U+200D>" },
        { "tags beyond the first plane", "a\xf3\xa0\x81\x81", "a<U+E0041>" },
        { "letters that are composed of several stay",
          "e\xcc\x81 \xe0\xa4\x95\xe0\xa5\x8d \xe2\x9d\xa4\xef\xb8\x8f",
          "e\xcc\x81 \xe0\xa4\x95\xe0\xa5\x8d \xe2\x9d\xa4\xef\xb8\x8f" },
        { "wide ones and emoji stay", "\xe6\xbc\xa2\xe5\xad\x97\xf0\x9f\x9a\x80",
          "\xe6\xbc\xa2\xe5\xad\x97\xf0\x9f\x9a\x80" },
        { "line separators",
          "a\xe2\x80\xa8"
          "b\xe2\x80\xa9",
          "a<U+2028>b<U+2029>" },
        { "bad bytes go one by one",
          "a\xff\xfe"
          "b\xe2\x80",
          "a\\xff\\xfeb\\xe2\\x80" },
        { "nothing", "", "" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(free_auto) char *got = str_printable(rows[i].text, strlen(rows[i].text));
        check_text(rows[i].name, got, rows[i].want);
        AUTO(free_auto) char *again = str_printable(got, strlen(got));
        check_text("what is printable stays", again, got);
    }
    AUTO(free_auto) char *nul = str_printable("a\0b", 3);
    check_text("a NUL does not end the text", nul, "a\\x00b");
}

Test(str, a_text_of_several_lines_keeps_them)
{
    static const char text[] = "select 1,\r\n\t'\x1b[2J' \r -- \xe2\x80\xae\n\r\v";
    AUTO(free_auto) char *got = str_printable_lines(text, strlen(text));
    check_text("lines", got, "select 1,\r\n\t'\\x1b[2J' \\r -- <U+202E>\n\\r\\x0b");
}

Test(str, comparison_knows_null_and_case)
{
    cr_expect(str_eq(NULL, NULL));
    cr_expect(!str_eq(NULL, ""));
    cr_expect(str_eq("a", "a"));
    cr_expect(str_ieq("LaTeSt", "latest"));
    cr_expect(!str_ieq("late", "latest"));
    cr_expect(!str_ieq(NULL, "a"));
    cr_expect(!str_ieq("\xc3\x89", "\xc3\xa9"), "only ASCII is folded");
    cr_expect(str_starts("refs/heads/x", "refs/"));
    cr_expect(!str_starts(NULL, "a"));
    cr_expect(str_ends("a.sql", ".sql"));
    cr_expect(!str_ends("sql", ".sql"));
}

Test(str, lists_copy_what_they_are_given)
{
    AUTO(strlist_done) struct strlist list = { 0 };
    AUTO(strlist_done) struct strlist copy = { 0 };
    char text[] = "one";
    strlist_add(&list, text);
    text[0] = 'X';
    strlist_addn(&list, "twofold", 3);
    for (int i = 0; i < 100; i++) {
        strlist_add(&list, "more");
    }
    strlist_copy(&list, &copy);
    cr_expect(list.count == 102 && copy.count == 102);
    check_text("first", copy.items[0], "one");
    check_text("second", copy.items[1], "two");
    cr_expect(strlist_has(&copy, "two") && !strlist_has(&copy, "Xne"));
}

Test(str, a_pair_list_keeps_order_and_replaces)
{
    AUTO(kvlist_done) struct kvlist list = { 0 };
    AUTO(kvlist_done) struct kvlist copy = { 0 };
    kvlist_set(&list, "b", "1");
    kvlist_set(&list, "a", "2");
    kvlist_set(&list, "b", "3");
    kvlist_copy(&list, &copy);
    cr_assert(copy.count == 2);
    check_text("order", copy.items[0].key, "b");
    check_text("replaced", kvlist_get(&copy, "b"), "3");
    cr_expect(kvlist_get(&copy, "B") == NULL);
    kvlist_set(&list, "a", list.items[0].value); /* its own value */
    check_text("own value", kvlist_get(&list, "a"), "3");
}

struct similar_row {
    const char *wrong, *right;
    bool want;
};
static const struct similar_row similars[] = {
    { "tier", "tier", true },
    { "teir", "tier", true },
    { "tire", "tier", true },
    { "tear", "tier", false },
    { "TIER", "tier", true },
    { "path", "paths", true },
    { "databse", "database", true },
    { "dtaabsae", "database", true },
    { "zone", "tier", false },
    { "", "tier", false },
    { "ab", "ba", true },
    { "abcdefghijklmnopqrstuvwxyzabcdefghijklmno", "bbcdefghijklmnopqrstuvwxyzabcdefghijklmno",
      false },
};

Test(str, what_could_be_a_slip)
{
    for (size_t i = 0; i < ROWS(similars); i++) {
        cr_expect(str_similar(similars[i].wrong, similars[i].right) == similars[i].want,
                  "%s for %s", similars[i].wrong, similars[i].right);
    }
}
