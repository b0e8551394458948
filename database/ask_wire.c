// SPDX-License-Identifier: Apache-2.0
// The answer of a child that talks to a database: what it saw there.
#include <string.h>
#include "database/ask_wire.h"
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/reason.h"

#define NUMBER_LEN 8
#define NO_TEXT (-1)
#define TABLES_MAX 1000 // of other tools

// ---- numbers and texts --------------------------------------------------------------------------

void wire_int64(struct wire *w, int64_t *value, int64_t min, int64_t max)
{
    uint64_t bits = (uint64_t)*value;
    if (w->out) {
        char bytes[NUMBER_LEN];
        memcpy(bytes, &bits, sizeof bytes);
        buf_add(w->out, bytes, sizeof bytes);
        return;
    }
    *value = min > 0 ? min : max < 0 ? max : 0;
    if (w->bad || w->end - w->at < NUMBER_LEN) {
        w->bad = true;
        return;
    }
    memcpy(&bits, w->at, NUMBER_LEN);
    w->at += NUMBER_LEN;
    const int64_t read = (int64_t)bits;
    w->bad = read < min || read > max;
    *value = w->bad ? *value : read;
}

static void write_text(struct wire *w, const char *text)
{
    int64_t length = text ? (int64_t)strlen(text) : NO_TEXT;
    wire_int64(w, &length, NO_TEXT, INT64_MAX);
    if (text) {
        buf_add(w->out, text, (size_t)length);
    }
}

// Borrowed from what is read; NULL: none, or it cannot be used.
static const char *read_piece(struct wire *w, int64_t *length)
{
    *length = NO_TEXT;
    wire_int64(w, length, NO_TEXT, w->end - w->at);
    if (w->bad || *length == NO_TEXT || *length > w->end - w->at) {
        w->bad = w->bad || *length != NO_TEXT;
        return NULL;
    }
    const char *piece = w->at;
    w->at += *length;
    return piece;
}

void wire_text(struct wire *w, char **text)
{
    if (w->out) {
        write_text(w, *text);
        return;
    }
    int64_t length = 0;
    const char *piece = read_piece(w, &length);
    *text = NULL;
    if (piece && memchr(piece, '\0', (size_t)length)) {
        w->bad = true;
    } else if (piece) {
        *text = mem_strndup(piece, (size_t)length);
    }
}

// A text that lies in the struct.
static void wire_chars(struct wire *w, char *text, size_t size)
{
    if (w->out) {
        write_text(w, text);
        return;
    }
    int64_t length = 0;
    const char *piece = read_piece(w, &length);
    text[0] = '\0';
    if (!piece || (size_t)length >= size || memchr(piece, '\0', (size_t)length)) {
        w->bad = true;
        return;
    }
    memcpy(text, piece, (size_t)length);
    text[length] = '\0';
}

void wire_count(struct wire *w, size_t *count, size_t max)
{
    const int64_t most = w->out ? INT64_MAX : w->end - w->at;
    WIRE_INT(w, *count, 0, most < (int64_t)max ? most : (int64_t)max);
}

static void wire_pairs(struct wire *w, struct kvlist *list, size_t most)
{
    size_t count = list->count;
    wire_count(w, &count, most);
    for (size_t i = 0; i < count && !w->bad; i++) {
        char *key = w->out ? list->items[i].key : NULL;
        char *value = w->out ? list->items[i].value : NULL;
        wire_text(w, &key);
        wire_text(w, &value);
        if (!w->out) {
            if (key && value) {
                kvlist_set(list, key, value);
            }
            free(key);
            free(value);
        }
    }
}

bool wire_complete(const struct wire *w)
{
    return !w->bad && w->at == w->end;
}

// ---- history, journal, lease --------------------------------------------------------------------

