// SPDX-License-Identifier: Apache-2.0
// Where a Secret or a plan may not lead a login.
#include <netdb.h>
#include "database/engine.h"
#include "reconcile/base/address.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

static struct err *refused(const struct target *target)
{
    AUTO(free_auto) char *label = target_label(target);
    return err_new(
        ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
        "could not connect to %s: the host has an address that is refused: link-local, of "
        "a cloud's metadata, multicast or empty",
        label);
}

struct err *db_check_peer(const struct target *target, int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    if (target->socket || fd < 0 || getpeername(fd, (struct sockaddr *)&address, &length) != 0) {
        return NULL; // not connected yet
    }
    return address_refused((const struct sockaddr *)&address) ? refused(target) : NULL;
}

struct err *db_check_name(const struct target *target, bool look_up)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = look_up ? 0 : AI_NUMERICHOST };
    struct addrinfo *list = NULL;
    if (target->socket || !target->host || getaddrinfo(target->host, NULL, &hints, &list) != 0) {
        return NULL; // who connects will say what is wrong with the name
    }
    bool bad = false;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        bad = bad || address_refused(a->ai_addr);
    }
    freeaddrinfo(list);
    return bad ? refused(target) : NULL;
}
