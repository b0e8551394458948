// SPDX-License-Identifier: Apache-2.0
// A level-triggered wish to stop that every wait of a session polls beside its socket.
#include "base/cancel.h"
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

void cancel_init(struct cancel *c)
{
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void cancel_trigger(struct cancel *c)
{
    if (c->fd < 0) {
        return;
    }
    // A full counter (EAGAIN) means that it is set already: nothing to handle.
    const uint64_t one = 1;
    ssize_t written = write(c->fd, &one, sizeof one);
    (void)written;
}

bool cancel_triggered(const struct cancel *c)
{
    if (!c || c->fd < 0) {
        return false;
    }
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

void cancel_done(struct cancel *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
}
