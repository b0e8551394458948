/* SPDX-License-Identifier: Apache-2.0 */
/* What to ask the server next, from what it last said: pure, without store, clock and network. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum reflector_step {
    REFLECTOR_LIST = 1,
    REFLECTOR_WATCH,
};

struct reflector {
    enum reflector_step step;
    char *last_rv; /* NULL: none. Where the next watch goes on. */
    bool any_rv;   /* the next list asks for what is newest, not for "not older than last_rv" */
    bool listed;   /* a list has been taken once */
    int64_t backoff_ms;
    int64_t failed_at_ms; /* newest failure, monotonic */
};

/* What came of a watch or a list; REFLECTOR_FINE for a watch also means: it ended as planned. */
enum reflector_result {
    REFLECTOR_FINE = 1,
    REFLECTOR_GONE,    /* 410: the version is no longer there */
    REFLECTOR_AHEAD,   /* "too large resource version" */
    REFLECTOR_DENIED,  /* 401, 403, 404 */
    REFLECTOR_BROKEN,  /* an error inside the stream that is neither 410 nor 429 */
    REFLECTOR_UNHEARD, /* no connection, 429, 5xx */
};

#define REFLECTOR_FIRST_MS 800
#define REFLECTOR_LAST_MS 30000
#define REFLECTOR_QUIET_MS 120000 /* so long without a failure, and back-off begins anew */
#define REFLECTOR_SHORT_MS 1000   /* a watch that ends earlier, without an event, is a failure */

void reflector_init(struct reflector *reflector);
void reflector_done(struct reflector *reflector);

/* Each returns how long to wait before the next request: 0, or a base that the caller spreads over
 * 1..2 times of it. */

/* rv: the list's own, of a good one. */
int64_t reflector_listed(struct reflector *reflector, enum reflector_result result, const char *rv,
                         int64_t now_ms);
/* An event or a bookmark was taken into the store. */
void reflector_event(struct reflector *reflector, const char *rv);
int64_t reflector_watched(struct reflector *reflector, enum reflector_result result,
                          int64_t lived_ms, bool any_event, int64_t now_ms);

/* The resourceVersion parameter of the next list; "" for none. Borrowed. */
const char *reflector_list_rv(const struct reflector *reflector);
/* Of an answer's code; reason: of a Status, or NULL. In a stream: an ERROR event. */
enum reflector_result reflector_result_of(int code, const char *reason, bool rv_too_large,
                                          bool in_stream);
