/* SPDX-License-Identifier: Apache-2.0 */
/* What a database says: texts of its enums, release of its memory. */
#include "model/history.h"
#include "base/mem.h"
#include <stdlib.h>

#include "model/reason.h"

static const char *const states[] = { "", "intent", "done", "inferred", "failed", "resolved" };
static const char *const verdicts[] = { "", "applied", "not-applied", "restart" };

#define COUNT(table) (sizeof(table) / sizeof *(table))

static size_t find(const char *const *table, size_t count, const char *text)
{
    for (size_t i = 1; i < count; i++) {
        if (str_eq(table[i], text)) {
            return i;
        }
    }
    return 0;
}

const char *journal_state_text(enum journal_state s)
{
    return (size_t)s < COUNT(states) ? states[s] : "";
}

enum journal_state journal_state_parse(const char *text)
{
    return (enum journal_state)find(states, COUNT(states), text);
}

const char *verdict_text(enum verdict v)
{
    return (size_t)v < COUNT(verdicts) ? verdicts[v] : "";
}

enum verdict verdict_parse(const char *text)
{
    return (enum verdict)find(verdicts, COUNT(verdicts), text);
}

bool journal_row_closes(const struct journal_row *row)
{
    return row->step == 0 && (row->state == JOURNAL_DONE ||
                              (row->state == JOURNAL_RESOLVED && row->verdict == VERDICT_RESTART));
}

bool journal_row_applied(const struct journal_row *row)
{
    return row->state == JOURNAL_DONE || row->state == JOURNAL_INFERRED ||
           (row->state == JOURNAL_RESOLVED && row->verdict == VERDICT_APPLIED);
}

bool row_is_about(const char *row_version, const char *row_description, const char *version,
                  const char *description)
{
    return version ? version_same(row_version, version)
                   : !row_version && str_eq(row_description, description);
}

bool history_row_is_about(const struct history_row *row, const char *version,
                          const char *description)
{
    return row_is_about(version, description, row->has_version ? row->version_text : NULL,
                        row->description);
}

bool journal_row_may_stay(const struct journal_row *row)
{
    return row->step > 0 && (row->state == JOURNAL_INTENT || journal_row_applied(row));
}

bool journal_same_file(const struct journal_row *a, const struct journal_row *b)
{
    return a->kind == b->kind &&
           row_is_about(a->version, a->description, b->version, b->description);
}

bool journal_is_newest(const struct journal *journal, const struct journal_row *row)
{
    const struct journal_row *end = journal->rows + journal->count;
    for (const struct journal_row *later = row + 1; later < end; later++) {
        if ((later->step == row->step || journal_row_closes(later)) &&
            journal_same_file(later, row)) {
            return false;
        }
    }
    return true;
}

void history_changes_done(struct history_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        free(changes->items[i].description);
    }
    free(changes->items);
    free(changes->left);
    strlist_done(&changes->kept);
    *changes = (struct history_changes){ 0 };
}

void history_done(struct history *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct history_row *row = &h->rows[i];
        free(row->version_text);
        free(row->description);
        free(row->type);
        free(row->script);
        free(row->installed_by);
        free(row->installed_on);
    }
    free(h->rows);
    *h = (struct history){ 0 };
}

void journal_row_done(struct journal_row *row)
{
    char *const owned[] = { row->version,          row->description, row->script,
                            row->statement_sha256, row->pre_state,   row->post_state,
                            row->git_commit,       row->file_sha256, row->placeholders_hmac,
                            row->retry_token,      row->error_code,  row->message,
                            row->started,          row->finished };
    for (size_t i = 0; i < COUNT(owned); i++) {
        free(owned[i]);
    }
    *row = (struct journal_row){ 0 };
}

void journal_done(struct journal *j)
{
    for (size_t i = 0; i < j->count; i++) {
        journal_row_done(&j->rows[i]);
    }
    free(j->rows);
    *j = (struct journal){ 0 };
}

void lease_done(struct lease *l)
{
    free(l->server_identity);
    free(l->owner_plan_uid);
    free(l->owner_namespace);
    free(l->owner_name);
    free(l->owner_database);
    free(l->owner_cluster);
    free(l->holder);
    free(l->since);
    *l = (struct lease){ 0 };
}

void identity_done(struct identity *i)
{
    free(i->server_text);
    free(i->server_identity);
    free(i->user);
    free(i->database);
    free(i->schema);
    *i = (struct identity){ 0 };
}

void inspection_done(struct inspection *i)
{
    identity_done(&i->identity);
    history_done(&i->history);
    journal_done(&i->journal);
    lease_done(&i->lease);
    free(i->other_lease_table);
    *i = (struct inspection){ 0 };
}

struct err *identity_check(const struct identity *id, bool powerful)
{
    if (id->multi_primary) {
        return err_new(ERR_TERMINAL, REASON_UNSUPPORTED_TOPOLOGY,
                       "%s runs with several primaries, where locks do not exclude: point the plan "
                       "at a single primary",
                       id->server_text);
    }
    if (id->read_only) {
        return err_new(ERR_TRANSIENT, REASON_TARGET_READ_ONLY,
                       "database '%s' is read only (a standby, or set so): connect to the primary",
                       id->database);
    }
    if (id->pooled) {
        return err_new(ERR_TERMINAL, REASON_POOLER_UNSUPPORTED,
                       "a transaction pooler stands between us and database '%s': session locks do "
                       "not hold there, connect directly to the server",
                       id->database);
    }
    if (id->superuser && !powerful) {
        return err_new(ERR_TERMINAL, REASON_ROLE_TOO_POWERFUL,
                       "role '%s' is too powerful: use the owner of the schema, or set "
                       "execution.allowSuperuser",
                       id->user);
    }
    return NULL;
}

static void complete(char **texts[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!*texts[i]) {
            *texts[i] = mem_strdup("");
        }
    }
}
#define COMPLETE(...)                                                                              \
    do {                                                                                           \
        char **texts_[] = { __VA_ARGS__ };                                                         \
        complete(texts_, sizeof texts_ / sizeof *texts_);                                          \
    } while (0)

void inspection_complete(struct inspection *seen)
{
    struct identity *id = &seen->identity;
    COMPLETE(&id->server_text, &id->server_identity, &id->user, &id->database, &id->schema);
    for (size_t i = 0; i < seen->history.count; i++) {
        struct history_row *row = &seen->history.rows[i];
        COMPLETE(&row->description, &row->type, &row->script, &row->installed_by,
                 &row->installed_on);
    }
    for (size_t i = 0; i < seen->journal.count; i++) {
        struct journal_row *row = &seen->journal.rows[i];
        COMPLETE(&row->description, &row->script, &row->file_sha256, &row->retry_token,
                 &row->started);
    }
    if (seen->lease.present) {
        COMPLETE(&seen->lease.server_identity, &seen->lease.holder, &seen->lease.since);
    }
}
