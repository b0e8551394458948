/* SPDX-License-Identifier: Apache-2.0 */
/* planDigest and the short hashes in status: compatible for ever (docs/reference/formats.md 5). */
#include "reconcile/rollout/rollout.h"

#include <assert.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

static struct json *list_json(const struct strlist *list)
{
    struct json *array = json_array();
    for (size_t i = 0; list && i < list->count; i++) {
        json_push_string(array, list->items[i]);
    }
    return array;
}

static struct json *pairs_json(const struct kvlist *list)
{
    struct json *object = json_object();
    for (size_t i = 0; i < list->count; i++) {
        json_set_string(object, list->items[i].key, list->items[i].value);
    }
    return object;
}

static const char *const ignore_types[] = { "*", "repeatable", "versioned" };
static const char *const ignore_states[] = { "*", "missing", "pending", "ignored", "future" };

static struct json *ignore_json(const struct migrations_options *options)
{
    struct json *array = json_array();
    for (int i = 0; i < options->ignore_count; i++) {
        char text[40];
        (void)snprintf(text, sizeof text, "%s:%s", ignore_types[options->ignore[i].type],
                       ignore_states[options->ignore[i].state]);
        json_push_string(array, text);
    }
    return array;
}

static void set_target(struct json *object, const struct migrations_options *options)
{
    static const char *const words[] = { "latest", "current", "next" };
    if (options->target != TARGET_VERSION) {
        json_set_string(object, "target", words[options->target]);
        return;
    }
    AUTO(free_auto)
    char *text =
        mem_printf("%s%s", options->target_version.text, options->target_optional ? "?" : "");
    json_set_string(object, "target", text);
}

static struct json *migrations_json(const struct migrations_options *options)
{
    struct json *object = json_object();
    json_set_string(object, "table", options->table);
    json_set_string(object, "schema", options->schema);
    set_target(object, options);
    json_set_bool(object, "outOfOrder", options->out_of_order);
    json_set_bool(object, "baselineOnMigrate", options->baseline_on_migrate);
    json_set_string(object, "baselineVersion", options->baseline_version.text);
    json_set_string(object, "baselineDescription", options->baseline_description);
    json_set(object, "ignoreMigrationPatterns", ignore_json(options));
    json_set(object, "placeholders", pairs_json(&options->placeholders));
    json_set_bool(object, "placeholderReplacement", options->placeholder_replacement);
    naming_json(&options->naming, object);
    return object;
}

static struct json *gate_json(const struct mplan_gate *gate)
{
    struct json *object = json_object();
    json_set_string(object, "name", gate->name);
    json_set_string(object, "query", gate->query);
    json_set_string(object, "engine", engine_text(gate->engine));
    json_set_int64(object, "intervalMs", gate->interval_ms);
    json_set_int64(object, "count", gate->count);
    json_set_int64(object, "failureLimit", gate->failure_limit);
    return object;
}

static struct json *wave_json(const struct mplan_wave *wave)
{
    struct json *object = json_object();
    json_set_string(object, "name", wave->name);
    switch (wave->select) {
    case SELECT_NAMES:
        json_set(object, "names", list_json(&wave->names));
        break;
    case SELECT_LABELS:
        json_set(object, "matchLabels", pairs_json(&wave->labels));
        break;
    case SELECT_COUNT:
        json_set_int64(object, "count", wave->amount);
        break;
    default:
        json_set_int64(object, "percent", wave->amount);
        break;
    }
    if (wave->allow_empty) {
        json_set_bool(object, "allowEmpty", true);
    }
    json_set_int64(object, "soakMs", wave->soak_ms);
    struct json *gates = json_array();
    for (size_t i = 0; i < wave->gate_count; i++) {
        json_push(gates, gate_json(&wave->gates[i]));
    }
    json_set(object, "gates", gates);
    return object;
}

static struct json *order_json(const struct mplan *plan)
{
    struct json *object = json_object();
    json_set_string(object, "type",
                    plan->strategy == STRATEGY_ALL_AT_ONCE ? "AllAtOnce" : "Canary");
    struct json *waves = json_array();
    for (size_t i = 0; i < plan->wave_count; i++) {
        json_push(waves, wave_json(&plan->waves[i]));
    }
    json_set(object, "waves", waves);
    return object;
}

