// SPDX-License-Identifier: Apache-2.0
// One transactional file as commands: guard, statements, reset, rows (docs/explanation/engine.md 1.1).
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "reconcile/migration/script.h"

#define BIG_FILE (1024 * 1024) // bytes: such a file goes alone

// Between the file's last statement and our rows: what the file set is undone, in its transaction.
static const char *const resets[] = { "RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL" };
// Only after files that may leave such things behind; DISCARD ALL is not allowed in a transaction.
static const char *const more_resets[] = { "CLOSE ALL", "UNLISTEN *", "DISCARD TEMP",
                                           "DEALLOCATE ALL" };
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

bool pgdb_script_touches(const struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        if (script_at(script, i)->touches_session) {
            return true;
        }
    }
    return false;
}

static bool sets_transaction(const struct script *script)
{
    return script->count > 0 && script_at(script, 0)->verb == VERB_SET_TRANSACTION;
}

static void fill_texts(const struct pgdb *pg, struct pgdb_group *g)
{
    if (g->unnamed) {
        g->guard_sql = pgdb_guard_sql(pg);
        g->rows_sql = pgdb_rows_sql(pg);
        g->after_sql = pgdb_after_sql(pg);
        return;
    }
    g->guard_sql = mem_printf("sluice_guard_%d", pg->prepared);
    g->rows_sql = mem_printf("sluice_rows_%d", pg->prepared);
    g->after_sql = mem_printf("sluice_after_%d", pg->prepared);
}

struct err *pgdb_group_make(struct run *run, const struct apply_item *item, int32_t rank,
                            struct pgdb_group *out)
{
    const struct pgdb *pg = pgdb_of(run->db);
    const struct journal *journal = &run->seen.journal;
    const struct migration *file = item->baseline_marker ? NULL : item->file;
    *out = (struct pgdb_group){ .item = item, .rank = rank, .head_seq = journal->head_seq };
    memcpy(out->head_hash, journal->head_hash, sizeof out->head_hash);
    if (file) {
        TRY(script_parse_on(&run->db->identity, file, &run->placeholders, &out->script));
    }
    if (file && file->directives.verify) {
        TRY(placeholders_verify(file, &run->placeholders, &out->verify));
    }
    out->skip = mem_array(out->script.count + 1, sizeof *out->skip);
    if (file) {
        TRY(pgdb_outside_skip(run, file, &out->script, out->skip));
    }
    out->touches = pgdb_script_touches(&out->script);
    out->unnamed = pg->prepared == 0 || out->touches;
    run->script = file ? &out->script : NULL;
    journal_row_prepare(run, file, rank, 0, NULL, JOURNAL_DONE, NULL, &out->row);
    run->script = NULL;
    out->once = pgdb_script_leaves(&out->script);
    pgdb_guard_fill(run, rank - 1, pgdb_lock_limit(run, file, out->once),
                    pgdb_statement_timeout(run, file), &out->guard);
    pgdb_rows_fill(run, &out->row, item, -1, &out->rows);
    out->after[0] = out->guard.lock_timeout;
    out->after[1] = pg->name;
    if (pg->watchers) {
        out->kept_sql = pgdb_kept_sql(pg);
        pgdb_kept_fill(&out->rows, out->kept);
    }
    fill_texts(pg, out);
    journal_advance(run, &out->row);
    return NULL;
}

struct err *pgdb_group_open(struct run *run, struct pgdb_group *group)
{
    const struct apply_item *item = group->item;
    const int32_t rank = group->rank;
    struct pgdb_outside outside = { 0 };
    if (item->baseline_marker || !pgdb_script_leaves(&group->script)) {
        return NULL;
    }
    pgdb_group_unwind(run, group);
    TRY(pgdb_outside_begin(run, item->file, rank, &group->script, group->skip, &outside));
    pgdb_group_done(group); // its rows come behind the intents now
    TRY(pgdb_group_make(run, item, rank, group));
    if (outside.first > 0) {
        const struct pgdb *pg = pgdb_of(run->db);
        group->outside = outside;
        group->close_sql = pgdb_outside_close_sql(pg, &outside, JOURNAL_DONE);
        group->close[0] = pg->base.table;
    }
    return NULL;
}

void pgdb_group_unwind(struct run *run, const struct pgdb_group *group)
{
    run->seen.journal.head_seq = group->head_seq;
    memcpy(run->seen.journal.head_hash, group->head_hash, sizeof group->head_hash);
}

void pgdb_group_done(struct pgdb_group *group)
{
    script_done(&group->script);
    journal_row_done(&group->row);
    free(group->guard_sql);
    free(group->rows_sql);
    free(group->after_sql);
    free(group->verify);
    free(group->skip);
    free(group->close_sql);
    free(group->kept_sql);
    *group = (struct pgdb_group){ 0 };
}

