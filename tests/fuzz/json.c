/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what is read, written in any of our ways and read again is the same. */
#include "base/json.h"
#include "fuzz.h"

static void check_written(const struct json *value, char *(*format)(const struct json *))
{
    AUTO(free_auto) char *text = format(value);
    AUTO(json_free_auto) struct json *again = NULL;

    fuzz_read_again(json_parse(text, strlen(text), "again", &again), text);
    assert(json_equal(value, again) && json_equal(again, value));
    AUTO(free_auto) char *twice = format(again);
    fuzz_same("written twice", twice, text);
}

/* RFC 7396: a patch without nulls, on nothing, is the value. */
static bool has_null(const struct json *value)
{
    bool found = json_type(value) == JSON_NULL;

    for (const struct json *m = json_first(value); m && !found; m = json_next(m)) {
        found = has_null(m);
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json_free_auto) struct json *value = NULL;
    struct err *e = json_parse((const char *)data, size, "text", &value);

    if (e) {
        fuzz_refused(e, "InvalidSpec", "text: ");
        assert(!value);
        return 0;
    }
    check_written(value, json_text);
    check_written(value, json_text_sorted);
    check_written(value, json_text_pretty);
    AUTO(json_free_auto) struct json *copy = json_copy(value);
    assert(json_equal(value, copy));
    if (json_type(value) == JSON_OBJECT && !has_null(value)) {
        AUTO(json_free_auto) struct json *target = json_object();
        json_merge_patch(target, value);
        assert(json_equal(target, value));
    }
    return 0;
}
