/* SPDX-License-Identifier: Apache-2.0 */
/* Events of events.k8s.io/v1 for `kubectl get events` and `describe`: best effort, never in the way. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "k8s/client/kube.h"

struct events;

struct events_options { /* borrowed for the call */
    struct kube *kube;
    const char *controller; /* reportingController: "sluice.dev/controller" */
    const char *instance;   /* reportingInstance: the pod's name */
};

struct event_object { /* borrowed for the call; NULL: not known */
    const char *api_version, *kind, *namespace_, *name, *uid, *resource_version;
};

struct event {
    bool warning;
    const char *reason; /* CamelCase */
    const char *action; /* what was done or tried; NULL: as reason */
    const char *note;   /* for people; cut at 1 KiB */
    struct event_object regarding;
    struct event_object related; /* kind NULL: none */
};

struct err *events_open(const struct events_options *options, struct events **out) ERR_MUST_USE;
/* Queues and returns at once. A full queue (1000) drops the event. Thread-safe. */
void events_add(struct events *events, const struct event *event);
/* Sends what is queued for at most flush_ms, then drops the rest. */
void events_close(struct events *events, int64_t flush_ms);
int64_t events_dropped(struct events *events);
