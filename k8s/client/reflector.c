/* SPDX-License-Identifier: Apache-2.0 */
/* List, watch, watch again; list again when the version is gone; never in a hurry after a failure. */
#include "k8s/client/reflector.h"
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

void reflector_init(struct reflector *r)
{
    *r = (struct reflector){ .step = REFLECTOR_LIST, .any_rv = true };
}

void reflector_done(struct reflector *r)
{
    free(r->last_rv);
    *r = (struct reflector){ 0 };
}

static int64_t back_off(struct reflector *r, int64_t now_ms)
{
    bool quiet =
        r->backoff_ms > 0 && now_ms - r->failed_at_ms >= REFLECTOR_QUIET_MS + r->backoff_ms;
    r->backoff_ms = r->backoff_ms == 0 || quiet ? REFLECTOR_FIRST_MS
                                                : backoff_ms(r->backoff_ms, REFLECTOR_LAST_MS, 2);
    r->failed_at_ms = now_ms;
    return r->backoff_ms;
}

static void remember(struct reflector *r, const char *rv)
{
    if (rv && *rv) {
        mem_strset(&r->last_rv, rv);
    }
}

/* A version that is gone: first "not older than what we have seen", so that a server which lags behind
 * cannot show us the past; if it cannot give that either, the newest it has. */
static void list_again(struct reflector *r)
{
    r->any_rv = r->step == REFLECTOR_LIST || !r->last_rv;
    r->step = REFLECTOR_LIST;
}

int64_t reflector_listed(struct reflector *r, enum reflector_result result, const char *rv,
                         int64_t now_ms)
{
    switch (result) {
    case REFLECTOR_FINE:
        remember(r, rv);
        r->step = REFLECTOR_WATCH;
        r->any_rv = false;
        r->listed = true;
        return 0;
    case REFLECTOR_GONE:
        if (!r->any_rv) {
            list_again(r);
            return 0;
        }
        return back_off(r, now_ms); /* a continue token died under us: from the start */
    case REFLECTOR_AHEAD:
        r->any_rv = true;
        return back_off(r, now_ms);
    default:
        return back_off(r, now_ms);
    }
}

void reflector_event(struct reflector *r, const char *rv)
{
    remember(r, rv);
}

int64_t reflector_watched(struct reflector *r, enum reflector_result result, int64_t lived_ms,
                          bool any_event, int64_t now_ms)
{
    switch (result) {
    case REFLECTOR_FINE:
        return lived_ms < REFLECTOR_SHORT_MS && !any_event ? back_off(r, now_ms) : 0;
    case REFLECTOR_GONE:
        list_again(r);
        /* Without a pause only if that watch was of use: else list and watch would chase each other. */
        return any_event || lived_ms >= REFLECTOR_SHORT_MS ? 0 : back_off(r, now_ms);
    case REFLECTOR_BROKEN:
    case REFLECTOR_AHEAD:
        if (!any_event && r->failed_at_ms && now_ms - r->failed_at_ms < REFLECTOR_QUIET_MS) {
            list_again(r); /* the second in a row: the watch alone does not help */
        }
        return back_off(r, now_ms);
    default:
        return back_off(r, now_ms);
    }
}

const char *reflector_list_rv(const struct reflector *r)
{
    return r->any_rv || !r->last_rv ? "" : r->last_rv;
}

enum reflector_result reflector_result_of(int code, const char *reason, bool rv_too_large,
                                          bool in_stream)
{
    if (rv_too_large) {
        return REFLECTOR_AHEAD;
    }
    if (code == 410 || str_eq(reason, "Expired") || str_eq(reason, "Gone")) {
        return REFLECTOR_GONE;
    }
    if (code == 401 || code == 403 || code == 404) {
        return REFLECTOR_DENIED;
    }
    if (code == 429 || str_eq(reason, "TooManyRequests")) {
        return REFLECTOR_UNHEARD;
    }
    if (in_stream) {
        return REFLECTOR_BROKEN;
    }
    return code == 200 ? REFLECTOR_FINE : REFLECTOR_UNHEARD;
}
