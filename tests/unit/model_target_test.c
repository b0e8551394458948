/* SPDX-License-Identifier: Apache-2.0 */
/* Database uris and Secrets: every spelling, every contradiction, and never a password in a message. */
#include <stdlib.h>
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/target.h"
#include "model/target_uri.h"
#include "tests/unit/rows.h"

TestSuite(target, .timeout = 60);

/* All fields in one line: "engine|host|port|socket|database|user|password|tls|ca". */
static char *summary(const struct target *t)
{
#define T(s) ((s) ? (s) : "-")
    return mem_printf("%s|%s|%d|%s|%s|%s|%s|%s|%s", engine_text(t->engine), T(t->host), t->port,
                      T(t->socket), T(t->database), T(t->user), T(t->password.bytes),
                      tls_mode_text(t->tls), T(t->ca_file));
}

Test(target, uris_are_read)
{
    static const struct {
        const char *name, *uri, *want;
    } rows[] = {
        { "everything", "postgresql://u:p@db.example.com:5433/orders",
          "postgresql|db.example.com|5433|-|orders|u|p|verify-full|-" },
        { "postgres is a short form", "postgres://u@h/d", "postgresql|h|0|-|d|u|-|verify-full|-" },
        { "pgsql is another", "pgsql://u@h/d", "postgresql|h|0|-|d|u|-|verify-full|-" },
        { "mysql", "mysql://u:p@h/d", "mysql|h|0|-|d|u|p|verify-full|-" },
        { "mariadb", "mariadb://u:p@h:3307/d", "mariadb|h|3307|-|d|u|p|verify-full|-" },
        { "the scheme in capitals", "MySQL://u@h/d", "mysql|h|0|-|d|u|-|verify-full|-" },
        { "no database", "postgresql://u@h", "postgresql|h|0|-|-|u|-|verify-full|-" },
        { "no database but a slash", "postgresql://u@h/", "postgresql|h|0|-|-|u|-|verify-full|-" },
        { "no user", "postgresql://h/d", "postgresql|h|0|-|d|-|-|verify-full|-" },
        { "an empty password is none", "postgresql://u:@h/d",
          "postgresql|h|0|-|d|u|-|verify-full|-" },
        { "escapes everywhere", "postgresql://u%40x:p%2F%3f%23%40%3a%25@h/my%20db",
          "postgresql|h|0|-|my db|u@x|p/?#@:%|verify-full|-" },
        { "a raw @ in the password", "postgresql://u:p@q@h/d",
          "postgresql|h|0|-|d|u|p@q|verify-full|-" },
        { "a raw colon in the password", "postgresql://u:p:q@h/d",
          "postgresql|h|0|-|d|u|p:q|verify-full|-" },
        { "UTF-8 in the password", "postgresql://u:p\xc3\xa9@h/d",
          "postgresql|h|0|-|d|u|p\xc3\xa9|verify-full|-" },
        { "IPv6", "postgresql://u@[::1]:5433/d", "postgresql|::1|5433|-|d|u|-|verify-full|-" },
        { "IPv6 without a port", "mysql://u@[fe80::1%25eth0]/d",
          "mysql|fe80::1%eth0|0|-|d|u|-|verify-full|-" },
        { "IPv4", "mysql://u@10.0.0.1:3306/d", "mysql|10.0.0.1|3306|-|d|u|-|verify-full|-" },
        { "a socket's folder", "postgresql:///d?host=/run/pg",
          "postgresql|-|0|/run/pg|d|-|-|disable|-" },
        { "a socket's folder with user and port", "postgresql://u@/d?host=/run/pg&port=5433",
          "postgresql|-|5433|/run/pg|d|u|-|disable|-" },
        { "a socket's folder as an escaped host", "postgresql://u@%2Frun%2Fpg/d",
          "postgresql|-|0|/run/pg|d|u|-|disable|-" },
        { "a socket's path", "mysql://u:p@/d?socket=/run/my.sock",
          "mysql|-|0|/run/my.sock|d|u|p|disable|-" },
        { "a socket has no TLS whatever is said", "mysql:///d?socket=/s&ssl-mode=VERIFY_IDENTITY",
          "mysql|-|0|/s|d|-|-|disable|-" },
        { "host and port as parameters", "postgresql:///d?host=h&port=1",
          "postgresql|h|1|-|d|-|-|verify-full|-" },
        { "sslmode", "postgresql://h/d?sslmode=require", "postgresql|h|0|-|d|-|-|require|-" },
        { "sslmode in capitals", "postgresql://h/d?sslmode=VERIFY-CA",
          "postgresql|h|0|-|d|-|-|verify-ca|-" },
        { "ssl-mode as MySQL writes it", "mysql://h/d?ssl-mode=VERIFY_CA",
          "mysql|h|0|-|d|-|-|verify-ca|-" },
        { "ssl-mode VERIFY_IDENTITY", "mysql://h/d?ssl-mode=VERIFY_IDENTITY",
          "mysql|h|0|-|d|-|-|verify-full|-" },
        { "ssl-mode REQUIRED", "mysql://h/d?ssl-mode=required", "mysql|h|0|-|d|-|-|require|-" },
        { "ssl-mode DISABLED", "mysql://h/d?ssl-mode=DISABLED", "mysql|h|0|-|d|-|-|disable|-" },
        { "the other world's spelling", "mysql://h/d?sslmode=verify-full",
          "mysql|h|0|-|d|-|-|verify-full|-" },
        { "a root certificate", "postgresql://h/d?sslrootcert=/ca.pem&sslmode=verify-ca",
          "postgresql|h|0|-|d|-|-|verify-ca|/ca.pem" },
        { "MySQL's root certificate", "mysql://h/d?ssl-ca=%2Fca%20x.pem",
          "mysql|h|0|-|d|-|-|verify-full|/ca x.pem" },
        { "the system's certificates", "postgresql://h/d?sslrootcert=system",
          "postgresql|h|0|-|d|-|-|verify-full|-" },
        { "a client certificate", "postgresql://h/d?sslcert=/c&sslkey=/k",
          "postgresql|h|0|-|d|-|-|verify-full|-" },
        { "an ampersand at the end", "postgresql://h/d?sslmode=require&",
          "postgresql|h|0|-|d|-|-|require|-" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(target_done) struct target t = { 0 };
        check_error(rows[i].name, target_parse_uri(rows[i].uri, &t), NULL);
        AUTO(free_auto) char *got = summary(&t);
        check_text(rows[i].name, got, rows[i].want);
        /* What is printed of it leads to the same place, without the password. */
        AUTO(target_done) struct target again = { 0 };
        AUTO(free_auto) char *uri = target_uri_text(&t);
        check_error(rows[i].name, target_parse_uri(uri, &again), NULL);
        cr_assert(!secret_set(&again.password), "%s: %s", rows[i].name, uri);
        secret_done(&t.password);
        AUTO(free_auto) char *without = summary(&t);
        AUTO(free_auto) char *back = summary(&again);
        check_text(uri, back, without);
        cr_assert(str_eq(t.cert_file, again.cert_file) && str_eq(t.key_file, again.key_file));
    }
}

/* S3CRET stands where a password, or a piece of one, would be. */
Test(target, bad_uris_are_refused_without_a_byte_of_the_password)
{
    static const struct {
        const char *name, *uri, *want;
    } rows[] = {
        { "nothing", "", "must begin with postgresql://" },
        { "no scheme", "u:S3CRET@h/d", "must begin with postgresql://" },
        { "another scheme", "oracle://u:S3CRET@h/d", "must begin with" },
        { "a JDBC url", "jdbc:postgresql://h/d?user=u&password=S3CRET", "JDBC" },
        { "no host", "postgresql://u:S3CRET@/d", "no host" },
        { "a slash in the password", "postgresql://u:S3/CRET@h/d", "%2F" },
        { "a question mark in the password", "postgresql://u:S3?CRET@h/d", "%3F" },
        { "a question mark and an equals sign", "postgresql://u:S3?CRET=1@h/d", "%3F" },
        { "a hash in the password", "postgresql://u:S3#CRET@h/d", "%23" },
        { "a percent sign in the password", "postgresql://u:S3%CRET@h/d", "%25" },
        { "half an escape at the end", "postgresql://u:S3CRET%2@h/d", "%25" },
        { "an escaped NUL", "postgresql://u:S3CRET%00@h/d", "%25" },
        { "a port that is none", "postgresql://u:S3CRET@h:S3CRET/d", "port is not a number" },
        { "port 0", "postgresql://h:0/d", "port is not a number" },
        { "port 65536", "postgresql://h:65536/d", "port is not a number" },
        { "a signed port", "postgresql://h:+5432/d", "port is not a number" },
        { "several hosts", "postgresql://u:S3CRET@a,b/d", "list of hosts" },
        { "several hosts with ports", "postgresql://u:S3CRET@a:1,b:2/d", "port is not a number" },
        { "a blank in the host", "postgresql://u:S3CRET@a b/d", "cannot be read" },
        { "an open bracket", "postgresql://u:S3CRET@[::1/d", "cannot be read" },
        { "text behind the bracket", "postgresql://u:S3CRET@[::1]x/d", "cannot be read" },
        { "two slashes", "postgresql://u:S3CRET@h/a/b", "cannot be read" },
        { "a fragment", "postgresql://u:S3CRET@h/d#x", "cannot be read" },
        { "an unknown parameter", "postgresql://u:S3CRET@h/d?connect_timeout=3",
          "unknown parameter connect_timeout" },
        { "a password as a parameter", "postgresql://h/d?password=S3CRET",
          "unknown parameter password" },
        { "a parameter with an odd name", "postgresql://h/d?S3CR!T=x", "cannot be read" },
        { "a parameter twice", "postgresql://h/d?sslmode=require&ssl-mode=require", "given twice" },
        { "a parameter without a value", "postgresql://h/d?sslmode", "sslmode has no value" },
        { "prefer", "postgresql://h/d?sslmode=prefer",
          "prefer may go on without TLS unseen: write verify-full, verify-ca, require or disable" },
        { "allow", "postgresql://h/d?sslmode=allow", "allow may go on without TLS" },
        { "PREFERRED", "mysql://h/d?ssl-mode=PREFERRED", "preferred may go on without TLS" },
        { "an unknown mode", "postgresql://h/d?sslmode=S3CRET", "not one of verify-full" },
        { "host and socket", "mysql://h/d?socket=/s", "both a host and a socket" },
        { "port and socket", "mysql://:3306/d?socket=/s", "both a port and a socket" },
        { "PostgreSQL with socket=", "postgresql:///d?socket=/s", "host=/folder" },
        { "a list of hosts that begins like a socket", "postgresql:///d?host=/x,127.0.0.1",
          "a list of hosts" },
        { "the same as an escaped host", "postgresql://u@%2Fx%2C127.0.0.1/d", "a list of hosts" },
        { "a relative socket", "mysql:///d?socket=s", "absolute path" },
        { "a certificate without its key", "postgresql://h/d?sslcert=/c", "belong together" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct target t = { 0 };
        struct err *e = target_parse_uri(rows[i].uri, &t);
        cr_expect(e && str_eq(e->reason, "SecretInvalid") && e->kind == ERR_TERMINAL, "%s",
                  rows[i].name);
        cr_expect(!e || (!strstr(e->message, "S3") && !strstr(e->message, "CR")), "%s: %s",
                  rows[i].name, e ? e->message : "");
        check_error(rows[i].name, e, rows[i].want);
        cr_expect(t.engine == 0 && !t.password.bytes, "%s: *out untouched", rows[i].name);
    }
}

struct secret_case {
    const char *name;
    const char *data[20]; /* key, value, key, value ... */
    struct target_overrides plan;
    const char *want;  /* summary */
    const char *error; /* or this */
};

static const struct secret_case secret_cases[] = {
    { "a uri is enough",
      { "uri", "postgresql://u:p@h:1/d" },
      { 0 },
      "postgresql|h|1|-|d|u|p|verify-full|-",
      NULL },
    { "Service Binding",
      { "type", "postgresql", "provider", "x", "host", "h", "port", "5432", "username", "u",
        "password", "p", "database", "d" },
      { 0 },
      "postgresql|h|5432|-|d|u|p|verify-full|-",
      NULL },
    { "CloudNativePG writes a short host and a long one",
      { "uri", "postgresql://app:p@shop-rw.shop:5432/app", "jdbc-uri", "jdbc:x", "pgpass", "x",
        "host", "shop-rw", "port", "5432", "user", "app", "username", "app", "password", "p",
        "dbname", "app" },
      { 0 },
      "postgresql|shop-rw.shop|5432|-|app|app|p|verify-full|-",
      NULL },
    { "CloudNativePG without the uri",
      { "host", "shop-rw", "port", "5432", "user", "app", "username", "app", "password", "p",
        "dbname", "app" },
      { .type = "postgresql" },
      "postgresql|shop-rw|5432|-|app|app|p|verify-full|-",
      NULL },
    { "mariadb-operator",
      { "dsn", "u:p@tcp(h:3306)/d", "username", "u", "password", "p", "host", "h", "port", "3306",
        "database", "d" },
      { .type = "mariadb" },
      "mariadb|h|3306|-|d|u|p|verify-full|-",
      NULL },
    { "Crossplane",
      { "endpoint", "h", "port", "5432", "username", "u", "password", "p" },
      { .type = "postgresql", .database = "d" },
      "postgresql|h|5432|-|d|u|p|verify-full|-",
      NULL },
    { "Zalando: the host comes from the plan",
      { "username", "u", "password", "p" },
      { .type = "postgresql", .host = "h", .port = 5432, .database = "d" },
      "postgresql|h|5432|-|d|u|p|verify-full|-",
      NULL },
    { "fields fill what the uri lacks",
      { "uri", "mysql://h", "username", "u", "password", "p", "database", "d", "port", "3307" },
      { 0 },
      "mysql|h|3307|-|d|u|p|verify-full|-",
      NULL },
    { "the type postgres",
      { "type", "Postgres", "host", "h", "username", "u", "database", "d" },
      { 0 },
      "postgresql|h|0|-|d|u|-|verify-full|-",
      NULL },
    { "mysql and mariadb do not contradict",
      { "uri", "mysql://u:p@h/d", "type", "mariadb" },
      { 0 },
      "mysql|h|0|-|d|u|p|verify-full|-",
      NULL },
    { "the plan's port and database win",
      { "uri", "postgresql://u:p@h:1/d" },
      { .port = 2, .database = "e" },
      "postgresql|h|2|-|e|u|p|verify-full|-",
      NULL },
    { "the plan may repeat the Secret's host",
      { "uri", "postgresql://u:p@DB.example.com/d" },
      { .host = "db.example.com" },
      "postgresql|db.example.com|0|-|d|u|p|verify-full|-",
      NULL },
    { "the plan names the host where the uri has none",
      { "uri", "postgresql://u:p@/d" },
      { .host = "pg2" },
      "postgresql|pg2|0|-|d|u|p|verify-full|-",
      NULL },
    { "the plan may name a socket's folder",
      { "uri", "postgresql://u:p@/d" },
      { .host = "/run/pg" },
      "postgresql|-|0|/run/pg|d|u|p|disable|-",
      NULL },
    { "a socket in the uri needs no TLS",
      { "uri", "mysql://u:p@/d?socket=/s", "port", "3306" },
      { 0 },
      "mysql|-|0|/s|d|u|p|disable|-",
      NULL },
    { "a socket's folder as host",
      { "type", "postgresql", "host", "/run/pg", "user", "u", "dbname", "d" },
      { 0 },
      "postgresql|-|0|/run/pg|d|u|-|disable|-",
      NULL },
    { "tls.mode of the plan weakens",
      { "uri", "postgresql://u:p@h/d" },
      { .tls = TLS_REQUIRE },
      "postgresql|h|0|-|d|u|p|require|-",
      NULL },
    { "the uri may repeat the plan's mode",
      { "uri", "postgresql://u:p@h/d?sslmode=disable" },
      { .tls = TLS_DISABLE },
      "postgresql|h|0|-|d|u|p|disable|-",
      NULL },
    { "the plan's mode stands against a stronger uri",
      { "uri", "postgresql://u:p@h/d?sslmode=verify-full" },
      { .tls = TLS_REQUIRE },
      "postgresql|h|0|-|d|u|p|require|-",
      NULL },
    { "keys of others are left alone",
      { "uri", "postgresql://u:p@h/d", "ca.crt", "---", "pgpass", "x" },
      { 0 },
      "postgresql|h|0|-|d|u|p|verify-full|-",
      NULL },
    { "empty values are absent",
      { "uri", "postgresql://u:p@h/d", "port", "", "host", "" },
      { 0 },
      "postgresql|h|0|-|d|u|p|verify-full|-",
      NULL },

    { "a weaker mode in the uri",
      { "uri", "postgresql://u:S3CRET@h/d?sslmode=require" },
      { 0 },
      NULL,
      "key uri says sslmode=require, which is weaker than the plan's tls.mode verify-full" },
    { "a weaker mode than the plan's own",
      { "uri", "postgresql://u:S3CRET@h/d?sslmode=disable" },
      { .tls = TLS_VERIFY_CA },
      NULL,
      "sslmode=disable, which is weaker than the plan's tls.mode verify-ca" },
    { "a list of hosts that begins like a socket",
      { "type", "postgresql", "host", "/x,127.0.0.1", "user", "u", "dbname", "d" },
      { 0 },
      NULL,
      "list of hosts" },
    { "the same from the plan",
      { "type", "postgresql", "username", "u", "dbname", "d" },
      { .host = "/x,127.0.0.1" },
      NULL,
      "list of hosts" },
    { "a socket of the plan, where the uri asks for TLS",
      { "uri", "postgresql://u:S3CRET@/d?sslmode=verify-full" },
      { .host = "/run/pg" },
      NULL,
      "connection.host is a socket, which has no TLS, and key uri says sslmode=verify-full" },
    { "a host of the plan's own, where the uri has one",
      { "uri", "postgresql://u:S3CRET@h/d" },
      { .host = "evil.example" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "the same where a field has it",
      { "type", "mysql", "host", "h", "user", "u", "database", "d" },
      { .host = "evil.example" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "where another producer's field has it",
      { "type", "mysql", "endpoint", "h", "user", "u", "database", "d" },
      { .host = "evil.example" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "a longer name that begins like the Secret's",
      { "uri", "postgresql://u:S3CRET@db/d" },
      { .host = "db.evil.example" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "a shorter one",
      { "uri", "postgresql://u:S3CRET@db.shop.svc/d" },
      { .host = "db" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "a host where the Secret has a socket",
      { "uri", "postgresql://u:S3CRET@/d?host=/run/pg" },
      { .host = "evil.example" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "a socket where the Secret has a host",
      { "uri", "postgresql://u:S3CRET@h/d" },
      { .host = "/tmp/evil" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "another socket",
      { "uri", "mysql://u:S3CRET@/d?socket=/run/a" },
      { .host = "/run/A" },
      NULL,
      "connection.host is another host than the one that the Secret names" },
    { "certificate files in the uri",
      { "uri", "postgresql://u:S3CRET@h/d?sslrootcert=/x" },
      { 0 },
      NULL,
      "certificate files" },
    { "hosts disagree",
      { "uri", "postgresql://u:S3CRET@h/d", "host", "other" },
      { 0 },
      NULL,
      "keys uri and host say different things" },
    { "one host is a prefix but not a domain",
      { "uri", "postgresql://u:S3CRET@db2/d", "host", "db" },
      { 0 },
      NULL,
      "keys uri and host say" },
    { "ports disagree",
      { "uri", "postgresql://u:S3CRET@h:1/d", "port", "2" },
      { 0 },
      NULL,
      "uri and port" },
    { "users disagree",
      { "uri", "postgresql://u:S3CRET@h/d", "username", "v" },
      { 0 },
      NULL,
      "uri and username" },
    { "passwords disagree",
      { "uri", "postgresql://u:S3CRET@h/d", "password", "S3CRET2" },
      { 0 },
      NULL,
      "keys uri and password say different things" },
    { "databases disagree",
      { "uri", "postgresql://u:S3CRET@h/d", "dbname", "e" },
      { 0 },
      NULL,
      "uri and dbname" },
    { "types disagree",
      { "uri", "postgresql://u:S3CRET@h/d", "type", "mysql" },
      { 0 },
      NULL,
      "uri and type" },
    { "two spellings disagree",
      { "uri", "postgresql://h/d", "username", "u", "user", "v" },
      { 0 },
      NULL,
      "keys username and user say different things" },
    { "a line break behind the password",
      { "uri", "postgresql://u@h/d", "password", "S3CRET\n" },
      { 0 },
      NULL,
      "key password has a line break in its value: make it with printf, not echo" },
    { "a line break behind the uri",
      { "uri", "postgresql://u:S3CRET@h/d\n" },
      { 0 },
      NULL,
      "key uri has a line break" },
    { "a port that is none",
      { "uri", "postgresql://u:p@h/d", "port", "S3CRET" },
      { 0 },
      NULL,
      "key port is not a number" },
    { "a type that is none",
      { "type", "S3CRET", "host", "h" },
      { 0 },
      NULL,
      "key type is not one of" },
    { "nothing at all", { NULL }, { 0 }, NULL, "the engine is not known: add key uri or type" },
    { "no host",
      { "type", "mysql", "username", "u", "database", "d" },
      { 0 },
      NULL,
      "the host is not known" },
    { "no user",
      { "type", "mysql", "host", "h", "database", "d" },
      { 0 },
      NULL,
      "the user name is not known" },
    { "no database",
      { "type", "mysql", "host", "h", "user", "u" },
      { 0 },
      NULL,
      "the database is not known" },
    { "a host with a blank",
      { "type", "mysql", "host", "a b", "user", "u", "database", "d" },
      { 0 },
      NULL,
      "not a host name" },
    { "a bad uri",
      { "uri", "postgresql://u:S3/CRET@h/d" },
      { 0 },
      NULL,
      "key uri: database uri: cannot be read" },
};

Test(target, secrets_are_read_in_every_producers_spelling)
{
    for (size_t i = 0; i < ROWS(secret_cases); i++) {
        const struct secret_case *c = &secret_cases[i];
        AUTO(kvlist_done) struct kvlist data = { 0 };
        for (size_t k = 0; k + 1 < ROWS(c->data) && c->data[k]; k += 2) {
            kvlist_set(&data, c->data[k], c->data[k + 1]);
        }
        AUTO(target_done) struct target t = { 0 };
        struct err *e = target_from_secret(&data, &c->plan, &t);
        bool plan_at_fault = c->error && str_starts(c->error, "connection.host is another");
        cr_expect(!e || str_eq(e->reason, plan_at_fault ? "InvalidSpec" : "SecretInvalid"),
                  "%s: reason", c->name);
        cr_expect(!e || (!strstr(e->message, "S3") && !strstr(e->message, "CRET")), "%s: %s",
                  c->name, e ? e->message : "");
        bool ok = !e;
        check_error(c->name, e, c->error);
        AUTO(free_auto) char *got = summary(&t);
        if (ok) {
            check_text(c->name, got, c->want);
        }
    }
}

Test(target, labels_name_the_place_and_no_password)
{
    static const struct {
        const char *uri, *want;
    } rows[] = {
        { "postgresql://orders:S3CRET@db/orders", "postgresql://orders@db:5432/orders" },
        { "mysql://u:S3CRET@h:3307/d", "mysql://u@h:3307/d" },
        { "mariadb://u@h/d", "mariadb://u@h:3306/d" },
        { "postgresql://u@[::1]/d", "postgresql://u@[::1]:5432/d" },
        { "postgresql:///d?host=/run/pg", "postgresql:///d?host=/run/pg" },
        { "mysql://u:S3CRET@/d?socket=/s", "mysql://u@/d?socket=/s" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(target_done) struct target t = { 0 };
        AUTO(target_done) struct target copy = { 0 };
        check_error(rows[i].uri, target_parse_uri(rows[i].uri, &t), NULL);
        target_copy(&t, &copy);
        target_done(&t);
        AUTO(free_auto) char *got = target_label(&copy);
        check_text(rows[i].uri, got, rows[i].want);
    }
}
