/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON over cJSON; struct json is cJSON's node under another name. */
#include "base/json.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json_check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

#define EXACT_MAX 9007199254740992 /* 2^53 */

static const cJSON *in(const struct json *node)
{
    return (const cJSON *)(const void *)node;
}

static cJSON *in_mut(struct json *node)
{
    return (cJSON *)(void *)node;
}

static struct json *out_node(cJSON *node)
{
    if (!node) {
        (void)fputs("sluice: out of memory\n", stderr);
        abort();
    }
    return (struct json *)(void *)node;
}

static struct err *syntax(const char *text, const char *what, size_t at, const char *problem)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return err_new(ERR_TERMINAL, "InvalidSpec", "%s: line %zu column %zu: %s", what, line, column,
                   problem);
}

struct err *json_parse(const char *text, size_t length, const char *what, struct json **out)
{
    if (length > LIMIT_JSON_TEXT) {
        return err_new(ERR_TERMINAL, "InvalidSpec", "%s: larger than %d bytes", what,
                       LIMIT_JSON_TEXT);
    }
    size_t at = 0;
    const char *problem = json_check(text, length, &at);
    if (problem) {
        return syntax(text, what, at, problem);
    }
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, NULL, 0);
    if (!root) {
        return err_new(ERR_TERMINAL, "InvalidSpec", "%s: not valid JSON", what);
    }
    *out = out_node(root);
    return NULL;
}

void json_free(struct json *root)
{
    cJSON_Delete(in_mut(root));
}

enum json_type json_type(const struct json *node)
{
    if (!node) {
        return 0;
    }
    switch (in(node)->type & 0xff) {
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
    case cJSON_Raw: /* an integer that a double cannot hold, see json_int64_new */
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (json_type(object) != JSON_OBJECT) {
        return NULL;
    }
    return (const struct json *)(const void *)cJSON_GetObjectItemCaseSensitive(in(object), key);
}

struct json *json_get_mut(struct json *object, const char *key)
{
    if (json_type(object) != JSON_OBJECT) {
        return NULL;
    }
    return (struct json *)(void *)cJSON_GetObjectItemCaseSensitive(in_mut(object), key);
}

struct json *json_at_mut(struct json *array, size_t index)
{
    struct json *node = NULL;
    if (json_type(array) == JSON_ARRAY) {
        node = (struct json *)(void *)in_mut(array)->child;
    }
    while (node && index--) {
        node = (struct json *)(void *)in_mut(node)->next;
    }
    return node;
}

const char *json_key(const struct json *member)
{
    return member ? in(member)->string : NULL;
}

const struct json *json_first(const struct json *container)
{
    enum json_type type = json_type(container);
    if (type != JSON_ARRAY && type != JSON_OBJECT) {
        return NULL;
    }
    return (const struct json *)(const void *)in(container)->child;
}

const struct json *json_next(const struct json *node)
{
    return node ? (const struct json *)(const void *)in(node)->next : NULL;
}

size_t json_count(const struct json *container)
{
    size_t count = 0;
    for (const struct json *n = json_first(container); n; n = json_next(n)) {
        count++;
    }
    return count;
}

const char *json_string(const struct json *node)
{
    return json_type(node) == JSON_STRING ? in(node)->valuestring : NULL;
}

bool json_bool(const struct json *node, bool fallback)
{
    return json_type(node) == JSON_BOOL ? (in(node)->type & 0xff) == cJSON_True : fallback;
}

bool json_int64(const struct json *node, int64_t *out)
{
    if (json_type(node) != JSON_NUMBER) {
        return false;
    }
    if ((in(node)->type & 0xff) == cJSON_Raw) {
        return str_to_int64(in(node)->valuestring, INT64_MIN, INT64_MAX, out);
    }
    double value = in(node)->valuedouble;
    if (!(fabs(value) <= (double)EXACT_MAX) || trunc(value) != value) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

bool json_double(const struct json *node, double *out)
{
    if (json_type(node) != JSON_NUMBER) {
        return false;
    }
    bool raw = (in(node)->type & 0xff) == cJSON_Raw;
    *out = raw ? strtod(in(node)->valuestring, NULL) : in(node)->valuedouble;
    return true;
}

const char *json_get_string(const struct json *object, const char *key)
{
    return json_string(json_get(object, key));
}

int64_t json_get_int64(const struct json *object, const char *key, int64_t fallback)
{
    int64_t value = 0;
    return json_int64(json_get(object, key), &value) ? value : fallback;
}

struct json *json_object(void)
{
    return out_node(cJSON_CreateObject());
}

struct json *json_array(void)
{
    return out_node(cJSON_CreateArray());
}

struct json *json_string_new(const char *text)
{
    return out_node(cJSON_CreateString(text));
}

struct json *json_int64_new(int64_t value)
{
    if (value >= -EXACT_MAX && value <= EXACT_MAX) {
        return out_node(cJSON_CreateNumber((double)value));
    }
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    return out_node(cJSON_CreateRaw(text));
}

struct json *json_double_new(double value)
{
    return out_node(cJSON_CreateNumber(value));
}

struct json *json_bool_new(bool value)
{
    return out_node(cJSON_CreateBool(value));
}

struct json *json_null_new(void)
{
    return out_node(cJSON_CreateNull());
}

void json_set(struct json *object, const char *key, struct json *child)
{
    if (json_get(object, key)) {
        (void)cJSON_ReplaceItemInObjectCaseSensitive(in_mut(object), key, in_mut(child));
    } else {
        (void)cJSON_AddItemToObject(in_mut(object), key, in_mut(child));
    }
}

void json_append(struct json *object, const char *key, struct json *child)
{
    (void)cJSON_AddItemToObject(in_mut(object), key, in_mut(child));
}

void json_set_string(struct json *object, const char *key, const char *text)
{
    json_set(object, key, text ? json_string_new(text) : json_null_new());
}

void json_set_string_opt(struct json *object, const char *key, const char *text)
{
    if (text) {
        json_set(object, key, json_string_new(text));
    }
}

void json_set_int64(struct json *object, const char *key, int64_t value)
{
    json_set(object, key, json_int64_new(value));
}

void json_set_bool(struct json *object, const char *key, bool value)
{
    json_set(object, key, json_bool_new(value));
}

void json_set_null(struct json *object, const char *key)
{
    json_set(object, key, json_null_new());
}

void json_push(struct json *array, struct json *child)
{
    (void)cJSON_AddItemToArray(in_mut(array), in_mut(child));
}

void json_push_string(struct json *array, const char *text)
{
    json_push(array, json_string_new(text));
}

void json_remove(struct json *object, const char *key)
{
    if (json_get(object, key)) {
        cJSON_DeleteItemFromObjectCaseSensitive(in_mut(object), key);
    }
}

struct json *json_copy(const struct json *node)
{
    return node ? out_node(cJSON_Duplicate(in(node), 1)) : NULL;
}

void json_merge_patch(struct json *target, const struct json *patch)
{
    for (const struct json *m = json_first(patch); m; m = json_next(m)) {
        const char *key = json_key(m);
        if (json_type(m) == JSON_NULL) {
            json_remove(target, key);
        } else if (json_type(m) == JSON_OBJECT) {
            if (json_type(json_get(target, key)) != JSON_OBJECT) {
                json_set(target, key, json_object());
            }
            json_merge_patch(json_get_mut(target, key), m);
        } else {
            json_set(target, key, json_copy(m));
        }
    }
}

void json_libraries(struct kvlist *out)
{
    kvlist_set(out, "cJSON", cJSON_Version());
}
