/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of the API with their parts percent-encoded. */
#include <assert.h>
#include <stdarg.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "k8s/client/kube.h"

#define PATH_MAX_BYTES (64 * 1024) /* a label selector of many values is long */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static void add_encoded(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (is_unreserved(*text)) {
            buf_addc(out, *text);
        } else {
            buf_addf(out, "%%%02X", (unsigned char)*text);
        }
    }
}

static void add_all(struct buf *out, const char *format, va_list *values)
{
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            buf_addc(out, *at);
            continue;
        }
        at++;
        assert(*at == 's' || *at == '%'); /* the contract's only two */
        if (*at == 's') {
            add_encoded(out, va_arg(*values, const char *));
        } else {
            buf_addc(out, '%');
        }
    }
}

char *kube_path(const char *format, ...)
{
    AUTO(buf_done) struct buf out = BUF(PATH_MAX_BYTES);
    va_list values;
    va_start(values, format);
    add_all(&out, format, &values);
    va_end(values);
    assert(!out.failed);
    return buf_take(&out);
}
