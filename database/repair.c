// SPDX-License-Identifier: Apache-2.0
// `sluice repair`: the history table is changed in one transaction, and looked at again.
#include "base/auto.h"
#include "database/run.h"
#include "model/reason.h"

static struct err *decide(struct run *run, const struct repair *repair, struct history_changes *out)
{
    history_changes_done(out);
    return repair->decide(repair->payload, &run->seen, out);
}

// A history table without transactions, a trigger, or a Flyway whose repair takes no lock: what came of it is
// what counts.
static struct err *check_outcome(struct run *run, const struct repair *repair)
{
    AUTO(history_changes_done) struct history_changes left = { 0 };
    TRY(run_refresh(run));
    TRY(decide(run, repair, &left));
    if (left.count == 0) {
        return NULL;
    }
    return err_new(
        ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
        "history row %d is not as it was written: somebody else changes the table '%s', or a "
        "trigger on it does; run it again when that is over",
        left.items[0].row->rank, run->db->table);
}

static struct err *repair_locked(struct run *run, const struct repair *repair)
{
    AUTO(history_changes_done) struct history_changes changes = { 0 };
    TRY(decide(run, repair, &changes));
    if (changes.count == 0) {
        repair->told(repair->payload, &changes);
        return NULL;
    }
    int64_t rows = 0;
    TRY(db_verify_journal(run->db, &run->seen, &rows)); // what has stayed is decided by it
    TRY(run_lease(run));
    TRY(run_refresh(run)); // after the bump nobody of an older epoch can add a row
    TRY(decide(run, repair, &changes));
    TRY(run->db->ops->rewrite(run, &changes));
    run->result->outcome = OUTCOME_DONE;
    repair->told(repair->payload, &changes); // it borrows what the next line reads anew
    return check_outcome(run, repair);
}

struct err *repair_run(const struct apply_request *request, const struct repair *repair,
                       struct result *out)
{
    struct run run;
    struct err *e = run_begin(request, JOURNAL_FILES, out, &run);
    if (!e) {
        e = repair_locked(&run, repair);
    }
    run_end(&run, e);
    return e;
}
