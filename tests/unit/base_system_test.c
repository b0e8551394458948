/* SPDX-License-Identifier: Apache-2.0 */
/* Files, processes and log lines on the real system. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "tests/unit/rows.h"

TestSuite(files, .timeout = 60);
TestSuite(processes, .timeout = 60);
TestSuite(logs, .timeout = 60);

static char *folder_make(void)
{
    char *dir = mem_strdup("/tmp/sluice-unit-XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
    return dir;
}

static void folder_done(char **dir)
{
    err_free(file_remove_tree(*dir));
    free(*dir);
}

Test(files, a_file_is_written_and_read_whole)
{
    AUTO(folder_done) char *dir = folder_make();
    AUTO(free_auto) char *path = mem_printf("%s/a", dir);
    AUTO(buf_done) struct buf out = BUF(10);
    struct stat st;

    check_error("absent", file_read(path, &out), "could not read /tmp/");
    check_error("written", file_write_atomic(path, "0123456789", 10, 0640), NULL);
    check_error("read", file_read(path, &out), NULL);
    check_text("content", buf_text(&out), "0123456789");
    cr_expect(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "mode");
    check_error("replaced", file_write_atomic(path, "0123456789x", 11, 0600), NULL);
    buf_reset(&out);
    check_error("one byte too many", file_read(path, &out), "larger than 10 bytes");
    check_error("emptied", file_write_atomic(path, "", 0, 0600), NULL);
    buf_reset(&out);
    check_error("empty", file_read(path, &out), NULL);
    cr_expect(out.len == 0 && file_exists(path));
    check_error("a folder", file_read(dir, &out), "it is a folder");
    AUTO(free_auto) char *fifo = mem_printf("%s/fifo", dir);
    cr_assert(mkfifo(fifo, 0600) == 0);
    check_error("a FIFO does not block", file_read(fifo, &out), "not a regular file");
    AUTO(free_auto) char *nowhere = mem_printf("%s/no/such/file", dir);
    check_error("no folder", file_write_atomic(nowhere, "x", 1, 0600), "could not write");
}

Test(files, a_failed_write_leaves_the_old_file_and_nothing_else)
{
    AUTO(folder_done) char *dir = folder_make();
    AUTO(free_auto) char *path = mem_printf("%s/sub", dir);
    cr_assert(mkdir(path, 0700) == 0);
    check_error("onto a folder", file_write_atomic(path, "x", 1, 0600), "could not write");
    cr_expect(rmdir(path) == 0 && rmdir(dir) == 0, "no temporary file is left");
    cr_assert(mkdir(dir, 0700) == 0);
}

Test(files, folders_are_made_and_removed_with_their_content)
{
    AUTO(folder_done) char *dir = folder_make();
    AUTO(free_auto) char *deep = mem_printf("%s/a/b//c/", dir);
    AUTO(free_auto) char *top = mem_printf("%s/a", dir);
    AUTO(free_auto) char *file = mem_printf("%s/a/b/c/f", dir);
    AUTO(free_auto) char *kept = mem_printf("%s/kept", dir);
    AUTO(free_auto) char *link = mem_printf("%s/a/link", dir);
    check_error("made", file_mkdirs(deep, 0700), NULL);
    check_error("made again", file_mkdirs(deep, 0700), NULL);
    check_error("file", file_write_atomic(file, "x", 1, 0600), NULL);
    check_error("through a file", file_mkdirs(file, 0700), "Not a directory");
    check_error("kept", file_mkdirs(kept, 0700), NULL);
    cr_assert(symlink(kept, link) == 0);
    check_error("removed", file_remove_tree(top), NULL);
    cr_expect(!file_exists(top));
    cr_expect(file_exists(kept), "a symbolic link is removed, not followed");
    check_error("absent is fine", file_remove_tree(top), NULL);
}

/* ---- processes ----------------------------------------------------------------------------- */

static const char *const no_env[] = { "PATH=/usr/bin:/bin", NULL };

