/* SPDX-License-Identifier: Apache-2.0 */
/* Criterion's tests without Criterion's runner, which cannot have its memory where the thread sanitizer has its own, and
 * forks while it has threads. Each test runs in a process of its own, started anew before there is any thread. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)),
    *__stop_cr_sts[] __attribute__((weak));

static int failed;

/* ---- what the tests call, in the place of the library's ------------------------------------------ */

void criterion_internal_test_setup(void)
{
}

void criterion_internal_test_main(void (*test)(void))
{
    test();
}

void criterion_internal_test_teardown(void)
{
}

void cri_asserts_passed_incr(void)
{
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (!stats->passed) {
        failed = 1;
        printf("%s:%u: %s\n", stats->file, stats->line, stats->message);
    }
}

void criterion_continue_test(void)
{
}

void criterion_abort_test(void)
{
    fflush(stdout);
    _exit(1);
}

/* ---- the runner ------------------------------------------------------------------------------- */

static void call(void (*fixture)(void))
{
    if (fixture) {
        fixture();
    }
}

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *test)
{
    static const struct criterion_test_extra_data none;

    for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++) {
        if (*s && strcmp((*s)->name, test->category) == 0 && (*s)->data) {
            return (*s)->data;
        }
    }
    return &none;
}

static int run(const struct criterion_test *test)
{
    const struct criterion_test_extra_data *suite = suite_of(test);

    call(suite->init);
    call(test->data->init);
    test->test();
    call(test->data->fini);
    call(suite->fini);
    return failed;
}

static int run_alone(const char *program, const char *name)
{
    int status = 1;
    pid_t child = fork();

    if (child == 0) {
        execl(program, program, name, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(child, &status, 0);
    return status;
}

int main(int argc, char **argv)
{
    int count = 0, bad = 0;

    for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
        if (!*t) {
            continue;
        }
        char name[256];
        snprintf(name, sizeof name, "%s/%s", (*t)->category, (*t)->name);
        if (argc > 1 && strcmp(argv[1], name) == 0) {
            return run(*t);
        }
        if (argc == 1 && run_alone("/proc/self/exe", name) != 0) {
            printf("failed: %s\n", name);
            bad++;
        }
        count++;
    }
    printf("%d tests, %d failed\n", count, bad);
    return bad > 0 || count == 0 || argc > 1;
}
