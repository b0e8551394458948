/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and patches of the platform port, and the name of a Job. */
#include "model/platform.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#define JOB_HASH_HEX 10
#define JOB_PLAN_PART 20 /* characters of the plan's name that stay readable */

struct json *annotation_patch(const char *key, const char *value)
{
    struct json *patch = json_object();
    struct json *metadata = json_object();
    struct json *annotations = json_object();

    json_set_string(annotations, key, value);
    json_set(metadata, "annotations", annotations);
    json_set(patch, "metadata", metadata);
    return patch;
}

void plan_keys_add(struct plan_keys *keys, const char *namespace_, const char *name)
{
    keys->items = mem_grow(keys->items, &keys->cap, keys->count + 1, sizeof *keys->items);
    keys->items[keys->count++] =
        (struct plan_key){ .namespace_ = mem_strdup(namespace_), .name = mem_strdup(name) };
}

void plan_keys_done(struct plan_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->items[i].namespace_);
        free(keys->items[i].name);
    }
    free(keys->items);
    *keys = (struct plan_keys){ 0 };
}

void job_copy(const struct job *from, struct job *out)
{
    *out = *from;
    out->database = mem_strdup(from->database);
    out->ended_by = mem_strdup(from->ended_by);
    out->waiting = mem_strdup(from->waiting);
    result_copy(&from->result, &out->result);
}

void job_done(struct job *job)
{
    free(job->database);
    free(job->ended_by);
    free(job->waiting);
    result_done(&job->result);
    *job = (struct job){ 0 };
}

void job_list_done(struct job_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        job_done(&list->items[i]);
    }
    free(list->items);
    *list = (struct job_list){ 0 };
}

/* At most `room` characters of `text` as a piece of a DNS label: lower case, others become '-', and
 * none of those at either end. */
static void add_piece(struct buf *out, const char *text, size_t room)
{
    size_t start = out->len;

    for (const char *p = text; *p && out->len - start < room; p++) {
        char c = *p;
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain || out->len > start) {
            buf_addc(out, plain ? c : '-');
        }
    }
    while (out->len > start && out->data[out->len - 1] == '-') {
        out->data[--out->len] = '\0';
    }
    if (out->len == start) {
        buf_addc(out, 'x');
    }
}

void job_name(const char *plan, const char *plan_uid, const char *database, int64_t attempt,
              char out[JOB_NAME_MAX + 1])
{
    AUTO(buf_done) struct buf name = BUF(JOB_NAME_MAX);
    AUTO(free_auto) char *tail = NULL;
    AUTO(free_auto) char *seed = mem_printf("%s/%s", plan_uid, database);
    char hex[SHA256_HEX_LEN + 1];

    sha256_hex(seed, strlen(seed), hex);
    hex[JOB_HASH_HEX] = '\0';
    tail = mem_printf("-%s-%lld", hex, (long long)attempt);
    add_piece(&name, plan, JOB_PLAN_PART);
    buf_addc(&name, '-');
    size_t taken = name.len + strlen(tail);
    add_piece(&name, database, taken < JOB_NAME_MAX ? JOB_NAME_MAX - taken : 1);
    buf_adds(&name, tail);
    memcpy(out, buf_text(&name), name.len + 1);
}
