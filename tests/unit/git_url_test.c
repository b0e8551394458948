/* SPDX-License-Identifier: Apache-2.0 */
/* Source urls and the data of source Secrets: what is taken, and what the refusal says. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "git/repo.h"
#include "git/url.h"
#include "model/reason.h"

TestSuite(repo_url, .timeout = 30);
TestSuite(repo_credentials, .timeout = 30);
TestSuite(repo_source, .timeout = 30);

static const struct good {
    const char *url;
    unsigned allow;
    enum repo_scheme scheme;
    const char *user, *host;
    int32_t port;
    const char *path;
} goods[] = {
    { "https://git.example.com/shop/schema.git", 0, REPO_SCHEME_HTTPS, NULL, "git.example.com", 443,
      "/shop/schema.git" },
    { "https://Git.Example.com:8443/a/", 0, REPO_SCHEME_HTTPS, NULL, "git.example.com", 8443,
      "/a" },
    { "https://[::1]:8443/a", 0, REPO_SCHEME_HTTPS, NULL, "::1", 8443, "/a" },
    { "https://host/a%20b/~me/x_y-z.git", 0, REPO_SCHEME_HTTPS, NULL, "host", 443,
      "/a%20b/~me/x_y-z.git" },
    { "https://host/\xc3\xa4.git", 0, REPO_SCHEME_HTTPS, NULL, "host", 443, "/\xc3\xa4.git" },
    { "ssh://git@github.com/shop/schema.git", 0, REPO_SCHEME_SSH, "git", "github.com", 22,
      "/shop/schema.git" },
    { "ssh://host:2222/x", 0, REPO_SCHEME_SSH, NULL, "host", 2222, "/x" },
    { "http://127.0.0.1:8080/x.git", REPO_ALLOW_HTTP, REPO_SCHEME_HTTP, NULL, "127.0.0.1", 8080,
      "/x.git" },
    { "file:///srv/git/x.git", REPO_ALLOW_FILE, REPO_SCHEME_FILE, NULL, "", 0, "/srv/git/x.git" },
};

Test(repo_url, takes_four_schemes)
{
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        const struct good *row = &goods[i];
        AUTO(repo_url_done) struct repo_url url = { 0 };
        AUTO(err_free_auto) struct err *error = repo_url_parse(row->url, row->allow, &url);
        cr_assert_null(error, "%s: %s", row->url, error ? error->message : "");
        cr_expect_eq(url.scheme, row->scheme, "%s", row->url);
        cr_expect(str_eq(url.user, row->user), "%s", row->url);
        cr_expect_str_eq(url.host, row->host, "%s", row->url);
        cr_expect_eq(url.port, row->port, "%s", row->url);
        cr_expect_str_eq(url.path, row->path, "%s", row->url);
    }
}

static const struct bad {
    const char *url, *says;
} bads[] = {
    { "", "empty" },
    { "git@github.com:shop/schema.git", "write ssh://user@host/path" },
    { "github.com/shop/schema.git", "must begin with https:// or ssh://" },
    { "ext::sh -c whoami", "write ssh://" },
    { "git://host/x", "must begin with https:// or ssh://" },
    { "ftp://host/x", "must begin with" },
    { "HTTPS://host/x", "must begin with" },
    { "http://host/x", "http:// is not allowed here" },
    { "file:///x", "file:// is not allowed here" },
    { "https://user:hunter2@host/x", "a password does not belong in it" },
    { "https://user@host/x", "a user name does not belong in it" },
    { "https://hunter2token@host/x", "a user name does not belong in it" },
    { "ssh://git:hunter2@host/x", "a password does not belong in it" },
    { "ssh://-oProxyCommand=hunter2/x", "host" },
    { "ssh://-l@host/x", "user" },
    { "ssh://a;b@host/x", "user" },
    { "ssh://@host/x", "user" },
    { "ssh://host/-x", "'-'" },
    { "ssh://host/x'y", "character '''" },
    { "ssh://host/x\"y", "character '\"'" },
    { "ssh://host/$(id)", "character '$'" },
    { "ssh://host/`id`", "character '`'" },
    { "ssh://host/a\\b", "character '\\'" },
    { "ssh://host/a|b", "character '|'" },
    { "https://host/a?token=hunter2", "character '?'" },
    { "https://host/a#b", "character '#'" },
    { "https://host/a b", "blank" },
    { "https://host/a\nb", "blank or control" },
    { "https://host/a\x7f", "control" },
    { "https://host/\xff", "not valid UTF-8" },
    { "https://host/a/../b", "'..'" },
    { "https://host/..", "'..'" },
    { "https://host", "names no repository" },
    { "https://host/", "names no repository" },
    { "https:///x", "host is empty" },
    { "https://ho st/x", "host may hold" },
    { "https://h\xc3\xb6st/x", "host may hold" },
    { "https://host:0/x", "port" },
    { "https://host:65536/x", "port" },
    { "https://host:/x", "port" },
    { "https://host:80a/x", "port" },
    { "https://host:-1/x", "port" },
    { "https://[::1/x", "'['" },
    { "https://[host]/x", "IPv6" },
    { "https://[::1]8443/x", "port" },
};

Test(repo_url, refuses_the_rest_and_says_why)
{
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        AUTO(err_free_auto) struct err *error = repo_url_check(bads[i].url, 0);
        cr_assert_not_null(error, "%s was taken", bads[i].url);
        cr_expect_str_eq(error->reason, REASON_INVALID_SPEC);
        cr_expect_eq(error->kind, ERR_TERMINAL);
        cr_expect_not_null(strstr(error->message, bads[i].says), "%s: %s", bads[i].url,
                           error->message);
        cr_expect_null(strstr(error->message, "hunter2"), "a secret in: %s", error->message);
    }
    AUTO(free_auto) char *path = mem_alloc(3000);
    memset(path, 'a', 2500);
    AUTO(free_auto) char *url = mem_printf("https://host/%s", path);
    AUTO(err_free_auto) struct err *error = repo_url_check(url, 0);
    cr_assert_not_null(error);
    cr_expect_not_null(strstr(error->message, "longer than 2048"));
    AUTO(err_free_auto) struct err *file = repo_url_check("file://host/x", REPO_ALLOW_FILE);
    cr_assert_not_null(file);
    cr_expect_not_null(strstr(file->message, "file:///absolute"));
}

#define KEYS_MAX 6
static const struct secret_row {
    const char *name, *url;
    const char *data[2 * KEYS_MAX];
    const char *says; /* NULL: taken */
} secret_rows[] = {
    { "nothing", "https://h/x", { 0 }, NULL },
    { "a password", "https://h/x", { "username", "u", "password", "p" }, NULL },
    { "a token", "https://h/x", { "bearerToken", "t" }, NULL },
    { "a CA alone", "https://h/x", { "ca.crt", "c" }, NULL },
    { "a CA in Flux's older spelling", "https://h/x", { "caFile", "c" }, NULL },
    { "a client certificate", "https://h/x", { "tls.crt", "c", "tls.key", "k" }, NULL },
    { "keys of no meaning here", "https://h/x", { "other", "x" }, NULL },
    { "the login of a database, by its uri",
      "https://h/x",
      { "uri", "postgresql://u:p@db/d", "username", "u", "password", "p" },
      "key uri belongs to a database's Secret" },
    { "the login of a database, by its host",
      "https://h/x",
      { "host", "db", "username", "u", "password", "p" },
      "key host names another host than the url" },
    { "by its other name",
      "ssh://h/x",
      { "endpoint", "db", "username", "u", "password", "p", "known_hosts", "k" },
      "key endpoint names another host" },
    { "a host that is the server's", "https://H/x", { "host", "h", "bearerToken", "t" }, NULL },
    { "an annotation that fits",
      "https://git.example.com/x",
      { "sluice.dev/host", "*.example.com", "bearerToken", "t" },
      NULL },
    { "an annotation with the port of the scheme",
      "ssh://git.example.com/x",
      { "sluice.dev/host", "git.example.com:22", "identity", "k", "known_hosts", "h" },
      NULL },
    { "both ways",
      "https://h/x",
      { "username", "u", "password", "p", "bearerToken", "t" },
      "bearerToken and username are both set" },
    { "a user without password", "https://h/x", { "username", "u" }, "password is not" },
    { "a password without user", "https://h/x", { "password", "p" }, "username is not" },
    { "an empty password", "https://h/x", { "username", "u", "password", "" }, "password is not" },
    { "a key for https", "https://h/x", { "identity", "k" }, "identity cannot be used" },
    { "half a certificate", "https://h/x", { "tls.crt", "c" }, "tls.key is missing" },
    { "the other half", "https://h/x", { "tls.key", "k" }, "tls.crt is missing" },
    { "a line end in a token",
      "https://h/x",
      { "bearerToken", "t\r\nX: y" },
      "bearerToken holds a line end" },
    { "a line end in a password",
      "https://h/x",
      { "username", "u", "password", "p\n" },
      "password holds a line end" },
    { "a line end in a user",
      "https://h/x",
      { "username", "u\n", "password", "p" },
      "username holds a line end" },
    { "an identity", "ssh://h/x", { "identity", "k", "known_hosts", "h" }, NULL },
    { "an identity with passphrase",
      "ssh://h/x",
      { "identity", "k", "known_hosts", "h", "password", "p" },
      NULL },
    { "a password over ssh",
      "ssh://h/x",
      { "username", "u", "password", "p", "known_hosts", "h" },
      NULL },
    { "no known_hosts", "ssh://h/x", { "identity", "k" }, "known_hosts is missing" },
    { "no identity", "ssh://h/x", { "known_hosts", "h" }, "identity (a private key) is missing" },
    { "nothing for ssh", "ssh://h/x", { 0 }, "identity" },
    { "a token for ssh",
      "ssh://h/x",
      { "identity", "k", "known_hosts", "h", "bearerToken", "t" },
      "bearerToken cannot be used with an ssh url" },
};

