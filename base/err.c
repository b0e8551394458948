/* SPDX-License-Identifier: Apache-2.0 */
/* Error objects; every message is made printable and bounded here, once. */
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

static char *message_make(const char *text)
{
    char *clean = str_printable(text, strlen(text));
    clean[str_utf8_cut(clean, strlen(clean), LIMIT_ERR_MESSAGE)] = '\0';
    return clean;
}

__attribute__((format(printf, 1, 0))) static char *message_vformat(const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0) {
        text = mem_strdup(fmt);
    }
    return text;
}

struct err *err_new(enum err_kind kind, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = message_vformat(fmt, args);
    va_end(args);

    struct err *e = mem_alloc(sizeof *e);
    e->kind = kind;
    e->reason = reason;
    e->message = message_make(text);
    free(text);
    return e;
}

struct err *err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e) {
        return NULL;
    }
    va_list args;
    va_start(args, fmt);
    char *prefix = message_vformat(fmt, args);
    va_end(args);

    char *joined = mem_printf("%s: %s", prefix, e->message);
    free(prefix);
    free(e->message);
    e->message = message_make(joined);
    free(joined);
    return e;
}

struct err *err_reason(struct err *e, const char *reason)
{
    if (e) {
        e->reason = reason;
    }
    return e;
}

void err_free(struct err *e)
{
    if (e) {
        free(e->message);
        free(e);
    }
}
