/* SPDX-License-Identifier: Apache-2.0 */
/* What a process and its child for one database say to each other (ask.h): numbers of eight bytes and texts
 * behind their length, in a fixed order. One function a struct both writes and reads it, so that they cannot differ. Who
 * reads believes nothing: a number out of range, a text with a NUL or a byte too few or too many spoils the whole.
 * Internal to database/. */
#pragma once
#include "base/buf.h"
#include "database/ask.h"

struct wire {
    struct buf *out;      /* writing; NULL: reading */
    const char *at, *end; /* reading */
    bool bad;             /* what is read cannot be used */
};

void wire_int64(struct wire *w, int64_t *value, int64_t min, int64_t max);
/* Any integer, enum or bool. */
#define WIRE_INT(w, lvalue, min, max)                                                              \
    do {                                                                                           \
        int64_t value_ = (int64_t)(lvalue);                                                        \
        wire_int64((w), &value_, (min), (max));                                                    \
        (lvalue) = (__typeof__(lvalue))value_;                                                     \
    } while (0)
void wire_text(struct wire *w, char **text); /* NULL stays NULL; owned when read */
/* How many items follow, each of at least one byte. */
void wire_count(struct wire *w, size_t *count, size_t max);
/* True: all was read, and nothing is left. */
bool wire_complete(const struct wire *w);

enum ask_kind {
    ASK_INSPECT = 1,
    ASK_AROUND,
    ASK_JOURNAL,
    ASK_GATE,
    ASK_FAILURE,
    ASK_RESOLUTION,
    ASK_TAKE_OVER,
    ASK_KIND_MAX_
};

bool ask_is_record(enum ask_kind kind); /* it writes, under the lock of a run */

struct ask_job { /* a request; texts owned when read */
    enum ask_kind kind;
    struct target target;
    char *application;
    int64_t connect_timeout_ms, left_ms, memory_bytes;
    bool show_values, has_place;
    struct command_place place; /* texts in `texts` when read */
    /* ASK_GATE */
    char *query;
    int64_t query_timeout_ms;
    /* ASK_FAILURE, ASK_RESOLUTION, ASK_TAKE_OVER */
    struct migrations_options migrations;
    struct execution_options execution;
    char *holder, *git_commit, *retry_token;
    int64_t lock_wait_ms;
    bool has_files;
    struct migration_set files; /* without their bytes; borrowed when written */
    char *script;               /* ASK_FAILURE: of the file that failed */
    struct result failed;
    struct resolution resolution; /* texts in `texts` when read */
    struct owner owner;           /* ASK_TAKE_OVER; texts in `texts` when read */
    char *former;                 /* UID of the plan that is gone */
    char *texts[15];
};

void wire_job(struct wire *w, struct ask_job *job);
void ask_job_done(struct ask_job *job); /* of one that was read; wipes the password */

void wire_inspection(struct wire *w, struct inspection *seen);
void wire_around(struct wire *w, struct ask_around *around);
void wire_gate(struct wire *w, struct gate_value *value);
/* Written: *e, may be NULL. Read: *e. */
void wire_error(struct wire *w, struct err **e);
