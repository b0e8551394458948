/* SPDX-License-Identifier: Apache-2.0 */
/* The repository: files with versions that only grow, commits, two branches. */
#include <stdio.h>
#include <string.h>

#include "order_world.h"

int file_new(struct world *w, int dir, int version)
{
    if (w->file_count == FILES) {
        return -1;
    }
    int id = w->file_count++;
    struct file *f = &w->files[id];
    f->version = version ? version : ++w->versions;
    f->dir = dir;
    (void)snprintf(f->script, sizeof f->script, "V%d__x.sql", f->version);
    (void)snprintf(f->path, sizeof f->path, "sql/%d/V%d__x.sql", dir, f->version);
    f->migration = (struct migration){
        .kind = MIGRATION_VERSIONED, .script = f->script, .path = f->path, .description = f->script
    };
    (void)snprintf(f->migration.version.text, sizeof f->migration.version.text, "%d", f->version);
    memset(f->migration.sha256, 0x5a, SHA256_LEN);
    f->migration.sha256[0] = (uint8_t)id;
    f->migration.raw_checksum = id;
    f->row = (struct history_row){ .has_version = true,
                                   .version = f->migration.version,
                                   .version_text = f->migration.version.text,
                                   .script = f->script,
                                   .description = f->script,
                                   .has_checksum = true,
                                   .checksum = id,
                                   .success = true };
    return id;
}

int commit_new(struct world *w, int from)
{
    if (w->commit_count == COMMITS) {
        return -1;
    }
    int id = w->commit_count++;
    struct commit *c = &w->commits[id];
    *c = (struct commit){ .parent = from };
    if (from >= 0) {
        memcpy(c->files, w->commits[from].files, sizeof c->files);
        memcpy(c->notes, w->commits[from].notes, sizeof c->notes);
    }
    (void)snprintf(c->id, sizeof c->id, "%08x%032x", 0xc0de0000u + (unsigned)id, id);
    return id;
}

void commit_add(struct world *w, int commit, int dir, int files, bool bad)
{
    for (int i = 0; i < files && commit >= 0; i++) {
        int file = file_new(w, dir, 0);
        if (file >= 0) {
            w->commits[commit].files[dir] |= UINT64_C(1) << (unsigned)file;
            w->files[file].bad = bad && i == files - 1;
        }
    }
}

uint64_t tree_files(const struct world *w, int commit, unsigned dirs)
{
    uint64_t files = 0;
    for (int d = 0; d < DIRS && commit >= 0; d++) {
        files |= (dirs >> d) & 1 ? w->commits[commit].files[d] : 0;
    }
    return files;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

/* Trees and options: other ones are other inputs, though no file may differ. */
uint64_t tree_hash(const struct world *w, int commit, const struct entry *e)
{
    uint64_t h = 1469598103934665603u;
    for (int d = 0; d < DIRS; d++) {
        if ((e->dirs >> d) & 1) {
            h = mix(h, w->commits[commit].files[d]);
            h = mix(h, (uint64_t)w->commits[commit].notes[d] * 64 + (uint64_t)d);
        }
    }
    h = mix(h, (uint64_t)e->out_of_order * 2 + e->ignore_missing);
    return mix(h, (uint64_t)e->placeholder) | 1;
}

int commit_find(const struct world *w, const char *id)
{
    for (int i = 0; id[0] && i < w->commit_count; i++) {
        if (strcmp(w->commits[i].id, id) == 0) {
            return i;
        }
    }
    return -1;
}

bool commit_descends(const struct world *w, int commit, int from)
{
    while (commit >= 0 && commit != from) {
        commit = w->commits[commit].parent;
    }
    return commit >= 0;
}

int file_sort(const struct world *w, uint64_t mask, int8_t *out)
{
    int count = 0;
    for (; mask; mask &= mask - 1) {
        int file = __builtin_ctzll(mask);
        int at = count++;
        while (at > 0 && w->files[out[at - 1]].version > w->files[file].version) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = (int8_t)file;
    }
    return count;
}

void git_init(struct world *w)
{
    int first = commit_new(w, -1);
    commit_add(w, first, 0, 1 + world_pick(w, 2), false);
    for (int p = 0; p < PLACES; p++) {
        commit_add(w, first, p + 1, world_pick(w, 2), false);
    }
    w->tips[0] = w->tips[1] = first;
    w->git_up = true;
}
