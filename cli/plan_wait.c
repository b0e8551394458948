/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one plan to change. */
#include "cli/plan_wait.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/reason.h"

#define LOOK_MS 1000

static void on_change(void *payload, enum platform_kind kind, const char *namespace_,
                      const char *name)
{
    const struct plan_wait *w = payload;
    uint64_t one = 1;

    (void)kind;
    (void)namespace_;
    (void)name;
    if (write(w->wake_fd, &one, sizeof one) < 0) {
        return; /* it is awake already */
    }
}

struct err *plan_wait_open(const char *command, const struct plan_args *args, const char *word,
                           int64_t timeout_ms, struct plan_wait *out)
{
    *out = (struct plan_wait){ .command = command,
                               .wake_fd = -1,
                               .end_ms = clock_mono_ms() + timeout_ms };
    TRY(plan_word(word, &out->name));
    TRY(plans_open(args, &out->platform));
    out->namespace_ = plans_namespace(args, &out->platform);
    out->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return out->platform.ops->watch(out->platform.self, on_change, out);
}

void plan_wait_done(struct plan_wait *wait)
{
    plans_close(&wait->platform); /* no change is announced after it */
    free(wait->unattended);
    if (wait->wake_fd >= 0) {
        close(wait->wake_fd);
    }
}

/* Said once, when it is seen: a person may start one now. */
static void look_for_controller(struct plan_wait *wait)
{
    char *now = plans_unattended(&wait->platform);

    if (now && !wait->unattended) {
        complain("sluice %s: %s\n", wait->command, now);
    }
    free(wait->unattended);
    wait->unattended = now;
}

struct err *plan_wait_look(struct plan_wait *wait, struct json **out)
{
    const struct platform *p = &wait->platform;

    look_for_controller(wait);
    json_free(*out);
    *out = NULL;
    struct err *failed = p->ops->read_plan(p->self, wait->namespace_, wait->name, out);
    if (failed && str_eq(failed->reason, REASON_NOT_FOUND)) {
        err_free(failed);
        return NULL;
    }
    return failed;
}

bool plan_wait_transient(const struct err *failed)
{
    return failed->kind == ERR_TRANSIENT && !str_eq(failed->reason, REASON_FORBIDDEN);
}

const char *plan_wait_why(const struct plan_wait *wait)
{
    return wait->unattended ? wait->unattended : "";
}

bool plan_wait_late(const struct plan_wait *wait)
{
    return clock_mono_ms() >= wait->end_ms;
}

void plan_wait_sleep(const struct plan_wait *wait)
{
    struct pollfd fd = { .fd = wait->wake_fd, .events = POLLIN };
    int64_t left_ms = wait->end_ms - clock_mono_ms();
    uint64_t count;

    left_ms = left_ms < 0 ? 0 : left_ms;
    (void)poll(&fd, 1, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS));
    if (read(wait->wake_fd, &count, sizeof count) < 0) {
        return; /* time is up, or a look for safety */
    }
}

struct err *plan_wait_missing(const struct plan_wait *wait)
{
    return err_new(ERR_TERMINAL, REASON_NOT_FOUND, "there is no MigrationPlan %s/%s",
                   wait->namespace_, wait->name);
}
