/* SPDX-License-Identifier: Apache-2.0 */
/* struct status <-> JSON, with the keys of the MigrationPlan's status. */
#include "model/status.h"

#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

/* ---- format ------------------------------------------------------------------------------------ */

static void set_text(struct json *object, const char *key, const char *text)
{
    json_set_string_opt(object, key, text && text[0] ? text : NULL);
}

static void set_time(struct json *object, const char *key, int64_t utc_ms)
{
    if (utc_ms != 0) {
        char text[TIME_TEXT_LEN];
        time_format(utc_ms, text);
        json_set_string(object, key, text);
    }
}

static void set_seconds(struct json *object, const char *key, int64_t ms)
{
    if (ms > 0) {
        json_set_int64(object, key, (ms + 999) / 1000);
    }
}

static void set_list(struct json *object, const char *key, const struct strlist *list)
{
    if (list->count == 0) {
        return;
    }
    struct json *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_push_string(array, list->items[i]);
    }
    json_set(object, key, array);
}

static struct json *format_conditions(const struct status *status)
{
    struct json *array = json_array();
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        const struct condition *condition = &status->conditions[type];
        if (condition->status == CONDITION_ABSENT) {
            continue;
        }
        char time[TIME_TEXT_LEN];
        time_format(condition->transition_ms, time);
        struct json *object = json_object();
        json_set_string(object, "type", condition_type_text((enum condition_type)type));
        json_set_string(object, "status", condition_status_text(condition->status));
        json_set_int64(object, "observedGeneration", condition->generation);
        json_set_string(object, "lastTransitionTime", time);
        json_set_string(object, "reason", condition->reason ? condition->reason : "");
        json_set_string(object, "message", condition->message ? condition->message : "");
        json_push(array, object);
    }
    return array;
}

static struct json *format_rollout(const struct rollout_status *rollout)
{
    struct json *object = json_object();
    set_text(object, "digest", rollout->digest);
    set_text(object, "commit", rollout->commit);
    set_text(object, "revision", rollout->revision);
    set_time(object, "started", rollout->started_ms);
    set_text(object, "wave", rollout->wave);
    json_set_int64(object, "waveIndex", rollout->wave_index);
    set_text(object, "phase", rollout_phase_text(rollout->phase));
    json_set_int64(object, "supersessions", rollout->supersessions);
    set_seconds(object, "elapsed", rollout->elapsed_ms);
    set_time(object, "soakSince", rollout->soak_since_ms);
    set_text(object, "order", rollout->order);
    set_text(object, "source", rollout->source);
    set_text(object, "strategy", rollout->strategy);
    if (rollout->lead > 0) {
        json_set_int64(object, "lead", rollout->lead);
    }
    set_text(object, "restarted", rollout->restarted);
    if (rollout->catch_up) {
        json_set_bool(object, "catchUp", true);
    }
    return object;
}

static struct json *format_summary(const struct status *status)
{
    struct json *object = json_object();
    json_set_int64(object, "databases", status->summary.databases);
    json_set_int64(object, "upToDate", status->summary.up_to_date);
    json_set_int64(object, "pending", status->summary.pending);
    json_set_int64(object, "running", status->summary.running);
    json_set_int64(object, "failed", status->summary.failed);
    json_set_int64(object, "refused", status->summary.refused);
    json_set_int64(object, "unreachable", status->summary.unreachable);
    set_text(object, "minVersion", status->summary.min_version);
    return object;
}

static struct json *format_database(const struct database_status *database, bool people)
{
    struct json *object = json_object();
    json_set_string(object, "name", database->name);
    json_set_string(object, "state", database_state_text(database->state));
    set_text(object, "version", database->version);
    set_text(object, "target", database->target);
    if (database->head != 0) {
        json_set_int64(object, "head", database->head);
    }
    if (database->journal != 0) {
        json_set_int64(object, "journal", database->journal);
    }
    set_text(object, "tree", database->tree);
    set_text(object, "verified", database->verified);
    if (database->begun) {
        json_set_bool(object, "begun", true);
    }
    if (database->empty) {
        json_set_bool(object, "empty", true);
    }
    if (database->member >= 0) {
        json_set_int64(object, "member", database->member);
    }
    if (database->foreign >= 0) {
        json_set_int64(object, "foreign", database->foreign);
    }
    if (database->own >= 0) {
        json_set_int64(object, "own", database->own);
    }
    set_seconds(object, "outage", database->outage_ms);
    if (people) {
        set_text(object, "wave", database->wave);
        set_text(object, "job", database->job);
        if (database->attempt != 0) {
            json_set_int64(object, "attempt", database->attempt);
        }
        set_text(object, "message", database->message);
    }
    return object;
}

