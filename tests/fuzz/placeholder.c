/* SPDX-License-Identifier: Apache-2.0 */
/* Replacement of ${name}, against Flyway's reader written down a second time, and the map back into the file. */
#include <strings.h>
#include "base/buf.h"
#include "fuzz.h"
#include "model/reason.h"
#include "reconcile/migration/placeholder.h"

#define FUZZ_PATH "sql/V1__x.sql"

static const struct kv user[] = {
    { (char *)(uintptr_t) "a", (char *)(uintptr_t) "one" },
    { (char *)(uintptr_t) "Empty", (char *)(uintptr_t) "" },
    { (char *)(uintptr_t) "b.c", (char *)(uintptr_t) "${a}\nsecond line" },
    { (char *)(uintptr_t) "\xC3\xA9", (char *)(uintptr_t) "$" },
};

static const struct kv built_in[] = {
    { (char *)(uintptr_t) "flyway:defaultSchema", (char *)(uintptr_t) "public" },
    { (char *)(uintptr_t) "flyway:filename", (char *)(uintptr_t) "V1__x.sql" },
    { (char *)(uintptr_t) "flyway:table", (char *)(uintptr_t) "history" },
};

static const char *value_of(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(user); i++) {
        if (strcasecmp(user[i].key, name) == 0) {
            return user[i].value;
        }
    }
    for (size_t i = 0; i < COUNT_OF(built_in); i++) {
        if (strcasecmp(built_in[i].key, name) == 0) {
            return built_in[i].value;
        }
    }
    return NULL;
}

/* A '$' takes the next character with it unless that is '{'. False: an error. */
static bool expand(const char *text, struct buf *out)
{
    while (*text) {
        if (text[0] != '$') {
            buf_addc(out, *text++);
        } else if (text[1] != '{') {
            buf_addc(out, *text++);
            if (*text) {
                buf_addc(out, *text++);
            }
        } else {
            const char *close = strchr(text + 2, '}');
            AUTO(free_auto)
            char *name = close ? mem_strndup(text + 2, (size_t)(close - text) - 2) : NULL;
            const char *value = name ? value_of(name) : NULL;
            if (!value) {
                return false;
            }
            buf_adds(out, value);
            text = close + 1;
        }
    }
    return true;
}

/* Back into the file: never backwards, to the end, and what is no value leads to the same byte. */
static void check_map(const struct script *script, const char *raw, size_t size)
{
    size_t last = 0;

    for (size_t i = 0; i < script->expanded_length; i++) {
        const size_t start = script_map_source(script, i, false);
        const size_t end = script_map_source(script, i + 1, true);
        assert(start >= last && end > start && end <= size);
        assert(raw[start] == script->expanded[i] || raw[start] == '$');
        last = start;
    }
    assert(script->expanded_length == 0 ||
           script_map_source(script, script->expanded_length, true) <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free_auto) char *text = fuzz_text(data, size);
    const struct kvlist pairs = { .items = (struct kv *)(uintptr_t)user, .count = COUNT_OF(user) };
    const struct placeholders values = {
        .replacement = true, .user = &pairs, .default_schema = "public", .table = "history"
    };
    const struct migration m = { .kind = MIGRATION_REPEATABLE,
                                 .script = (char *)(uintptr_t)FUZZ_PATH,
                                 .path = (char *)(uintptr_t)FUZZ_PATH,
                                 .bytes = (const uint8_t *)text,
                                 .size = size };
    AUTO(buf_done) struct buf want = BUF((size_t)1024 * 1024);
    AUTO(script_done) struct script script = { 0 };

    const bool fine = expand(text + (str_starts(text, "\xEF\xBB\xBF") ? 3 : 0), &want);
    struct err *e = placeholders_apply(&m, &values, &script);
    assert(fine == !e);
    if (e) {
        fuzz_refused(e, REASON_INVALID_MIGRATION, FUZZ_PATH ":");
        return 0;
    }
    fuzz_same("expanded", script.expanded, buf_text(&want));
    check_map(&script, text, size);
    for (size_t i = 0; i < script.placeholders_used.count; i++) {
        const char *const *names = (const char *const *)script.placeholders_used.items;
        assert(value_of(names[i]) && (i == 0 || strcmp(names[i - 1], names[i]) < 0));
    }
    return 0;
}
