/* SPDX-License-Identifier: Apache-2.0 */
/* Who gives way when the memory for migration files is spent. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "controller/held.h"
#include "controller/commit_files.h"
#include "model/reason.h"

#define KIB ((size_t)1024)

TestSuite(held, .timeout = 60);

static struct held held;

/* Trees of one file of that many KiB; equal fills are equal files. */
static struct commit_files *make(const char *namespace_, size_t kib, char fill)
{
    struct commit_files *files = mem_alloc(sizeof *files);
    uint8_t *bytes = mem_alloc(kib * KIB + 1);

    memset(bytes, fill, kib * KIB);
    atomic_init(&files->refs, 1);
    files->sets = mem_array(1, sizeof *files->sets);
    files->count = 1;
    cr_assert_null(tree_add(&files->sets[0].tree, "sql/V1__a.sql", "V1__a.sql", bytes, kib * KIB));
    held_add(&held, files, namespace_);
    return files;
}

/* The files that give way, in the order in which they do; "" when there is room. */
static const struct commit_files *victim_of(const struct commit_files *files, struct err **failed)
{
    struct commit_files *victim = NULL;

    *failed = held_room(&held, files, &victim);
    if (victim) {
        commit_files_unref(victim); /* the test has one more */
    }
    return victim;
}

Test(held, what_fits_costs_nobody_anything)
{
    struct err *failed = NULL;
    held_init(&held, 100 * KIB);
    struct commit_files *a = make("a", 60, 'a');
    struct commit_files *b = make("b", 38, 'b');
    cr_expect_null(victim_of(b, &failed));
    cr_expect_null(failed);
    commit_files_unref(a);
    commit_files_unref(b);
    held_done(&held);
}

Test(held, the_namespace_that_holds_most_gives_way_and_by_its_largest_trees)
{
    struct err *failed = NULL;
    held_init(&held, 100 * KIB);
    struct commit_files *small = make("a", 20, '1');
    struct commit_files *large = make("a", 50, '2');
    struct commit_files *other = make("c", 25, '3');
    struct commit_files *b = make("b", 30, 'b');
    cr_expect_eq(victim_of(b, &failed), large);
    cr_expect_null(failed);
    commit_files_unref(large);
    cr_expect_null(victim_of(b, &failed), "there is room now");
    cr_expect_null(failed);
    commit_files_unref(small);
    commit_files_unref(other);
    commit_files_unref(b);
    held_done(&held);
}

Test(held, who_holds_most_already_gets_no_more)
{
    struct commit_files *list[3];
    held_init(&held, 100 * KIB);
    list[0] = make("a", 60, '1');
    list[1] = make("b", 30, 'b');
    list[2] = make("a", 40, '2');
    AUTO(err_free_auto) struct err *failed = NULL;
    cr_expect_null(victim_of(list[2], &failed), "nobody else's");
    cr_assert_not_null(failed);
    cr_expect_eq(failed->kind, ERR_TRANSIENT, "tried again");
    cr_expect_str_eq(failed->reason, REASON_SOURCE_FETCH_FAILED);
    cr_expect(strstr(failed->message, "no other namespace holds more than this one"));
    cr_expect(strstr(failed->message, "--source-memory"));
    for (int i = 0; i < 3; i++) {
        commit_files_unref(list[i]);
    }
    held_done(&held);
}

Test(held, what_is_larger_than_everything_takes_nothing_from_others)
{
    held_init(&held, 100 * KIB);
    struct commit_files *a = make("a", 99, '1');
    struct commit_files *b = make("b", 101, 'b');
    AUTO(err_free_auto) struct err *failed = NULL;
    cr_expect_null(victim_of(b, &failed));
    cr_assert_not_null(failed);
    cr_expect(strstr(failed->message, "name narrower paths"), "%s", failed->message);
    commit_files_unref(a);
    commit_files_unref(b);
    held_done(&held);
}

Test(held, equal_files_of_many_plans_count_once)
{
    struct commit_files *list[20];
    struct err *failed = NULL;
    held_init(&held, 100 * KIB);
    for (int i = 0; i < 20; i++) {
        list[i] = make(i % 2 ? "a" : "b", 60, 'x');
    }
    cr_expect_null(victim_of(list[19], &failed));
    cr_expect_null(failed);
    for (int i = 0; i < 20; i++) {
        commit_files_unref(list[i]);
    }
    held_done(&held);
}

Test(held, what_has_given_way_does_not_give_way_again)
{
    struct err *failed = NULL;
    held_init(&held, 100 * KIB);
    struct commit_files *first = make("a", 50, '1');
    struct commit_files *second = make("a", 40, '2');
    struct commit_files *b = make("b", 60, 'b');
    cr_expect_eq(victim_of(b, &failed), first);
    cr_expect(atomic_load(&first->given_way));
    /* Somebody still holds it: what a holds besides is less than what b holds. */
    cr_expect_null(victim_of(b, &failed));
    cr_assert_not_null(failed);
    err_free(failed);
    commit_files_unref(first);
    commit_files_unref(second);
    commit_files_unref(b);
    held_done(&held);
}

Test(held, names_count_beside_bytes)
{
    held_init(&held, 100 * KIB);
    struct commit_files *a = make("a", 1, 'x');
    for (int i = 0; i < 300; i++) {
        AUTO(free_auto) char *path = mem_printf("sql/V%d__a.sql", i + 2);
        cr_assert_null(
            tree_add(&a->sets[0].tree, path, path + 4, (uint8_t *)mem_strdup("x"), (size_t)1));
    }
    struct held again;
    held_init(&again, 100 * KIB);
    struct commit_files *moved = a;
    held_leave(moved);
    held_add(&again, moved, "a");
    struct commit_files *victim = NULL;
    AUTO(err_free_auto) struct err *failed = held_room(&again, moved, &victim);
    cr_expect_not_null(failed, "300 files of one byte are more than 100 KiB");
    commit_files_unref(moved);
    held_done(&again);
    held_done(&held);
}
