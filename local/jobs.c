/* SPDX-License-Identifier: Apache-2.0 */
/* The table of Jobs: children of this process and those that an earlier controller left running. */
#include "local/jobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "local/job_folder.h"
#include "model/reason.h"

#define PIDFD_USELESS (-2)

static void entry_done(struct job_entry *entry)
{
    job_done(&entry->job);
    free(entry->plan_uid);
    free(entry->namespace_);
    free(entry->plan);
    if (entry->pidfd >= 0) {
        close(entry->pidfd);
    }
    if (entry->child.pid && entry->child.pidfd >= 0) {
        close(entry->child.pidfd); /* the child goes on without us */
    }
    *entry = (struct job_entry){ .pidfd = -1, .child = { .pidfd = -1 } };
}

static struct job_entry *entry_add(struct jobs *jobs, struct job_entry entry)
{
    jobs->items = mem_grow(jobs->items, &jobs->cap, jobs->count + 1, sizeof *jobs->items);
    jobs->items[jobs->count] = entry;
    return &jobs->items[jobs->count++];
}

static struct job_entry *entry_find(struct jobs *jobs, const char *name)
{
    for (size_t i = 0; i < jobs->count; i++) {
        if (str_eq(jobs->items[i].job.name, name)) {
            return &jobs->items[i];
        }
    }
    return NULL;
}

/* ---- what an earlier controller left --------------------------------------------------------- */

static void watch_stranger(struct jobs *jobs, struct job_entry *entry)
{
    pid_t pid = 0;

    if (entry->pidfd != -1 || !job_folder_held(jobs->dir, entry->job.name, &pid) || pid == 0) {
        return;
    }
    int fd = pidfd_open(pid, 0);
    /* The pid may have been given to another process meanwhile: it is ours only while the lock is. */
    if (fd >= 0 && !job_folder_held(jobs->dir, entry->job.name, &pid)) {
        close(fd);
        fd = -1;
    }
    entry->pidfd = fd;
}

static void look(struct jobs *jobs, struct job_entry *entry)
{
    pid_t pid = 0;

    if (job_folder_held(jobs->dir, entry->job.name, &pid)) {
        entry->job.phase = JOB_RUNNING;
        return;
    }
    entry->job.phase = JOB_ENDED;
    entry->ended_ms = job_folder_ended_ms(jobs->dir, entry->job.name);
    job_folder_result(jobs->dir, &entry->job);
}

static struct err *load(struct jobs *jobs, bool owner)
{
    DIR *dir = opendir(jobs->dir);
    const struct dirent *item;

    while (dir && (item = readdir(dir))) {
        struct job_entry entry = { .pidfd = -1, .child = { .pidfd = -1 } };
        if (str_starts(item->d_name, ".new-") && owner) {
            AUTO(free_auto) char *path = mem_printf("%s/%s", jobs->dir, item->d_name);
            err_free(file_remove_tree(path));
        }
        if (item->d_name[0] == '.') {
            continue;
        }
        struct err *failed = job_folder_read(jobs->dir, item->d_name, &entry);
        if (failed) { /* no assignment, so no runner would have started on it */
            err_free(failed);
            continue;
        }
        look(jobs, entry_add(jobs, entry));
    }
    if (dir) {
        closedir(dir);
    }
    return NULL;
}

struct err *jobs_open(struct jobs *jobs)
{
    TRY(load(jobs, true));
    for (size_t i = 0; i < jobs->count; i++) {
        struct job_entry *entry = &jobs->items[i];
        if (entry->job.phase == JOB_RUNNING) {
            watch_stranger(jobs, entry);
        } else {
            job_folder_drop_credentials(jobs->dir, entry->job.name);
        }
    }
    return NULL;
}

struct err *jobs_attach(struct jobs *jobs)
{
    return load(jobs, false);
}

/* ---- create, delete, cancel ------------------------------------------------------------------ */

