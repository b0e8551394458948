/* SPDX-License-Identifier: Apache-2.0 */
/* The annotation sluice.dev/resolve: a list of human verdicts. */
#include "reconcile/step/step.h"

#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/reason.h"

static void resolve_item_done(struct resolve_item *item)
{
    free(item->database);
    free(item->version);
    free(item->description);
    free(item->reason);
}

void resolve_list_done(struct resolve_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        resolve_item_done(&list->items[i]);
    }
    free(list->items);
    *list = (struct resolve_list){ 0 };
}

static struct err *invalid(size_t index, const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s: element %zu: %s", ANNOTATION_RESOLVE,
                   index, problem);
}

static struct err *check_keys(const struct json *json, size_t index)
{
    static const char *const keys[] = { "database", "version", "description",
                                        "step",     "verdict", "reason" };
    for (const struct json *member = json_first(json); member; member = json_next(member)) {
        bool found = false;
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            found = found || str_eq(json_key(member), keys[k]);
        }
        if (!found) {
            return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s: element %zu: unknown key %s",
                           ANNOTATION_RESOLVE, index, json_key(member));
        }
    }
    return NULL;
}

static struct err *parse_item(const struct json *json, size_t index, struct resolve_item *out)
{
    if (json_type(json) != JSON_OBJECT) {
        return invalid(index, "not an object");
    }
    TRY(check_keys(json, index));
    const char *version = json_get_string(json, "version");
    const char *description = json_get_string(json, "description");
    const char *verdict = json_get_string(json, "verdict");
    int64_t step = 0;
    if (!json_get_string(json, "database")) {
        return invalid(index, "database is missing");
    }
    if (!version == !description) {
        return invalid(index, "give exactly one of version and description");
    }
    if (!verdict || verdict_parse(verdict) == VERDICT_NONE) {
        return invalid(index, "verdict is neither applied nor not-applied nor restart");
    }
    if (!json_int64(json_get(json, "step"), &step) || step < 0 || step > LIMIT_STATEMENTS) {
        return invalid(index, "step is not the number of a statement");
    }
    *out = (struct resolve_item){
        .database = mem_strdup(json_get_string(json, "database")),
        .version = mem_strdup(version),
        .description = mem_strdup(description),
        .reason = mem_strdup(json_get_string(json, "reason")),
        .step =
            verdict_parse(verdict) == VERDICT_RESTART ? 0 : (int32_t)step, /* of the whole file */
        .verdict = verdict_parse(verdict),
    };
    return NULL;
}

struct err *resolve_parse(const char *text, struct resolve_list *out)
{
    AUTO(json_free_auto) struct json *json = NULL;
    AUTO(resolve_list_done) struct resolve_list list = { 0 };
    TRY(json_parse(text, strlen(text), ANNOTATION_RESOLVE, &json));
    if (json_type(json) != JSON_ARRAY) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s: not a list", ANNOTATION_RESOLVE);
    }
    list.items = mem_array(json_count(json), sizeof *list.items);
    for (const struct json *item = json_first(json); item; item = json_next(item)) {
        TRY(parse_item(item, list.count, &list.items[list.count]));
        list.count++;
    }
    *out = list;
    list = (struct resolve_list){ 0 };
    return NULL;
}

bool step_resolved(const struct inspection *inspection, const struct resolve_item *item,
                   const char *token)
{
    const struct journal *journal = &inspection->journal;
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        bool file = row_is_about(row->version, row->description, item->version, item->description);
        if (row->state == JOURNAL_RESOLVED && file && row->step == item->step &&
            row->verdict == item->verdict && str_eq(row->retry_token, token)) {
            return true;
        }
    }
    return false;
}
