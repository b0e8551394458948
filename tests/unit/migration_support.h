/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations and placeholders made from string literals, for the tests of migration/. */
#pragma once
#include <criterion/criterion.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/migration/script.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Borrows everything. */
static inline struct migration support_migration(const char *path, const char *text, size_t length)
{
    return (struct migration){
        .kind = MIGRATION_VERSIONED,
        .script = (char *)(uintptr_t)path,
        .path = (char *)(uintptr_t)path,
        .bytes = (const uint8_t *)text,
        .size = length,
        .directives = { .lock_timeout_ms = -1, .statement_timeout_ms = -1 },
    };
}

static inline void support_tree_add(struct tree *tree, const char *script, const char *text,
                                    size_t length)
{
    struct content *content = content_take((uint8_t *)mem_strndup(text, length), length);
    tree->files = mem_grow(tree->files, &tree->cap, tree->count + 1, sizeof *tree->files);
    tree->files[tree->count++] = (struct tree_file){
        .path = mem_printf("sql/%s", script),
        .script = mem_strdup(script),
        .content = content,
        .bytes = content->bytes,
        .size = length,
    };
}

/* The error is freed; `row` names the case. */
static inline void support_expect_error(struct err *e, const char *row, const char *reason,
                                        const char *message)
{
    cr_assert_not_null(e, "%s: no error", row);
    cr_expect_str_eq(e->reason, reason, "%s: %s", row, e->reason);
    cr_expect(strstr(e->message, message) != NULL, "%s: '%s' lacks '%s'", row, e->message, message);
    cr_expect_eq(e->kind, ERR_TERMINAL, "%s: kind", row);
    err_free(e);
}

static inline void support_expect_ok(struct err *e, const char *row)
{
    cr_assert(e == NULL, "%s: %s", row, e ? e->message : "");
}
