/* SPDX-License-Identifier: Apache-2.0 */
/* What people do around the plan: commits, files run by hand, servers that go away. */
#include <string.h>

#include "order_world.h"

static int tip(const struct world *w)
{
    return w->tips[w->spec.branch];
}

static void push(struct world *w, int commit)
{
    w->tips[w->spec.branch] = commit;
    if (w->process.next_poll_ms > w->mono_ms + 50) {
        w->process.next_poll_ms = w->mono_ms + 50; /* a webhook */
    }
}

/* ---- commits ------------------------------------------------------------------------------------ */

bool push_same(struct world *w)
{
    int commit = commit_new(w, tip(w));
    if (commit < 0) {
        return false;
    }
    push(w, commit);
    world_say(w, "#### commit %d touches no tree", commit);
    return true;
}

static int random_dir(struct world *w)
{
    const struct entry *e = &w->spec.entries[world_pick(w, w->spec.count)];
    return world_chance(w, 2) ? 0 : e->home + 1;
}

bool push_more(struct world *w)
{
    int commit = commit_new(w, tip(w));
    if (commit < 0) {
        return false;
    }
    int dir = random_dir(w), other = random_dir(w);
    bool bad = world_chance(w, 10);
    commit_add(w, commit, dir, 1 + world_chance(w, 3), bad);
    if (world_chance(w, 3) && other != dir) {
        commit_add(w, commit, other, 1, false);
    }
    if (world_chance(w, 10)) {
        w->commits[commit].notes[random_dir(w)]++;
    }
    push(w, commit);
    world_say(w, "#### commit %d adds files to directory %d%s", commit, dir,
              bad ? ", the last one fails" : "");
    return true;
}

static bool pending_somewhere(const struct world *w, int file)
{
    bool wanted = false;
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        bool has = (place_files(&w->places[e->place]) >> (unsigned)file) & 1;
        wanted = wanted || (((e->dirs >> w->files[file].dir) & 1) && !has);
    }
    return wanted;
}

static bool applied_somewhere(const struct world *w, int file)
{
    for (int i = 0; i < w->spec.count; i++) {
        if ((place_files(&w->places[w->spec.entries[i].place]) >> (unsigned)file) & 1) {
            return true;
        }
    }
    return false;
}

/* The newest file of the tip that somebody still waits for; -1: none. */
static int pending_file(const struct world *w)
{
    uint64_t files = tree_files(w, tip(w), ~0u);
    for (int file = w->file_count - 1; file >= 0; file--) {
        if (((files >> (unsigned)file) & 1) && pending_somewhere(w, file)) {
            return file;
        }
    }
    return -1;
}

/* Changed, taken out, or force-pushed away. What a canary has applied is rather left as it is: to put
 * that right takes a person. */
bool push_withdrawal(struct world *w)
{
    int file = pending_file(w), from = tip(w);
    if (file < 0 || w->commits[from].parent < 0) {
        return false;
    }
    int how = world_pick(w, 3), dir = w->files[file].dir;
    int commit = commit_new(w, how == 2 ? w->commits[from].parent : from);
    if (commit < 0 || (applied_somewhere(w, file) && how == 0 && !world_chance(w, 4))) {
        return false;
    }
    struct commit *c = &w->commits[commit];
    if (how == 2) {
        w->commits[from].lost = world_chance(w, 2);
        if (world_chance(w, 2)) {
            commit_add(w, commit, dir, 1, false);
        }
    } else {
        c->files[dir] &= ~(UINT64_C(1) << (unsigned)file);
        int other = how == 0 ? file_new(w, dir, w->files[file].version) : -1;
        c->files[dir] |= other >= 0 ? UINT64_C(1) << (unsigned)other : 0;
    }
    push(w, commit);
    world_say(w, "#### commit %d %s file %d", commit,
              how == 0   ? "changes"
              : how == 1 ? "takes out"
                         : "is force-pushed over",
              file);
    return true;
}

/* ---- databases ---------------------------------------------------------------------------------- */

/* Runs files of a tree by hand in their order, all or the first ones; long ago: before all that counts
 * here. */
static int run_files(struct world *w, int place, int commit, unsigned dirs, int most, bool long_ago)
{
    int8_t files[FILES];
    const struct place *p = &w->places[place];
    int count = file_sort(w, tree_files(w, commit, dirs), files), ran = 0;
    bool journalled = world_chance(w, 2);
    for (int i = 0; i < count && ran < most && p->content.count < FILES; i++) {
        bool has = false;
        for (int k = 0; k < p->content.count; k++) {
            has = has || w->files[p->content.applied[k]].version == w->files[files[i]].version;
        }
        if (!has && !w->files[files[i]].bad) {
            if (long_ago) {
                place_had(w, place, files[i], journalled);
            } else {
                place_apply(w, place, files[i], NULL, journalled);
            }
            ran++;
        }
    }
    return ran;
}

void give_history(struct world *w, int place, unsigned dirs)
{
    w->places[place].foreign = true;
    (void)run_files(w, place, tip(w), dirs, world_chance(w, 2) ? 1 + world_pick(w, 3) : FILES,
                    true);
}

bool run_by_hand(struct world *w)
{
    int first = world_pick(w, w->spec.count);
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[(first + i) % w->spec.count];
        const struct database_status *d = status_database(&w->status, e->name);
        bool rather = d && d->member == 0; /* the canary */
        if (!rather && world_chance(w, 2)) {
            continue;
        }
        int commit = world_on(w) ? commit_find(w, w->status.rollout.commit) : tip(w);
        int most = world_chance(w, 3) ? 1 : FILES;
        if (w->places[e->place].up && run_files(w, e->place, commit, e->dirs, most, false) > 0) {
            world_say(w, "#### files were run by hand on %s", e->name);
            return true;
        }
    }
    return false;
}

bool lose_server(struct world *w)
{
    int at = world_pick(w, w->spec.count);
    struct place *p = &w->places[w->spec.entries[at].place];
    p->up = !p->up;
    w->hampered = true;
    world_say(w, "#### %s %s", w->spec.entries[at].name,
              p->up ? "answers again" : "does not answer");
    return true;
}
