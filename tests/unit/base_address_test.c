/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses nobody dials, in all the ways to write them. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include "reconcile/base/address.h"

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
