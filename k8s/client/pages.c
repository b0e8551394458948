/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for pages, and for smaller ones. */
#include "k8s/client/pages.h"
#include <stdlib.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

static struct err *ask(const struct pages *p, enum kube_verb verb, int limit,
                       struct kube_answer *answer)
{
    AUTO(free_auto) char *token = p->next ? kube_path("&continue=%s", p->next) : NULL;
    AUTO(free_auto) char *path = mem_printf("%s?limit=%d%s%s", p->path, limit, p->query,
                                            token      ? token
                                            : p->first ? p->first
                                                       : "");
    const struct kube_request request = { .verb = verb,
                                          .path = path,
                                          .timeout_ms = p->timeout_ms,
                                          .cancel = p->cancel,
                                          .max = LIMIT_LIST_PAGE };
    return kube_request(p->kube, &request, answer);
}

static void tell_skipped(const struct pages *p, const struct json *list)
{
    const struct json *items = json_get(list, "items");

    for (const struct json *item = json_first(items); item; item = json_next(item)) {
        const struct json *metadata = json_get(item, "metadata");
        LOG(LOG_ERROR, "an object is too large to be read", LOG_S("path", p->path),
            LOG_S("namespace", json_get_string(metadata, "namespace")),
            LOG_S("name", json_get_string(metadata, "name")), LOG_I("limit", LIMIT_LIST_PAGE));
        if (p->skipped) {
            p->skipped(p->payload, metadata);
        }
    }
}

/* Of one object that is too large, the metadata alone: with it comes the token of what is behind. */
static struct err *skip_one(const struct pages *p, struct kube_answer *answer)
{
    TRY(ask(p, KUBE_GET_METADATA, 1, answer));
    tell_skipped(p, answer->body);
    json_set(answer->body, "items", json_array());
    return NULL;
}

static void take_token(struct pages *p, const struct json *list)
{
    const char *more = json_get_string(json_get(list, "metadata"), "continue");

    p->last = !more || !*more;
    mem_strset(&p->next, p->last ? "" : more);
}

struct err *pages_read(struct pages *p, struct kube_answer *answer)
{
    struct err *failed = NULL;

    p->limit = p->limit > 0 ? p->limit : PAGES_MOST;
    for (;;) {
        failed = ask(p, p->verb, p->limit, answer);
        if (!failed || !answer->too_large || p->limit == 1) {
            break;
        }
        err_free(failed);
        json_free(TAKE(answer->body));
        p->limit /= 2;
    }
    if (failed && answer->too_large && p->verb != KUBE_GET_METADATA) {
        err_free(failed);
        json_free(TAKE(answer->body));
        failed = skip_one(p, answer);
    }
    if (!failed) {
        take_token(p, answer->body);
    }
    return failed;
}

void pages_done(struct pages *p)
{
    free(TAKE(p->next));
}