static void wire_identity(struct wire *w, struct identity *id)
{
    WIRE_INT(w, id->engine, 0, ENGINE_MAX_ - 1);
    WIRE_INT(w, id->server_version, 0, INT32_MAX);
    wire_text(w, &id->server_text);
    wire_text(w, &id->server_identity);
    wire_text(w, &id->user);
    wire_text(w, &id->database);
    wire_text(w, &id->schema);
    WIRE_INT(w, id->read_only, 0, 1);
    WIRE_INT(w, id->other_strings, 0, 1);
    WIRE_INT(w, id->ansi_quotes, 0, 1);
    WIRE_INT(w, id->superuser, 0, 1);
    WIRE_INT(w, id->pooled, 0, 1);
    WIRE_INT(w, id->multi_primary, 0, 1);
    WIRE_INT(w, id->now_ms, INT64_MIN, INT64_MAX);
}

static void wire_history_row(struct wire *w, struct history_row *row)
{
    WIRE_INT(w, row->rank, INT32_MIN, INT32_MAX);
    wire_text(w, &row->version_text);
    if (!w->out) {
        row->has_version = row->version_text && version_parse(row->version_text, &row->version);
    }
    wire_text(w, &row->description);
    wire_text(w, &row->type);
    wire_text(w, &row->script);
    wire_text(w, &row->installed_by);
    wire_text(w, &row->installed_on);
    WIRE_INT(w, row->has_checksum, 0, 1);
    WIRE_INT(w, row->checksum, INT32_MIN, INT32_MAX);
    WIRE_INT(w, row->execution_ms, INT32_MIN, INT32_MAX);
    WIRE_INT(w, row->success, 0, 1);
}

static void wire_history(struct wire *w, struct history *h)
{
    size_t count = h->count;
    WIRE_INT(w, h->table_exists, 0, 1);
    WIRE_INT(w, h->schema_empty, 0, 1);
    wire_count(w, &count, LIMIT_HISTORY_ROWS);
    for (size_t i = 0; i < count && !w->bad; i++) {
        if (!w->out) {
            h->rows = mem_grow(h->rows, &h->cap, ++h->count, sizeof *h->rows);
        }
        wire_history_row(w, &h->rows[i]);
    }
}

static void wire_journal_row(struct wire *w, struct journal_row *row)
{
    WIRE_INT(w, row->seq, INT64_MIN, INT64_MAX);
    WIRE_INT(w, row->installed_rank, INT32_MIN, INT32_MAX);
    WIRE_INT(w, row->kind, 0, MIGRATION_KIND_MAX_ - 1);
    wire_text(w, &row->version);
    wire_text(w, &row->description);
    wire_text(w, &row->script);
    WIRE_INT(w, row->step, INT32_MIN, INT32_MAX);
    WIRE_INT(w, row->line, INT32_MIN, INT32_MAX);
    wire_text(w, &row->statement_sha256);
    WIRE_INT(w, row->step_class, -128, 127);
    wire_text(w, &row->pre_state);
    wire_text(w, &row->post_state);
    WIRE_INT(w, row->state, 0, JOURNAL_RESOLVED);
    WIRE_INT(w, row->verdict, 0, VERDICT_RESTART);
    wire_text(w, &row->git_commit);
    wire_text(w, &row->file_sha256);
    wire_text(w, &row->placeholders_hmac);
    WIRE_INT(w, row->epoch, INT64_MIN, INT64_MAX);
    WIRE_INT(w, row->attempt, INT64_MIN, INT64_MAX);
    wire_text(w, &row->retry_token);
    WIRE_INT(w, row->session_id, INT64_MIN, INT64_MAX);
    wire_text(w, &row->error_code);
    wire_text(w, &row->message);
    wire_text(w, &row->started);
    wire_text(w, &row->finished);
    WIRE_INT(w, row->finished_ms, INT64_MIN, INT64_MAX);
    wire_chars(w, row->row_hash, sizeof row->row_hash);
}

static void wire_journal(struct wire *w, struct journal *j)
{
    size_t count = j->count;
    WIRE_INT(w, j->table_exists, 0, 1);
    wire_count(w, &count, LIMIT_JOURNAL_ROWS);
    for (size_t i = 0; i < count && !w->bad; i++) {
        if (!w->out) {
            j->rows = mem_grow(j->rows, &j->cap, ++j->count, sizeof *j->rows);
        }
        wire_journal_row(w, &j->rows[i]);
    }
    WIRE_INT(w, j->head_seq, INT64_MIN, INT64_MAX);
    wire_chars(w, j->head_hash, sizeof j->head_hash);
}

