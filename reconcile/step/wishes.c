/* SPDX-License-Identifier: Apache-2.0 */
/* The schedules: what is polled, inspected and listed because time has passed, a Secret has changed or a person
 * wants a retry, which is judged by what the databases say after it came. */
#include "reconcile/step/internal.h"

static bool is_quiet(const struct observed *seen)
{
    return seen->spec_error || seen->plan->deleting || seen->plan->suspend;
}

static bool wants_retry(const struct observed *seen)
{
    const char *retry = step_annotation(seen->plan, ANNOTATION_RETRY);

    return retry && !str_eq(retry, seen->status->last_handled_retry);
}

bool step_retry_waits(const struct observed *seen)
{
    return seen->retry_age_ms < 0 ||
           (seen->retry_early && seen->retry_age_ms <= STEP_RETRY_BOUND_MS);
}

bool step_is_due(const struct observed *seen, size_t index)
{
    const struct database_view *view = &seen->databases[index];

    if (is_quiet(seen)) {
        return false;
    }
    /* The first one of all is an effect: judge.c asks for it. */
    bool by_time = view->inspection != INSPECTION_NONE && !view->inspecting && view->due_in_ms <= 0;
    return by_time || view->changed || (wants_retry(seen) && seen->retry_age_ms < 0);
}

static void wake(struct wishes *out, int64_t after_ms)
{
    if (after_ms >= 0 && (out->next_ms < 0 || after_ms < out->next_ms)) {
        out->next_ms = after_ms;
    }
}

static void want_inspections(const struct observed *seen, struct wishes *out)
{
    const size_t count = seen->plan->database_count;

    for (size_t i = 0; i < count; i++) {
        const struct database_view *view = &seen->databases[i];
        if (view->due) {
            out->inspect = out->inspect ? out->inspect : mem_array(count, sizeof *out->inspect);
            out->inspect[out->inspect_count++] = i;
        } else if (!view->inspecting && view->inspection != INSPECTION_NONE) {
            wake(out, view->due_in_ms);
        }
    }
}

void step_wishes(const struct observed *seen, struct wishes *out)
{
    *out = (struct wishes){ .next_ms = -1, .list = seen->list_in_ms == 0 };
    wake(out, seen->list_in_ms > 0 ? seen->list_in_ms : -1);
    if (is_quiet(seen)) {
        return;
    }
    out->watch =
        !seen->plan->revision; /* a pinned commit is known: its fetch asks whether the ref has it */
    if (seen->source_failed) {
        wake(out, seen->plan->retry_interval_ms);
    }
    want_inspections(seen, out);
    if (wants_retry(seen)) {
        wake(out, STEP_RETRY_BOUND_MS);
        out->poll_now = seen->retry_age_ms < 0;
    }
}