static struct json *format_databases(const struct status *status, bool people)
{
    struct json *array = json_array();
    for (size_t i = 0; i < status->database_count; i++) {
        json_push(array, format_database(&status->databases[i], people));
    }
    return array;
}

static struct json *format_gates(const struct status *status)
{
    struct json *array = json_array();
    for (size_t i = 0; i < status->gate_count; i++) {
        const struct gate_status *gate = &status->gates[i];
        struct json *object = json_object();
        json_set_string(object, "wave", gate->wave);
        json_set_string(object, "name", gate->name);
        set_text(object, "state", gate_state_text(gate->state));
        json_set_int64(object, "successes", gate->successes);
        json_set_int64(object, "failures", gate->failures);
        json_set_int64(object, "round", gate->round);
        if (gate->at_end) {
            json_set_bool(object, "atEnd", true);
        }
        json_set_string_opt(object, "lastValue", gate->last_value);
        json_push(array, object);
    }
    return array;
}

static struct json *format_window(const struct window_status *window)
{
    struct json *object = json_object();
    json_set_bool(object, "open", window->open);
    set_time(object, "since", window->since_ms);
    set_time(object, "until", window->until_ms);
    set_time(object, "next", window->next_ms);
    set_text(object, "because", window->because);
    return object;
}

static struct json *format_history(const struct status *status)
{
    struct json *array = json_array();
    for (size_t i = 0; i < status->history_count; i++) {
        const struct history_entry *entry = &status->history[i];
        struct json *object = json_object();
        json_set_string(object, "commit", entry->commit);
        set_time(object, "started", entry->started_ms);
        set_time(object, "finished", entry->finished_ms);
        json_set_string(object, "outcome", entry->succeeded ? "Succeeded" : "Failed");
        json_set_string(object, "message", entry->message ? entry->message : "");
        json_push(array, object);
    }
    return array;
}

#define SHORT_COMMIT 10

/* A column of kubectl shows what it is given: main@sha1:4f2c9e1b0a. */
static void set_short_revision(struct json *object, const struct status *status)
{
    const char *text = status->last_applied_revision ? status->last_applied_revision
                                                     : status->last_attempted_revision;
    const char *colon = text ? strrchr(text, ':') : NULL;
    bool cut = colon && strlen(colon + 1) > SHORT_COMMIT;
    AUTO(free_auto)
    char *shown = cut ? mem_strndup(text, (size_t)(colon - text) + 1 + SHORT_COMMIT) : NULL;
    set_text(object, "revision", shown ? shown : text);
}

static struct json *format_all(const struct status *status, bool people)
{
    struct json *object = json_object();
    json_set_int64(object, "observedGeneration", status->observed_generation);
    set_text(object, "observedSpec", status->spec);
    json_set(object, "conditions", format_conditions(status));
    set_text(object, "lastAttemptedRevision", status->last_attempted_revision);
    set_text(object, "lastAttemptedCommit", status->last_attempted_commit);
    set_text(object, "lastAppliedRevision", status->last_applied_revision);
    set_text(object, "lastAppliedCommit", status->last_applied_commit);
    set_short_revision(object, status);
    set_list(object, "coveredCommits", &status->covered_commits);
    set_time(object, "lastVerified", status->last_verified_ms);
    if (status->rollout.present) {
        json_set(object, "rollout", format_rollout(&status->rollout));
    }
    set_text(object, "queuedCommit", status->queued_commit);
    set_text(object, "planDigest", status->plan_digest);
    AUTO(free_auto)
    char *progress = mem_printf("%d/%d", status->summary.up_to_date, status->summary.databases);
    json_set_string(object, "progress", progress);
    json_set(object, "summary", format_summary(status));
    json_set(object, "databases", format_databases(status, people));
    set_list(object, "ahead", &status->ahead);
    set_list(object, "notices", &status->notices);
    if (status->gate_count > 0) {
        json_set(object, "gates", format_gates(status));
    }
    if (status->window.present) {
        json_set(object, "window", format_window(&status->window));
    }
    if (status->history_count > 0) {
        json_set(object, "history", format_history(status));
    }
    set_seconds(object, "outage", status->outage_ms);
    set_text(object, "lastHandledReconcileAt", status->last_handled_reconcile);
    set_text(object, "lastHandledRetryAt", status->last_handled_retry);
    set_text(object, "lastHandledResolve", status->last_handled_resolve);
    set_text(object, "lastHandledAccept", status->last_handled_accept);
    return object;
}

