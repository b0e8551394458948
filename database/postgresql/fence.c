// SPDX-License-Identifier: Apache-2.0
// The guard in front of every transaction and the rows at its end (docs/explanation/engine.md 1.1).
#include <inttypes.h>
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"

#define OWN_LOCK_TIMEOUT_MS 1000
#define FENCED_WAIT_MS 10000        // for the lease row, which others hold for moments only
#define IDLE_IN_TRANSACTION "60000" // a stopped runner lets go of its locks after a minute
#define CLIENT_CHECK "5000"         // a dead runner's statement ends, where the server can tell

// ---- guard --------------------------------------------------------------------------------------

// The cast stands outside the CASE: inside, the planner would fold it and always raise.
char *pgdb_guard_sql(const struct pgdb *pg)
{
    const bool checks = pg->linux_server && pg->base.identity.server_version >= 140000;
    return mem_printf(
        "SELECT pg_catalog.set_config('lock_timeout', $1, true),"
        " pg_catalog.set_config('statement_timeout', $2, true),"
        " pg_catalog.set_config('search_path', $3, true),"
        " pg_catalog.set_config('standard_conforming_strings', '%s', true)," // as files are split
        " pg_catalog.set_config('idle_in_transaction_session_timeout', '" IDLE_IN_TRANSACTION
        "', true),%s"
        " (CASE WHEN NOT EXISTS (SELECT 1 FROM %s WHERE history_table = $4 AND epoch = $5::bigint"
        " AND nonce = $6 FOR UPDATE) THEN 'sluice:fenced'"
        " WHEN $7::int >= 0 AND greatest(coalesce((SELECT pg_catalog.max(installed_rank) FROM %s),"
        " 0), 0) <> $7::int THEN 'sluice:moved' ELSE '1' END)::int",
        pg->base.identity.other_strings ? "off" : "on",
        checks ? " pg_catalog.set_config('client_connection_check_interval', '" CLIENT_CHECK
                 "', true),"
               : "",
        pg->lease, pg->history);
}

void pgdb_guard_fill(const struct run *run, int32_t rank_before, int64_t lock_timeout_ms,
                     int64_t statement_timeout_ms, struct pgdb_guard *out)
{
    const struct pgdb *pg = pgdb_of(run->db);
    snprintf(out->lock_timeout, sizeof out->lock_timeout, "%" PRId64, lock_timeout_ms);
    snprintf(out->statement_timeout, sizeof out->statement_timeout, "%" PRId64,
             statement_timeout_ms);
    snprintf(out->epoch, sizeof out->epoch, "%" PRId64, run->epoch);
    snprintf(out->rank, sizeof out->rank, "%d", (int)rank_before);
    const char *const values[PGDB_GUARD_VALUES] = { out->lock_timeout, out->statement_timeout,
                                                    pg->search_path,   pg->base.table,
                                                    out->epoch,        run->nonce,
                                                    out->rank };
    memcpy(out->values, values, sizeof values);
}

// ---- rows ---------------------------------------------------------------------------------------

// The one row of the journal; its rank is an expression.
#define JOURNAL_INSERT(rank)                                                                       \
    " (history_table, seq, format_version, installed_rank, kind, version, description, script,"    \
    " step, line, statement_sha256, step_class, pre_state, state, verdict, git_commit,"            \
    " file_sha256, placeholders_hmac, epoch, attempt, retry_token, session_id, error_code,"        \
    " message, row_hash, started, finished)"                                                       \
    " VALUES ($1::text, $2::bigint, 1, " rank ", $4::text, $5::text, $6::text, $7::text,"          \
    " $8::int, $9::int, $10::text, $11::text, $12::text, $13::text, $14::text, $15::text,"         \
    " $16::text, $17::text, $18::bigint, $19::bigint, $20::text, $21::bigint, $22::text,"          \
    " $23::text, $24::text,"                                                                       \
    " CASE WHEN $13::text = 'intent' THEN pg_catalog.clock_timestamp()"                            \
    " ELSE pg_catalog.transaction_timestamp() END,"                                                \
    " CASE WHEN $13::text = 'intent' THEN NULL ELSE pg_catalog.clock_timestamp() END)"

