// SPDX-License-Identifier: Apache-2.0
// PostgreSQL's errors and notices, field by field, for people.
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/excerpt.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "database/said.h"

#define FIELD_MAX 8192 // bytes kept of one field

static char *field(const struct pg_result *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    return text ? mem_strndup(text, str_utf8_cut(text, strlen(text), FIELD_MAX)) : NULL;
}

static int number(const struct pg_result *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    int64_t value = 0;
    return text && str_to_int64(text, 1, INT32_MAX, &value) ? (int)value : 0;
}

static void add_names(const struct pg_result *result, struct strlist *names)
{
    static const int codes[] = { PG_DIAG_SCHEMA_NAME, PG_DIAG_TABLE_NAME, PG_DIAG_COLUMN_NAME,
                                 PG_DIAG_DATATYPE_NAME, PG_DIAG_CONSTRAINT_NAME };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        const char *name = PQresultErrorField(result, codes[i]);
        if (name && *name) {
            strlist_add(names, name);
        }
    }
}

// Classes of what programs say (PL, external routines, other servers), and RAISE, which may name any code.
static bool is_raised(const struct pg_result *result, const char *sqlstate)
{
    static const char *const classes[] = { "P0", "38", "39", "45", "HV", "XX" };
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (str_starts(sqlstate, classes[i])) {
            return true;
        }
    }
    return function && (str_eq(function, "exec_stmt_raise") || strstr(function, "report_error") ||
                        strstr(function, "res_error"));
}

// What the fields say, to be read with the names of statement `s` (NULL: none).
static void said_of(const struct pgdb *pg, const struct statement *s, bool raised,
                    const struct strlist *names, struct said *out)
{
    said_init(&pg->base, s, out);
    out->raised = raised;
    for (size_t i = 0; i < names->count; i++) {
        strlist_add(&out->names, names->items[i]);
    }
}

static char *first_line(const char *text)
{
    return mem_strndup(text, strcspn(text, "\n"));
}

void pgdb_fault_set(const struct pgdb *pg, struct pgdb_fault *fault, const char *text)
{
    const struct strlist none = { 0 };
    AUTO(said_done) struct said said = { 0 };
    AUTO(free_auto) char *line = first_line(pgdb_memory_short(text) ? DB_MEMORY_TEXT : text);
    pgdb_fault_done(fault);
    said_of(pg, NULL, false, &none, &said);
    fault->said = said_text(&pg->base, &said, line);
    fault->message = TAKE(line);
}

void pgdb_fault_read(const struct pgdb *pg, const struct pg_result *result,
                     struct pgdb_fault *fault)
{
    pgdb_fault_done(fault);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *level = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    snprintf(fault->sqlstate, sizeof fault->sqlstate, "%s", state ? state : "");
    fault->lost =
        PQstatus(pg->conn) == CONNECTION_BAD || str_eq(level, "FATAL") || str_eq(level, "PANIC");
    fault->position = number(result, PG_DIAG_STATEMENT_POSITION);
    fault->message = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!fault->message) {
        fault->message = first_line(PQresultErrorMessage(result));
    }
    if (!state && pgdb_memory_short(fault->message)) {
        mem_strset(&fault->message, DB_MEMORY_TEXT);
    }
    fault->detail = field(result, PG_DIAG_MESSAGE_DETAIL);
    fault->hint = field(result, PG_DIAG_MESSAGE_HINT);
    fault->context = field(result, PG_DIAG_CONTEXT);
    fault->inner = field(result, PG_DIAG_INTERNAL_QUERY);
    fault->inner_position = number(result, PG_DIAG_INTERNAL_POSITION);
    fault->raised = is_raised(result, fault->sqlstate);
    add_names(result, &fault->names);
    AUTO(said_done) struct said said = { 0 };
    AUTO(free_auto) char *line = first_line(fault->message);
    said_of(pg, NULL, fault->raised, &fault->names, &said);
    fault->said = said_text(&pg->base, &said, line);
}

char *pgdb_fault_text(const struct run *run, const struct pgdb_fault *fault,
                      const struct statement *s, char **recorded)
{
    const struct pgdb *pg = pgdb_of(run->db);
    AUTO(said_done) struct said said = { 0 };
    AUTO(free_auto) char *line = first_line(fault->message ? fault->message : "");
    said_of(pg, s, fault->raised, &fault->names, &said);
    if (recorded) {
        *recorded = said_recorded(run, &said, line);
    }
    return said_text(run->db, &said, line);
}

void pgdb_fault_lines(struct run *run, const struct migration *file, const struct pgdb_fault *fault,
                      int line, int column)
{
    const char *more = fault->message ? strchr(fault->message, '\n') : NULL;
    run_excerpt(run, (const char *)migration_bytes(file), file->size, line,
                fault->position > 0 ? column : 0);
    run_said(run, "", more ? more + 1 : NULL);
    if (fault->inner && fault->inner_position > 0) {
        int inner_line = 1, inner_column = 1;
        excerpt_place(fault->inner, strlen(fault->inner), fault->inner_position, &inner_line,
                      &inner_column);
        run_said(run, "inside", "a statement of the program:");
        run_excerpt(run, fault->inner, strlen(fault->inner), inner_line, inner_column);
    }
    run_said(run, "DETAIL", fault->detail);
    run_said(run, "HINT", fault->hint);
    run_said(run, "CONTEXT", fault->context);
}

// ---- notices ------------------------------------------------------------------------------------

// What a statement's analysis says comes before the server has begun it: behind the guard it is the first one's.
void pgdb_notices_of(struct pgdb *pg, const struct pgdb_group *group, enum pgdb_part part,
                     int statement)
{
    const bool files = part == PART_GUARD || part == PART_STATEMENT || part == PART_CONSTRAINTS ||
                       part == PART_VERIFY;
    pg->about.file = files && !group->item->baseline_marker ? group->item->file : NULL;
    pg->about.script = &group->script;
    pg->about.statement = part == PART_STATEMENT ? statement + 1 : part == PART_GUARD ? 1 : 0;
}

void pgdb_notice(void *payload, const struct pg_result *result)
{
    const struct pgdb *pg = payload;
    const struct migration *file = pg->about.file;
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!file || !pg->run || !text) {
        return;
    }
    if (run_server_said_enough(pg->run, file)) {
        run_server_said_more(pg->run, file, 1); // a flood costs no more than this
        return;
    }
    const char *level = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const struct script *script = pg->about.script;
    const size_t index = (size_t)pg->about.statement;
    const struct statement *s =
        index > 0 && script && index <= script->count ? &script->statements[index - 1] : NULL;
    struct strlist names = { 0 };
    AUTO(said_done) struct said said = { 0 };
    AUTO(free_auto) char *line = first_line(text);
    add_names(result, &names);
    said_of(pg, s, is_raised(result, state ? state : ""), &names, &said);
    strlist_done(&names);
    run_server_said(pg->run, file, script, s ? (int)index : 0, level ? level : "NOTICE", &said,
                    line);
}
