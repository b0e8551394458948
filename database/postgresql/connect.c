// SPDX-License-Identifier: Apache-2.0
// Connecting by libpq's asynchronous calls: own deadline, nothing taken from the environment.
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

#define NO_FILE "/nonexistent"
#define MAX_OPTIONS 24
#define REQUIRE_AUTH_VERSION 160000
#define TCP_USER_TIMEOUT_MS "60000" // unanswered data for so long: the connection is lost

// libpq 15 does not know sslrootcert=system; these are where distributions keep the store.
static const char *system_ca_file(void)
{
    static const char *const files[] = { "/etc/ssl/certs/ca-certificates.crt",
                                         "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (file_exists(files[i])) {
            return files[i];
        }
    }
    return files[0]; // libpq's error then names it
}

struct options {
    const char *keys[MAX_OPTIONS + 1];
    const char *values[MAX_OPTIONS + 1];
    int count;
    char port[16];
};

static void add(struct options *o, const char *key, const char *value)
{
    if (value && value[0] != '\0' && o->count < MAX_OPTIONS) {
        o->keys[o->count] = key;
        o->values[o->count++] = value;
    }
}

// Who has not shown a certificate that was verified gets no password in clear: whoever answers could ask for it so. An
// older library cannot be told.
static void add_methods(struct options *o, const struct target *target)
{
    const bool anybody = target->tls == TLS_REQUIRE || target->tls == TLS_DISABLE;
    if (!target->socket && anybody && PQlibVersion() >= REQUIRE_AUTH_VERSION) {
        add(o, "require_auth", "!password");
    }
}

static void add_tls(struct options *o, const struct target *target)
{
    if (target->socket || target->tls == TLS_DISABLE) {
        add(o, "sslmode", "disable");
        return;
    }
    const enum tls_mode mode = target->tls == TLS_UNSET ? TLS_VERIFY_FULL : target->tls;
    add(o, "sslmode", tls_mode_text(mode));
    // With "require" an existing root file would mean verify-ca: the mode asked for is the mode used.
    add(o, "sslrootcert",
        mode == TLS_REQUIRE ? NO_FILE
        : target->ca_file   ? target->ca_file
                            : system_ca_file());
    add(o, "sslcert", target->cert_file ? target->cert_file : NO_FILE);
    add(o, "sslkey", target->key_file ? target->key_file : NO_FILE);
}

static void fill_options(struct options *o, const struct target *target, const char *application)
{
    *o = (struct options){ 0 };
    snprintf(o->port, sizeof o->port, "%d", (int)(target->port ? target->port : 5432));
    add(o, "host", target->socket ? target->socket : target->host);
    add(o, "port", o->port);
    add(o, "dbname", target->database);
    add(o, "user", target->user);
    add(o, "password", target->password.bytes);
    add(o, "passfile", NO_FILE);
    add_tls(o, target);
    add_methods(o, target);
    add(o, "gssencmode", "disable");
    add(o, "client_encoding", "UTF8");
    add(o, "application_name", application);
    add(o, "target_session_attrs", "any");
    add(o, "keepalives", "1");
    add(o, "keepalives_idle", "30");
    add(o, "keepalives_interval", "10");
    add(o, "keepalives_count", "3");
    add(o, "tcp_user_timeout", TCP_USER_TIMEOUT_MS);
}

static void ignore_notice(void *payload, const PGresult *result)
{
    (void)payload;
    (void)result;
}

// One wait of the connect. False: cancelled or too late.
static bool wait_connect(PGconn *conn, PostgresPollingStatusType want, int64_t deadline,
                         const struct cancel *cancel)
{
    const int64_t left = deadline - clock_mono_ms();
    struct pollfd p[2] = {
        { .fd = PQsocket(conn), .events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT },
        { .fd = cancel ? cancel->fd : -1, .events = POLLIN },
    };
    if (left <= 0) {
        return false;
    }
    poll(p, 2, (int)left);
    return !(p[1].revents & POLLIN);
}

static struct err *connect_error(const struct target *target, const char *text)
{
    AUTO(free_auto) char *label = target_label(target);
    AUTO(free_auto) char *line = pgdb_connect_text(text);
    const struct pgdb_rule *rule = pgdb_judge_connect(text);
    const bool none = strstr(text, "server does not support SSL") != NULL;
    return err_new(rule->kind, rule->reason, "could not connect to %s: %s", label,
                   none ? DB_NO_TLS("sslmode=disable") : line);
}

