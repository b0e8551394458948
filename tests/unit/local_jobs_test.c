/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs as child processes: the lock that says "running", results, adoption, credentials. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/hash.h"
#include "local/job_folder.h"
#include "local/jobs.h"
#include "model/reason.h"
#include "tests/unit/local_support.h"

TestSuite(jobs, .timeout = 60);

#define UID "11111111-2222-4333-8444-555555555555"
#define MANIFEST                                                                                   \
    "{\"format\":1,\"plan\":{\"uid\":\"" UID "\",\"namespace\":\"ns\",\"name\":\"shop\"},"         \
    "\"commit\":\"abc\",\"attempt\":3,\"retryToken\":\"\",\"database\":{\"name\":\"orders\"}}"
#define RESULT(attempt)                                                                            \
    "{\"format\":1,\"nonce\":\"00000000000000000000000000000000\",\"attempt\":" attempt            \
    ",\"code\":0,\"outcome\":\"Done\",\"applied\":{\"count\":2}}"

static const char *const environment[] = { "PATH=/usr/bin:/bin", NULL };

/* A stand-in for the runner: a shell script that gets the runner's arguments. */
static char *program(const struct folder *f, const char *body)
{
    char *path = mem_printf("%s/runner", f->path);
    AUTO(free_auto) char *text = mem_printf("#!/bin/bash\n%s\n", body);
    put(f, "runner", text);
    cr_assert_eq(chmod(path, 0700), 0);
    return path;
}

/* Finds "--NAME" in the arguments: dir=$(arg --assignment) */
#define ARG                                                                                        \
    "arg() { local want=$1; shift; while [ $# -gt 1 ]; do [ \"$1\" = \"$want\" ] && echo \"$2\"; " \
    "shift; done; }\n"                                                                             \
    "dir=$(arg --assignment \"$@\"); fd=$(arg --alive-fd \"$@\")\n"                                \
    "echo $$ >&$fd\n"

static struct jobs jobs_new(const struct folder *f, const char *path)
{
    struct jobs jobs = { .dir = mem_printf("%s/jobs", f->path),
                         .program = path,
                         .envp = environment };
    expect_no_error(file_mkdirs(jobs.dir, 0700));
    return jobs;
}

static struct err *create(struct jobs *jobs, const char *name, const char *manifest,
                          const char *plan_uid)
{
    AUTO(free_auto) char *owned = mem_strdup(plan_uid);
    AUTO(kvlist_done) struct kvlist credentials = { 0 };
    char sha[SHA256_HEX_LEN + 1];
    const struct mplan plan = { .uid = owned };
    const struct job_part part = { .name = "sluice-sql-0.000", .bytes = "xyz", .length = 3 };
    sha256_hex(manifest, strlen(manifest), sha);
    kvlist_set(&credentials, "password", "hunter2");
    const struct job_spec spec = { .name = name,
                                   .plan = &plan,
                                   .manifest = manifest,
                                   .manifest_sha256 = sha,
                                   .parts = &part,
                                   .part_count = 1,
                                   .credentials = &credentials };
    return jobs_create(jobs, &spec);
}

static struct job only_job(struct jobs *jobs)
{
    struct job_list list = { 0 };
    jobs_list(jobs, UID, &list);
    cr_assert_eq(list.count, 1, "%zu jobs", list.count);
    struct job job = list.items[0];
    free(list.items);
    return job;
}

static void reap_one(struct jobs *jobs)
{
    char *namespace_ = NULL;
    char *plan = NULL;
    int64_t until = clock_mono_ms() + 20000;
    while (!jobs_reap(jobs, &namespace_, &plan)) {
        int fd = -1;
        struct pollfd wait = { .events = POLLIN };
        cr_assert(clock_mono_ms() < until, "the job did not end");
        wait.fd = jobs_descriptors(jobs, &fd, 1) ? fd : -1;
        (void)poll(&wait, 1, 100);
    }
    cr_expect_str_eq(namespace_, "ns");
    cr_expect_str_eq(plan, "shop");
    free(namespace_);
    free(plan);
}

