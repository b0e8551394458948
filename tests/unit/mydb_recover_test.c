// SPDX-License-Identifier: Apache-2.0
// What an interrupted statement did, by its verb and the states before and now.
#include <criterion/criterion.h>
#include <stdio.h>
#include "database/mysql/rules.h"

TestSuite(mydb_recover, .timeout = 30);

#define A STEP_ATOMIC
#define AGAIN MYDB_RECOVERY_AGAIN
#define DONE MYDB_RECOVERY_DONE
#define COMPARE MYDB_RECOVERY_COMPARE
#define UNKNOWN MYDB_RECOVERY_UNKNOWN

// States: "-" absent, "?" unreadable, any other letter a fingerprint. Types: t table, g trigger.
static const struct {
    const char *name;
    enum step_class class;
    enum step_verb verb;
    const char *types, *before, *now;
    enum mydb_recovery want;
} cases[] = {
    { "CREATE: absent before, there now", A, VERB_CREATE, "t", "-", "a", COMPARE },
    { "CREATE: still absent", A, VERB_CREATE, "t", "-", "-", AGAIN },
    { "CREATE IF NOT EXISTS of what was there", A, VERB_CREATE, "t", "a", "a", AGAIN },
    { "CREATE: it was there and is another now", A, VERB_CREATE, "t", "a", "b", UNKNOWN },
    { "CREATE: it was there and is gone now", A, VERB_CREATE, "t", "a", "-", UNKNOWN },
    { "CREATE TRIGGER: its table stays as it is", A, VERB_CREATE, "gt", "-a", "ba", COMPARE },
    { "CREATE: another object changed meanwhile", A, VERB_CREATE, "tt", "-a", "cb", UNKNOWN },
    { "DROP: gone now", A, VERB_DROP, "t", "a", "-", DONE },
    { "DROP: still there", A, VERB_DROP, "t", "a", "a", AGAIN },
    { "DROP: never there", A, VERB_DROP, "t", "-", "-", AGAIN },
    { "DROP: there, but another one", A, VERB_DROP, "t", "a", "b", UNKNOWN },
    { "DROP of several: only one is gone", A, VERB_DROP, "tt", "ab", "-b", UNKNOWN },
    { "DROP TRIGGER: its table stays", A, VERB_DROP, "gt", "ab", "-b", DONE },
    { "ALTER: different now", A, VERB_ALTER, "t", "a", "b", COMPARE },
    { "ALTER: as before", A, VERB_ALTER, "t", "a", "a", AGAIN },
    { "ALTER: the table is gone", A, VERB_ALTER, "t", "a", "-", UNKNOWN },
    { "ALTER: the table appeared", A, VERB_ALTER, "t", "-", "a", UNKNOWN },
    { "CREATE INDEX: the table is different", A, VERB_CREATE_INDEX, "t", "a", "b", COMPARE },
    { "CREATE INDEX: the table is gone", A, VERB_CREATE_INDEX, "t", "a", "-", UNKNOWN },
    { "DROP INDEX: the table is different", A, VERB_DROP_INDEX, "t", "a", "b", COMPARE },
    { "RENAME: the old name is gone, the new one there", A, VERB_RENAME, "tt", "a-", "-b",
      COMPARE },
    { "RENAME: as before", A, VERB_RENAME, "tt", "a-", "a-", AGAIN },
    { "RENAME: the old name is gone, the new one is not there", A, VERB_RENAME, "tt", "a-", "--",
      UNKNOWN },
    { "RENAME: both are there", A, VERB_RENAME, "tt", "a-", "ab", UNKNOWN },
    { "RENAME of two pairs: both done", A, VERB_RENAME, "tttt", "a-b-", "-a-b", COMPARE },
    { "RENAME of two pairs: one done", A, VERB_RENAME, "tttt", "a-b-", "-ab-", UNKNOWN },
    { "a statement changed since: created", A, VERB_NONE, "t", "-", "a", UNKNOWN },
    { "a statement changed since: dropped", A, VERB_NONE, "t", "a", "-", UNKNOWN },
    { "a statement changed since: altered", A, VERB_NONE, "t", "a", "b", UNKNOWN },
    { "a statement changed since: as before", A, VERB_NONE, "t", "a", "a", AGAIN },
    { "a statement changed since: one gone, one changed", A, VERB_NONE, "tt", "ab", "-c", UNKNOWN },
    { "unreadable now", A, VERB_ALTER, "t", "a", "?", UNKNOWN },
    { "unreadable before", A, VERB_ALTER, "t", "?", "a", UNKNOWN },
    { "no object named", A, VERB_ALTER, "", "", "", UNKNOWN },
    { "another verb", A, VERB_OTHER, "t", "a", "b", UNKNOWN },
    { "R repeats, whatever the states", STEP_REPEATABLE, VERB_ALTER, "t", "a", "b", AGAIN },
    { "R without objects", STEP_REPEATABLE, VERB_OTHER, "", "", "", AGAIN },
    { "X is never judged by states: TRUNCATE", STEP_OTHER, VERB_OTHER, "t", "a", "a", UNKNOWN },
    { "X: CREATE OR REPLACE TABLE", STEP_OTHER, VERB_CREATE_OR_REPLACE, "t", "a", "b", UNKNOWN },
    { "X without objects", STEP_OTHER, VERB_OTHER, "", "", "", UNKNOWN },
};

static void set(struct mydb_state *s, char type, char state)
{
    static char table[] = "table", trigger[] = "trigger";
    s->type = type == 'g' ? trigger : table;
    if (state == '-' || state == '?') {
        snprintf(s->state, sizeof s->state, "%s", state == '-' ? MYDB_ABSENT : MYDB_UNREADABLE);
    } else {
        memset(s->state, state, 64);
    }
}

Test(mydb_recover, follows_the_table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mydb_state before[8] = { 0 }, now[8] = { 0 };
        const size_t count = strlen(cases[i].types);
        for (size_t k = 0; k < count; k++) {
            set(&before[k], cases[i].types[k], cases[i].before[k]);
            set(&now[k], cases[i].types[k], cases[i].now[k]);
        }
        const enum mydb_recovery got =
            mydb_recover(cases[i].class, cases[i].verb, before, now, count);
        cr_expect_eq(got, cases[i].want, "%s: %d", cases[i].name, got);
    }
}

// Over every verb, class and pair of states of one object: never "done" but of a DROP, never
// "again" with a change unless the class is R.
Test(mydb_recover, one_object_exhaustively)
{
    static const char states[] = "-ab?";
    for (int verb = VERB_NONE; verb <= VERB_OTHER; verb++) {
        for (size_t b = 0; b < 4; b++) {
            for (size_t n = 0; n < 4; n++) {
                struct mydb_state before = { 0 }, now = { 0 };
                set(&before, 't', states[b]);
                set(&now, 't', states[n]);
                const enum mydb_recovery got =
                    mydb_recover(A, (enum step_verb)verb, &before, &now, 1);
                const bool equal = b == n, readable = b != 3 && n != 3;
                cr_expect(got != DONE || (n == 0 && !equal && readable && verb == VERB_DROP),
                          "verb %d %zu %zu", verb, b, n);
                cr_expect(got != COMPARE || (!equal && readable), "verb %d %zu %zu", verb, b, n);
                cr_expect(got != AGAIN || (equal && readable), "verb %d %zu %zu", verb, b, n);
                cr_expect_eq(mydb_recover(STEP_OTHER, (enum step_verb)verb, &before, &now, 1),
                             UNKNOWN);
            }
        }
    }
}
