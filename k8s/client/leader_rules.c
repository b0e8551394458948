/* SPDX-License-Identifier: Apache-2.0 */
/* Who leads: the rules, without clock and network. */
#include "k8s/client/leader_rules.h"
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

const char *leader_rules_problem(const struct leader_rules *r)
{
    if (r->lease_ms < 1000) {
        return "the lease's duration must be a second or more";
    }
    if (r->lease_ms <= r->renew_ms) {
        return "the lease's duration must be longer than its renew deadline";
    }
    if (r->retry_ms <= 0 || r->renew_ms * 10 <= r->retry_ms * 12) {
        return "the lease's renew deadline must be longer than 1.2 times its retry period";
    }
    return NULL;
}

void leader_state_init(struct leader_state *s, const struct leader_rules *rules,
                       const char *namespace_, const char *name, const char *identity)
{
    *s = (struct leader_state){
        .rules = *rules,
        .namespace_ = mem_strdup(namespace_),
        .name = mem_strdup(name),
        .identity = mem_strdup(identity),
    };
}

void leader_state_done(struct leader_state *s)
{
    free(s->namespace_);
    free(s->name);
    free(s->identity);
    json_free(s->seen);
    free(s->seen_spec);
    *s = (struct leader_state){ 0 };
}

static const struct json *spec_of(const struct leader_state *s)
{
    return json_get(s->seen, "spec");
}

static const char *holder_of(const struct leader_state *s)
{
    const char *holder = json_get_string(spec_of(s), "holderIdentity");
    return holder ? holder : "";
}

void leader_saw(struct leader_state *s, struct json *lease, int64_t now_ms)
{
    json_free(s->seen);
    s->seen = lease;
    char *text = lease ? json_text_sorted(json_get(lease, "spec")) : NULL;
    if (!str_eq(text, s->seen_spec)) {
        s->seen_at_ms = now_ms;
    }
    free(s->seen_spec);
    s->seen_spec = text;
}

bool leader_is_other(const struct leader_state *s)
{
    return *holder_of(s) && !str_eq(holder_of(s), s->identity);
}

bool leader_may_take(const struct leader_state *s, int64_t now_ms)
{
    if (!leader_is_other(s)) {
        return true;
    }
    /* Its own duration: a holder with other settings than ours is judged by what it promised. */
    int64_t seconds = json_get_int64(spec_of(s), "leaseDurationSeconds", s->rules.lease_ms / 1000);
    seconds = seconds < 0 ? 0 : seconds > 3600 ? 3600 : seconds;
    return now_ms - s->seen_at_ms >= seconds * 1000;
}

/* A bare Lease, or the newest one with its resourceVersion: a PUT of what we have not read is refused. */
static struct json *template_of(const struct leader_state *s)
{
    struct json *lease = s->seen ? json_copy(s->seen) : json_object();
    json_set_string(lease, "apiVersion", "coordination.k8s.io/v1");
    json_set_string(lease, "kind", "Lease");
    if (!s->seen) {
        struct json *meta = json_object();
        json_set_string(meta, "namespace", s->namespace_);
        json_set_string(meta, "name", s->name);
        json_set(lease, "metadata", meta);
    }
    if (json_type(json_get(lease, "spec")) != JSON_OBJECT) {
        json_set(lease, "spec", json_object());
    }
    return lease;
}

struct json *leader_claim(const struct leader_state *s, int64_t now_utc_ms)
{
    char now[TIME_TEXT_LEN];
    struct json *lease = template_of(s);
    struct json *spec = json_get_mut(lease, "spec");
    const char *acquired = json_get_string(spec_of(s), "acquireTime");
    time_format_micro(now_utc_ms * 1000, now);
    if (!str_eq(holder_of(s), s->identity)) {
        json_set_int64(spec, "leaseTransitions", s->seen ? leader_term(s) + 1 : 0);
        acquired = NULL;
    }
    if (!acquired) {
        json_set_string(spec, "acquireTime", now);
    }
    json_set_string(spec, "holderIdentity", s->identity);
    json_set_int64(spec, "leaseDurationSeconds", s->rules.lease_ms / 1000);
    json_set_string(spec, "renewTime", now);
    return lease;
}

void leader_claimed(struct leader_state *s, struct json *lease, int64_t began_ms)
{
    leader_saw(s, lease, began_ms);
    s->leading = str_eq(holder_of(s), s->identity);
    s->renewed_at_ms = began_ms;
}

bool leader_is_late(const struct leader_state *s, int64_t now_ms)
{
    return s->leading && now_ms - s->renewed_at_ms >= s->rules.renew_ms;
}

struct json *leader_release(const struct leader_state *s, int64_t now_utc_ms)
{
    char now[TIME_TEXT_LEN];
    if (!s->seen || !str_eq(holder_of(s), s->identity)) {
        return NULL;
    }
    struct json *lease = template_of(s);
    struct json *spec = json_get_mut(lease, "spec");
    time_format_micro(now_utc_ms * 1000, now);
    json_set_string(spec, "holderIdentity", "");
    json_set_int64(spec, "leaseDurationSeconds", 1);
    json_set_string(spec, "renewTime", now);
    json_set_string(spec, "acquireTime", now);
    return lease;
}

int64_t leader_term(const struct leader_state *s)
{
    return json_get_int64(spec_of(s), "leaseTransitions", 0);
}
