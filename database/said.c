// SPDX-License-Identifier: Apache-2.0
// Servers' messages for people: how much of them, for whom, and what they are about.
#include <inttypes.h>
#include <stdarg.h>
#include "database/said.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/excerpt.h"
#include "base/limits.h"
#include "base/mask.h"
#include "base/mem.h"
#include "model/reason.h"
#include "reconcile/migration/names.h"
#include "reconcile/migration/parse.h"

#define CUT_MARK "… (cut)"
#define LINES_MAX 8  // of one DETAIL, HINT or CONTEXT
#define LINE_MAX 400 // of the server's
#define OWN_LINE_MAX 4096
#define ALL_LINES_MAX ((size_t)16 * 1024)

// ---- for whom -----------------------------------------------------------------------------------

static void add_name(struct strlist *names, const char *name)
{
    if (name && *name) {
        strlist_add(names, name);
    }
}

// Whatever the server quotes of such a statement, rightly or wrongly written, may be the password or a piece of it.
static bool may_hold_password(const struct statement *s)
{
    static const char *const words[] = { "password",    "identified", "create user", "alter user",
                                         "create role", "alter role", "replace user" };
    for (size_t i = 0; s && i < sizeof words / sizeof *words; i++) {
        if (strcasestr(s->text, words[i])) {
            return true;
        }
    }
    return false;
}

void said_init(const struct db *db, const struct statement *s, struct said *out)
{
    *out = (struct said){ .secret = may_hold_password(s) };
    if (db->options.show_values && !s) {
        return; // nothing is compared
    }
    add_name(&out->names, db->table);
    add_name(&out->names, "sluice_lease");
    add_name(&out->names, "sluice_journal");
    add_name(&out->names, db->identity.schema);
    add_name(&out->names, db->identity.database);
    add_name(&out->names, db->identity.user);
    if (s) {
        statement_names(&db->identity, s, &out->names, &out->words);
    }
}

void said_done(struct said *said)
{
    strlist_done(&said->names);
    strlist_done(&said->words);
}

// Cut on a character's border, and it says so.
static char *cut_text(const char *text, size_t max)
{
    const size_t length = strlen(text);
    if (length <= max) {
        return mem_strdup(text);
    }
    const size_t kept = str_utf8_cut(text, length, max - strlen(CUT_MARK));
    return mem_printf("%.*s" CUT_MARK, (int)kept, text);
}

static char *masked(const struct said *said, const char *text)
{
    const struct mask mask = { .names = &said->names,
                               .words = &said->words,
                               .raised = said->raised,
                               .quotes_code = said->quotes_code,
                               .cut = said->cut };
    return mask_text(text, &mask);
}

static char *shown(bool values, const struct said *said, const char *text)
{
    AUTO(free_auto) char *clean = str_printable(text, strlen(text));
    AUTO(free_auto) char *fit = values && !said->secret ? TAKE(clean) : masked(said, clean);
    return cut_text(fit, SAID_MAX);
}

char *said_text(const struct db *db, const struct said *said, const char *text)
{
    return shown(db->options.show_values, said, text);
}

char *said_recorded(const struct run *run, const struct said *said, const char *text)
{
    return shown(run->request->execution->show_values, said, text);
}

// ---- below the message --------------------------------------------------------------------------

static bool shows_lines(const struct run *run)
{
    return run->request->show_values && run->result->failed.script;
}

static void add_line(struct run *run, const char *head, const char *text, size_t length, size_t max)
{
    char **lines = &run->result->failed.lines;
    AUTO(free_auto) char *clean = str_printable(text, length);
    AUTO(free_auto) char *fit = cut_text(clean, max);
    char *all = mem_printf("%s%s%s%s", *lines ? *lines : "", *lines ? "\n" : "", head, fit);
    if (strlen(all) > ALL_LINES_MAX) {
        free(all);
        return;
    }
    free(*lines);
    *lines = all;
}

void run_said(struct run *run, const char *label, const char *text)
{
    if (!text || !*text || !shows_lines(run)) {
        return;
    }
    AUTO(free_auto) char *head = mem_printf("%s%s", label, *label ? ": " : "");
    AUTO(free_auto) char *indent = mem_printf("%*s", (int)strlen(head), "");
    for (int i = 0; *text; i++) {
        const size_t length = strcspn(text, "\n");
        const char *next = text[length] ? text + length + 1 : text + length;
        if (i == LINES_MAX - 1 && *next) {
            add_line(run, indent, CUT_MARK, strlen(CUT_MARK), LINE_MAX);
            return;
        }
        add_line(run, i == 0 ? head : indent, text, length, LINE_MAX);
        text = next;
    }
}

void run_excerpt(struct run *run, const char *text, size_t length, int line, int column)
{
    if (!shows_lines(run) || !text) {
        return;
    }
    AUTO(free_auto) char *excerpt = excerpt_make(text, length, line, column);
    for (const char *p = excerpt; p && *p;) {
        const size_t n = strcspn(p, "\n");
        add_line(run, "", p, n, OWN_LINE_MAX);
        p += n + (p[n] != '\0');
    }
}

// ---- what stays ---------------------------------------------------------------------------------

char *run_file_name(const struct migration *file)
{
    return version_set(&file->version) ? mem_printf("V%s", file->version.text)
                                       : mem_strdup(file->script);
}

