/* SPDX-License-Identifier: Apache-2.0 */
/* The work queue: once, one at a time, again, later. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "controller/pool.h"
#include "controller/queue.h"

TestSuite(queue, .timeout = 30);
TestSuite(pool, .timeout = 30);

struct script { /* what the work function did and answers */
    struct queue *queue;
    char order[64];
    int64_t answer;
    const char *add_while_active;
};

static int64_t note(void *payload, const char *key)
{
    struct script *script = payload;

    script->order[strlen(script->order)] = key[0];
    if (script->add_while_active) {
        const char *again = script->add_while_active;
        script->add_while_active = NULL;
        queue_add(script->queue, again);
    }
    return script->answer;
}

static int drain(struct queue *queue, int64_t now_ms)
{
    int64_t next_ms;
    int count = 0;

    while (queue_step(queue, now_ms, &next_ms)) {
        count++;
    }
    return count;
}

Test(queue, a_key_added_twice_is_worked_on_once_and_in_order)
{
    struct script script = { .answer = -1 };
    script.queue = queue_new("test", 1, note, &script);
    queue_add(script.queue, "a");
    queue_add(script.queue, "b");
    queue_add(script.queue, "a");
    cr_expect_eq(drain(script.queue, clock_mono_ms()), 2);
    cr_expect_str_eq(script.order, "ab");
    cr_expect_eq(drain(script.queue, clock_mono_ms() + 3600000), 0, "a finished key comes again");
    queue_free(script.queue);
}

Test(queue, a_key_added_while_it_is_worked_on_comes_again)
{
    struct script script = { .answer = -1, .add_while_active = "a" };
    script.queue = queue_new("test", 1, note, &script);
    queue_add(script.queue, "a");
    cr_expect_eq(drain(script.queue, clock_mono_ms()), 2);
    queue_free(script.queue);
}

Test(queue, the_earlier_of_two_times_counts_and_an_add_replaces_the_delay)
{
    struct script script = { .answer = -1 };
    int64_t next_ms = 0;
    script.queue = queue_new("test", 1, note, &script);
    int64_t now_ms = clock_mono_ms();
    queue_add_after(script.queue, "late", 60000);
    queue_add_after(script.queue, "soon", 5000);
    queue_add_after(script.queue, "late", 10000);
    queue_add_after(script.queue, "late", 90000);
    cr_expect_not(queue_step(script.queue, now_ms, &next_ms));
    cr_expect(next_ms >= now_ms + 5000 && next_ms < now_ms + 6000);
    cr_expect_eq(drain(script.queue, now_ms + 9000), 1);
    cr_expect_str_eq(script.order, "s");
    cr_expect_eq(drain(script.queue, now_ms + 11000), 1);
    cr_expect_str_eq(script.order, "sl");
    queue_add_after(script.queue, "x", 60000);
    queue_add(script.queue, "x");
    cr_expect_eq(drain(script.queue, now_ms), 1);
    cr_expect_eq(drain(script.queue, now_ms + 120000), 0, "the delay outlived the add");
    queue_free(script.queue);
}

Test(queue, the_works_answer_is_a_delay_and_a_change_comes_before_it)
{
    struct script script = { .answer = 30000 };
    script.queue = queue_new("test", 1, note, &script);
    int64_t now_ms = clock_mono_ms();
    queue_add(script.queue, "a");
    cr_expect_eq(drain(script.queue, now_ms), 1);
    cr_expect_eq(drain(script.queue, now_ms + 1000), 0);
    queue_add(script.queue, "a");
    cr_expect_eq(drain(script.queue, now_ms + 1000), 1, "a change waits for the delay");
    script.answer = -1;
    cr_expect_eq(drain(script.queue, now_ms + 40000), 1, "the delay was lost");
    cr_expect_eq(drain(script.queue, now_ms + 400000), 0);
    queue_free(script.queue);
}

Test(queue, a_forgotten_key_is_not_worked_on)
{
    struct script script = { .answer = -1 };
    script.queue = queue_new("test", 1, note, &script);
    queue_add(script.queue, "a");
    queue_add_after(script.queue, "b", 1000);
    queue_forget(script.queue, "a");
    queue_forget(script.queue, "b");
    queue_forget(script.queue, "never there");
    cr_expect_eq(drain(script.queue, clock_mono_ms() + 60000), 0);
    queue_free(script.queue);
}

Test(queue, many_delays_come_in_the_order_of_their_times)
{
    struct script script = { .answer = -1 };
    char want[27] = "";
    script.queue = queue_new("test", 1, note, &script);
    int64_t now_ms = clock_mono_ms();
    for (int i = 0; i < 26; i++) { /* 7 and 26 have no common factor: a shuffled order */
        char key[2] = { (char)('a' + i * 7 % 26), '\0' };
        queue_add_after(script.queue, key, 1000 * (i * 7 % 26 + 1));
        want[i] = (char)('a' + i);
    }
    for (int i = 1; i <= 26; i++) {
        cr_expect_eq(drain(script.queue, now_ms + 1000 * i + 500), 1, "at %d s", i);
    }
    cr_expect_str_eq(script.order, want);
    queue_free(script.queue);
}

