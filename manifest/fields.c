/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself (docs/reference/migrationplan.md 1). */
#include "manifest/fields.h"
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/mplan.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)
#define TABLE(fields_) .fields = (fields_), .count = sizeof(fields_) / sizeof *(fields_)

#define AT(type_, member) .offset = offsetof(struct type_, member)
#define LATER(key_)                                                                                \
    {                                                                                              \
        .key = (key_), .type = MPLAN_LATER                                                         \
    }
#define BOOL(key_, fallback_, ...)                                                                 \
    {                                                                                              \
        .key = (key_), .type = MPLAN_BOOL, .fallback = (fallback_), __VA_ARGS__                    \
    }
#define DURATION(key_, fallback_, min_, max_, ...)                                                 \
    {                                                                                              \
        .key = (key_), .type = MPLAN_DURATION, .fallback = (fallback_), .min = (min_),             \
        .max = (max_), __VA_ARGS__                                                                 \
    }
#define OBJECT(key_, table_, ...)                                                                  \
    {                                                                                              \
        .key = (key_), .type = MPLAN_OBJECT, .table = &(table_), __VA_ARGS__                       \
    }

/* ---- words --------------------------------------------------------------------------------- */

static const struct mplan_word format_words[] = { { "Flyway", 0 }, { NULL, 0 } };
static const struct mplan_word strategy_words[] = { { "AllAtOnce", STRATEGY_ALL_AT_ONCE },
                                                    { "Canary", STRATEGY_CANARY },
                                                    { NULL, 0 } };
static const struct mplan_word old_sessions_words[] = { { "Wait", OLD_SESSIONS_WAIT },
                                                        { "Terminate", OLD_SESSIONS_TERMINATE },
                                                        { NULL, 0 } };
static const struct mplan_word deletion_words[] = { { "Wait", DELETION_WAIT },
                                                    { "Cancel", DELETION_CANCEL },
                                                    { NULL, 0 } };
static const struct mplan_word tls_words[] = { { "verify-full", TLS_VERIFY_FULL },
                                               { "verify-ca", TLS_VERIFY_CA },
                                               { "require", TLS_REQUIRE },
                                               { "disable", TLS_DISABLE },
                                               { NULL, 0 } };
static const struct mplan_word engine_words[] = { { "postgresql", ENGINE_POSTGRESQL },
                                                  { "mysql", ENGINE_MYSQL },
                                                  { "mariadb", ENGINE_MARIADB },
                                                  { NULL, 0 } };

/* ---- source -------------------------------------------------------------------------------- */

static const char *one_of_keys(const struct json *o, const char *const *keys, const char *problem)
{
    int found = 0;
    for (; *keys; keys++) {
        found += json_get(o, *keys) != NULL;
    }
    return found == 1 ? NULL : problem;
}

/* ref: one of four keys decides kind and text. */
static const char *check_ref(const struct json *o, void *base)
{
    static const char *const keys[] = { "branch", "tag", "commit", "name", NULL };
    const char *problem = one_of_keys(o, keys, "needs exactly one of branch, tag, commit, name");
    for (int i = 0; keys[i] && !problem; i++) {
        const char *text = json_get_string(o, keys[i]);
        if (text) {
            struct mplan_source *source = base;
            source->ref_kind = (unsigned)i;
            mem_strset(&source->ref, text);
        }
    }
    return problem;
}

#define NO_PLACE .offset = MPLAN_NO_PLACE /* read by the table's check */

static const struct mplan_field ref_fields[] = {
    { "branch", MPLAN_STRING, GRAMMAR_REF, .min = 1, .max = 250, NO_PLACE },
    { "tag", MPLAN_STRING, GRAMMAR_REF, .min = 1, .max = 250, NO_PLACE },
    { "commit", MPLAN_STRING, GRAMMAR_COMMIT, .min = 40, .max = 64, NO_PLACE },
    { "name", MPLAN_STRING, GRAMMAR_FULL_REF, .min = 6, .max = 250, NO_PLACE },
    LATER("semver"),
};
static const struct mplan_table ref_table = { TABLE(ref_fields), .check = check_ref };

