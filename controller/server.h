/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's HTTP servers: metrics, health, push webhooks (docs/reference/migrationplan.md 7). */
#pragma once
#include "controller/internal.h"

struct err *servers_start(struct controller *c) ERR_MUST_USE;
void servers_stop(struct controller *c);
