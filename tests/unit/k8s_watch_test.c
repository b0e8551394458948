/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of an informer: lines of a stream, the reflector, the store. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "k8s/client/frame.h"
#include "k8s/client/reflector.h"
#include "k8s/client/store.h"

Test(k8s, events_may_be_split_anywhere)
{
    static const char stream[] =
        "{\"a\":1}\n\n{\"b\":2}\r\n{\"long\":\"xxxxxxxxxxxxxxxx\"}\n{\"rest";
    static const char *const lines[] = { "{\"a\":1}", "{\"b\":2}",
                                         "{\"long\":\"xxxxxxxxxxxxxxxx\"}" };
    for (size_t first = 0; first <= sizeof stream - 1; first++) {
        for (size_t second = first; second <= sizeof stream - 1; second++) {
            AUTO(frame_done) struct frame frame = FRAME(64);
            const size_t ends[] = { first, second, sizeof stream - 1 };
            size_t from = 0;
            size_t seen = 0;
            for (size_t i = 0; i < 3; i++) {
                buf_add(&frame.bytes, stream + from, ends[i] - from);
                from = ends[i];
                size_t length = 0;
                for (const char *line; (line = frame_next(&frame, &length)); seen++) {
                    cr_assert_lt(seen, 3);
                    cr_assert_str_eq(line, lines[seen], "cut at %zu and %zu", first, second);
                    cr_assert_eq(length, strlen(line));
                }
            }
            cr_assert_eq(seen, 3, "cut at %zu and %zu: %zu lines", first, second, seen);
            cr_assert_not(frame_overflows(&frame));
        }
    }
}

Test(k8s, an_endless_event_is_noticed)
{
    AUTO(frame_done) struct frame frame = FRAME(16);
    size_t length = 0;
    buf_adds(&frame.bytes, "0123456789abcdef");
    cr_expect_null(frame_next(&frame, &length));
    cr_expect_not(frame_overflows(&frame), "as long as it may be");
    buf_addc(&frame.bytes, 'g');
    cr_expect_null(frame_next(&frame, &length));
    cr_expect(frame_overflows(&frame));
}

/* ---- the reflector --------------------------------------------------------------------------- */

#define LIST 1
#define WATCH 2

struct turn {
    int did; /* LIST or WATCH: what just ended; 0: only time passed */
    enum reflector_result result;
    int64_t after_ms, lived_ms;
    bool event;
    int64_t wait_ms; /* expected */
    enum reflector_step next;
    const char *list_rv; /* expected if next is a list */
};

struct story {
    const char *rule;
    struct turn turns[9];
};

static const struct story stories[] = {
    { "the first list asks for the newest; a clean end of a watch is no reason to list",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_FINE, 300000, 300000, true, 0, REFLECTOR_WATCH, NULL } } },
    { "a watch that ends at once without an event is a failure",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_FINE, 10, 10, false, 800, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_FINE, 1000, 10, false, 1600, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_FINE, 1000, 10, true, 0, REFLECTOR_WATCH, NULL } } },
    { "410: list not older than what was seen; if that is gone, too, the newest",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_GONE, 5000, 5000, true, 0, REFLECTOR_LIST, "7" },
        { LIST, REFLECTOR_GONE, 0, 0, false, 0, REFLECTOR_LIST, "" },
        { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL } } },
    { "410 at once after each list does not make a storm",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_GONE, 10, 10, false, 800, REFLECTOR_LIST, "7" },
        { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_GONE, 10, 10, false, 1600, REFLECTOR_LIST, "7" } } },
    { "a server that is behind us gets time, then decides",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_GONE, 5000, 5000, true, 0, REFLECTOR_LIST, "7" },
        { LIST, REFLECTOR_AHEAD, 0, 0, false, 800, REFLECTOR_LIST, "" } } },
    { "no connection: watch again from the same version, slower each time up to 30 s",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 0, 0, false, 800, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 800, 0, false, 1600, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 1600, 0, false, 3200, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 3200, 0, false, 6400, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 6400, 0, false, 12800, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 12800, 0, false, 25600, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 25600, 0, false, 30000, REFLECTOR_WATCH, NULL } } },
    { "two quiet minutes later the first failure is a first one again",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 0, 0, false, 800, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 800, 0, false, 1600, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_UNHEARD, 121600, 120000, true, 800, REFLECTOR_WATCH, NULL } } },
    { "a broken stream is watched again, and listed if that does not help",
      { { LIST, REFLECTOR_FINE, 0, 0, false, 0, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_BROKEN, 100, 100, false, 800, REFLECTOR_WATCH, NULL },
        { WATCH, REFLECTOR_BROKEN, 900, 100, false, 1600, REFLECTOR_LIST, "7" } } },
    { "a right that is missing is asked for slowly",
      { { LIST, REFLECTOR_DENIED, 0, 0, false, 800, REFLECTOR_LIST, "" },
        { LIST, REFLECTOR_DENIED, 800, 0, false, 1600, REFLECTOR_LIST, "" } } },
};