static struct err *spawn(struct jobs *jobs, const struct job_spec *spec, int alive_fd,
                         struct proc *out)
{
    AUTO(free_auto) char *dir = mem_printf("%s/%s", jobs->dir, spec->name);
    AUTO(free_auto) char *credentials = mem_printf("%s/credentials", dir);
    AUTO(free_auto) char *result = mem_printf("%s/result.json", dir);
    AUTO(free_auto) char *log_path = mem_printf("%s/log", dir);
    AUTO(free_auto) char *alive = mem_printf("%d", alive_fd);
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *const argv[] = { "sluice",
                                 "run",
                                 "--assignment",
                                 dir,
                                 "--assignment-sha256",
                                 spec->manifest_sha256,
                                 "--credentials",
                                 credentials,
                                 "--result",
                                 result,
                                 "--job",
                                 spec->name,
                                 "--alive-fd",
                                 alive,
                                 NULL };
    struct proc_spec child = { .path = jobs->program,
                               .argv = argv,
                               .envp = jobs->envp,
                               .stdin_fd = -1,
                               .stdout_fd = log_fd,
                               .stderr_fd = log_fd,
                               .keep_fds = &alive_fd,
                               .keep_count = 1,
                               .new_session = true };
    struct err *failed = proc_spawn(&child, out);

    if (log_fd >= 0) {
        close(log_fd);
    }
    return failed;
}

static struct err *adopt(struct jobs *jobs, const struct job_spec *spec)
{
    const struct job_entry *present = entry_find(jobs, spec->name);

    if (!present) {
        return err_new(ERR_TRANSIENT, REASON_NAME_CONFLICT,
                       "%s/%s is not a Job of this controller; move it away", jobs->dir,
                       spec->name);
    }
    if (!str_eq(present->plan_uid, spec->plan->uid)) {
        return err_new(ERR_TRANSIENT, REASON_NAME_CONFLICT, "job %s belongs to another plan",
                       spec->name);
    }
    if (!str_eq(present->job.assignment_sha256, spec->manifest_sha256)) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                       "job %s exists with another assignment", spec->name);
    }
    return NULL;
}

struct err *jobs_create(struct jobs *jobs, const struct job_spec *spec)
{
    struct job_entry entry = { .pidfd = -1, .child = { .pidfd = -1 } };
    int alive_fd = -1;
    struct err *failed = job_folder_make(jobs->dir, spec, &alive_fd);

    if (failed && failed->kind == ERR_CONFLICT) {
        err_free(failed);
        return adopt(jobs, spec);
    }
    if (failed) {
        return failed;
    }
    failed = job_folder_read(jobs->dir, spec->name, &entry);
    failed = failed ? failed : spawn(jobs, spec, alive_fd, &entry.child);
    close(alive_fd); /* from here the child alone holds it */
    if (failed) {
        AUTO(free_auto) char *dir = mem_printf("%s/%s", jobs->dir, spec->name);
        err_free(file_remove_tree(dir)); /* nothing ran */
        entry_done(&entry);
        return failed;
    }
    entry.job.phase = JOB_RUNNING;
    entry_add(jobs, entry);
    return NULL;
}

struct err *jobs_delete(struct jobs *jobs, const char *name)
{
    const struct job_entry *entry = entry_find(jobs, name);

    if (entry && entry->job.phase == JOB_RUNNING) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "job %s runs already", name);
    }
    return NULL;
}

struct err *jobs_cancel(struct jobs *jobs, const char *name)
{
    struct job_entry *entry = entry_find(jobs, name);

    if (!entry || entry->job.phase != JOB_RUNNING) {
        return NULL;
    }
    if (!entry->child.pid) {
        watch_stranger(jobs, entry);
    }
    int fd = entry->child.pid ? entry->child.pidfd : entry->pidfd;
    if (fd < 0 || (pidfd_send_signal(fd, SIGTERM, NULL, 0) && errno != ESRCH)) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not stop job %s: %s", name,
                       fd < 0 ? "its process is not known yet" : strerror(errno));
    }
    entry->job.cancelling = true;
    return NULL;
}

/* ---- look ------------------------------------------------------------------------------------ */

