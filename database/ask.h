/* SPDX-License-Identifier: Apache-2.0 */
/* One question to a database by a child process (`sluice ask-once`) that a server cannot make larger than its memory, nor
 * keep longer than its time: libpq and Connector/C take a whole message or row before we see a byte of it, and a login may
 * keep them for as long as the server likes. The request goes to the child's standard input (a password is in no
 * argument, environment or file); the answer is small and checked field by field. Everything that a controller asks of
 * databases, and every look of a command, goes this way. All functions block until their deadline at most and may be
 * called from any thread. */
#pragma once
#include "database/database.h"

struct ask { /* everything borrowed */
    const struct target *target;
    const int *files; /* descriptors that the target's paths name; -1: none */
    size_t file_count;
    const char *application;
    int64_t connect_timeout_ms;  /* 0: 10000 */
    int64_t timeout_ms;          /* total, the login included; 0: its time and ASK_TIMEOUT_MS */
    int64_t memory_bytes;        /* of the child; 0: ASK_MEMORY */
    const struct cancel *cancel; /* NULL: none */
    bool show_values;            /* as in struct db_options */
    const struct command_place
        *place; /* for the commands that messages print; NULL: $SLUICE_URL's */
    /* A controller asks many at a time: each child has ASK_MEMORY_SMALL first, and only who needs more gets
     * memory_bytes, few at a time and of one share (a namespace) one. NULL: memory_bytes at once. */
    const char *share;
};

#define ASK_TIMEOUT_MS 30000 /* behind the login */
#define ASK_MEMORY (256LL * 1024 * 1024)
#define ASK_MEMORY_SMALL (24LL * 1024 * 1024)

/* Errors as of db_open() and of what is asked; DatabaseUnavailable also when the answer is too large, does not come in
 * time, or brings the child down; Interrupted. */
struct err *ask_inspect(const struct ask *ask, struct inspection *out) ERR_MUST_USE;
/* What is beside the history, for a person. */
struct ask_around {
    char *runner;            /* who holds the migration lock, db_lock_holder(); NULL: nobody */
    struct kvlist histories; /* of other tools, while ours has no row: db_foreign_histories() */
};
/* Also who works there now. A statement that is open in *out with no runner beside it was left. */
struct err *ask_look_around(const struct ask *ask, struct inspection *out,
                            struct ask_around *around) ERR_MUST_USE;
void ask_around_done(struct ask_around *around);
/* db_inspect(), then db_verify_journal(). */
struct err *ask_journal(const struct ask *ask, int64_t *rows) ERR_MUST_USE;
struct err *ask_gate(const struct ask *ask, const char *query, int64_t timeout_ms,
                     struct gate_value *out) ERR_MUST_USE;
/* record_failure(), record_resolution(); of `request`: migrations, execution, holder, git_commit, retry_token,
 * lock_wait_ms and of the files what they are, not what they hold; for LEASE_COMMAND and no owner. Killed at any moment it has done all or nothing. */
struct err *ask_failure(const struct ask *ask, const struct apply_request *request,
                        const struct migration *file, const struct result *failed) ERR_MUST_USE;
struct err *ask_resolution(const struct ask *ask, const struct apply_request *request,
                           const struct resolution *resolution) ERR_MUST_USE;
/* Makes request->owner the owner, if it is not yet, where `former` is it, and nothing is open; else AssignmentStale. */
struct err *ask_take_over(const struct ask *ask, const struct apply_request *request,
                          const char *former) ERR_MUST_USE;

/* The child's main, reached through the command table. */
int ask_once_main(int argc, char **argv);
