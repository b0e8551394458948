/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that notices: changed files (inotify, and a look each second for file systems without),
 * requests of people, and children that ended. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/thread.h"
#include "local/internal.h"
#include "model/reason.h"

#define LOOK_MS 1000
#define SETTLE_MS 60
#define REQUEST_PATIENCE_MS 1000
#define ABSENCE_MS 1000
#define SWEEP_MS (60 * 1000)
#define SIGN_MS (10 * 1000)
#define JOB_TTL_MS ((int64_t)48 * 3600 * 1000) /* docs/reference/migrationplan.md 4 */
#define MAX_DESCRIPTORS 1024

static const struct manifests_patience patience = { SETTLE_MS, ABSENCE_MS };

void local_wake(struct local *l)
{
    uint64_t one = 1;

    if (l->wake_fd >= 0 && write(l->wake_fd, &one, sizeof one) < 0) {
        return; /* full: the thread is awake already */
    }
}

static void drain(int fd)
{
    char bytes[4096];

    while (fd >= 0 && read(fd, bytes, sizeof bytes) > 0) {
    }
}

/* True when the folder's list changed since the last call: files arrive there by rename. */
static bool folder_moved(const struct local *l, const char *name, struct timespec *last)
{
    AUTO(free_auto) char *path = mem_printf("%s/.sluice/%s", l->dir, name);
    struct stat st;

    if (stat(path, &st)) {
        return false;
    }
    bool moved = st.st_mtim.tv_sec != last->tv_sec || st.st_mtim.tv_nsec != last->tv_nsec;
    *last = st.st_mtim;
    return moved;
}

static void note_failure(struct local *l, struct err *failed)
{
    if (failed) {
        strlist_add(&l->state.problems, failed->message);
        err_free(failed);
    }
}

/* Announces "everything" when the list of problems is not the one announced last. */
static void compare_problems(struct local *l, struct manifests_changes *out)
{
    struct strlist problems = { 0 };
    uint64_t hash = FNV_START;

    manifests_problems(&l->manifests, &problems);
    for (size_t i = 0; i < l->state.problems.count; i++) {
        strlist_add(&problems, l->state.problems.items[i]);
    }
    for (size_t i = 0; i < problems.count; i++) {
        hash = fnv_add(hash, problems.items[i], strlen(problems.items[i]));
    }
    strlist_done(&problems);
    if (hash != l->problems_hash) {
        l->problems_hash = hash;
        manifests_changes_add(out, PLATFORM_PLAN, NULL, NULL);
    }
}

/* A request is about what was written before it: it waits for files that are just being written, a new
 * Secret before a retry perhaps, but not for ever. */
static bool requests_due(struct local *l, bool unsettled)
{
    int64_t now_ms = clock_mono_ms();

    if (!unsettled) {
        l->unsettled_since_ms = 0;
    } else if (l->unsettled_since_ms == 0) {
        l->unsettled_since_ms = now_ms;
    }
    return !unsettled || now_ms - l->unsettled_since_ms > REQUEST_PATIENCE_MS;
}

static void look_at_files(struct local *l, struct manifests_changes *out)
{
    struct manifests_changes changes = { 0 };

    manifests_scan(&l->manifests, clock_utc_ms(), &patience, &changes);
    note_failure(l, local_settle_changed(l, &changes, out));
    if (requests_due(l, changes.unsettled) && folder_moved(l, "overlay", &l->requests)) {
        note_failure(l, local_settle_all(l, out));
    }
    out->unsettled = changes.unsettled;
    manifests_changes_done(&changes);
}

static void look_at_jobs(struct local *l, struct manifests_changes *out)
{
    char *namespace_ = NULL;
    char *plan = NULL;

    while (jobs_reap(&l->jobs, &namespace_, &plan)) {
        manifests_changes_add(out, PLATFORM_JOB, namespace_, plan);
        free(namespace_);
        free(plan);
    }
}