char *pgdb_journal_sql(const struct pgdb *pg)
{
    return mem_printf("INSERT INTO %s" JOURNAL_INSERT("$3::int"), pg->journal);
}

// xmax of the lease row is the transaction that locked it: still this one, unless the file committed.
// A trigger on the history can make its INSERT succeed without a row: that fails the transaction.
char *pgdb_rows_sql(const struct pgdb *pg)
{
    const char *xid = pg->base.identity.server_version >= 130000
                          ? "pg_catalog.pg_current_xact_id()::xid"
                          : "(pg_catalog.txid_current() % 4294967296)::text::xid";
    return mem_printf(
        "WITH h AS (INSERT INTO %s (installed_rank, version, description, type, script, checksum,"
        " installed_by, execution_time, success)"
        " SELECT $3::int, $5::text, $6::text, $25::text, $7::text, $26::int, $27::text,"
        " coalesce($28::int,"
        " (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()"
        " - pg_catalog.transaction_timestamp()) * 1000)::int),"
        " (CASE WHEN EXISTS (SELECT 1 FROM %s WHERE history_table = $1::text AND epoch = "
        "$18::bigint"
        " AND nonce = $29::text AND xmax = %s) THEN 't' ELSE 'sluice:txcontrol' END)::bool "
        "RETURNING 1)"
        " INSERT INTO %s" JOURNAL_INSERT(
            "(CASE WHEN EXISTS (SELECT 1 FROM h) THEN $3::int::text ELSE 'sluice:norow' END)::int"),
        pg->history, pg->lease, xid, pg->journal);
}

static const char *type_of(const struct apply_item *item)
{
    if (item->baseline_marker) {
        return "BASELINE";
    }
    return item->file->kind == MIGRATION_BASELINE ? "SQL_BASELINE" : "SQL";
}

static void fill_history_values(const struct run *run, const struct apply_item *item,
                                int64_t execution_ms, struct pgdb_rows *out)
{
    const int64_t capped = execution_ms > INT32_MAX ? INT32_MAX : execution_ms;
    snprintf(out->checksum, sizeof out->checksum, "%d", (int)item->checksum);
    snprintf(out->execution, sizeof out->execution, "%" PRId64, item->baseline_marker ? 0 : capped);
    out->values[24] = type_of(item);
    out->values[25] = item->baseline_marker ? NULL : out->checksum;
    out->values[26] = run->db->identity.user;
    out->values[27] = item->baseline_marker || execution_ms >= 0 ? out->execution : NULL;
    out->values[28] = run->nonce;
}

void pgdb_rows_fill(const struct run *run, const struct journal_row *row,
                    const struct apply_item *item, int64_t execution_ms, struct pgdb_rows *out)
{
    snprintf(out->seq, sizeof out->seq, "%" PRId64, row->seq);
    snprintf(out->rank, sizeof out->rank, "%d", (int)row->installed_rank);
    snprintf(out->step, sizeof out->step, "%d", (int)row->step);
    snprintf(out->line, sizeof out->line, "%d", (int)row->line);
    out->class_text[0] = row->step_class;
    out->class_text[1] = '\0';
    snprintf(out->epoch, sizeof out->epoch, "%" PRId64, row->epoch);
    snprintf(out->attempt, sizeof out->attempt, "%" PRId64, row->attempt);
    snprintf(out->session, sizeof out->session, "%" PRId64, row->session_id);
    const char *const values[PGDB_JOURNAL_VALUES] = {
        run->db->table,
        out->seq,
        out->rank,
        migration_kind_text(row->kind),
        row->version,
        row->description,
        row->script,
        out->step,
        out->line,
        row->statement_sha256,
        row->step_class ? out->class_text : NULL,
        row->pre_state,
        journal_state_text(row->state),
        row->verdict != VERDICT_NONE ? verdict_text(row->verdict) : NULL,
        row->git_commit,
        row->file_sha256,
        row->placeholders_hmac,
        out->epoch,
        out->attempt,
        row->retry_token,
        out->session,
        row->error_code,
        row->message,
        row->row_hash,
    };
    memcpy(out->values, values, sizeof values);
    if (item) {
        fill_history_values(run, item, execution_ms, out);
    }
}