static struct err *connect_within(const struct target *target, const struct db_options *options,
                                  PGconn **out)
{
    db_forget_environment();
    struct options o;
    fill_options(&o, target, options->application);
    const int64_t deadline = clock_mono_ms() + options->connect_timeout_ms;
    PGconn *conn = PQconnectStartParams(o.keys, o.values, 0);
    if (!conn || PQstatus(conn) == CONNECTION_BAD) {
        struct err *e = connect_error(target, conn ? PQerrorMessage(conn) : "out of memory");
        PQfinish(conn);
        return e;
    }
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); // the SQLSTATE of a refusal is only in the text
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        if (!wait_connect(conn, status, deadline, options->cancel)) {
            const bool cancelled = cancel_triggered(options->cancel);
            AUTO(free_auto) char *label = target_label(target);
            PQfinish(conn);
            return err_new(ERR_TRANSIENT,
                           cancelled ? REASON_INTERRUPTED : REASON_DATABASE_UNAVAILABLE,
                           "could not connect to %s: %s", label,
                           cancelled ? "interrupted" : "no answer in time");
        }
        status = PQconnectPoll(conn);
    }
    if (status == PGRES_POLLING_FAILED) {
        struct err *e = connect_error(target, PQerrorMessage(conn));
        PQfinish(conn);
        return e;
    }
    *out = conn;
    return NULL;
}

static struct err *connect_start(const struct target *target, const struct db_options *options,
                                 PGconn **out)
{
    AUTO(free_auto) char *label = target_label(target);
    AUTO(free_auto) char *what = mem_printf("the login at %s", label);
    struct overdue o;
    overdue_begin(&o, clock_mono_ms() + options->connect_timeout_ms + LOGIN_GRACE_MS, -1, what);
    db_egress_begin();
    struct err *e = db_egress_end(target, connect_within(target, options, out));
    overdue_end(&o);
    return e;
}

static struct err *check_server(const struct target *target, PGconn *conn)
{
    const int version = PQserverVersion(conn);
    if (version < 120000) {
        AUTO(free_auto) char *label = target_label(target);
        return err_new(ERR_TERMINAL, REASON_UNSUPPORTED_SERVER,
                       "%s runs PostgreSQL %d: 12 or newer is needed", label, version / 10000);
    }
    PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    PQsetnonblocking(conn, 1);
    return NULL;
}

struct err *pgdb_open(const struct target *target, const struct db_options *options,
                      struct db **out)
{
    PGconn *conn = NULL;
    TRY(connect_start(target, options, &conn));
    struct err *e = check_server(target, conn);
    if (e) {
        PQfinish(conn);
        return e;
    }
    struct pgdb *pg = mem_alloc(sizeof *pg);
    pg->conn = conn;
    pg->target = target;
    pg->options = *options;
    pg->options.application = "sluice";
    pg->base.options = *options;
    pg->base.session_id = PQbackendPID(conn);
    PQsetNoticeReceiver(conn, pgdb_notice, pg);
    *out = &pg->base;
    return NULL;
}

struct err *pgdb_reconnect(struct pgdb *pg)
{
    PGconn *conn = NULL;
    TRY(connect_start(pg->target, &pg->options, &conn));
    struct err *e = check_server(pg->target, conn);
    if (e) {
        PQfinish(conn);
        return e;
    }
    PQfinish(pg->conn);
    pg->conn = conn;
    PQsetNoticeReceiver(conn, pgdb_notice, pg);
    pg->base.session_id = PQbackendPID(conn);
    pg->prepared = 0;
    pg->last_generation = 0;
    pg->stopped = NULL;
    pg->name[0] = '\0';
    return NULL;
}

void pgdb_close(struct db *db)
{
    struct pgdb *pg = pgdb_of(db);
    if (pg->watcher) {
        pgdb_close(&pg->watcher->base);
    }
    PQfinish(pg->conn); // NULL is fine
    free(pg->search_path);
    free(pg->history);
    free(pg->watchers);
    free(pg->lease);
    free(pg->journal);
    free(pg->blocker);
    free(pg);
}

void pgdb_library(struct kvlist *out)
{
    const int version = PQlibVersion(); // 170005: 17.5
    AUTO(free_auto) char *text = mem_printf("%d.%d", version / 10000, version % 10000);

    kvlist_set(out, "libpq", text);
}