struct race {
    atomic_int active[4], overlaps, total;
};

static int64_t race_work(void *payload, const char *key)
{
    struct race *race = payload;
    int slot = key[0] - '0';

    if (atomic_fetch_add(&race->active[slot], 1) > 0) {
        atomic_fetch_add(&race->overlaps, 1);
    }
    for (volatile int i = 0; i < 2000; i++) {
    }
    atomic_fetch_sub(&race->active[slot], 1);
    atomic_fetch_add(&race->total, 1);
    return -1;
}

Test(queue, threads_never_work_on_one_key_at_once_and_miss_no_add)
{
    struct race race = { 0 };
    struct queue *queue = queue_new("race", 4, race_work, &race);
    struct queue_stats stats;
    cr_assert_null(queue_start(queue));
    for (int i = 0; i < 4000; i++) {
        char key[2] = { (char)('0' + i % 4), '\0' };
        queue_add(queue, key);
    }
    int64_t until = clock_mono_ms() + 20000;
    do {
        queue_stats(queue, &stats);
    } while ((stats.depth > 0 || stats.active > 0) && clock_mono_ms() < until);
    queue_stop(queue);
    cr_expect_eq(atomic_load(&race.overlaps), 0);
    cr_expect_geq(atomic_load(&race.total), 4);
    cr_expect_eq(stats.depth, 0);
    queue_free(queue);
}

/* ---- pool ------------------------------------------------------------------------------------- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int inside, most, done;
};

static void pass_gate(void *payload)
{
    struct gate *gate = payload;

    pthread_mutex_lock(&gate->lock);
    gate->inside++;
    gate->most = gate->inside > gate->most ? gate->inside : gate->most;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    gate->inside--;
    gate->done++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void submit(struct pool *pool, int count, const char *plan, const char *group, int limit,
                   struct gate *gate)
{
    const struct pool_task task = { .plan = plan,
                                    .kind = "fetch",
                                    .group = group,
                                    .group_limit = limit,
                                    .run = pass_gate,
                                    .payload = gate };

    for (int i = 0; i < count; i++) {
        pool_submit(pool, &task);
    }
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void wait_until(struct gate *gate, const int *value, int want)
{
    pthread_mutex_lock(&gate->lock);
    while (*value < want) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

Test(pool, a_hung_group_holds_its_share_of_threads_and_no_more)
{
    struct gate hung = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0, 0 };
    struct gate free_ = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true, 0, 0, 0 };
    struct pool *pool = pool_new(4);
    submit(pool, 10, "ns/plan", "hung:5432", 1, &hung);
    submit(pool, 10, "ns/other", "free:5432", 2, &free_);
    wait_until(&free_, &free_.done, 10); /* ends only if the hung group leaves threads */
    wait_until(&hung, &hung.inside, 1);
    cr_expect_eq(hung.done, 0);
    gate_open(&hung);
    pool_stop(pool);
    cr_expect_eq(hung.done, 10, "stop left tasks undone");
    cr_expect_eq(hung.most, 1);
    pool_free(pool);
}

/* ---- neighbours ------------------------------------------------------------------------------- */

#define HUNG(name)                                                                                 \
    struct gate name = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0, 0 }
#define QUICK(name)                                                                                \
    struct gate name = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true, 0, 0, 0 }

/* Each of them ends only if the others leave a thread. */
Test(pool, hung_tasks_of_one_namespace_leave_threads_to_each_other_one)
{
    HUNG(hung);
    QUICK(quick);
    struct pool *pool = pool_new(16);
    for (int plan = 0; plan < 40; plan++) { /* plans enough to hold everything */
        char name[32], server[32];
        (void)snprintf(name, sizeof name, "noisy/p%d", plan);
        (void)snprintf(server, sizeof server, "s%d:5432", plan);
        submit(pool, 4, name, server, 4, &hung);
    }
    wait_until(&hung, &hung.inside, 8); /* half of the threads: nobody else is there */
    submit(pool, 100, "quiet/shop", "db:5432", 4, &quick);
    wait_until(&quick, &quick.done, 100);
    cr_expect_eq(hung.done, 0);
    cr_expect_eq(hung.most, 8);
    gate_open(&hung);
    pool_stop(pool);
    cr_expect_eq(hung.done, 160);
    pool_free(pool);
}

Test(pool, hung_tasks_of_one_plan_leave_threads_to_plans_of_its_namespace)
{
    HUNG(hung);
    QUICK(quick);
    struct pool *pool = pool_new(16);
    for (int server = 0; server < 40; server++) {
        char name[32];
        (void)snprintf(name, sizeof name, "s%d:5432", server);
        submit(pool, 4, "ns/noisy", name, 4, &hung);
    }
    wait_until(&hung, &hung.inside, 6);
    submit(pool, 100, "ns/quiet", "db:5432", 4, &quick);
    wait_until(&quick, &quick.done, 100);
    cr_expect_eq(hung.done, 0);
    gate_open(&hung);
    pool_stop(pool);
    pool_free(pool);
}

