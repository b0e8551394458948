/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of gates: which of them the controller may count. */
#include <string.h>

#include "order_oracle_inside.h"

void oracle_forget_answers(struct oracle *o, int database)
{
    struct oracle_database *d = &o->databases[database];
    memset(d->answers, 0, sizeof d->answers);
}

bool oracle_gates_passed(const struct oracle_wave *wave, const struct oracle_database *d, int w)
{
    for (int g = 0; g < wave->gate_count; g++) {
        int32_t no = d->answers[w][g].no + d->answers[w][g].no_new + d->answers[w][g].no_read;
        /* a tolerated no is a measurement, too; it takes the place of a yes */
        if (no > wave->gates[g].limit || d->answers[w][g].yes < 1 ||
            d->answers[w][g].yes + no + d->answers[w][g].forgiven < wave->gates[g].count) {
            return false;
        }
    }
    return true;
}

int64_t oracle_asks(struct oracle *o)
{
    return ++o->tick;
}

void oracle_answered(struct oracle *o, int64_t asked, int wave, int gate, uint32_t databases,
                     enum oracle_answer answer)
{
    if (asked < o->answers_after) {
        return;
    }
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if ((databases & BIT(d)) && asked > o->databases[d].asked_after) {
            struct oracle_count *count = &o->databases[d].answers[wave][gate];
            bool over = asked < o->forgave; /* one that begins anew waits for no answer */
            count->yes += answer == ORACLE_YES;
            count->no_new += answer == ORACLE_NO && !over;
            count->forgiven += answer == ORACLE_NO && over;
        }
    }
}

void oracle_read_answers(struct oracle *o)
{
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        for (int w = 0; w < ORACLE_WAVES; w++) {
            for (int g = 0; g < ORACLE_GATES; g++) {
                o->databases[d].answers[w][g].no_read += o->databases[d].answers[w][g].no_new;
                o->databases[d].answers[w][g].no_new = 0;
            }
        }
    }
}

void oracle_stored(struct oracle *o)
{
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        for (int w = 0; w < ORACLE_WAVES; w++) {
            for (int g = 0; g < ORACLE_GATES; g++) {
                o->databases[d].answers[w][g].no += o->databases[d].answers[w][g].no_read;
                o->databases[d].answers[w][g].no_read = 0;
            }
        }
    }
}

/* An answer that no decision has read is lost with its process; one that was read is asked for again. */
void oracle_died(struct oracle *o)
{
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        for (int w = 0; w < ORACLE_WAVES; w++) {
            for (int g = 0; g < ORACLE_GATES; g++) {
                o->databases[d].answers[w][g].no_new = o->databases[d].answers[w][g].no_read = 0;
            }
        }
    }
}
