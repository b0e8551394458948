/* SPDX-License-Identifier: Apache-2.0 */
/* The platform's own struct, shared by local.c (functions) and watch.c (its thread). */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include "local/jobs.h"
#include "local/manifests.h"
#include "local/state.h"
#include "model/platform.h"

struct local {
    char *dir;            /* absolute; owned */
    bool owner;           /* the controller; else a reader */
    int lock_fd;          /* .sluice/lock */
    pthread_mutex_t lock; /* over manifests, state, jobs */
    struct manifests manifests;
    struct state state;
    struct jobs jobs;
    /* the watching thread */
    pthread_t thread;
    bool watching;
    atomic_bool stop;
    int inotify_fd, wake_fd;
    platform_changed_fn *changed;
    void *payload;
    struct timespec requests;   /* mtime of the overlay folder at the last look */
    int64_t unsettled_since_ms; /* mono; 0: no manifest is being written */
    struct timespec states;     /* mtime of the plans folder (readers) */
    uint64_t problems_hash;     /* of the last announced problems */
};

struct err *local_settle_all(struct local *l, struct manifests_changes *out) ERR_MUST_USE;
struct err *local_settle_changed(struct local *l, const struct manifests_changes *changes,
                                 struct manifests_changes *out) ERR_MUST_USE;
struct err *local_delete_absent(struct local *l, struct manifests_changes *out) ERR_MUST_USE;

struct err *local_watch(void *self, platform_changed_fn *changed, void *payload);
void local_watch_stop(struct local *l);
void local_wake(struct local *l);
/* Makes .sluice, takes its lock and writes who we are. ERR_WAIT ControllerRunning naming who has it; ERR_TERMINAL InvalidSpec:
 * others may use that folder. */
struct err *local_lock(struct local *l) ERR_MUST_USE;
/* The controller was here: the time of .sluice/lock. */
void local_sign(const struct local *l);