/* Runs sh -c script with its output in a pipe; what it wrote, owned. */
static char *run(struct proc_spec spec, const char *script, struct proc_end *end)
{
    int fds[2];
    cr_assert(pipe2(fds, O_CLOEXEC) == 0);
    const char *argv[] = { "sh", "-c", script, NULL };
    spec.path = "/bin/sh";
    spec.argv = argv;
    spec.envp = no_env;
    spec.stdout_fd = fds[1];
    struct proc proc = { 0 };
    struct err *e = proc_spawn(&spec, &proc);
    cr_assert(!e, "%s", e ? e->message : "");
    (void)close(fds[1]);
    AUTO(buf_done) struct buf out = BUF(100000);
    char chunk[1000];
    ssize_t n = 0;
    while ((n = read(fds[0], chunk, sizeof chunk)) > 0) {
        buf_add(&out, chunk, (size_t)n);
    }
    (void)close(fds[0]);
    cr_assert(proc_wait(&proc, 10000, end));
    cr_expect(proc.pid == 0 && proc.pidfd == -1);
    return buf_take(&out);
}

static const struct proc_spec quiet = { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };

Test(processes, the_end_is_told_exactly)
{
    struct proc_end end = { 0 };
    AUTO(free_auto) char *a = run(quiet, "exit 7", &end);
    check_text("no output", a, "");
    cr_expect(!end.signalled && end.code == 7);
    AUTO(free_auto) char *b = run(quiet, "kill -TERM $$", &end);
    check_text("no output", b, "");
    cr_expect(end.signalled && end.code == SIGTERM);
    struct proc proc = { 0 };
    const char *argv[] = { "x", NULL };
    check_error("no such program",
                proc_spawn(&(struct proc_spec){ .path = "/no/such",
                                                .argv = argv,
                                                .envp = no_env,
                                                .stdin_fd = -1,
                                                .stdout_fd = -1,
                                                .stderr_fd = -1 },
                           &proc),
                "could not start /no/such: No such file");
}

Test(processes, only_named_descriptors_reach_the_child)
{
    struct proc_end end = { 0 };
    int secret =
        open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a careless library opens it */
    int low = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int high = fcntl(low, F_DUPFD_CLOEXEC, 50);
    cr_assert(secret > 2 && low > 2 && high >= 50);
    struct proc_spec spec = quiet;
    const int keep[] = { high, low };
    spec.keep_fds = keep;
    spec.keep_count = 2;
    AUTO(free_auto) char *got = run(spec, "for f in /proc/self/fd/*; do echo ${f##*/}; done", &end);
    char number[16];
    for (int fd = 0; fd < 100; fd++) {
        (void)snprintf(number, sizeof number, "\n%d\n", fd);
        AUTO(free_auto) char *lines = mem_printf("\n%s", got);
        bool there = strstr(lines, number) != NULL;
        bool wanted = fd < 3 || fd == low || fd == high;
        /* The shell's own folder handle may take the first free number. */
        cr_expect(there == wanted || (there && fd == secret) || fd == 3, "descriptor %d", fd);
    }
    AUTO(free_auto) char *closed = mem_printf("readlink /proc/self/fd/%d || echo closed", secret);
    AUTO(free_auto) char *answer = run(quiet, closed, &end);
    cr_expect(!strstr(answer, "/dev/null"), "%s", answer);
    (void)close(secret);
    (void)close(low);
    (void)close(high);
}

