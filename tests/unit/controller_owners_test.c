/* SPDX-License-Identifier: Apache-2.0 */
/* Former owners: asked for once, remembered for a while, and asked again where it counts. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controller/owners.h"
#include "model/reason.h"

enum answer {
    THERE,
    ANOTHER, /* of that name, with another UID */
    ABSENT,
    SILENT /* the platform does not answer */
};

struct fake {
    enum answer answer;
    int asked;
};

static struct err *read_plan(void *self, const char *namespace_, const char *name,
                             struct json **out)
{
    struct fake *fake = self;
    const char *text = fake->answer == THERE ? "{\"metadata\":{\"uid\":\"u1\"}}"
                                             : "{\"metadata\":{\"uid\":\"u2\"}}";

    fake->asked++;
    if (fake->answer == ABSENT) {
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND, "no %s/%s", namespace_, name);
    }
    if (fake->answer == SILENT) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "no answer");
    }
    return json_parse(text, strlen(text), "test", out);
}

static const struct platform_ops ops = { .read_plan = read_plan };
static const struct owner_key key = { .namespace_ = "shop", .name = "old", .uid = "u1" };

Test(owners, who_counts_as_gone)
{
    static const struct {
        const char *rule;
        enum answer answer;
        bool gone;
    } rows[] = {
        { "a plan with the UID exists", THERE, false },
        { "another plan of that name is not the owner", ANOTHER, true },
        { "no plan of that name", ABSENT, true },
        { "a plan that cannot be asked exists", SILENT, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct owners owners;
        struct fake fake = { .answer = rows[i].answer };
        const struct platform platform = { .self = &fake, .ops = &ops };
        owners_init(&owners);
        cr_expect_eq(owners_gone(&owners, &platform, &key, 0), rows[i].gone, "%s", rows[i].rule);
        owners_done(&owners);
    }
}

Test(owners, a_thousand_databases_ask_once)
{
    struct owners owners;
    struct fake fake = { .answer = ABSENT };
    const struct platform platform = { .self = &fake, .ops = &ops };
    AUTO(owner_list_done) struct owner_list list = { 0 };
    int64_t now_ms = clock_mono_ms();

    owners_init(&owners);
    for (int i = 0; i < 1000; i++) {
        owner_list_add(&list, &owners, &key, now_ms);
    }
    cr_assert_eq(list.count, 1);
    cr_expect(owners_gone(&owners, &platform, &key, now_ms));
    for (int i = 0; i < 1000; i++) {
        bool gone = false;
        cr_assert(owners_recall(&owners, &key, now_ms, &gone));
        cr_assert(gone);
    }
    cr_expect_eq(fake.asked, 1);
    owners_done(&owners);
}

Test(owners, a_memory_has_an_end)
{
    struct owners owners;
    struct fake fake = { .answer = THERE };
    const struct platform platform = { .self = &fake, .ops = &ops };
    int64_t now_ms = clock_mono_ms();
    bool gone = false;

    owners_init(&owners);
    cr_expect_not(owners_recall(&owners, &key, now_ms, &gone), "nobody was asked yet");
    cr_expect_not(owners_gone(&owners, &platform, &key, now_ms));
    int64_t asked_ms = clock_mono_ms();
    cr_expect(owners_recall(&owners, &key, now_ms, &gone));
    cr_expect_not(owners_recall(&owners, &key, asked_ms + OWNER_EXISTS_MS + 1, &gone),
                  "who exists may go");
    cr_expect(owners_newest(&owners, &key, &gone) && !gone, "what was said stands until then");
    fake.answer = ABSENT;
    owners_forget(&owners, "shop", "old");
    cr_expect_not(owners_recall(&owners, &key, now_ms, &gone), "it went: nobody knows");
    cr_expect_not(owners_newest(&owners, &key, &gone));
    cr_expect(owners_gone(&owners, &platform, &key, now_ms));
    asked_ms = clock_mono_ms();
    cr_expect(owners_recall(&owners, &key, now_ms + OWNER_EXISTS_MS + 1, &gone) && gone);
    cr_expect_not(owners_recall(&owners, &key, asked_ms + OWNER_GONE_MS + 1, &gone));
    owners_done(&owners);
}

Test(owners, whoever_takes_over_asks_again)
{
    struct owners owners;
    struct fake fake = { .answer = ABSENT };
    const struct platform platform = { .self = &fake, .ops = &ops };
    int64_t now_ms = clock_mono_ms();
    bool gone = true;

    owners_init(&owners);
    cr_expect(owners_gone(&owners, &platform, &key, now_ms));
    fake.answer = THERE; /* restored from a backup, with its UID */
    int64_t later_ms = clock_mono_ms() + 1;
    cr_expect_not(owners_gone(&owners, &platform, &key, later_ms), "the memory does not count");
    cr_expect_eq(fake.asked, 2);
    cr_expect(owners_recall(&owners, &key, now_ms, &gone) && !gone, "and is put right");
    owners_done(&owners);
}

Test(owners, whose_lease_is_asked_about)
{
    static char u1[] = "u1", mine[] = "mine", shop[] = "shop", old[] = "old", here[] = "c",
                there[] = "d";
    const struct mplan plan = { .uid = mine };
    static const struct {
        const char *rule;
        struct lease lease;
        bool asked;
    } rows[] = {
        { "another plan",
          { .present = true,
            .owner_plan_uid = u1,
            .owner_namespace = shop,
            .owner_name = old,
            .owner_cluster = here },
          true },
        { "none", { .present = false }, false },
        { "ours",
          { .present = true,
            .owner_plan_uid = mine,
            .owner_namespace = shop,
            .owner_name = old,
            .owner_cluster = here },
          false },
        { "another cluster's",
          { .present = true,
            .owner_plan_uid = u1,
            .owner_namespace = shop,
            .owner_name = old,
            .owner_cluster = there },
          false },
        { "without a name",
          { .present = true, .owner_plan_uid = u1, .owner_cluster = here },
          false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct owner_key found;
        cr_expect_eq(owners_key(&rows[i].lease, &plan, here, &found), rows[i].asked, "%s",
                     rows[i].rule);
    }
}