static bool there(const struct jobs *jobs, const char *name)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", jobs->dir, name);
    return file_exists(path);
}

static void wait_for_file(const struct jobs *jobs, const char *name)
{
    int64_t until = clock_mono_ms() + 20000;
    while (!there(jobs, name)) {
        cr_assert(clock_mono_ms() < until, "no %s", name);
        (void)poll(NULL, 0, 10);
    }
}

Test(jobs, a_child_runs_with_its_files_and_its_result_counts)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(free_auto) char *runner = program(
        &f, ARG "set -e; [ \"$(cat $dir/sluice-sql-0.000)\" = xyz ]\n"
                "[ \"$(cat $dir/credentials/password)\" = hunter2 ]\n"
                "[ \"$(stat -c %a $dir/credentials/password $dir/credentials | xargs)\" = "
                "'600 700' ]\n"
                "echo saying so; echo '" RESULT("3") "' >$dir/r; mv $dir/r $dir/result.json");
    AUTO(jobs_done) struct jobs jobs = jobs_new(&f, runner);
    expect_no_error(create(&jobs, "shop-orders-1", MANIFEST, UID));
    reap_one(&jobs);
    AUTO(job_done) struct job job = only_job(&jobs);
    cr_expect_eq(job.phase, JOB_ENDED);
    cr_expect(job.has_result);
    cr_expect_eq(job.result.applied.count, 2);
    cr_expect_eq(job.attempt, 3);
    cr_expect_str_eq(job.database, "orders");
    cr_expect_str_eq(job.commit, "abc");
    cr_expect_str_eq(job.ended_by, "exit code 0");
    cr_expect_not(there(&jobs, "shop-orders-1/credentials"), "credentials outlive the child");
    AUTO(free_auto) char *log = take_text(&f, "jobs/shop-orders-1/log");
    cr_expect_str_eq(log, "saying so\n");
}

static const struct ending {
    const char *name, *body, *ended_by;
    bool has_result;
} endings[] = {
    { "no result", "exit 3", "exit code 3", false },
    { "killed", "kill -9 $$", "signal 9", false },
    { "a result of another attempt is none", "echo '" RESULT("2") "' >$dir/result.json",
      "exit code 0", false },
    { "a result that is cut is none", "echo '{\"format\":1,' >$dir/result.json", "exit code 0",
      false },
    { "a result that is too long is none",
      "{ echo '" RESULT("3") "'; head -c 5000 /dev/zero | tr '\\0' ' '; } >$dir/result.json",
      "exit code 0", false },
    { "unknown keys are passed over",
      "echo "
      "'{\"format\":1,\"new\":{},\"attempt\":3,\"nonce\":\"0\",\"code\":0,\"outcome\":\"Done\"}'"
      " >$dir/result.json",
      "exit code 0", true },
};

Test(jobs, what_a_child_leaves_is_believed_only_if_it_is_whole_and_its_own)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const struct ending *row = &endings[i];
        AUTO(folder_done) struct folder f = folder_new();
        AUTO(free_auto) char *body = mem_printf(ARG "%s", row->body);
        AUTO(free_auto) char *runner = program(&f, body);
        AUTO(jobs_done) struct jobs jobs = jobs_new(&f, runner);
        expect_no_error(create(&jobs, "j", MANIFEST, UID));
        reap_one(&jobs);
        AUTO(job_done) struct job job = only_job(&jobs);
        cr_expect_eq(job.has_result, row->has_result, "%s", row->name);
        cr_expect_str_eq(job.ended_by, row->ended_by, "%s", row->name);
    }
}

