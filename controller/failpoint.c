/* SPDX-License-Identifier: Apache-2.0 */
/* Dying at a named place, as a power cut would. */
#include "controller/failpoint.h"

#ifdef SLUICE_FAILPOINTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reconcile/base/str.h"

void failpoint(const char *name)
{
    static atomic_int passed;
    const char *wanted = getenv("SLUICE_FAILPOINT");
    size_t length = strlen(name);
    int64_t times = 1;

    if (!wanted || strncmp(wanted, name, length) != 0 ||
        (wanted[length] != '\0' && wanted[length] != ':')) {
        return;
    }
    if (wanted[length] == ':' && !str_to_int64(wanted + length + 1, 1, 1000000, &times)) {
        return;
    }
    if (atomic_fetch_add(&passed, 1) + 1 == times) {
        kill(getpid(), SIGKILL);
    }
}
#else
typedef int failpoint_unused; /* an empty file is no C */
#endif