/* A fleet of 2,000 entries with the longest names comes near the limit; versions and states are what
 * the databases themselves can say again, memory (targets, heads, trees) stays. */
static void drop(struct json *object, const char *key)
{
    struct json *databases = json_get_mut(object, "databases");
    for (const struct json *d = json_first(databases); d; d = json_next(d)) {
        json_remove((struct json *)(uintptr_t)d, key);
    }
}

static bool too_large(const struct json *object)
{
    AUTO(free_auto) char *text = json_text(object);
    return strlen(text) > LIMIT_STATUS;
}

struct json *status_format(const struct status *status)
{
    struct json *object = format_all(status, true);
    if (too_large(object)) {
        json_free(object);
        object = format_all(status, false);
        json_remove(object, "notices");
        if (too_large(object)) {
            drop(object, "version");
        }
        if (too_large(object)) {
            drop(object, "state");
        }
    }
    return object;
}

/* ---- parse ------------------------------------------------------------------------------------- */

static char *get_text(const struct json *object, const char *key)
{
    return mem_strdup(json_get_string(object, key));
}

/* Too long or absent: empty. Status is memory that anybody with rights could have written. */
static void get_fixed(const struct json *object, const char *key, char *out, size_t size)
{
    const char *text = json_get_string(object, key);
    out[0] = '\0';
    if (text && strlen(text) < size) {
        memcpy(out, text, strlen(text) + 1);
    }
}

static void get_hex(const struct json *object, const char *key, char *out, size_t size)
{
    get_fixed(object, key, out, size);
    if (out[strspn(out, "0123456789abcdef")] != '\0') {
        out[0] = '\0';
    }
}

static int64_t get_time(const struct json *object, const char *key)
{
    const char *text = json_get_string(object, key);
    int64_t utc_ms = 0;
    return text && time_parse(text, &utc_ms) ? utc_ms : 0;
}

#define COUNT_MOST 1000000000 /* a status may come from anybody: counters go on from it */

static int32_t get_int32(const struct json *object, const char *key, int32_t fallback)
{
    int64_t value = json_get_int64(object, key, fallback);
    return value >= -1 && value <= COUNT_MOST ? (int32_t)value : fallback;
}

static int64_t get_seconds(const struct json *object, const char *key)
{
    int64_t seconds = json_get_int64(object, key, 0);
    return seconds > 0 && seconds < INT32_MAX ? seconds * 1000 : 0;
}

static void get_list(const struct json *object, const char *key, struct strlist *out)
{
    for (const struct json *e = json_first(json_get(object, key)); e; e = json_next(e)) {
        if (json_string(e)) {
            strlist_add(out, json_string(e));
        }
    }
}

static int find_text(const char *text, const char *(*text_of)(int value), int count)
{
    for (int i = 0; i < count; i++) {
        if (str_eq(text, text_of(i))) {
            return i;
        }
    }
    return -1;
}

static const char *type_text(int value)
{
    return condition_type_text((enum condition_type)value);
}

static const char *value_text(int value)
{
    return condition_status_text((enum condition_status)value);
}

static const char *state_name(int value)
{
    return database_state_text((enum database_state)value);
}

static const char *phase_name(int value)
{
    return rollout_phase_text((enum rollout_phase)value);
}

