/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml events to JSON nodes; everything that two YAML readers could read differently is refused. */
#include "base/yaml.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/yaml_scalar.h"

struct yaml_key {
    const char *text; /* owned by the JSON member */
    yaml_mark_t mark;
};

struct frame {         /* one open container */
    struct json *node; /* owned by its parent, the first by the builder */
    bool is_map;
    char *key; /* read, its value not yet; owned */
    struct yaml_key *keys;
    size_t key_count;
    size_t key_cap;
};

struct builder {
    const char *what;
    struct json *root; /* of the present document; owned */
    int root_line;
    struct frame frames[LIMIT_JSON_DEPTH];
    int depth;
    struct yaml_docs docs;
    size_t docs_cap, lines_cap;
    int ended; /* documents */
};

static void frame_done(struct frame *f)
{
    free(f->key);
    free(f->keys);
    *f = (struct frame){ 0 };
}

static void builder_done(struct builder *b)
{
    while (b->depth > 0) {
        frame_done(&b->frames[--b->depth]);
    }
    json_free(b->root);
    yaml_docs_done(&b->docs);
}

static struct err *refuse(const struct builder *b, yaml_mark_t mark, const char *problem)
{
    return err_new(ERR_TERMINAL, "InvalidSpec", "%s:%zu:%zu: %s", b->what, mark.line + 1,
                   mark.column + 1, problem);
}

/* Hands a finished scalar or a new container to its place. */
static void place(struct builder *b, struct json *node, yaml_mark_t mark)
{
    if (b->depth == 0) {
        b->root = node;
        b->root_line = (int)mark.line + 1;
        return;
    }
    struct frame *top = &b->frames[b->depth - 1];
    if (top->is_map) {
        /* Plain append: duplicates are found by sorting when the mapping ends. */
        json_append(top->node, top->key, node);
        top->keys[top->key_count - 1].text = json_key(node);
        free(TAKE(top->key));
    } else {
        json_push(top->node, node);
    }
}

static bool wants_key(const struct builder *b)
{
    return b->depth > 0 && b->frames[b->depth - 1].is_map && !b->frames[b->depth - 1].key;
}

static struct err *take_key(struct builder *b, const yaml_event_t *event)
{
    struct frame *top = &b->frames[b->depth - 1];
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain) {
        if (strcmp(text, "<<") == 0) {
            return refuse(b, event->start_mark,
                          "merge keys (<<) are not supported: write the fields out");
        }
        AUTO(json_free_auto) struct json *value = NULL;
        const char *problem = yaml_scalar_read(text, &value);
        if (problem) {
            return refuse(b, event->start_mark, problem);
        }
        if (json_type(value) != JSON_STRING) {
            return refuse(b, event->start_mark, "a key must be a string: quote it");
        }
    }
    top->keys = mem_grow(top->keys, &top->key_cap, top->key_count + 1, sizeof *top->keys);
    top->keys[top->key_count++].mark = event->start_mark;
    top->key = mem_strdup(text);
    return NULL;
}

static struct err *on_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.anchor) {
        return refuse(b, event->start_mark,
                      "anchors and aliases are not supported: write the value out");
    }
    if (event->data.scalar.tag) {
        return refuse(b, event->start_mark, "tags (!) are not supported: quote the value");
    }
    if (strlen(text) != event->data.scalar.length) {
        return refuse(b, event->start_mark, "NUL character in a string");
    }
    if (wants_key(b)) {
        return take_key(b, event);
    }
    struct json *value = NULL;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        value = json_string_new(text);
    } else {
        const char *problem = yaml_scalar_read(text, &value);
        if (problem) {
            return refuse(b, event->start_mark, problem);
        }
    }
    place(b, value, event->start_mark);
    return NULL;
}

static struct err *open_container(struct builder *b, const yaml_event_t *event)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (anchor) {
        return refuse(b, event->start_mark,
                      "anchors and aliases are not supported: write the value out");
    }
    if (tag) {
        return refuse(b, event->start_mark, "tags (!) are not supported");
    }
    if (wants_key(b)) {
        return refuse(b, event->start_mark, "a key must be a string");
    }
    if (b->depth == LIMIT_JSON_DEPTH) {
        return refuse(b, event->start_mark, "nested too deep");
    }
    struct json *node = is_map ? json_object() : json_array();
    place(b, node, event->start_mark);
    b->frames[b->depth++] = (struct frame){ .node = node, .is_map = is_map };
    return NULL;
}

