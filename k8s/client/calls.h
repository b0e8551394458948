/* SPDX-License-Identifier: Apache-2.0 */
/* What calls and streams share. */
#pragma once
#include "k8s/client/client.h"

void kube_enter(struct kube *kube); /* kube_close() waits for those inside */
void kube_leave(struct kube *kube);
void kube_count(struct kube *kube, const char *method, int code);
void kube_call_hook(struct kube *kube, const char *when, const char *verb, const char *path);
/* Waits for the rate limit. False: cancelled. */
bool kube_take_turn(struct kube *kube, const atomic_bool *cancel);
/* How a transfer ended without an answer. Never NULL. */
struct err *kube_transfer_error(const char *verb, const char *path, enum transfer_end end,
                                const char *said);
