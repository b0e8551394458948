// SPDX-License-Identifier: Apache-2.0
// One login to MariaDB or MySQL: verified TLS, nothing read from option files, no local files given away.
#include <mysql.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/mysql/peer.h"
#include "database/mysql/run.h"
#include "model/reason.h"

#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MS 60000
#define WRITE_TIMEOUT_S 60
#define OUT_OF_MEMORY 2008 // in the library, not the server

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

#define AUTHENTICATION_PLUGIN                                                                      \
    2 // of mysql/client_plugin.h, which Debian's package cannot be included from

// What never shows the password to whoever answers. All others have a file of their own, which is not looked for:
// mysql_clear_password and dialog would send it as it is, sha256_password asks the server for the key to hide it with.
static const char *const plugins[] = { "caching_sha2_password", "client_ed25519", "parsec" };

static void library_start(void)
{
    MYSQL *conn = mysql_library_init(0, NULL, NULL) ? NULL : mysql_init(NULL);
    if (!conn) {
        abort(); // only out of memory
    }
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        (void)mysql_load_plugin(conn, plugins[i], AUTHENTICATION_PLUGIN, 0);
    }
    mysql_close(conn);
}

static unsigned whole_seconds(int64_t ms)
{
    const int64_t s = (ms + 999) / 1000;
    return s < 1 ? 1 : s > 3600 ? 3600 : (unsigned)s;
}

// ---- TLS ----------------------------------------------------------------------------------------

// The library verifies only against a file that it is given; there is no "system store" option.
static const char *system_ca(void)
{
    static const char *const files[] = { "/etc/ssl/certs/ca-certificates.crt",
                                         "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };
    const char *named = getenv("SSL_CERT_FILE");
    if (named && *named) {
        return named;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (access(files[i], R_OK) == 0) {
            return files[i];
        }
    }
    return NULL;
}

static bool verifies(enum tls_mode mode)
{
    return mode != TLS_REQUIRE && mode != TLS_DISABLE;
}

static void set_flag(MYSQL *conn, enum mysql_option option, bool on)
{
    const char flag = on ? 1 : 0; // my_bool here, bool there: one byte in both libraries
    mysql_options(conn, option, &flag);
}

#ifdef MARIADB_PACKAGE_VERSION_ID
// MYSQL_OPT_SSL_ENFORCE alone does not keep a password from a server without TLS: see peer.h. In the other two modes
// the fingerprint does, and stands for the check of the chain, which 3.4 leaves out together with that of the name.
static struct err *set_tls_mode(MYSQL *conn, const struct target *target, const char *ca,
                                const struct db_options *options)
{
    const enum tls_mode mode = target->socket ? TLS_DISABLE : target->tls;
    const bool peer = mode == TLS_REQUIRE || mode == TLS_VERIFY_CA;
    set_flag(conn, MYSQL_OPT_SSL_ENFORCE, mode != TLS_DISABLE);
    set_flag(conn, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, mode != TLS_DISABLE && !peer);
    if (!peer) {
        return NULL;
    }
    const char *digest =
        mysql_get_client_version() < 30400 ? "SHA1" : "SHA256"; // all that it knows
    char fingerprint[MYDB_FINGERPRINT_LEN];
    TRY(mydb_peer_fingerprint(target, ca, options, digest, fingerprint));
    mysql_optionsv(conn, MARIADB_OPT_SSL_FP, fingerprint);
    return NULL;
}
#else
static struct err *set_tls_mode(MYSQL *conn, const struct target *target, const char *ca,
                                const struct db_options *options)
{
    (void)ca;
    (void)options;
    const enum tls_mode mode = target->socket ? TLS_DISABLE : target->tls;
    unsigned value = SSL_MODE_VERIFY_IDENTITY;
    value = mode == TLS_VERIFY_CA ? SSL_MODE_VERIFY_CA : value;
    value = mode == TLS_REQUIRE ? SSL_MODE_REQUIRED : value;
    value = mode == TLS_DISABLE ? SSL_MODE_DISABLED : value;
    mysql_options(conn, MYSQL_OPT_SSL_MODE, &value);
    return NULL;
}
#endif

static struct err *set_tls(MYSQL *conn, const struct target *target,
                           const struct db_options *options)
{
    if (target->socket || target->tls == TLS_DISABLE) {
        return set_tls_mode(conn, target, NULL, options);
    }
    const char *ca = target->ca_file ? target->ca_file : system_ca();
    if (verifies(target->tls)) {
        if (!ca || access(ca, R_OK) != 0) {
            return err_new(
                ERR_TERMINAL, REASON_TLS_VERIFICATION_FAILED,
                "no certificate authority to verify the database server with: '%s' cannot "
                "be read",
                ca ? ca : "/etc/ssl/certs/ca-certificates.crt");
        }
        mysql_options(conn, MYSQL_OPT_SSL_CA, ca);
    }
    if (target->cert_file) {
        mysql_options(conn, MYSQL_OPT_SSL_CERT, target->cert_file);
        mysql_options(conn, MYSQL_OPT_SSL_KEY,
                      target->key_file ? target->key_file : target->cert_file);
    }
    return set_tls_mode(conn, target, ca, options);
}

// ---- the login ----------------------------------------------------------------------------------

int mydb_socket(void *conn)
{
#ifdef MARIADB_PACKAGE_VERSION_ID
    return conn ? (int)mysql_get_socket(conn) : -1;
#else
    return conn ? (int)((MYSQL *)conn)->net.fd : -1;
#endif
}

static void set_socket_options(int fd)
{
    // A long ALTER is silent for hours; a dead peer must still be noticed.
    const int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S;
    const int count = KEEPALIVE_COUNT, user = USER_TIMEOUT_MS;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof user);
}

