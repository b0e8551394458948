/* SPDX-License-Identifier: Apache-2.0 */
/* Names as a file system that ignores case sees them. */
#pragma once

/* Simple case folding of valid UTF-8: ASCII, Latin, Greek, Cyrillic, Armenian. Owned. */
char *casefold(const char *text);