Test(k8s, the_reflector_does_what_client_go_does)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        struct reflector r = { 0 };
        int64_t now = 1000000;
        reflector_init(&r);
        cr_expect_eq(r.step, REFLECTOR_LIST);
        cr_expect_str_eq(reflector_list_rv(&r), "");
        for (const struct turn *t = stories[i].turns; t->did; t++) {
            now += t->after_ms;
            if (t->event) {
                reflector_event(&r, "7");
            }
            int64_t wait = t->did == LIST
                               ? reflector_listed(&r, t->result, "7", now)
                               : reflector_watched(&r, t->result, t->lived_ms, t->event, now);
            long at = (long)(t - stories[i].turns);
            cr_expect_eq(wait, t->wait_ms, "%s: turn %ld waits %ld", stories[i].rule, at,
                         (long)wait);
            cr_expect_eq(r.step, t->next, "%s: turn %ld", stories[i].rule, at);
            if (t->list_rv) {
                cr_expect_str_eq(reflector_list_rv(&r), t->list_rv, "%s: turn %ld", stories[i].rule,
                                 at);
            }
        }
        reflector_done(&r);
    }
}

Test(k8s, answers_become_results)
{
    static const struct {
        int code;
        const char *reason;
        bool too_large, in_stream;
        enum reflector_result result;
    } rows[] = {
        { 200, NULL, false, false, REFLECTOR_FINE },
        { 410, NULL, false, false, REFLECTOR_GONE },
        { 410, "Expired", false, true, REFLECTOR_GONE },
        { 0, "Gone", false, true, REFLECTOR_GONE },
        { 504, "Timeout", true, false, REFLECTOR_AHEAD },
        { 401, NULL, false, false, REFLECTOR_DENIED },
        { 403, NULL, false, false, REFLECTOR_DENIED },
        { 404, NULL, false, false, REFLECTOR_DENIED },
        { 429, NULL, false, false, REFLECTOR_UNHEARD },
        { 429, "TooManyRequests", false, true, REFLECTOR_UNHEARD },
        { 500, "InternalError", false, true, REFLECTOR_BROKEN },
        { 500, NULL, false, false, REFLECTOR_UNHEARD },
        { 0, NULL, false, false, REFLECTOR_UNHEARD },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(
            reflector_result_of(rows[i].code, rows[i].reason, rows[i].too_large, rows[i].in_stream),
            rows[i].result, "row %zu", i);
    }
}

/* ---- the store ------------------------------------------------------------------------------- */

static void put(struct store *store, const char *name, const char *rv, bool known)
{
    struct store_item old = { 0 };
    store_put(store, store_key("ns", name), mem_strdup(rv), json_string_new(rv), &old);
    cr_expect_eq(old.key != NULL, known, "%s", name);
    store_item_done(&old);
}

Test(k8s, the_store_is_sorted_and_replaces)
{
    AUTO(store_done) struct store store = { 0 };
    struct store_item old = { 0 };
    put(&store, "b", "1", false);
    put(&store, "a", "2", false);
    put(&store, "c", "3", false);
    put(&store, "b", "4", true);
    cr_assert_eq(store.count, 3);
    static const char *const keys[] = { "ns/a", "ns/b", "ns/c" };
    for (size_t i = 0; i < 3; i++) {
        cr_expect_str_eq(store.items[i].key, keys[i]);
    }
    cr_expect_str_eq(store_find(&store, "ns/b")->rv, "4");
    cr_expect(store_remove(&store, "ns/a", &old));
    cr_expect_str_eq(old.rv, "2");
    store_item_done(&old);
    cr_expect_not(store_remove(&store, "ns/a", &old));
    cr_expect_null(store_find(&store, "ns/a"));
    cr_expect_eq(store.count, 2);
    AUTO(free_auto) char *bare = store_key(NULL, "node");
    cr_expect_str_eq(bare, "/node");
}