static void fill(const struct secret_row *row, struct kvlist *out)
{
    for (int i = 0; i < KEYS_MAX && row->data[2 * i]; i++) {
        kvlist_set(out, row->data[2 * i], row->data[2 * i + 1]);
    }
}

Test(repo_credentials, name_the_keys_that_clash_or_are_missing)
{
    for (size_t i = 0; i < sizeof secret_rows / sizeof *secret_rows; i++) {
        const struct secret_row *row = &secret_rows[i];
        AUTO(kvlist_done) struct kvlist data = { 0 };
        AUTO(repo_credentials_done) struct repo_credentials got = { 0 };
        fill(row, &data);
        AUTO(err_free_auto) struct err *error = repo_credentials_parse(&data, row->url, &got);
        if (!row->says) {
            cr_expect_null(error, "%s: %s", row->name, error ? error->message : "");
            continue;
        }
        cr_assert_not_null(error, "%s was taken", row->name);
        cr_expect_str_eq(error->reason, REASON_SECRET_INVALID);
        cr_expect_not_null(strstr(error->message, row->says), "%s: %s", row->name, error->message);
    }
}

Test(repo_credentials, go_only_where_the_secrets_annotation_says)
{
    static const char *const urls[] = { "https://evil.example/x", "http://git.example.com.evil/x",
                                        "ssh://git@git.example.com:2222/x" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        AUTO(kvlist_done) struct kvlist data = { 0 };
        AUTO(repo_credentials_done) struct repo_credentials got = { 0 };
        kvlist_set(&data, "sluice.dev/host", "git.example.com:443, git.example.com:22");
        kvlist_set(&data, "username", "u");
        kvlist_set(&data, "password", "p");
        AUTO(err_free_auto) struct err *error = repo_credentials_parse(&data, urls[i], &got);
        cr_assert_not_null(error, "%s", urls[i]);
        cr_expect_str_eq(error->reason, REASON_INVALID_SPEC);
        cr_expect(strstr(error->message, "source.url names "), "%s", error->message);
        cr_expect(strstr(error->message, "annotation sluice.dev/host"), "%s", error->message);
    }
}

