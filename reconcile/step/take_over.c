/* SPDX-License-Identifier: Apache-2.0 */
/* A database that has every file and whose owner is gone: the plan was renamed, or its entry. What is left to do is one
 * row of ours, which the controller writes by itself; a fleet of a thousand needs no thousand Jobs for it. */
#include "reconcile/step/internal.h"

/* Where writing that row has failed, a Job does it, which says what is wrong like any other. */
bool take_over_is_enough(const struct step *s, size_t index)
{
    const struct judged *judged = &s->judged[index];
    return judged->kind == J_PENDING && judged->pending == 0 &&
           judged->ownership == OWNERSHIP_TAKE_OVER && !s->seen->databases[index].record.reason;
}

/* No file is run, so no wave is waited for; a window is, as with every other write. */
void take_over(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        if (take_over_is_enough(s, i) && !view->busy && !view->inspecting && !window_holds(s, i)) {
            step_want(s, EFFECT_TAKE_OVER, i);
        }
    }
}
