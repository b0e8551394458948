/* SPDX-License-Identifier: Apache-2.0 */
/* The resolved `migrations` and `execution` parts of a plan for one database; also filled from
 * flags on the command line. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"
#include "model/naming.h"
#include "model/version.h"

enum target_kind {
    TARGET_LATEST,
    TARGET_CURRENT,
    TARGET_NEXT,
    TARGET_VERSION
};

struct ignore_pattern { /* type:state, docs/reference/flyway.md 4.6 */
    enum {
        IGNORE_ANY_TYPE,
        IGNORE_REPEATABLE,
        IGNORE_VERSIONED
    } type;
    enum {
        IGNORE_ANY_STATE,
        IGNORE_MISSING,
        IGNORE_PENDING,
        IGNORE_IGNORED,
        IGNORE_FUTURE
    } state;
};

struct migrations_options {
    char *table;  /* owned; default flyway_schema_history */
    char *schema; /* owned; NULL: the session's default */
    enum target_kind target;
    struct version target_version; /* with TARGET_VERSION */
    bool target_optional;          /* "2.1?" */
    bool out_of_order;
    bool baseline_on_migrate;
    struct version baseline_version;  /* default 1 */
    char *baseline_description;       /* owned; default << Flyway Baseline >> */
    struct ignore_pattern ignore[16]; /* default *:future */
    int ignore_count;
    struct kvlist placeholders;
    bool placeholder_replacement; /* default true */
    struct naming naming;
};

enum old_sessions {
    OLD_SESSIONS_WAIT,
    OLD_SESSIONS_TERMINATE
};

struct execution_options {
    int64_t lock_timeout_ms;      /* 1000 */
    int64_t lock_retry_for_ms;    /* 600000 */
    int64_t statement_timeout_ms; /* 0: none */
    int64_t deadline_ms;          /* 86400000 */
    enum old_sessions old_sessions;
    bool allow_superuser;
    bool show_values; /* messages of the server's keep the values that they quote */
};

void migrations_options_init(struct migrations_options *out); /* Flyway's defaults */
void migrations_options_copy(const struct migrations_options *from, struct migrations_options *out);
/* The spec's names, for manifests: every field but `naming`, which the list of files there has settled. Owned. */
struct json;
struct json *migrations_options_json(const struct migrations_options *m);
void migrations_options_done(struct migrations_options *options);
void execution_options_init(
    struct execution_options *out); /* docs/reference/migrationplan.md 1's defaults */
/* "*:future" -> pattern; false: not one. */
bool ignore_pattern_parse(const char *text, struct ignore_pattern *out);
#define IGNORE_TEXT_LEN 24
void ignore_pattern_format(const struct ignore_pattern *pattern, char out[IGNORE_TEXT_LEN]);
/* latest current next 2.1 2.1? ; false: not one. */
bool migrations_target_parse(const char *text, struct migrations_options *out);
void migrations_target_format(const struct migrations_options *options, char out[VERSION_MAX + 2]);
