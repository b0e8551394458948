/* SPDX-License-Identifier: Apache-2.0 */
/* Who a database is, whose it is, and whether its history went backwards. */
#include "reconcile/step/internal.h"

static bool id_matches(const char *text, size_t length, const char *target)
{
    if (target[0] == '\0') {
        return length == 4 && memcmp(text, "none", 4) == 0;
    }
    bool whole = length == strlen(target), start = length == 8;
    return (whole || start) && strlen(target) >= length && memcmp(text, target, length) == 0;
}

/* Does the annotation name this entry, whatever target it gives? */
static bool is_named(const char *text, const char *name)
{
    while (*text) {
        text += strspn(text, ", ");
        size_t key = strcspn(text, "=, ");
        if (text[key] == '=' && key == strlen(name) && memcmp(text, name, key) == 0) {
            return true;
        }
        text += strcspn(text, ", ");
    }
    return false;
}

/* sluice.dev/accept-target: <database>=<target id>[,…], acted on once. */
static bool accepted(const struct step *s, size_t index)
{
    const char *text = step_annotation(s->plan, ANNOTATION_ACCEPT);
    const char *name = s->plan->databases[index].name;
    if (!text || str_eq(text, s->old->last_handled_accept)) {
        return false;
    }
    while (*text) {
        text += strspn(text, ", ");
        size_t length = strcspn(text, ", ");
        size_t key = strcspn(text, "=");
        if (key < length && key == strlen(name) && memcmp(text, name, key) == 0 &&
            id_matches(text + key + 1, length - key - 1, s->seen->databases[index].target)) {
            return true;
        }
        text += length;
    }
    return false;
}

static bool refuse(struct judged *judged, const char *reason, char *message)
{
    judged->kind = J_REFUSED;
    judged->reason = reason;
    judged->message = message;
    return true;
}

static const char *target_text(const char *target, char out[9])
{
    (void)snprintf(out, 9, "%.8s", target[0] ? target : "none");
    return out;
}

static bool judge_target(const struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    const struct database_status *before = &s->next->databases[index];
    bool other = before->target[0] && strncmp(before->target, view->target, 8) != 0;
    if ((!other && !view->other_table) || accepted(s, index)) {
        return false;
    }
    char was[9], now[9];
    if (!other) {
        return refuse(judged, REASON_TARGET_CHANGED,
                      mem_printf("the schema has the history of this plan in another table; accept "
                                 "a new one with annotation sluice.dev/accept-target: %s=%s",
                                 before->name, target_text(view->target, now)));
    }
    return refuse(judged, REASON_TARGET_CHANGED,
                  mem_printf("expected target %s, found %s: the Secret names another database; "
                             "correct it and run `sluice retry`, or accept with annotation "
                             "sluice.dev/accept-target: %s=%s",
                             target_text(before->target, was), target_text(view->target, now),
                             before->name, now));
}

static bool judge_owner(const struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    const char *whose = view->owner_label[0] ? view->owner_label : "another plan";
    char id[9];
    switch (view->owner) {
    case OWNER_NONE:
        judged->ownership = OWNERSHIP_ADOPT;
        return false;
    case OWNER_GONE:
        judged->ownership = OWNERSHIP_TAKE_OVER;
        return false;
    case OWNER_OTHER_ENTRY:
    case OWNER_OTHER_PLAN:
        return refuse(judged, REASON_TARGET_ID_CONFLICT,
                      mem_printf("the database belongs to %s", whose));
    case OWNER_OTHER_CLUSTER:
        if (accepted(s, index)) {
            judged->ownership = OWNERSHIP_ACCEPT;
            return false;
        }
        return refuse(judged, REASON_TARGET_ID_CONFLICT,
                      mem_printf("the database belongs to %s in another cluster; accept it with "
                                 "annotation sluice.dev/accept-target: %s=%s",
                                 whose, s->plan->databases[index].name,
                                 target_text(view->target, id)));
    default:
        judged->ownership = OWNERSHIP_KEEP;
        return false;
    }
}

/* Rows are only ever added while a database stays the same; a retry says that a person has looked. */
static bool judge_direction(const struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    const struct database_status *before = &s->next->databases[index];
    /* One that was not ours yet had no id: nobody knows that it is another one. */
    bool same = before->target[0] == '\0' || strncmp(before->target, view->target, 8) == 0;
    bool back = view->head < before->head || view->journal < before->journal;
    if (!same || !back || s->retry_new || accepted(s, index)) {
        return false;
    }
    return refuse(
        judged, REASON_HISTORY_REGRESSED,
        mem_printf("history row %d and journal row %lld were the newest, now %d and %lld: "
                   "was it restored from a backup?",
                   (int)before->head, (long long)before->journal, (int)view->head,
                   (long long)view->journal));
}

bool judge_identity(struct step *s, size_t index, struct judged *judged)
{
    if (judge_target(s, index, judged) || judge_owner(s, index, judged) ||
        judge_direction(s, index, judged)) {
        return true;
    }
    const struct database_view *view = &s->seen->databases[index];
    struct database_status *memory = &s->next->databases[index];
    bool other = memory->target[0] && strncmp(memory->target, view->target, 8) != 0;
    memory->empty = memory->empty && !other; /* that was the one before */
    judged->by_hand = memory->foreign >= 0 && view->foreign > memory->foreign;
    (void)snprintf(memory->target, sizeof memory->target, "%.8s", view->target);
    memory->head = view->head;
    memory->journal = view->journal;
    memory->foreign = view->foreign;
    return false;
}

/* Another cluster's database is ours only after its Job; another plan's never. */
static bool is_foreign(enum owner_relation owner)
{
    return owner == OWNER_OTHER_ENTRY || owner == OWNER_OTHER_PLAN || owner == OWNER_OTHER_CLUSTER;
}

/* Handled once every database that it names is ours and is what it says. */
void accept_finish(struct step *s)
{
    const char *text = step_annotation(s->plan, ANNOTATION_ACCEPT);
    if (!text || str_eq(text, s->old->last_handled_accept)) {
        return;
    }
    bool any = false, all = true;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        bool looked_at = s->seen->databases[i].inspection == INSPECTION_OK;
        if (!looked_at && is_named(text, s->plan->databases[i].name)) {
            return; /* it may still be what was accepted */
        }
        if (looked_at && accepted(s, i)) {
            any = true;
            all &= !is_foreign(s->seen->databases[i].owner);
        }
    }
    if (any && all) {
        mem_strset(&s->next->last_handled_accept, text);
    }
}
