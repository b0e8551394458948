/* SPDX-License-Identifier: Apache-2.0 */
/* The last word about time. A login is libpq's and Connector/C's from its first byte to its last, and a server can keep them
 * at it: rounds of SCRAM, a greeting that drips, a name that nobody resolves. So a thread watches what must have an end;
 * what has a socket of its own is cut off there, and whatever goes on after that ends with the process, as by a kill:
 * the next run settles what was left. Any thread. */
#pragma once
#include <stdint.h>

struct overdue { /* one wait; lives on the caller's stack */
    struct overdue *next;
    int64_t deadline_ms; /* monotonic; with a socket, of the cut */
    int fd;              /* -1: no socket is known */
    const char *what; /* "the login at postgresql://db/shop", static or as long-lived as the wait */
};

void overdue_begin(struct overdue *o, int64_t deadline_ms, int fd, const char *what);
void overdue_end(struct overdue *o);
/* Called on a thread of its own with one line, and must end the process. NULL: the line goes to stderr, exit code 9. */
void overdue_handler(void (*end)(const char *message));