struct err *run_stays(struct run *run, struct err *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0) {
        text = mem_strdup(fmt);
    }
    va_end(args);
    if (shows_lines(run)) {
        add_line(run, "", text, strlen(text), OWN_LINE_MAX);
        free(text);
        return e;
    }
    const size_t room = LIMIT_RESULT_MESSAGE - strlen("; ") - strlen(text);
    AUTO(free_auto) char *head = cut_text(
        e->message, strlen(text) < LIMIT_RESULT_MESSAGE / 2 ? room : LIMIT_RESULT_MESSAGE / 2);
    struct err *both = err_new(e->kind, e->reason, "%s; %s", head, text);
    err_free(e);
    free(text);
    return both;
}

bool run_stays_is_told(const struct err *e)
{
    return str_eq(e->reason, REASON_MIGRATION_FAILED) ||
           str_eq(e->reason, REASON_TRANSACTION_CONTROL) ||
           str_eq(e->reason, REASON_LOCK_TIMEOUT) || str_eq(e->reason, REASON_DEADLOCK);
}

// Statements that change the database; a SET stays with its session.
static bool counts(const struct script *script, size_t i)
{
    const struct statement *s = script_at(script, i);
    return s->class != STEP_SESSION && s->verb != VERB_LOCK_TABLES && s->verb != VERB_UNLOCK_TABLES;
}

static struct err *tell_done(struct run *run, struct err *e, const char *name, size_t first,
                             size_t last, size_t count, size_t holes, const char *rest)
{
    if (count == 1) {
        return run_stays(run, e, "statement %zu of %s is done and stays%s", first + 1, name, rest);
    }
    if (holes == 0) {
        return run_stays(run, e, "statements %zu to %zu of %s are done and stay%s", first + 1,
                         last + 1, name, rest);
    }
    return run_stays(run, e, "%zu statements of %s are done and stay, %zu the last of them%s",
                     count, name, last + 1, rest);
}

// Who has undone by hand what stays lets the file begin anew; in a plan's message there is no room for it.
static struct err *tell_restart(struct run *run, struct err *e, const struct migration *file)
{
    AUTO(free_auto) char *description = description_stored(file->description);
    AUTO(free_auto)
    char *command = command_resolve(run->request->place,
                                    version_set(&file->version) ? file->version.text : NULL,
                                    description, 0, VERDICT_RESTART);
    return run_stays(run, e, "if you undo that by hand, let the file begin anew: %s", command);
}

struct err *run_stays_done(struct run *run, struct err *e, const struct migration *file,
                           const struct script *script, const bool *done, size_t failed)
{
    size_t first = SIZE_MAX, last = 0, count = 0, holes = 0;
    if (!run_stays_is_told(e)) {
        return e;
    }
    for (size_t i = 0; i < script->count; i++) {
        if (done[i] && counts(script, i)) {
            first = first == SIZE_MAX ? i : first;
            last = i;
            count++;
        }
    }
    for (size_t i = first; i < last && i < script->count; i++) {
        holes += counts(script, i) && !done[i];
    }
    AUTO(free_auto) char *name = run_file_name(file);
    const bool sure = failed != SIZE_MAX;
    if (count == 0) {
        return sure ? run_stays(run, e, "nothing of %s remains", name) : e;
    }
    AUTO(free_auto) char *rest =
        sure ? mem_printf(", nothing of statement %zu remains", failed + 1) : mem_strdup("");
    if (shows_lines(run)) {
        e = tell_done(run, e, name, first, last, count, holes, rest);
        return tell_restart(run, e, file);
    }
    return tell_done(run, e, name, first, last, count, holes, rest);
}

// ---- notices and warnings -----------------------------------------------------------------------

#define NOTICES_MAX 20 // of one file

static struct run_notices *notices_of(const struct run *run, const struct migration *file)
{
    struct run_notices *n = run->notices;
    if (n && n->file != file) {
        run_server_said_end(run);
        *n = (struct run_notices){ .file = file };
    }
    return n;
}

bool run_server_said_enough(const struct run *run, const struct migration *file)
{
    const struct run_notices *n = notices_of(run, file);
    return !n || n->told >= NOTICES_MAX;
}

void run_server_said(const struct run *run, const struct migration *file,
                     const struct script *script, int statement, const char *level,
                     const struct said *said, const char *text)
{
    if (run_server_said_enough(run, file)) {
        run_server_said_more(run, file, 1);
        return;
    }
    run->notices->told++;
    run->result->said.count++;
    const size_t count = script ? script->count : 0;
    const int line = statement > 0 && (size_t)statement <= count
                         ? script_at(script, (size_t)statement - 1)->line
                         : 1;
    AUTO(free_auto) char *fit = said_text(run->db, said, text);
    AUTO(free_auto)
    char *about = statement > 0 ? mem_printf("statement %d: ", statement) : mem_strdup("");
    AUTO(free_auto)
    char *all = mem_printf("%s:%d: %s%s: %s", file->path, line, about, level, fit);
    run_notice(run, "%s", all);
    if (!run->result->said.first) {
        run->result->said.first = TAKE(all);
    }
}

void run_server_said_more(const struct run *run, const struct migration *file, int64_t count)
{
    struct run_notices *n = notices_of(run, file);
    run->result->said.count += count;
    if (n) {
        n->more += count;
    }
}

void run_server_said_end(const struct run *run)
{
    struct run_notices *n = run->notices;
    if (n && n->file && n->more > 0) {
        run_notice(run, "%s: %" PRId64 " more notices and warnings of the server's", n->file->path,
                   n->more);
        n->more = 0;
    }
}
