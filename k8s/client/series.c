/* SPDX-License-Identifier: Apache-2.0 */
/* Events that repeat. */
#include "k8s/client/series.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

static void entry_done(struct series_entry *e)
{
    free(e->key);
    free(e->namespace_);
    free(e->name);
    *e = (struct series_entry){ 0 };
}

static void drop(struct series *s, size_t at)
{
    entry_done(&s->entries[at]);
    s->count--;
    memmove(&s->entries[at], &s->entries[at + 1], (s->count - at) * sizeof *s->entries);
}

static struct series_entry *find(struct series *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq(s->entries[i].key, key)) {
            return &s->entries[i];
        }
    }
    return NULL;
}

static void make_room(struct series *s)
{
    size_t oldest = 0;
    for (size_t i = 1; i < s->count; i++) {
        oldest = s->entries[i].last_ms < s->entries[oldest].last_ms ? i : oldest;
    }
    if (s->count >= SERIES_MAX) {
        drop(s, oldest);
    }
}

enum series_step series_occurred(struct series *s, char *key, char *namespace_, char *name,
                                 int64_t now_ms, int64_t now_utc_ms, struct series_entry **entry)
{
    struct series_entry *e = find(s, key);
    if (e && now_ms - e->last_ms >= SERIES_QUIET_MS) {
        series_forget(s, key); /* closed: this one begins anew */
        e = NULL;
    }
    if (!e) {
        make_room(s);
        s->entries = mem_grow(s->entries, &s->cap, s->count + 1, sizeof *s->entries);
        e = &s->entries[s->count++];
        *e = (struct series_entry){
            .key = key,
            .namespace_ = namespace_,
            .name = name,
            .count = 1,
            .told_count = 1,
            .last_ms = now_ms,
            .last_utc_ms = now_utc_ms,
            .told_ms = now_ms,
        };
        *entry = e;
        return SERIES_CREATE;
    }
    free(key);
    free(namespace_);
    free(name);
    e->count++;
    e->last_ms = now_ms;
    e->last_utc_ms = now_utc_ms;
    *entry = e;
    return e->told_count == 1 ? SERIES_UPDATE : SERIES_NOTHING;
}

struct series_entry *series_due(struct series *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->count;) {
        struct series_entry *e = &s->entries[i];
        bool quiet = now_ms - e->last_ms >= SERIES_QUIET_MS;
        if (quiet && e->told_count == e->count) {
            drop(s, i);
            continue;
        }
        if (e->told_count < e->count && (quiet || now_ms - e->told_ms >= SERIES_REFRESH_MS)) {
            return e;
        }
        i++;
    }
    return NULL;
}

void series_told(struct series_entry *e, int64_t now_ms)
{
    e->told_ms = now_ms;
    e->told_count = e->count;
}

void series_forget(struct series *s, const char *key)
{
    const struct series_entry *e = find(s, key);
    if (e) {
        drop(s, (size_t)(e - s->entries));
    }
}

void series_done(struct series *s)
{
    for (size_t i = 0; i < s->count; i++) {
        entry_done(&s->entries[i]);
    }
    free(s->entries);
    *s = (struct series){ 0 };
}