static const struct mplan_field source_secret_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_NAME, true, 1, 253, AT(mplan_source, secret_name) },
};
static const struct mplan_table source_secret_table = { TABLE(source_secret_fields) };

static const struct mplan_field hook_secret_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_NAME, true, 1, 253, AT(mplan_source, webhook_secret_name) },
};
static const struct mplan_table hook_secret_table = { TABLE(hook_secret_fields) };
static const struct mplan_field webhook_fields[] = {
    OBJECT("secretRef", hook_secret_table, .required = true),
};
static const struct mplan_table webhook_table = { TABLE(webhook_fields) };

static const struct mplan_field source_fields[] = {
    { "url", MPLAN_STRING, GRAMMAR_URL, true, 1, LIMIT_URL, AT(mplan_source, url) },
    OBJECT("ref", ref_table, .fallback = "{\"branch\":\"main\"}"),
    /* sql/${database} with spec.databases, required with the selector: check_spec() */
    { "paths", MPLAN_STRINGS, GRAMMAR_PATH, .min = 1, .max = MPLAN_PATHS_MAX,
      AT(mplan_source, paths) },
    DURATION("interval", "\"1m\"", 100, YEAR, AT(mplan_source, interval_ms)),
    DURATION("timeout", "\"60s\"", SECOND, 600 * SECOND, AT(mplan_source, timeout_ms)),
    BOOL("allowRewrite", "false", AT(mplan_source, allow_rewrite)),
    OBJECT("secretRef", source_secret_table),
    OBJECT("webhook", webhook_table),
    LATER("sourceRef"),
    LATER("verify"),
};
static const struct mplan_table source_table = { TABLE(source_fields) };

/* ---- migrations ---------------------------------------------------------------------------- */

#define M(member) AT(migrations_options, member)

static const struct mplan_field migrations_fields[] = {
    { "format", MPLAN_ENUM, .fallback = "\"Flyway\"", .words = format_words, NO_PLACE },
    { "table", MPLAN_STRING, .min = 1, .max = 63, .fallback = "\"flyway_schema_history\"",
      M(table) },
    { "target", MPLAN_TARGET, .fallback = "\"latest\"" },
    BOOL("outOfOrder", "false", M(out_of_order)),
    BOOL("baselineOnMigrate", "false", M(baseline_on_migrate)),
    { "baselineVersion", MPLAN_VERSION, .fallback = "\"1\"", M(baseline_version) },
    { "baselineDescription", MPLAN_STRING, .min = 1, .max = 200,
      .fallback = "\"<< Flyway Baseline >>\"", M(baseline_description) },
    { "ignoreMigrationPatterns", MPLAN_PATTERNS, .max = 16, .fallback = "[\"*:future\"]" },
    { "placeholders", MPLAN_MAP, GRAMMAR_PLACEHOLDERS, .max = LIMIT_PLACEHOLDERS, M(placeholders) },
    BOOL("placeholderReplacement", "true", M(placeholder_replacement)),
    /* No defaults here: an API server would add them for a controller of before, which refuses the fields. */
    { "sqlMigrationPrefix", MPLAN_STRING, GRAMMAR_FILE_NAME, .max = NAMING_TEXT_MAX,
      M(naming.prefix) },
    { "repeatableSqlMigrationPrefix", MPLAN_STRING, GRAMMAR_FILE_NAME, .max = NAMING_TEXT_MAX,
      M(naming.repeatable_prefix) },
    { "sqlMigrationSeparator", MPLAN_STRING, GRAMMAR_FILE_NAME, .min = 1, .max = NAMING_TEXT_MAX,
      M(naming.separator) },
    { "sqlMigrationSuffixes", MPLAN_STRINGS, GRAMMAR_FILE_NAME, .min = 1,
      .max = NAMING_SUFFIXES_MAX, M(naming.suffixes) },
    BOOL("validateMigrationNaming", NULL, M(naming.validate)),
    LATER("placeholdersFrom"),
    LATER("onRevert"),
    LATER("onHistoryRegressed"),
    LATER("encoding"),
    LATER("group"),
    LATER("mixed"),
    LATER("initSql"),
    LATER("createSchemas"),
    LATER("validateOnMigrate"),
    LATER("defaultSchema"),
    LATER("installedBy"),
    LATER("cherryPick"),
    LATER("placeholderPrefix"),
    LATER("placeholderSuffix"),
    LATER("placeholderSeparator"),
};

