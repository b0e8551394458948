/* SPDX-License-Identifier: Apache-2.0 */
/* Draws the live line and takes it away again. */
#include "cli/live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/width.h"

#define TICK_MS 100
#define COLUMNS_DEFAULT 80
#define COLUMNS_MAX 1000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool started, line_begun;
    char *head, *tail; /* printable; NULL: nothing runs */
    int64_t since_ms;
    bool drawn;
    int64_t drawn_second;
    size_t drawn_columns;
} live;

static size_t terminal_columns(void)
{
    struct winsize size = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return COLUMNS_DEFAULT;
    }
    return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

/* The cursor waits at the line's beginning. So whatever a terminal makes of the line when it gets narrower (some wrap it
 * anew, some cut it), all of it is at the cursor or below, and "erase to the end of the screen" takes it away. */
static void erase(void)
{
    if (live.drawn) {
        fputs("\r\033[J", stdout);
        fflush(stdout);
    }
    live.drawn = false;
}

/* "7s", "2m05s", "1h02m05s": it must be seen to move. */
static void format_elapsed(int64_t s, char *out, size_t size)
{
    if (s < 60) {
        snprintf(out, size, "%llds", (long long)s);
    } else if (s < 3600) {
        snprintf(out, size, "%lldm%02lds", (long long)(s / 60), (long)(s % 60));
    } else {
        snprintf(out, size, "%lldh%02ldm%02lds", (long long)(s / 3600), (long)(s / 60 % 60),
                 (long)(s % 60));
    }
}

/* One column stays free, and wrapping is off: a character that the terminal takes for wider than libc does cannot begin
 * another line. */
static void draw(size_t columns, int64_t elapsed_ms)
{
    char elapsed[32];

    format_elapsed(elapsed_ms / 1000, elapsed, sizeof elapsed);
    AUTO(free_auto) char *text = mem_printf("%s %s  %s", live.head, elapsed, live.tail);
    text[width_fit(text, columns - 1)] = '\0';
    fprintf(stdout, "\r\033[?7l%s\033[J\033[?7h\r", text);
    fflush(stdout);
    live.drawn = true;
}

static void tick(void)
{
    if (!live.head || live.line_begun) {
        return;
    }
    const size_t columns = terminal_columns();
    const int64_t elapsed_ms = clock_mono_ms() - live.since_ms;
    if (!live.drawn || live.drawn_second != elapsed_ms / 1000 || live.drawn_columns != columns) {
        live.drawn_second = elapsed_ms / 1000;
        live.drawn_columns = columns;
        draw(columns, elapsed_ms);
    }
}

static void *draw_always(void *payload)
{
    const struct timespec pause = { .tv_nsec = TICK_MS * 1000000L };

    for (;;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&mutex);
        tick();
        pthread_mutex_unlock(&mutex);
    }
    return payload;
}

bool live_terminal(FILE *stream)
{
    const char *term = getenv("TERM");

    return term && *term && !str_eq(term, "dumb") && isatty(fileno(stream));
}

bool live_start(void)
{
    pthread_t thread;

    pthread_mutex_lock(&mutex);
    if (!live.started && live_terminal(stdout) &&
        pthread_create(&thread, NULL, draw_always, NULL) == 0) {
        pthread_detach(thread);
        live.started = true;
    }
    const bool started = live.started;
    pthread_mutex_unlock(&mutex);
    return started;
}

static void forget(void)
{
    free(live.head);
    free(live.tail);
    live.head = live.tail = NULL;
}

void live_show(const char *head, const char *tail)
{
    pthread_mutex_lock(&mutex);
    if (live.started) {
        forget();
        live.head = str_printable(head, strlen(head));
        live.tail = str_printable(tail, strlen(tail));
        live.since_ms = clock_mono_ms();
        live.drawn_second = -1; /* the next tick draws over what is there */
    }
    pthread_mutex_unlock(&mutex);
}

void live_hide(void)
{
    pthread_mutex_lock(&mutex);
    erase();
    forget();
    pthread_mutex_unlock(&mutex);
}

bool live_pause(void)
{
    pthread_mutex_lock(&mutex);
    erase();
    return live.started;
}

void live_resume(bool line_ended)
{
    live.line_begun = !line_ended;
    pthread_mutex_unlock(&mutex);
}
