// SPDX-License-Identifier: Apache-2.0
// The session of a statement outside a transaction: what it begins with, and the way back.
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"

#define SESSION_COMMANDS 8

bool pgdb_may_retry(const struct statement *s)
{
    return s->class == STEP_NONTX || s->class == STEP_REPEATABLE;
}

// A second try could do twice what the first has done, or is not allowed to: CALL that committed, dblink.
bool pgdb_waits_once(const struct statement *s)
{
    return s->leaves_transaction || (s->class != STEP_TRANSACTIONAL && !pgdb_may_retry(s));
}

static int64_t one_try(const struct run *run, const struct migration *file)
{
    const int64_t own = file ? file->directives.lock_timeout_ms : -1;
    return own >= 0 ? own : run->request->execution->lock_timeout_ms;
}

int64_t pgdb_lock_limit(const struct run *run, const struct migration *file, bool once)
{
    const int64_t one = one_try(run, file);
    const int64_t all = run->request->execution->lock_retry_for_ms;
    return once && all > one ? all : one;
}

int64_t pgdb_statement_timeout(const struct run *run, const struct migration *file)
{
    const int64_t own = file ? file->directives.statement_timeout_ms : -1;
    return own >= 0 ? own : run->request->execution->statement_timeout_ms;
}

static const char reset_settings_sql[] =
    "SELECT pg_catalog.set_config('application_name', $1, false)";

struct err *pgdb_session_leave(struct run *run)
{
    struct pgdb *pg = pgdb_of(run->db);
    const char *values[] = { pg->name };
    const struct pgdb_command commands[] = {
        { .sql = "RESET SESSION AUTHORIZATION" },
        { .sql = "RESET ROLE" },
        { .sql = "RESET ALL" },
        { reset_settings_sql, false, 1, values },
    };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    const char *stopped = pg->stopped;
    const bool before = pg->uncancellable;
    int failed = 0;
    pg->uncancellable = true; // four settings: the next wait is soon enough
    const bool ok = pgdb_batch(pg, commands, 4, NULL, &fault, &failed);
    pg->uncancellable = before;
    struct err *e = ok ? NULL : pgdb_fault_err(&fault, pg->stopped, "could not reset the session");
    pg->stopped = stopped;
    return e;
}

static const char enter_sql[] = "SELECT pg_catalog.set_config('search_path', $1, false),"
                                " pg_catalog.set_config('standard_conforming_strings', $4, false),"
                                " pg_catalog.set_config('lock_timeout', $2, false),"
                                " pg_catalog.set_config('statement_timeout', $3, false)";
static const char check_sql[] =
    "SELECT pg_catalog.set_config('client_connection_check_interval', '5000', false)";

struct err *pgdb_session_enter(struct run *run, const struct migration *file,
                               const struct script *script, size_t index)
{
    struct pgdb *pg = pgdb_of(run->db);
    char lock_timeout[24], statement_timeout[24];
    const bool once = index < script->count && pgdb_waits_once(script_at(script, index));
    snprintf(lock_timeout, sizeof lock_timeout, "%lld",
             (long long)pgdb_lock_limit(run, file, once));
    snprintf(statement_timeout, sizeof statement_timeout, "%lld",
             (long long)pgdb_statement_timeout(run, file));
    const char *values[] = { pg->search_path, lock_timeout, statement_timeout,
                             run->db->identity.other_strings ? "off" : "on" };
    AUTO(free_auto)
    struct pgdb_command *commands = mem_array(index + SESSION_COMMANDS, sizeof *commands);
    AUTO(free_auto) size_t *from = mem_array(index + SESSION_COMMANDS, sizeof *from);
    int count = 0;
    commands[count++] = (struct pgdb_command){ enter_sql, false, 4, values };
    if (pg->linux_server && run->db->identity.server_version >= 140000) {
        commands[count++] = (struct pgdb_command){ .sql = check_sql };
    }
    for (size_t i = 0; i < index; i++) {
        if (script_at(script, i)->class == STEP_SESSION) {
            from[count] = i + 1;
            commands[count++] = (struct pgdb_command){ .sql = script_at(script, i)->text };
        }
    }
    if (index < script->count && script_at(script, index)->concurrently) {
        // It would also end the wait for old snapshots and leave an invalid index each time.
        commands[count++] = (struct pgdb_command){ .sql = "SET lock_timeout = 0" };
    }
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    if (pgdb_batch(pg, commands, count, NULL, &fault, &failed)) {
        return NULL;
    }
    return pgdb_statement_err(run, file, script, (int)from[failed],
                              from[failed] > 0 ? "" : "could not set up the session", &fault);
}
