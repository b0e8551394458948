// SPDX-License-Identifier: Apache-2.0
// Running one statement of a file under the watchdog, and waiting for locks between tries.
#include <inttypes.h>
#include "database/mydb_file.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define PATIENCE_FIRST_MS 200
#define PATIENCE_MAX_MS 5000

static void forget_failure(struct result *result)
{
    free(result->failed.version);
    free(result->failed.description);
    free(result->failed.script);
    memset(&result->failed, 0, sizeof result->failed);
}

unsigned mydb_run_statement(struct mydb_file *f, size_t index, enum mydb_kill *killed)
{
    struct mydb *m = f->m;
    const struct statement *s = &f->script.statements[index];
    const int64_t start = clock_mono_ms();
    const size_t tag = strlen(m->tag);
    char *text = mem_alloc(tag + s->text_length + 1); // zeroed: a NUL stays behind
    memcpy(text, m->tag, tag);
    memcpy(text + tag, s->text, s->text_length);
    // MariaDB has a limit for every statement, MySQL only for SELECT.
    const bool ours = m->session.statement_ms > 0 && !m->mariadb;
    mydb_watch_arm(m, ours ? m->session.statement_ms : INT64_MAX, run_remaining_ms(f->run));
    const unsigned code = mydb_send(m, text, tag + s->text_length);
    *killed = mydb_watch_disarm(m);
    free(text);
    if (*killed && !mydb_lost(m)) { // a late KILL must not hit what we send next
        const struct mydb_failure kept = m->failure;
        mydb_send(m, "DO 0", strlen("DO 0"));
        m->failure = kept;
    }
    if (!code) {
        forget_failure(f->run->result); // of a try that met a lock
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
    p->pause_ms = p->pause_ms * 2 < PATIENCE_MAX_MS ? p->pause_ms * 2 : PATIENCE_MAX_MS;
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

struct err *mydb_check_size(struct mydb_file *f, size_t index)
{
    const struct statement *s = &f->script.statements[index];
    if (s->text_length < SMALL) {
        return NULL;
    }
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(f->m));
    TRY(mydb_read(f->m, "read max_allowed_packet", "SELECT @@max_allowed_packet", &result));
    TRY(mydb_own_end(f->m));
    char **row = mydb_next(result);
    const int64_t most = row ? mydb_int64(row[0], INT64_MAX) : INT64_MAX;
    if ((int64_t)(s->text_length + strlen(f->m->tag)) < most) {
        return NULL;
    }
    f->m->failure = (struct mydb_failure){ 0 };
    run_failed(f->run, f->file, (int)index + 1, s->line, s->column, NULL, 0);
    return mydb_record_failure(
        f, index, 0,
        err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                "%s:%d:%d: statement %zu has %zu bytes and the server takes %" PRId64
                ": make max_allowed_packet larger on the server, or the statement smaller",
                f->file->path, s->line, s->column, index + 1, s->text_length, most));
}
