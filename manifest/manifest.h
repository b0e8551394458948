/* SPDX-License-Identifier: Apache-2.0 */
/* MigrationPlan, Secret and ConfigMap manifests, from JSON to structs: one way for a folder and for the API server. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "model/mplan.h"

/* One MigrationPlan object. ERR_TERMINAL InvalidSpec "spec.strategy.waves[1].soak: ..." for unknown
 * fields, wrong types, bounds, and cross-list checks (a wave names an unknown database). Metadata is
 * filled as far as it could be read even on error, so that the error can be reported somewhere. */
/* On error too: release it with mplan_done(). */
struct err *mplan_decode(const struct json *object, struct mplan *out) ERR_MUST_USE;

#define SECRET_LABEL_DATABASE "sluice.dev/database" /* the entry's name; else the Secret's */
#define SECRET_ANNOTATION_SCHEMA "sluice.dev/schema"
#define SECRET_ANNOTATION_PATHS "sluice.dev/paths" /* comma-separated; replaces source.paths */
/* The same for a plan with a databaseSelector. `secrets`: the Secrets that match, a list of
 * {"name", "labels", "annotations"} in the order of their names. Each becomes an entry of databases;
 * a wave may name databases that are not there. */
struct err *mplan_decode_selected(const struct json *object, const struct json *secrets,
                                  struct mplan *out) ERR_MUST_USE;

/* Secret / ConfigMap manifests: data (base64) and stringData merged, data keys to bytes (no NUL). */
struct err *secret_decode(const struct json *object, struct kvlist *out) ERR_MUST_USE;
struct err *configmap_decode(const struct json *object, struct kvlist *out) ERR_MUST_USE;
