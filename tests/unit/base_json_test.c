/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON: what is refused, what is kept exact, what is written. */
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/rows.h"

TestSuite(json, .timeout = 60);

static struct json *parsed(const char *text)
{
    struct json *root = NULL;
    struct err *e = json_parse(text, strlen(text), "t", &root);
    cr_assert(!e, "%s: %s", text, e ? e->message : "");
    return root;
}

Test(json, only_json_is_taken)
{
#define N(text_) .text = (text_), .length = sizeof(text_) - 1
    static const struct {
        const char *name;
        const char *text;
        size_t length;
        const char *want;
    } rows[] = {
        { "an object", N("{\"a\":[1,-2.5e3,true,false,null,\"x\"]} \n"), NULL },
        { "a bare scalar", N(" 7 "), NULL },
        { "an empty text", N(""), "line 1 column 1: unexpected end" },
        { "an open object", N("{\"a\":1"), "line 1 column 7: unexpected end" },
        { "an open string", N("\"abc"), "unexpected end" },
        { "text behind the end", N("{} x"), "line 1 column 4: more text behind" },
        { "two documents", N("{}{}"), "more text behind" },
        { "a byte order mark", N("\xef\xbb\xbf{}"), "line 1 column 1: expected a value" },
        { "a trailing comma in a list", N("[1,]"), "column 4: expected a value" },
        { "a trailing comma in an object", N("{\"a\":1,}"), "expected a key" },
        { "a key without quotes", N("{a:1}"), "line 1 column 2: expected a key in double quotes" },
        { "single quotes", N("{'a':1}"), "expected a key" },
        { "a missing colon", N("{\"a\" 1}"), "expected ':'" },
        { "a comment", N("[1, /* x */ 2]"), "expected a value" },
        { "the column of a later line", N("{\n  \"a\": tru\n}"),
          "line 2 column 8: expected a value" },
        { "the column counts characters", N("{\"\xc3\xa9\xc3\xa9\": nope}"), "line 1 column 8" },
        { "a leading zero", N("[01]"), "must not start with 0" },
        { "a number ending in a dot", N("[1.]"), "a digit is missing" },
        { "a number starting with a dot", N("[.5]"), "expected a value" },
        { "a plus sign", N("[+1]"), "expected a value" },
        { "an empty exponent", N("[1e]"), "a digit is missing" },
        { "an endless number", N("[1e400]"), "too large" },
        { "2^53", N("[9007199254740992]"), NULL },
        { "2^53 + 1", N("[9007199254740993]"), "too large: write it as a string" },
        { "-2^53 - 1", N("[-9007199254740993]"), "too large" },
        { "more than 2^53 with a point", N("[9007199254740994.0]"), "too large" },
        { "2^53 + 1 with a point", N("[9007199254740993.0]"), "too large" },
        { "a fraction that rounds to 2^53", N("[9007199254740991.5]"), "too large" },
        { "a power beyond 2^53", N("[1e16]"), "too large: write it as a string" },
        { "a negative power beyond 2^53", N("[-1E+300]"), "too large" },
        { "2^53 - 1 as a power", N("[9007199254740991e0]"), NULL },
        { "a fraction below 2^53", N("[4503599627370495.5]"), NULL },
        { "next to nothing", N("[1e-400]"), NULL },
        { "70 digits",
          N("[0.1234567890123456789012345678901234567890123456789012345678901234567890]"),
          "number is too long" },
        { "a raw tab in a string", N("\"a\tb\""), "control character in a string" },
        { "a raw line break in a string", N("\"a\nb\""), "control character in a string" },
        { "an escaped NUL", N("\"a\\u0000b\""), "\\u0000 is not allowed" },
        { "an escaped NUL in a key", N("{\"\\u0000\":1}"), "\\u0000 is not allowed" },
        { "a raw NUL", N("\"a\0b\""), "control character" },
        { "a NUL behind the end", N("{}\0"), "more text behind" },
        { "an unknown escape", N("\"\\x41\""), "unknown escape" },
        { "a short unicode escape", N("\"\\u12\""), "four hex digits" },
        { "a surrogate pair", N("\"\\ud83d\\ude00\""), NULL },
        { "half a surrogate pair", N("\"\\ud83d\""), "half of a surrogate pair" },
        { "two high halves", N("\"\\ud83d\\ud83d\""), "half of a surrogate pair" },
        { "a low half alone", N("\"\\ude00\""), "half of a surrogate pair" },
        { "bad UTF-8", N("\"\xff\""), "column 2: invalid UTF-8" },
        { "an overlong slash", N("\"\xc0\xaf\""), "invalid UTF-8" },
        { "a duplicate key", N("{\"a\":1,\"b\":2,\"a\":3}"), "line 1 column 14: duplicate key" },
        { "a duplicate key in disguise", N("{\"a\":1,\"\\u0061\":3}"), "duplicate key" },
        { "keys that differ in case", N("{\"a\":1,\"A\":3}"), NULL },
        { "the same key in two objects", N("[{\"a\":1},{\"a\":1}]"), NULL },
        { "a duplicate deep inside", N("[{\"x\":{\"a\":1,\"a\":1}}]"), "duplicate key" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(json_free_auto) struct json *root = NULL;
        check_error(rows[i].name, json_parse(rows[i].text, rows[i].length, "t", &root),
                    rows[i].want);
        cr_expect((root == NULL) == (rows[i].want != NULL), "%s: *out", rows[i].name);
    }
}

Test(json, depth_is_bounded)
{
    for (int depth = LIMIT_JSON_DEPTH; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
        AUTO(buf_done) struct buf text = BUF(10000);
        for (int i = 0; i < depth; i++) {
            buf_addc(&text, '[');
        }
        for (int i = 0; i < depth; i++) {
            buf_addc(&text, ']');
        }
        AUTO(json_free_auto) struct json *root = NULL;
        check_error("depth", json_parse(text.data, text.len, "t", &root),
                    depth > LIMIT_JSON_DEPTH ? "nested too deep" : NULL);
    }
    AUTO(free_auto) char *open = mem_alloc(5000000);
    memset(open, '[', 5000000);
    struct json *none = NULL;
    check_error("five million brackets", json_parse(open, 5000000, "t", &none), "nested too deep");
}

Test(json, many_keys_do_not_take_quadratic_time)
{
    AUTO(buf_done) struct buf text = BUF(20000000);
    buf_addc(&text, '{');
    for (int i = 0; i < 200000; i++) {
        buf_addf(&text, "%s\"k%d\":%d", i ? "," : "", i, i);
    }
    buf_addc(&text, '}');
    AUTO(json_free_auto) struct json *root = NULL;
    check_error("200,000 keys", json_parse(text.data, text.len, "t", &root), NULL);
    cr_expect(json_count(root) == 200000);
}

Test(json, getters_want_the_right_type)
{
    AUTO(json_free_auto) struct json *o = parsed("{\"s\":\"x\",\"i\":42,\"d\":1.5,\"b\":true,\"n\":"
                                                 "null,\"a\":[1,2],\"neg\":-9007199254740992}");
    int64_t i = 0;
    double d = 0;
    cr_expect(json_int64(json_get(o, "i"), &i) && i == 42);
    cr_expect(json_int64(json_get(o, "neg"), &i) && i == -9007199254740992);
    cr_expect(!json_int64(json_get(o, "d"), &i), "1.5 is no integer");
    cr_expect(!json_int64(json_get(o, "s"), &i), "a string is no integer");
    cr_expect(json_double(json_get(o, "d"), &d) && d > 1.4 && d < 1.6);
    check_text("string", json_get_string(o, "s"), "x");
    cr_expect(json_get_string(o, "i") == NULL);
    cr_expect(json_get_int64(o, "s", 7) == 7 && json_get_int64(o, "i", 7) == 42);
    cr_expect(json_bool(json_get(o, "b"), false) && json_bool(json_get(o, "s"), true));
    cr_expect(json_type(json_get(o, "n")) == JSON_NULL && json_type(NULL) == 0);
    cr_expect(json_get(o, "S") == NULL, "keys are case-sensitive");
    cr_expect(json_get(json_get(o, "a"), "x") == NULL && json_get(NULL, "x") == NULL);
    cr_expect(json_count(json_get(o, "a")) == 2 && json_count(NULL) == 0);
    cr_expect(json_count(json_get(o, "s")) == 0);
    check_text("key", json_key(json_get(o, "d")), "d");
}

Test(json, what_is_written_reads_back_equal)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "{ \"b\" : 1, \"a\" : [ ] }", "{\"b\":1,\"a\":[]}" },
        { "[0.1,1e15,-0.5,4503599627370495.5]", "[0.1,1000000000000000,-0.5,4503599627370495.5]" },
        { "[9007199254740992,-1,0]", "[9007199254740992,-1,0]" },
        { "\"\\u00e9\\n\\t\\\"\\\\\\/\\u0001\"", "\"\xc3\xa9\\n\\t\\\"\\\\/\\u0001\"" },
        { "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"" },
        { "{}", "{}" },
        { "{\"\":{\"\":null}}", "{\"\":{\"\":null}}" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(json_free_auto) struct json *root = parsed(rows[i].text);
        AUTO(free_auto) char *text = json_text(root);
        check_text(rows[i].text, text, rows[i].want);
        AUTO(json_free_auto) struct json *again = parsed(text);
        cr_expect(json_equal(root, again), "%s", rows[i].text);
    }
}

