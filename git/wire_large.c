/* SPDX-License-Identifier: Apache-2.0 */
/* A file of which the child sends no bytes: what parent and child say of it. */
#include <string.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "git/wire.h"

struct json *wire_format_large(const struct tree_file *file)
{
    const struct large *large = file->large;
    char hex[SHA256_HEX_LEN + 1];
    char lines[SHA256_HEX_LEN + 1];
    AUTO(buf_done) struct buf head = BUF(2 * LARGE_HEAD);
    hex_format(large->sha256, SHA256_LEN, hex);
    hex_format(large->lines_sha256, SHA256_LEN, lines);
    base64_format(large->head, large->head_size, &head);
    struct json *known = json_object();
    json_set_int64(known, "size", (int64_t)large->size);
    json_set_string(known, "sha256", hex);
    json_set_string(known, "lines", lines);
    json_set_int64(known, "checksum", large->checksum);
    json_set_bool(known, "placeholder", large->has_placeholder);
    json_set_int64(known, "fault", large->fault);
    json_set_int64(known, "line", large->fault_line);
    json_set_int64(known, "byte", large->fault_byte);
    json_set_string(known, "head", buf_text(&head));
    struct json *out = json_array();
    json_push_string(out, file->path);
    json_push_string(out, file->script);
    json_push(out, known);
    return out;
}

static bool int_within(const struct json *object, const char *key, int64_t min, int64_t max,
                       int64_t *out)
{
    return json_int64(json_get(object, key), out) && *out >= min && *out <= max;
}

static bool read_digest(const char *hex, uint8_t out[SHA256_LEN])
{
    return hex && strlen(hex) == SHA256_HEX_LEN && hex_parse(hex, SHA256_HEX_LEN, out);
}

static bool read_large(const struct json *known, struct large *out)
{
    const char *hex = json_get_string(known, "sha256");
    const char *lines = json_get_string(known, "lines");
    const char *head = json_get_string(known, "head");
    AUTO(buf_done) struct buf bytes = BUF(LARGE_HEAD);
    int64_t size = 0, checksum = 0, fault = 0, line = 0, byte = 0;
    if (!read_digest(hex, out->sha256) || !read_digest(lines, out->lines_sha256) || !head ||
        !base64_parse(head, strlen(head), &bytes) || bytes.failed ||
        !int_within(known, "size", 0, LIMIT_OBJECT, &size) || (size_t)size < bytes.len ||
        !int_within(known, "checksum", INT32_MIN, INT32_MAX, &checksum) ||
        !int_within(known, "fault", 0, LARGE_NOT_UTF8, &fault) ||
        !int_within(known, "line", 0, INT32_MAX, &line) ||
        !int_within(known, "byte", 0, UINT8_MAX, &byte)) {
        return false;
    }
    out->size = (size_t)size;
    out->checksum = (int32_t)checksum;
    out->has_placeholder = json_bool(json_get(known, "placeholder"), true);
    out->fault = (enum large_fault)fault;
    out->fault_line = (int)line;
    out->fault_byte = (uint8_t)byte;
    out->head_size = bytes.len;
    out->head = (uint8_t *)buf_take(&bytes);
    return true;
}

struct large *wire_read_large(const struct json *known)
{
    struct large *large = mem_alloc(sizeof *large);

    if (!read_large(known, large)) {
        large_free(large);
        return NULL;
    }
    return large;
}
