/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's source: its ref is watched by the shared polls, with the credentials that it names now. */
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "controller/internal.h"
#include "model/reason.h"

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

static struct poll_want want_of(const struct mplan *plan, const struct kvlist *secret)
{
    const struct mplan_source *source = &plan->source;

    return (struct poll_want){ .url = source->url,
                               .secret = source->secret_name ? secret : NULL,
                               .kind = ref_kind(source),
                               .ref = source->ref ? source->ref : "main",
                               .interval_ms = source->interval_ms,
                               .retry_ms = plan->retry_interval_ms,
                               .timeout_ms = source->timeout_ms };
}

struct err *source_secret(struct controller *c, const struct mplan *plan, enum secret_known *known,
                          struct kvlist *out)
{
    struct err *failed = NULL;

    *known = plan->source.secret_name ? secret_cache_get(c->secrets, plan->namespace_,
                                                         plan->source.secret_name, out, &failed)
                                      : SECRET_READ;
    return failed ? err_wrap(failed, "source.secretRef") : NULL;
}

/* Passes come often, tries do not: the same failure within spec.retryInterval is the same try. */
static void take_failure(struct plan_cache *cache, struct err *failed)
{
    const int64_t now_ms = clock_mono_ms();
    struct last_failure *last = &cache->source_failure;

    if (last->reason && now_ms - last->mono_ms < cache->snapshot->plan.retry_interval_ms) {
        err_free(failed);
        return;
    }
    if (last_failure_set(last, failed, now_ms)) {
        LOG(LOG_WARN, "source not usable", LOG_S("plan", cache->key), LOG_S("reason", last->reason),
            LOG_S("message", last->message));
    }
}

void source_observe(struct controller *c, struct plan_cache *cache)
{
    const struct mplan *plan = &cache->snapshot->plan;
    AUTO(secret_kvlist_done) struct kvlist secret = { 0 };
    enum secret_known known = SECRET_UNKNOWN;

    cache->source_waits = false;
    if (plan->suspend || plan->deleting) { /* what was seen stays known */
        return;
    }
    struct err *failed = source_secret(c, plan, &known, &secret);
    cache->source_waits = known == SECRET_UNKNOWN;
    if (plan->revision) { /* the commit is known; its fetch asks whether the ref has it */
        last_failure_clear(&cache->source_failure);
        err_free(failed); /* the fetch says it */
        return;
    }
    if (known == SECRET_UNKNOWN) { /* whoever reads it tells the plan */
        return;
    }
    struct poll_answer answer = { 0 };
    const struct poll_want want = want_of(plan, &secret);
    failed = failed ? failed : polls_answer(c->polls, cache->key, &want, &answer);
    if (failed) {
        take_failure(cache, failed);
        return;
    }
    last_failure_clear(&cache->source_failure);
    poll_answer_done(&cache->poll);
    cache->poll = answer;
}

void source_watch(struct controller *c, struct plan_cache *cache)
{
    const struct mplan *plan = &cache->snapshot->plan;
    AUTO(secret_kvlist_done) struct kvlist secret = { 0 };
    enum secret_known known = SECRET_UNKNOWN;
    struct err *failed = source_secret(c, plan, &known, &secret);

    if (known == SECRET_UNKNOWN) {
        return;
    }
    const struct poll_want want = want_of(plan, &secret);
    failed = failed ? failed : polls_watch(c->polls, cache->key, &want);
    if (failed) { /* source_observe() has told it, or will */
        polls_forget(c->polls, cache->key);
        err_free(failed);
    }
}
