/* SPDX-License-Identifier: Apache-2.0 */
/* Who may take the lease, with which epoch, and who becomes the owner. */
#include <criterion/criterion.h>
#include "base/auto.h"
#include "database/engine.h"
#include "model/reason.h"

#define FREE 0 /* a lease row without owner */
#define MINE 1
#define OTHER 2
#define ENTRY 3 /* another entry of the same plan */
#define ABSENT 4

struct owner_case {
    const char *rule;
    bool command; /* no owner in the request */
    int row;
    enum ownership ownership;
    const char *reason; /* NULL: may take it */
    bool writes;
};

static const struct owner_case owner_cases[] = {
    { "a command never becomes the owner", true, ABSENT, OWNERSHIP_KEEP, NULL, false },
    { "a command may work on an owned database", true, OTHER, OWNERSHIP_KEEP, NULL, false },
    { "Keep goes on as the owner", false, MINE, OWNERSHIP_KEEP, NULL, false },
    { "Keep of a database that lost its lease is stale", false, ABSENT, OWNERSHIP_KEEP,
      REASON_ASSIGNMENT_STALE, false },
    { "Keep of a database that lost its owner is stale", false, FREE, OWNERSHIP_KEEP,
      REASON_ASSIGNMENT_STALE, false },
    { "Keep of another plan's database is a conflict", false, OTHER, OWNERSHIP_KEEP,
      REASON_TARGET_ID_CONFLICT, false },
    { "Keep of another entry's database is a conflict", false, ENTRY, OWNERSHIP_KEEP,
      REASON_TARGET_ID_CONFLICT, false },
    { "Adopt takes a new database", false, ABSENT, OWNERSHIP_ADOPT, NULL, true },
    { "Adopt takes a database that only commands knew", false, FREE, OWNERSHIP_ADOPT, NULL, true },
    { "Adopt again changes nothing", false, MINE, OWNERSHIP_ADOPT, NULL, false },
    { "Adopt of an owned database is a conflict", false, OTHER, OWNERSHIP_ADOPT,
      REASON_TARGET_ID_CONFLICT, false },
    { "Adopt of another entry's database is a conflict", false, ENTRY, OWNERSHIP_ADOPT,
      REASON_TARGET_ID_CONFLICT, false },
    { "TakeOver replaces an owner that is gone", false, OTHER, OWNERSHIP_TAKE_OVER, NULL, true },
    { "Accept replaces the owner that a person gave up", false, OTHER, OWNERSHIP_ACCEPT, NULL,
      true },
    { "Accept of our own changes nothing", false, MINE, OWNERSHIP_ACCEPT, NULL, false },
};

static char *c(const char *text)
{
    return (char *)(uintptr_t)text;
}

static struct lease lease_of(int row)
{
    struct lease lease = {
        .present = row != ABSENT, .format_version = 1, .epoch = 3, .holder = c("somebody")
    };
    if (row == MINE || row == OTHER || row == ENTRY) {
        lease.owner_plan_uid = c(row == OTHER ? "uid-other" : "uid");
        lease.owner_namespace = c("default");
        lease.owner_name = c("shop");
        lease.owner_database = c(row == ENTRY ? "billing" : "orders");
        lease.owner_cluster = c("cluster");
    }
    return lease;
}

static struct apply_request request_of(bool command, enum ownership ownership)
{
    struct apply_request request = { .ownership = ownership };
    if (!command) {
        request.owner = (struct owner){ "uid", "default", "shop", "orders", "cluster" };
    }
    return request;
}

Test(lease, ownership_follows_the_table)
{
    for (size_t i = 0; i < sizeof owner_cases / sizeof *owner_cases; i++) {
        const struct owner_case *k = &owner_cases[i];
        const struct lease lease = lease_of(k->row);
        const struct apply_request request = request_of(k->command, k->ownership);
        bool writes = false;
        AUTO(err_free_auto) struct err *e = lease_check(&lease, &request, &writes);
        cr_expect_eq(e == NULL, k->reason == NULL, "%s", k->rule);
        if (e && k->reason) {
            cr_expect_str_eq(e->reason, k->reason, "%s", k->rule);
        }
        cr_expect_eq(writes, k->writes, "%s", k->rule);
    }
}

static struct err *ask(void *payload, const struct lease *lease)
{
    int *asked = payload;
    (void)lease;
    ++*asked;
    return err_new(ERR_TERMINAL, REASON_TARGET_ID_CONFLICT, "asked");
}

