/* SPDX-License-Identifier: Apache-2.0 */
/* Which hosts a Secret's annotation lists. */
#include "base/auto.h"
#include "base/str.h"
#include "manifest/manifest.h"
#include "manifest/secret_hosts.h"
#include "model/mplan.h"
#include "tests/unit/rows.h"

TestSuite(secret_hosts, .timeout = 60);

static const struct {
    const char *patterns, *host;
    int32_t port;
    bool fits;
} rows[] = {
    { "db.example.com", "db.example.com", 5432, true },
    { "db.example.com", "DB.Example.COM", 5432, true },
    { "db.example.com", "db.example.com.", 5432, true },
    { "db.example.com", "db.example.com.evil", 5432, false },
    { "db.example.com", "xdb.example.com", 5432, false },
    { "db.example.com", "db.example", 5432, false },
    { "db.example.com", "", 5432, false },
    { "db.example.com:5432", "db.example.com", 5432, true },
    { "db.example.com:5432", "db.example.com", 5433, false },
    { "db.example.com:", "db.example.com", 5432, false },
    { "db.example.com:x", "db.example.com", 5432, false },
    { "db.example.com:99999", "db.example.com", 5432, false },
    { "*.example.com", "db.example.com", 1, true },
    { "*.example.com", "a.b.example.com", 1, true },
    { "*.example.com", "example.com", 1, false },
    { "*.example.com", ".example.com", 1, false },
    { "*.example.com", "evilexample.com", 1, false },
    { "*.example.com", "example.com.evil", 1, false },
    { "*.example.com:3306", "db.example.com", 3306, true },
    { "*.example.com:3306", "db.example.com", 3307, false },
    { "db*", "db1", 1, false },
    { "d.*.com", "d.x.com", 1, false },
    { "*", "anything", 1, true },
    { "*", "/run/postgresql", 0, true },
    { "*:5432", "anything", 5432, true },
    { "*:5432", "anything", 5433, false },
    { "", "db", 1, false },
    { " , ", "db", 1, false },
    { "a, b c\n,d", "a", 1, true },
    { "a, b c\n,d", "b", 1, true },
    { "a, b c\n,d", "c", 1, true },
    { "a, b c\n,d", "d", 1, true },
    { "a, b c\n,d", "e", 1, false },
    { "10.0.0.7", "10.0.0.7", 1, true },
    { "10.0.0.7", "10.0.0.70", 1, false },
    { "fd00::1", "fd00::1", 1, true },
    { "[fd00::1]", "fd00::1", 1, true },
    { "[fd00::1]:5432", "fd00::1", 5432, true },
    { "[fd00::1]:5432", "fd00::1", 1, false },
    { "fd00::1:5432", "fd00::1", 5432, false },
    { "/run/postgresql", "/run/postgresql", 0, true },
    { "/run/postgresql", "/run/Postgresql", 0, false },
    { "/run/postgresql", "/run/postgresql/x", 0, false },
    { "*.postgresql", "/run/x.postgresql", 0, false },
};

Test(secret_hosts, fit_as_the_annotation_says)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        cr_expect_eq(secret_hosts_match(rows[i].patterns, rows[i].host, rows[i].port), rows[i].fits,
                     "'%s' and %s:%d", rows[i].patterns, rows[i].host, (int)rows[i].port);
    }
}

Test(secret_hosts, are_those_of_the_target_with_the_port_of_its_engine)
{
    AUTO(kvlist_done) struct kvlist data = { 0 };
    AUTO(target_done) struct target t = { 0 };
    check_error("uri", target_parse_uri("mysql://u@db.example.com/d", &t), NULL);
    check_error("no annotation", secret_hosts_check_target(&data, &t), NULL);
    kvlist_set(&data, SECRET_HOSTS, "db.example.com:3306");
    check_error("the default port", secret_hosts_check_target(&data, &t), NULL);
    t.port = 3307;
    AUTO(err_free_auto) struct err *e = secret_hosts_check_target(&data, &t);
    cr_assert_not_null(e);
    cr_expect_str_eq(e->reason, "InvalidSpec");
    cr_expect(strstr(e->message, "names db.example.com, and the Secret's annotation "
                                 "sluice.dev/host does not list that host"),
              "%s", e->message);
    cr_expect_null(strstr(e->message, "3306"), "what is listed is for who may read the Secret");
}

Test(secret_hosts, come_with_the_data_of_a_manifest)
{
    AUTO(json_free_auto) struct json *object = NULL;
    AUTO(kvlist_done) struct kvlist data = { 0 };
    const char text[] = "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
                        "\"annotations\":{\"sluice.dev/host\":\"db\",\"other\":\"x\"}},"
                        "\"stringData\":{\"username\":\"u\"}}";
    check_error("json", json_parse(text, strlen(text), "t", &object), NULL);
    check_error("decode", secret_decode(object, &data), NULL);
    cr_expect_str_eq(kvlist_get(&data, SECRET_HOSTS), "db");
    cr_expect_eq(data.count, 2);
}
