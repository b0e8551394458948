/* SPDX-License-Identifier: Apache-2.0 */
/* What the client sends and what it makes of an answer, without a server. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/limits.h"
#include "k8s/client/client.h"

Test(k8s, resource_versions_are_ordered)
{
    static const struct {
        const char *rule, *a, *b;
        int order;
    } rows[] = {
        { "same", "12", "12", 0 },
        { "by digits", "12", "13", -1 },
        { "by digits", "13", "12", 1 },
        { "by length first", "9", "10", -1 },
        { "by length first", "100", "99", 1 },
        { "beyond 64 bits", "36893488147419103232", "36893488147419103231", 1 },
        { "128 bits", "340282366920938463463374607431768211455", "1", 1 },
        { "zero", "0", "1", -1 },
        { "a leading zero is no number", "010", "9", -1 },
        { "nor are more digits than 128 bits have", "1000000000000000000000000000000000000000", "1",
          -1 },
        { "words: equal", "abc", "abc", 0 },
        { "words: else older", "abd", "abc", -1 },
        { "empty is older", "", "5", -1 },
        { "and nothing, too", NULL, "5", -1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(kube_rv_compare(rows[i].a, rows[i].b), rows[i].order, "%s: %s %s",
                     rows[i].rule, rows[i].a ? rows[i].a : "(none)", rows[i].b);
    }
}

Test(k8s, parts_of_a_path_are_encoded)
{
    AUTO(free_auto) char *path =
        kube_path("/api/v1/namespaces/%s/secrets?labelSelector=%s&x=100%%", "a/b c", "k=v,w!=ä");
    cr_expect_str_eq(
        path, "/api/v1/namespaces/a%2Fb%20c/secrets?labelSelector=k%3Dv%2Cw%21%3D%C3%A4&x=100%");
}

Test(k8s, calls_have_short_names)
{
    static const struct {
        const char *path, *name;
    } rows[] = {
        { "/apis/batch/v1/namespaces/shop/jobs?x=1", "V jobs" },
        { "/apis/batch/v1/namespaces/shop/jobs/a", "V jobs" },
        { "/apis/sluice.dev/v1/namespaces/s/migrationplans/a/status", "V migrationplans/status" },
        { "/api/v1/namespaces/shop/secrets/x", "V secrets" },
        { "/api/v1/namespaces/shop", "V namespaces" },
        { "/api/v1/namespaces", "V namespaces" },
        { "/apis/sluice.dev/v1/migrationplans", "V migrationplans" },
        { "/version", "V /version" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(free_auto) char *name = kube_call_name("V", rows[i].path);
        cr_expect_str_eq(name, rows[i].name, "%s: %s", rows[i].path, name);
    }
}

static struct json *parsed(const char *text)
{
    struct json *out = NULL;
    struct err *error = json_parse(text, strlen(text), "test", &out);
    cr_assert_null(error, "%s", error ? error->message : "");
    return out;
}

static const struct {
    enum kube_verb verb;
    int code;
    const char *body, *reason;
    enum err_kind kind;
    const char *says;
} error_rows[] = {
    { KUBE_GET, 404, "{\"message\":\"jobs x not found\"}", KUBE_NOT_FOUND, ERR_TERMINAL,
      "GET /p: jobs x not found (404)" },
    { KUBE_POST, 409, "{\"reason\":\"AlreadyExists\"}", KUBE_ALREADY_EXISTS, ERR_CONFLICT,
      "POST /p: the server answered 409" },
    { KUBE_POST, 409, "{\"reason\":\"Conflict\",\"message\":\"m\"}", KUBE_CONFLICT, ERR_CONFLICT,
      "POST /p: m (409)" },
    { KUBE_PUT, 409, "{\"reason\":\"Conflict\",\"message\":\"m\"}", KUBE_CONFLICT, ERR_CONFLICT,
      "PUT /p: m (409)" },
    { KUBE_DELETE, 409, "{\"reason\":\"Conflict\",\"message\":\"uid\"}", KUBE_CONFLICT,
      ERR_CONFLICT, "DELETE /p: uid (409)" },
    { KUBE_GET, 410, "{}", KUBE_EXPIRED, ERR_CONFLICT, "GET /p: the server answered 410" },
    { KUBE_GET, 401, "{\"message\":\"Unauthorized\"}", KUBE_FORBIDDEN, ERR_TRANSIENT,
      "GET /p: the server does not accept our credentials (401)" },
    { KUBE_GET, 403, "{\"message\":\"jobs is forbidden\"}", KUBE_FORBIDDEN, ERR_TRANSIENT,
      "GET /p: jobs is forbidden (403)" },
    { KUBE_APPLY, 400, "{\"message\":\"m\"}", KUBE_INVALID, ERR_TERMINAL, "PATCH /p: m (400)" },
    { KUBE_APPLY, 413, NULL, KUBE_INVALID, ERR_TERMINAL, "PATCH /p: the server answered 413" },
    { KUBE_APPLY, 415, NULL, KUBE_INVALID, ERR_TERMINAL, "PATCH /p: the server answered 415" },
    { KUBE_POST, 422,
      "{\"message\":\"m\",\"details\":{\"causes\":[{\"field\":\"spec.x\",\"message\":\"c\"}]}}",
      KUBE_INVALID, ERR_TERMINAL, "POST /p: m (422)" },
    { KUBE_JSON_PATCH, 422,
      "{\"message\":\"m\",\"details\":{\"causes\":[{\"field\":\"spec.x\",\"message\":\"c\"}]}}",
      KUBE_INVALID, ERR_TERMINAL, "PATCH /p: m (422)" },
    { KUBE_JSON_PATCH, 422, "{\"message\":\"error in our request\",\"details\":{}}", KUBE_CONFLICT,
      ERR_CONFLICT, "PATCH /p: error in our request (422)" },
    { KUBE_MERGE_PATCH, 422, "{\"message\":\"m\",\"details\":{}}", KUBE_INVALID, ERR_TERMINAL,
      "PATCH /p: m (422)" },
    { KUBE_GET, 429, "{\"message\":\"slow\"}", KUBE_UNAVAILABLE, ERR_TRANSIENT,
      "GET /p: slow (429)" },
    { KUBE_GET, 500, NULL, KUBE_UNAVAILABLE, ERR_TRANSIENT, "GET /p: the server answered 500" },
    { KUBE_GET, 302, NULL, KUBE_UNAVAILABLE, ERR_TRANSIENT, "GET /p: the server answered 302" },
};

Test(k8s, each_code_is_an_error_of_its_kind)
{
    for (size_t i = 0; i < sizeof error_rows / sizeof *error_rows; i++) {
        AUTO(json_free_auto) struct json *body =
            error_rows[i].body ? parsed(error_rows[i].body) : NULL;
        AUTO(err_free_auto) struct err *error = kube_answer_error(
            error_rows[i].verb, "/p?fieldManager=secret", error_rows[i].code, body);
        cr_assert_not_null(error);
        cr_expect_eq(error->reason, error_rows[i].reason, "row %zu: %s", i, error->reason);
        cr_expect_eq(error->kind, error_rows[i].kind, "row %zu", i);
        cr_expect_str_eq(error->message, error_rows[i].says, "%s", error->message);
    }
    cr_expect_null(kube_answer_error(KUBE_POST, "/p", 201, NULL));
}

Test(k8s, too_large_a_version_is_told_by_its_cause)
{
    AUTO(json_free_auto) struct json *cause =
        parsed("{\"details\":{\"causes\":[{\"reason\":\"Other\"},"
               "{\"reason\":\"ResourceVersionTooLarge\"}]}}");
    AUTO(json_free_auto) struct json *other = parsed("{\"details\":{}}");
    cr_expect(kube_answer_rv_too_large(504, cause));
    cr_expect(kube_answer_rv_too_large(429, cause));
    cr_expect_not(kube_answer_rv_too_large(500, cause));
    cr_expect_not(kube_answer_rv_too_large(504, other));
    cr_expect_not(kube_answer_rv_too_large(504, NULL));
}

Test(k8s, an_apply_escapes_what_yaml_reads_otherwise)
{
    AUTO(json_free_auto) struct json *body = json_object();
    AUTO(buf_done) struct buf out = BUF(1024);
    AUTO(buf_done) struct buf plain = BUF(1024);
    json_set_string(body, "x",
                    "a\xe2\x80\xa8 b\xe2\x80\xa9 c\xc2\x85 d\x7f e\xef\xbb\xbf \xf0\x9f\x9a\x80 "
                    "\xc3\xa4/\xe2\x82\xac");
    kube_body_text(KUBE_APPLY, body, &out);
    cr_expect_str_eq(buf_text(&out),
                     "{\"x\":\"a\\u2028 b\\u2029 c\\u0085 d\\u007f e\\ufeff \xf0\x9f\x9a\x80 "
                     "\xc3\xa4/\xe2\x82\xac\"}",
                     "%s", buf_text(&out));
    kube_body_text(KUBE_POST, body, &plain);
    cr_expect_not_null(strstr(buf_text(&plain), "a\xe2\x80\xa8 b"), "others stay as they are");
}

Test(k8s, an_object_of_others_cannot_blind_us)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\xef\xbf\xbdy\"}" },
        { "{\"a\":\"x\\\\u0000y\"}", "{\"a\":\"x\\\\u0000y\"}" },
        { "{\"a\":9223372036854775807}", "{\"a\":9007199254740992}" },
        { "[1e20,-1E+300,1e400,1e16]",
          "[9000000000000000,-9000000000000000,9000000000000000,9000000000000000]" },
        { "[9007199254740994.0]", "[9007199254740992]" },
        { "[0.5,1e-3,1.5e3,9007199254740992]", "[0.5,0.001,1500,9007199254740992]" },
        { "[1000000000000000000000000000000000000000000000000000000000000000000000]",
          "[9007199254740992]" },
        { "[0.1000000000000000000000000000000000000000000000000000000000000000000000]", "[0]" },
        { "{\"a\":-9223372036854775807,\"b\":[12345678901234567890]}",
          "{\"a\":-9007199254740992,\"b\":[9007199254740992]}" },
        { "{\"a\":9007199254740991,\"b\":\"9223372036854775807\"}",
          "{\"a\":9007199254740991,\"b\":\"9223372036854775807\"}" },
        { "{\"a\":1.5,\"b\\\"1\":2}", "{\"a\":1.5,\"b\\\"1\":2}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(free_auto) char *text = strdup(rows[i].in);
        AUTO(json_free_auto) struct json *root = NULL;
        struct err *error = kube_answer_parse(text, strlen(text), "test", &root);
        cr_assert_null(error, "%s: %s", rows[i].in, error ? error->message : "");
        AUTO(free_auto) char *got = json_text(root);
        cr_expect_str_eq(got, rows[i].out, "%s: %s", rows[i].in, got);
    }
}
