/* SPDX-License-Identifier: Apache-2.0 */
/* The last word of a run: what it says, and where it goes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/reason.h"
#include "runner/internal.h"

static enum outcome outcome_of(int code)
{
    static const enum outcome by_code[] = {
        [1] = OUTCOME_ERROR,  [2] = OUTCOME_TIMED_OUT, [3] = OUTCOME_FAILED,
        [4] = OUTCOME_ERROR,  [5] = OUTCOME_DENIED,    [6] = OUTCOME_INVALID,
        [7] = OUTCOME_BUSY,   [8] = OUTCOME_UNKNOWN,   [9] = OUTCOME_UNREACHABLE,
        [10] = OUTCOME_MOVED,
    };

    if (code == 143) {
        return OUTCOME_INTERRUPTED;
    }
    return code > 0 && code <= 10 ? by_code[code] : OUTCOME_ERROR;
}

void verdict_complete(const struct assignment *a, const struct err *failed, struct result *out)
{
    out->attempt = a->attempt;
    out->code = failed ? reason_exit_code(failed->reason) : 0;
    if (!failed) {
        return;
    }
    if (out->outcome == OUTCOME_NONE) {
        out->outcome = outcome_of(out->code);
    }
    if (!out->reason || !str_eq(out->reason, failed->reason)) {
        free(out->reason);
        free(out->message);
        out->reason = mem_strdup(failed->reason);
        out->message = mem_strdup(failed->message);
    }
}

/* The kubelet has made its file and mounted it: it is written in place. Elsewhere the result appears
 * whole, by rename. */
struct err *verdict_write(const char *path, const struct result *result)
{
    path = path ? path : "/dev/termination-log";
    AUTO(free_auto) char *line = result_format(result);
    AUTO(free_auto) char *text = mem_printf("%s\n", line);
    size_t length = strlen(text);

    if (!file_exists(path)) {
        return file_write_atomic(path, text, length, 0600);
    }
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, text, length);
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    return written == (ssize_t)length ? NULL
                                      : err_new(ERR_TRANSIENT, REASON_INTERNAL,
                                                "could not write %s: %s", path, strerror(saved));
}
