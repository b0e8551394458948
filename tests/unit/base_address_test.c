/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses nobody dials, in all the ways to write them, and that nobody does. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include "base/address.h"
#include <pthread.h>
#include <unistd.h>
#include "base/dial.h"

static bool refused(const char *text)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return address_refused((const struct sockaddr *)&v4);
    }
    cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1, "%s", text);
    return address_refused((const struct sockaddr *)&v6);
}

Test(address, these_are_refused)
{
    static const char *const rows[] = {
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "::",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:100.100.100.200",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "fd12::5efe:169.254.169.254",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect(refused(rows[i]), "%s", rows[i]);
    }
    const struct sockaddr other = { .sa_family = AF_UNSPEC };
    cr_expect(address_refused(&other), "no family");
}

Test(address, these_are_dialled)
{
    static const char *const rows[] = {
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.253.255.255",
        "169.255.0.0",
        "100.100.100.201",
        "192.0.0.193",
        "168.63.129.15",
        "223.255.255.255",
        "240.0.0.1",
        "::1",
        "fd00:ec2::253",
        "2001:db8::1",
        "fc00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:0a00:0001::1",
        "64:ff9b:1::169.254.169.254",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect(!refused(rows[i]), "%s", rows[i]);
    }
}

/* ---- connections --------------------------------------------------------------------------------- */

static int dial(int type, const char *address)
{
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    inet_pton(AF_INET, address, &to.sin_addr);
    errno = 0;
    (void)connect(fd, (const struct sockaddr *)&to, sizeof to);
    const int error = errno;
    close(fd);
    return error;
}

static void *dial_unguarded(void *error)
{
    *(int *)error = dial(SOCK_STREAM, "0.0.0.0");
    return NULL;
}

Test(address, a_guarded_thread_makes_no_refused_connection)
{
    pthread_t other;
    int there = 0;

    cr_expect_eq(dial(SOCK_STREAM, "0.0.0.0"), ECONNREFUSED, "which is this machine");
    dial_guard();
    cr_expect(!dial_refused());
    cr_expect_eq(dial(SOCK_STREAM, "127.0.0.1"), ECONNREFUSED);
    cr_expect_eq(dial(SOCK_DGRAM, "0.0.0.0"), 0, "what resolvers do");
    cr_expect(!dial_refused());
    pthread_create(&other, NULL, dial_unguarded, &there);
    pthread_join(other, NULL);
    cr_expect_eq(there, ECONNREFUSED, "another thread");
    cr_expect_eq(dial(SOCK_STREAM, "0.0.0.0"), EACCES);
    cr_expect(dial_refused());
    cr_expect(dial_unguard());
    cr_expect_eq(dial(SOCK_STREAM, "0.0.0.0"), ECONNREFUSED);
    dial_guard();
    cr_expect(!dial_unguard(), "what was refused before is forgotten");
}
