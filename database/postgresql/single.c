// SPDX-License-Identifier: Apache-2.0
// A file trip by trip: COPY data and verify= cannot go through a pipeline.
#include <libpq-fe.h>
#include <poll.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

#define COPY_CHUNK 65536

void pgdb_tell_statement(const struct run *run, const struct migration *file, int statement,
                         int64_t *since_ms)
{
    const struct progress *progress = run->request->progress;
    const int64_t now = clock_mono_ms();
    if (progress && progress->statement) {
        progress->statement(progress->payload, file, statement, now - *since_ms);
    }
    *since_ms = now;
}

// ---- COPY ---------------------------------------------------------------------------------------

// Until the socket takes more, or gives something. False: stopped or lost.
static bool wait_socket(struct pgdb *pg, bool write)
{
    const struct cancel *cancel = pg->uncancellable || !pg->run ? NULL : pg->run->request->cancel;
    struct pollfd p[2] = {
        { .fd = PQsocket(pg->conn), .events = (short)(write ? POLLIN | POLLOUT : POLLIN) },
        { .fd = cancel ? cancel->fd : -1, .events = POLLIN },
    };
    const int64_t left = pg->run ? run_remaining_ms(pg->run) : INT64_MAX;
    poll(p, 2, left > 60000 ? 60000 : (int)left);
    if (p[1].revents & POLLIN) {
        pg->stopped = REASON_INTERRUPTED;
    } else if (left <= 0) {
        pg->stopped = REASON_DEADLINE_EXCEEDED;
    }
    return !pg->stopped && (!(p[0].revents & POLLIN) || PQconsumeInput(pg->conn));
}

// libpq keeps what the server does not take yet, all of it.
static bool flush(struct pgdb *pg)
{
    int left = PQflush(pg->conn);
    while (left > 0 && wait_socket(pg, true)) {
        left = PQflush(pg->conn);
    }
    return left == 0;
}

// The results that follow say whether the server liked the data.
static void copy_in(struct pgdb *pg, const struct statement *s)
{
    bool going = true;
    for (size_t at = 0; going && at < s->copy_length;) {
        const size_t left = s->copy_length - at;
        const size_t chunk = left < COPY_CHUNK ? left : COPY_CHUNK;
        going = PQputCopyData(pg->conn, s->copy_data + at, (int)chunk) == 1 && flush(pg);
        at += chunk;
        if (pg->script) {
            script_touch(pg->script, chunk);
        }
    }
    const char *refused = going ? NULL : "interrupted";
    while (PQputCopyEnd(pg->conn, refused) == 0 && wait_socket(pg, true)) {
    }
}

static void copy_out(struct pgdb *pg)
{
    for (;;) {
        char *line = NULL;
        const int got = PQgetCopyData(pg->conn, &line, 1);
        PQfreemem(line);
        if (got < 0 || (got == 0 && !wait_socket(pg, false) && !pg->stopped)) {
            return;
        }
        if (got == 0 && pg->stopped) {
            return; // pgdb_take() sends the cancel
        }
    }
}

// ---- one statement ------------------------------------------------------------------------------

// Takes results to the end of the command. A COPY must have its data before the next one comes.
static bool take_results(struct pgdb *pg, const struct statement *statement,
                         struct pgdb_fault *fault)
{
    bool ok = true;
    PQsetSingleRowMode(pg->conn);
    for (int seen = 0;; seen++) {
        AUTO(pgdb_clear_auto) PGresult *result = NULL;
        if (!pgdb_take(pg, pgdb_file_deadline(pg), &result, fault)) {
            return false;
        }
        if (!result) {
            fault->lost = fault->lost || seen == 0;
            return ok && seen > 0;
        }
        const ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_COPY_IN) {
            copy_in(pg, statement);
        } else if (status == PGRES_COPY_OUT) {
            copy_out(pg);
        } else if (!pgdb_result_ok(result) && ok) {
            pgdb_fault_read(pg, result, fault);
            ok = false;
        }
    }
}

static bool take_statement(struct pgdb *pg, const struct statement *statement,
                           struct pgdb_fault *fault)
{
    pg->copies = true;
    const bool ok = take_results(pg, statement, fault);
    pg->copies = false;
    return ok;
}

bool pgdb_run_statement(struct pgdb *pg, const struct statement *statement,
                        struct pgdb_fault *fault)
{
    pg->stopped = NULL;
    pg->blocked_since_ms = 0;
    if (!pgdb_send(pg, &(struct pgdb_command){ .sql = statement->text })) {
        *fault = (struct pgdb_fault){ .lost = true };
        return false;
    }
    return take_statement(pg, statement, fault);
}

// ---- a group ------------------------------------------------------------------------------------

bool pgdb_verify_value(const struct pg_result *result)
{
    return PQntuples(result) == 1 && PQnfields(result) == 1 && str_eq(pgdb_text(result, 0, 0), "t");
}

static bool run_own(struct pgdb *pg, const struct pgdb_command *command,
                    struct pgdb_failure *failure)
{
    AUTO(pgdb_clear_auto) PGresult *result = NULL;
    if (!pgdb_send(pg, command)) {
        failure->fault.lost = true;
        return false;
    }
    bool ok = true;
    for (;;) {
        AUTO(pgdb_clear_auto) PGresult *next = NULL;
        if (!pgdb_take(pg, pgdb_file_deadline(pg), &next, &failure->fault)) {
            return false;
        }
        if (!next) {
            break;
        }
        if (!pgdb_result_ok(next) && ok) {
            pgdb_fault_read(pg, next, &failure->fault);
            ok = false;
        }
        PQclear(result);
        result = TAKE(next);
    }
    if (!result && ok) {
        failure->fault.lost = true;
        return false;
    }
    if (ok && failure->part == PART_VERIFY && !pgdb_verify_value(result)) {
        failure->verify_false = true;
        return false;
    }
    if (ok && failure->part == PART_COMMIT && !str_eq(PQcmdStatus(result), "COMMIT")) {
        pgdb_fault_set(pg, &failure->fault, "the transaction was rolled back");
        return false;
    }
    return ok;
}

static bool run_commands(struct run *run, const struct pgdb_group *group,
                         struct pgdb_failure *failure)
{
    struct pgdb *pg = pgdb_of(run->db);
    int64_t since = clock_mono_ms();
    const int count = pgdb_group_count(group);
    pg->stopped = NULL;
    for (int i = 0; i < count; i++) {
        struct pgdb_command command;
        int statement = 0;
        failure->part = pgdb_group_command(group, i, &command, &statement);
        pgdb_notices_of(pg, group, failure->part, statement);
        bool ok;
        if (failure->part == PART_STATEMENT) {
            failure->statement = statement;
            run_tell_begin(run, group->item->file, &group->script, statement + 1);
            ok = group->skip[statement] ||
                 pgdb_run_statement(pg, script_at(&group->script, (size_t)statement),
                                    &failure->fault);
        } else {
            ok = run_own(pg, &command, failure);
        }
        pg->about.file = NULL;
        if (!ok) {
            pgdb_rollback(pg);
            return false;
        }
        if (failure->part == PART_STATEMENT) {
            pgdb_tell_statement(run, group->item->file, statement + 1, &since);
        }
    }
    return true;
}

bool pgdb_single_run(struct run *run, const struct pgdb_group *group, struct pgdb_failure *failure)
{
    struct pgdb *pg = pgdb_of(run->db);
    pg->script = &group->script;
    const bool ok = run_commands(run, group, failure);
    pg->script = NULL;
    return ok;
}
