/* SPDX-License-Identifier: Apache-2.0 */
/* Where nothing that a plan names may lead, judged when a socket opens: the name may have another address by then. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

/* Link-local addresses and the clouds' own, where machines get their credentials; multicast; empty ones. Also as an IPv6
 * address that stands for one of IPv4 (mapped, compatible, NAT64, 6to4, ISATAP). A family that is neither: true. */
bool address_refused(const struct sockaddr *address);
