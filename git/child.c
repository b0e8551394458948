/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice fetch-once`: limits on itself first, then the request, the work, one answer. */
#include <curl/curl.h>
#include <errno.h>
#include <git2/common.h>
#include <git2/config.h>
#include <git2/global.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/confine.h"
#include "base/mem.h"
#include "git/fetch.h"
#include "model/reason.h"

#define FILES_MAX 512 /* open descriptors: packs and their indexes, one connection */
#define MAPPED_MAX (256 * 1024 * 1024L)
#define ALARM_GRACE_MS 2000 /* after the parent's deadline: only for a parent that is gone */

#ifdef SANITIZED
/* libgit2 1.5 and libssh2 free neither the pattern matches of the configuration nor what a refused
 * host key leaves behind; this process ends after one answer. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libpcre2-8.so\nleak:libgit2.so\nleak:libssh2.so\n"
           "leak:CRYPTO_zalloc\n"; /* libssh2 1.10 on ecdsa keys; its own frames are not seen */
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

static void confine(const struct wire_job *job)
{
    const struct repo_limits *limits = &job->request.source.limits;
    int64_t timeout_ms = job->request.source.timeout_ms;
#ifndef SANITIZED /* the shadow alone is terabytes of address space */
    confine_cap(RLIMIT_AS, limits->memory_bytes);
#endif
    confine_work(timeout_ms / 1000 + 5);
    confine_cap(RLIMIT_FSIZE, 2 * limits->pack_bytes + (16 << 20));
    confine_cap(RLIMIT_NOFILE, FILES_MAX);
    confine_time(timeout_ms + ALARM_GRACE_MS);
    (void)clearenv();
    (void)setenv("HOME", job->home, 1);
    (void)setenv("LC_ALL", "C", 1);
}

/* No configuration but our own: an insteadOf or a proxy in a system file would send us elsewhere. */
static struct err *start_libraries(const struct repo_limits *limits)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || git_libgit2_init() < 0) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                       "libcurl or libgit2 do not start");
    }
    static const int levels[] = { GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
                                  GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        (void)git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
    }
    (void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)MAPPED_MAX);
    (void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, (size_t)(FILES_MAX / 2));
    (void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)limits->objects);
#ifdef SLUICE_HAVE_PACK_MAX_OBJECT_SIZE
    (void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, (size_t)limits->object_bytes);
#endif
    /* file:// repositories usually belong to somebody else; nothing of them is executed. */
    (void)git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    return NULL;
}

static struct err *read_request(struct wire_job *job)
{
    AUTO(secret_buf_done) struct buf text = BUF(WIRE_REQUEST_MAX);
    char chunk[65536];
    ssize_t n = 0;
    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR) {
            return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "could not read the request");
        }
        if (n > 0) {
            buf_add(&text, chunk, (size_t)n);
        }
    }
    struct err *error = buf_check(&text, REASON_SECRET_INVALID, "the request");
    if (!error) {
        error = wire_parse_request(buf_text(&text), text.len, job);
    }
    secret_wipe(chunk, sizeof chunk);
    return error;
}

static bool answer(const struct wire_job *job)
{
    struct repo_result result = { 0 };
    struct repo_tip *tips = mem_array(job->ref_count + 1, sizeof *tips);
    struct err *error = start_libraries(&job->request.source.limits);
    if (!error) {
        error = job->poll ? fetch_poll(job, tips) : fetch_run(job, &result);
    }
    bool ok = error       ? wire_write_error(STDOUT_FILENO, error)
              : job->poll ? wire_write_tips(STDOUT_FILENO, tips, job->ref_count)
                          : wire_write_result(STDOUT_FILENO, &result);
    err_free(error);
    repo_result_done(&result);
    repo_tips_done(tips, job->ref_count);
    free(tips);
    (void)git_libgit2_shutdown();
    curl_global_cleanup();
    return ok;
}

int repo_fetch_once_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int64_t start_ms = clock_mono_ms();
    confine_early();
    AUTO(wire_job_done) struct wire_job job = { 0 };
    struct err *error = read_request(&job);
    if (error) {
        bool told = wire_write_error(STDOUT_FILENO, error);
        err_free(error);
        return told ? 0 : 1;
    }
    job.deadline_ms = start_ms + job.left_ms;
    confine(&job);
    return answer(&job) ? 0 : 1;
}

void repo_libraries(struct kvlist *out)
{
    int major = 0;
    int minor = 0;
    int patch = 0;

    git_libgit2_version(&major, &minor, &patch);
    AUTO(free_auto) char *text = mem_printf("%d.%d.%d", major, minor, patch);
    kvlist_set(out, "libgit2", text);
    kvlist_set(out, "libcurl", curl_version_info(CURLVERSION_NOW)->version);
}
