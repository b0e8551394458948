/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of texts and the statements they are cut into. */
#pragma once
#include "migration_support.h"

#define SPLIT_MAX 8

struct split_row {
    const char *rule;
    const char *text;
    const char *statements[SPLIT_MAX]; /* NULL-terminated */
};

struct split_error {
    const char *rule;
    const char *text;
    const char *message;
};

static inline struct err *support_script(enum engine engine, const char *text, struct script *out)
{
    struct placeholders none = { .replacement = false };
    struct migration m = support_migration("V1__x.sql", text, strlen(text));

    return script_parse(engine, 0, &m, &none, out);
}

static inline void support_check_splits(enum engine engine, const struct split_row *rows,
                                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct split_row *row = &rows[i];
        struct script script = { 0 };
        support_expect_ok(support_script(engine, row->text, &script), row->rule);
        size_t expected = 0;
        while (expected < SPLIT_MAX && row->statements[expected]) {
            expected++;
        }
        cr_expect_eq(script.count, expected, "%s: %zu statements", row->rule, script.count);
        for (size_t k = 0; k < script.count && k < expected; k++) {
            cr_expect_str_eq(script.statements[k].text, row->statements[k], "%s: '%s'", row->rule,
                             script.statements[k].text);
        }
        script_done(&script);
    }
}

static inline void support_check_errors(enum engine engine, const struct split_error *rows,
                                        size_t count, const char *reason)
{
    for (size_t i = 0; i < count; i++) {
        struct script script = { 0 };
        support_expect_error(support_script(engine, rows[i].text, &script), rows[i].rule, reason,
                             rows[i].message);
    }
}
