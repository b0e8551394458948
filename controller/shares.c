/* SPDX-License-Identifier: Apache-2.0 */
/* One list of names: those that wait or work are few. */
#include "controller/shares.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

struct share *shares_join(struct shares *shares, const char *name)
{
    struct share *share = shares->first;

    while (share && !str_eq(share->name, name)) {
        share = share->next;
    }
    if (!share) {
        share = mem_alloc(sizeof *share);
        share->name = mem_strdup(name);
        share->next = shares->first;
        shares->first = share;
    }
    share->users++;
    return share;
}

void shares_leave(struct shares *shares, struct share *share)
{
    if (--share->users > 0) {
        return;
    }
    struct share **link = &shares->first;
    while (*link != share) {
        link = &(*link)->next;
    }
    *link = share->next;
    free(share->name);
    free(share);
}

int shares_free(const struct shares *shares)
{
    return shares->places - shares->active;
}

bool shares_room(const struct shares *shares, const struct share *share)
{
    int left = shares_free(shares);

    return share->active == 0 ? left > 0
                              : left > shares->places / 4 && share->active < shares->weight * left;
}

int shares_compare(const struct share *a, const struct share *b)
{
    if (a->active != b->active) {
        return a->active - b->active;
    }
    return (a->served > b->served) - (a->served < b->served);
}

void shares_take(struct shares *shares, struct share *share)
{
    share->active++;
    share->served = ++shares->serial;
    shares->active++;
}

void shares_give(struct shares *shares, struct share *share)
{
    share->active--;
    shares->active--;
}
