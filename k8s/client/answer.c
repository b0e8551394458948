/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over the wire and what an answer means, without the wire. */
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "k8s/client/client.h"
#include "model/reason.h"

const char KUBE_NOT_FOUND[] = "NotFound";
const char KUBE_ALREADY_EXISTS[] = "AlreadyExists";
const char KUBE_CONFLICT[] = "Conflict";
const char KUBE_EXPIRED[] = "Expired";
const char KUBE_FORBIDDEN[] = REASON_FORBIDDEN;
const char KUBE_INVALID[] = "Invalid";
const char KUBE_UNAVAILABLE[] = REASON_API_UNAVAILABLE;

const char *kube_method(enum kube_verb verb)
{
    static const char *const names[] = {
        [KUBE_GET] = "GET",       [KUBE_POST] = "POST",         [KUBE_PUT] = "PUT",
        [KUBE_APPLY] = "PATCH",   [KUBE_MERGE_PATCH] = "PATCH", [KUBE_JSON_PATCH] = "PATCH",
        [KUBE_DELETE] = "DELETE", [KUBE_GET_METADATA] = "GET",
    };
    return names[verb];
}

/* /api/VERSION or /apis/GROUP/VERSION, maybe namespaces/NAME, then RESOURCE[/NAME[/SUBRESOURCE]]. */
char *kube_call_name(const char *verb, const char *path)
{
    AUTO(strlist_done) struct strlist parts = { 0 };
    AUTO(free_auto) char *plain = mem_strndup(path, strcspn(path, "?"));
    for (const char *at = plain; *at;) {
        size_t length = strcspn(at, "/");
        if (length) {
            strlist_addn(&parts, at, length);
        }
        at += length + (at[length] == '/');
    }
    size_t first = parts.count && str_eq(parts.items[0], "apis") ? 3 : 2;
    if (parts.count > first + 2 && str_eq(parts.items[first], "namespaces")) {
        first += 2;
    }
    if (parts.count <= first) {
        return mem_printf("%s %s", verb, plain);
    }
    return parts.count > first + 2
               ? mem_printf("%s %s/%s", verb, parts.items[first], parts.items[first + 2])
               : mem_printf("%s %s", verb, parts.items[first]);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static const struct json *first_cause(const struct json *status)
{
    return json_first(json_get(json_get(status, "details"), "causes"));
}

/* A JSON patch that does not fit the object is told as 422 like an invalid result; the cause is not a
 * field of the object then. */
static bool patch_did_not_fit(enum kube_verb verb, const struct json *status)
{
    const char *cause = json_get_string(first_cause(status), "reason");
    const char *field = json_get_string(first_cause(status), "field");
    return verb == KUBE_JSON_PATCH && (!field || !*field) &&
           (!cause || str_eq(cause, "UnexpectedServerResponse"));
}

static const char *reason_of(enum kube_verb verb, int code, const struct json *status,
                             enum err_kind *kind)
{
    switch (code) {
    case 404:
        *kind = ERR_TERMINAL;
        return KUBE_NOT_FOUND;
    case 409:
        *kind = ERR_CONFLICT;
        return verb == KUBE_POST && !str_eq(json_get_string(status, "reason"), KUBE_CONFLICT)
                   ? KUBE_ALREADY_EXISTS
                   : KUBE_CONFLICT;
    case 410:
        *kind = ERR_CONFLICT;
        return KUBE_EXPIRED;
    case 412:
        *kind = ERR_CONFLICT;
        return KUBE_CONFLICT;
    case 401:
    case 403:
        *kind = ERR_TRANSIENT;
        return KUBE_FORBIDDEN;
    case 422:
        if (patch_did_not_fit(verb, status)) {
            *kind = ERR_CONFLICT;
            return KUBE_CONFLICT;
        }
        *kind = ERR_TERMINAL;
        return KUBE_INVALID;
    case 400:
    case 413:
    case 415:
        *kind = ERR_TERMINAL;
        return KUBE_INVALID;
    default:
        *kind = ERR_TRANSIENT;
        return KUBE_UNAVAILABLE;
    }
}

struct err *kube_answer_error(enum kube_verb verb, const char *path, int code,
                              const struct json *body)
{
    if (code >= 200 && code < 300) {
        return NULL;
    }
    enum err_kind kind = ERR_TRANSIENT;
    const char *reason = reason_of(verb, code, body, &kind);
    const char *message = json_get_string(body, "message");
    int length = (int)strcspn(path, "?");
    if (code == 401) {
        message = "the server does not accept our credentials";
    }
    if (message && *message) {
        /* Of a patch that does not fit, the Status' own message says only "error in our request". */
        const char *cause = reason == KUBE_CONFLICT && verb == KUBE_JSON_PATCH
                                ? json_get_string(first_cause(body), "message")
                                : NULL;
        return err_new(kind, reason, "%s %.*s: %s%s%s (%d)", kube_method(verb), length, path,
                       message, cause ? ": " : "", cause ? cause : "", code);
    }
    return err_new(kind, reason, "%s %.*s: the server answered %d", kube_method(verb), length, path,
                   code);
}

bool kube_answer_rv_too_large(int code, const struct json *body)
{
    const struct json *cause = first_cause(body);
    for (; cause; cause = json_next(cause)) {
        if (str_eq(json_get_string(cause, "reason"), "ResourceVersionTooLarge")) {
            return code == 504 || code == 429;
        }
    }
    return false;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Line breaks of YAML that JSON takes as ordinary characters, and what YAML does not take raw. */
static bool upsets_yaml(uint32_t c)
{
    return (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe ||
           c == 0xffff;
}

void kube_body_text(enum kube_verb verb, const struct json *body, struct buf *out)
{
    if (verb != KUBE_APPLY) {
        json_write(body, false, out);
        return;
    }
    AUTO(buf_done) struct buf plain = BUF(out->max);
    json_write(body, false, &plain);
    const char *text = buf_text(&plain); // valid UTF-8: json_write() sees to it
    uint32_t c = 0;
    size_t length = 0;
    for (size_t i = 0; (length = str_utf8_decode(text + i, plain.len - i, &c)) > 0; i += length) {
        if (upsets_yaml(c)) {
            buf_addf(out, "\\u%04x", c);
        } else {
            buf_add(out, text + i, length);
        }
    }
    out->failed = out->failed || plain.failed;
}

#define NUMBER_MAX 63 /* characters that our reader takes */

/* In place, at a digit outside of strings: a number that our reader refuses becomes the nearest one that it
 * takes, and blanks. Returns what follows the number. */
static char *clamp_number(char *at, const char *end)
{
    static const char largest[] = "9007199254740992"; /* 2^53 */
    char copy[NUMBER_MAX + 1];
    char *from = at;
    while (at < end && *at && strchr("0123456789.eE+-", *at)) {
        at++;
    }
    size_t length = (size_t)(at - from);
    bool endless = length > NUMBER_MAX;
    size_t copied = endless ? NUMBER_MAX : length;
    memcpy(copy, from, copied);
    copy[copied] = '\0';
    bool exact = length == sizeof largest - 1 && memcmp(from, largest, length) == 0;
    double value = strtod(copy, NULL);
    bool large = value >= 9007199254740992.0 || (endless && strcspn(copy, ".eE") == copied);
    if ((large || endless) && !exact) {
        const char *text = !large                         ? "0"
                           : length >= sizeof largest - 1 ? largest
                                                          : "9e15"; /* four characters at least */
        size_t n = strlen(text);
        memset(from, ' ', length);
        memcpy(from, text, n);
    }
    return at;
}

static void scrub(char *text, size_t length)
{
    const char *end = text + length;
    bool quoted = false;
    for (char *at = text; at < end;) {
        if (quoted && *at == '\\') {
            if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0) {
                memcpy(at + 2, "fffd", 4);
            }
            at += 2;
        } else if (!quoted && *at >= '0' && *at <= '9') {
            at = clamp_number(at, end);
        } else {
            quoted = quoted != (*at == '"');
            at++;
        }
    }
}

struct err *kube_answer_parse(char *text, size_t length, const char *what, struct json **out)
{
    scrub(text, length);
    return json_parse(text, length, what, out);
}
