/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded: a name server that changes its mind. REBIND="NAME FIRST THEN": who asks for NAME is told the address FIRST
 * once, and THEN ever after. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char name[64], first[64], then[64];

/* At once: a child process of ours empties its environment. */
__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("REBIND");
    if (!text || sscanf(text, "%63s %63s %63s", name, first, then) != 3) {
        abort();
    }
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **list)
{
    static atomic_int asked;
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(
            RTLD_NEXT, "getaddrinfo");

    if (node && strcmp(node, name) == 0) {
        node = atomic_fetch_add(&asked, 1) == 0 ? first : then;
    }
    return real(node, service, hints, list);
}
