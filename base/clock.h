/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and their text. Read a clock once per step and pass the value down; never store a
 * pointer to it. Waiting uses the monotonic clock, stored times are UTC. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TIME_TEXT_LEN 32

int64_t clock_mono_ms(void);
int64_t clock_utc_ms(void); /* since 1970-01-01T00:00:00Z */

/* RFC 3339, UTC, whole seconds as Kubernetes writes: 2026-11-22T10:00:00Z. */
void time_format(int64_t utc_ms, char out[TIME_TEXT_LEN]);
/* The same with microseconds as metav1.MicroTime: 2026-11-22T10:00:00.000000Z. */
void time_format_micro(int64_t utc_us, char out[TIME_TEXT_LEN]);
/* Flyway's "yyyy-MM-dd HH:mm:ss" of now, in this machine's time zone. */
void time_format_local(char out[TIME_TEXT_LEN]);
/* Any RFC 3339 time with zone and fraction. False: not one. */
bool time_parse(const char *text, int64_t *utc_ms);

/* Go durations as Kubernetes takes them: "1h30m", "90s", "250ms", "0s". Result in ms, >= 0. */
bool duration_parse(const char *text, int64_t *ms);
void duration_format(int64_t ms, char out[TIME_TEXT_LEN]);       /* "1h30m0s" as Go prints */
void duration_format_short(int64_t ms, char out[TIME_TEXT_LEN]); /* kubectl's AGE: "5m", "3d2h" */

/* The pause behind the nth failure in a row: first_ms, doubled by each further one, most_ms at the most.
 * Of a pause itself, nth 2 is the next one. */
int64_t backoff_ms(int64_t first_ms, int64_t most_ms, int32_t nth);
int64_t jitter_ms(int64_t base_ms); /* uniformly 0.5..1.5 of base */
