/* SPDX-License-Identifier: Apache-2.0 */
/* A wish to stop: any thread and any signal handler may set it, every long wait polls it beside what it waits for. */
#pragma once
#include <stdbool.h>

struct cancel { /* level-triggered: once set it stays */
    int fd;     /* eventfd, readable when cancelled; -1: never */
};
void cancel_init(struct cancel *c);
void cancel_trigger(struct cancel *c); /* async-signal-safe */
bool cancel_triggered(const struct cancel *c);
void cancel_done(struct cancel *c);
