/* SPDX-License-Identifier: Apache-2.0 */
/* From YAML documents to MigrationPlan, Secret and ConfigMap objects with a place for every complaint. */
#include "local/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "manifest/manifest.h"
#include "model/reason.h"

#define NAME_BYTES 253
#define LABEL_BYTES 63
#define STATE_NAME_BYTES 240 /* <namespace>.<name>.json and its temporary sibling are file names */

static const struct kind_row {
    enum platform_kind kind;
    const char *text;
    const char *api_version;
} kinds[] = {
    { PLATFORM_PLAN, "MigrationPlan", "sluice.dev/v1alpha1" },
    { PLATFORM_SECRET, "Secret", "v1" },
    { PLATFORM_CONFIGMAP, "ConfigMap", "v1" },
};

static const struct kind_row *kind_find(const char *text)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (str_eq(kinds[i].text, text)) {
            return &kinds[i];
        }
    }
    return NULL;
}

const char *manifest_kind_text(enum platform_kind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind == kind) {
            return kinds[i].text;
        }
    }
    return "Job";
}

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool label_valid(const char *text, size_t length)
{
    if (length == 0 || length > LABEL_BYTES || !alphanumeric(text[0]) ||
        !alphanumeric(text[length - 1])) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!alphanumeric(text[i]) && text[i] != '-') {
            return false;
        }
    }
    return true;
}

bool manifest_namespace_valid(const char *text)
{
    return label_valid(text, strlen(text));
}

bool manifest_name_valid(const char *text)
{
    if (strlen(text) > NAME_BYTES) {
        return false;
    }
    for (;;) {
        size_t length = strcspn(text, ".");
        if (!label_valid(text, length)) {
            return false;
        }
        if (text[length] == '\0') {
            return true;
        }
        text += length + 1;
    }
}

static struct err *check_names(const char *kind, const char *namespace_, const char *name)
{
    if (!name) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s without metadata.name", kind);
    }
    if (!manifest_name_valid(name)) {
        return err_new(
            ERR_TERMINAL, REASON_INVALID_SPEC,
            "metadata.name \"%s\" is not a DNS name: lower-case letters, digits, '-' and '.'",
            name);
    }
    if (!manifest_namespace_valid(namespace_)) {
        return err_new(
            ERR_TERMINAL, REASON_INVALID_SPEC,
            "metadata.namespace \"%s\" is not a DNS label: lower-case letters, digits and '-'",
            namespace_);
    }
    if (strlen(namespace_) + strlen(name) > STATE_NAME_BYTES) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "namespace and name of \"%s\" are together longer than %d bytes", name,
                       STATE_NAME_BYTES);
    }
    return NULL;
}

static struct err *check_data(enum platform_kind kind, const struct json *object)
{
    struct kvlist data = { 0 };
    struct err *failed = NULL;

    if (kind == PLATFORM_SECRET) {
        failed = secret_decode(object, &data);
    } else if (kind == PLATFORM_CONFIGMAP) {
        failed = configmap_decode(object, &data);
    }
    secret_kvlist_done(&data);
    return failed;
}

/* *out stays zeroed for a document that is valid but none of ours; the error says so. */
static struct err *object_make(const struct json *doc, struct manifest *out)
{
    const char *kind = json_get_string(doc, "kind");
    const char *api_version = json_get_string(doc, "apiVersion");
    const struct json *metadata = json_get(doc, "metadata");
    const char *namespace_ = json_get_string(metadata, "namespace");
    const char *name = json_get_string(metadata, "name");
    const struct kind_row *row = kind ? kind_find(kind) : NULL;

    if (json_type(doc) != JSON_OBJECT || !kind || !api_version) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "not a manifest: apiVersion and kind are needed");
    }
    if (!row) {
        return err_new(ERR_WAIT, REASON_INVALID_SPEC,
                       "kind %s is not read in standalone mode and is ignored", kind);
    }
    if (!str_eq(api_version, row->api_version)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "apiVersion of a %s is %s, not \"%s\"",
                       kind, row->api_version, api_version);
    }
    namespace_ = namespace_ ? namespace_ : "default";
    TRY(check_names(kind, namespace_, name));
    TRY(err_wrap(check_data(row->kind, doc), "%s %s/%s", kind, namespace_, name));
    out->kind = row->kind;
    out->namespace_ = mem_strdup(namespace_);
    out->name = mem_strdup(name);
    out->object = json_copy(doc);
    return NULL;
}

static void add_problem(struct manifest_file *out, const char *where, struct err *e)
{
    AUTO(free_auto) char *text =
        where ? mem_printf("%s: %s", where, e->message) : mem_strdup(e->message);

    strlist_add(&out->problems, text);
    err_free(e);
}

bool manifest_file_parse(const char *path, const char *name, struct manifest_file *out)
{
    AUTO(secret_buf_done) struct buf text = BUF(LIMIT_YAML_TEXT);
    struct yaml_docs docs = { 0 };
    struct err *failed = file_read(path, &text);

    if (!failed) {
        failed = yaml_parse(buf_text(&text), text.len, name, &docs);
    }
    if (failed) {
        add_problem(out, NULL, failed);
        out->broken = true;
        return false;
    }
    for (size_t i = 0; i < docs.count; i++) {
        AUTO(free_auto) char *where = mem_printf("%s:%d", name, docs.lines[i]);
        struct manifest item = { 0 };
        failed = object_make(docs.docs[i], &item);
        if (failed) {
            out->broken = out->broken || failed->kind == ERR_TERMINAL;
            add_problem(out, where, failed);
            continue;
        }
        item.where = TAKE(where);
        out->items = mem_grow(out->items, &out->cap, out->count + 1, sizeof *out->items);
        out->items[out->count++] = item;
    }
    yaml_docs_done(&docs);
    return true;
}

void manifest_done(struct manifest *m)
{
    free(m->namespace_);
    free(m->name);
    free(m->where);
    json_free(m->object);
    *m = (struct manifest){ 0 };
}