static struct json *windows_json(const struct mplan_window *windows, size_t count)
{
    struct json *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct mplan_window *window = &windows[i];
        struct json *object = json_object();
        if (window->schedule) {
            json_set_string(object, "schedule", window->schedule);
            json_set_int64(object, "durationMs", window->duration_ms);
            json_set_string(object, "timeZone", window->time_zone ? window->time_zone : "UTC");
        } else {
            json_set_int64(object, "fromMs", window->from_ms);
            json_set_int64(object, "toMs", window->to_ms);
        }
        json_push(array, object);
    }
    return array;
}

/* What is around a roll-out: key `order`, which a plan that has none of it does not have, so that digests of before
 * stay. */
static void set_around(struct json *object, const struct mplan *plan)
{
    struct json *around = json_object();
    if (plan->window_count > 0) {
        json_set(around, "windows", windows_json(plan->windows, plan->window_count));
    }
    if (plan->freeze_count > 0) {
        json_set(around, "freezes", windows_json(plan->freezes, plan->freeze_count));
    }
    if (json_count(around) > 0) {
        json_set(object, "order", around);
    } else {
        json_free(around);
    }
}

static struct json *strategy_json(const struct mplan *plan)
{
    struct json *object = order_json(plan);
    json_set_int64(object, "maxParallel", plan->max_parallel);
    json_set_int64(object, "maxFailures", plan->max_failures);
    return object;
}

/* Hex of SHA-256 over compact JSON with sorted keys; frees the object. */
static void json_hash(struct json *object, char out[SHA256_HEX_LEN + 1])
{
    AUTO(free_auto) char *text = json_text_sorted(object);
    sha256_hex(text, strlen(text), out);
    json_free(object);
}

static void short_hash(struct json *object, char out[ROLLOUT_HASH_LEN + 1])
{
    char hex[SHA256_HEX_LEN + 1];
    json_hash(object, hex);
    memcpy(out, hex, ROLLOUT_HASH_LEN);
    out[ROLLOUT_HASH_LEN] = '\0';
}

void rollout_inputs_hash(const struct mplan_database *database, const struct strlist *oids,
                         char out[ROLLOUT_HASH_LEN + 1])
{
    struct json *object = json_object();
    json_set(object, "trees", list_json(oids));
    json_set(object, "migrations", migrations_json(&database->migrations));
    short_hash(object, out);
}

void rollout_order_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1])
{
    short_hash(order_json(plan), out);
}

void rollout_source_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1])
{
    const struct mplan_source *source = &plan->source;
    struct json *object = json_object();
    json_set_string_opt(object, "url", source->url);
    json_set_int64(object, "refKind", source->ref_kind);
    json_set_string_opt(object, "ref", source->ref);
    json_set(object, "paths", list_json(&source->paths));
    json_set_string_opt(object, "revision", plan->revision);
    short_hash(object, out);
}

void rollout_strategy_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1])
{
    short_hash(strategy_json(plan), out);
}

static struct json *pending_json(const struct plan *plan)
{
    struct json *array = json_array();
    for (size_t i = 0; plan && i < plan->action_count; i++) {
        const struct migration *file = plan->actions[i].file;
        struct json *object = json_object();
        if (file) {
            char hex[SHA256_HEX_LEN + 1];
            assert(!file->undigested); // it comes from a repository
            hex_format(file->sha256, SHA256_LEN, hex);
            json_set_string(object, "path", file->path);
            json_set_string(object, "sha256", hex);
        } else { /* the baseline marker is no file */
            json_set_null(object, "path");
            json_set_null(object, "sha256");
        }
        json_push(array, object);
    }
    return array;
}

static struct json *entry_json(const struct mplan_database *database,
                               const struct rollout_entry *entry)
{
    struct json *object = json_object();
    json_set_string(object, "name", database->name);
    if (entry->reachable) {
        json_set_int64(object, "head", entry->head);
    } else {
        json_set_null(object, "head");
    }
    json_set(object, "pending", pending_json(entry->reachable ? entry->plan : NULL));
    json_set(object, "trees", list_json(entry->oids));
    json_set(object, "migrations", migrations_json(&database->migrations));
    return object;
}

void rollout_digest(const struct mplan *plan, const struct rollout_entry *entries, char out[72])
{
    struct json *object = json_object();
    json_set_string(object, "uid", plan->uid);
    json_set(object, "strategy", strategy_json(plan));
    struct json *databases = json_array();
    for (size_t i = 0; i < plan->database_count; i++) {
        json_push(databases, entry_json(&plan->databases[i], &entries[i]));
    }
    json_set(object, "databases", databases);
    set_around(object, plan);
    char hex[SHA256_HEX_LEN + 1];
    json_hash(object, hex);
    (void)snprintf(out, 72, "sha256:%s", hex);
}
