/* SPDX-License-Identifier: Apache-2.0 */
/* Files of one Job. Nothing exists under its name before everything in it does. */
#include "local/job_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/reason.h"

static struct err *write_in(const char *dir, const char *name, const void *bytes, size_t length)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", dir, name);

    return file_write_atomic(path, bytes, length, 0600);
}

static struct err *fill(const char *dir, const struct job_spec *spec)
{
    AUTO(free_auto) char *credentials = mem_printf("%s/credentials", dir);

    TRY(file_mkdirs(credentials, 0700));
    TRY(write_in(dir, "manifest.json", spec->manifest, strlen(spec->manifest)));
    for (size_t i = 0; i < spec->part_count; i++) {
        TRY(write_in(dir, spec->parts[i].name, spec->parts[i].bytes, spec->parts[i].length));
    }
    for (size_t i = 0; i < spec->credentials->count; i++) {
        const struct kv *pair = &spec->credentials->items[i];
        TRY(write_in(credentials, pair->key, pair->value, strlen(pair->value)));
    }
    return NULL;
}

static struct err *hold_alive(const char *dir, int *out)
{
    AUTO(free_auto) char *path = mem_printf("%s/alive", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
        int saved = errno;
        if (fd >= 0) {
            close(fd);
        }
        return err_new(ERR_TRANSIENT, REASON_RUNNER_NOT_STARTED, "could not lock %s: %s", path,
                       strerror(saved));
    }
    *out = fd;
    return NULL;
}

static struct err *move_into_place(const char *from, const char *to)
{
    if (rename(from, to) == 0) {
        return NULL;
    }
    if (errno == EEXIST || errno == ENOTEMPTY) {
        return err_new(ERR_CONFLICT, REASON_NAME_CONFLICT, "%s exists already", to);
    }
    return err_new(ERR_TRANSIENT, REASON_RUNNER_NOT_STARTED, "could not make %s: %s", to,
                   strerror(errno));
}

struct err *job_folder_make(const char *jobs_dir, const struct job_spec *spec, int *alive_fd)
{
    AUTO(free_auto) char *made = mem_printf("%s/.new-%s", jobs_dir, spec->name);
    AUTO(free_auto) char *dir = mem_printf("%s/%s", jobs_dir, spec->name);
    int fd = -1;

    if (file_exists(dir)) {
        return err_new(ERR_CONFLICT, REASON_NAME_CONFLICT, "%s exists already", dir);
    }
    TRY(file_remove_tree(made));
    struct err *failed = file_mkdirs(made, 0700);
    failed = failed ? failed : fill(made, spec);
    failed = failed ? failed : hold_alive(made, &fd);
    failed = failed ? failed : move_into_place(made, dir);
    if (failed) {
        if (fd >= 0) {
            close(fd);
        }
        err_free(file_remove_tree(made));
        return err_wrap(failed, "job %s", spec->name);
    }
    *alive_fd = fd;
    return NULL;
}

static int64_t changed_ms(const char *path)
{
    struct stat st;

    return stat(path, &st) ? 0 : (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

static struct err *read_manifest(const char *dir, struct json **out, char sha[SHA256_HEX_LEN + 1],
                                 int64_t *written_ms)
{
    AUTO(free_auto) char *path = mem_printf("%s/manifest.json", dir);
    AUTO(buf_done) struct buf text = BUF(LIMIT_JSON_TEXT);

    TRY(file_read(path, &text));
    sha256_hex(buf_text(&text), text.len, sha);
    *written_ms = changed_ms(path);
    return json_parse(buf_text(&text), text.len, path, out);
}

/* Only what tells whose Job it is: an assignment of another format is still a Job that may run. */
struct err *job_folder_read(const char *jobs_dir, const char *name, struct job_entry *out)
{
    AUTO(free_auto) char *dir = mem_printf("%s/%s", jobs_dir, name);
    AUTO(json_free_auto) struct json *root = NULL;
    struct job_entry entry = { .pidfd = -1, .child = { .pidfd = -1 } };

    TRY(read_manifest(dir, &root, entry.job.assignment_sha256, &entry.job.created_ms));
    const struct json *plan = json_get(root, "plan");
    const char *uid = json_get_string(plan, "uid");
    const char *namespace_ = json_get_string(plan, "namespace");
    const char *plan_name = json_get_string(plan, "name");
    const char *database = json_get_string(json_get(root, "database"), "name");
    const char *commit = json_get_string(root, "commit");
    const char *token = json_get_string(root, "retryToken");
    entry.job.attempt = json_get_int64(root, "attempt", 0);
    if (!uid || !namespace_ || !plan_name || !database || entry.job.attempt < 1 ||
        strlen(name) > JOB_NAME_MAX) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s/manifest.json is no assignment", dir);
    }
    snprintf(entry.job.name, sizeof entry.job.name, "%s", name);
    snprintf(entry.job.commit, sizeof entry.job.commit, "%s", commit ? commit : "");
    snprintf(entry.job.retry_token, sizeof entry.job.retry_token, "%s", token ? token : "");
    entry.job.database = mem_strdup(database);
    entry.plan_uid = mem_strdup(uid);
    entry.namespace_ = mem_strdup(namespace_);
    entry.plan = mem_strdup(plan_name);
    *out = entry;
    return NULL;
}

bool job_folder_held(const char *jobs_dir, const char *name, pid_t *pid)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s/alive", jobs_dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[32] = "";
    int64_t value = 0;

    *pid = 0;
    if (fd < 0) {
        return false;
    }
    /* Shared, so that two readers never take each other for the child. */
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (held && read(fd, text, sizeof text - 1) > 0) {
        text[strcspn(text, "\n")] = '\0';
        *pid = str_to_int64(text, 1, INT32_MAX, &value) ? (pid_t)value : 0;
    }
    close(fd);
    return held;
}

void job_folder_result(const char *jobs_dir, struct job *job)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s/result.json", jobs_dir, job->name);
    AUTO(buf_done) struct buf text = BUF(LIMIT_RESULT);
    struct result result = { 0 };

    if (job->has_result || !file_exists(path)) {
        return;
    }
    struct err *failed = file_read(path, &text);
    failed = failed ? failed : result_parse(buf_text(&text), text.len, &result);
    if (!failed && result.attempt == job->attempt) {
        job->result = result;
        job->has_result = true;
        return;
    }
    err_free(failed);
    result_done(&result);
}

int64_t job_folder_ended_ms(const char *jobs_dir, const char *name)
{
    AUTO(free_auto) char *folder = mem_printf("%s/%s", jobs_dir, name);
    AUTO(free_auto) char *result = mem_printf("%s/result.json", folder);
    int64_t ended_ms = changed_ms(result);

    return ended_ms ? ended_ms : changed_ms(folder);
}

void job_folder_drop_credentials(const char *jobs_dir, const char *name)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s/credentials", jobs_dir, name);

    err_free(file_remove_tree(path)); /* the next sweep tries again */
}
