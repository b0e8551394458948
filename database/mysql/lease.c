// SPDX-License-Identifier: Apache-2.0
// The lease: how this run takes it, and what a run is that has lost it (docs/reference/formats.md 1.1).
#include <inttypes.h>
#include "base/hash.h"
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/reason.h"

#define HOLDER_MAX 200

struct err *mydb_fenced(struct run *run)
{
    run->result->outcome = OUTCOME_FENCED;
    return err_new(ERR_CONFLICT, REASON_DATABASE_BUSY,
                   "fenced at epoch %" PRId64 ": another runner took over this database, or this "
                   "session lost the migration lock",
                   run->epoch);
}

static void add_owner(struct buf *sql, const struct owner *owner, bool names)
{
    const char *const columns[] = { "owner_plan_uid", "owner_namespace", "owner_name",
                                    "owner_database", "owner_cluster" };
    const char *const values[] = { owner->plan_uid, owner->namespace_, owner->name, owner->database,
                                   owner->cluster };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        buf_adds(sql, ", ");
        if (names) {
            buf_addf(sql, "%s=", columns[i]);
        }
        mydb_add_text(sql, values[i]);
    }
}

static char *holder_text(const struct apply_request *request)
{
    const char *holder = request->holder ? request->holder : "unknown";
    return mem_strndup(holder, str_utf8_cut(holder, strlen(holder), HOLDER_MAX));
}

static char *insert_sql(const struct run *run, const struct owner *owner)
{
    struct mydb *m = mydb_of(run->db);
    const struct apply_request *request = run->request;
    AUTO(free_auto) char *holder = holder_text(request);
    AUTO(buf_done) struct buf sql = BUF(16384);
    buf_adds(&sql, "INSERT INTO ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql,
             " (history_table, format_version, target_id, server_identity, owner_plan_uid, "
             "owner_namespace, owner_name, owner_database, owner_cluster, epoch, nonce, attempt, "
             "holder, since) VALUES (");
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, ", %d, '%s', ", DB_FORMAT, run->target_id);
    mydb_add_text(&sql, m->base.identity.server_identity);
    add_owner(&sql, owner, false);
    buf_addf(&sql, ", %" PRId64 ", '%s', %" PRId64 ", ", run->epoch, run->nonce,
             request->lease == LEASE_JOB ? request->attempt : 0);
    mydb_add_text(&sql, holder);
    buf_adds(&sql, ", UTC_TIMESTAMP(6))");
    return buf_take(&sql);
}

// Only if the row still is what was decided upon: a rival between the read and now changes its nonce.
static char *update_sql(const struct run *run, const struct owner *owner)
{
    struct mydb *m = mydb_of(run->db);
    const struct apply_request *request = run->request;
    AUTO(free_auto) char *holder = holder_text(request);
    AUTO(buf_done) struct buf sql = BUF(16384);
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql, " SET server_identity=");
    mydb_add_text(&sql, m->base.identity.server_identity);
    if (owner) {
        add_owner(&sql, owner, true);
    }
    if (m->has_marks && run->settled.seq > run->seen.lease.settled.seq) {
        buf_addf(&sql, ", settled_seq=%" PRId64 ", settled_hash='%s'", run->settled.seq,
                 run->settled.hash);
    }
    buf_addf(&sql, ", epoch=%" PRId64 ", nonce='%s', attempt=%" PRId64 ", holder=", run->epoch,
             run->nonce, request->lease == LEASE_JOB ? request->attempt : 0);
    mydb_add_text(&sql, holder);
    buf_adds(&sql, ", since=UTC_TIMESTAMP(6) WHERE history_table=");
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, " AND epoch=%" PRId64 " AND nonce=", run->seen.lease.epoch);
    mydb_add_text(&sql, run->seen.lease.nonce);
    return buf_take(&sql);
}

static void name_session(struct mydb *m, const struct run *run)
{
    char name[64];
    lease_session_name(run->target_id, run->epoch, run->nonce, name);
    snprintf(m->tag, sizeof m->tag, "/* sluice %s */ ", name + strlen("sluice/"));
}

struct err *mydb_take_lease(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    const struct lease *seen = &run->seen.lease;
    bool write_owner = false, fenced = false;
    TRY(lease_check(seen, run->request, &write_owner));
    struct err *e = lease_next_epoch(seen, run->request, &run->epoch, &fenced);
    if (e) {
        run->result->outcome = fenced ? OUTCOME_FENCED : run->result->outcome;
        return e;
    }
    TRY(mydb_create_missing(run));
    const struct owner none = { 0 };
    AUTO(free_auto) char *sql = NULL;
    if (seen->present) {
        memcpy(run->target_id, seen->target_id, sizeof run->target_id);
        sql = update_sql(run, write_owner ? &run->request->owner : NULL);
    } else {
        random_uuid(run->target_id);
        sql = insert_sql(run, write_owner ? &run->request->owner : &none);
    }
    TRY(mydb_exec(m, "take the lease", sql));
    if (mydb_affected(m) != 1) {
        return mydb_fenced(run);
    }
    name_session(m, run);
    return NULL;
}

struct err *mydb_bump_epoch(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    char nonce[33];
    random_hex(nonce, 32);
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_addf(&sql, " SET epoch=epoch+1, nonce='%s' WHERE history_table=", nonce);
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, " AND epoch=%" PRId64 " AND nonce='%s'", run->epoch, run->nonce);
    TRY(mydb_exec(m, "take the lease again", buf_text(&sql)));
    if (mydb_affected(m) != 1) {
        return mydb_fenced(run);
    }
    run->epoch++;
    memcpy(run->nonce, nonce, sizeof run->nonce);
    name_session(m, run);
    return NULL;
}