Test(jobs, the_same_assignment_is_adopted_another_one_is_a_conflict)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(free_auto) char *runner = program(&f, ARG "echo ran >>$dir/../../runs; exec sleep 30");
    AUTO(jobs_done) struct jobs jobs = jobs_new(&f, runner);
    expect_no_error(create(&jobs, "j", MANIFEST, UID));
    wait_for_file(&jobs, "../runs");
    expect_no_error(create(&jobs, "j", MANIFEST, UID));
    struct err *stale = create(&jobs, "j", MANIFEST " ", UID);
    cr_assert_not_null(stale);
    cr_expect_eq(stale->kind, ERR_CONFLICT);
    cr_expect_str_eq(stale->reason, REASON_ASSIGNMENT_STALE);
    err_free(stale);
    struct err *foreign = create(&jobs, "j", MANIFEST, "another-plan");
    cr_assert_not_null(foreign);
    cr_expect_str_eq(foreign->reason, REASON_NAME_CONFLICT);
    err_free(foreign);
    struct err *running = jobs_delete(&jobs, "j");
    cr_assert_not_null(running);
    cr_expect_eq(running->kind, ERR_CONFLICT);
    err_free(running);
    expect_no_error(jobs_cancel(&jobs, "j"));
    reap_one(&jobs);
    AUTO(job_done) struct job job = only_job(&jobs);
    cr_expect_str_eq(job.ended_by, "signal 15");
    AUTO(free_auto) char *runs = take_text(&f, "runs");
    cr_expect_str_eq(runs, "ran\n", "it was started twice");
}

Test(jobs, a_running_child_is_found_after_a_restart_and_can_still_be_stopped)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(free_auto) char *runner =
        program(&f, ARG "end() { echo '" RESULT(
                        "3") "' >$dir/r; mv $dir/r $dir/result.json; exit 0; }\n"
                             "trap end TERM; echo up >$dir/up\nwhile :; do sleep 0.05; done");
    struct jobs first = jobs_new(&f, runner);
    expect_no_error(create(&first, "j", MANIFEST, UID));
    wait_for_file(&first, "j/up");
    pid_t pid = first.items[0].child.pid;
    jobs_done(&first); /* the controller is gone, its child is not */

    AUTO(jobs_done) struct jobs second = jobs_new(&f, runner);
    expect_no_error(jobs_open(&second));
    struct job running = only_job(&second);
    cr_expect_eq(running.phase, JOB_RUNNING);
    job_done(&running);
    cr_expect(there(&second, "j/credentials"), "a running child still needs them");
    expect_no_error(jobs_cancel(&second, "j"));
    /* Here it is our own child still: it must not stay a zombie that holds nothing. */
    cr_expect_eq(waitpid(pid, NULL, 0), pid);
    reap_one(&second);
    AUTO(job_done) struct job ended = only_job(&second);
    cr_expect_eq(ended.phase, JOB_ENDED);
    cr_expect(ended.has_result);
    cr_expect_null(ended.ended_by, "nobody told us how");
    cr_expect_not(there(&second, "j/credentials"));
}

Test(jobs, what_a_crash_left_half_made_is_no_job)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(jobs_done) struct jobs jobs = jobs_new(&f, "/bin/true");
    AUTO(free_auto) char *half = mem_printf("%s/.new-j", jobs.dir);
    AUTO(free_auto) char *full = mem_printf("%s/k/credentials", jobs.dir);
    expect_no_error(file_mkdirs(half, 0700));
    put(&f, "jobs/.new-j/manifest.json", MANIFEST);
    expect_no_error(file_mkdirs(full, 0700)); /* renamed into place, never started */
    put(&f, "jobs/k/manifest.json", MANIFEST);
    put(&f, "jobs/k/alive", "");
    expect_no_error(jobs_open(&jobs));
    cr_expect_not(there(&jobs, ".new-j"));
    AUTO(job_done) struct job job = only_job(&jobs);
    cr_expect_str_eq(job.name, "k");
    cr_expect_eq(job.phase, JOB_ENDED);
    cr_expect_not(job.has_result, "ended, nobody knows how: inspect");
    cr_expect_not(there(&jobs, "k/credentials"));
}