/* A reader has no state of its own: it is told that something moved and reads again. */
static void look_as_reader(struct local *l, struct manifests_changes *out)
{
    struct manifests_changes changes = { 0 };

    manifests_scan(&l->manifests, clock_utc_ms(), &patience, &changes);
    bool moved = changes.count > 0;
    moved = folder_moved(l, "plans", &l->states) || moved;
    moved = folder_moved(l, "overlay", &l->requests) || moved;
    if (moved) {
        manifests_changes_add(out, PLATFORM_PLAN, NULL, NULL);
    }
    out->unsettled = changes.unsettled;
    manifests_changes_done(&changes);
}

static bool look(struct local *l)
{
    struct manifests_changes out = { 0 };

    pthread_mutex_lock(&l->lock);
    if (l->owner) {
        look_at_files(l, &out);
        look_at_jobs(l, &out);
        compare_problems(l, &out);
    } else {
        look_as_reader(l, &out);
    }
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < out.count; i++) {
        l->changed(l->payload, out.items[i].kind, out.items[i].namespace_, out.items[i].name);
    }
    bool unsettled = out.unsettled;
    manifests_changes_done(&out);
    return unsettled;
}

static void wait_for_change(struct local *l, bool unsettled)
{
    struct pollfd fds[MAX_DESCRIPTORS + 2];
    int jobs[MAX_DESCRIPTORS];
    nfds_t count = 0;

    fds[count++] = (struct pollfd){ .fd = l->wake_fd, .events = POLLIN };
    fds[count++] = (struct pollfd){ .fd = l->inotify_fd, .events = POLLIN };
    pthread_mutex_lock(&l->lock);
    size_t running = jobs_descriptors(&l->jobs, jobs, MAX_DESCRIPTORS);
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < running; i++) {
        fds[count++] = (struct pollfd){ .fd = jobs[i], .events = POLLIN };
    }
    (void)poll(fds, count, unsettled ? SETTLE_MS : LOOK_MS);
    drain(l->wake_fd);
    drain(l->inotify_fd);
}

static void *watch_main(void *arg)
{
    struct local *l = arg;
    bool unsettled = false;
    int64_t swept = clock_mono_ms();
    int64_t signed_ms = 0;

    while (!atomic_load(&l->stop)) {
        wait_for_change(l, unsettled);
        unsettled = look(l);
        if (l->owner && clock_mono_ms() - signed_ms > SIGN_MS) {
            signed_ms = clock_mono_ms();
            local_sign(l);
        }
        if (l->owner && clock_mono_ms() - swept > SWEEP_MS) {
            swept = clock_mono_ms();
            pthread_mutex_lock(&l->lock);
            jobs_sweep(&l->jobs, clock_utc_ms(), JOB_TTL_MS);
            pthread_mutex_unlock(&l->lock);
        }
    }
    return NULL;
}

static void add_folder(struct local *l, const char *name)
{
    AUTO(free_auto) char *path = mem_printf("%s%s", l->dir, name);

    /* Failure is no failure: the look each second finds the change too. */
    (void)inotify_add_watch(l->inotify_fd, path,
                            IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB);
}

struct err *local_watch(void *self, platform_changed_fn *changed, void *payload)
{
    struct local *l = self;

    l->changed = changed;
    l->payload = payload;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int wake_errno = errno;
    l->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    add_folder(l, "");
    add_folder(l, "/.sluice/overlay");
    if (!l->owner) {
        add_folder(l, "/.sluice/plans");
    }
    if (l->wake_fd < 0) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not watch %s: %s", l->dir,
                       strerror(wake_errno));
    }
    struct err *failed = thread_start(&l->thread, watch_main, l);
    if (failed) {
        return err_wrap(failed, "could not watch %s", l->dir);
    }
    l->watching = true;
    return NULL;
}

void local_watch_stop(struct local *l)
{
    if (l->watching) {
        atomic_store(&l->stop, true);
        local_wake(l);
        pthread_join(l->thread, NULL);
        l->watching = false;
    }
    if (l->wake_fd >= 0) {
        close(l->wake_fd);
    }
    if (l->inotify_fd >= 0) {
        close(l->inotify_fd);
    }
}
