/* SPDX-License-Identifier: Apache-2.0 */
/* What say() makes of foreign text, and how wide a terminal finds it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/mem.h"
#include "base/width.h"
#include "cli/say.h"
#include "cli/table.h"
#include "tests/unit/rows.h"

TestSuite(terminal, .timeout = 60);

#define SAID_MAX 8192

/* stdout goes into a file between the two. */
static FILE *caught;
static int kept;

static void catch_begin(void)
{
    fflush(stdout);
    kept = dup(STDOUT_FILENO);
    caught = tmpfile();
    cr_assert(caught && kept >= 0);
    cr_assert(dup2(fileno(caught), STDOUT_FILENO) >= 0);
}

static char *catch_end(void)
{
    char *text = mem_alloc(SAID_MAX + 1);

    fflush(stdout);
    cr_assert(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    rewind(caught);
    text[fread(text, 1, SAID_MAX, caught)] = '\0';
    fclose(caught);
    return text;
}

#define SAID(name, want, ...)                                                                      \
    do {                                                                                           \
        catch_begin();                                                                             \
        say(__VA_ARGS__);                                                                          \
        AUTO(free_auto) char *got_ = catch_end();                                                  \
        check_text(name, got_, want);                                                              \
    } while (0)

Test(terminal, widths_are_those_of_a_terminal)
{
    static const struct {
        const char *name, *text;
        size_t want;
    } rows[] = {
        { "nothing", "", 0 },
        { "letters", "orders", 6 },
        { "letters of two bytes", "caf\xc3\xa9", 4 },
        { "a mark on a letter", "cafe\xcc\x81", 4 },
        { "several marks", "a\xcc\x81\xcc\xa3\xcc\xb0", 1 },
        { "Chinese", "\xe8\xae\xa2\xe5\x8d\x95", 4 },
        { "Japanese kana", "\xe3\x82\xa2\xe3\x82\xa4", 4 },
        { "half-width kana", "\xef\xbd\xb1\xef\xbd\xb2", 2 },
        { "Korean", "\xed\x95\x9c\xea\xb8\x80", 4 },
        { "full-width letters", "\xef\xbc\xa1\xef\xbc\xa2", 4 },
        { "emoji", "\xf0\x9f\x9a\x80!", 3 },
        { "Devanagari with a virama", "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7", 2 },
        { "Arabic", "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7", 5 },
        { "box drawing", "\xe2\x94\x80\xe2\x94\x80", 2 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        cr_expect_eq(width_of(rows[i].text), rows[i].want, "%s: %zu, not %zu", rows[i].name,
                     width_of(rows[i].text), rows[i].want);
    }
}

Test(terminal, a_cut_parts_no_letter)
{
    static const struct {
        const char *name, *text;
        size_t columns, want;
    } rows[] = {
        { "all fits", "orders", 6, 6 },
        { "some fits", "orders", 4, 4 },
        { "nothing fits", "orders", 0, 0 },
        { "a wide one does not fit half", "\xe8\xae\xa2\xe5\x8d\x95", 3, 3 },
        { "marks belong to their letter", "e\xcc\x81x", 1, 3 },
        { "an emoji at the border", "a\xf0\x9f\x9a\x80", 2, 1 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        cr_expect_eq(width_fit(rows[i].text, rows[i].columns), rows[i].want, "%s: %zu",
                     rows[i].name, width_fit(rows[i].text, rows[i].columns));
    }
}

Test(terminal, arguments_are_foreign_and_formats_are_ours)
{
    char unterminated[3] = { 'a', 'b', 'c' };

    SAID("plain", "version 4, 2 pending\n", "version %s, %d pending\n", "4", 2);
    SAID("escapes", "[\\x1b[2J\\x07]\n", "[%s]\n", "\x1b[2J\a");
    SAID("a line break forges no line", "name: a\\nproblem: none\n", "name: %s\n",
         "a\nproblem: none");
    SAID("direction", "a<U+202E>b", "%s",
         "a\xe2\x80\xae"
         "b");
    SAID("a byte that is no UTF-8", "\\xc3(", "%s", "\xc3(");
    SAID("a percent sign of theirs", "%s%n\n", "%s\n", "%s%n");
    SAID("width counts columns", "|\xe8\xae\xa2\xe5\x8d\x95  |x     |\n", "|%-6s|%-6s|\n",
         "\xe8\xae\xa2\xe5\x8d\x95", "x");
    SAID("width of an argument, to the right", "|    ab|", "|%*s|", 6, "ab");
    SAID("precision ends the text", "ab", "%.2s", unterminated);
    SAID("precision parts no character", "a", "%.2s", "a\xc3\xa9");
    SAID("a character", "X?\\x1b|", "%c?%c|", 'X', 27);
    SAID("numbers", "-7 42 18446744073709551615 -9223372036854775808 ff 007 7  |  7",
         "%d %lld %zu %lld %x %03d %-3d|%3u", -7, 42LL, SIZE_MAX, (long long)INT64_MIN, 255u, 7, 7,
         7u);
    SAID("a fraction", "1.5 s 100%", "%.1f s 100%%", 1.49999);
}

Test(terminal, lines_of_a_text_stay)
{
    catch_begin();
    say_lines("select 1,\n\t'\x1b]0;x\a';\n");
    AUTO(free_auto) char *got = catch_end();
    check_text("lines", got, "select 1,\n\t'\\x1b]0;x\\x07';\n");
}

Test(terminal, color_is_told_and_switched)
{
    static const struct {
        const char *name, *when, *no_color;
        bool want;
    } rows[] = {
        { "no terminal", "auto", NULL, false },
        { "always", "always", NULL, true },
        { "always, whatever NO_COLOR says", "always", "1", true },
        { "never", "never", NULL, false },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        cr_assert(say_color(rows[i].when));
        unsetenv("NO_COLOR");
        if (rows[i].no_color) {
            setenv("NO_COLOR", rows[i].no_color, 1);
        }
        catch_begin();
        say_in(INK_BAD, "%s", "x");
        AUTO(free_auto) char *got = catch_end();
        check_text(rows[i].name, got, rows[i].want ? "\033[31mx\033[0m" : "x");
    }
    cr_expect(!say_color("yes") && !say_color(""));
}

Test(terminal, tables_align_by_columns)
{
    AUTO(table_done) struct table t = { .columns = 3, .indent = " " };
    AUTO(free_auto) char *wide = mem_alloc(101);

    memset(wide, 'w', 100);
    table_add(&t, INK_HEAD, "V");
    table_add(&t, INK_HEAD, "NAME");
    table_add(&t, INK_HEAD, "LAST");
    table_add(&t, INK_PLAIN, "1");
    table_add(&t, INK_PLAIN, "\xe8\xae\xa2\xe5\x8d\x95\xe8\xa1\xa8");
    table_add(&t, INK_PLAIN, "x");
    table_note(&t, "^ a\nb");
    table_add(&t, INK_PLAIN, NULL);
    table_add(&t, INK_PLAIN, wide);
    table_add(&t, INK_PLAIN, "y");
    table_add(&t, INK_PLAIN, "10");
    table_add(&t, INK_PLAIN, "a\nb");
    table_add(&t, INK_PLAIN, "z");
    say_color("never");
    catch_begin();
    table_print(&t);
    AUTO(free_auto) char *got = catch_end();
    AUTO(free_auto) char *want = mem_printf(" V   NAME    LAST\n"
                                            " 1   \xe8\xae\xa2\xe5\x8d\x95\xe8\xa1\xa8  x\n"
                                            "     ^ a\\nb\n"
                                            "     %s  y\n"
                                            " 10  a\\nb    z\n",
                                            wide);
    check_text("table", got, want);
}