#define NUMBER_TEXT 128

static void number_text(int form, double value, char out[NUMBER_TEXT])
{
    switch (form) {
    case 0:
        (void)snprintf(out, NUMBER_TEXT, "%.0f", value);
        break;
    case 1:
        (void)snprintf(out, NUMBER_TEXT, "%.1f", value);
        break;
    case 2:
        (void)snprintf(out, NUMBER_TEXT, "%.15g", value);
        break;
    case 3:
        (void)snprintf(out, NUMBER_TEXT, "%.17g", value);
        break;
    case 4:
        (void)snprintf(out, NUMBER_TEXT, "%e", value);
        break;
    default:
        (void)snprintf(out, NUMBER_TEXT, "%.3e", value);
        break;
    }
}

/* Whatever number is taken is taken again as we write it. */
Test(json, no_number_is_read_and_refused_when_it_comes_back)
{
    unsigned seed = 7;
    int taken = 0;
    for (int i = 0; i < 20000; i++) {
        double value = ldexp((double)rand_r(&seed) / RAND_MAX - 0.5, rand_r(&seed) % 140 - 60);
        char text[NUMBER_TEXT];
        number_text(i % 6, value, text);
        struct json *root = NULL;
        struct err *e = json_parse(text, strlen(text), "number", &root);
        if (e) {
            cr_expect(fabs(value) > 4e15, "%s: %s", text, e->message);
            err_free(e);
            continue;
        }
        taken++;
        AUTO(free_auto) char *written = json_text(root);
        AUTO(json_free_auto) struct json *again = NULL;
        AUTO(err_free_auto) struct err *refused =
            json_parse(written, strlen(written), "number", &again);
        cr_expect_null(refused, "%s is taken, %s is not", text, written);
        json_free(root);
    }
    cr_expect_gt(taken, 5000);
}

