// SPDX-License-Identifier: Apache-2.0
// Running one statement of a file under the watchdog, and waiting for locks between tries.
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"

#define PATIENCE_FIRST_MS 200
#define PATIENCE_MAX_MS 5000

static void forget_failure(struct result *result)
{
    free(result->failed.version);
    free(result->failed.description);
    free(result->failed.script);
    free(result->failed.lines);
    memset(&result->failed, 0, sizeof result->failed);
}

// ---- what the server says of a statement that went well ------------------------------------------

#define WARNINGS_READ 20

struct about {
    const struct mydb_file *f;
    size_t index;
    int read;
};

// Level, number, text.
static void tell_warning(void *payload, char **columns)
{
    struct about *a = payload;
    const char *text = columns[2] ? columns[2] : "";
    AUTO(said_done) struct said said = { 0 };
    AUTO(free_auto)
    char *level = mem_printf("%s %s", columns[0] ? columns[0] : "", columns[1] ? columns[1] : "");
    mydb_said_of(a->f->m, (unsigned)mydb_int64(columns[1], 0), "", text,
                 &a->f->script.statements[a->index], &said);
    run_server_said(a->f->run, a->f->file, &a->f->script, (int)a->index + 1, level, &said, text);
    a->read++;
}

// A row of OPTIMIZE TABLE and the like: table, operation, kind of message, text.
static void tell_report(void *payload, char **columns)
{
    const struct about *a = payload;
    if (!columns[2] || !columns[3] || str_ieq(columns[2], "status")) {
        return;
    }
    AUTO(said_done) struct said said = { 0 };
    AUTO(free_auto)
    char *level = mem_printf("%s of %s", columns[2], columns[1] ? columns[1] : "");
    mydb_said_of(a->f->m, 0, "", columns[3], &a->f->script.statements[a->index], &said);
    run_server_said(a->f->run, a->f->file, &a->f->script, (int)a->index + 1, level, &said,
                    columns[3]);
}

// SHOW WARNINGS is a statement, too: one that asks for the rows of the last one must not ask about that.
static bool next_looks_back(const struct mydb_file *f, size_t index)
{
    static const char *const words[] = { "row_count", "found_rows", "diagnostics", "warnings",
                                         "errors" };
    for (size_t i = 0; index + 1 < f->script.count && i < sizeof words / sizeof *words; i++) {
        if (strcasestr(script_at(&f->script, index + 1)->text, words[i])) {
            return true;
        }
    }
    return false;
}

// The server counts them in its answer: a statement without warnings costs no trip.
static void tell_warnings(struct mydb_file *f, size_t index)
{
    struct mydb *m = f->m;
    const int64_t count = m->warnings;
    struct about about = { .f = f, .index = index };
    if (count == 0) {
        return;
    }
    if (!run_server_said_enough(f->run, f->file) && !next_looks_back(f, index)) {
        mydb_read_warnings(m, WARNINGS_READ, tell_warning, &about);
    }
    if (count > about.read) {
        run_server_said_more(f->run, f->file, count - about.read);
    }
}

unsigned mydb_run_statement(struct mydb_file *f, size_t index, enum mydb_kill *killed)
{
    struct mydb *m = f->m;
    const struct statement *s = script_at(&f->script, index);
    const int64_t start = clock_mono_ms();
    const size_t tag = strlen(m->tag);
    char *text = mem_alloc(tag + s->text_length + 1); // zeroed: a NUL stays behind
    memcpy(text, m->tag, tag);
    memcpy(text + tag, s->text, s->text_length);
    // MariaDB has a limit for every statement, MySQL only for SELECT.
    const bool ours = m->session.statement_ms > 0 && !m->mariadb;
    mydb_watch_arm(m, ours ? m->session.statement_ms : INT64_MAX, run_remaining_ms(f->run));
    struct about about = { .f = f, .index = index };
    m->row = tell_report;
    m->row_payload = &about;
    run_tell_begin(f->run, f->file, &f->script, (int)index + 1);
    const unsigned code = mydb_send(m, text, tag + s->text_length);
    m->row = NULL;
    *killed = mydb_watch_disarm(m);
    free(text);
    if (*killed && !mydb_lost(m)) { // a late KILL must not hit what we send next
        const struct mydb_failure kept = m->failure;
        mydb_send(m, "DO 0", strlen("DO 0"));
        m->failure = kept;
    }
    if (!code) {
        forget_failure(f->run->result); // of a try that met a lock
        tell_warnings(f, index);
    }
    const struct progress *progress = f->run->request->progress;
    if (!code && progress && progress->statement) {
        progress->statement(progress->payload, f->file, (int)index + 1, clock_mono_ms() - start);
    }
    return code;
}

