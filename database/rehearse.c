// SPDX-License-Identifier: Apache-2.0
// What a run would do and refuse, without one: its checks in its order (apply.c), in a session that only reads.
#include "base/auto.h"
#include "base/mem.h"
#include "database/run.h"

static struct err *review_file(struct run *run, const struct migration *file, bool next,
                               const struct rehearsal *listener)
{
    AUTO(script_done) struct script script = { 0 };
    AUTO(free_auto) enum step_standing *statements = NULL;
    TRY(run->db->ops->review(run, file, next, &script, &statements));
    const struct rehearsed_file told = { false, file, &script, statements };
    listener->file(listener->payload, &told);
    return NULL;
}

static struct err *review(struct run *run, const struct apply_list *list,
                          const struct rehearsal *listener)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].baseline_marker) {
            const struct rehearsed_file told = { .baseline_marker = true };
            listener->file(listener->payload, &told);
        } else {
            TRY(review_file(run, list->items[i].file, i == 0, listener));
        }
    }
    return NULL;
}

static struct err *check_journal(struct run *run)
{
    int64_t rows = 0;
    return run_has_open_steps(run) ? db_verify_journal(run->db, &run->seen, &rows) : NULL;
}

static struct err *rehearse(struct run *run, const struct rehearsal *listener)
{
    const struct apply_request *request = run->request;
    AUTO(apply_list_done) struct apply_list list = { 0 };
    bool write_owner = false;
    TRY(run_refresh(run));
    TRY(request->decide(request->payload, &run->seen, false, &list));
    TRY(run_check_scripts(run, &list));
    listener->begin(listener->payload, &run->db->identity, list.count);
    if (list.count == 0 && !run_has_open_steps(run)) {
        return NULL;
    }
    struct err *e = lease_check(&run->seen.lease, request, &write_owner);
    if (!e && run->db->ops->review_tables) {
        e = run->db->ops->review_tables(run->db);
    }
    e = e ? e : check_journal(run);
    memcpy(run->target_id, run->seen.lease.target_id,
           sizeof run->target_id);                      // for placeholders_hmac
    struct err *refused = review(run, &list, listener); // also beside an error: it is to be shown
    if (e) {
        err_free(refused);
        return e;
    }
    return refused;
}

struct err *apply_rehearse(const struct apply_request *request, const struct rehearsal *listener)
{
    struct run run;
    AUTO(result_done) struct result result = { 0 };
    struct err *e = run_open(request, JOURNAL_OPEN, true, &result, &run);
    e = e ? e : rehearse(&run, listener);
    run_end(&run, e);
    return e;
}