Test(pool, many_hung_namespaces_still_leave_a_thread)
{
    HUNG(hung);
    QUICK(quick);
    struct pool *pool = pool_new(16);
    for (int tenant = 0; tenant < 6; tenant++) {
        for (int plan = 0; plan < 20; plan++) {
            char name[32];
            (void)snprintf(name, sizeof name, "t%d/p%d", tenant, plan);
            submit(pool, 4, name, "s", 4, &hung);
        }
    }
    wait_until(&hung, &hung.inside, 12);
    submit(pool, 10, "quiet/shop", "db:5432", 4, &quick);
    wait_until(&quick, &quick.done, 10);
    gate_open(&hung);
    pool_stop(pool);
    pool_free(pool);
}

/* However many threads those who came first could get hold of: the last quarter is for who holds none. */
Test(pool, hung_namespaces_leave_a_thread_in_whatever_order_they_came)
{
    static const int held[] = { 8, 12, 13, 14, 15 };
    HUNG(hung);
    QUICK(quick);
    struct pool *pool = pool_new(16);
    for (size_t tenant = 0; tenant < sizeof held / sizeof *held; tenant++) {
        for (int plan = 0; plan < 20; plan++) {
            char name[32], server[32];
            (void)snprintf(name, sizeof name, "t%zu/p%d", tenant, plan);
            (void)snprintf(server, sizeof server, "s%d:5432", plan);
            submit(pool, 1, name, server, 4, &hung);
        }
        wait_until(&hung, &hung.inside, held[tenant]);
    }
    submit(pool, 10, "quiet/shop", "db:5432", 4, &quick);
    wait_until(&quick, &quick.done, 10);
    cr_expect_eq(hung.most, 15);
    gate_open(&hung);
    pool_stop(pool);
    pool_free(pool);
}

/* The same server, seen by two namespaces: what one has open there is not the other's. */
Test(pool, one_server_is_counted_for_each_namespace)
{
    HUNG(hung);
    QUICK(quick);
    struct pool *pool = pool_new(16);
    submit(pool, 10, "noisy/p", "shared:5432", 4, &hung);
    wait_until(&hung, &hung.inside, 4);
    submit(pool, 10, "quiet/p", "shared:5432", 4, &quick);
    wait_until(&quick, &quick.done, 10);
    cr_expect_eq(hung.most, 4);
    gate_open(&hung);
    pool_stop(pool);
    pool_free(pool);
}

Test(pool, tells_the_oldest_task_and_whose_it_is)
{
    HUNG(hung);
    struct pool *pool = pool_new(8);
    const char *kind = NULL;
    char *plan = NULL;
    cr_expect_eq(pool_oldest(pool, &kind, &plan), -1);
    submit(pool, 1, "ns/first", "s", 1, &hung);
    wait_until(&hung, &hung.inside, 1);
    submit(pool, 1, "ns/second", "s2", 1, &hung);
    wait_until(&hung, &hung.inside, 2);
    cr_expect_geq(pool_oldest(pool, &kind, &plan), 0);
    cr_expect_str_eq(kind, "fetch");
    cr_expect_str_eq(plan, "ns/first");
    free(plan);
    gate_open(&hung);
    pool_stop(pool);
    pool_free(pool);
}

struct neighbours {
    struct gate hung, quick;
};

static int64_t hang_if_noisy(void *payload, const char *key)
{
    struct neighbours *n = payload;

    pass_gate(strncmp(key, "noisy/", 6) == 0 ? &n->hung : &n->quick);
    return -1;
}

Test(queue, keys_of_one_tenant_that_hang_leave_threads_to_the_others)
{
    struct neighbours n = {
        { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0, 0 },
        { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true, 0, 0, 0 },
    };
    struct queue *queue = queue_new("neighbours", 8, hang_if_noisy, &n);
    char *oldest = NULL;
    char key[32];
    cr_expect_eq(queue_oldest(queue, &oldest), -1);
    cr_assert_null(queue_start(queue));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "noisy/%d", i);
        queue_add(queue, key);
    }
    wait_until(&n.hung, &n.hung.inside, 6); /* three quarters */
    for (int i = 0; i < 50; i++) {
        (void)snprintf(key, sizeof key, "quiet/%d", i);
        queue_add(queue, key);
    }
    wait_until(&n.quick, &n.quick.done, 50);
    cr_expect_eq(n.hung.most, 6);
    cr_expect_geq(queue_oldest(queue, &oldest), 0);
    cr_expect(strncmp(oldest, "noisy/", 6) == 0);
    free(oldest);
    gate_open(&n.hung);
    wait_until(&n.hung, &n.hung.done, 100);
    queue_stop(queue);
    queue_free(queue);
}

/* A thousand keys at once are not served before the one that came a moment later. */
Test(queue, tenants_take_turns)
{
    struct script script = { .answer = -1 };
    script.queue = queue_new("test", 1, note, &script);
    const char *const keys[] = { "a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "c/1" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        queue_add(script.queue, keys[i]);
    }
    cr_expect_eq(drain(script.queue, clock_mono_ms()), 7);
    cr_expect_str_eq(script.order, "abcabaa");
    queue_free(script.queue);
}
