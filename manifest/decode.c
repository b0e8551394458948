/* SPDX-License-Identifier: Apache-2.0 */
/* MigrationPlan: metadata, and the order of the checks. */
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "manifest/fields.h"
#include "manifest/manifest.h"
#include "model/reason.h"

/* ---- metadata ------------------------------------------------------------------------------ */

static struct err *metadata_problem(const char *field, const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "metadata.%s: %s", field, problem);
}

static struct err *read_annotations(const struct json *node, struct mplan *out)
{
    if (node && json_type(node) != JSON_OBJECT && json_type(node) != JSON_NULL) {
        return metadata_problem("annotations", "must be a map of strings");
    }
    struct err *e = NULL;
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        if (json_string(n)) {
            kvlist_set(&out->annotations, json_key(n), json_string(n));
        } else if (!e) {
            e = err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                        "metadata.annotations.%s: must be a string: "
                        "put it in quotes",
                        json_key(n));
        }
    }
    return e;
}

/* Fills what it can before it complains: the complaint needs a plan to hang on. */
static struct err *read_metadata(const struct json *object, struct mplan *out)
{
    const struct json *m = json_get(object, "metadata");
    const char *namespace_ = json_get_string(m, "namespace");
    out->name = mem_strdup(json_get_string(m, "name"));
    out->namespace_ = mem_strdup(namespace_ ? namespace_ : "default");
    out->uid = mem_strdup(json_get_string(m, "uid"));
    out->generation = json_get_int64(m, "generation", 0);
    (void)time_parse(json_get_string(m, "creationTimestamp"), &out->created_ms);
    out->deleting = json_get_string(m, "deletionTimestamp") != NULL;
    TRY(read_annotations(json_get(m, "annotations"), out));
    if (!out->name || !*out->name) {
        return metadata_problem("name", "is required");
    }
    const char *problem = mplan_grammar_problem(GRAMMAR_NAME, out->name);
    if (problem || strlen(out->name) > 253) {
        return metadata_problem("name", problem ? problem : "must not be longer than 253 bytes");
    }
    problem = mplan_grammar_problem(GRAMMAR_NAME, out->namespace_);
    if (problem || strchr(out->namespace_, '.') || strlen(out->namespace_) > 63) {
        return metadata_problem("namespace",
                                "must be at most 63 lower-case letters, digits and '-'");
    }
    return NULL;
}

static struct err *check_head(const struct json *object)
{
    static const char *const known[] = { "apiVersion", "kind", "metadata", "spec", "status" };
    if (!str_eq(json_get_string(object, "apiVersion"), "sluice.dev/v1alpha1")) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "apiVersion: must be sluice.dev/v1alpha1");
    }
    if (!str_eq(json_get_string(object, "kind"), "MigrationPlan")) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "kind: must be MigrationPlan");
    }
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            found = found || str_eq(known[i], json_key(m));
        }
        if (!found) {
            return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s: unknown field", json_key(m));
        }
    }
    return NULL;
}

struct err *mplan_decode(const struct json *object, struct mplan *out)
{
    return mplan_decode_spec(object, false, out);
}

/* The store of the API server takes more, but one plan is not worth the memory of a thousand. */
static struct err *check_size(const struct json *spec)
{
    AUTO(buf_done) struct buf text = BUF(LIMIT_SPEC);
    json_write(spec, false, &text);
    return buf_check(&text, REASON_INVALID_SPEC, "spec");
}

struct err *mplan_decode_spec(const struct json *object, bool expanded, struct mplan *out)
{
    *out = (struct mplan){ .selector.expanded = expanded };
    TRY(read_metadata(object, out));
    TRY(check_head(object));
    if (!json_get(object, "spec")) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "spec: is required");
    }
    if (!expanded) { /* of a fleet, what its Secrets add is not the spec's */
        TRY(check_size(json_get(object, "spec")));
    }
    out->defaulted = json_copy(json_get(object, "spec"));
    TRY(mplan_walk(out->defaulted, out));
    return mplan_check(out);
}