static const char *check_migrations(const struct json *o, void *base)
{
    (void)o;
    const struct migrations_options *m = base;
    return naming_problem(&m->naming);
}
static const struct mplan_table migrations_table = { TABLE(migrations_fields),
                                                     .check = check_migrations };

/* A database's overrides: no defaults, what is absent is the plan's. */
static const struct mplan_field override_fields[] = {
    { .key = "target", .type = MPLAN_TARGET },
    BOOL("baselineOnMigrate", NULL, M(baseline_on_migrate)),
    { "baselineVersion", MPLAN_VERSION, M(baseline_version) },
    { "baselineDescription", MPLAN_STRING, .min = 1, .max = 200, M(baseline_description) },
    { "placeholders", MPLAN_MAP, GRAMMAR_PLACEHOLDERS, .max = LIMIT_PLACEHOLDERS, M(placeholders) },
    LATER("placeholdersFrom"),
};
static const struct mplan_table override_table = { TABLE(override_fields) };

/* ---- databases ----------------------------------------------------------------------------- */

#define D(member) AT(mplan_database, member)

static const struct mplan_field database_secret_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_NAME, true, 1, 253, D(secret_name) },
};
static const struct mplan_table database_secret_table = { TABLE(database_secret_fields) };

static const struct mplan_field connection_fields[] = {
    { "type", MPLAN_ENUM, .words = engine_words, NO_PLACE },
    { "host", MPLAN_STRING, GRAMMAR_HOST, .min = 1, .max = 253, D(connection.host) },
    { "port", MPLAN_INT, .min = 1, .max = 65535, D(connection.port) },
    { "database", MPLAN_STRING, .min = 1, .max = 64, D(connection.database) },
};

/* connection.type is kept as text. */
static const char *check_connection(const struct json *o, void *base)
{
    struct mplan_database *database = base;
    database->connection.type = mem_strdup(json_get_string(o, "type"));
    return NULL;
}
static const struct mplan_table connection_table = { TABLE(connection_fields),
                                                     .check = check_connection };

static const struct mplan_word ca_words[] = { { "ConfigMap", 0 }, { "Secret", 1 }, { NULL, 0 } };
static const struct mplan_field ca_fields[] = {
    { "kind", MPLAN_ENUM, .required = true, .words = ca_words, NO_PLACE },
    { "name", MPLAN_STRING, GRAMMAR_NAME, true, 1, 253, D(ca_name) },
    { "key", MPLAN_STRING, GRAMMAR_KEY, .min = 1, .max = 253, .fallback = "\"ca.crt\"", D(ca_key) },
};
static const char *check_ca(const struct json *o, void *base)
{
    struct mplan_database *database = base;
    database->ca_kind = mem_strdup(json_get_string(o, "kind"));
    return NULL;
}
static const struct mplan_table ca_table = { TABLE(ca_fields), .check = check_ca };

static const struct mplan_field client_cert_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_NAME, true, 1, 253, D(client_cert_secret) },
};
static const struct mplan_table client_cert_table = { TABLE(client_cert_fields) };

static const struct mplan_field tls_fields[] = {
    { "mode", MPLAN_ENUM, .fallback = "\"verify-full\"", .words = tls_words, D(connection.tls) },
    OBJECT("caRef", ca_table),
    OBJECT("clientCertSecretRef", client_cert_table),
};
static const struct mplan_table tls_table = { TABLE(tls_fields) };

