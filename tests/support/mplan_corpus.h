/* SPDX-License-Identifier: Apache-2.0 */
/* tests/corpus/mplan/: MigrationPlans and what is thought of them, for the decoder and the API server. */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "base/json.h"
#include "base/yaml.h"

/* One document of the corpus:
 *
 *   name: a wave may not be called rest    # the rule
 *   want: invalid            # valid, invalid, or controller: only the controller can see what is wrong
 *   error: 'spec.strategy.waves[0].name: ...'   # the decoder's message begins so; not with valid
 *   spec: {...}
 *   defaulted: {...}         # these members the defaulted spec has; optional
 *   fill: {at: databases, count: 2001, with: {name: 'd#'}}   # a list of so many, # being the number;
 *                            # with key: 'k#', a map; optional
 *   long: {at: source/url, begin: 'https://g/', length: 2049, end: z}   # a text, padded; optional
 *   plan: shop               # metadata.name, optional
 */
enum corpus_want {
    CORPUS_VALID,
    CORPUS_INVALID,
    CORPUS_CONTROLLER
};

struct corpus_case {
    const char *file; /* borrowed */
    int line;
    const char *name;
    enum corpus_want want;
    const char *error; /* NULL: none */
    const struct json *defaulted;
    struct json *object; /* the whole MigrationPlan; owned */
};

struct corpus {
    struct yaml_docs *files;
    size_t file_count;
    struct corpus_case *cases;
    size_t count, cap;
};

/* An error names file, line and what is wrong with the document. */
struct err *corpus_read(const char *const *paths, size_t count, struct corpus *out) ERR_MUST_USE;
void corpus_done(struct corpus *corpus);

/* Does `whole` have every member of `part`, at every level? */
bool corpus_contains(const struct json *whole, const struct json *part);
