// SPDX-License-Identifier: Apache-2.0
// What became of a statement whose attempt was interrupted, by direction (docs/explanation/engine.md 6.4).
#include <string.h>
#include "database/mysql/rules.h"

struct changes {
    size_t appeared, vanished, changed, equal, unreadable;
    bool left_behind; // something of a vanished object's type is still there
};

static bool is_state(const struct mydb_state *s, const char *word)
{
    return strcmp(s->state, word) == 0;
}

static struct changes compare(const struct mydb_state *before, const struct mydb_state *now,
                              size_t count)
{
    struct changes c = { 0 };
    const char *vanished_type = NULL;
    for (size_t i = 0; i < count; i++) {
        const bool was = !is_state(&before[i], MYDB_ABSENT), is = !is_state(&now[i], MYDB_ABSENT);
        if (is_state(&before[i], MYDB_UNREADABLE) || is_state(&now[i], MYDB_UNREADABLE)) {
            c.unreadable++;
        } else if (strcmp(before[i].state, now[i].state) == 0) {
            c.equal++;
        } else if (was && is) {
            c.changed++;
        } else if (is) {
            c.appeared++;
        } else {
            c.vanished++;
            vanished_type = before[i].type;
        }
    }
    for (size_t i = 0; vanished_type && i < count; i++) {
        c.left_behind |= strcmp(now[i].type, vanished_type) == 0 && !is_state(&now[i], MYDB_ABSENT);
    }
    return c;
}

static bool created(const struct changes *c)
{
    return c->appeared > 0 && c->vanished == 0 && c->changed == 0;
}

static bool dropped(const struct changes *c)
{
    return c->vanished > 0 && c->appeared == 0 && c->changed == 0 && !c->left_behind;
}

static bool renamed(const struct changes *c)
{
    return c->vanished > 0 && c->appeared == c->vanished && c->changed == 0 && c->equal == 0;
}

static bool altered(const struct changes *c)
{
    return (c->changed > 0 && c->appeared == 0 && c->vanished == 0) || renamed(c);
}

static bool replaced(const struct changes *c)
{
    return c->changed + c->appeared > 0 && c->vanished == 0;
}

static bool happened(enum step_verb verb, const struct changes *c)
{
    switch (verb) {
    case VERB_CREATE:
        return created(c);
    case VERB_CREATE_OR_REPLACE:
        return replaced(c);
    case VERB_DROP:
        return dropped(c);
    case VERB_RENAME:
        return renamed(c);
    case VERB_ALTER:
    case VERB_CREATE_INDEX:
    case VERB_DROP_INDEX:
        return altered(c);
    default: // VERB_NONE: the words are gone
        return false;
    }
}

enum mydb_recovery mydb_recover(enum step_class class, enum step_verb verb,
                                const struct mydb_state *before, const struct mydb_state *now,
                                size_t count)
{
    if (class == STEP_REPEATABLE) {
        return MYDB_RECOVERY_AGAIN;
    }
    const struct changes c = compare(before, now, count);
    if (class != STEP_ATOMIC || count == 0 || c.unreadable > 0) {
        return MYDB_RECOVERY_UNKNOWN;
    }
    if (c.equal == count) {
        return MYDB_RECOVERY_AGAIN;
    }
    if (!happened(verb, &c)) {
        return MYDB_RECOVERY_UNKNOWN;
    }
    return verb == VERB_DROP ? MYDB_RECOVERY_DONE : MYDB_RECOVERY_COMPARE;
}
