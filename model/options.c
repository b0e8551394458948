/* SPDX-License-Identifier: Apache-2.0 */
/* Resolved `migrations` and `execution`: Flyway's defaults, and the words that are parsed. */
#include "model/options.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/json.h"
#include "base/mem.h"

void migrations_options_init(struct migrations_options *out)
{
    *out = (struct migrations_options){
        .table = mem_strdup("flyway_schema_history"),
        .target = TARGET_LATEST,
        .baseline_version = { "1" },
        .baseline_description = mem_strdup("<< Flyway Baseline >>"),
        .ignore = { { IGNORE_ANY_TYPE, IGNORE_FUTURE } },
        .ignore_count = 1,
        .placeholder_replacement = true,
    };
}

void migrations_options_copy(const struct migrations_options *from, struct migrations_options *out)
{
    *out = *from;
    out->table = mem_strdup(from->table);
    out->schema = mem_strdup(from->schema);
    out->baseline_description = mem_strdup(from->baseline_description);
    kvlist_copy(&from->placeholders, &out->placeholders);
    naming_copy(&from->naming, &out->naming);
}

void migrations_options_done(struct migrations_options *options)
{
    free(options->table);
    free(options->schema);
    free(options->baseline_description);
    kvlist_done(&options->placeholders);
    naming_done(&options->naming);
    *options = (struct migrations_options){ 0 };
}

void execution_options_init(struct execution_options *out)
{
    *out = (struct execution_options){
        .lock_timeout_ms = 1000,
        .lock_retry_for_ms = 600000,
        .statement_timeout_ms = 0,
        .deadline_ms = 86400000,
        .old_sessions = OLD_SESSIONS_WAIT,
        .allow_superuser = false,
    };
}

static const char *const ignore_types[] = { "*", "repeatable", "versioned" };
static const char *const ignore_states[] = { "*", "missing", "pending", "ignored", "future" };

static int word_index(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_ieq(text, words[i])) {
            return (int)i;
        }
    }
    return -1;
}

bool ignore_pattern_parse(const char *text, struct ignore_pattern *out)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    if (!colon) {
        return false;
    }
    AUTO(free_auto) char *type = mem_strndup(text, (size_t)(colon - text));
    int t = word_index(type, ignore_types, sizeof ignore_types / sizeof *ignore_types);
    int s = word_index(colon + 1, ignore_states, sizeof ignore_states / sizeof *ignore_states);
    if (t < 0 || s < 0) {
        return false;
    }
    out->type = (unsigned)t;
    out->state = (unsigned)s;
    return true;
}

void ignore_pattern_format(const struct ignore_pattern *pattern, char out[IGNORE_TEXT_LEN])
{
    (void)snprintf(out, IGNORE_TEXT_LEN, "%s:%s", ignore_types[pattern->type],
                   ignore_states[pattern->state]);
}

bool migrations_target_parse(const char *text, struct migrations_options *out)
{
    static const char *const words[] = { "latest", "current", "next" };
    int word = text ? word_index(text, words, sizeof words / sizeof *words) : -1;
    if (word >= 0) {
        out->target = (enum target_kind)word;
        out->target_version = (struct version){ "" };
        out->target_optional = false;
        return true;
    }
    bool optional = str_ends(text, "?");
    AUTO(free_auto) char *plain =
        text ? mem_strndup(text, strlen(text) - (optional ? 1 : 0)) : NULL;
    struct version version = { "" };
    if (!version_parse(plain, &version)) {
        return false;
    }
    out->target = TARGET_VERSION;
    out->target_version = version;
    out->target_optional = optional;
    return true;
}

void migrations_target_format(const struct migrations_options *options, char out[VERSION_MAX + 2])
{
    static const char *const words[] = { "latest", "current", "next" };
    if (options->target == TARGET_VERSION) {
        (void)snprintf(out, VERSION_MAX + 2, "%s%s", options->target_version.text,
                       options->target_optional ? "?" : "");
    } else {
        (void)snprintf(out, VERSION_MAX + 2, "%s", words[options->target]);
    }
}

struct json *migrations_options_json(const struct migrations_options *m)
{
    struct json *o = json_object();
    char target[VERSION_MAX + 2];
    migrations_target_format(m, target);
    json_set_string(o, "format", "Flyway");
    json_set_string(o, "table", m->table);
    json_set_string(o, "target", target);
    json_set_bool(o, "outOfOrder", m->out_of_order);
    json_set_bool(o, "baselineOnMigrate", m->baseline_on_migrate);
    json_set_string(o, "baselineVersion", m->baseline_version.text);
    json_set_string(o, "baselineDescription", m->baseline_description);
    struct json *patterns = json_array();
    for (int i = 0; i < m->ignore_count; i++) {
        char text[IGNORE_TEXT_LEN];
        ignore_pattern_format(&m->ignore[i], text);
        json_push_string(patterns, text);
    }
    json_set(o, "ignoreMigrationPatterns", patterns);
    struct json *placeholders = json_object();
    for (size_t i = 0; i < m->placeholders.count; i++) {
        json_set_string(placeholders, m->placeholders.items[i].key, m->placeholders.items[i].value);
    }
    json_set(o, "placeholders", placeholders);
    json_set_bool(o, "placeholderReplacement", m->placeholder_replacement);
    return o;
}
