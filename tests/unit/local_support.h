/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of manifests for one test. */
#pragma once
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"

struct folder {
    char path[64];
};

static inline void folder_done(struct folder *f)
{
    err_free(file_remove_tree(f->path));
}

static inline struct folder folder_new(void)
{
    struct folder f = { "/tmp/sluice-local-XXXXXX" };
    cr_assert_not_null(mkdtemp(f.path));
    return f;
}

static inline void put(const struct folder *f, const char *name, const char *text)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", f->path, name);
    struct err *failed = file_write_atomic(path, text, strlen(text), 0600);
    cr_assert_null(failed, "%s", failed ? failed->message : "");
}

static inline char *take_text(const struct folder *f, const char *name)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", f->path, name);
    struct buf out = BUF(1024 * 1024);
    struct err *failed = file_read(path, &out);
    cr_assert_null(failed, "%s", failed ? failed->message : "");
    return buf_take(&out);
}

static inline void expect_no_error(struct err *e)
{
    cr_expect_null(e, "%s: %s", e ? e->reason : "", e ? e->message : "");
    err_free(e);
}

#define PLAN(name)                                                                                 \
    "apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: " name "}\n"           \
    "spec:\n  source: {url: https://git.example.com/a.git}\n"                                      \
    "  databases:\n  - {name: one, secretRef: {name: one-db}}\n"
#define SECRET(name)                                                                               \
    "apiVersion: v1\nkind: Secret\nmetadata: {name: " name                                         \
    "}\nstringData: {uri: 'postgresql://u:p@h/d'}\n"
