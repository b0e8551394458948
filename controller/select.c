/* SPDX-License-Identifier: Apache-2.0 */
/* The Secrets of a plan's databaseSelector: looked up by label, remembered between looks. */
#include <stdlib.h>

#include "controller/core.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"

#define INTERVAL_MS ((int64_t)5 * 60 * 1000)

void selection_done(struct selection *selection)
{
    free(selection->of);
    json_free(selection->secrets);
    free(selection->text);
    free(selection->problem);
    *selection = (struct selection){ 0 };
}

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

/* Cell locked. What was found before stays while the platform does not answer. */
static void take(struct cell *cell, struct json *secrets, const struct err *failed)
{
    struct selection *s = &cell->selection;
    char *problem = failed ? mem_printf("spec.databaseSelector: the Secrets of namespace %s cannot "
                                        "be listed: %s",
                                        cell->namespace_, failed->message)
                           : NULL;

    if (problem && !str_eq(s->problem, problem)) {
        LOG(LOG_WARN, "secrets not listed", LOG_S("plan", cell->key),
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

/* Cell locked. Time to the next look, ms; <= 0: now. */
static int64_t due_in(struct cell *cell, const char *selector, int64_t wait_ms, int64_t now_mono_ms)
{
    struct selection *s = &cell->selection;

    if (!str_eq(s->of, selector)) {
        selection_done(s);
        s->of = mem_strdup(selector);
    }
    bool at_once = s->again || s->looked_mono_ms == 0;
    s->again = false;
    int64_t left_ms = at_once ? 0 : s->looked_mono_ms + wait_ms - now_mono_ms;
    if (left_ms <= 0) {
        s->looked_mono_ms = now_mono_ms;
    }
    return left_ms;
}

int64_t select_look(struct controller *c, struct cell *cell, const struct json *object,
                    int64_t now_mono_ms)
{
    const struct json *selector = select_of(object);
    AUTO(kvlist_done) struct kvlist labels = { 0 };
    AUTO(free_auto) char *text = selector ? json_text_sorted(selector) : NULL;
    struct json *secrets = NULL;

    if (!selector) {
        return -1;
    }
    match_labels(selector, &labels);
    int64_t wait_ms = interval_ms(c, object);
    pthread_mutex_lock(&cell->lock);
    int64_t left_ms = due_in(cell, text, wait_ms, now_mono_ms);
    pthread_mutex_unlock(&cell->lock);
    if (left_ms > 0) {
        return left_ms;
    }
    struct err *failed =
        c->platform.ops->list_secrets(c->platform.self, cell->namespace_, &labels, &secrets);
    pthread_mutex_lock(&cell->lock);
    take(cell, secrets, failed);
    pthread_mutex_unlock(&cell->lock);
    err_free(failed);
    return wait_ms;
}