static void copy_job(const struct jobs *jobs, const struct job_entry *entry, struct job_list *out)
{
    out->items = mem_grow(out->items, &out->cap, out->count + 1, sizeof *out->items);
    struct job *job = &out->items[out->count++];

    *job = entry->job;
    job->database = mem_strdup(entry->job.database);
    job->ended_by = mem_strdup(entry->job.ended_by);
    job->result = (struct result){ 0 };
    job->has_result = false;
    if (entry->job.has_result) { /* a copy by reading it again: the struct owns its strings */
        job_folder_result(jobs->dir, job);
    }
}

void jobs_list(struct jobs *jobs, const char *plan_uid, struct job_list *out)
{
    for (size_t i = 0; i < jobs->count;) {
        struct job_entry *entry = &jobs->items[i];
        AUTO(free_auto) char *dir = mem_printf("%s/%s", jobs->dir, entry->job.name);
        if (entry->job.phase == JOB_ENDED && !file_exists(dir)) {
            entry_done(entry);
            *entry = jobs->items[--jobs->count];
            continue;
        }
        if (str_eq(entry->plan_uid, plan_uid)) {
            copy_job(jobs, entry, out);
        }
        i++;
    }
}

/* The process has ended but something that it started still holds the lock: only looking at the lock
 * helps then, and a descriptor that stays readable would keep our thread spinning. */
static void give_up_ended_pidfd(struct job_entry *entry)
{
    struct pollfd ended = { .fd = entry->pidfd, .events = POLLIN };

    if (entry->pidfd >= 0 && poll(&ended, 1, 0) > 0) {
        close(entry->pidfd);
        entry->pidfd = PIDFD_USELESS;
    }
}

static bool has_ended(struct jobs *jobs, struct job_entry *entry)
{
    struct proc_end end;
    pid_t pid = 0;

    if (entry->child.pid) {
        if (!proc_wait(&entry->child, 0, &end)) {
            return false;
        }
        entry->child = (struct proc){ .pidfd = -1 };
        entry->job.ended_by = mem_printf("%s %d", end.signalled ? "signal" : "exit code", end.code);
        return true;
    }
    if (job_folder_held(jobs->dir, entry->job.name, &pid)) {
        watch_stranger(jobs, entry); /* its pid may not have been written the last time */
        give_up_ended_pidfd(entry);
        return false;
    }
    if (entry->pidfd >= 0) {
        close(entry->pidfd);
    }
    entry->pidfd = -1;
    return true;
}

bool jobs_reap(struct jobs *jobs, char **namespace_, char **plan)
{
    for (size_t i = 0; i < jobs->count; i++) {
        struct job_entry *entry = &jobs->items[i];
        if (entry->job.phase != JOB_RUNNING || !has_ended(jobs, entry)) {
            continue;
        }
        entry->job.phase = JOB_ENDED;
        entry->ended_ms = clock_utc_ms();
        job_folder_result(jobs->dir, &entry->job);
        job_folder_drop_credentials(jobs->dir, entry->job.name);
        *namespace_ = mem_strdup(entry->namespace_);
        *plan = mem_strdup(entry->plan);
        return true;
    }
    return false;
}

size_t jobs_descriptors(const struct jobs *jobs, int *fds, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < jobs->count && count < max; i++) {
        const struct job_entry *entry = &jobs->items[i];
        int fd = entry->child.pid ? entry->child.pidfd : entry->pidfd;
        if (entry->job.phase == JOB_RUNNING && fd >= 0) {
            fds[count++] = fd;
        }
    }
    return count;
}

void jobs_sweep(struct jobs *jobs, int64_t now_utc_ms, int64_t ttl_ms)
{
    for (size_t i = 0; i < jobs->count;) {
        struct job_entry *entry = &jobs->items[i];
        if (entry->job.phase != JOB_ENDED || now_utc_ms - entry->ended_ms < ttl_ms) {
            i++;
            continue;
        }
        AUTO(free_auto) char *dir = mem_printf("%s/%s", jobs->dir, entry->job.name);
        err_free(file_remove_tree(dir));
        entry_done(entry);
        *entry = jobs->items[--jobs->count];
    }
}

void jobs_done(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        entry_done(&jobs->items[i]);
    }
    free(jobs->items);
    free(jobs->dir);
    *jobs = (struct jobs){ 0 };
}
