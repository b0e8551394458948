// SPDX-License-Identifier: Apache-2.0
// Where a Secret or a plan may not lead a login.
#include <netdb.h>
#include "base/address.h"
#include "base/auto.h"
#include "base/dial.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/engine.h"
#include "model/reason.h"

void db_egress_begin(void)
{
    dial_guard();
}

struct err *db_egress_end(const struct target *target, struct err *e)
{
    const bool refused = dial_unguard();
    if (!refused || !e || !str_eq(e->reason, REASON_DATABASE_UNAVAILABLE)) {
        return e; // the name has another address, which answered
    }
    err_free(e);
    AUTO(free_auto) char *label = target_label(target);
    return err_new(
        ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
        "could not connect to %s: the host has an address that is refused: link-local, of "
        "a cloud's metadata, multicast or empty",
        label);
}
