/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on disk that read like memory. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/spool.h"

TestSuite(spool, .timeout = 60);

DEFINE_AUTO(struct spool, spool_free)

/* Kilobytes of the process that are in memory because of mapped files. */
static long mapped_kib(void)
{
    long kib = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");
    cr_assert_not_null(status);
    while (fgets(line, sizeof line, status)) {
        if (strncmp(line, "RssFile:", 8) == 0 || strncmp(line, "RssShmem:", 9) == 0) {
            long one = 0;
            for (const char *c = line; *c; c++) {
                one = *c >= '0' && *c <= '9' ? one * 10 + (*c - '0') : one;
            }
            kib += one;
        }
    }
    (void)fclose(status);
    return kib;
}

Test(spool, what_is_added_stays_where_it_is_and_what_it_is)
{
    AUTO(spool_free_auto) struct spool *spool = NULL;
    AUTO(err_free_auto) struct err *e = spool_new((size_t)64 << 20, &spool);
    cr_assert_null(e, "%s", e ? e->message : "");
    const int numbers = 4 * 1024 * 1024; /* 16 MiB and then some, more than one step of the file */
    const int *first = NULL;
    long most = 0;
    for (int i = 0; i < numbers; i++) {
        const int *there = spool_add(spool, _Alignof(int), &i, sizeof i);
        first = first ? first : there;
        cr_assert_eq(there, first + i, "they stand like an array");
        if (i % 65536 == 0) {
            most = mapped_kib() > most ? mapped_kib() : most;
            spool_relax(spool);
        }
    }
    const char *text = spool_add(spool, 1, "abc", 4);
    const int *behind = spool_add(spool, _Alignof(int), &numbers, sizeof numbers);
    cr_expect_eq((uintptr_t)behind % _Alignof(int), 0);
    spool_relax(spool);
    cr_expect_lt(most, 12 * 1024, "%ld KiB: memory is given back", most);
    for (int i = 0; i < numbers; i++) {
        cr_assert_eq(first[i], i);
    }
    cr_expect_str_eq(text, "abc");
    cr_expect_eq(*behind, numbers);
    AUTO(err_free_auto) struct err *bad = spool_check(spool);
    cr_expect_null(bad);
}

Test(spool, no_room_is_an_error_that_stays)
{
    AUTO(spool_free_auto) struct spool *spool = NULL;
    AUTO(err_free_auto) struct err *e = spool_new(10000, &spool);
    cr_assert_null(e);
    static char block[8000];
    cr_expect_not_null(spool_add(spool, 1, block, sizeof block));
    cr_expect_null(spool_add(spool, 1, block, sizeof block));
    cr_expect_null(spool_add(spool, 1, block, 1), "nothing is added behind a gap");
    AUTO(err_free_auto) struct err *full = spool_check(spool);
    cr_assert_not_null(full);
    cr_expect_not_null(strstr(full->message, "could not keep a large file in "), "%s",
                       full->message);
}

Test(spool, a_folder_that_is_not_there_is_named)
{
    cr_assert_eq(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    struct spool *spool = NULL;
    AUTO(err_free_auto) struct err *e = spool_new(10000, &spool);
    cr_assert_not_null(e);
    cr_expect_str_eq(e->message, "could not keep a large file in /nowhere/at/all: No such file or "
                                 "directory; set TMPDIR to a folder with room");
}
