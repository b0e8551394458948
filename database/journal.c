// SPDX-License-Identifier: Apache-2.0
// The journal's hash chain and the making of its rows (docs/reference/formats.md 1).
#include <inttypes.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "database/engine.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/script.h"

// Length as four big-endian bytes, then the bytes; NULL is ffffffff and nothing.
static void add_field(struct sha256 *h, const char *text)
{
    const size_t length = text ? strlen(text) : UINT32_MAX;
    const uint8_t prefix[4] = { (uint8_t)(length >> 24), (uint8_t)(length >> 16),
                                (uint8_t)(length >> 8), (uint8_t)length };
    sha256_add(h, prefix, sizeof prefix);
    if (text) {
        sha256_add(h, text, length);
    }
}

static void add_number(struct sha256 *h, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    add_field(h, text);
}

void journal_row_hash(const char *history_table, const char *prev_hex,
                      const struct journal_row *row, char out[SHA256_HEX_LEN + 1])
{
    uint8_t digest[SHA256_LEN] = { 0 };
    if (prev_hex[0] != '\0') {
        hex_parse(prev_hex, SHA256_HEX_LEN, digest);
    }
    struct sha256 *h = sha256_new();
    sha256_add(h, digest, sizeof digest);
    add_field(h, history_table);
    add_number(h, row->seq);
    add_number(h, DB_FORMAT);
    add_number(h, row->installed_rank);
    add_field(h, migration_kind_text(row->kind));
    add_field(h, row->version);
    add_field(h, row->description);
    add_field(h, row->script);
    add_number(h, row->step);
    add_number(h, row->line);
    add_field(h, row->statement_sha256);
    const char class_text[2] = { row->step_class, '\0' };
    add_field(h, row->step_class ? class_text : NULL);
    add_field(h, row->pre_state);
    // An intent row is the only one that changes later: it hashes as what it was when it was written.
    add_field(h, row->pre_state ? "intent" : journal_state_text(row->state));
    add_field(h, row->git_commit);
    add_field(h, row->file_sha256);
    add_field(h, row->placeholders_hmac);
    add_number(h, row->epoch);
    add_number(h, row->attempt);
    add_field(h, row->retry_token);
    add_number(h, row->session_id);
    sha256_end(h, digest);
    hex_format(digest, sizeof digest, out);
}

static struct err *missing(const char *history_table, int64_t seq)
{
    return err_new(ERR_TERMINAL, REASON_HISTORY_TAMPERED,
                   "sluice_journal: row %" PRId64 " of '%s' is missing", seq, history_table);
}

static struct err *other(const char *history_table, int64_t seq)
{
    return err_new(ERR_TERMINAL, REASON_HISTORY_TAMPERED,
                   "sluice_journal: row %" PRId64
                   " of '%s' or the one before it was changed: its hash does not fit",
                   seq, history_table);
}

struct err *journal_verify(const char *history_table, const struct journal_mark *from,
                           const struct journal_row *rows, size_t count)
{
    const char *prev = from->seq > 0 ? from->hash : "";
    int64_t expected = from->seq + 1;
    for (size_t i = 0; i < count; i++, expected++) {
        const struct journal_row *row = &rows[i];
        if (row->seq != expected) {
            return missing(history_table, expected);
        }
        char hash[SHA256_HEX_LEN + 1];
        journal_row_hash(history_table, prev, row, hash);
        if (strcmp(hash, row->row_hash) != 0) {
            return other(history_table, row->seq);
        }
        prev = row->row_hash;
    }
    return NULL;
}

struct err *journal_check_mark(const char *history_table, const struct journal_mark *mark,
                               const struct journal_row *row)
{
    if (!row || row->seq != mark->seq) {
        return missing(history_table, mark->seq);
    }
    return strcmp(row->row_hash, mark->hash) == 0 ? NULL : other(history_table, mark->seq);
}

