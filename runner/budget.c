/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and time of a command that works on a database within its own process. */
#include "runner/budget.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/confine.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/overdue.h"
#include "model/reason.h"

#define STANDARD_MIB 1024
#define LEAST_MIB 64
#define EXIT_EXHAUSTED 1

static char exhausted[512]; /* made before memory is short */

static void out_of_memory(void)
{
    const ssize_t written = write(STDERR_FILENO, exhausted, strlen(exhausted));

    (void)written;
    _exit(EXIT_EXHAUSTED);
}

/* "0::/path": where the limit of this process is; in a container the path is "/". -1: none. */
static int64_t group_limit(void)
{
    AUTO(buf_done) struct buf text = BUF(4096);
    AUTO(err_free_auto) struct err *failed = file_read("/proc/self/cgroup", &text);
    const char *path = failed ? NULL : strstr(buf_text(&text), "0::/");
    AUTO(buf_done) struct buf limit = BUF(64);
    int64_t bytes = -1;

    if (!path) {
        return -1;
    }
    path += strlen("0::");
    AUTO(free_auto)
    char *file = mem_printf("/sys/fs/cgroup%.*s/memory.max", (int)strcspn(path, "\n"), path);
    AUTO(err_free_auto) struct err *unread = file_exists(file) ? file_read(file, &limit) : NULL;
    AUTO(free_auto) char *number = mem_strndup(buf_text(&limit), strcspn(buf_text(&limit), "\n"));
    return !unread && str_to_int64(number, 1, INT64_MAX, &bytes) ? bytes : -1; /* "max": none */
}

static int64_t standard_mib(void)
{
    const int64_t bytes = group_limit();
    const int64_t mib = bytes < 0 ? STANDARD_MIB : (bytes >> 20) / 8 * 7;

    return mib < LEAST_MIB ? LEAST_MIB : mib;
}

void budget_begin(const char *command, int64_t memory_mib)
{
    const int64_t mib = memory_mib > 0 ? memory_mib : standard_mib();

    snprintf(
        exhausted, sizeof exhausted,
        "sluice %s: the files and the server's answers need more memory than the %lld MiB that "
        "this process may take (%s): allow it more, in a pod by execution.job.resources, else "
        "by --memory, and run it again: what was done is recorded\n",
        command, (long long)mib, REASON_INTERNAL);
    mem_on_exhausted(out_of_memory);
    confine_memory(mib << 20);
}
