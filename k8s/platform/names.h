/* SPDX-License-Identifier: Apache-2.0 */
/* Labels, annotations and paths that our objects carry (docs/reference/formats.md 2). Part of our interface:
 * an older or newer controller must find what this one made. */
#pragma once
#include <stdbool.h>
#include "base/hash.h"

#define K8S_GROUP_PATH "/apis/sluice.dev/v1alpha1"
#define K8S_API_VERSION "sluice.dev/v1alpha1"
#define K8S_KIND "MigrationPlan"
#define K8S_FIELD_MANAGER "sluice-controller"
#define K8S_FINALIZER "sluice.dev/finalizer"

#define LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define LABEL_MANAGED_BY_VALUE "sluice"
#define LABEL_PART "sluice.dev/part"         /* of our objects: runner, assignment, sql */
#define LABEL_PLAN "sluice.dev/plan"         /* label: shortened; annotation: the name */
#define LABEL_PLAN_UID "sluice.dev/plan-uid" /* never reused, so Jobs are looked up by it */
#define LABEL_DATABASE "sluice.dev/database" /* label: shortened; annotation: the name */
#define LABEL_ATTEMPT "sluice.dev/attempt"
#define LABEL_JOB "sluice.dev/job"       /* of a manifest: the Job that mounts it */
#define LABEL_BUNDLE "sluice.dev/bundle" /* of a part: the bundle's name */

#define PART_RUNNER "runner"
#define PART_ASSIGNMENT "assignment"
#define PART_SQL "sql"

#define ANNOTATION_SHA256 "sluice.dev/assignment-sha256"
#define ANNOTATION_COMMIT "sluice.dev/commit"
#define ANNOTATION_GENERATION "sluice.dev/generation"
#define ANNOTATION_RETRY_TOKEN "sluice.dev/retry-token"
#define ANNOTATION_BUNDLES "sluice.dev/bundles" /* comma-separated names of what the Job mounts */

#define RUNNER_CONTAINER "runner"
#define RUNNER_ASSIGNMENT_DIR "/sluice/assignment"
#define RUNNER_CREDENTIALS_DIR "/sluice/credentials"

#define K8S_NAME_MAX 63
/* A text as a label's value: itself when it is one, else a readable beginning and 10 hex of its
 * SHA-256. Owned. */
char *k8s_label_value(const char *text);
/* sluice-assignment-<16 hex of the manifest's SHA-256> */
void k8s_assignment_name(const char *manifest_sha256, char out[K8S_NAME_MAX + 1]);
/* sluice-sql-<16 hex>.000 -> sluice-sql-<16 hex>-000: a file's name -> its ConfigMap's. */
void k8s_part_name(const char *file, char out[K8S_NAME_MAX + 1]);
