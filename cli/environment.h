/* SPDX-License-Identifier: Apache-2.0 */
/* The variables of the environment that people set for sluice. An option's help names those that stand in for it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct environment {
    const char *name;
    const char *meaning;
    bool everywhere; /* of every command; else of those with an option whose help names it */
};
extern const struct environment environment[];
extern const size_t environment_count;
