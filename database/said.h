/* SPDX-License-Identifier: Apache-2.0 */
/* What a server said, made fit for who reads it: whole on a command line, without values where other people read it
 * (docs/reference/reasons.md). Internal to database/. */
#pragma once
#include "database/engine.h"

struct said {         /* how a text is to be read (base/mask.h) */
    bool raised;      /* by a RAISE, SIGNAL, or a program that is not the server's */
    bool quotes_code; /* what it quotes is a piece of the statement */
    bool cut;         /* the server or its library has cut it */
    bool secret;      /* the statement may hold a password: hidden also where values are shown */
    struct strlist names, words;
};
/* The names of our own tables and of the database; with a statement its names and what it says by RAISE. */
void said_init(const struct db *db, const struct statement *s, struct said *out);
void said_done(struct said *said);

/* One printable line, at most SAID_MAX bytes: "… (cut)" tells of more. Owned. */
#define SAID_MAX 640
char *said_text(const struct db *db, const struct said *said, const char *text);
/* For what is written down: without values unless the plan shows them. Owned. */
char *said_recorded(const struct run *run, const struct said *said, const char *text);

/* ---- about the failed statement ------------------------------------------------------------- */

/* Lines below the message on a terminal (result->failed.lines); nothing where values are hidden. After run_failed().
 * The text's own lines, some of them; NULL, "": nothing. */
void run_said(struct run *run, const char *label, const char *text);
/* The line of a text, with a mark if column > 0. */
void run_excerpt(struct run *run, const char *text, size_t length, int line, int column);
/* What is left of the file, by what is proven: below the message, or at its end. Takes and returns e. */
struct err *run_stays(struct run *run, struct err *e, const char *fmt, ...) ERR_MUST_USE
    __attribute__((format(printf, 3, 4), returns_nonnull));
/* Of other reasons a message says itself what stays, or nobody knows. */
bool run_stays_is_told(const struct err *e);
/* "V9", or "R__views" of a repeatable. Owned. */
char *run_file_name(const struct migration *file);
/* done[i]: statement i of the script has taken effect. "statements 1 to 3 of V9 are done and stay", or nothing of it
 * is. `failed`: index of the one that failed, of which nothing remains; SIZE_MAX: not known. Takes and returns e. */
struct err *run_stays_done(struct run *run, struct err *e, const struct migration *file,
                           const struct script *script, const bool *done, size_t failed)
    ERR_MUST_USE __attribute__((returns_nonnull));

/* ---- notices and warnings ------------------------------------------------------------------- */

/* Of a statement (from 1; 0: of the file's end). Told one by one up to a limit; then counted. */
void run_server_said(const struct run *run, const struct migration *file,
                     const struct script *script, int statement, const char *level,
                     const struct said *said, const char *text);
/* Are further ones only counted? Then nothing needs to be read of them. */
bool run_server_said_enough(const struct run *run, const struct migration *file);
/* `count` that were not read. */
void run_server_said_more(const struct run *run, const struct migration *file, int64_t count);
/* Before the file's end is told: how many more there were. */
void run_server_said_end(const struct run *run);