static void wire_mark(struct wire *w, struct journal_mark *mark)
{
    WIRE_INT(w, mark->seq, INT64_MIN, INT64_MAX);
    wire_chars(w, mark->hash, sizeof mark->hash);
}

static void wire_lease(struct wire *w, struct lease *l)
{
    WIRE_INT(w, l->present, 0, 1);
    WIRE_INT(w, l->format_version, INT32_MIN, INT32_MAX);
    wire_chars(w, l->target_id, sizeof l->target_id);
    wire_text(w, &l->server_identity);
    wire_text(w, &l->owner_plan_uid);
    wire_text(w, &l->owner_namespace);
    wire_text(w, &l->owner_name);
    wire_text(w, &l->owner_database);
    wire_text(w, &l->owner_cluster);
    WIRE_INT(w, l->epoch, INT64_MIN, INT64_MAX);
    WIRE_INT(w, l->attempt, INT64_MIN, INT64_MAX);
    wire_chars(w, l->nonce, sizeof l->nonce);
    wire_text(w, &l->holder);
    wire_text(w, &l->since);
    wire_mark(w, &l->settled);
    wire_mark(w, &l->pruned);
    WIRE_INT(w, l->pruned_rank, INT32_MIN, INT32_MAX);
}

void wire_inspection(struct wire *w, struct inspection *seen)
{
    wire_identity(w, &seen->identity);
    wire_history(w, &seen->history);
    wire_journal(w, &seen->journal);
    wire_lease(w, &seen->lease);
    wire_text(w, &seen->other_lease_table);
}

void wire_around(struct wire *w, struct ask_around *around)
{
    wire_text(w, &around->runner);
    wire_pairs(w, &around->histories, TABLES_MAX);
}

void wire_gate(struct wire *w, struct gate_value *value)
{
    WIRE_INT(w, value->answered, 0, 1);
    WIRE_INT(w, value->pass, 0, 1);
    wire_chars(w, value->text, sizeof value->text);
}

// ---- errors -------------------------------------------------------------------------------------

// A reason is a name of the table, which lives as long as the program; one that no database gives is none.
static const char *known_reason(const char *name)
{
    const struct reason *reason = name ? reason_find(name) : NULL;
    const bool fits =
        reason && reason->class != REASON_CLASS_NONE && reason->class != REASON_CLASS_EVENT;
    return fits ? reason->name : REASON_INTERNAL;
}

void wire_error(struct wire *w, struct err **e)
{
    int64_t kind = w->out && *e ? (int64_t)(*e)->kind : -1;
    wire_int64(w, &kind, -1, ERR_TERMINAL);
    if (w->out && *e) {
        write_text(w, (*e)->reason);
        write_text(w, (*e)->message);
        return;
    }
    if (w->out || w->bad || kind < 0) {
        return;
    }
    AUTO(free_auto) char *reason = NULL;
    AUTO(free_auto) char *message = NULL;
    wire_text(w, &reason);
    wire_text(w, &message);
    if (!w->bad) {
        *e = err_new((enum err_kind)kind, known_reason(reason), "%s", message ? message : "");
    }
}

// ---- the request --------------------------------------------------------------------------------

static void wire_secret(struct wire *w, struct secret *secret)
{
    char *bytes = secret->bytes;
    wire_text(w, &bytes);
    if (!w->out && bytes) {
        *secret = secret_make(bytes, strlen(bytes));
        secret_wipe(bytes, strlen(bytes));
        free(bytes);
    }
}

static void wire_target(struct wire *w, struct target *t)
{
    WIRE_INT(w, t->engine, 0, ENGINE_MAX_ - 1);
    wire_text(w, &t->host);
    WIRE_INT(w, t->port, 0, 65535);
    wire_text(w, &t->socket);
    wire_text(w, &t->database);
    wire_text(w, &t->user);
    wire_secret(w, &t->password);
    WIRE_INT(w, t->tls, 0, TLS_DISABLE);
    wire_text(w, &t->ca_file);
    wire_text(w, &t->cert_file);
    wire_text(w, &t->key_file);
    wire_text(w, &t->schema);
    wire_text(w, &t->table);
}

