/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that nobody dials. */
#include "base/address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* Alibaba's, Oracle's and Azure's services for machines are not link-local. */
static bool refused_v4(uint32_t ip)
{
    static const uint32_t services[] = { 0x646464c8u /* 100.100.100.200 */,
                                         0xc00000c0u /* 192.0.0.192 */,
                                         0xa83f8110u /* 168.63.129.16 */ };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (ip == services[i]) {
            return true;
        }
    }
    return ip >> 16 == 0xa9feu || ip >> 28 == 0xeu || ip == 0 || ip == UINT32_MAX;
}

static uint32_t v4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* An address of IPv4 inside of one of IPv6; NULL: there is none. */
static const uint8_t *inner_v4(const struct in6_addr *in)
{
    static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    static const uint8_t zeros[12] = { 0 };
    static const uint8_t isatap[3] = { 0x00, 0x5e, 0xfe };
    const uint8_t *b = in->s6_addr;

    if (IN6_IS_ADDR_V4MAPPED(in) || memcmp(b, nat64, sizeof nat64) == 0 ||
        memcmp(b + 9, isatap, sizeof isatap) == 0) {
        return b + 12;
    }
    if (memcmp(b, zeros, sizeof zeros) == 0) { /* ::1 is loopback, and ::0 is judged as a whole */
        return v4_at(b + 12) > 0xffff ? b + 12 : NULL;
    }
    return b[0] == 0x20 && b[1] == 0x02 ? b + 2 : NULL;
}

static bool refused_v6(const struct in6_addr *in)
{
    static const uint8_t service[16] = { /* Amazon's: fd00:ec2::254 */
                                         0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54
    };
    const uint8_t *v4 = inner_v4(in);

    return IN6_IS_ADDR_LINKLOCAL(in) || IN6_IS_ADDR_MULTICAST(in) || IN6_IS_ADDR_UNSPECIFIED(in) ||
           memcmp(in->s6_addr, service, sizeof service) == 0 || (v4 && refused_v4(v4_at(v4)));
}

bool address_refused(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return refused_v4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        return refused_v6(&in.sin6_addr);
    }
    return true;
}
