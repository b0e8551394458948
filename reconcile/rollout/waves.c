/* SPDX-License-Identifier: Apache-2.0 */
/* Wave membership: a stable function of the plan's UID, its waves and its databases. */
#include "reconcile/rollout/rollout.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#define SHOWN_LABELS 5 /* that a message lists */

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

struct taking { /* what is selected from */
    const struct mplan *plan;
    const enum rollout_take *take; /* NULL: any */
    struct rollout_waves *out;
};

static enum rollout_take take_of(const struct taking *t, size_t index)
{
    return t->take ? t->take[index] : ROLLOUT_TAKE_ANY;
}

/* The databases without a wave, in their stable order. Owned. */
static struct ranked *rank_rest(const struct taking *t, bool labelled_only, size_t *count)
{
    const struct mplan *plan = t->plan;
    struct ranked *rest = mem_array(plan->database_count, sizeof *rest);
    *count = 0;
    for (size_t i = 0; i < plan->database_count; i++) {
        bool canary = str_eq(kvlist_get(&plan->databases[i].labels, "tier"), "canary");
        bool free = t->out->member[i] < 0 && take_of(t, i) == ROLLOUT_TAKE_ANY;
        if (free && (!labelled_only || canary)) {
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

static bool wave_names_it(const struct mplan_wave *wave, const struct mplan_database *database,
                          enum rollout_take take)
{
    switch (wave->select) {
    case SELECT_NAMES:
        return take != ROLLOUT_TAKE_LAST && strlist_has(&wave->names, database->name);
    case SELECT_LABELS:
        return take == ROLLOUT_TAKE_ANY && labels_match(&wave->labels, &database->labels);
    default:
        return false;
    }
}

static void take_explicit(const struct taking *t)
{
    const struct mplan *plan = t->plan;
    for (size_t i = 0; i < plan->database_count; i++) {
        for (size_t w = 0; w < plan->wave_count && t->out->member[i] < 0; w++) {
            if (wave_names_it(&plan->waves[w], &plan->databases[i], take_of(t, i))) {
                t->out->member[i] = (int32_t)w;
            }
        }
    }
}

static void take_amount(const struct taking *t, size_t w)
{
    const struct mplan_wave *wave = &t->plan->waves[w];
    size_t count = 0;
    AUTO(free_auto) struct ranked *rest = rank_rest(t, false, &count);
    size_t amount = (size_t)wave->amount;
    if (wave->select == SELECT_PERCENT) {
        amount = (count * amount + 99) / 100;
    }
    for (size_t i = 0; i < count && i < amount; i++) {
        t->out->member[rest[i].index] = (int32_t)w;
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
static void take_default_canary(const struct taking *t)
{
    size_t count = 0;
    AUTO(free_auto) struct ranked *rest = rank_rest(t, true, &count);
    if (count == 0) {
        free(rest);
        rest = rank_rest(t, false, &count);
    }
    if (t->plan->database_count > 0) {
        t->out->items[t->out->count++] = (struct rollout_wave){ .name = "canary" };
    }
    if (count > 0) {
        t->out->member[rest[0].index] = 0;
    }
}

static void take_waves(const struct taking *t)
{
    const struct mplan *plan = t->plan;
    for (size_t w = 0; w < plan->wave_count; w++) {
        const struct mplan_wave *wave = &plan->waves[w];
        t->out->items[t->out->count++] = (struct rollout_wave){
            .name = wave->name,
            .soak_ms = wave->soak_ms,
            .gates = wave->gates,
            .gate_count = wave->gate_count,
        };
    }
    take_explicit(t);
    for (size_t w = 0; w < plan->wave_count; w++) {
        if (plan->waves[w].select == SELECT_COUNT || plan->waves[w].select == SELECT_PERCENT) {
            take_amount(t, w);
        }
    }
}

void rollout_waves_make(const struct mplan *plan, const enum rollout_take *take,
                        struct rollout_waves *out)
{
    const struct taking t = { plan, take, out };
    *out = (struct rollout_waves){ .database_count = plan->database_count };
    out->items = mem_array(plan->wave_count + 3, sizeof *out->items);
    out->member = mem_array(plan->database_count, sizeof *out->member);
    for (size_t i = 0; i < plan->database_count; i++) {
        out->member[i] = -1;
    }
    if (plan->strategy == STRATEGY_ALL_AT_ONCE) {
        take_rest(out, "all");
        return;
    }
    if (plan->wave_count == 0) {
        take_default_canary(&t);
    } else {
        take_waves(&t);
    }
    take_rest(out, "rest");
}

void rollout_waves_lead(struct rollout_waves *waves, int32_t lead)
{
    size_t more = (size_t)lead;
    if (lead <= 0) {
        return;
    }
    struct rollout_wave *items = mem_array(waves->count + more + 1, sizeof *items);
    for (size_t i = 0; i < waves->count + more; i++) {
        items[i] = waves->items[i < more ? 0 : i - more];
    }
    free(waves->items);
    waves->items = items;
    waves->count += more;
}

void rollout_waves_done(struct rollout_waves *waves)
{
    free(waves->items);
    free(waves->member);
    *waves = (struct rollout_waves){ 0 };
}

/* ---- a wave that selects nothing ---------------------------------------------------------------- */

/* "no label teir; did you mean tier", or "no database has tier=canray; tier is one of canary, rest" */
static char *label_problem(const struct mplan *plan, const struct kv *label)
{
    AUTO(strlist_done) struct strlist keys = { 0 };
    AUTO(strlist_done) struct strlist values = { 0 };
    for (size_t i = 0; i < plan->database_count; i++) {
        const struct kvlist *labels = &plan->databases[i].labels;
        for (size_t k = 0; k < labels->count; k++) {
            const struct kv *have = &labels->items[k];
            if (!strlist_has(&keys, have->key)) {
                strlist_add(&keys, have->key);
            }
            if (str_eq(have->key, label->key) && !strlist_has(&values, have->value)) {
                strlist_add(&values, have->value);
            }
        }
    }
    bool known = values.count > 0;
    if (known && strlist_has(&values, label->value)) {
        return NULL;
    }
    AUTO(buf_done) struct buf text = BUF(LIMIT_ERR_MESSAGE / 2);
    const struct strlist *list = known ? &values : &keys;
    const char *wrong = known ? label->value : label->key, *right = NULL;
    for (size_t i = 0; i < list->count && !right; i++) {
        right = str_similar(wrong, list->items[i]) ? list->items[i] : NULL;
    }
    if (right) {
        buf_addf(&text, "; did you mean %s", right);
    } else if (list->count == 0) {
        buf_adds(&text, "; the databases have no labels");
    }
    for (size_t i = 0; !right && i < list->count && i < SHOWN_LABELS; i++) {
        buf_addf(&text, "%s%s",
                 i > 0   ? ", "
                 : known ? "; there are "
                         : "; there is ",
                 list->items[i]);
    }
    return known ? mem_printf("no database has %s=%s%s", label->key, wrong, buf_text(&text))
                 : mem_printf("no label %s%s", wrong, buf_text(&text));
}

static char *select_problem(const struct mplan *plan, const struct mplan_wave *wave)
{
    for (size_t i = 0; wave->select == SELECT_LABELS && i < wave->labels.count; i++) {
        char *problem = label_problem(plan, &wave->labels.items[i]);
        if (problem) {
            return problem;
        }
    }
    for (size_t i = 0; wave->select == SELECT_LABELS && i < plan->database_count; i++) {
        if (labels_match(&wave->labels, &plan->databases[i].labels)) {
            return mem_strdup("those that it selects are in earlier waves");
        }
    }
    if (wave->select == SELECT_LABELS) {
        return mem_strdup("no database has all of these labels");
    }
    for (size_t i = 0; wave->select == SELECT_NAMES && i < plan->database_count; i++) {
        if (strlist_has(&wave->names, plan->databases[i].name)) {
            return mem_strdup("those that it names are in earlier waves");
        }
    }
    return wave->select == SELECT_NAMES
               ? mem_printf("there is no database %s", wave->names.items[0])
               : mem_strdup("all of them are in earlier waves");
}

char *rollout_empty_wave(const struct mplan *plan)
{
    AUTO(rollout_waves_done) struct rollout_waves waves = { 0 };
    rollout_waves_make(plan, NULL, &waves);
    for (size_t w = 0; w < plan->wave_count; w++) {
        size_t members = 0;
        for (size_t i = 0; i < plan->database_count; i++) {
            members += waves.member[i] == (int32_t)w;
        }
        if (members > 0 || plan->waves[w].allow_empty) {
            continue;
        }
        AUTO(free_auto) char *problem = select_problem(plan, &plan->waves[w]);
        return mem_printf("wave %s selects none of %zu databases: %s; correct "
                          "strategy.waves[%zu].select%s",
                          plan->waves[w].name, plan->database_count, problem, w,
                          w > 0 ? ", or say allowEmpty: true" : "");
    }
    return NULL;
}
