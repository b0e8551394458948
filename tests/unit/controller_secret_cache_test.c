/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets by tasks: nobody waits who does not want to, an outage takes nothing away, and plans are told of news alone. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/auto.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/secret.h"
#include "controller/pool.h"
#include "controller/secret_cache.h"
#include "model/reason.h"

TestSuite(secret_cache, .timeout = 60);

#define PLAN "shop/main"
#define LONG_MS 20000

enum answer {
    SAYS_OLD,
    SAYS_NEW,
    ABSENT,
    FORBIDDEN,
    SILENT, /* an outage */
};

struct fake {
    _Atomic enum answer answer;
    atomic_int reads, told;
    pthread_mutex_t gate; /* held: the platform does not answer */
    struct platform platform;
    struct pool *pool;
    struct cancel cancel;
    struct secret_cache *cache;
};

static struct err *read_secret(void *self, const char *namespace_, const char *name,
                               struct kvlist *out)
{
    struct fake *fake = self;

    pthread_mutex_lock(&fake->gate);
    pthread_mutex_unlock(&fake->gate);
    atomic_fetch_add(&fake->reads, 1);
    switch (atomic_load(&fake->answer)) {
    case ABSENT:
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND, "no %s/%s", namespace_, name);
    case FORBIDDEN:
        return err_new(ERR_TRANSIENT, REASON_SECRET_INVALID, "not allowed");
    case SILENT:
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "no answer");
    default:
        kvlist_set(out, "token", atomic_load(&fake->answer) == SAYS_OLD ? "old" : "new");
        return NULL;
    }
}

static void changed(void *payload, const char *plan)
{
    struct fake *fake = payload;

    cr_expect_str_eq(plan, PLAN);
    atomic_fetch_add(&fake->told, 1);
}

static const struct platform_ops ops = { .read_secret = read_secret };

static void fake_init(struct fake *fake, enum answer answer)
{
    *fake = (struct fake){ .platform = { .self = fake, .ops = &ops } };
    atomic_init(&fake->answer, answer);
    pthread_mutex_init(&fake->gate, NULL);
    cancel_init(&fake->cancel);
    fake->pool = pool_new(4);
    fake->cache = secret_cache_new(&fake->platform, fake->pool, &fake->cancel, changed, fake);
}

static void fake_done(struct fake *fake)
{
    pool_stop(fake->pool);
    secret_cache_free(fake->cache);
    pool_free(fake->pool);
    cancel_done(&fake->cancel);
    pthread_mutex_destroy(&fake->gate);
}

/* "unknown", "failed REASON" or the token. */
static void expect_known(struct fake *fake, const char *what, const char *rule)
{
    AUTO(secret_kvlist_done) struct kvlist data = { 0 };
    struct err *failed = NULL;
    enum secret_known known = secret_cache_get(fake->cache, "shop", "s", &data, &failed);
    const char *text = known == SECRET_UNKNOWN  ? "unknown"
                       : known == SECRET_FAILED ? failed->reason
                                                : kvlist_get(&data, "token");

    cr_expect_str_eq(text, what, "%s: %s", rule, text);
    err_free(failed);
}

/* A reading before did not begin in this millisecond. */
static int64_t next_ms(void)
{
    const int64_t before_ms = clock_mono_ms();
    int64_t now_ms = before_ms;

    while (now_ms == before_ms) {
        now_ms = clock_mono_ms();
    }
    return now_ms;
}

/* A new reading, awaited. */
static bool read_now(struct fake *fake)
{
    int64_t now_ms = next_ms();

    secret_cache_changed(fake->cache, "shop", "s");
    secret_cache_refresh(fake->cache, PLAN, "s", LONG_MS);
    return secret_cache_await(fake->cache, "shop", "s", now_ms, LONG_MS);
}

static const struct row {
    const char *rule;
    enum answer first, then;
    const char *known;
    int told;
    bool awaited; /* the second reading answered */
} rows[] = {
    { "the same again is no news", SAYS_OLD, SAYS_OLD, "old", 1, true },
    { "another value is", SAYS_OLD, SAYS_NEW, "new", 2, true },
    { "an outage takes nothing away", SAYS_OLD, SILENT, "old", 1, false },
    { "a Secret that is gone does", SAYS_OLD, ABSENT, REASON_SECRET_INVALID, 2, true },
    { "so does a right that is gone", SAYS_OLD, FORBIDDEN, REASON_SECRET_INVALID, 2, true },
    { "an outage is not the Secret's fault", SILENT, SILENT, REASON_INTERNAL, 1, true },
    { "and it ends", SILENT, SAYS_NEW, "new", 2, true },
};

Test(secret_cache, says_what_the_newest_answer_was)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake fake;
        fake_init(&fake, rows[i].first);
        expect_known(&fake, "unknown", rows[i].rule);
        cr_expect(read_now(&fake), "%s", rows[i].rule);
        atomic_store(&fake.answer, rows[i].then);
        cr_expect_eq(read_now(&fake), rows[i].awaited, "%s: awaited", rows[i].rule);
        expect_known(&fake, rows[i].known, rows[i].rule);
        fake_done(&fake);
        cr_expect_eq(fake.told, rows[i].told, "%s: told %d times", rows[i].rule, fake.told);
        cr_expect_eq(fake.reads, 2, "%s: %d readings", rows[i].rule, fake.reads);
    }
}

Test(secret_cache, nobody_waits_for_a_reading_that_hangs)
{
    struct fake fake;
    fake_init(&fake, SAYS_OLD);
    cr_assert(read_now(&fake));
    atomic_store(&fake.answer, SAYS_NEW);
    pthread_mutex_lock(&fake.gate);
    int64_t began_ms = next_ms();
    secret_cache_changed(fake.cache, "shop", "s");
    secret_cache_refresh(fake.cache, PLAN, "s", 0);
    secret_cache_refresh(fake.cache, PLAN, "s", 0); /* one at a time */
    expect_known(&fake, "old", "what is known is said at once");
    cr_expect_not(secret_cache_fresh(fake.cache, "shop", "s", -1));
    cr_expect_not(secret_cache_await(fake.cache, "shop", "s", began_ms, 300), "its time is up");
    pthread_mutex_unlock(&fake.gate);
    cr_expect(secret_cache_await(fake.cache, "shop", "s", began_ms, LONG_MS));
    expect_known(&fake, "new", "the answer, when it came");
    cr_expect(secret_cache_fresh(fake.cache, "shop", "s", LONG_MS));
    fake_done(&fake);
    cr_expect_eq(fake.reads, 2, "%d readings", fake.reads);
}

Test(secret_cache, a_wait_ends_when_the_controller_does)
{
    struct fake fake;
    fake_init(&fake, SAYS_OLD);
    pthread_mutex_lock(&fake.gate);
    secret_cache_refresh(fake.cache, PLAN, "s", 0);
    cancel_trigger(&fake.cancel);
    int64_t began_ms = clock_mono_ms();
    cr_expect_not(secret_cache_await(fake.cache, "shop", "s", began_ms, LONG_MS));
    cr_expect_lt(clock_mono_ms() - began_ms, LONG_MS / 2);
    pthread_mutex_unlock(&fake.gate);
    fake_done(&fake);
}