Test(processes, standard_streams_may_be_swapped)
{
    /* stdin from a file, and a source that is itself descriptor 0..2. */
    AUTO(folder_done) char *dir = folder_make();
    AUTO(free_auto) char *path = mem_printf("%s/in", dir);
    check_error("file", file_write_atomic(path, "hello", 5, 0600), NULL);
    int in = open(path, O_RDONLY | O_CLOEXEC);
    struct proc_end end = { 0 };
    struct proc_spec spec = quiet;
    spec.stdin_fd = in;
    AUTO(free_auto) char *got = run(spec, "cat", &end);
    check_text("stdin", got, "hello");
    (void)close(in);

    int saved = dup(0);
    int fds[2];
    cr_assert(pipe(fds) == 0 &&
              dup2(fds[1], 0) == 0); /* our descriptor 0 is a pipe's writing end */
    const char *argv[] = { "sh", "-c", "echo out; echo err >&2", NULL };
    struct proc proc = { 0 };
    check_error("spawn",
                proc_spawn(&(struct proc_spec){ .path = "/bin/sh",
                                                .argv = argv,
                                                .envp = no_env,
                                                .stdin_fd = -1,
                                                .stdout_fd = 0,
                                                .stderr_fd = 0 },
                           &proc),
                NULL);
    cr_assert(dup2(saved, 0) == 0);
    (void)close(fds[1]);
    cr_assert(proc_wait(&proc, 10000, &end));
    char text[100] = "";
    ssize_t n = read(fds[0], text, sizeof text - 1);
    cr_expect(n == 8 && strcmp(text, "out\nerr\n") == 0, "%s", text);
    (void)close(fds[0]);
    (void)close(saved);
}

Test(processes, signals_start_fresh)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    struct proc_end end = { 0 };
    AUTO(free_auto) char *got = run(quiet, "grep -E 'SigBlk|SigIgn' /proc/self/status", &end);
    cr_expect(strstr(got, "SigBlk:\t0000000000000000"), "%s", got);
    /* Bits 32 and 33 are the C library's own signals. */
    cr_expect(strstr(got, "SigIgn:\t0000000000000000") || strstr(got, "SigIgn:\t0000000180000000"),
              "%s", got);
}

Test(processes, a_new_session_has_no_terminal_and_its_own_group)
{
    struct proc_end end = { 0 };
    struct proc_spec spec = quiet;
    spec.new_session = true;
    AUTO(free_auto) char *got = run(spec, "set -- $(cat /proc/$$/stat); echo $1 $5 $6", &end);
    int64_t pid = 0;
    char *space = strchr(got, ' ');
    cr_assert(space != NULL);
    AUTO(free_auto) char *first = mem_strndup(got, (size_t)(space - got));
    cr_assert(str_to_int64(first, 1, INT32_MAX, &pid));
    AUTO(free_auto) char *want =
        mem_printf("%lld %lld %lld\n", (long long)pid, (long long)pid, (long long)pid);
    check_text("pid, group, session", got, want);
    AUTO(free_auto) char *plain =
        run(quiet, "set -- $(cat /proc/$$/stat); echo $(($1 == $5)) $(($1 == $6))", &end);
    check_text("without: own group, our session", plain, "1 0\n");
}

Test(processes, a_wait_ends_at_its_deadline_and_a_kill_reaches_the_group)
{
    int fds[2];
    cr_assert(pipe2(fds, O_CLOEXEC) == 0);
    const char *argv[] = { "sh", "-c", "sleep 300 & echo ready; wait", NULL };
    struct proc_spec spec = { .path = "/bin/sh",
                              .argv = argv,
                              .envp = no_env,
                              .stdin_fd = -1,
                              .stdout_fd = fds[1],
                              .stderr_fd = -1,
                              .new_session = true };
    struct proc proc = { 0 };
    struct proc_end end = { 0 };
    check_error("spawn", proc_spawn(&spec, &proc), NULL);
    (void)close(fds[1]);
    char byte[6];
    cr_assert(read(fds[0], byte, sizeof byte) == 6); /* the grandchild runs */
    int64_t start = clock_mono_ms();
    cr_expect(!proc_wait(&proc, 50, &end));
    cr_expect(clock_mono_ms() - start >= 50);
    cr_expect(!proc_wait(&proc, 0, &end));
    proc_kill(&proc);
    cr_expect(proc.pid == 0);
    /* The pipe closes only when the last of the group is gone. */
    cr_expect(read(fds[0], byte, sizeof byte) == 0);
    (void)close(fds[0]);
    proc_kill(&proc); /* none: nothing happens */
}

