/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that waits for signals. */
#include "runner/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "database/overdue.h"

#define LETTING_GO_MS 120000 /* a ROLLBACK may take its time */

static struct cancel *wish;
static atomic_bool alarmed;

static void taken(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGALRM);
}

static void *wait_for_them(void *payload)
{
    static struct overdue letting_go;
    bool asked = false;
    sigset_t set;
    int number = 0;

    taken(&set);
    for (;;) {
        if (sigwait(&set, &number) == 0) {
            if (number == SIGALRM) {
                atomic_store(&alarmed, true);
            }
            cancel_trigger(wish);
            if (!asked) { /* what was asked for ends, or everything does */
                asked = true;
                overdue_begin(&letting_go, clock_mono_ms() + LETTING_GO_MS, -1,
                              "the work on the database, which is to stop,");
            }
        }
    }
    return payload;
}

void signals_watch(struct cancel *cancel)
{
    sigset_t set;
    pthread_attr_t detached;
    pthread_t thread;

    cancel_init(cancel);
    wish = cancel;
    signal(SIGPIPE, SIG_IGN);
    taken(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, wait_for_them, NULL) != 0) {
        pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* they end us at once then, as a kill would */
    }
    pthread_attr_destroy(&detached);
}

bool signals_alarmed(void)
{
    return atomic_load(&alarmed);
}
