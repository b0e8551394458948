/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the corpus: YAML documents to whole MigrationPlans. */
#include "tests/support/mplan_corpus.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

static struct err *bad(const struct corpus_case *c, const char *problem)
{
    return err_new(ERR_TERMINAL, "InvalidSpec", "%s:%d: \"%s\": %s", c->file, c->line,
                   c->name ? c->name : "", problem);
}

/* ---- large things ------------------------------------------------------------------------------ */

/* A copy of node in which '#' is the number. */
static struct json *numbered(const struct json *node, int number)
{
    AUTO(free_auto) char *text = json_text(node);
    AUTO(buf_done) struct buf out = BUF(64 * 1024);
    struct json *copy = NULL;

    for (const char *p = text; *p; p++) {
        if (*p == '#') {
            buf_addf(&out, "%d", number);
        } else {
            buf_addc(&out, *p);
        }
    }
    err_free(json_parse(buf_text(&out), out.len, "fill", &copy));
    return copy;
}

/* "strategy/waves/0/select/names": the container of its last part, which *last is. */
static struct json *container_of(struct json *spec, const char *at, const char **last)
{
    AUTO(free_auto) char *copy = mem_strdup(at);
    struct json *node = spec;
    const char *slash = strrchr(at, '/');
    char *rest = copy;
    char *part = NULL;

    *last = slash ? slash + 1 : at;
    copy[*last - at] = '\0';
    while (node && (part = strsep(&rest, "/")) && *part) {
        int64_t index = 0;
        bool number = str_to_int64(part, 0, 1000000, &index);
        node = number ? json_at_mut(node, (size_t)index) : json_get_mut(node, part);
    }
    return node;
}

static struct err *fill(const struct corpus_case *c, const struct json *how, struct json *spec)
{
    const char *at = json_get_string(how, "at");
    const char *key = json_get_string(how, "key");
    const char *last = NULL;
    struct json *place = at ? container_of(spec, at, &last) : NULL;
    int64_t count = json_get_int64(how, "count", 0);

    if (!place || count <= 0 || !json_get(how, "with")) {
        return bad(c, "fill needs at (an object in spec), count and with");
    }
    struct json *made = key ? json_object() : json_array();
    for (int i = 0; i < (int)count; i++) {
        struct json *item = numbered(json_get(how, "with"), i);
        if (key) {
            AUTO(json_free_auto) struct json *text = json_string_new(key);
            AUTO(json_free_auto) struct json *name = numbered(text, i);
            json_append(made, json_string(name), item);
        } else {
            json_push(made, item);
        }
    }
    json_set(place, last, made);
    return NULL;
}

static struct err *lengthen(const struct corpus_case *c, const struct json *how, struct json *spec)
{
    const char *at = json_get_string(how, "at");
    const char *begin = json_get_string(how, "begin");
    const char *end = json_get_string(how, "end");
    const char *last = NULL;
    struct json *place = at ? container_of(spec, at, &last) : NULL;
    int64_t length = json_get_int64(how, "length", 0);
    AUTO(buf_done) struct buf text = BUF(1024 * 1024);

    if (!place || length <= 0) {
        return bad(c, "long needs at (an object in spec) and length");
    }
    buf_adds(&text, begin ? begin : "");
    while ((int64_t)text.len + (int64_t)strlen(end ? end : "") < length) {
        buf_addc(&text, 'x');
    }
    buf_adds(&text, end ? end : "");
    json_set_string(place, last, buf_text(&text));
    return NULL;
}

/* ---- documents --------------------------------------------------------------------------------- */

static struct err *check_keys(const struct corpus_case *c, const struct json *document)
{
    static const char *const known[] = { "name",      "want", "error", "spec",
                                         "defaulted", "fill", "long",  "plan" };

    for (const struct json *m = json_first(document); m; m = json_next(m)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            found = found || str_eq(json_key(m), known[i]);
        }
        if (!found) {
            return bad(c, json_key(m));
        }
    }
    return NULL;
}

static struct json *whole_plan(const char *name, struct json *spec)
{
    struct json *object = json_object();
    struct json *metadata = json_object();

    json_set_string(object, "apiVersion", "sluice.dev/v1alpha1");
    json_set_string(object, "kind", "MigrationPlan");
    json_set_string(metadata, "name", name ? name : "shop");
    json_set(object, "metadata", metadata);
    if (spec) {
        json_set(object, "spec", spec);
    }
    return object;
}

static struct err *read_case(const struct json *document, struct corpus_case *c)
{
    static const char *const wants[] = { "valid", "invalid", "controller" };
    const struct json *spec = json_get(document, "spec");
    const char *want = json_get_string(document, "want");
    int found = -1;

    c->name = json_get_string(document, "name");
    c->error = json_get_string(document, "error");
    c->defaulted = json_get(document, "defaulted");
    c->object = whole_plan(json_get_string(document, "plan"), spec ? json_copy(spec) : NULL);
    TRY(check_keys(c, document));
    for (int i = 0; i < 3; i++) {
        found = str_eq(want, wants[i]) ? i : found;
    }
    if (!c->name || found < 0) {
        return bad(c, "needs name and want (valid, invalid or controller)");
    }
    c->want = (enum corpus_want)found;
    if ((c->want == CORPUS_VALID) != !c->error) {
        return bad(c, "needs error unless want is valid");
    }
    struct json *made = json_get_mut(c->object, "spec");
    if (json_get(document, "fill")) {
        TRY(fill(c, json_get(document, "fill"), made));
    }
    return json_get(document, "long") ? lengthen(c, json_get(document, "long"), made) : NULL;
}

static struct err *read_file(const char *path, struct corpus *out)
{
    AUTO(buf_done) struct buf text = BUF((size_t)1024 * 1024);
    struct yaml_docs *docs = &out->files[out->file_count];

    TRY(file_read(path, &text));
    TRY(yaml_parse(buf_text(&text), text.len, path, docs));
    out->file_count++;
    for (size_t i = 0; i < docs->count; i++) {
        out->cases = mem_grow(out->cases, &out->cap, out->count + 1, sizeof *out->cases);
        struct corpus_case *c = &out->cases[out->count++];
        *c = (struct corpus_case){ .file = path, .line = docs->lines[i] };
        TRY(read_case(docs->docs[i], c));
    }
    return NULL;
}

struct err *corpus_read(const char *const *paths, size_t count, struct corpus *out)
{
    *out = (struct corpus){ .files = mem_array(count, sizeof *out->files) };
    for (size_t i = 0; i < count; i++) {
        TRY(read_file(paths[i], out));
    }
    for (size_t i = 0; i < out->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (str_eq(out->cases[i].name, out->cases[k].name)) {
                return bad(&out->cases[i], "another document has this name");
            }
        }
    }
    return NULL;
}

void corpus_done(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        json_free(corpus->cases[i].object);
    }
    for (size_t i = 0; i < corpus->file_count; i++) {
        yaml_docs_done(&corpus->files[i]);
    }
    free(corpus->cases);
    free(corpus->files);
    *corpus = (struct corpus){ 0 };
}

bool corpus_contains(const struct json *whole, const struct json *part)
{
    if (json_type(part) != JSON_OBJECT || json_type(whole) != JSON_OBJECT) {
        return whole && part && json_equal(whole, part);
    }
    for (const struct json *m = json_first(part); m; m = json_next(m)) {
        if (!corpus_contains(json_get(whole, json_key(m)), m)) {
            return false;
        }
    }
    return true;
}