static const struct mplan_field database_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_LABEL_VALUE, true, 1, 63, D(name) },
    OBJECT("secretRef", database_secret_table, .required = true),
    OBJECT("connection", connection_table),
    OBJECT("tls", tls_table),
    { "schema", MPLAN_STRING, .min = 1, .max = 64, D(schema) },
    { "paths", MPLAN_STRINGS, GRAMMAR_PATH, .max = MPLAN_PATHS_MAX, D(paths) },
    { "labels", MPLAN_MAP, GRAMMAR_LABELS, .max = LIMIT_LABELS, D(labels) },
    OBJECT("migrations", override_table, D(migrations)),
};

static void init_database(void *item, const struct mplan *plan)
{
    struct mplan_database *database = item;
    migrations_options_copy(&plan->migrations, &database->migrations);
}

static const char *check_database(const struct json *o, void *base)
{
    (void)o;
    struct mplan_database *database = base;
    mem_strset(&database->migrations.schema, database->schema);
    return database->migrations.placeholders.count > LIMIT_PLACEHOLDERS
               ? "more than 128 placeholders together with the plan's"
               : NULL;
}
static const struct mplan_table database_table = { TABLE(database_fields), .init = init_database,
                                                   .check = check_database };

/* ---- strategy ------------------------------------------------------------------------------ */

#define G(member) AT(mplan_gate, member)
#define W(member) AT(mplan_wave, member)

static const struct mplan_field sql_fields[] = {
    { "query", MPLAN_STRING, .required = true, .min = 1, .max = LIMIT_QUERY, G(query) },
    { "engine", MPLAN_ENUM, .words = engine_words, G(engine) },
    DURATION("interval", "\"30s\"", 100, DAY, G(interval_ms)),
    { "count", MPLAN_INT, .min = 1, .max = 1000, .fallback = "1", G(count) },
    { "failureLimit", MPLAN_INT, .min = 0, .max = 1000, .fallback = "0", G(failure_limit) },
};
static const struct mplan_table sql_table = { TABLE(sql_fields) };

static const struct mplan_field gate_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_LABEL_VALUE, true, 1, 63, G(name) },
    OBJECT("sql", sql_table, .required = true),
    LATER("prometheus"),
    LATER("http"),
    LATER("workloads"),
    LATER("sessions"),
    LATER("replicationLag"),
    LATER("flag"),
    LATER("approval"),
};
static const struct mplan_table gate_table = { TABLE(gate_fields) };

static const struct mplan_field select_fields[] = {
    { "names", MPLAN_STRINGS, GRAMMAR_LABEL_VALUE, .min = 1, .max = LIMIT_DATABASES, W(names) },
    { "matchLabels", MPLAN_MAP, GRAMMAR_LABELS, .min = 1, .max = LIMIT_LABELS, W(labels) },
    { "count", MPLAN_INT, .min = 1, .max = LIMIT_DATABASES, W(amount) },
    { "percent", MPLAN_INT, .min = 1, .max = 100, W(amount) },
};
static const char *check_select(const struct json *o, void *base)
{
    static const char *const keys[] = { "names", "matchLabels", "count", "percent", NULL };
    struct mplan_wave *wave = base;
    for (int i = 0; keys[i]; i++) {
        if (json_get(o, keys[i])) {
            wave->select = (unsigned)i;
        }
    }
    return one_of_keys(o, keys, "needs exactly one of names, matchLabels, count, percent");
}
static const struct mplan_table select_table = { TABLE(select_fields), .check = check_select };

static const struct mplan_field wave_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_LABEL_VALUE, true, 1, 63, W(name) },
    OBJECT("select", select_table, .required = true),
    BOOL("allowEmpty", NULL, W(allow_empty)),
    DURATION("soak", "\"0s\"", 0, YEAR, W(soak_ms)),
    { "gates", MPLAN_LIST, .max = LIMIT_GATES, W(gates), .table = &gate_table,
      .count_offset = offsetof(struct mplan_wave, gate_count),
      .item_size = sizeof(struct mplan_gate) },
};
static const struct mplan_table wave_table = { TABLE(wave_fields) };

#define P(member) AT(mplan, member)

