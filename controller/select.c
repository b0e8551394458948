/* SPDX-License-Identifier: Apache-2.0 */
/* The Secrets of a plan's databaseSelector: listed by label, remembered between lists. */
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"

#define INTERVAL_MS ((int64_t)5 * 60 * 1000)

bool snapshot_selected(const struct snapshot *snapshot, const struct selection *selection)
{
    if (!selection) {
        return !snapshot->selection && !snapshot->selection_problem;
    }
    const char *problem = selection->secrets ? NULL : selection->problem;
    return str_eq(snapshot->selection, selection->text) &&
           str_eq(snapshot->selection_problem, problem);
}

const struct json *select_of(const struct json *object)
{
    return json_get(json_get(object, "spec"), "databaseSelector");
}

static void match_labels(const struct json *selector, struct kvlist *out)
{
    const struct json *labels = json_get(selector, "matchLabels");

    for (const struct json *one = json_first(labels); one; one = json_next(one)) {
        if (json_string(one)) {
            kvlist_set(out, json_key(one), json_string(one));
        }
    }
}

static int64_t interval_ms(const struct controller *c, const struct json *object)
{
    const char *text = json_get_string(json_get(object, "spec"), "interval");
    int64_t ms = INTERVAL_MS;

    if (text && !duration_parse(text, &ms)) {
        ms = INTERVAL_MS;
    }
    return ms < c->config->min_interval_ms ? c->config->min_interval_ms : ms;
}

/* Cache locked. What was found before stays while the platform does not answer. */
static void take(struct plan_cache *cache, struct json *secrets, const struct err *failed)
{
    struct selection *s = &cache->selection;
    char *problem = failed ? mem_printf("spec.databaseSelector: the Secrets of namespace %s cannot "
                                        "be listed: %s",
                                        cache->namespace_, failed->message)
                           : NULL;

    if (problem && !str_eq(s->problem, problem)) {
        LOG(LOG_WARN, "secrets not listed", LOG_S("plan", cache->key),
            LOG_S("reason", failed->reason), LOG_S("message", problem));
    }
    free(s->problem);
    s->problem = problem;
    if (!failed) {
        json_free(s->secrets);
        free(s->text);
        s->secrets = secrets;
        s->text = json_text_sorted(secrets);
    }
}

int64_t select_due_ms(const struct controller *c, const struct plan_cache *cache,
                      const struct json *object, int64_t now_mono_ms)
{
    const struct selection *s = &cache->selection;
    const struct json *selector = select_of(object);
    AUTO(free_auto) char *text = selector ? json_text_sorted(selector) : NULL;

    if (!selector || s->listing) {
        return -1; /* the end of a list is told */
    }
    if (!str_eq(s->of, text) || s->again || s->listed_mono_ms == 0) {
        return 0;
    }
    int64_t left_ms = s->listed_mono_ms + interval_ms(c, object) - now_mono_ms;
    return left_ms > 0 ? left_ms : 0;
}

bool select_is_unknown(const struct plan_cache *cache, const struct json *object)
{
    const struct json *selector = select_of(object);
    AUTO(free_auto) char *text = selector ? json_text_sorted(selector) : NULL;
    const struct selection *s = &cache->selection;

    return selector && (!str_eq(s->of, text) || (!s->secrets && !s->problem));
}

/* ---- the list ------------------------------------------------------------------------------------- */

struct list_task {
    struct controller *c;
    struct plan_cache *cache;
    char *of; /* the selector */
    struct kvlist labels;
};

/* Cache locked. Another selector may be of interest by now; its plan knows that. */
static void take_list(const struct list_task *task, struct json *secrets, const struct err *failed)
{
    struct plan_cache *cache = task->cache;

    cache->selection.listing = false;
    if (!str_eq(cache->selection.of, task->of)) {
        json_free(secrets);
        return;
    }
    take(cache, secrets, failed);
}

static void run_list(void *payload)
{
    struct list_task *task = payload;
    struct plan_cache *cache = task->cache;
    const struct platform *platform = &task->c->platform;
    struct json *secrets = NULL;
    struct err *failed =
        platform->ops->list_secrets(platform->self, cache->namespace_, &task->labels, &secrets);

    pthread_mutex_lock(&cache->lock);
    take_list(task, secrets, failed);
    const bool gone = cache->gone;
    pthread_mutex_unlock(&cache->lock);
    if (!gone) {
        queue_add(task->c->plans, cache->key);
    }
    err_free(failed);
    plan_cache_unref(cache);
    kvlist_done(&task->labels);
    free(task->of);
    free(task);
}

void select_start(struct controller *c, struct plan_cache *cache, const struct json *object)
{
    const struct json *selector = select_of(object);
    struct selection *s = &cache->selection;
    struct list_task *task = mem_alloc(sizeof *task);

    *task = (struct list_task){ .c = c,
                                .cache = plan_cache_ref(cache),
                                .of = json_text_sorted(selector) };
    match_labels(selector, &task->labels);
    if (!str_eq(s->of, task->of)) {
        selection_done(s);
        s->of = mem_strdup(task->of);
    }
    s->listing = true;
    s->again = false;
    s->listed_mono_ms = clock_mono_ms();
    const struct pool_task work = { .plan = cache->key,
                                    .kind = "list",
                                    .group = cache->key,
                                    .group_limit = 1,
                                    .run = run_list,
                                    .payload = task };
    pool_submit(c->pool, &work);
}