static const char *gate_name(int value)
{
    return gate_state_text((enum gate_state)value);
}

static void parse_condition(const struct json *json, struct status *out)
{
    int type = find_text(json_get_string(json, "type"), type_text, CONDITION_TYPE_MAX_);
    int value = find_text(json_get_string(json, "status"), value_text, CONDITION_UNKNOWN + 1);
    const char *reason = json_get_string(json, "reason");
    const char *message = json_get_string(json, "message");
    if (type < 0 || value <= CONDITION_ABSENT) {
        return;
    }
    condition_set(out, (enum condition_type)type, (enum condition_status)value,
                  reason ? reason : "", message ? message : "",
                  get_time(json, "lastTransitionTime"),
                  json_get_int64(json, "observedGeneration", 0));
}

static void parse_rollout(const struct json *json, struct rollout_status *out)
{
    if (json_type(json) != JSON_OBJECT) {
        return;
    }
    int phase = find_text(json_get_string(json, "phase"), phase_name, PHASE_MAX_);
    out->present = true;
    get_fixed(json, "digest", out->digest, sizeof out->digest);
    get_hex(json, "commit", out->commit, sizeof out->commit);
    out->revision = get_text(json, "revision");
    out->started_ms = get_time(json, "started");
    out->wave = get_text(json, "wave");
    int32_t wave_index = get_int32(json, "waveIndex", 0);
    out->wave_index = wave_index > 0 ? wave_index : 0;
    out->phase = phase < 0 ? PHASE_APPLYING : (enum rollout_phase)phase;
    out->supersessions = get_int32(json, "supersessions", 0);
    out->elapsed_ms = get_seconds(json, "elapsed");
    out->soak_since_ms = get_time(json, "soakSince");
    get_fixed(json, "order", out->order, sizeof out->order);
    get_fixed(json, "source", out->source, sizeof out->source);
    get_fixed(json, "strategy", out->strategy, sizeof out->strategy);
    int32_t lead = get_int32(json, "lead", 0);
    out->lead = lead > 0 ? lead : 0;
    out->restarted = get_text(json, "restarted");
    out->catch_up = json_bool(json_get(json, "catchUp"), false);
}

static void parse_database(const struct json *json, struct database_status *out)
{
    int state = find_text(json_get_string(json, "state"), state_name, DATABASE_STATE_MAX_);
    out->name = get_text(json, "name");
    out->state = state < 0 ? DATABASE_UNKNOWN : (enum database_state)state;
    out->version = get_text(json, "version");
    get_fixed(json, "target", out->target, sizeof out->target);
    out->head = get_int32(json, "head", 0);
    out->journal = json_get_int64(json, "journal", 0);
    get_fixed(json, "tree", out->tree, sizeof out->tree);
    get_fixed(json, "verified", out->verified, sizeof out->verified);
    out->begun = json_bool(json_get(json, "begun"), false);
    out->empty = json_bool(json_get(json, "empty"), false);
    out->member = get_int32(json, "member", -1);
    out->own = get_int32(json, "own", -1);
    out->foreign = get_int32(json, "foreign", -1);
    out->outage_ms = get_seconds(json, "outage");
    out->wave = get_text(json, "wave");
    out->job = get_text(json, "job");
    out->attempt = json_get_int64(json, "attempt", 0);
    out->message = get_text(json, "message");
}

static void parse_databases(const struct json *json, struct status *out)
{
    out->databases = mem_array(json_count(json), sizeof *out->databases);
    for (const struct json *d = json_first(json); d; d = json_next(d)) {
        if (json_get_string(d, "name")) {
            parse_database(d, &out->databases[out->database_count++]);
        }
    }
}

/* Versions before `verified` kept it in `tree` while no roll-out was on; during one they had lost it. */
static void take_old_verified(struct status *out)
{
    for (size_t i = 0; i < out->database_count && !out->rollout.present; i++) {
        struct database_status *database = &out->databases[i];
        if (database->verified[0] == '\0') {
            memcpy(database->verified, database->tree, sizeof database->verified);
        }
    }
}