static const struct mplan_field strategy_fields[] = {
    { "type", MPLAN_ENUM, .fallback = "\"Canary\"", .words = strategy_words, P(strategy) },
    { "maxParallel", MPLAN_INT, .min = 1, .max = 1000, .fallback = "4", P(max_parallel) },
    { "maxFailures", MPLAN_INT, .min = 0, .max = LIMIT_DATABASES, .fallback = "0",
      P(max_failures) },
    { "waves", MPLAN_LIST, .max = LIMIT_WAVES, P(waves), .table = &wave_table,
      .count_offset = offsetof(struct mplan, wave_count), .item_size = sizeof(struct mplan_wave) },
    LATER("blueGreen"),
};
static const char *check_strategy(const struct json *o, void *base)
{
    const struct mplan *plan = base;
    (void)o;
    if (plan->strategy == STRATEGY_ALL_AT_ONCE && plan->wave_count) {
        return "waves need type Canary: AllAtOnce has none";
    }
    return plan->wave_count && plan->waves[0].allow_empty
               ? "the first wave must not have allowEmpty: it proves a commit for all others"
               : NULL;
}
static const struct mplan_table strategy_table = { TABLE(strategy_fields),
                                                   .check = check_strategy };

/* ---- windows and freezes ------------------------------------------------------------------- */

#define WINDOW(member) AT(mplan_window, member)
#define MINUTE (60 * SECOND)

static const struct mplan_field window_fields[] = {
    { "schedule", MPLAN_STRING, GRAMMAR_SCHEDULE, true, 1, CRON_TEXT_MAX, WINDOW(schedule) },
    DURATION("duration", NULL, 5 * MINUTE, 7 * DAY, .required = true, WINDOW(duration_ms)),
    { "timeZone", MPLAN_STRING, GRAMMAR_TIME_ZONE, .min = 1, .max = ZONE_NAME_MAX,
      WINDOW(time_zone) },
};
/* The texts are right already: each has been checked by its grammar. */
static const char *check_window(const struct json *o, void *base)
{
    struct mplan_window *window = base;
    (void)o;
    window->zone = zone_get(window->time_zone ? window->time_zone : "UTC");
    return window->schedule ? cron_parse(window->schedule, &window->cron) : NULL;
}
static const struct mplan_table window_table = { TABLE(window_fields), .check = check_window };

static const struct mplan_field freeze_fields[] = {
    { "from", MPLAN_STRING, GRAMMAR_TIME, .min = 1, .max = 64, WINDOW(from) },
    { "to", MPLAN_STRING, GRAMMAR_TIME, .min = 1, .max = 64, WINDOW(to) },
    { "schedule", MPLAN_STRING, GRAMMAR_SCHEDULE, .min = 1, .max = CRON_TEXT_MAX,
      WINDOW(schedule) },
    DURATION("duration", NULL, 5 * MINUTE, 7 * DAY, WINDOW(duration_ms)),
    { "timeZone", MPLAN_STRING, GRAMMAR_TIME_ZONE, .min = 1, .max = ZONE_NAME_MAX,
      WINDOW(time_zone) },
};
static const char *check_freeze(const struct json *o, void *base)
{
    struct mplan_window *freeze = base;
    bool span = freeze->from && freeze->to;
    bool repeats = freeze->schedule && freeze->duration_ms > 0;
    if (span == repeats ||
        (span && (freeze->schedule || freeze->duration_ms || freeze->time_zone)) ||
        (repeats && (freeze->from || freeze->to))) {
        return "needs from and to, or schedule and duration";
    }
    if (!span) {
        return check_window(o, base);
    }
    (void)time_parse(freeze->from, &freeze->from_ms);
    (void)time_parse(freeze->to, &freeze->to_ms);
    return freeze->from_ms < freeze->to_ms ? NULL : "ends before it begins: to must be after from";
}
static const struct mplan_table freeze_table = { TABLE(freeze_fields), .check = check_freeze };

/* ---- execution, spec ----------------------------------------------------------------------- */

