// SPDX-License-Identifier: Apache-2.0
// Can the history table hold what will be written about a file? Asked before any statement of the run, since afterwards
// nobody could record it.
#include "base/auto.h"
#include "base/mem.h"
#include "database/engine.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"

static int64_t characters(const char *text)
{
    int64_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return count;
}

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text == '\0';
}

static struct err *check(const struct history_column *column, const char *path, const char *text,
                         struct err *(*encodes)(void *payload, const struct history_column *column,
                                                const char *text, bool *out),
                         void *payload)
{
    const int64_t count = characters(text);
    if (column->width > 0 && count > column->width) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: its %s has %lld characters, and the column '%s' of the history table "
                       "holds %lld: make the file's name shorter, or the column as wide as Flyway "
                       "does (description 200, script 1000, version 50); no statement was run",
                       path, column->name, (long long)count, column->name,
                       (long long)column->width);
    }
    bool fits = true;
    if (!column->any && !is_ascii(text)) {
        TRY(encodes(payload, column, text, &fits));
    }
    if (fits) {
        return NULL;
    }
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                   "%s: its %s has characters that the history table's character set, %s, cannot "
                   "hold: name the file without them, or convert the %s to UTF-8; no statement was "
                   "run",
                   path, column->name, column->charset, column->of_database ? "database" : "table");
}

struct err *run_check_columns(const struct run *run, const struct apply_list *list,
                              const struct history_column *columns, size_t count,
                              struct err *(*encodes)(void *payload,
                                                     const struct history_column *column,
                                                     const char *text, bool *out),
                              void *payload)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct migration *file = list->items[i].baseline_marker ? NULL : list->items[i].file;
        const struct migrations_options *options = run->request->migrations;
        AUTO(free_auto)
        char *description =
            description_stored(file ? file->description : options->baseline_description);
        AUTO(free_auto)
        char *script = file ? script_stored(file->script) : mem_strdup(description);
        const char *version = file ? file->version.text : options->baseline_version.text;
        for (size_t c = 0; c < count; c++) {
            const char *text = str_eq(columns[c].name, "description") ? description
                               : str_eq(columns[c].name, "script")    ? script
                                                                      : version;
            TRY(check(&columns[c], file ? file->path : "the baseline marker", text, encodes,
                      payload));
        }
    }
    return NULL;
}
