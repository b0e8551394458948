/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are read piece by piece: the same is found whatever the pieces are. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "model/large.h"
#include "model/lines.h"

TestSuite(large, .timeout = 60);

DEFINE_AUTO(struct large, large_free)

static struct large *scan(const char *text, size_t length, size_t first, size_t piece)
{
    struct large_scan *s = large_scan_new();
    for (size_t at = 0; at < length;) {
        size_t size = at == 0 ? first : piece;
        size = size < length - at ? size : length - at;
        large_scan_add(s, text + at, size);
        at += size;
    }
    return large_scan_end(s);
}

Test(large, every_cut_finds_the_same)
{
    static const struct {
        const char *name, *text;
        enum large_fault fault;
        int line;
        bool placeholder;
    } rows[] = {
        { "plain", "select 1;\nselect 2;\r\nselect 3;\r", LARGE_FINE, 0, false },
        { "characters of two, three and four bytes", "é€😀\n\xED\x9F\xBF\xF4\x8F\xBF\xBF;é",
          LARGE_FINE, 0, false },
        { "a mark in front", "\xEF\xBB\xBFselect 1;\n", LARGE_FINE, 0, false },
        { "a placeholder", "select '${a}';", LARGE_FINE, 0, true },
        { "a dollar at the end", "select '$", LARGE_FINE, 0, false },
        { "a dollar and a brace apart", "select '$ {a}';", LARGE_FINE, 0, false },
        { "Latin 1", "abc\r\ndef\ncaf\xE9 x", LARGE_NOT_UTF8, 3, false },
        { "a character without its end", "abc\n\xE2\x82", LARGE_NOT_UTF8, 2, false },
        { "an overlong one", "abc\n\xE0\x80\x80", LARGE_NOT_UTF8, 2, false },
        { "a surrogate", "abc\rx\xED\xA0\x80", LARGE_NOT_UTF8, 2, false },
        { "above the last one", "abc\xF4\x90\x80\x80", LARGE_NOT_UTF8, 1, false },
        { "a continuation alone", "abc\x80", LARGE_NOT_UTF8, 1, false },
        { "a lead and a letter", "ab\xC3g\n", LARGE_NOT_UTF8, 1, false },
        { "line ends of three kinds", "\r\n\r\n\n\n\r\r\xFFxx", LARGE_NOT_UTF8, 7, false },
        { "a line end behind a long character", "é\n\xFFxx", LARGE_NOT_UTF8, 2, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t length = strlen(rows[i].text);
        AUTO(large_free_auto) struct large *whole = scan(rows[i].text, length, length, length);
        cr_expect_eq(whole->fault, rows[i].fault, "%s: fault %d", rows[i].name, whole->fault);
        cr_expect_eq(whole->fault_line, rows[i].line, "%s: line %d", rows[i].name,
                     whole->fault_line);
        cr_expect_eq(whole->has_placeholder, rows[i].placeholder, "%s: placeholder", rows[i].name);
        for (size_t first = 3; first < length; first++) {
            for (size_t piece = 1; piece < 6; piece++) {
                AUTO(large_free_auto) struct large *got = scan(rows[i].text, length, first, piece);
                cr_expect(got->fault == whole->fault && got->fault_line == whole->fault_line &&
                              got->fault_byte == whole->fault_byte,
                          "%s: cut at %zu, then %zu: fault %d line %d byte %x", rows[i].name, first,
                          piece, got->fault, got->fault_line, got->fault_byte);
                cr_expect_eq(got->checksum, whole->checksum, "%s: checksum", rows[i].name);
                cr_expect_eq(memcmp(got->sha256, whole->sha256, SHA256_LEN), 0, "%s: digest",
                             rows[i].name);
                uint8_t lines[SHA256_LEN];
                lines_sha256(rows[i].text, length, lines);
                cr_expect_eq(memcmp(got->lines_sha256, lines, SHA256_LEN), 0, "%s: lines",
                             rows[i].name);
                cr_expect_eq(got->has_placeholder, whole->has_placeholder, "%s", rows[i].name);
                cr_expect_eq(got->size, length);
                cr_expect_str_eq((const char *)got->head, rows[i].text);
            }
        }
    }
}

Test(large, what_is_no_text_is_said)
{
    AUTO(large_free_auto) struct large *nul = scan("ab\n\0cd", 6, 6, 6);
    AUTO(large_free_auto) struct large *wide = scan("\xFF\xFEs\0e\0", 6, 6, 6);
    AUTO(large_free_auto) struct large *other = scan("\xFE\xFF\0s\0e", 6, 6, 6);
    cr_expect(nul->fault == LARGE_NUL && nul->fault_line == 2);
    cr_expect(wide->fault == LARGE_UTF16 && wide->fault_line == 1);
    cr_expect_eq(other->fault, LARGE_UTF16);
}

Test(large, the_head_is_all_that_is_kept)
{
    const size_t length = 3 * LARGE_HEAD;
    AUTO(free_auto) char *text = mem_alloc(length + 1);
    memset(text, 'x', length);
    text[LARGE_HEAD - 1] = 'y';
    AUTO(large_free_auto) struct large *got = scan(text, length, 1000, 1000);
    cr_expect_eq(got->head_size, LARGE_HEAD);
    cr_expect_eq(strlen((const char *)got->head), LARGE_HEAD);
    cr_expect_eq(got->head[LARGE_HEAD - 1], 'y');
    cr_expect_eq(got->size, length);
}

Test(large, without_a_way_to_the_bytes_it_cannot_be_opened)
{
    AUTO(large_free_auto) struct large *got = scan("select 1;", 9, 9, 9);
    got->path = mem_strdup("sql/V1__x.sql");
    AUTO(err_free_auto) struct err *e = large_open(got);
    cr_assert_not_null(e);
    cr_expect_str_eq(e->reason, "SourceTooLarge");
    cr_expect_not_null(
        strstr(e->message, "sql/V1__x.sql: 9 bytes; a Job carries files of up to 8388608"));
    cr_expect_not_null(strstr(e->message, "sluice migrate --dir"), "%s", e->message);
}
