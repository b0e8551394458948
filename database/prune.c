// SPDX-License-Identifier: Apache-2.0
// The journal of a long life: rows of files that are over, and old, are deleted (docs/reference/formats.md 1.4).
#include <inttypes.h>
#include "base/mem.h"
#include "database/run.h"
#include "model/reason.h"

#define KEY_OF                                                                                     \
    "CASE WHEN version IS NULL THEN concat('r:', description) ELSE concat('v:', version) END"

char *prune_sql(const char *journal, const char *table, const char *cutoff, int64_t settled)
{
    // c: what closes the rows before it of its file; o: the first row that nothing closes; y: the first that is too
    // young; h: the head, which stays.
    return mem_printf(
        "WITH j AS (SELECT seq, " KEY_OF " AS file, coalesce(finished, started) AS ended,"
        " step = 0 AND (state = 'done' OR coalesce(verdict, '') = 'restart') AS closes"
        " FROM %1$s WHERE history_table = %2$s),"
        " c AS (SELECT file, max(seq) AS seq FROM j WHERE closes GROUP BY file),"
        " o AS (SELECT min(j.seq) AS seq FROM j LEFT JOIN c ON c.file = j.file AND c.seq >= j.seq"
        " WHERE c.seq IS NULL),"
        " y AS (SELECT min(seq) AS seq FROM j WHERE ended >= %3$s),"
        " h AS (SELECT max(seq) AS seq FROM j),"
        " p AS (SELECT least(greatest(coalesce(o.seq - 1, h.seq), %4$" PRId64 "),"
        " coalesce(y.seq - 1, h.seq), h.seq - 1) AS seq FROM o, y, h)"
        " SELECT p.seq, (SELECT row_hash FROM %1$s WHERE history_table = %2$s AND seq = p.seq),"
        " (SELECT max(installed_rank) FROM %1$s WHERE history_table = %2$s AND seq <= p.seq),"
        " (SELECT count(*) FROM %1$s WHERE history_table = %2$s AND seq <= p.seq) FROM p",
        journal, table, cutoff, settled);
}

static struct err *prune_locked(struct run *run, int64_t keep_ms, bool dry, struct pruned *out)
{
    struct prunable what = { 0 };
    if (!run->seen.journal.table_exists) {
        return NULL;
    }
    if (dry) {
        TRY(run->db->ops->find_prunable(run, keep_ms, &what));
    } else {
        TRY(run_lease(run));
        TRY(run_refresh(run));
        TRY(run->db->ops->find_prunable(run, keep_ms, &what));
    }
    *out = (struct pruned){ .rows = what.rows, .seq = what.rows > 0 ? what.last.seq : 0 };
    if (dry || what.rows == 0) {
        return NULL;
    }
    run->result->outcome = OUTCOME_DONE;
    return run->db->ops->prune(run, &what);
}

struct err *prune_journal(const struct apply_request *request, int64_t keep_ms, bool dry,
                          struct pruned *pruned, struct result *out)
{
    struct run run;
    *pruned = (struct pruned){ 0 };
    struct err *e = run_begin(request, JOURNAL_HEAD, out, &run);
    if (!e) {
        e = prune_locked(&run, keep_ms, dry, pruned);
    }
    run_end(&run, e);
    return e;
}