Test(lease, a_command_asks_where_somebody_owns)
{
    static const int rows[] = { ABSENT, FREE, MINE, OTHER };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct lease lease = lease_of(rows[i]);
        int asked = 0;
        struct apply_request request = request_of(true, OWNERSHIP_KEEP);
        request.owned = ask;
        request.owned_payload = &asked;
        bool writes = false;
        AUTO(err_free_auto) struct err *e = lease_check(&lease, &request, &writes);
        const bool owned = rows[i] == MINE || rows[i] == OTHER;
        cr_expect(asked == owned && !e == !owned && !writes, "row %d", rows[i]);
        request = request_of(false, OWNERSHIP_TAKE_OVER);
        request.owned = ask; /* a plan's own Job knows whose it is */
        request.owned_payload = &asked;
        err_free(lease_check(&lease, &request, &writes));
        cr_expect(asked == owned, "row %d", rows[i]);
    }
}

Test(lease, ours_is_plan_entry_and_cluster)
{
    const struct owner owner = { "uid", "default", "shop", "orders", "cluster" };
    const struct owner nobody = { 0 };
    struct lease lease = lease_of(MINE);
    cr_expect(lease_is_ours(&lease, &owner));
    lease.owner_cluster = c("another");
    cr_expect_not(lease_is_ours(&lease, &owner));
    cr_expect(lease_is_ours(&lease, &nobody));
}

struct epoch_case {
    const char *rule;
    enum lease_mode mode;
    bool present;
    int64_t epoch, attempt; /* in the row */
    int64_t asked;          /* the Job's attempt */
    int64_t want;           /* 0: refused */
    const char *reason;
    bool fenced;
};

static const struct epoch_case epoch_cases[] = {
    { "a command starts at 1", LEASE_COMMAND, false, 0, 0, 0, 1, NULL, false },
    { "a command adds one, whatever a Job had", LEASE_COMMAND, true, 7, 7, 0, 8, NULL, false },
    { "a first Job takes its attempt", LEASE_JOB, false, 0, 0, 4, 4, NULL, false },
    { "a Job takes its attempt over a smaller epoch", LEASE_JOB, true, 3, 3, 4, 4, NULL, false },
    { "a Job skips to its attempt", LEASE_JOB, true, 3, 0, 9, 9, NULL, false },
    { "a Job that was started twice is busy", LEASE_JOB, true, 4, 4, 4, 0, REASON_DATABASE_BUSY,
      true },
    { "also after its epoch was bumped for a lost COMMIT", LEASE_JOB, true, 6, 4, 4, 0,
      REASON_DATABASE_BUSY, true },
    { "a Job overtaken by a later one is stale", LEASE_JOB, true, 5, 5, 4, 0,
      REASON_ASSIGNMENT_STALE, false },
    { "a Job overtaken by a command is stale", LEASE_JOB, true, 4, 0, 4, 0, REASON_ASSIGNMENT_STALE,
      false },
};

Test(lease, epochs_follow_the_table)
{
    for (size_t i = 0; i < sizeof epoch_cases / sizeof *epoch_cases; i++) {
        const struct epoch_case *k = &epoch_cases[i];
        const struct lease lease = { .present = k->present,
                                     .epoch = k->epoch,
                                     .attempt = k->attempt };
        const struct apply_request request = { .lease = k->mode, .attempt = k->asked };
        int64_t epoch = 0;
        bool fenced = false;
        AUTO(err_free_auto) struct err *e = lease_next_epoch(&lease, &request, &epoch, &fenced);
        cr_expect_eq(e == NULL, k->reason == NULL, "%s", k->rule);
        if (e && k->reason) {
            cr_expect_str_eq(e->reason, k->reason, "%s", k->rule);
        }
        cr_expect_eq(epoch, k->want, "%s", k->rule);
        cr_expect_eq(fenced, k->fenced, "%s", k->rule);
    }
}

Test(lease, a_session_name_fits_the_server)
{
    char name[64];
    lease_session_name("1f0c2a9b-1111-4222-8333-444455556666", INT64_MAX,
                       "ab12cd34ab12cd34ab12cd34ab12cd34", name);
    cr_expect_str_eq(name, "sluice/1f0c2a9b/9223372036854775807/ab12cd34");
}
