/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in the plan: who has come, who has left, and whose Secret leads elsewhere for a while. */
#include <string.h>

#include "order_oracle_inside.h"

/* Is there another database of that name? */
static bool leads_elsewhere(const struct oracle *o, const struct oracle_decision *in, int database)
{
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if (d != database && (in->present & BIT(d)) &&
            strcmp(in->names[d], o->databases[database].name) == 0) {
            return true;
        }
    }
    return false;
}

/* The same entry, back at the database that it had: it has left nothing but its place. */
static bool is_back(const struct oracle *o, const struct oracle_decision *in, int database)
{
    return (o->away & BIT(database)) &&
           strcmp(in->names[database], o->databases[database].name) == 0;
}

static void list_absent(struct oracle *o, const struct oracle_decision *in, int database)
{
    bool known = ((o->now.present | o->away) & BIT(database)) != 0;
    if (known && leads_elsewhere(o, in, database)) {
        o->away |= BIT(database);
    } else if (known) {
        o->away &= ~BIT(database);
        o->left |= BIT(database);
    }
}

static void list_present(struct oracle *o, const struct oracle_decision *in, bool uid, int database)
{
    struct oracle_database *d = &o->databases[database];
    bool there = (o->now.present & BIT(database)) != 0;
    if (!uid && is_back(o, in, database)) {
        o->strangers |= BIT(database); /* until somebody has looked */
    } else if (uid || !there || strcmp(in->names[database], d->name) != 0) {
        oracle_rank(d, in->uid, in->names[database]);
        o->came |= BIT(database);
    }
    o->away &= ~BIT(database);
}

void oracle_list(struct oracle *o, const struct oracle_decision *in)
{
    bool uid = !o->begun || strcmp(in->uid, o->now.uid) != 0;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if (in->present & BIT(d)) {
            list_present(o, in, uid, d);
        } else {
            list_absent(o, in, d);
        }
    }
    for (int i = 0; i < o->selection_count; i++) {
        for (int w = 0; w < ORACLE_WAVES; w++) { /* who came joins the rest */
            o->selections[i][w] &= ~(o->came | o->left);
        }
    }
}
