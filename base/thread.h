/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that take no signals, and waits on the monotonic clock. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/* ERR_TRANSIENT InternalError when the system has no thread to give. */
struct err *thread_start(pthread_t *out, void *(*run)(void *payload), void *payload) ERR_MUST_USE;

/* Each pairs with the pthread functions' own _destroy and _signal. */
void thread_cond_init(pthread_cond_t *cond);
/* False: the deadline (clock_mono_ms()) has passed. Wakes up for nothing, too. */
bool thread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms);
