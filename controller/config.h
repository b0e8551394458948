/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller was told on its command line. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lead { /* who may work; held NULL: we, always */
    bool (*held)(void *payload);
    bool (*healthy)(void *payload); /* for liveness */
    void (*release)(void *payload); /* after all work, before the platform is closed */
    void *payload;
};

struct config {
    const char *standalone;  /* DIR */
    const char *absolute;    /* the same, as a command elsewhere names it; NULL: a cluster */
    const char *namespace_;  /* NULL: every one */
    unsigned allow_schemes;  /* REPO_ALLOW_... */
    int64_t min_interval_ms; /* floor of polls and inspections */
    int64_t stuck_ms;        /* age of a task at which /healthz fails */
    bool anonymous_metrics;  /* /metrics names no plan */
    int workers;
    size_t source_memory; /* bytes of migration files held for all plans together */
    const char *metrics_addr, *health_addr, *hook_addr; /* NULL: off */
    bool may_move
        [3]; /* ... in this order: nobody has named it; when it is taken, any free port will do */
    const char *bind_host;     /* for an address without a host */
    int64_t inspection_memory; /* bytes that the answer of one database may take */
    const char *cache_dir;     /* clones */
    const char *scratch_dir;
    const char *ports_file; /* NULL: none */
    struct lead lead;
};

static inline bool config_leads(const struct config *config)
{
    return !config->lead.held || config->lead.held(config->lead.payload);
}