static void wire_migrations(struct wire *w, struct migrations_options *m)
{
    wire_text(w, &m->table);
    wire_text(w, &m->schema);
    WIRE_INT(w, m->target, 0, TARGET_VERSION);
    wire_chars(w, m->target_version.text, sizeof m->target_version.text);
    WIRE_INT(w, m->target_optional, 0, 1);
    WIRE_INT(w, m->out_of_order, 0, 1);
    WIRE_INT(w, m->baseline_on_migrate, 0, 1);
    wire_chars(w, m->baseline_version.text, sizeof m->baseline_version.text);
    wire_text(w, &m->baseline_description);
    WIRE_INT(w, m->ignore_count, 0, (int64_t)(sizeof m->ignore / sizeof *m->ignore));
    for (int i = 0; i < m->ignore_count; i++) {
        WIRE_INT(w, m->ignore[i].type, 0, IGNORE_VERSIONED);
        WIRE_INT(w, m->ignore[i].state, 0, IGNORE_FUTURE);
    }
    wire_pairs(w, &m->placeholders, LIMIT_PLACEHOLDERS);
    WIRE_INT(w, m->placeholder_replacement, 0, 1);
}

static void wire_execution(struct wire *w, struct execution_options *x)
{
    WIRE_INT(w, x->lock_timeout_ms, INT64_MIN, INT64_MAX);
    WIRE_INT(w, x->lock_retry_for_ms, INT64_MIN, INT64_MAX);
    WIRE_INT(w, x->statement_timeout_ms, INT64_MIN, INT64_MAX);
    WIRE_INT(w, x->deadline_ms, INT64_MIN, INT64_MAX);
    WIRE_INT(w, x->old_sessions, 0, OLD_SESSIONS_TERMINATE);
    WIRE_INT(w, x->allow_superuser, 0, 1);
    WIRE_INT(w, x->show_values, 0, 1);
}

static void wire_digest(struct wire *w, uint8_t digest[SHA256_LEN])
{
    char hex[SHA256_HEX_LEN + 1] = "";
    if (w->out) {
        hex_format(digest, SHA256_LEN, hex);
    }
    wire_chars(w, hex, sizeof hex);
    if (!w->out) {
        w->bad = w->bad || strlen(hex) != SHA256_HEX_LEN || !hex_parse(hex, SHA256_HEX_LEN, digest);
    }
}

// What a file is, not what it holds: a row about it needs no more.
static void wire_file(struct wire *w, struct migration *file)
{
    WIRE_INT(w, file->kind, MIGRATION_NONE, MIGRATION_KIND_MAX_ - 1);
    wire_chars(w, file->version.text, sizeof file->version.text);
    wire_text(w, &file->description);
    wire_text(w, &file->script);
    wire_text(w, &file->path);
    if (w->out && file->undigested) {
        migration_digests(file, file->sha256, file->lines_sha256);
        file->undigested = false;
    }
    wire_digest(w, file->sha256);
    wire_digest(w, file->lines_sha256);
    w->bad = w->bad || !file->description || !file->script || !file->path;
    WIRE_INT(w, file->raw_checksum, INT32_MIN, INT32_MAX);
}

static void wire_files(struct wire *w, struct migration_set *files)
{
    size_t count = files->count;
    wire_count(w, &count, LIMIT_MIGRATIONS);
    for (size_t i = 0; i < count && !w->bad; i++) {
        if (!w->out) {
            files->items =
                mem_grow(files->items, &files->cap, ++files->count, sizeof *files->items);
        }
        wire_file(w, &files->items[i]);
    }
}

static void wire_borrowed(struct wire *w, const char **text, char **owner)
{
    union {
        const char *in;
        char *out;
    } plain = { .in = *text }; // written, it is not changed
    wire_text(w, &plain.out);
    *text = plain.in;
    if (!w->out) {
        *owner = plain.out;
    }
}

static void wire_resolution(struct wire *w, struct ask_job *job)
{
    struct resolution *r = &job->resolution;
    wire_borrowed(w, &r->version, &job->texts[0]);
    wire_borrowed(w, &r->description, &job->texts[1]);
    WIRE_INT(w, r->step, INT32_MIN, INT32_MAX);
    WIRE_INT(w, r->verdict, 0, VERDICT_RESTART);
    wire_borrowed(w, &r->reason, &job->texts[2]);
    wire_borrowed(w, &r->token, &job->texts[3]);
}

