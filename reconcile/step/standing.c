/* SPDX-License-Identifier: Apache-2.0 */
/* Where each database stands when a roll-out starts: what it has left, whether it has begun, and so its
 * wave. */
#include "reconcile/step/internal.h"

/* "billing/12": the index of billing; SIZE_MAX: none. */
static size_t waits_on(const struct step *s, const char *text)
{
    size_t length = text ? strcspn(text, "/") : 0;
    for (size_t i = 0; text && i < s->plan->database_count; i++) {
        const char *name = s->plan->databases[i].name;
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool standing_was_empty(const struct step *s, size_t index)
{
    const struct database_status *memory = &s->next->databases[index];
    return memory->empty && memory->begun;
}

void standing_recall_empty(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        struct database_status *memory = &s->next->databases[i];
        const struct database_view *view = &s->seen->databases[i];
        bool now = view->known && view->empty && s->judged[i].kind != J_REFUSED;
        bool same =
            str_eq(memory->tree, view->inputs); /* of other files it is one like the others */
        memory->empty = now || (memory->empty && same);
    }
}

void standing_note_empty(struct step *s, size_t index)
{
    struct database_status *memory = &s->next->databases[index];
    if (!memory->begun) {
        memory->empty = s->seen->databases[index].empty;
    }
}

struct rollout_standing *standing_make(const struct step *s)
{
    size_t count = s->plan->database_count, full = 0;
    struct rollout_standing *standings = mem_array(count, sizeof *standings);
    for (size_t i = 0; i < count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        bool silent = s->judged[i].kind == J_UNREACHABLE;
        standings[i] = (struct rollout_standing){
            .plan = view->plan,
            .inputs = view->inputs,
            .waits_on = view->plan ? waits_on(s, view->plan->waits_for) : SIZE_MAX,
            .silent = silent,
            .refused = view->plan_error != NULL || s->judged[i].kind == J_REFUSED,
            .empty = (view->known && view->empty) || standing_was_empty(s, i),
            .begun = s->next->databases[i].begun,
        };
        full += !standings[i].empty;
    }
    for (size_t i = 0; i < count && full == 0; i++) {
        standings[i].empty = false;
    }
    return standings;
}

bool standing_has_begun(const struct step *s, size_t index, const struct rollout_files *files,
                        const struct rollout_standing *standing)
{
    const struct database_status *memory = &s->next->databases[index];
    const struct database_view *view = &s->seen->databases[index];
    if (memory->begun || memory->verified[0] || !standing->plan || standing->empty) {
        return memory->begun;
    }
    bool ours = view->newest_commit[0] && str_eq(view->newest_commit, s->commit->commit);
    return ours || rollout_files_applied(files, standing);
}

/* Its newest row was written by another tool. */
static bool by_hand_last(const struct database_view *view)
{
    return view->foreign > 0 && view->foreign == view->head;
}

void standing_remember(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        struct database_status *memory = &s->next->databases[i];
        bool ours = view->newest_commit[0] && str_eq(view->newest_commit, s->commit->commit);
        memory->begun = memory->begun || (ours && standing_is_new(s, i) && !by_hand_last(view));
    }
}

void standing_recall(struct step *s, struct rollout_standing *standings)
{
    struct rollout_files files;
    rollout_files_make(standings, s->plan->database_count, &files);
    for (size_t i = 0; i < s->plan->database_count; i++) {
        standings[i].begun = standing_has_begun(s, i, &files, &standings[i]);
        if (standings[i].begun && !s->next->databases[i].begun) {
            step_soak_from_now(s, i); /* nobody knows when it got what it has */
        }
        s->next->databases[i].begun = standings[i].begun;
    }
    rollout_files_done(&files);
}

bool standing_is_new(const struct step *s, size_t index)
{
    const struct database_status *memory = &s->next->databases[index];
    return !memory->begun && memory->verified[0] == '\0';
}

/* Not compared since the roll-out that is on began, or it was empty then, and a person has filled it. An
 * empty one has nothing, and waits for its wave. */
static bool came_late(const struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    const struct database_status *memory = &s->next->databases[index];
    bool late = memory->tree[0] == '\0' || memory->empty;
    return late && !memory->begun && view->plan && !view->empty &&
           s->judged[index].kind != J_UNREACHABLE;
}

static char *objection(struct step *s, const struct rollout_standing *standings, size_t index,
                       const struct rollout_files *files)
{
    const char *name = s->plan->databases[index].name;
    if (standing_is_new(s, index) && standing_has_begun(s, index, files, &standings[index])) {
        return mem_printf("database %s has begun before", name);
    }
    if (came_late(s, index) &&
        rollout_unproven(s->plan, standings, s->waves.member, s->next->rollout.lead, index)) {
        return mem_printf("database %s has come with files that no first wave has", name);
    }
    return NULL;
}

char *standing_newcomer(struct step *s)
{
    char *why = NULL;
    bool any = false;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        any = any || came_late(s, i);
    }
    if (!any) {
        return NULL;
    }
    struct rollout_files files;
    AUTO(free_auto) struct rollout_standing *standings = standing_make(s);
    rollout_files_make(standings, s->plan->database_count, &files);
    for (size_t i = 0; i < s->plan->database_count && !why; i++) {
        why = objection(s, standings, i, &files);
    }
    rollout_files_done(&files);
    return why;
}

/* Those who go first serve the wave, too, that the spec selects them for. */
static void note_own(struct step *s, const int32_t *selected)
{
    int32_t lead = s->next->rollout.lead;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        bool ahead = s->waves.member[i] <= lead && selected[i] > 0;
        s->next->databases[i].own = ahead ? selected[i] + lead : -1;
    }
}

void standing_arrange(struct step *s, const struct rollout_standing *standings)
{
    size_t count = s->plan->database_count, first = 0;
    AUTO(free_auto) enum rollout_take *take = mem_array(count, sizeof *take);
    AUTO(free_auto) int32_t *selected = mem_array(count, sizeof *selected);
    for (size_t i = 0; i < count; i++) {
        take[i] = standings[i].silent  ? ROLLOUT_TAKE_LAST
                  : standings[i].empty ? ROLLOUT_TAKE_BY_NAME
                                       : ROLLOUT_TAKE_ANY;
    }
    rollout_waves_done(&s->waves);
    rollout_waves_make(s->plan, take, &s->waves);
    memcpy(selected, s->waves.member, count * sizeof *selected);
    s->next->rollout.lead = rollout_first(s->plan, standings, &s->waves);
    for (size_t i = 0; i < count; i++) {
        first += s->waves.member[i] == 0;
    }
    note_own(s, selected);
    if (first == 0) {
        rollout_waves_done(&s->waves);
        rollout_waves_make(s->plan, NULL, &s->waves);
        s->next->rollout.lead = 0;
    }
}
