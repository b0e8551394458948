/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones of the IANA database (RFC 9636, "TZif"), several at once: the C library knows one a process.
 * Seconds since 1970-01-01T00:00:00; "local" is what a wall clock shows, written as if it were UTC. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_NAME_MAX 64 /* bytes of a name; the longest one there is has 32 */
#define ZONE_FILE_MAX (128 * 1024)

struct zone;

/* Version 2 or newer. NULL: not such a file, or one whose numbers contradict each other. Owned. */
struct zone *zone_parse(const void *bytes, size_t length);
void zone_free(struct zone *zone); /* NULL is fine */

/* "Europe/Prague", "UTC", "Etc/GMT+3", from the system's database; read once a process, never freed. NULL: there
 * is none of that name. Any thread. */
const struct zone *zone_get(const char *name);
/* Is the system's database there at all? An image without it knows no zone but UTC. */
bool zone_database_exists(void);

int32_t zone_offset(const struct zone *zone, int64_t utc); /* seconds east of UTC */
/* The instant at which the wall clock shows `local`. It is skipped (spring): the first instant after the gap.
 * It comes twice (autumn): the first time. */
int64_t zone_instant(const struct zone *zone, int64_t local);
