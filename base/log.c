/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines, one write() each. */
#include "base/log.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#define LINE_MAX_BYTES 65536
#define FIELD_MAX_BYTES 8192

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_min = LOG_INFO;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void log_setup(int fd, enum log_level min)
{
    atomic_store(&log_fd, fd);
    atomic_store(&log_min, (int)min);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load(&log_min);
}

static void add_text(struct buf *line, const char *text)
{
    /* Foreign texts may be long; a line that is cut is better than a line that is lost. */
    json_write_shown(text, strnlen(text, FIELD_MAX_BYTES), line);
}

static void write_line(const struct buf *line)
{
    size_t done = 0;
    /* The lock matters only if write() takes a part of the line: pipes and full disks. */
    (void)pthread_mutex_lock(&log_mutex);
    while (done < line->len) {
        ssize_t n = write(atomic_load(&log_fd), line->data + done, line->len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    (void)pthread_mutex_unlock(&log_mutex);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, int count)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    AUTO(buf_done) struct buf line = BUF(LINE_MAX_BYTES);
    char when[TIME_TEXT_LEN];
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    time_format_micro((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, when);
    buf_addf(&line, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":", when, names[level]);
    add_text(&line, message);
    for (int i = 0; i < count; i++) {
        size_t before = line.len;
        buf_addc(&line, ',');
        add_text(&line, fields[i].key);
        buf_addc(&line, ':');
        if (fields[i].text) {
            add_text(&line, fields[i].text);
        } else {
            buf_addf(&line, "%lld", (long long)fields[i].number);
        }
        if (line.failed ||
            line.len > LINE_MAX_BYTES - 2) { /* the rest does not fit: leave it out */
            line.failed = false;
            line.len = before;
            break;
        }
    }
    buf_adds(&line, "}\n");
    write_line(&line);
}