// Of a failed run only what its row says.
static void wire_failed(struct wire *w, struct ask_job *job)
{
    struct result *failed = &job->failed;
    wire_text(w, &job->script);
    wire_text(w, &failed->message);
    WIRE_INT(w, failed->failed.line, 0, INT32_MAX);
    WIRE_INT(w, failed->failed.statement, 0, INT32_MAX);
    wire_chars(w, failed->failed.sqlstate, sizeof failed->failed.sqlstate);
    WIRE_INT(w, failed->failed.error_number, INT32_MIN, INT32_MAX);
}

static void wire_take_over(struct wire *w, struct ask_job *job)
{
    struct owner *owner = &job->owner;
    wire_borrowed(w, &owner->plan_uid, &job->texts[10]);
    wire_borrowed(w, &owner->namespace_, &job->texts[11]);
    wire_borrowed(w, &owner->name, &job->texts[12]);
    wire_borrowed(w, &owner->database, &job->texts[13]);
    wire_borrowed(w, &owner->cluster, &job->texts[14]);
    wire_text(w, &job->former);
    w->bad = w->bad || !owner->plan_uid || !job->former; // without an owner a run changes none
}

static void wire_record(struct wire *w, struct ask_job *job)
{
    wire_migrations(w, &job->migrations);
    wire_execution(w, &job->execution);
    wire_text(w, &job->holder);
    wire_text(w, &job->git_commit);
    wire_text(w, &job->retry_token);
    WIRE_INT(w, job->lock_wait_ms, 0, INT64_MAX);
    WIRE_INT(w, job->has_files, 0, 1);
    wire_files(w, &job->files);
    if (job->kind == ASK_FAILURE) {
        wire_failed(w, job);
    } else if (job->kind == ASK_RESOLUTION) {
        wire_resolution(w, job);
    } else {
        wire_take_over(w, job);
    }
}

static void wire_place(struct wire *w, struct ask_job *job)
{
    struct command_place *place = &job->place;
    WIRE_INT(w, job->has_place, 0, 1);
    wire_borrowed(w, &place->url, &job->texts[4]);
    wire_borrowed(w, &place->files, &job->texts[5]);
    wire_borrowed(w, &place->plan, &job->texts[6]);
    wire_borrowed(w, &place->namespace_, &job->texts[7]);
    wire_borrowed(w, &place->database, &job->texts[8]);
    wire_borrowed(w, &place->standalone, &job->texts[9]);
}

bool ask_is_record(enum ask_kind kind)
{
    return kind == ASK_FAILURE || kind == ASK_RESOLUTION || kind == ASK_TAKE_OVER;
}

void wire_job(struct wire *w, struct ask_job *job)
{
    WIRE_INT(w, job->kind, ASK_INSPECT, ASK_KIND_MAX_ - 1);
    wire_target(w, &job->target);
    wire_text(w, &job->application);
    WIRE_INT(w, job->connect_timeout_ms, 0, INT64_MAX);
    WIRE_INT(w, job->left_ms, 1, INT64_MAX);
    WIRE_INT(w, job->memory_bytes, 0, INT64_MAX);
    WIRE_INT(w, job->show_values, 0, 1);
    wire_place(w, job);
    if (job->kind == ASK_GATE) {
        wire_text(w, &job->query);
        WIRE_INT(w, job->query_timeout_ms, 0, INT64_MAX);
    }
    if (ask_is_record(job->kind)) {
        wire_record(w, job);
    }
}

void ask_job_done(struct ask_job *job)
{
    target_done(&job->target);
    free(job->application);
    free(job->query);
    migrations_options_done(&job->migrations);
    free(job->holder);
    free(job->git_commit);
    free(job->retry_token);
    migration_set_done(&job->files);
    free(job->script);
    free(job->former);
    result_done(&job->failed);
    for (size_t i = 0; i < sizeof job->texts / sizeof *job->texts; i++) {
        free(job->texts[i]);
    }
}
