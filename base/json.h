/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON over cJSON, which this header hides: whole input consumed, valid UTF-8, no NUL, no
 * duplicate keys, integers kept exact within +-2^53, bounded size and depth, case-sensitive keys. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct json; /* a node; the root owns the tree: json_free(root). Getters return borrowed nodes. */

enum json_type {
    JSON_NULL = 1,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* ERR_TERMINAL InvalidSpec with "what: line L column C: ..."; depth limit LIMIT_JSON_DEPTH. */
struct err *json_parse(const char *text, size_t length, const char *what, struct json **out)
    ERR_MUST_USE;
void json_free(struct json *root); /* NULL is fine */
static inline void json_free_auto(struct json **p)
{
    json_free(*p);
}

enum json_type json_type(const struct json *node);                       /* 0 for NULL */
const struct json *json_get(const struct json *object, const char *key); /* NULL: absent */
struct json *json_get_mut(struct json *object, const char *key);
struct json *json_at_mut(struct json *array, size_t index); /* walks from the start */
const char *json_key(const struct json *member);            /* key of an object's member */
const struct json *json_first(const struct json *container);
const struct json *json_next(const struct json *node);
size_t json_count(const struct json *container);
const char *json_string(const struct json *node); /* NULL if not a string */
bool json_bool(const struct json *node, bool fallback);
bool json_int64(const struct json *node, int64_t *out); /* false: not an exact integer */
bool json_double(const struct json *node, double *out);
/* Shorthands on an object member; NULL / fallback when absent or of another type. */
const char *json_get_string(const struct json *object, const char *key);
int64_t json_get_int64(const struct json *object, const char *key, int64_t fallback);

/* Builders. Strings are copied. Adding hands the child's ownership to the parent. */
struct json *json_object(void);
struct json *json_array(void);
struct json *json_string_new(const char *text);
struct json *json_int64_new(int64_t value);
struct json *json_double_new(double value); /* finite */
struct json *json_bool_new(bool value);
struct json *json_null_new(void);
void json_set(struct json *object, const char *key, struct json *child); /* replaces */
/* Adds behind the others without looking for the key: the caller knows it is new. */
void json_append(struct json *object, const char *key, struct json *child);
void json_set_string(struct json *object, const char *key, const char *text); /* NULL -> null */
void json_set_string_opt(struct json *object, const char *key,
                         const char *text); /* NULL -> nothing */
void json_set_int64(struct json *object, const char *key, int64_t value);
void json_set_bool(struct json *object, const char *key, bool value);
void json_set_null(struct json *object, const char *key);
void json_push(struct json *array, struct json *child);
void json_push_string(struct json *array, const char *text);
void json_remove(struct json *object, const char *key);
struct json *json_copy(const struct json *node);
bool json_equal(const struct json *a, const struct json *b); /* key order does not matter */
/* RFC 7396. patch is borrowed; target changes in place (target must be an object). */
void json_merge_patch(struct json *target, const struct json *patch);

/* Compact. `sorted`: keys in byte order at every level (digests). UTF-8 kept as is. */
void json_write(const struct json *node, bool sorted, struct buf *out);
char *json_text(const struct json *node);        /* compact, insertion order; owned */
char *json_text_sorted(const struct json *node); /* compact, sorted keys; owned */
/* Two-space indent, for people: strings as json_write_shown(); owned. */
char *json_text_pretty(const struct json *node);
/* A quoted, escaped JSON string; invalid UTF-8 becomes U+FFFD. */
void json_write_string(const char *text, size_t length, struct buf *out);
/* The same string for a terminal or a log: what str_hidden() tells of is written as \uXXXX. */
void json_write_shown(const char *text, size_t length, struct buf *out);

/* Adds cJSON with the version that is loaded. */
void json_libraries(struct kvlist *out);
