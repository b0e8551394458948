/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning what the schedules of step want: watches of refs, inspections, lists of Secrets. */
#include "base/clock.h"
#include "base/mem.h"
#include "controller/internal.h"

/* Until these inspections have ended, the retry is judged by nothing. */
static void begin_retry(struct plan_cache *cache, const char *retry)
{
    mem_strset(&cache->retry, retry);
    cache->retry_mono_ms = clock_mono_ms();
    for (size_t i = 0; i < cache->database_count; i++) {
        cache->databases[i].before_retry = true;
    }
}

void wishes_perform(struct controller *c, struct plan_cache *cache, const struct json *object,
                    const struct wishes *wishes)
{
    const struct snapshot *s = cache->snapshot;

    if (wishes->list) {
        select_start(c, cache, object);
    }
    if (wishes->watch) {
        source_watch(c, cache);
    } else {
        polls_forget(c->polls, cache->key);
    }
    if (wishes->poll_now) { /* a retry that is new */
        begin_retry(cache, kvlist_get(&s->plan.annotations, ANNOTATION_RETRY));
        polls_now(c->polls, cache->key);
    }
    for (size_t i = 0; i < wishes->inspect_count; i++) {
        inspect_task_start(c, cache, wishes->inspect[i]);
    }
    if (!s->error && !s->plan.deleting &&
        !s->plan.suspend) { /* all that they concern is inspected */
        strlist_done(&cache->secrets);
        cache->secrets = (struct strlist){ 0 };
    }
}
