// SPDX-License-Identifier: Apache-2.0
// Rows of the history table that `sluice repair` takes away, marks or realigns.
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"

#define VALUES_MAX 4

struct change_command { // parameters of one command, kept until it was sent
    const char *values[VALUES_MAX];
    char rank[16], number[16];
};

static char *remove_sql(const struct pgdb *pg)
{
    return mem_printf("DELETE FROM %s WHERE installed_rank = $1::integer AND NOT success",
                      pg->history);
}

static char *realign_sql(const struct pgdb *pg)
{
    return mem_printf("UPDATE %s SET checksum = $2::integer, description = $3"
                      " WHERE installed_rank = $1::integer",
                      pg->history);
}

// installed_on is a zoneless now(): the transaction's zone was fixed before.
static char *deleted_sql(const struct pgdb *pg)
{
    return mem_printf(
        "INSERT INTO %s (installed_rank, version, description, type, script, checksum,"
        " installed_by, execution_time, success)"
        " SELECT $2::integer, version, description, 'DELETE', script, checksum, $3, 0,"
        " success FROM %s WHERE installed_rank = $1::integer"
        " AND NOT EXISTS (SELECT 1 FROM %s WHERE installed_rank >= $2::integer)",
        pg->history, pg->history, pg->history);
}

// Fills the parameters; *next is the rank of a marker. Returns their number.
static int fill(const struct run *run, const struct history_change *change, int32_t *next,
                struct change_command *out)
{
    snprintf(out->rank, sizeof out->rank, "%d", (int)change->row->rank);
    out->values[0] = out->rank;
    out->values[1] = out->number;
    if (change->kind == HISTORY_REMOVE) {
        return 1;
    }
    if (change->kind == HISTORY_REALIGN) {
        snprintf(out->number, sizeof out->number, "%d", (int)change->checksum);
        out->values[2] = change->description;
        return 3;
    }
    snprintf(out->number, sizeof out->number, "%d", (int)++*next);
    out->values[2] = run->db->identity.user;
    return 3;
}

struct err *pgdb_rewrite(struct run *run, const struct history_changes *changes)
{
    struct pgdb *pg = pgdb_of(run->db);
    pg->run = run;
    AUTO(free_auto) char *remove = remove_sql(pg);
    AUTO(free_auto) char *realign = realign_sql(pg);
    AUTO(free_auto) char *deleted = deleted_sql(pg);
    const char *const sql[] = {
        [HISTORY_REMOVE] = remove, [HISTORY_REALIGN] = realign, [HISTORY_DELETED] = deleted
    };
    AUTO(free_auto)
    struct change_command *values = mem_array(changes->count + 1, sizeof *values);
    AUTO(free_auto)
    struct pgdb_command *commands = mem_array(changes->count + 1, sizeof *commands);
    int32_t rank = changes->last_rank;
    commands[0] =
        (struct pgdb_command){ .sql = "SELECT pg_catalog.set_config('timezone', 'UTC', true)" };
    for (size_t i = 0; i < changes->count; i++) {
        const struct history_change *change = &changes->items[i];
        const int count = fill(run, change, &rank, &values[i]);
        commands[i + 1] =
            (struct pgdb_command){ sql[change->kind], false, count, values[i].values };
    }
    return pgdb_fenced(run, commands, (int)changes->count + 1,
                       "could not repair the history table");
}
