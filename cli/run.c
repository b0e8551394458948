/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice run`: one assignment on one database, inside a Job (runner/). */
#include <stddef.h>
#include <unistd.h>
#include "base/log.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "database/credentials.h"
#include "model/reason.h"
#include "runner/runner.h"

struct run_values {
    struct run_order order;
    const char *log_level;
};

#define ROW(name, type, value, help, field)                                                        \
    {                                                                                              \
        name, 0, type, value, help, offsetof(struct run_values, field)                             \
    }
static const struct option_row run_rows[] = {
    ROW("assignment", OPTION_TEXT, "DIR", "folder with manifest.json and the SQL",
        order.assignment),
    ROW("assignment-sha256", OPTION_TEXT, "HEX", "SHA-256 of manifest.json, checked first",
        order.sha256),
    ROW("credentials", OPTION_TEXT, "DIR", "folder of the database Secret's keys",
        order.credentials),
    ROW("result", OPTION_TEXT, "FILE", "where the verdict goes (default /dev/termination-log)",
        order.result),
    ROW("job", OPTION_TEXT, "NAME", "name of the Job, kept in the lease for people", order.job),
    ROW("alive-fd", OPTION_NUMBER, "N", "standalone: the descriptor that holds the Job's lock",
        order.alive_fd),
    ROW("lock-wait", OPTION_DURATION, "TIME", "how long to wait for another runner (default 10s)",
        order.lock_wait_ms),
    ROW("log-level", OPTION_WORD, CLI_LOG_LEVELS, "lines of this level and above (default info)",
        log_level),
};

const struct cli_spec run_spec = {
    .command = "run",
    .synopsis = "--assignment DIR --assignment-sha256 HEX --credentials DIR",
    .about = "Applies one assignment of the controller to one database. Meant for Jobs; people use"
             " sluice migrate.",
    .rows = run_rows,
    .row_count = sizeof run_rows / sizeof *run_rows,
};

static struct err *check_values(const struct run_values *values)
{
    if (!values->order.assignment || !values->order.sha256 || !values->order.credentials) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "--assignment, --assignment-sha256 and --credentials are needed");
    }
    log_setup(STDOUT_FILENO, cli_log_level(values->log_level));
    return NULL;
}

int run_main(int argc, char **argv)
{
    struct run_values values = { 0 };
    bool help = false;

    credentials_protect_process();
    struct err *failed = cli_parse(&run_spec, argc, argv, &values, NULL, &help);
    if (help) {
        return 0;
    }
    failed = failed ? failed : check_values(&values);
    return failed ? cli_fail("run", failed, false) : runner_run(&values.order);
}
