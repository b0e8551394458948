/* SPDX-License-Identifier: Apache-2.0 */
/* One assignment on one database: what a Job does. Everything is checked before anything is done; the last word is one line
 * of JSON in a file. */
#pragma once
#include <stdint.h>

struct run_order {           /* borrowed */
    const char *assignment;  /* folder with manifest.json and the SQL */
    const char *sha256;      /* of manifest.json, checked first */
    const char *credentials; /* folder of the database Secret's keys */
    const char *result;      /* the file of the verdict; NULL: /dev/termination-log */
    const char *job;         /* kept in the lease for people; NULL: none */
    int64_t alive_fd;        /* standalone: the descriptor that holds the Job's lock; 0: none */
    int64_t lock_wait_ms;    /* 0: 10 s */
};

/* From a process that has nothing else to do: takes its signals, bounds its memory, logs to its log. The exit code. */
int runner_run(const struct run_order *order);
