/* SPDX-License-Identifier: Apache-2.0 */
/* An inspection, reduced to the facts that a decision looks at. */
#include "base/auto.h"
#include "base/hash.h"
#include "base/json.h"
#include "reconcile/step/step.h"

void step_spec_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1])
{
    char hex[SHA256_HEX_LEN + 1];
    AUTO(json_free_auto) struct json *spec = plan->defaulted ? json_copy(plan->defaulted) : NULL;
    AUTO(free_auto) char *text = NULL;
    if (spec) {
        json_remove(spec, "suspend");
        text = json_text_sorted(spec);
    }
    sha256_hex(text ? text : "", text ? strlen(text) : 0, hex);
    (void)snprintf(out, ROLLOUT_HASH_LEN + 1, "%.*s", ROLLOUT_HASH_LEN, hex);
}

static enum owner_relation relation(const struct lease *lease, const struct mplan *plan,
                                    size_t index, const char *cluster_id)
{
    if (!lease->present || !lease->owner_plan_uid) {
        return OWNER_NONE;
    }
    if (!str_eq(lease->owner_cluster, cluster_id)) {
        return OWNER_OTHER_CLUSTER;
    }
    if (!str_eq(lease->owner_plan_uid, plan->uid)) {
        return OWNER_OTHER_PLAN;
    }
    if (str_eq(lease->owner_database, plan->databases[index].name)) {
        return OWNER_MINE;
    }
    for (size_t i = 0; i < plan->database_count; i++) {
        if (str_eq(lease->owner_database, plan->databases[i].name)) {
            return OWNER_OTHER_ENTRY;
        }
    }
    return OWNER_GONE; /* the entry was removed or renamed */
}

static const char *or_unknown(const char *text)
{
    return text ? text : "?";
}

static void observe_lease(const struct lease *lease, const struct mplan *plan, size_t index,
                          const char *cluster_id, struct database_view *out)
{
    out->owner = relation(lease, plan, index, cluster_id);
    out->target[0] = out->owner_label[0] = '\0';
    out->epoch = 0;
    if (lease->present) {
        (void)snprintf(out->target, sizeof out->target, "%s", lease->target_id);
        out->epoch = lease->epoch;
    }
    if (out->owner != OWNER_NONE) {
        (void)snprintf(out->owner_label, sizeof out->owner_label, "plan %s/%s, database %s",
                       or_unknown(lease->owner_namespace), or_unknown(lease->owner_name),
                       or_unknown(lease->owner_database));
    }
}

bool step_is_idle(const struct mplan *plan, const struct lease *lease, int64_t look_age_ms,
                  int64_t attempt, int64_t job_age_ms)
{
    const bool over =
        job_age_ms >= plan->start_timeout_ms + plan->execution.deadline_ms + STEP_END_BOUND_MS;
    const bool late =
        lease && job_age_ms - look_age_ms >= plan->start_timeout_ms + STEP_BEGIN_BOUND_MS;
    const bool began = lease && lease->present && lease->attempt == attempt;
    return over || (late && !began);
}

/* Of the attempt itself, or written later: by the controller on its behalf, or by somebody who went
 * on from there. */
static bool tells_failure(const struct journal_row *row, const struct job_view *job)
{
    bool same_file = str_eq(row->script, job->result->failed.script);
    bool of_attempt = row->attempt == job->attempt;
    return same_file && (of_attempt ? row->state == JOURNAL_FAILED : row->epoch > job->attempt);
}

static bool has_version(const struct history *history, const char *version)
{
    for (size_t i = 0; version && i < history->count; i++) {
        if (history->rows[i].success && str_eq(history->rows[i].version_text, version)) {
            return true;
        }
    }
    return false;
}

static bool knows_failure(const struct inspection *inspection, const struct job_view *job)
{
    if (!job->result || !job->result->failed.script) {
        return false;
    }
    for (size_t i = 0; i < inspection->journal.count; i++) {
        if (tells_failure(&inspection->journal.rows[i], job)) {
            return true;
        }
    }
    return has_version(&inspection->history, job->result->failed.version);
}

static void observe_journal(const struct journal *journal, struct database_view *out)
{
    out->journal = journal->head_seq;
    out->newest_finished_ms = 0;
    out->newest_commit[0] = '\0';
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        if (row->finished_ms > out->newest_finished_ms) {
            out->newest_finished_ms = row->finished_ms;
        }
        if (row->git_commit && row->git_commit[0]) {
            (void)snprintf(out->newest_commit, sizeof out->newest_commit, "%s", row->git_commit);
        }
    }
}

/* Both lists are in the order of ranks: what we apply has a journal row of its rank. */
static int32_t newest_foreign(const struct inspection *inspection)
{
    const struct history *history = &inspection->history;
    const struct journal *journal = &inspection->journal;
    size_t j = journal->count;
    for (size_t i = history->count; i > 0; i--) {
        const struct history_row *row = &history->rows[i - 1];
        while (j > 0 && (journal->rows[j - 1].installed_rank == 0 ||
                         journal->rows[j - 1].installed_rank > row->rank)) {
            j--;
        }
        if (row->rank <= inspection->lease.pruned_rank) {
            return 0; /* the rows that would tell were deleted (docs/reference/formats.md 1.4) */
        }
        if (row->success && (j == 0 || journal->rows[j - 1].installed_rank != row->rank)) {
            return row->rank;
        }
    }
    return 0;
}

void step_observe(const struct inspection *inspection, const struct mplan *plan, size_t index,
                  const char *cluster_id, struct database_view *out)
{
    out->known = true;
    observe_lease(&inspection->lease, plan, index, cluster_id, out);
    observe_journal(&inspection->journal, out);
    out->failure_recorded = knows_failure(inspection, &out->job);
    out->other_table = inspection->other_lease_table != NULL;
    out->engine = inspection->identity.engine;
    out->now_ms = inspection->identity.now_ms;
    out->read_only = inspection->identity.read_only;
    out->identity = &inspection->identity;
    out->empty = inspection->history.count == 0 && inspection->history.schema_empty;
    out->foreign = newest_foreign(inspection);
    out->head = 0;
    for (size_t i = 0; i < inspection->history.count; i++) {
        const struct history_row *row = &inspection->history.rows[i];
        if (row->success && row->rank > out->head) {
            out->head = row->rank;
        }
    }
}
