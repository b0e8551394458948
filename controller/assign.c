/* SPDX-License-Identifier: Apache-2.0 */
/* Building assignments. */
#include "controller/assign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"

static void fill_plan(const struct assign_input *in, struct assignment *a)
{
    a->plan.uid = mem_strdup(in->plan->uid);
    a->plan.namespace_ = mem_strdup(in->plan->namespace_);
    a->plan.name = mem_strdup(in->plan->name);
    a->plan.cluster = mem_strdup(in->cluster);
    a->plan.generation = in->plan->generation;
    a->digest = mem_strdup(in->digest);
    a->revision = mem_strdup(in->revision ? in->revision : "");
    snprintf(a->commit, sizeof a->commit, "%s", in->commit);
    snprintf(a->retry_token, sizeof a->retry_token, "%s", in->retry_token);
    a->attempt = in->attempt;
    a->ownership = in->ownership;
}

static void fill_database(const struct assign_input *in, struct assignment *a)
{
    const struct mplan_database *entry = &in->plan->databases[in->database];
    const char *schema = entry->migrations.schema ? entry->migrations.schema : entry->schema;

    a->database.name = mem_strdup(entry->name);
    a->database.engine = in->inspection->identity.engine;
    a->database.schema = mem_strdup(schema);
    a->database.table = mem_strdup(entry->migrations.table);
    a->database.host = mem_strdup(entry->connection.host);
    a->database.database = mem_strdup(entry->connection.database);
    a->database.port = entry->connection.port;
    a->database.tls = entry->connection.tls;
    migrations_options_copy(&entry->migrations, &a->migrations);
    a->execution = in->plan->execution;
}

/* Exactly where the inspection found it: the runner does nothing when it is anywhere else. */
static void fill_expectations(const struct assign_input *in, struct assignment *a)
{
    const struct inspection *found = in->inspection;
    const struct history *history = &found->history;

    if (found->lease.present) {
        snprintf(a->expect.target, sizeof a->expect.target, "%s", found->lease.target_id);
        a->expect.owner = mem_strdup(found->lease.owner_plan_uid);
        a->expect.epoch = found->lease.epoch;
    }
    a->expect.rank = history->count ? history->rows[history->count - 1].rank : 0;
    a->expect.journal_seq = found->journal.head_seq;
    if (found->journal.head_seq) {
        snprintf(a->expect.journal_hash, sizeof a->expect.journal_hash, "%s",
                 found->journal.head_hash);
    }
    const int64_t now_ms = found->identity.now_ms + in->inspection_age_ms;
    a->start_before_ms = now_ms + in->plan->start_timeout_ms;
    a->stop_at_ms = in->stop_in_ms >= 0 ? now_ms + in->stop_in_ms : 0;
}

static struct err *pack(const struct assign_input *in, struct assign *out)
{
    size_t count = 0;
    size_t most = in->actions ? in->actions->action_count : 0;
    AUTO(free_auto) const struct migration **files = mem_array(most + 1, sizeof *files);

    for (size_t i = 0; i < most && !(in->first_only && count > 0); i++) {
        if (in->actions->actions[i].kind == ACTION_APPLY) {
            files[count++] = in->actions->actions[i].file;
        }
    }
    out->stream = BUF((size_t)LIMIT_TREE_BYTES + ASSIGNMENT_PART_BYTES);
    return assignment_pack(&out->assignment, files, count, &out->stream);
}

static void cut(struct assign *out)
{
    const struct assignment_bundle *bundle = out->assignment.bundles;
    size_t count = out->assignment.bundle_count ? (size_t)bundle->parts : 0;

    out->parts = mem_array(count + 1, sizeof *out->parts);
    out->part_count = count;
    for (size_t i = 0; i < count; i++) {
        size_t offset = i * ASSIGNMENT_PART_BYTES;
        size_t left = out->stream.len - offset;
        struct job_part *part = &out->parts[i];
        snprintf(part->name, sizeof part->name, "%s.%03d", bundle->name, (int)i);
        part->bytes = out->stream.data + offset;
        part->length = left < ASSIGNMENT_PART_BYTES ? left : ASSIGNMENT_PART_BYTES;
    }
}

struct err *assign_make(const struct assign_input *input, struct assign *out)
{
    AUTO(assign_done) struct assign made = { 0 };

    TRY(pack(input, &made));
    fill_plan(input, &made.assignment);
    fill_database(input, &made.assignment);
    fill_expectations(input, &made.assignment);
    cut(&made);
    made.manifest = assignment_format(&made.assignment);
    sha256_hex(made.manifest, strlen(made.manifest), made.sha256);
    *out = made;
    made = (struct assign){ 0 };
    return NULL;
}

void assign_done(struct assign *assign)
{
    assignment_done(&assign->assignment);
    free(assign->manifest);
    free(assign->parts);
    buf_done(&assign->stream);
    *assign = (struct assign){ 0 };
}
