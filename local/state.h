/* SPDX-License-Identifier: Apache-2.0 */
/* DIR/.sluice: what an API server would keep for a plan (uid, generation, status), and the requests
 * of people as overlays (docs/reference/formats.md 4). The user's files are never written. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "local/manifests.h"

struct plan_state {
    char *namespace_, *name; /* owned */
    char uid[37];
    int64_t generation;
    char *created; /* RFC 3339; owned */
    char *deleted; /* deletionTimestamp; owned; NULL: lives */
    char spec_sha256[SHA256_HEX_LEN + 1];
    struct json
        *object; /* as kubectl would print it, status left out; owned; NULL: manifest gone */
    struct json *status; /* owned */
};

struct state {
    char *dir; /* DIR/.sluice; owned */
    char cluster_id[37];
    struct plan_state *plans;
    size_t count;
    size_t cap;
    struct strlist problems; /* of overlays and state files: "<file>: ..." */
};

/* Makes .sluice, .gitignore, format and cluster-id where they are missing. FormatTooNew when a newer
 * Sluice wrote it. */
struct err *state_create(const char *dir, struct state *out) ERR_MUST_USE;
/* For readers: nothing is made; a missing .sluice is an empty state. */
struct err *state_attach(const char *dir, struct state *out) ERR_MUST_USE;
/* Every plans/NAME.json of the folder. */
struct err *state_load(struct state *s) ERR_MUST_USE;
/* Reads one plan's file again; absent: it leaves the list. */
void state_reload(struct state *s, const char *namespace_, const char *name);

/* Brings one plan's entry up to its manifest and overlay: a new uid, a bumped generation; written
 * first when `writable`. *changed is set when the object differs from what it was. */
struct err *state_settle(struct state *s, const struct manifest *manifest, bool writable,
                         bool *changed) ERR_MUST_USE;
/* Its manifest is gone: deletionTimestamp, written. *changed as above. */
struct err *state_delete(struct state *s, struct plan_state *plan, bool *changed) ERR_MUST_USE;
struct plan_state *state_find(const struct state *s, const char *namespace_, const char *name);
/* The object with its status. Owned. */
struct json *state_object(const struct plan_state *plan);
struct err *state_write_status(struct state *s, struct plan_state *plan, const struct json *status)
    ERR_MUST_USE;
/* Forgets a plan that is gone: state and overlay. */
struct err *state_release(struct state *s, const char *namespace_, const char *name) ERR_MUST_USE;
/* Adds metadata.annotations and spec.suspend of a merge patch to the overlay, under its lock. */
struct err *state_patch(struct state *s, const char *namespace_, const char *name,
                        const struct json *patch) ERR_MUST_USE;
void state_done(struct state *s);
