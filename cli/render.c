/* SPDX-License-Identifier: Apache-2.0 */
/* JSON and sentences about a database and its migrations. */
#include "cli/render.h"

#include <stdio.h>

#include "base/auto.h"
#include "base/mem.h"

struct json *render_database(const struct db_context *context, const struct identity *identity)
{
    struct json *out = json_object();

    json_set_string(out, "url", context->label);
    json_set_string(out, "engine", engine_text(identity->engine));
    json_set_string(out, "server", identity->server_text);
    json_set_string(out, "schema", identity->schema);
    json_set_string(out, "table", context->migrations.table);
    json_set_bool(out, "readOnly", identity->read_only);
    return out;
}

static struct json *render_attempt(const struct journal_row *row)
{
    struct json *out = json_object();

    json_set_string(out, "state", journal_state_text(row->state));
    json_set_int64(out, "step", row->step);
    json_set_int64(out, "line", row->line);
    json_set_string_opt(out, "errorCode", row->error_code);
    json_set_string_opt(out, "message", row->message);
    json_set_string_opt(out, "commit", row->git_commit);
    json_set_string_opt(out, "started", row->started);
    json_set_string_opt(out, "finished", row->finished);
    json_set_string_opt(out, "verdict", row->verdict ? verdict_text(row->verdict) : NULL);
    return out;
}

struct json *render_entry(const struct plan_entry *entry)
{
    struct json *out = json_object();
    const struct history_row *row = entry->row;
    const struct migration *file = entry->file;

    json_set_string_opt(out, "version",
                        row                           ? row->version_text
                        : version_set(&file->version) ? file->version.text
                                                      : NULL);
    json_set_string(out, "description", row ? row->description : file->description);
    json_set_string(out, "type",
                    row                                ? row->type
                    : file->kind == MIGRATION_BASELINE ? "SQL_BASELINE"
                                                       : "SQL");
    json_set_string(out, "script", row ? row->script : file->script);
    json_set_string(out, "state", state_text(entry->state));
    json_set_string_opt(out, "path", file ? file->path : NULL);
    if (row) {
        json_set_int64(out, "installedRank", row->rank);
        json_set_string(out, "installedOn", row->installed_on);
        json_set_string(out, "installedBy", row->installed_by);
        json_set_int64(out, "executionTimeMs", row->execution_ms);
        if (row->has_checksum) {
            json_set_int64(out, "checksum", row->checksum);
        }
    }
    if (entry->open) {
        json_set(out, "attempt", render_attempt(entry->open));
    }
    return out;
}

char *render_name(const struct migration *file)
{
    return version_set(&file->version) ? mem_strdup(file->version.text)
                                       : mem_printf("\"%s\"", file->description);
}

static char *where(const struct plan_entry *entry)
{
    const struct journal_row *open = entry->open;

    return open->step > 0
               ? mem_printf("statement %d of %s:%d", open->step, entry->file->path, open->line)
               : mem_printf("%s:%d", entry->file->path, open->line > 0 ? open->line : 1);
}

char *render_step(const struct plan_entry *entry)
{
    AUTO(free_auto) char *place = where(entry);

    if (entry->open->state != JOURNAL_INTENT) {
        return mem_printf("running behind %s, which is done", place);
    }
    return mem_printf("running %s, since %.19s UTC", place,
                      entry->open->started ? entry->open->started : "an unknown time");
}

char *render_open(const struct db_context *context, const struct plan_entry *entry)
{
    const struct journal_row *open = entry->open;

    if (!open || !entry->file) {
        return NULL;
    }
    AUTO(free_auto) char *place = where(entry);
    if (entry->state == STATE_FAILED) {
        return mem_printf("failed at %s: %s%s%s; fix it and run `sluice migrate` again", place,
                          open->error_code ? open->error_code : "", open->error_code ? " " : "",
                          open->message ? open->message : "");
    }
    if (entry->state == STATE_OUTCOME_UNKNOWN) {
        AUTO(free_auto)
        char *verdicts =
            command_verdicts(&context->place, open->version, open->description, open->step);
        return mem_printf("outcome unknown at %s: %s", place, verdicts);
    }
    if (journal_row_applied(open)) {
        return mem_printf("interrupted behind %s, which stays as what is before it does: the next "
                          "`sluice migrate` goes on from there",
                          place);
    }
    return mem_printf("interrupted at %s: the next `sluice migrate` settles it", place);
}

void render_print(struct json *root)
{
    AUTO(free_auto) char *text = json_text_pretty(root);

    say_lines(text);
    say("\n");
    json_free(root);
}

struct json *render_strings(const struct strlist *list)
{
    struct json *out = json_array();

    for (size_t i = 0; i < list->count; i++) {
        json_push_string(out, list->items[i]);
    }
    return out;
}
