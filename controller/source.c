/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's source: its ref is watched by the shared polls, with the credentials that it names now. */
#include <string.h>

#include "controller/core.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/model/reason.h"

static enum repo_ref_kind ref_kind(const struct mplan_source *source)
{
    switch (source->ref_kind) {
    case REF_TAG:
        return REPO_REF_TAG;
    case REF_COMMIT:
        return REPO_REF_COMMIT;
    case REF_NAME:
        return REPO_REF_NAME;
    case REF_BRANCH:
    default:
        return REPO_REF_BRANCH;
    }
}

static void wipe(struct kvlist *data)
{
    for (size_t i = 0; i < data->count; i++) {
        secret_wipe(data->items[i].value, strlen(data->items[i].value));
    }
    kvlist_done(data);
    *data = (struct kvlist){ 0 };
}

static struct err *watch(struct controller *c, const struct cell *cell, const struct mplan *plan)
{
    const struct mplan_source *source = &plan->source;
    AUTO(wipe) struct kvlist secret = { 0 };

    if (source->secret_name) {
        struct err *failed = c->platform.ops->read_secret(c->platform.self, plan->namespace_,
                                                          source->secret_name, &secret);
        if (failed) {
            failed->reason = REASON_SECRET_INVALID;
            return err_wrap(failed, "source.secretRef");
        }
    }
    const struct poll_want want = {
        .url = source->url,
        .secret = source->secret_name ? &secret : NULL,
        .kind = ref_kind(source),
        .ref = source->ref ? source->ref : "main",
        .interval_ms = source->interval_ms,
        .retry_ms = plan->retry_interval_ms,
        .timeout_ms = source->timeout_ms,
    };
    return polls_watch(c->polls, cell->key, &want);
}

void source_sync(struct controller *c, struct cell *cell)
{
    const struct mplan *plan = &cell->snapshot->plan;
    int64_t now_ms = clock_mono_ms();

    if (plan->suspend || plan->deleting) { /* nothing is fetched; what was seen stays known */
        polls_forget(c->polls, cell->key);
        return;
    }
    if (plan->revision) { /* the commit is known; its fetch asks whether the ref has it */
        polls_forget(c->polls, cell->key);
        note_clear(&cell->source_failure);
        return;
    }
    struct err *failed = watch(c, cell, plan);
    if (failed) {
        polls_forget(c->polls, cell->key);
        if (cell->source_failure.reason &&
            now_ms - cell->source_failure.mono_ms < plan->retry_interval_ms) {
            err_free(failed); /* the same try: passes come often, tries do not */
            return;
        }
        if (note_failure(&cell->source_failure, failed, now_ms)) {
            LOG(LOG_WARN, "source not usable", LOG_S("plan", cell->key),
                LOG_S("reason", cell->source_failure.reason),
                LOG_S("message", cell->source_failure.message));
        }
        return;
    }
    note_clear(&cell->source_failure);
    poll_answer_done(&cell->poll);
    (void)polls_answer(c->polls, cell->key, &cell->poll);
}