Test(json, sorted_text_is_the_same_for_any_key_order)
{
    AUTO(json_free_auto) struct json *a =
        parsed("{\"b\":{\"y\":1,\"x\":2},\"a\":[{\"d\":1,\"c\":2}],\"B\":0}");
    AUTO(json_free_auto) struct json *b =
        parsed("{\"B\":0,\"a\":[{\"c\":2,\"d\":1}],\"b\":{\"x\":2,\"y\":1}}");
    AUTO(free_auto) char *x = json_text_sorted(a);
    AUTO(free_auto) char *y = json_text_sorted(b);
    check_text("sorted", x, "{\"B\":0,\"a\":[{\"c\":2,\"d\":1}],\"b\":{\"x\":2,\"y\":1}}");
    check_text("equal", y, x);
    cr_expect(json_equal(a, b));
    json_set_int64(b, "B", 1);
    cr_expect(!json_equal(a, b) && !json_equal(a, NULL) && json_equal(NULL, NULL));
}

Test(json, pretty_text_indents_by_two)
{
    AUTO(json_free_auto) struct json *a = parsed("{\"a\":[1,{\"b\":[]}],\"c\":{}}");
    AUTO(free_auto) char *text = json_text_pretty(a);
    check_text("pretty", text,
               "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}");
}