Test(jobs, evidence_that_was_removed_by_hand_is_gone_and_old_evidence_is_swept)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(jobs_done) struct jobs jobs = jobs_new(&f, "/bin/true");
    for (int i = 0; i < 2; i++) {
        AUTO(free_auto) char *name = mem_printf("j%d", i);
        expect_no_error(create(&jobs, name, MANIFEST, UID));
        reap_one(&jobs);
    }
    AUTO(free_auto) char *removed = mem_printf("%s/j0", jobs.dir);
    expect_no_error(file_remove_tree(removed));
    struct job left = only_job(&jobs);
    cr_expect_str_eq(left.name, "j1");
    cr_assert_eq(jobs.count, 1);
    jobs.items[0].job.created_ms -= 1000000; /* one that ran for long is as young as its end */
    int64_t ended_ms = jobs.items[0].ended_ms;
    jobs_sweep(&jobs, ended_ms + 999, 1000);
    cr_expect(there(&jobs, "j1"));
    jobs_sweep(&jobs, ended_ms + 1000, 1000);
    cr_expect_not(there(&jobs, "j1"));
    job_done(&left);
}

Test(jobs, after_a_restart_evidence_is_as_old_as_the_result)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(jobs_done) struct jobs jobs = jobs_new(&f, "/bin/true");
    AUTO(free_auto) char *folder = mem_printf("%s/j", jobs.dir);
    AUTO(free_auto) char *manifest = mem_printf("%s/manifest.json", folder);
    AUTO(free_auto) char *result = mem_printf("%s/result.json", folder);
    const struct timespec made[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    const struct timespec ended[2] = { { .tv_sec = 5000 }, { .tv_sec = 5000 } };
    expect_no_error(file_mkdirs(folder, 0700));
    put(&f, "jobs/j/manifest.json", MANIFEST);
    put(&f, "jobs/j/alive", "");
    put(&f, "jobs/j/result.json", "{}");
    cr_assert_eq(utimensat(AT_FDCWD, manifest, made, 0), 0);
    cr_assert_eq(utimensat(AT_FDCWD, result, ended, 0), 0);
    expect_no_error(jobs_open(&jobs));
    jobs_sweep(&jobs, 5000 * 1000 + 999, 1000);
    cr_expect(there(&jobs, "j"));
    jobs_sweep(&jobs, 5000 * 1000 + 1000, 1000);
    cr_expect_not(there(&jobs, "j"));
}

Test(jobs, a_program_that_cannot_start_leaves_nothing)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(jobs_done) struct jobs jobs = jobs_new(&f, "/nonexistent/sluice");
    struct err *failed = create(&jobs, "j", MANIFEST, UID);
    cr_assert_not_null(failed);
    err_free(failed);
    cr_expect_not(there(&jobs, "j"));
    struct job_list list = { 0 };
    jobs_list(&jobs, UID, &list);
    cr_expect_eq(list.count, 0);
}

static const struct name_row {
    const char *plan, *database;
    int64_t attempt;
    const char *start, *end;
} names[] = {
    { "shop", "orders", 1, "shop-orders-", "-1" },
    { "Shop.Main", "database_01", 12, "shop-main-database-01-", "-12" },
    { "a-plan-with-a-name-that-goes-on-and-on-and-on-and-on-and-on",
      "a_database_with_a_name_that_goes_on_and_on_and_on_and_on_and_on_x", 123456,
      "a-plan-with-a-name-t-", "-123456" },
    { "x.", "-", 1, "x-x-", "-1" },
};

Test(jobs, names_are_labels_of_at_most_57_characters_and_tell_databases_apart)
{
    char name[JOB_NAME_MAX + 1];
    char other[JOB_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct name_row *row = &names[i];
        job_name(row->plan, UID, row->database, row->attempt, name);
        cr_expect(strncmp(name, row->start, strlen(row->start)) == 0, "%s", name);
        cr_expect(strcmp(name + strlen(name) - strlen(row->end), row->end) == 0, "%s", name);
        cr_expect_leq(strlen(name), 57);
        cr_expect_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name), "%s",
                     name);
        job_name(row->plan, "another uid", row->database, row->attempt, other);
        cr_expect_str_neq(name, other, "plans of one name share a Job");
    }
    job_name("p", UID, "a_b", 1, name);
    job_name("p", UID, "a-b", 1, other);
    cr_expect_str_neq(name, other, "databases that look alike share a Job");
}
