/* SPDX-License-Identifier: Apache-2.0 */
/* Wave membership: a stable function of the plan's UID, its waves and its databases. */
#include "reconcile/rollout/rollout.h"

#include "reconcile/base/auto.h"
#include "reconcile/base/buf.h"
#include "reconcile/base/hash.h"
#include "reconcile/base/mem.h"

struct ranked { /* a database not taken yet, with its stable place in the order */
    uint8_t hash[SHA256_LEN];
    size_t index;
};

/* SHA-256(UID NUL name): neither the order of the spec nor a neighbour's name moves a database. */
static void rank_make(const struct mplan *plan, size_t index, struct ranked *out)
{
    AUTO(buf_done) struct buf text = BUF(LIMIT_URL);
    buf_adds(&text, plan->uid ? plan->uid : "");
    buf_addc(&text, '\0');
    buf_adds(&text, plan->databases[index].name);
    sha256(buf_text(&text), text.len, out->hash);
    out->index = index;
}

static int rank_compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = memcmp(x->hash, y->hash, SHA256_LEN);
    /* Equal hashes: equal names, which the decoder refuses; the order stays total. */
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* The databases without a wave, in their stable order. Owned. */
static struct ranked *rank_rest(const struct mplan *plan, const struct rollout_waves *waves,
                                bool labelled_only, size_t *count)
{
    struct ranked *rest = mem_array(plan->database_count, sizeof *rest);
    *count = 0;
    for (size_t i = 0; i < plan->database_count; i++) {
        bool canary = str_eq(kvlist_get(&plan->databases[i].labels, "tier"), "canary");
        if (waves->member[i] < 0 && (!labelled_only || canary)) {
            rank_make(plan, i, &rest[(*count)++]);
        }
    }
    qsort(rest, *count, sizeof *rest, rank_compare);
    return rest;
}

static bool labels_match(const struct kvlist *want, const struct kvlist *have)
{
    for (size_t i = 0; i < want->count; i++) {
        if (!str_eq(kvlist_get(have, want->items[i].key), want->items[i].value)) {
            return false;
        }
    }
    return true;
}

static bool wave_names_it(const struct mplan_wave *wave, const struct mplan_database *database)
{
    switch (wave->select) {
    case SELECT_NAMES:
        return strlist_has(&wave->names, database->name);
    case SELECT_LABELS:
        return labels_match(&wave->labels, &database->labels);
    default:
        return false;
    }
}

static void take_explicit(const struct mplan *plan, struct rollout_waves *out)
{
    for (size_t i = 0; i < plan->database_count; i++) {
        for (size_t w = 0; w < plan->wave_count && out->member[i] < 0; w++) {
            if (wave_names_it(&plan->waves[w], &plan->databases[i])) {
                out->member[i] = (int32_t)w;
            }
        }
    }
}

static void take_amount(const struct mplan *plan, size_t w, struct rollout_waves *out)
{
    const struct mplan_wave *wave = &plan->waves[w];
    size_t count = 0;
    AUTO(free_auto) struct ranked *rest = rank_rest(plan, out, false, &count);
    size_t amount = (size_t)wave->amount;
    if (wave->select == SELECT_PERCENT) {
        amount = (count * amount + 99) / 100;
    }
    for (size_t i = 0; i < count && i < amount; i++) {
        out->member[rest[i].index] = (int32_t)w;
    }
}

/* What no wave took belongs to one more wave; there is none when every database is taken. */
static void take_rest(struct rollout_waves *out, const char *name)
{
    bool any = false;
    for (size_t i = 0; i < out->database_count; i++) {
        if (out->member[i] < 0) {
            out->member[i] = (int32_t)out->count;
            any = true;
        }
    }
    if (any) {
        out->items[out->count++] = (struct rollout_wave){ .name = name };
    }
}

/* Promise 3: with nothing said, exactly one database is first. */
static void take_default_canary(const struct mplan *plan, struct rollout_waves *out)
{
    size_t count = 0;
    AUTO(free_auto) struct ranked *rest = rank_rest(plan, out, true, &count);
    if (count == 0) {
        free(rest);
        rest = rank_rest(plan, out, false, &count);
    }
    if (count > 0) {
        out->member[rest[0].index] = 0;
        out->items[out->count++] = (struct rollout_wave){ .name = "canary" };
    }
}

static void take_waves(const struct mplan *plan, struct rollout_waves *out)
{
    for (size_t w = 0; w < plan->wave_count; w++) {
        const struct mplan_wave *wave = &plan->waves[w];
        out->items[out->count++] = (struct rollout_wave){
            .name = wave->name,
            .soak_ms = wave->soak_ms,
            .gates = wave->gates,
            .gate_count = wave->gate_count,
        };
    }
    take_explicit(plan, out);
    for (size_t w = 0; w < plan->wave_count; w++) {
        if (plan->waves[w].select == SELECT_COUNT || plan->waves[w].select == SELECT_PERCENT) {
            take_amount(plan, w, out);
        }
    }
}

void rollout_waves_make(const struct mplan *plan, struct rollout_waves *out)
{
    *out = (struct rollout_waves){ .database_count = plan->database_count };
    out->member = mem_array(plan->database_count, sizeof *out->member);
    for (size_t i = 0; i < plan->database_count; i++) {
        out->member[i] = -1;
    }
    if (plan->strategy == STRATEGY_ALL_AT_ONCE) {
        take_rest(out, "all");
        return;
    }
    if (plan->wave_count == 0) {
        take_default_canary(plan, out);
    } else {
        take_waves(plan, out);
    }
    take_rest(out, "rest");
}

void rollout_waves_done(struct rollout_waves *waves)
{
    free(waves->member);
    *waves = (struct rollout_waves){ 0 };
}