// ---- after the file's settings were reset -------------------------------------------------------

// installed_on is a zoneless now(): the zone is fixed. Our own name went with RESET ALL too.
char *pgdb_after_sql(const struct pgdb *pg)
{
    (void)pg;
    return mem_strdup("SELECT pg_catalog.set_config('lock_timeout', $1, true),"
                      " pg_catalog.set_config('statement_timeout', '0', true),"
                      " pg_catalog.set_config('timezone', 'UTC', true),"
                      " pg_catalog.set_config('idle_in_transaction_session_timeout',"
                      " '" IDLE_IN_TRANSACTION "', true),"
                      " pg_catalog.set_config('application_name', $2, false)");
}

static char *prepare_text(const char *name, int generation, int count, char *sql)
{
    AUTO(buf_done) struct buf b = BUF(65536);
    AUTO(free_auto) char *text = sql;
    buf_addf(&b, "PREPARE sluice_%s_%d(", name, generation);
    for (int i = 0; i < count; i++) {
        buf_adds(&b, i > 0 ? ",text" : "text");
    }
    buf_addf(&b, ") AS %s", text);
    return buf_take(&b);
}

struct err *pgdb_prepare(struct pgdb *pg)
{
    const int generation = pg->last_generation + 1;
    AUTO(free_auto) char *guard =
        prepare_text("guard", generation, PGDB_GUARD_VALUES, pgdb_guard_sql(pg));
    AUTO(free_auto) char *rows =
        prepare_text("rows", generation, PGDB_ROWS_VALUES, pgdb_rows_sql(pg));
    AUTO(free_auto) char *after =
        prepare_text("after", generation, PGDB_AFTER_VALUES, pgdb_after_sql(pg));
    const struct pgdb_command commands[] = { { guard, false, 0, NULL },
                                             { rows, false, 0, NULL },
                                             { after, false, 0, NULL } };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    if (!pgdb_batch(pg, commands, 3, NULL, &fault, &failed)) {
        return pgdb_fault_err(&fault, pg->stopped, "could not prepare our statements");
    }
    pg->last_generation = generation;
    pg->prepared = generation;
    return NULL;
}

// ---- a small transaction of our own -------------------------------------------------------------

const char *pgdb_fence_word(const struct pgdb_fault *fault)
{
    static const char *const words[] = { "fenced", "moved", "txcontrol", "norow", "altered" };
    const char *at = fault->message ? strstr(fault->message, "sluice:") : NULL;
    if (!at || !str_eq(fault->sqlstate, "22P02")) { // the rest of the text is translated
        return NULL;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_starts(at + 7, words[i])) {
            return words[i];
        }
    }
    return NULL;
}

struct err *pgdb_fence_err(struct run *run, const char *word)
{
    if (str_eq(word, "fenced")) {
        run->result->outcome = OUTCOME_FENCED;
        return err_new(ERR_WAIT, REASON_DATABASE_BUSY,
                       "another runner took over this database: stopped before doing more");
    }
    if (str_eq(word, "moved")) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                       "somebody else wrote to the history table %s: run it again",
                       pgdb_of(run->db)->history);
    }
    if (str_eq(word, "norow")) {
        return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                       "the history table %s did not keep our row: drop the trigger on it that"
                       " returns NULL",
                       pgdb_of(run->db)->history);
    }
    if (str_eq(word, "altered")) {
        const char *watchers = pgdb_of(run->db)->watchers;
        return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                       "the history table %s did not keep our row as it was written: rolled back; "
                       "correct or remove what changes it (%s)",
                       pgdb_of(run->db)->history, watchers ? watchers : "a trigger or a rule");
    }
    return err_new(
        ERR_TERMINAL, REASON_TRANSACTION_CONTROL,
        "the file ended its own transaction: part of it may have stayed in the database");
}

