/* SPDX-License-Identifier: Apache-2.0 */
/* The controller as a whole: it runs on a platform until a signal ends it. */
#pragma once
#include "base/err.h"
#include "controller/config.h"
#include "model/platform.h"

/* Call before any thread is made: signals are left to one thread of ours. */
void controller_block_signals(void);
/* Runs until SIGTERM or SIGINT; running Jobs go on. Takes the platform and closes it. */
struct err *controller_run(const struct config *config, struct platform platform) ERR_MUST_USE;
