/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of hosts. What is not understood fits nothing. */
#include "manifest/secret_hosts.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "model/reason.h"

#define SEPARATORS ", \t\r\n"

/* Cuts ":5432" off; a bare IPv6 address has no port. 0: any port; -1: not a port. */
static int32_t take_port(char *pattern)
{
    char *closing = pattern[0] == '[' ? strchr(pattern, ']') : NULL;
    char *colon = strchr(closing ? closing : pattern, ':');
    int64_t port = 0;
    if (!colon || (!closing && strchr(colon + 1, ':'))) {
        return 0;
    }
    *colon = '\0';
    return str_to_int64(colon + 1, 1, 65535, &port) ? (int32_t)port : -1;
}

static bool host_fits(const char *pattern, const char *host)
{
    size_t length = strlen(pattern);
    AUTO(free_auto) char *plain = pattern[0] == '[' && length > 2 && pattern[length - 1] == ']'
                                      ? mem_strndup(pattern + 1, length - 2)
                                      : mem_strdup(pattern);
    if (str_eq(plain, "*")) {
        return true;
    }
    if (plain[0] == '*' && plain[1] == '.') {
        size_t tail = strlen(plain) - 1; /* with the dot */
        size_t n = strlen(host);
        return n > tail && str_ieq(host + n - tail, plain + 1);
    }
    return str_ieq(plain, host);
}

static bool pattern_fits(char *pattern, const char *host, int32_t port)
{
    if (host[0] == '/') { /* a socket has no port, and case counts */
        return str_eq(pattern, "*") || str_eq(pattern, host);
    }
    int32_t wanted = take_port(pattern);
    return (wanted == 0 || wanted == port) && host_fits(pattern, host);
}

bool secret_hosts_match(const char *patterns, const char *host, int32_t port)
{
    size_t length = strlen(host);
    bool dotted = length > 1 && host[length - 1] == '.'; /* the same name, for a resolver */
    AUTO(free_auto) char *name = mem_strndup(host, dotted ? length - 1 : length);
    for (const char *at = patterns + strspn(patterns, SEPARATORS); *at;) {
        size_t n = strcspn(at, SEPARATORS);
        AUTO(free_auto) char *pattern = mem_strndup(at, n);
        if (pattern_fits(pattern, name, port)) {
            return true;
        }
        at += n;
        at += strspn(at, SEPARATORS);
    }
    return false;
}

struct err *secret_hosts_check(const struct kvlist *data, const char *field, const char *host,
                               int32_t port)
{
    const char *patterns = kvlist_get(data, SECRET_HOSTS);
    if (!patterns || secret_hosts_match(patterns, host, port)) {
        return NULL;
    }
    AUTO(free_auto) char *shown = str_printable(host, strlen(host));
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                   "%s names %s, and the Secret's annotation " SECRET_HOSTS
                   " does not list that host: name another Secret or host, or let the Secret's "
                   "owner change the annotation",
                   field, shown);
}

struct err *secret_hosts_check_target(const struct kvlist *data, const struct target *target)
{
    const char *host = target->socket ? target->socket : target->host;
    int32_t port = target->port ? target->port : target_default_port(target->engine);
    return secret_hosts_check(data, "the database entry", host, port);
}
