/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election: the thread that asks, claims and renews by leader_rules.c. */
#include "k8s/client/leader.h"
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "k8s/client/client.h"
#include "k8s/client/leader_rules.h"
#include "model/reason.h"

#define RELEASE_MS 5000
#define RELEASE_TRIES 5

struct leader {
    struct leader_spec spec; /* its texts: NULL */
    struct kube *kube;
    char *path, *collection;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* over all below; the thread alone writes */
    struct leader_state state;
    char *problem; /* NULL: none */
};

/* ---- what everybody sees --------------------------------------------------------------------- */

static void tell(struct leader *l, struct err *error)
{
    (void)pthread_mutex_lock(&l->lock);
    free(l->problem);
    l->problem = error ? mem_strdup(error->message) : NULL;
    (void)pthread_mutex_unlock(&l->lock);
    err_free(error);
}

static void saw(struct leader *l, struct json *lease)
{
    (void)pthread_mutex_lock(&l->lock);
    leader_saw(&l->state, lease, clock_mono_ms());
    (void)pthread_mutex_unlock(&l->lock);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct err *ask(struct leader *l, enum kube_verb verb, const char *path,
                       const struct json *body, int64_t timeout_ms, struct json **out)
{
    const struct kube_request request = {
        .verb = verb,
        .path = path,
        .body = body,
        .timeout_ms = timeout_ms > 1 ? timeout_ms : 1,
        .urgent = true,
        .cancel = &l->stop,
    };
    struct kube_answer answer = { 0 };
    struct err *error = kube_request(l->kube, &request, &answer);
    if (error) {
        json_free(answer.body);
        return error;
    }
    *out = answer.body;
    return NULL;
}

static struct err *look(struct leader *l, int64_t timeout_ms)
{
    struct json *lease = NULL;
    struct err *error = ask(l, KUBE_GET, l->path, NULL, timeout_ms, &lease);
    if (error && error->reason == KUBE_NOT_FOUND) {
        err_free(error);
        error = NULL;
    }
    if (!error) {
        saw(l, lease);
    }
    return error;
}

static struct err *claim(struct leader *l, int64_t timeout_ms)
{
    AUTO(json_free_auto) struct json *body = leader_claim(&l->state, clock_utc_ms());
    struct json *lease = NULL;
    bool first = !l->state.seen;
    int64_t began_ms = clock_mono_ms();
    TRY(ask(l, first ? KUBE_POST : KUBE_PUT, first ? l->collection : l->path, body, timeout_ms,
            &lease));
    (void)pthread_mutex_lock(&l->lock);
    leader_claimed(&l->state, lease, began_ms);
    (void)pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static bool pause_for(struct leader *l, int64_t base_ms)
{
    uint16_t random = 0;
    random_bytes(&random, sizeof random);
    return transport_sleep(l->kube->transport, &l->stop,
                           clock_mono_ms() + base_ms + base_ms * random / 65535 / 5);
}

/* True: we lead. False: stopped. */
static bool acquire(struct leader *l)
{
    do {
        struct err *error = look(l, l->spec.renew_ms);
        if (!error && leader_may_take(&l->state, clock_mono_ms())) {
            error = claim(l, l->spec.renew_ms);
        }
        tell(l, error);
        /* A claim whose answer came too late is none. */
        if (l->state.leading && !leader_is_late(&l->state, clock_mono_ms())) {
            return true;
        }
    } while (pause_for(l, l->spec.retry_ms));
    return false;
}

static void step_down(struct leader *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->state.leading = false;
    (void)pthread_mutex_unlock(&l->lock);
}

/* One renewal: first without reading, since nobody else should have written. */
static struct err *renew(struct leader *l, int64_t deadline_ms)
{
    struct err *error = claim(l, deadline_ms - clock_mono_ms());
    if (!error) {
        return NULL;
    }
    struct err *unread = look(l, deadline_ms - clock_mono_ms());
    if (unread) {
        err_free(unread);
        return error;
    }
    if (leader_is_other(&l->state)) {
        return error;
    }
    err_free(error);
    return claim(l, deadline_ms - clock_mono_ms());
}

/* Returns why it ended; NULL: stopped. Owned. */
static char *lead(struct leader *l)
{
    while (pause_for(l, l->spec.retry_ms)) {
        int64_t deadline_ms = l->state.renewed_at_ms + l->spec.renew_ms;
        struct err *error = NULL;
        if (!leader_is_late(&l->state, clock_mono_ms())) { /* else we slept through it */
            error = renew(l, deadline_ms);
        }
        bool late = leader_is_late(&l->state, clock_mono_ms());
        if (leader_is_other(&l->state)) {
            err_free(error);
            return mem_printf("the lease %s is held by another process now", l->path);
        }
        if (late && !atomic_load(&l->stop)) {
            char *why = mem_printf("the lease %s could not be renewed within %lld ms%s%s", l->path,
                                   (long long)l->spec.renew_ms, error ? ": " : "",
                                   error ? error->message : "");
            err_free(error);
            return why;
        }
        tell(l, error);
    }
    return NULL;
}

static void *leader_main(void *payload)
{
    struct leader *l = payload;
    if (!acquire(l)) {
        return NULL;
    }
    LOG(LOG_DEBUG, "leading", LOG_S("lease", l->path));
    if (l->spec.acquired) {
        l->spec.acquired(l->spec.payload);
    }
    AUTO(free_auto) char *why = lead(l);
    if (why) {
        step_down(l);
        if (l->spec.lost) {
            l->spec.lost(l->spec.payload, why);
        }
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static char *make_identity(void)
{
    char host[65] = "sluice";
    char uuid[37];
    (void)gethostname(host, sizeof host - 1);
    random_uuid(uuid);
    return mem_printf("%s_%s", host, uuid);
}

static void destroy(struct leader *l)
{
    leader_state_done(&l->state);
    free(l->path);
    free(l->collection);
    free(l->problem);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

struct err *leader_open(const struct leader_spec *spec, struct leader **out)
{
    const struct leader_rules rules = {
        .lease_ms = spec->lease_ms ? spec->lease_ms : 15000,
        .renew_ms = spec->renew_ms ? spec->renew_ms : 10000,
        .retry_ms = spec->retry_ms ? spec->retry_ms : 2000,
    };
    const char *problem = leader_rules_problem(&rules);
    if (problem) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s", problem);
    }
    struct leader *l = mem_alloc(sizeof *l);
    AUTO(free_auto) char *identity = spec->identity ? mem_strdup(spec->identity) : make_identity();
    leader_state_init(&l->state, &rules, spec->namespace_, spec->name, identity);
    l->spec = *spec;
    l->spec.namespace_ = l->spec.name = l->spec.identity = NULL;
    l->spec.lease_ms = rules.lease_ms;
    l->spec.renew_ms = rules.renew_ms;
    l->spec.retry_ms = rules.retry_ms;
    l->kube = spec->kube;
    l->collection =
        kube_path("/apis/coordination.k8s.io/v1/namespaces/%s/leases", spec->namespace_);
    AUTO(free_auto) char *name = kube_path("%s", spec->name);
    l->path = mem_printf("%s/%s", l->collection, name);
    (void)pthread_mutex_init(&l->lock, NULL);
    struct err *error = thread_start(&l->thread, leader_main, l);
    if (error) {
        destroy(l);
        return error;
    }
    *out = l;
    return NULL;
}

/* Best effort: who waits for the lease gets it a little later otherwise. */
static void release_lease(struct leader *l)
{
    int64_t deadline_ms = clock_mono_ms() + RELEASE_MS;
    atomic_store(&l->stop, false); /* or the requests would give up at once */
    for (int i = 0; i < RELEASE_TRIES && clock_mono_ms() < deadline_ms; i++) {
        AUTO(json_free_auto) struct json *body = leader_release(&l->state, clock_utc_ms());
        struct json *lease = NULL;
        struct err *error =
            body ? ask(l, KUBE_PUT, l->path, body, deadline_ms - clock_mono_ms(), &lease) : NULL;
        bool again = error && error->kind == ERR_CONFLICT;
        if (error) {
            LOG(LOG_DEBUG, "lease is not released", LOG_S("problem", error->message));
        }
        err_free(error);
        json_free(lease);
        if (!again) {
            return;
        }
        err_free(look(l, deadline_ms - clock_mono_ms()));
    }
}

void leader_close(struct leader *l, bool release)
{
    if (!l) {
        return;
    }
    atomic_store(&l->stop, true);
    transport_wake(l->kube->transport);
    (void)pthread_join(l->thread, NULL);
    if (release && l->state.leading) {
        release_lease(l);
    }
    destroy(l);
}

/* ---- reading --------------------------------------------------------------------------------- */

bool leader_leads(struct leader *l)
{
    (void)pthread_mutex_lock(&l->lock);
    bool leads = l->state.leading && !leader_is_late(&l->state, clock_mono_ms());
    (void)pthread_mutex_unlock(&l->lock);
    return leads;
}

bool leader_healthy(struct leader *l, int64_t tolerance_ms)
{
    (void)pthread_mutex_lock(&l->lock);
    int64_t silent_ms = clock_mono_ms() - l->state.renewed_at_ms;
    bool healthy = !l->state.leading || silent_ms < l->spec.lease_ms + tolerance_ms;
    (void)pthread_mutex_unlock(&l->lock);
    return healthy;
}

int64_t leader_transitions(struct leader *l)
{
    (void)pthread_mutex_lock(&l->lock);
    int64_t term = l->state.leading ? leader_term(&l->state) : -1;
    (void)pthread_mutex_unlock(&l->lock);
    return term;
}

char *leader_holder(struct leader *l)
{
    (void)pthread_mutex_lock(&l->lock);
    const char *holder = json_get_string(json_get(l->state.seen, "spec"), "holderIdentity");
    char *copy = mem_strdup(holder ? holder : "");
    (void)pthread_mutex_unlock(&l->lock);
    return copy;
}

char *leader_problem(struct leader *l)
{
    (void)pthread_mutex_lock(&l->lock);
    char *copy = mem_strdup(l->problem ? l->problem : "");
    (void)pthread_mutex_unlock(&l->lock);
    return copy;
}
