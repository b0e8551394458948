/* SPDX-License-Identifier: Apache-2.0 */
/* Dying at a named place, as a power cut would; or stopping there, as a frozen node. */
#include "controller/failpoint.h"

#ifdef SLUICE_FAILPOINTS
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* For tests that want to know where there is to die: one name a line. */
static void trace(const char *name)
{
    const char *path = getenv("SLUICE_FAILPOINT_TRACE");
    char line[256];
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

    if (fd < 0) {
        return;
    }
    int length = snprintf(line, sizeof line, "%s\n", name);
    if (write(fd, line, (size_t)length) < 0) {
        abort(); /* a test without its list proves nothing */
    }
    close(fd);
}

void failpoint(const char *name)
{
    static atomic_int passed;
    const char *wanted = getenv("SLUICE_FAILPOINT");
    size_t length = strlen(name);
    int64_t times = 1;

    trace(name);
    if (!wanted || strncmp(wanted, name, length) != 0 ||
        (wanted[length] != '\0' && wanted[length] != ':')) {
        return;
    }
    if (wanted[length] == ':' && !str_to_int64(wanted + length + 1, 1, 1000000, &times)) {
        return;
    }
    if (atomic_fetch_add(&passed, 1) + 1 == times) {
        kill(getpid(), getenv("SLUICE_FAILPOINT_STOPS") ? SIGSTOP : SIGKILL);
    }
}
#else
typedef int failpoint_unused; /* an empty file is no C */
#endif
