/* SPDX-License-Identifier: Apache-2.0 */
/* A collection by pages that fit into memory: a page of too many bytes is asked for again with half as many
 * objects. One object that is too large even alone is passed over, and told. */
#pragma once
#include "k8s/client/client.h"

#define PAGES_MOST 500 /* objects of one page of a list */

struct pages {
    struct kube *kube;
    enum kube_verb verb;
    const char *path;          /* of the collection; borrowed */
    const char *query;         /* "&labelSelector=…", encoded; "": none */
    const char *first;         /* the first page's own, as "&resourceVersion=…"; NULL: none */
    int64_t timeout_ms;        /* of a page; 0: the usual one */
    const atomic_bool *cancel; /* NULL: none */
    /* Its metadata is all that was read of it. NULL: nobody wants to know. */
    void (*skipped)(void *payload, const struct json *metadata);
    void *payload;
    int limit;  /* objects; 0: PAGES_MOST. What fitted last is tried next. */
    char *next; /* continue token; owned; NULL: the first page */
    bool last;  /* the page that was read is the last one */
};

/* Reads the next page: answer->body is its list. Errors as kube_request(). */
struct err *pages_read(struct pages *pages, struct kube_answer *answer) ERR_MUST_USE;
void pages_done(struct pages *pages);