static void set_options(MYSQL *conn, const struct target *target, const struct db_options *options)
{
    const unsigned connect = whole_seconds(options->connect_timeout_ms), write = WRITE_TIMEOUT_S;
    mysql_options(conn, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
    mysql_options(conn, MYSQL_OPT_WRITE_TIMEOUT, &write);
    if (options->read_only) { // a runner's DDL may take hours: there the watchdog looks after it
        const unsigned read = whole_seconds(options->query_timeout_ms);
        mysql_options(conn, MYSQL_OPT_READ_TIMEOUT, &read);
    }
    const unsigned infile = 0; // on by default in Connector/C: the server could read our files
    mysql_options(conn, MYSQL_OPT_LOCAL_INFILE, &infile);
    mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const unsigned protocol = target->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(conn, MYSQL_OPT_PROTOCOL, &protocol);    // else "localhost" means the socket
    mysql_options(conn, MYSQL_PLUGIN_DIR, "/nonexistent"); // those that we want are loaded
    mysql_options4(conn, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", options->application);
}

// "Plugin NAME could not be loaded: ...": of a plugin that is not among ours, or is not installed.
static const char *refused_plugin(const char *message)
{
    return str_starts(message, "Plugin ") && strstr(message, " could not be loaded")
               ? message + strlen("Plugin ")
               : NULL;
}

static bool is_ours(const char *plugin)
{
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        if (strncmp(plugin, plugins[i], strcspn(plugin, " ")) == 0) {
            return true;
        }
    }
    return false;
}

static struct err *login_error(MYSQL *conn, const struct target *target)
{
    const unsigned code = mysql_errno(conn);
    const struct mydb_error_class class = mydb_error_of_ours(code, mysql_error(conn));
    AUTO(free_auto) char *label = target_label(target);
    const char *plugin = refused_plugin(mysql_error(conn));
    if (code == OUT_OF_MEMORY) {
        db_note_memory_short();
        return err_new(class.kind, class.reason, "could not connect to %s: %s", label,
                       DB_MEMORY_TEXT);
    }
    if (plugin && is_ours(plugin)) {
        return err_new(ERR_TERMINAL, REASON_ACCESS_DENIED,
                       "%s asks for authentication plugin '%.*s', which the client library of this "
                       "machine does not have: install a newer one, or give the user "
                       "mysql_native_password",
                       label, (int)strcspn(plugin, " "), plugin);
    }
    if (plugin) {
        return err_new(ERR_TERMINAL, REASON_ACCESS_DENIED,
                       "%s asks for the password by authentication plugin '%.*s', which is not "
                       "used because the server could read the password: give the user one of "
                       "mysql_native_password, ed25519, parsec and caching_sha2_password",
                       label, (int)strcspn(plugin, " "), plugin);
    }
    if (str_eq(class.reason, REASON_TLS_VERIFICATION_FAILED) &&
        strstr(mysql_error(conn), "does not support")) {
        return err_new(class.kind, class.reason, "could not connect to %s: %s", label,
                       DB_NO_TLS("ssl-mode=DISABLED"));
    }
    if (str_eq(class.reason, REASON_TLS_VERIFICATION_FAILED)) {
        return err_new(class.kind, class.reason,
                       "no verified TLS connection to %s (give the server's CA, or another TLS "
                       "mode): %u %s",
                       label, code, mysql_error(conn));
    }
    return err_new(class.kind, class.reason, "could not connect to %s: %u (%s) %s", label, code,
                   mysql_sqlstate(conn), mysql_error(conn));
}

static struct err *login(MYSQL *conn, const struct target *target, const struct db_options *options)
{
    const char *database = target->schema ? target->schema : target->database;
    set_options(conn, target, options);
    TRY(set_tls(conn, target, options));
    if (!mysql_real_connect(conn,
                            target->socket ? NULL
                            : target->host ? target->host
                                           : "127.0.0.1",
                            target->user, target->password.bytes ? target->password.bytes : "",
                            database, (unsigned)target->port, target->socket, 0)) {
        return login_error(conn, target);
    }
    if (!target->socket && target->tls != TLS_DISABLE && !mysql_get_ssl_cipher(conn)) {
        AUTO(free_auto) char *label = target_label(target);
        return err_new(ERR_TERMINAL, REASON_TLS_VERIFICATION_FAILED, "could not connect to %s: %s",
                       label, DB_NO_TLS("ssl-mode=DISABLED"));
    }
    if (!target->socket) {
        set_socket_options(mydb_socket(conn));
    }
    return NULL;
}

static struct err *dial_once(const struct target *target, const struct db_options *options,
                             void **out)
{
    MYSQL *conn = mysql_init(NULL);
    if (!conn) {
        abort(); // only out of memory
    }
    struct err *e = login(conn, target, options);
    if (e) {
        mysql_close(conn);
        return e;
    }
    *out = conn;
    return NULL;
}

static struct err *dial(const struct target *target, const struct db_options *options, void **out)
{
    pthread_once(&library_once, library_start);
    if (!target->schema && !target->database) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "no database named: write mysql://host/DATABASE");
    }
    struct err *e = dial_once(target, options, out);
    if (e && str_eq(e->reason, REASON_TLS_VERIFICATION_FAILED) && mydb_peer_forget(target)) {
        err_free(e); // the certificate that was kept may have been replaced since
        e = dial_once(target, options, out);
    }
    return e;
}

struct err *mydb_dial(const struct target *target, const struct db_options *options, void **out)
{
    AUTO(free_auto) char *label = target_label(target);
    AUTO(free_auto) char *what = mem_printf("the login at %s", label);
    struct overdue o;
    overdue_begin(&o, clock_mono_ms() + options->connect_timeout_ms + LOGIN_GRACE_MS, -1, what);
    db_egress_begin();
    struct err *e = db_egress_end(target, dial(target, options, out));
    overdue_end(&o);
    return e;
}

void mydb_library(struct kvlist *out)
{
#ifdef MARIADB_PACKAGE_VERSION_ID
    kvlist_set(out, "libmariadb", mysql_get_client_info());
#else
    kvlist_set(out, "libmysqlclient", mysql_get_client_info());
#endif
}