/* ---- logs ---------------------------------------------------------------------------------- */

static char *logged(int fd)
{
    AUTO(buf_done) struct buf out = BUF(10000000);
    char chunk[10000];
    ssize_t n = 0;
    cr_assert(lseek(fd, 0, SEEK_SET) == 0);
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        buf_add(&out, chunk, (size_t)n);
    }
    return buf_take(&out);
}

static int log_file(void)
{
    char path[] = "/tmp/sluice-log-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC | O_APPEND);
    cr_assert(fd >= 0);
    (void)unlink(path);
    return fd;
}

Test(logs, a_line_is_one_json_object)
{
    int fd = log_file();
    log_setup(fd, LOG_INFO);
    LOG(LOG_DEBUG, "not wanted");
    LOG(LOG_WARN, "odd \"bytes\"", LOG_S("k", "a\nb\xff\\"), LOG_I("n", -5),
        LOG_S("none", (const char *)NULL));
    AUTO(free_auto) char *text = logged(fd);
    cr_expect(!strstr(text, "not wanted") && text[strlen(text) - 1] == '\n');
    AUTO(json_free_auto) struct json *line = NULL;
    check_error("JSON", json_parse(text, strlen(text), "log", &line), NULL);
    check_text("level", json_get_string(line, "level"), "warn");
    check_text("message", json_get_string(line, "msg"), "odd \"bytes\"");
    check_text("text", json_get_string(line, "k"), "a\nb\xef\xbf\xbd\\");
    check_text("empty", json_get_string(line, "none"), "");
    cr_expect(json_get_int64(line, "n", 0) == -5);
    int64_t when = 0;
    cr_expect(time_parse(json_get_string(line, "ts"), &when) && when > 1700000000000);
    (void)close(fd);
}

Test(logs, huge_fields_are_cut_and_the_line_stays_whole)
{
    int fd = log_file();
    log_setup(fd, LOG_INFO);
    AUTO(free_auto) char *huge = mem_alloc(300001);
    memset(huge, '\x01', 300000); /* six bytes each when escaped */
    LOG(LOG_ERROR, "huge", LOG_S("a", huge), LOG_S("b", huge), LOG_S("c", "small"));
    AUTO(free_auto) char *text = logged(fd);
    AUTO(json_free_auto) struct json *line = NULL;
    check_error("JSON", json_parse(text, strlen(text), "log", &line), NULL);
    check_text("message", json_get_string(line, "msg"), "huge");
    (void)close(fd);
}

static void *log_many(void *arg)
{
    const char *name = arg;
    for (int i = 0; i < 200; i++) {
        LOG(LOG_INFO, "from a thread", LOG_S("thread", name), LOG_I("i", i));
    }
    return NULL;
}

Test(logs, lines_of_many_threads_do_not_mix)
{
    int fd = log_file();
    log_setup(fd, LOG_INFO);
    pthread_t threads[8];
    for (size_t i = 0; i < ROWS(threads); i++) {
        static char names[8][2] = { "0", "1", "2", "3", "4", "5", "6", "7" };
        cr_assert(pthread_create(&threads[i], NULL, log_many, names[i]) == 0);
    }
    for (size_t i = 0; i < ROWS(threads); i++) {
        (void)pthread_join(threads[i], NULL);
    }
    AUTO(free_auto) char *text = logged(fd);
    size_t lines = 0;
    for (char *p = text; *p; lines++) {
        size_t n = strcspn(p, "\n");
        AUTO(json_free_auto) struct json *line = NULL;
        check_error("JSON", json_parse(p, n, "log", &line), NULL);
        p += n + 1;
    }
    cr_expect(lines == 1600, "%zu lines", lines);
    (void)close(fd);
}
