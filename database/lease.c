// SPDX-License-Identifier: Apache-2.0
// Who may take the lease and with which epoch (docs/reference/formats.md 1): decisions without I/O.
#include <inttypes.h>
#include "database/engine.h"
#include "model/reason.h"

bool lease_is_ours(const struct lease *lease, const struct owner *owner)
{
    if (!owner->plan_uid) {
        return true;
    }
    return lease->present && str_eq(lease->owner_plan_uid, owner->plan_uid) &&
           str_eq(lease->owner_database, owner->database) &&
           str_eq(lease->owner_cluster, owner->cluster);
}

static struct err *conflict(const struct lease *lease)
{
    return err_new(ERR_TERMINAL, REASON_TARGET_ID_CONFLICT,
                   "this database belongs to plan %s/%s, entry %s (target %.8s)",
                   lease->owner_namespace ? lease->owner_namespace : "?",
                   lease->owner_name ? lease->owner_name : "?",
                   lease->owner_database ? lease->owner_database : "?", lease->target_id);
}

struct err *lease_check(const struct lease *lease, const struct apply_request *request,
                        bool *write_owner)
{
    const struct owner *owner = &request->owner;
    *write_owner = false;
    if (!owner->plan_uid) { // a command leaves the owner alone, and may have to ask
        const bool ask = lease->present && lease->owner_plan_uid && request->owned;
        return ask ? request->owned(request->owned_payload, lease) : NULL;
    }
    const bool ours = lease_is_ours(lease, owner);
    const bool owned = lease->present && lease->owner_plan_uid;
    switch (request->ownership) {
    case OWNERSHIP_KEEP:
        if (!owned) {
            return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                           "the plan expected to own this database, but its lease has no owner");
        }
        return ours ? NULL : conflict(lease);
    case OWNERSHIP_ADOPT:
        if (owned && !ours) {
            return conflict(lease);
        }
        *write_owner = !ours;
        return NULL;
    case OWNERSHIP_TAKE_OVER:
    case OWNERSHIP_ACCEPT: // the controller saw that the old owner is gone, or a person agreed
        *write_owner = !ours;
        return NULL;
    }
    return err_new(ERR_TERMINAL, REASON_INTERNAL, "unknown ownership");
}

struct err *lease_next_epoch(const struct lease *lease, const struct apply_request *request,
                             int64_t *epoch, bool *fenced)
{
    *fenced = false;
    const int64_t present = lease->present ? lease->epoch : 0;
    if (request->lease == LEASE_COMMAND) {
        *epoch = present + 1;
        return NULL;
    }
    if (present < request->attempt) { // greatest(epoch + 1, attempt)
        *epoch = request->attempt;
        return NULL;
    }
    if (lease->attempt == request->attempt) {
        *fenced = true;
        return err_new(ERR_WAIT, REASON_DATABASE_BUSY,
                       "attempt %" PRId64 " was already started by another process (%s)",
                       request->attempt, lease->holder ? lease->holder : "?");
    }
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                   "attempt %" PRId64 " is superseded: the database is at epoch %" PRId64 " (%s)",
                   request->attempt, present, lease->holder ? lease->holder : "?");
}

void lease_session_name(const char *target_id, int64_t epoch, const char *nonce, char out[64])
{
    snprintf(out, 64, "sluice/%.8s/%" PRId64 "/%.8s", target_id, epoch, nonce);
}