Test(repo_credentials, the_password_of_an_identity_is_its_passphrase)
{
    AUTO(kvlist_done) struct kvlist data = { 0 };
    AUTO(repo_credentials_done) struct repo_credentials got = { 0 };
    kvlist_set(&data, "identity", "k");
    kvlist_set(&data, "known_hosts", "h");
    kvlist_set(&data, "password", "p");
    cr_assert_null(repo_credentials_parse(&data, "ssh://h/x", &got));
    cr_expect_str_eq(got.passphrase.bytes, "p");
    cr_expect_not(secret_set(&got.password));
}

/* Polls are shared between plans only if nothing differs that the server could see. */
Test(repo_source, equal_keys_mean_equal_sources)
{
    static const struct {
        const char *url, *user, *password, *token, *ca;
    } sources[] = {
        { "https://h/a", NULL, NULL, NULL, NULL }, { "https://h/b", NULL, NULL, NULL, NULL },
        { "https://h/a", "u", "p", NULL, NULL },   { "https://h/a", "u", "q", NULL, NULL },
        { "https://h/a", "up", "", NULL, NULL },   { "https://h/a", NULL, NULL, "p", NULL },
        { "https://h/a", NULL, NULL, NULL, "p" },
    };
    enum {
        COUNT = sizeof sources / sizeof *sources
    };
    char keys[COUNT][REPO_KEY_LEN];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            AUTO(repo_credentials_done) struct repo_credentials c = {
                .username = mem_strdup(sources[i].user), .ca_crt = mem_strdup(sources[i].ca)
            };
            if (sources[i].password) {
                c.password = secret_make(sources[i].password, strlen(sources[i].password));
            }
            if (sources[i].token) {
                c.bearer_token = secret_make(sources[i].token, strlen(sources[i].token));
            }
            struct repo_source source = { .url = sources[i].url, .credentials = &c };
            char key[REPO_KEY_LEN];
            repo_source_key(&source, key);
            cr_expect(round == 0 || strcmp(key, keys[i]) == 0, "row %zu", i);
            memcpy(keys[i], key, sizeof key);
            for (size_t k = 0; k < i; k++) {
                cr_expect_str_neq(keys[k], keys[i], "rows %zu and %zu", k, i);
            }
        }
    }
}

Test(repo_source, clones_of_tenants_and_urls_lie_apart)
{
    AUTO(free_auto) char *one = repo_cache_path("/base", "team-a", "https://h/a");
    AUTO(free_auto) char *same = repo_cache_path("/base", "team-a", "https://h/a");
    AUTO(free_auto) char *other = repo_cache_path("/base", "team-b", "https://h/a");
    AUTO(free_auto) char *shifted = repo_cache_path("/base", "team-ah", "ttps://h/a");
    cr_expect_str_eq(one, same);
    cr_expect_str_neq(one, other);
    cr_expect_str_neq(one, shifted);
    cr_expect_eq(strncmp(one, "/base/", 6), 0);
    cr_expect_eq(strlen(one), 6 + 32);
}
