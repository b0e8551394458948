/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's three HTTP servers: metrics, health, push webhooks (kubernetes.md 7, S26-S28). */
#pragma once
#include "controller/core.h"

struct err *servers_start(struct controller *c) ERR_MUST_USE;
void servers_stop(struct controller *c);
