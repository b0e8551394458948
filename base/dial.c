/* SPDX-License-Identifier: Apache-2.0 */
/* connect(), for us and for every library: the dynamic linker finds the program's own first. */
#include "base/dial.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "base/address.h"

static _Thread_local struct {
    bool on, refused;
} guard;

/* A name of its own, because the type of connect() in the C library's header differs from one to the next. */
int dial_connect(int fd, const struct sockaddr *address, socklen_t length) __asm__("connect")
    __attribute__((visibility("default")));

/* Resolvers ask a server's socket file, or by UDP, perhaps at a link-local address: where the node's own cache listens. */
static bool is_tcp(int fd, const struct sockaddr *address)
{
    int type = 0;
    socklen_t length = sizeof type;
    return (address->sa_family == AF_INET || address->sa_family == AF_INET6) &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

int dial_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (guard.on && is_tcp(fd, address) && address_refused(address)) {
        guard.refused = true;
        errno = EACCES;
        return -1;
    }
    const union {
        void *found;
        int (*call)(int, const struct sockaddr *, socklen_t);
    } next = { .found = dlsym(RTLD_NEXT, "connect") };
    if (!next.call) {
        abort(); /* there is no C library without it */
    }
    return next.call(fd, address, length);
}

void dial_guard(void)
{
    guard.on = true;
    guard.refused = false;
}

bool dial_refused(void)
{
    return guard.refused;
}

bool dial_unguard(void)
{
    guard.on = false;
    return guard.refused;
}