static void prepare_names(const struct run *run, const struct migration *file,
                          struct journal_row *out)
{
    char hex[SHA256_HEX_LEN + 1];
    if (file) {
        out->kind = file->kind;
        out->version = version_set(&file->version) ? mem_strdup(file->version.text) : NULL;
        out->description = description_stored(file->description);
        out->script = script_stored(file->script);
        uint8_t raw[SHA256_LEN], lines[SHA256_LEN];
        migration_digests(file, raw, lines);
        hex_format(lines, SHA256_LEN, hex);
    } else {
        const struct migrations_options *options = run->request->migrations;
        out->kind = MIGRATION_BASELINE;
        out->version = mem_strdup(options->baseline_version.text);
        out->description = description_stored(options->baseline_description);
        out->script = mem_strdup(out->description);
        sha256_hex("", 0, hex);
    }
    out->file_sha256 = mem_strdup(hex);
}

void journal_row_prepare(const struct run *run, const struct migration *file, int32_t rank,
                         int32_t step, const struct statement *statement, enum journal_state state,
                         const char *pre_state, struct journal_row *out)
{
    const struct apply_request *request = run->request;
    *out = (struct journal_row){
        .seq = run->seen.journal.head_seq + 1,
        .installed_rank = rank,
        .step = step,
        .line = statement ? statement->line : 1,
        .step_class = statement && statement->class ? (char)statement->class : '\0',
        .pre_state = mem_strdup(pre_state),
        .state = state,
        .git_commit = mem_strdup(request->git_commit),
        .epoch = run->epoch,
        .attempt = request->lease == LEASE_JOB ? request->attempt : 0,
        .retry_token = mem_strdup(request->retry_token ? request->retry_token : ""),
        .session_id = run->db->session_id,
    };
    prepare_names(run, file, out);
    char hex[SHA256_HEX_LEN + 1];
    if (statement) {
        hex_format(statement->sha256, SHA256_LEN, hex);
        out->statement_sha256 = mem_strdup(hex);
    }
    if (statement && run->script) {
        placeholders_step_hmac(run->script, script_session(run->script, (size_t)step - 1),
                               &run->placeholders, run->target_id, hex);
    } else {
        placeholders_hmac(run->script, &run->placeholders, run->target_id, hex);
    }
    out->placeholders_hmac = hex[0] ? mem_strdup(hex) : NULL;
    journal_row_rehash(run, out);
}

struct err *journal_check_values(const struct run *run, const struct migration *file,
                                 const struct script *script, const struct journal_row *row)
{
    if (!row->placeholders_hmac || row->step < 1 ||
        placeholders_unchanged(script, script_session(script, (size_t)row->step - 1),
                               &run->placeholders, run->target_id, row->placeholders_hmac)) {
        return NULL;
    }
    return run_changed(
        run, file, REASON_CHECKSUM_MISMATCH,
        "%s:%" PRId32 ": statement %" PRId32
        " was run by an interrupted attempt with other placeholder values than now, or under other "
        "SET or USE statements above it: restore those, and put what needs others into a new file",
        file->path, row->line, row->step);
}

void journal_row_rehash(const struct run *run, struct journal_row *row)
{
    const struct journal *journal = &run->seen.journal;
    journal_row_hash(run->db->table, journal->head_seq > 0 ? journal->head_hash : "", row,
                     row->row_hash);
}

void journal_advance(struct run *run, const struct journal_row *row)
{
    run->seen.journal.head_seq = row->seq;
    memcpy(run->seen.journal.head_hash, row->row_hash, sizeof row->row_hash);
}

bool journal_row_is_old_content(const struct journal_row *row, const struct migration *file)
{
    return file->kind == MIGRATION_REPEATABLE && !migration_was(file, row->file_sha256);
}

const struct journal_row *journal_find(const struct journal *journal, int32_t rank,
                                       const struct migration *file, int32_t step)
{
    for (size_t i = journal->count; i > 0; i--) {
        const struct journal_row *row = &journal->rows[i - 1];
        if (row->installed_rank == rank && row->step == step && journal_row_is_of(row, file)) {
            return row;
        }
    }
    return NULL;
}
