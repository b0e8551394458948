/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an informer: its state, shared by the thread (watching.c) and the readers (informer.c). */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "k8s/client/client.h"
#include "k8s/client/informer.h"
#include "k8s/client/reflector.h"
#include "k8s/client/store.h"

struct informer {
    struct informer_spec spec; /* texts owned */
    char *query;               /* selectors, "&"-led, encoded */
    pthread_t thread;
    atomic_bool stop;
    atomic_bool synced;
    atomic_llong heard_ms;
    struct reflector reflector; /* the thread's own */
    pthread_mutex_t lock;       /* over all below */
    pthread_cond_t changed;
    struct store store;
    char *rv;            /* the store has reached it; NULL before the first list */
    struct err *problem; /* NULL: the last contact went well */
};

void *watching_main(void *payload); /* an informer's thread; payload: the informer */
