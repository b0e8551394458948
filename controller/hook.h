/* SPDX-License-Identifier: Apache-2.0 */
/* POST /hook/NAMESPACE/PLAN: a push webhook. Who has no valid signature learns nothing, not even whether
 * there is such a plan, and uses up nothing that another one needs. Any thread. */
#pragma once
#include "controller/http.h"

#define HOOK_BODY_MAX                                                                              \
    (1024 * 1024) /* bytes; pushes of the big servers stay under 1 MiB in practice */

struct controller;

/* An http_handler_fn with the controller as payload. */
void hook_answer(void *payload, const struct http_request *request, struct http_response *r);
void hook_done(void); /* after the server has stopped: frees what it remembers */
