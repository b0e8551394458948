/* SPDX-License-Identifier: Apache-2.0 */
/* known_hosts: what a file says of a key, what is shown to libssh2 of it, and what one more line changes. */
#include "base/hash.h"
#include "fuzz.h"
#include "git/known_hosts.h"

static const struct host {
    const char *name;
    int port;
} hosts[] = {
    { "example.com", 22 }, { "git.Example.com", 2222 }, { "::1", 22 }, { "10.0.0.1", 22 }
};

/* ssh-ed25519, 32 bytes */
static const char key[] = "\0\0\0\x0bssh-ed25519\0\0\0\x20"
                          "0123456789abcdef0123456789abcdef";
#define KEY_LENGTH (sizeof key - 1)

static enum host_key check(const char *text, const struct host *host)
{
    return known_hosts_check(text, host->name, host->port, key, KEY_LENGTH);
}

static char *extract(const char *text, const struct host *host)
{
    struct buf out = BUF((size_t)16 * 1024 * 1024);

    known_hosts_extract(text, host->name, host->port, &out);
    assert(!out.failed);
    return buf_take(&out);
}

/* The lines that are shown say no more than the file, and the same when they are read again. */
static void check_extract(const char *text, const struct host *host, enum host_key said)
{
    AUTO(free_auto) char *shown = extract(text, host);
    AUTO(free_auto) char *again = extract(shown, host);

    fuzz_same("shown twice", again, shown);
    assert(said != HOST_KEY_UNKNOWN_HOST || !*shown);
    assert(said != HOST_KEY_MATCH || check(shown, host) == HOST_KEY_MATCH);
    assert(said == HOST_KEY_MATCH || said == HOST_KEY_REVOKED ||
           check(shown, host) != HOST_KEY_MATCH);
}

static void check_one_more(const char *text, const struct host *host, enum host_key said)
{
    AUTO(buf_done) struct buf encoded = BUF(256);
    base64_format(key, KEY_LENGTH, &encoded);
    AUTO(free_auto)
    char *name =
        host->port == 22 ? mem_strdup(host->name) : mem_printf("[%s]:%d", host->name, host->port);
    AUTO(free_auto)
    char *trusted = mem_printf("%s\n%s ssh-ed25519 %s", text, name, encoded.data);
    AUTO(free_auto)
    char *revoked = mem_printf("%s\n@revoked %s ssh-ed25519 %s\n", text, name, encoded.data);
    assert(check(trusted, host) == (said == HOST_KEY_REVOKED ? said : HOST_KEY_MATCH));
    assert(check(revoked, host) == HOST_KEY_REVOKED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    const struct host *host = &hosts[data[0] % COUNT_OF(hosts)];
    AUTO(free_auto) char *text = fuzz_text(data + 1, size - 1);
    const enum host_key said = check(text, host);

    check_extract(text, host, said);
    check_one_more(text, host, said);

    char type[64];
    host_key_type(data, size, type, sizeof type);
    assert(strlen(type) > 0 && strlen(type) < sizeof type);
    return 0;
}