static int key_compare(const void *a, const void *b)
{
    const struct yaml_key *x = a;
    const struct yaml_key *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->mark.index > y->mark.index) - (x->mark.index < y->mark.index);
}

static struct err *close_container(struct builder *b)
{
    struct frame *top = &b->frames[b->depth - 1];
    struct err *e = NULL;
    if (top->key_count > 1) {
        qsort(top->keys, top->key_count, sizeof *top->keys, key_compare);
    }
    for (size_t i = 1; i < top->key_count && !e; i++) {
        if (str_eq(top->keys[i].text, top->keys[i - 1].text)) {
            AUTO(free_auto) char *problem = mem_printf("duplicate key \"%s\"", top->keys[i].text);
            e = refuse(b, top->keys[i].mark, problem);
        }
    }
    frame_done(top);
    b->depth--;
    return e;
}

/* Empty documents count too: each costs the parser as much as another. */
static struct err *end_document(struct builder *b, yaml_mark_t mark)
{
    struct json *root = TAKE(b->root);
    struct yaml_docs *d = &b->docs;
    if (++b->ended > LIMIT_YAML_DOCUMENTS) {
        AUTO(free_auto) char *problem =
            mem_printf("more than %d documents in one file", LIMIT_YAML_DOCUMENTS);
        json_free(root);
        return refuse(b, mark, problem);
    }
    if (json_type(root) == JSON_NULL) {
        json_free(root);
        return NULL;
    }
    d->docs = mem_grow(d->docs, &b->docs_cap, d->count + 1, sizeof(struct json *));
    d->lines = mem_grow(d->lines, &b->lines_cap, d->count + 1, sizeof *d->lines);
    d->docs[d->count] = root;
    d->lines[d->count++] = b->root_line;
    return NULL;
}

static struct err *on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
            return refuse(b, event->start_mark, "%TAG is not supported");
        }
        return NULL;
    case YAML_DOCUMENT_END_EVENT:
        return end_document(b, event->start_mark);
    case YAML_ALIAS_EVENT:
        return refuse(b, event->start_mark,
                      "anchors and aliases are not supported: write the value out");
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return open_container(b, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_container(b);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    default:
        return NULL;
    }
}

static struct err *parser_error(const struct builder *b, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "not valid YAML";
    if (parser->error == YAML_READER_ERROR) {
        return err_new(ERR_TERMINAL, "InvalidSpec", "%s:%zu:%zu: %s at byte %zu", b->what,
                       parser->mark.line + 1, parser->mark.column + 1, problem,
                       parser->problem_offset);
    }
    return refuse(b, parser->problem_mark, problem);
}

static struct err *read_events(struct builder *b, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            return parser_error(b, parser);
        }
        yaml_event_type_t type = event.type;
        struct err *e = on_event(b, &event);
        yaml_event_delete(&event);
        if (e || type == YAML_STREAM_END_EVENT || type == YAML_NO_EVENT) {
            return e;
        }
    }
}

struct err *yaml_parse(const char *text, size_t length, const char *what, struct yaml_docs *out)
{
    if (length > LIMIT_YAML_TEXT) {
        return err_new(ERR_TERMINAL, "InvalidSpec", "%s: larger than %d bytes", what,
                       LIMIT_YAML_TEXT);
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        abort();
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    struct builder b = { .what = what };
    struct err *e = read_events(&b, &parser);
    yaml_parser_delete(&parser);
    if (!e) {
        *out = b.docs;
        b.docs = (struct yaml_docs){ 0 };
    }
    builder_done(&b);
    return e;
}

void yaml_docs_done(struct yaml_docs *docs)
{
    for (size_t i = 0; i < docs->count; i++) {
        json_free(docs->docs[i]);
    }
    free(docs->docs);
    free(docs->lines);
    *docs = (struct yaml_docs){ 0 };
}

void yaml_libraries(struct kvlist *out)
{
    kvlist_set(out, "libyaml", yaml_get_version_string());
}