static bool fenced_once(struct run *run, const struct pgdb_command *commands, int count,
                        struct pgdb_fault *fault)
{
    struct pgdb *pg = pgdb_of(run->db);
    struct pgdb_guard guard;
    pgdb_guard_fill(run, PGDB_ANY_RANK, OWN_LOCK_TIMEOUT_MS, 0, &guard);
    AUTO(free_auto) char *guard_sql = pgdb_guard_sql(pg);
    AUTO(free_auto) struct pgdb_command *all = mem_array((size_t)count + 3, sizeof *all);
    all[0] = (struct pgdb_command){ .sql = "BEGIN ISOLATION LEVEL READ COMMITTED" };
    all[1] = (struct pgdb_command){ guard_sql, false, PGDB_GUARD_VALUES, guard.values };
    memcpy(all + 2, commands, (size_t)count * sizeof *all);
    all[count + 2] = (struct pgdb_command){ .sql = "COMMIT" };
    int failed = 0;
    return pgdb_batch(pg, all, count + 3, NULL, fault, &failed);
}

struct err *pgdb_fenced(struct run *run, const struct pgdb_command *commands, int count,
                        const char *what)
{
    struct pgdb *pg = pgdb_of(run->db);
    const int64_t end = clock_mono_ms() + FENCED_WAIT_MS;
    for (;;) {
        AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
        if (fenced_once(run, commands, count, &fault)) {
            return NULL;
        }
        const char *word = pgdb_fence_word(&fault);
        if (word) {
            return pgdb_fence_err(run, word);
        }
        const bool again = str_eq(fault.sqlstate, "55P03") || str_eq(fault.sqlstate, "40P01");
        if (pgdb_table_gone(fault.sqlstate)) { // it was there when the run began
            return err_new(
                ERR_TERMINAL, REASON_HISTORY_TAMPERED,
                "%s: %s %s; a file, or somebody else, has taken away or changed a table "
                "that holds the history of this database: restore it before the next run",
                what, fault.sqlstate, fault.said ? fault.said : "");
        }
        if (!again || clock_mono_ms() > end) {
            return pgdb_fault_err(&fault, pg->stopped, what);
        }
        if (!pg->uncancellable) {
            TRY(run_pause(run, jitter_ms(200)));
        }
    }
}

struct err *pgdb_append(struct run *run, struct journal_row *row)
{
    struct pgdb *pg = pgdb_of(run->db);
    pg->run = run;
    struct pgdb_rows rows = { 0 };
    pgdb_rows_fill(run, row, NULL, -1, &rows);
    AUTO(free_auto) char *sql = pgdb_journal_sql(pg);
    const struct pgdb_command command = { sql, false, PGDB_JOURNAL_VALUES, rows.values };
    TRY(pgdb_fenced(run, &command, 1, "could not write to the journal"));
    journal_advance(run, row);
    return NULL;
}

struct err *pgdb_close_step(struct run *run, int64_t seq, enum journal_state state,
                            const char *error_code, const char *message)
{
    struct pgdb *pg = pgdb_of(run->db);
    char number[24];
    snprintf(number, sizeof number, "%" PRId64, seq);
    AUTO(free_auto) char *sql =
        mem_printf("UPDATE %s SET state = $1, error_code = $2, message = $3,"
                   " finished = pg_catalog.clock_timestamp()"
                   " WHERE history_table = $4 AND seq = $5::bigint AND state = 'intent'",
                   pg->journal);
    const char *values[] = { journal_state_text(state), error_code, message, pg->base.table,
                             number };
    const struct pgdb_command command = { sql, false, 5, values };
    return pgdb_fenced(run, &command, 1, "could not write to the journal");
}
