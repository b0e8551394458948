// SPDX-License-Identifier: Apache-2.0
// The table of the MariaDB and MySQL adapter.
#include "database/mysql/run.h"

const struct engine_ops mydb_ops = {
    .library = mydb_library,
    .open = mydb_open,
    .close = mydb_close,
    .identify = mydb_identify,
    .inspect = mydb_inspect,
    .read_journal = mydb_read_journal,
    .gate = mydb_gate,
    .try_lock = mydb_try_lock,
    .lock_holder = mydb_lock_holder,
    .terminate_holder = mydb_terminate_holder,
    .find_histories = mydb_find_histories,
    .take_lease = mydb_take_lease,
    .settle = mydb_settle,
    .apply = mydb_apply,
    .review_tables = mydb_review_tables,
    .review = mydb_review,
    .append = mydb_append,
    .mark_settled = mydb_mark_settled,
    .find_prunable = mydb_find_prunable,
    .prune = mydb_prune,
    .rewrite = mydb_rewrite,
};
