// SPDX-License-Identifier: Apache-2.0
// A thread that ends what goes on past its time.
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "database/overdue.h"
#include "base/clock.h"
#include "base/thread.h"

#define STACK_BYTES ((size_t)256 * 1024) // of memory that may be short
#define AFTER_CUT_MS 5000
#define EXIT_UNREACHABLE 9
#define IDLE_MS 3600000

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running;
    struct overdue *first;
    void (*end)(const char *message);
} waits = { .lock = PTHREAD_MUTEX_INITIALIZER };

void overdue_handler(void (*end)(const char *message))
{
    pthread_mutex_lock(&waits.lock);
    waits.end = end;
    pthread_mutex_unlock(&waits.lock);
}

static void give_up(const struct overdue *o)
{
    char message[512];
    snprintf(message, sizeof message,
             "%s did not end in time: the server keeps the connection busy", o->what);
    void (*end)(const char *) = waits.end;
    pthread_mutex_unlock(&waits.lock); // the handler may close connections
    if (end) {
        end(message);
    }
    fprintf(stderr, "sluice: %s (DatabaseUnavailable)\n", message);
    _exit(EXIT_UNREACHABLE);
}

// The time of the next one that is due.
static int64_t look(int64_t now)
{
    int64_t next = now + IDLE_MS;
    for (struct overdue *o = waits.first; o; o = o->next) {
        if (o->deadline_ms <= now && o->fd < 0) {
            give_up(o);
        }
        if (o->deadline_ms <= now) {
            shutdown(o->fd, SHUT_RDWR); // the call then sees the connection's end
            o->fd = -1;
            o->deadline_ms = now + AFTER_CUT_MS;
        }
        next = o->deadline_ms < next ? o->deadline_ms : next;
    }
    return next;
}

static void *watch(void *payload)
{
    pthread_mutex_lock(&waits.lock);
    for (;;) {
        const int64_t at = look(clock_mono_ms());
        thread_cond_wait(&waits.changed, &waits.lock, at);
    }
    return payload;
}

static void start(void)
{
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all, before;
    thread_cond_init(&waits.changed);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); // signals are for the threads that wait for them
    if (pthread_create(&thread, &detached, watch, NULL) != 0) {
        fputs("sluice: could not start the thread that ends overdue work\n", stderr);
        _exit(EXIT_UNREACHABLE);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    waits.running = true;
}

void overdue_begin(struct overdue *o, int64_t deadline_ms, int fd, const char *what)
{
    pthread_mutex_lock(&waits.lock);
    if (!waits.running) {
        start();
    }
    *o =
        (struct overdue){ .next = waits.first, .deadline_ms = deadline_ms, .fd = fd, .what = what };
    waits.first = o;
    pthread_cond_signal(&waits.changed);
    pthread_mutex_unlock(&waits.lock);
}

void overdue_end(struct overdue *o)
{
    pthread_mutex_lock(&waits.lock);
    for (struct overdue **at = &waits.first; *at; at = &(*at)->next) {
        if (*at == o) {
            *at = o->next;
            break;
        }
    }
    pthread_mutex_unlock(&waits.lock);
}
