// SPDX-License-Identifier: Apache-2.0
// The PostgreSQL adapter's table.
#include "database/postgresql/pgdb.h"

const struct engine_ops pgdb_ops = {
    .library = pgdb_library,
    .open = pgdb_open,
    .close = pgdb_close,
    .identify = pgdb_identify,
    .inspect = pgdb_inspect,
    .read_journal = pgdb_read_journal,
    .gate = pgdb_gate,
    .try_lock = pgdb_try_lock,
    .lock_holder = pgdb_lock_holder,
    .terminate_holder = pgdb_terminate_holder,
    .find_histories = pgdb_find_histories,
    .take_lease = pgdb_take_lease,
    .settle = pgdb_settle,
    .apply = pgdb_apply,
    .review = pgdb_review,
    .append = pgdb_append,
    .mark_settled = pgdb_mark_settled,
    .find_prunable = pgdb_find_prunable,
    .prune = pgdb_prune,
    .rewrite = pgdb_rewrite,
};