Test(json, builders_replace_in_place)
{
    AUTO(json_free_auto) struct json *o = json_object();
    json_set_string(o, "a", "1");
    json_set_string(o, "b", NULL);
    json_set_string_opt(o, "c", NULL);
    json_set_bool(o, "d", true);
    json_set_int64(o, "big", INT64_MAX);
    json_set_int64(o, "a", 5);
    struct json *list = json_array();
    json_push_string(list, "x");
    json_push(list, json_int64_new(INT64_MIN));
    json_set(o, "list", list);
    json_remove(o, "d");
    json_remove(o, "never");
    AUTO(free_auto) char *text = json_text(o);
    check_text(
        "built", text,
        "{\"a\":5,\"b\":null,\"big\":9223372036854775807,\"list\":[\"x\",-9223372036854775808]}");
    int64_t big = 0;
    cr_expect(json_int64(json_get(o, "big"), &big) && big == INT64_MAX, "kept exact");
    cr_expect(json_at_mut(json_get_mut(o, "list"), 1) != NULL);
    cr_expect(json_at_mut(json_get_mut(o, "list"), 2) == NULL);
}

Test(json, bad_bytes_are_replaced_in_written_strings)
{
    AUTO(buf_done) struct buf out = BUF(100);
    json_write_string("a\xff\"\n\x7f", 5, &out);
    check_text("replaced", buf_text(&out), "\"a\xef\xbf\xbd\\\"\\n\\u007f\"");
}

Test(json, merge_patch_follows_rfc_7396)
{
    static const struct { /* the examples of the RFC's appendix whose target is an object */
        const char *target, *patch, *want;
    } rows[] = {
        { "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
        { "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
        { "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
        { "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
        { "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
        { "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
        { "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(json_free_auto) struct json *target = parsed(rows[i].target);
        AUTO(json_free_auto) struct json *patch = parsed(rows[i].patch);
        json_merge_patch(target, patch);
        AUTO(free_auto) char *text = json_text(target);
        check_text(rows[i].patch, text, rows[i].want);
    }
}

Test(json, for_people_nothing_is_hidden_and_the_value_is_the_same)
{
    static const char text[] = "\x1b[31m\xc2\x9b\xe2\x80\xae\xef\xbb\xbf\xf3\xa0\x81\x81 "
                               "d\xc3\xa9j\xc3\xa0 \xf0\x9f\x9a\x80\x7f";
    struct json *root = json_object();
    json_set_string(root, text, text);
    AUTO(free_auto) char *pretty = json_text_pretty(root);
    cr_expect(strstr(pretty, "\"\\u001b[31m\\u009b\\u202e\\ufeff\\udb40\\udc41 d\xc3\xa9j\xc3\xa0 "
                             "\xf0\x9f\x9a\x80\\u007f\""),
              "%s", pretty);
    struct json *back = NULL;
    cr_assert_null(json_parse(pretty, strlen(pretty), "back", &back));
    cr_expect(json_equal(root, back));
    json_free(back);

    /* Digests are taken over the other forms: what they print never changes. */
    AUTO(free_auto) char *compact = json_text(root);
    cr_expect(strstr(compact, "\xe2\x80\xae"), "%s", compact);
    json_free(root);

    AUTO(buf_done) struct buf out = BUF(100);
    json_write_shown("a\xff\x9b"
                     "b\xe2\x80",
                     6, &out);
    cr_expect_str_eq(buf_text(&out), "\"a\xef\xbf\xbd\xef\xbf\xbd"
                                     "b\xef\xbf\xbd\xef\xbf\xbd\"");
}
