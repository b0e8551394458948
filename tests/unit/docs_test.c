/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that state a fact a table of the program states too: they must agree, both ways. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/reason.h"

static char *page(const char *path)
{
    AUTO(buf_done) struct buf text = BUF(1024 * 1024);
    AUTO(err_free_auto) struct err *e = file_read(path, &text);

    cr_assert_null(e, "%s", e ? e->message : "");
    return buf_take(&text);
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;

    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

Test(docs_reasons, say_what_the_table_says)
{
    AUTO(free_auto) char *text = page("docs/reference/reasons.md");

    for (size_t i = 0; i < reason_count; i++) {
        const struct reason *r = &reasons[i];
        AUTO(free_auto) char *row =
            mem_printf("| `%s` | %d | %s | %s | %s |\n", r->name, r->exit_code, r->meaning,
                       r->remedy, reason_here(r->name) ? reason_here(r->name) : "");
        cr_expect(strstr(text, row), "docs/reference/reasons.md lacks the row\n%s", row);
    }
    cr_expect_eq(count_of(text, "\n| `"), reason_count,
                 "docs/reference/reasons.md has other rows, too");
}

Test(docs_exit_codes, say_what_the_table_says)
{
    AUTO(free_auto) char *text = page("docs/reference/commands.md");
    const char *from = strstr(text, "\n## Exit codes\n");
    cr_assert(from, "docs/reference/commands.md has no section on exit codes");
    const char *end = strstr(from + 1, "\n## ");
    AUTO(free_auto) char *part = mem_strndup(from, end ? (size_t)(end - from) : strlen(from));
    size_t used = 0;

    for (size_t i = 0; i < exit_code_count; i++) {
        AUTO(free_auto)
        char *row = mem_printf("\n| %d | %s |\n", exit_codes[i].code, exit_codes[i].meaning);
        cr_expect(strstr(part, row), "docs/reference/commands.md lacks the row%s", row);
    }
    cr_expect_eq(count_of(part, "\n| "), exit_code_count + 1,
                 "docs/reference/commands.md has other rows, too");
    for (size_t r = 0; r < reason_count; r++) {
        for (size_t i = 0; i < exit_code_count; i++) {
            used += exit_codes[i].code == reasons[r].exit_code;
        }
    }
    cr_expect_eq(used, reason_count, "a reason has an exit code that the table lacks");
}

Test(docs_limits, say_what_the_header_says)
{
    AUTO(free_auto) char *text = page("docs/reference/limits.md");
    AUTO(free_auto) char *header = page("base/limits.h");
    size_t defined = 0;

    for (const char *at = strstr(header, "#define LIMIT_"); at;
         at = strstr(at + 1, "#define LIMIT_")) {
        const char *name = at + strlen("#define ");
        size_t name_length = strcspn(name, " ");
        const char *value = name + name_length + 1;
        const char *comment = strstr(value, "/* ");
        const char *end = strstr(value, " */");
        cr_assert(comment && end && comment < end, "%.*s has no reason", (int)name_length, name);
        size_t value_length = (size_t)(comment - value);
        while (value_length > 0 && value[value_length - 1] == ' ') {
            value_length--;
        }
        if (value[0] == '(') {
            value++;
            value_length -= 2;
        }
        AUTO(free_auto) char *row =
            mem_printf("| `%.*s` | %.*s | %.*s |\n", (int)name_length, name, (int)value_length,
                       value, (int)(end - comment - 3), comment + 3);
        cr_expect(strstr(text, row), "docs/reference/limits.md lacks the row\n%s", row);
        defined++;
    }
    cr_expect_eq(count_of(text, "\n| `LIMIT_"), defined,
                 "docs/reference/limits.md has other rows, too");
    cr_expect_gt(defined, 10);
}

/* A word of the table in the source: the text of the next "..." behind *at, which moves. */
static char *next_string(const char **at)
{
    const char *start = strchr(*at, '"') + 1;
    const char *end = strchr(start, '"');

    *at = end + 1;
    return mem_strndup(start, (size_t)(end - start));
}

Test(docs_metrics, say_what_the_table_says)
{
    AUTO(free_auto) char *text = page("docs/reference/metrics.md");
    AUTO(free_auto) char *source = page("controller/metric_families.c");
    size_t families = 0;

    for (const char *at = strstr(source, "\n    [METRIC_"); at; at = strstr(at, "\n    [METRIC_")) {
        AUTO(free_auto) char *name = next_string(&at);
        const char *type = at + strspn(at, ", ");
        bool counter = str_starts(type, "METRIC_COUNTER");
        AUTO(free_auto) char *help = next_string(&at);
        AUTO(free_auto) char *head = mem_printf("\n| `%s%s` | %s |", name, counter ? "_total" : "",
                                                counter                            ? "counter"
                                                : str_starts(type, "METRIC_GAUGE") ? "gauge"
                                                                                   : "histogram");
        const char *row = strstr(text, head);
        cr_expect(row, "docs/reference/metrics.md lacks a row that begins with%s", head);
        AUTO(free_auto) char *tail = mem_printf("| %s |\n", help);
        const char *line_end = row ? strchr(row + 1, '\n') + 1 : NULL;
        cr_expect(!row || memcmp(line_end - strlen(tail), tail, strlen(tail)) == 0,
                  "docs/reference/metrics.md: the row of %s does not end with %s", name, tail);
        families++;
    }
    cr_expect_eq(count_of(text, "\n| `"), families,
                 "docs/reference/metrics.md has other rows, too");
    cr_expect_gt(families, 25);
}

/* The last part of each `a.b[].c` in the text: name and name of what it is in. */
static void add_last_parts(const char *from, const char *to, struct strlist *out)
{
    for (const char *at = from; (at = memchr(at, '`', (size_t)(to - at))) != NULL;) {
        const char *end = memchr(at + 1, '`', (size_t)(to - at - 1));
        const char *start = at + 1;
        for (const char *c = start; c < end; c++) {
            start = *c == '.' ? c + 1 : start;
        }
        AUTO(free_auto) char *name = mem_strndup(start, (size_t)(end - start));
        if (!strlist_has(out, name)) {
            strlist_add(out, name);
        }
        at = end + 1;
    }
}

/* First column of the first table behind a heading. */
static void table_names(const char *text, const char *heading, struct strlist *out)
{
    const char *row = strstr(text, heading);

    cr_assert(row, "no heading \"%s\"", heading);
    row = strstr(strstr(row, "\n|---"), "\n| ");
    for (; row && row[1] == '|'; row = strchr(row + 1, '\n')) {
        add_last_parts(row + 2, strstr(row + 2, " |"), out);
    }
}

Test(docs_status, names_every_key)
{
    AUTO(free_auto) char *text = page("docs/reference/migrationplan.md");
    AUTO(free_auto) char *source = page("model/status_json.c");
    AUTO(strlist_done) struct strlist named = { 0 };
    AUTO(strlist_done) struct strlist written = { 0 };
    static const char mark[] = "(object, ";

    table_names(text, "\n## 2. Status", &named);
    for (const char *at = strstr(source, mark); at; at = strstr(at, mark)) {
        at += strlen(mark);
        if (*at != '"') {
            continue;
        }
        AUTO(free_auto) char *key = next_string(&at);
        bool holds_others = str_eq(key, "conditions") || str_eq(key, "rollout") ||
                            str_eq(key, "summary") || str_eq(key, "gates") ||
                            str_eq(key, "history") || str_eq(key, "window") ||
                            (str_eq(key, "databases") && str_starts(at, ", format"));
        if (!holds_others && !strlist_has(&written, key)) {
            strlist_add(&written, key);
            cr_expect(strlist_has(&named, key), "docs/reference/migrationplan.md 2 lacks %s", key);
        }
    }
    for (size_t i = 0; i < named.count; i++) {
        cr_expect(strlist_has(&written, named.items[i]),
                  "docs/reference/migrationplan.md 2: no such key: %s", named.items[i]);
    }
    cr_expect_gt(written.count, 40);
}
