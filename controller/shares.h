/* SPDX-License-Identifier: Apache-2.0 */
/* Who may take the next of a limited number of places, and whose turn it is: a name may hold no more
 * places than `weight` times those that are still free, and the last quarter of the places is for names that
 * hold none. So whoever holds none finds one, however much up to that many others hold, and in whatever order
 * they came. No locks: the caller's. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct share { /* of one name, while anybody uses it */
    struct share *next;
    char *name;
    int users, active;
    uint64_t served; /* when it was served last, as a serial number; 0: not yet */
};

struct shares {
    int places, weight;
    int active;
    uint64_t serial;
    struct share *first;
};

/* Made when absent; shares_leave() as often. */
struct share *shares_join(struct shares *shares, const char *name);
void shares_leave(struct shares *shares, struct share *share);
int shares_free(const struct shares *shares); /* places */
bool shares_room(const struct shares *shares, const struct share *share);
/* < 0: a is served before b: who holds less, then who has waited longer. 0: the same one. */
int shares_compare(const struct share *a, const struct share *b);
void shares_take(struct shares *shares, struct share *share); /* a place */
void shares_give(struct shares *shares, struct share *share); /* it back */
