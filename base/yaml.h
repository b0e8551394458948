/* SPDX-License-Identifier: Apache-2.0 */
/* YAML documents to JSON: the subset that kubectl users write, bounded, no surprises. */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "base/json.h"

struct yaml_docs {
    struct json **docs; /* each owned; empty documents are left out */
    int *lines;         /* first line of each, from 1 */
    size_t count;
};

/* ERR_TERMINAL InvalidSpec with "WHAT:LINE:COLUMN: ...". Refused: anchors, aliases, merge keys,
 * tags, duplicate keys, depth over LIMIT_JSON_DEPTH, non-string keys, yes/no/on/off and 0644-like
 * plain scalars ("quote it": YAML 1.1 readers such as kubectl read another value). */
struct err *yaml_parse(const char *text, size_t length, const char *what, struct yaml_docs *out)
    ERR_MUST_USE;
void yaml_docs_done(struct yaml_docs *docs);

/* Adds libyaml with the version that is loaded. */
void yaml_libraries(struct kvlist *out);