// ---- the commands -------------------------------------------------------------------------------

struct layout { // numbers of commands
    int statements, constraints, verify, resets, more, close;
};

static struct layout layout_of(const struct pgdb_group *g)
{
    if (g->item->baseline_marker) {
        return (struct layout){ 0 };
    }
    return (struct layout){
        .statements = (int)g->script.count,
        .constraints = 1,
        .verify = g->item->file->directives.verify ? 1 : 0,
        .resets = COUNT(resets) + 1,
        .more = g->touches ? COUNT(more_resets) : 0,
        .close = g->close_sql ? 1 : 0,
    };
}

int pgdb_group_count(const struct pgdb_group *group)
{
    const struct layout l = layout_of(group);
    return 2 + l.statements + l.constraints + l.verify + l.resets + l.more + l.close + 2 +
           (group->kept_sql ? 1 : 0);
}

static enum pgdb_part our_own(const struct pgdb_group *g, enum pgdb_part part,
                              struct pgdb_command *out)
{
    out->prepared = !g->unnamed;
    switch (part) {
    case PART_GUARD:
        *out =
            (struct pgdb_command){ g->guard_sql, !g->unnamed, PGDB_GUARD_VALUES, g->guard.values };
        break;
    case PART_RESET:
        *out = (struct pgdb_command){ g->after_sql, !g->unnamed, PGDB_AFTER_VALUES, g->after };
        break;
    case PART_ROWS:
        *out = (struct pgdb_command){ g->rows_sql, !g->unnamed, PGDB_ROWS_VALUES, g->rows.values };
        break;
    case PART_KEPT:
        *out = (struct pgdb_command){ g->kept_sql, false, PGDB_KEPT_VALUES, g->kept };
        break;
    case PART_BEGIN:
        // Not READ WRITE: that would override default_transaction_read_only.
        *out = (struct pgdb_command){ .sql = "BEGIN ISOLATION LEVEL READ COMMITTED" };
        break;
    case PART_CONSTRAINTS: // a deferred violation belongs to the file, not to our COMMIT
        *out = (struct pgdb_command){ .sql = "SET CONSTRAINTS ALL IMMEDIATE" };
        break;
    case PART_VERIFY:
        *out = (struct pgdb_command){ .sql = g->verify };
        break;
    case PART_CLOSE:
        *out = (struct pgdb_command){ g->close_sql, false, 3, g->close };
        break;
    case PART_COMMIT:
    case PART_STATEMENT:
        *out = (struct pgdb_command){ .sql = "COMMIT" };
        break;
    }
    return part;
}

enum pgdb_part pgdb_group_command(const struct pgdb_group *group, int index,
                                  struct pgdb_command *out, int *statement)
{
    const struct layout l = layout_of(group);
    // SET TRANSACTION must come before any query, so before the guard too.
    const int lead = sets_transaction(&group->script) ? 1 : 0;
    if (index == 0 || index == 1 + lead) {
        return our_own(group, index == 0 ? PART_BEGIN : PART_GUARD, out);
    }
    int i = index <= lead ? index - 1 : index - 2;
    if (i < l.statements) {
        *statement = i;
        *out = (struct pgdb_command){ .sql = script_at(&group->script, (size_t)i)->text };
        return PART_STATEMENT;
    }
    i -= l.statements;
    if (i < l.constraints) {
        return our_own(group, PART_CONSTRAINTS, out);
    }
    i -= l.constraints;
    if (i < l.verify) {
        return our_own(group, PART_VERIFY, out);
    }
    i -= l.verify;
    if (i < l.more) {
        *out = (struct pgdb_command){ .sql = more_resets[i] };
        return PART_RESET;
    }
    i -= l.more;
    if (i < l.resets - 1) {
        *out = (struct pgdb_command){ .sql = resets[i] };
        return PART_RESET;
    }
    if (i < l.resets) {
        return our_own(group, PART_RESET, out);
    }
    if (i < l.resets + l.close) {
        return our_own(group, PART_CLOSE, out);
    }
    i -= l.resets + l.close;
    const bool kept = i == 1 && group->kept_sql;
    return our_own(group, i == 0 ? PART_ROWS : kept ? PART_KEPT : PART_COMMIT, out);
}

bool pgdb_group_is_single(const struct pgdb_group *group)
{
    if (group->item->baseline_marker) {
        return false;
    }
    for (size_t i = 0; i < group->script.count; i++) {
        const struct statement *s = script_at(&group->script, i);
        if (s->verb == VERB_COPY || s->leaves_transaction) {
            return true; // COPY does not work in a pipeline; an intent must be there before
        }
    }
    return group->item->file->directives.verify != NULL; // its value decides
}

bool pgdb_group_is_alone(const struct pgdb_group *group)
{
    return group->unnamed || group->script.expanded_length > BIG_FILE ||
           pgdb_group_is_single(group);
}