static const struct mplan_field execution_fields[] = {
    DURATION("lockTimeout", "\"1s\"", 1, HOUR, P(execution.lock_timeout_ms)),
    DURATION("lockRetryFor", "\"10m\"", 0, 7 * DAY, P(execution.lock_retry_for_ms)),
    DURATION("statementTimeout", "\"0s\"", 0, 20 * DAY, P(execution.statement_timeout_ms)),
    DURATION("deadline", "\"24h\"", SECOND, YEAR, P(execution.deadline_ms)),
    DURATION("startTimeout", "\"10m\"", SECOND, DAY, P(start_timeout_ms)),
    { "oldSessions", MPLAN_ENUM, .fallback = "\"Wait\"", .words = old_sessions_words,
      P(execution.old_sessions) },
    BOOL("allowSuperuser", "false", P(execution.allow_superuser)),
    BOOL("showValues", "false", P(execution.show_values)),
    OBJECT("job", mplan_job_table, .fallback = "{}", P(job)),
};
static const struct mplan_table execution_table = { TABLE(execution_fields) };

static const struct mplan_field selector_fields[] = {
    { "matchLabels", MPLAN_MAP, GRAMMAR_LABELS, true, 1, LIMIT_LABELS, P(selector.match_labels) },
    BOOL("allowEmpty", "false", P(selector.allow_empty)),
};
static const char *check_selector(const struct json *o, void *base)
{
    struct mplan *plan = base;
    (void)o;
    plan->selector.set = true;
    return NULL;
}
static const struct mplan_table selector_table = { TABLE(selector_fields),
                                                   .check = check_selector };

static const struct mplan_field spec_fields[] = {
    OBJECT("source", source_table, .required = true, P(source)),
    { "revision", MPLAN_STRING, GRAMMAR_COMMIT, .min = 40, .max = 64, P(revision) },
    /* Before databases, whose entries start from it. */
    OBJECT("migrations", migrations_table, .fallback = "{}", P(migrations)),
    { "databases", MPLAN_LIST, .max = LIMIT_DATABASES, P(databases), .table = &database_table,
      .count_offset = offsetof(struct mplan, database_count),
      .item_size = sizeof(struct mplan_database) },
    OBJECT("databaseSelector", selector_table),
    { "serviceAccountName", MPLAN_STRING, GRAMMAR_NAME, .min = 1, .max = 253, P(service_account) },
    OBJECT("strategy", strategy_table, .fallback = "{}"),
    OBJECT("execution", execution_table, .fallback = "{}"),
    { "windows", MPLAN_LIST, .max = LIMIT_WINDOWS, P(windows), .table = &window_table,
      .count_offset = offsetof(struct mplan, window_count),
      .item_size = sizeof(struct mplan_window) },
    { "freezes", MPLAN_LIST, .max = LIMIT_WINDOWS, P(freezes), .table = &freeze_table,
      .count_offset = offsetof(struct mplan, freeze_count),
      .item_size = sizeof(struct mplan_window) },
    DURATION("interval", "\"5m\"", 100, YEAR, P(interval_ms)),
    DURATION("retryInterval", "\"30s\"", 100, DAY, P(retry_interval_ms)),
    DURATION("timeout", "\"1h\"", SECOND, YEAR, P(timeout_ms)),
    { "deletionPolicy", MPLAN_ENUM, .fallback = "\"Wait\"", .words = deletion_words,
      P(deletion_policy) },
    BOOL("suspend", "false", P(suspend)),
    LATER("contract"),
    LATER("approval"),
    LATER("hooks"),
    LATER("dependsOn"),
    LATER("inspection"),
};
/* The default of source.paths is no default of its own: with the selector there is none. */
static const char *check_spec(const struct json *o, void *base)
{
    static const char *const keys[] = { "databases", "databaseSelector", NULL };
    struct mplan *plan = base;
    const char *problem =
        plan->selector.expanded
            ? NULL
            : one_of_keys(o, keys, "needs exactly one of databases, databaseSelector");
    if (!problem && plan->source.paths.count == 0) {
        if (plan->selector.set) {
            return "source.paths is required with databaseSelector: it has no default then";
        }
        strlist_add(&plan->source.paths, "sql/${database}");
    }
    return problem;
}
static const struct mplan_table spec_table = { TABLE(spec_fields), .check = check_spec };

const struct mplan_table *mplan_fields(void)
{
    return &spec_table;
}