void mydb_patience_init(const struct mydb_file *f, struct mydb_patience *p)
{
    *p = (struct mydb_patience){ .end_ms = clock_mono_ms() +
                                           f->run->request->execution->lock_retry_for_ms,
                                 .pause_ms = PATIENCE_FIRST_MS };
}

struct err *mydb_patience_wait(struct mydb_file *f, size_t index, struct mydb_patience *p)
{
    struct mydb *m = f->m;
    struct err *lock = mydb_statement_error(f, index, MYDB_KILL_NONE);
    const bool over = clock_mono_ms() >= p->end_ms;
    AUTO(free_auto) char *blocker = over || !p->told ? mydb_blocker(m) : NULL;
    const char *who = blocker ? blocker : "a session that this user may not see (grant PROCESS)";
    if (over) {
        struct err *e =
            err_new(lock->kind, lock->reason, "%s; gave up after %" PRId64 " s, blocked by %s",
                    lock->message, f->run->request->execution->lock_retry_for_ms / 1000, who);
        err_free(lock);
        return e;
    }
    if (!p->told) {
        run_notice(f->run, "%s; trying again, blocked by %s", lock->message, who);
        p->told = true;
    }
    err_free(lock);
    TRY(run_pause(f->run, jitter_ms(p->pause_ms)));
    p->pause_ms = backoff_ms(p->pause_ms, PATIENCE_MAX_MS, 2);
    return NULL;
}

// ---- limits of lock waits -----------------------------------------------------------------------

static struct err *set_limits(struct mydb_file *f, int64_t lock_ms)
{
    const int64_t own = f->file->directives.statement_timeout_ms;
    return mydb_session_limits(f->m, lock_ms,
                               own >= 0 ? own : f->run->request->execution->statement_timeout_ms);
}

static int64_t one_try(const struct mydb_file *f)
{
    const int64_t own = f->file->directives.lock_timeout_ms;
    return own >= 0 ? own : f->run->request->execution->lock_timeout_ms;
}

struct err *mydb_wait_often(struct mydb_file *f)
{
    return set_limits(f, one_try(f));
}

struct err *mydb_wait_once(struct mydb_file *f)
{
    const int64_t one = one_try(f), all = f->run->request->execution->lock_retry_for_ms;
    return set_limits(f, all > one ? all : one);
}

// ---- what the server takes ----------------------------------------------------------------------

#define SMALL ((size_t)512 * 1024) // the smallest max_allowed_packet of a server in use is 1 MiB

static size_t largest(const struct mydb_file *f)
{
    size_t index = 0;
    for (size_t i = 1; i < f->script.count; i++) {
        const size_t most = f->complete[index] ? 0 : script_at(&f->script, index)->text_length;
        if (!f->complete[i] && script_at(&f->script, i)->text_length > most) {
            index = i;
        }
    }
    return index;
}

struct err *mydb_check_sizes(struct mydb_file *f)
{
    const size_t index = largest(f);
    const struct statement *s = f->script.count > 0 ? script_at(&f->script, index) : NULL;
    if (!s || f->complete[index] || s->text_length < SMALL) {
        return NULL;
    }
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(f->m));
    TRY(mydb_read(f->m, "read max_allowed_packet", "SELECT @@max_allowed_packet", &result));
    TRY(mydb_own_end(f->m));
    char **row = mydb_next(result);
    const int64_t most = row ? mydb_int64(row[0], INT64_MAX) : INT64_MAX;
    // One byte of the packet says what it is.
    if ((int64_t)(s->text_length + strlen(f->m->tag)) + 1 < most) {
        return NULL;
    }
    f->m->failure = (struct mydb_failure){ 0 };
    run_failed(f->run, f->file, (int)index + 1, s->line, s->column, NULL, 0);
    return mydb_record_failure(
        f, index, 0,
        err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                "%s:%d:%d: statement %zu has %zu bytes and the server takes %" PRId64
                ": make max_allowed_packet larger on the server, or the statement smaller; no "
                "statement of the file was sent",
                f->file->path, s->line, s->column, index + 1, s->text_length, most));
}
