/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what files hold. Contents that several share are there once, and the table of contents knows
 * their sum; whose share is how large is counted as if each had its own. */
#include "controller/held.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/mem.h"
#include "controller/commit_files.h"
#include "model/reason.h"

#define FILE_BYTES 512 /* what a file costs beside its content: names, digests, directives */
#define MIB (1024.0 * 1024)

void held_init(struct held *held, size_t limit)
{
    *held = (struct held){ .limit = limit };
    pthread_mutex_init(&held->lock, NULL);
}

void held_done(struct held *held)
{
    pthread_mutex_destroy(&held->lock);
}

/* ---- one plan's files ---------------------------------------------------------------------------- */

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (struct content *const *)a;
    uintptr_t y = (uintptr_t) * (struct content *const *)b;

    return (x > y) - (x < y);
}

static void count_bytes(struct commit_files *files)
{
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++) {
        count += files->sets[i].tree.count;
    }
    AUTO(free_auto) const struct content **list = mem_array(count + 1, sizeof *list);
    size_t at = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct tree *tree = &files->sets[i].tree;
        for (size_t k = 0; k < tree->count; k++) {
            if (tree->files[k].content) { /* else it is not kept */
                list[at++] = tree->files[k].content;
            }
        }
    }
    qsort(list, at, sizeof *list, compare_pointers);
    files->content_bytes = 0;
    for (size_t i = 0; i < at; i++) {
        files->content_bytes += i == 0 || list[i] != list[i - 1] ? list[i]->size : 0;
    }
    files->file_bytes = count * FILE_BYTES;
}

static size_t bytes_of(const struct commit_files *files)
{
    return files->content_bytes + files->file_bytes;
}

void held_add(struct held *held, struct commit_files *files, const char *namespace_)
{
    count_bytes(files);
    files->namespace_ = mem_strdup(namespace_);
    files->held = held;
    pthread_mutex_lock(&held->lock);
    files->next_held = held->first;
    held->first = files;
    pthread_mutex_unlock(&held->lock);
}

void held_leave(struct commit_files *files)
{
    struct held *held = files->held;

    if (!held) {
        return;
    }
    pthread_mutex_lock(&held->lock);
    for (struct commit_files **link = &held->first; *link; link = &(*link)->next_held) {
        if (*link == files) {
            *link = files->next_held;
            break;
        }
    }
    pthread_mutex_unlock(&held->lock);
    free(files->namespace_);
}

/* ---- all of them --------------------------------------------------------------------------------- */

static size_t used(const struct held *held)
{
    size_t bytes = content_held();

    for (const struct commit_files *t = held->first; t; t = t->next_held) {
        bytes += t->file_bytes;
    }
    return bytes;
}

/* Of those that have not given way already: these are on their way out. */
static size_t share_of(const struct held *held, const char *namespace_)
{
    size_t bytes = 0;

    for (const struct commit_files *t = held->first; t; t = t->next_held) {
        bytes += !atomic_load(&t->given_way) && str_eq(t->namespace_, namespace_) ? bytes_of(t) : 0;
    }
    return bytes;
}

/* The largest files of the namespace that holds most, if that is not `mine`. Lock held. */
static struct commit_files *find_victim(const struct held *held, const char *mine)
{
    size_t most = share_of(held, mine);
    struct commit_files *victim = NULL;

    for (struct commit_files *t = held->first; t; t = t->next_held) {
        size_t share = atomic_load(&t->given_way) ? 0 : share_of(held, t->namespace_);
        bool larger = victim && share == most && str_eq(t->namespace_, victim->namespace_) &&
                      bytes_of(t) > bytes_of(victim);
        if (share > most || larger) {
            victim = t;
            most = share;
        }
    }
    return victim;
}

static struct err *no_room(const struct held *held, const struct commit_files *files)
{
    bool alone = bytes_of(files) > held->limit;

    return err_new(
        ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
        "the files of this plan need %.1f MiB, and the controller keeps %.1f MiB for all "
        "plans: %s; the operator can give more with --source-memory",
        (double)bytes_of(files) / MIB, (double)held->limit / MIB,
        alone ? "name narrower paths"
              : "no other namespace holds more than this one; it is tried again");
}

/* They are freed by whoever counts them down to nothing, which first waits for the lock: what is in the list
 * may be on its way out, and must not come back. */
static bool take_reference(struct commit_files *files)
{
    int refs = atomic_load(&files->refs);

    while (refs > 0) {
        if (atomic_compare_exchange_weak(&files->refs, &refs, refs + 1)) {
            return true;
        }
    }
    return false;
}

struct err *held_room(struct held *held, const struct commit_files *files,
                      struct commit_files **victim)
{
    struct err *failed = NULL;

    *victim = NULL;
    pthread_mutex_lock(&held->lock);
    while (!failed && !*victim && used(held) > held->limit) {
        struct commit_files *found =
            bytes_of(files) > held->limit ? NULL : find_victim(held, files->namespace_);
        if (!found) {
            failed = no_room(held, files);
        } else {
            atomic_store(&found->given_way, true);
            *victim = take_reference(found) ? found : NULL;
        }
    }
    pthread_mutex_unlock(&held->lock);
    return failed;
}

struct err *held_given_way(const struct commit_files *files)
{
    return err_new(
        ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
        "the files of this plan, %.1f MiB, gave way to those of another namespace, because "
        "no namespace held more; they are read again when there is room; the operator can "
        "give more with --source-memory",
        (double)bytes_of(files) / MIB);
}
