/* SPDX-License-Identifier: Apache-2.0 */
/* Events that repeat, as a pure part: the first is an object, the second makes it a series, later ones
 * are counted here and told now and then. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIES_REFRESH_MS (30 * 60 * 1000)
#define SERIES_QUIET_MS (6 * 60 * 1000)
#define SERIES_MAX 1024 /* different events remembered; the longest silent goes first */

struct series_entry {
    char *key;               /* type, action, reason, regarding, related: not the note */
    char *namespace_, *name; /* of the Event object */
    int64_t count;
    int64_t last_ms; /* newest occurrence, monotonic */
    int64_t last_utc_ms;
    int64_t told_ms; /* newest write */
    int64_t told_count;
};

struct series {
    struct series_entry *entries;
    size_t count, cap;
};

enum series_step {
    SERIES_NOTHING = 1,
    SERIES_CREATE, /* POST the event under entry's name */
    SERIES_UPDATE, /* PATCH series {count, lastObservedTime} */
};

/* One more occurrence. Takes key, and with SERIES_CREATE namespace_ and name; else they are freed. The
 * entry is valid until the next call. */
enum series_step series_occurred(struct series *series, char *key, char *namespace_, char *name,
                                 int64_t now_ms, int64_t now_utc_ms, struct series_entry **entry);
/* An entry that has gone quiet, or one whose count was not told for long; NULL: none. A quiet one with
 * everything told is forgotten on the way. After SERIES_UPDATE call series_told(). */
struct series_entry *series_due(struct series *series, int64_t now_ms);
void series_told(struct series_entry *entry, int64_t now_ms);
/* The server no longer has it, or never took it: the next occurrence is a first one. */
void series_forget(struct series *series, const char *key);
void series_done(struct series *series);
