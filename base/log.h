/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines, one write() each. Below controller/ nothing logs above debug. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR
};

struct log_field {
    const char *key;
    const char *text; /* NULL: number is meant */
    int64_t number;
};
static inline const char *log_text(const char *text) /* NULL is written as "" */
{
    return text ? text : "";
}
#define LOG_S(k, v) ((struct log_field){ .key = (k), .text = log_text(v) })
#define LOG_I(k, v) ((struct log_field){ .key = (k), .number = (v) })

void log_setup(int fd, enum log_level min); /* default: stderr, info. Any thread may log after. */
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               int count);

/* LOG(LOG_INFO, "job created", LOG_S("job", name), LOG_I("attempt", 3)); message is constant. */
#define LOG(level, message, ...)                                                                   \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = { { 0 }, ##__VA_ARGS__ };                       \
            log_write((level), (message), log_fields_ + 1,                                         \
                      (int)(sizeof log_fields_ / sizeof *log_fields_) - 1);                        \
        }                                                                                          \
    } while (0)