static void parse_gates(const struct json *json, struct status *out)
{
    out->gates = mem_array(json_count(json), sizeof *out->gates);
    for (const struct json *g = json_first(json); g; g = json_next(g)) {
        int state = find_text(json_get_string(g, "state"), gate_name, GATE_STATE_MAX_);
        if (!json_get_string(g, "wave") || !json_get_string(g, "name")) {
            continue;
        }
        out->gates[out->gate_count++] = (struct gate_status){
            .wave = get_text(g, "wave"),
            .name = get_text(g, "name"),
            .state = state < 0 ? GATE_NONE : (enum gate_state)state,
            .successes = get_int32(g, "successes", 0),
            .failures = get_int32(g, "failures", 0),
            .round = get_int32(g, "round", 1),
            .at_end = json_bool(json_get(g, "atEnd"), false),
            .last_value = get_text(g, "lastValue"),
        };
    }
}

static void parse_history(const struct json *json, struct status *out)
{
    for (const struct json *e = json_first(json); e && out->history_count < STATUS_HISTORY;
         e = json_next(e)) {
        struct history_entry *entry = &out->history[out->history_count++];
        get_hex(e, "commit", entry->commit, sizeof entry->commit);
        entry->started_ms = get_time(e, "started");
        entry->finished_ms = get_time(e, "finished");
        entry->succeeded = str_eq(json_get_string(e, "outcome"), "Succeeded");
        entry->message = get_text(e, "message");
    }
}

static void parse_summary(const struct json *json, struct status *out)
{
    out->summary.databases = get_int32(json, "databases", 0);
    out->summary.up_to_date = get_int32(json, "upToDate", 0);
    out->summary.pending = get_int32(json, "pending", 0);
    out->summary.running = get_int32(json, "running", 0);
    out->summary.failed = get_int32(json, "failed", 0);
    out->summary.refused = get_int32(json, "refused", 0);
    out->summary.unreachable = get_int32(json, "unreachable", 0);
    out->summary.min_version = get_text(json, "minVersion");
}

static void parse_window(const struct json *json, struct window_status *out)
{
    out->present = json_type(json) == JSON_OBJECT;
    out->open = json_bool(json_get(json, "open"), false);
    out->since_ms = get_time(json, "since");
    out->until_ms = get_time(json, "until");
    out->next_ms = get_time(json, "next");
    out->because = get_text(json, "because");
}

void status_parse(const struct json *json, struct status *out)
{
    status_init(out);
    out->observed_generation = json_get_int64(json, "observedGeneration", -1);
    get_fixed(json, "observedSpec", out->spec, sizeof out->spec);
    for (const struct json *c = json_first(json_get(json, "conditions")); c; c = json_next(c)) {
        parse_condition(c, out);
    }
    out->last_attempted_revision = get_text(json, "lastAttemptedRevision");
    get_hex(json, "lastAttemptedCommit", out->last_attempted_commit,
            sizeof out->last_attempted_commit);
    out->last_applied_revision = get_text(json, "lastAppliedRevision");
    get_hex(json, "lastAppliedCommit", out->last_applied_commit, sizeof out->last_applied_commit);
    get_list(json, "coveredCommits", &out->covered_commits);
    out->last_verified_ms = get_time(json, "lastVerified");
    parse_rollout(json_get(json, "rollout"), &out->rollout);
    get_hex(json, "queuedCommit", out->queued_commit, sizeof out->queued_commit);
    get_fixed(json, "planDigest", out->plan_digest, sizeof out->plan_digest);
    parse_summary(json_get(json, "summary"), out);
    parse_databases(json_get(json, "databases"), out);
    take_old_verified(out);
    get_list(json, "ahead", &out->ahead);
    get_list(json, "notices", &out->notices);
    parse_gates(json_get(json, "gates"), out);
    parse_window(json_get(json, "window"), &out->window);
    parse_history(json_get(json, "history"), out);
    out->outage_ms = get_seconds(json, "outage");
    out->last_handled_reconcile = get_text(json, "lastHandledReconcileAt");
    out->last_handled_retry = get_text(json, "lastHandledRetryAt");
    out->last_handled_resolve = get_text(json, "lastHandledResolve");
    out->last_handled_accept = get_text(json, "lastHandledAccept");
}
