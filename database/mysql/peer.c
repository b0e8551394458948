// SPDX-License-Identifier: Apache-2.0
// The certificate of a MariaDB or MySQL server, before anybody logs in there.
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include "database/mysql/peer.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "model/reason.h"

#define DEFAULT_PORT 3306
#define GREETING_MAX 1024
#define HEADER_LEN 4
#define SALT_LEN 8
#define PROTOCOL_VERSION 10
#define CLIENT_SSL 0x0800u
#define CLIENT_FLAGS                                                                               \
    0x0008a200u // protocol 4.1, transactions, secure connection, authentication plugins
#define KNOWN_MAX 256

struct peer {
    const struct target *target;
    const struct cancel *cancel;
    int64_t deadline_ms; // monotonic
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

static void peer_done(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->context);
    if (p->fd >= 0) {
        close(p->fd);
    }
}

static struct err *unreachable(const struct peer *p, const char *why)
{
    AUTO(free_auto) char *label = target_label(p->target);
    return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, "could not connect to %s: %s", label,
                   why);
}

static struct err *refused(const struct peer *p, const char *why)
{
    AUTO(free_auto) char *label = target_label(p->target);
    return err_new(ERR_TERMINAL, REASON_TLS_VERIFICATION_FAILED,
                   "no TLS connection to %s, which tls mode '%s' asks for: %s", label,
                   tls_mode_text(p->target->tls), why);
}

static struct err *wait_for(const struct peer *p, short events)
{
    for (;;) {
        const int64_t left = p->deadline_ms - clock_mono_ms();
        struct pollfd fds[] = { { .fd = p->fd, .events = events },
                                { .fd = p->cancel ? p->cancel->fd : -1, .events = POLLIN } };
        if (cancel_triggered(p->cancel)) {
            return err_new(ERR_TRANSIENT, REASON_INTERRUPTED, "interrupted");
        }
        if (left <= 0) {
            return unreachable(p, "no answer in time");
        }
        const int ready = poll(fds, 2, left > 60000 ? 60000 : (int)left);
        if (ready > 0 && fds[0].revents) {
            return NULL;
        }
    }
}

// ---- the connection -----------------------------------------------------------------------------

static struct err *connect_one(struct peer *p, const struct addrinfo *address)
{
    p->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0) {
        return unreachable(p, "no socket");
    }
    if (connect(p->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        return unreachable(p, strerrordesc_np(errno));
    }
    TRY(wait_for(p, POLLOUT));
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error ? unreachable(p, strerrordesc_np(error)) : NULL;
}

static struct err *connect_any(struct peer *p)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    char port[12];
    snprintf(port, sizeof port, "%d", p->target->port ? p->target->port : DEFAULT_PORT);
    const char *host = p->target->host ? p->target->host : "127.0.0.1";
    const int code = getaddrinfo(host, port, &hints, &list);
    if (code) {
        return unreachable(p, gai_strerror(code));
    }
    struct err *e = NULL;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        err_free(e);
        e = connect_one(p, a);
        if (!e || cancel_triggered(p->cancel)) {
            break;
        }
        if (p->fd >= 0) {
            close(p->fd);
        }
        p->fd = -1;
    }
    freeaddrinfo(list);
    return e ? e : p->fd < 0 ? unreachable(p, "the name has no address") : NULL;
}

static struct err *read_exactly(const struct peer *p, uint8_t *out, size_t length)
{
    for (size_t have = 0; have < length;) {
        const ssize_t n = recv(p->fd, out + have, length - have, 0);
        if (n == 0) {
            return unreachable(p, "the server closed the connection");
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return unreachable(p, strerrordesc_np(errno));
        }
        if (n < 0) {
            TRY(wait_for(p, POLLIN));
        }
        have += n > 0 ? (size_t)n : 0;
    }
    return NULL;
}

// ---- the greeting -------------------------------------------------------------------------------

// Protocol version, the server's version up to a NUL, connection id, salt, filler, the low half of its capabilities.
static struct err *read_greeting(const struct peer *p)
{
    uint8_t header[HEADER_LEN], greeting[GREETING_MAX];
    TRY(read_exactly(p, header, sizeof header));
    const size_t length = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
    if (length == 0 || length > sizeof greeting) {
        return unreachable(p, "this is no MariaDB or MySQL server");
    }
    TRY(read_exactly(p, greeting, length));
    if (greeting[0] == 0xff && length > 9) { // an error instead: number, '#', SQLSTATE, text
        AUTO(free_auto) char *text = mem_strndup((const char *)greeting + 9, length - 9);
        return unreachable(p, text);
    }
    const uint8_t *nul = memchr(greeting + 1, '\0', length - 1);
    const size_t at = nul ? (size_t)(nul - greeting) + 1 + 4 + SALT_LEN + 1 : length;
    if (greeting[0] != PROTOCOL_VERSION || at + 2 > length) {
        return unreachable(p, "this is no MariaDB or MySQL server");
    }
    const unsigned capabilities = greeting[at] | (unsigned)greeting[at + 1] << 8;
    return capabilities & CLIENT_SSL ? NULL : refused(p, DB_NO_TLS("ssl-mode=DISABLED"));
}

static struct err *ask_for_tls(const struct peer *p)
{
    const uint32_t flags = CLIENT_FLAGS | CLIENT_SSL;
    const uint8_t request[HEADER_LEN + 32] = {
        32,
        0,
        0,
        1,
        (uint8_t)flags,
        (uint8_t)(flags >> 8),
        (uint8_t)(flags >> 16),
        (uint8_t)(flags >> 24),
        0,
        0,
        0,
        1,
        45 // largest packet: 16 MiB; utf8mb4; the rest is filler
    };
    const ssize_t n = send(p->fd, request, sizeof request, MSG_NOSIGNAL);
    return n == (ssize_t)sizeof request ? NULL
                                        : unreachable(p, "the connection ended before the login");
}

// ---- the certificate ----------------------------------------------------------------------------

static struct err *start_tls(struct peer *p, const char *ca_file)
{
    p->context = SSL_CTX_new(TLS_client_method());
    if (!p->context) {
        abort(); // only out of memory
    }
    SSL_CTX_set_min_proto_version(p->context, TLS1_2_VERSION);
    if (p->target->tls == TLS_VERIFY_CA) {
        if (SSL_CTX_load_verify_file(p->context, ca_file) != 1) {
            ERR_clear_error();
            AUTO(free_auto) char *why = mem_printf("'%s' is no file of certificates", ca_file);
            return refused(p, why);
        }
        SSL_CTX_set_verify(p->context, SSL_VERIFY_PEER, NULL);
    }
    p->ssl = SSL_new(p->context);
    if (!p->ssl || SSL_set_fd(p->ssl, p->fd) != 1) {
        abort();
    }
    return NULL;
}

// OpenSSL writes into a connection that may be gone; a signal for that would end a command that prints into a pipe, too.
static struct err *handshake_of(const struct peer *p)
{
    for (;;) {
        ERR_clear_error();
        const int done = SSL_connect(p->ssl);
        if (done == 1) {
            return NULL;
        }
        const int want = SSL_get_error(p->ssl, done);
        if (want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE) {
            TRY(wait_for(p, want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT));
            continue;
        }
        const long verdict = SSL_get_verify_result(p->ssl);
        const char *why = ERR_reason_error_string(ERR_peek_last_error());
        why = verdict != X509_V_OK && p->target->tls == TLS_VERIFY_CA
                  ? X509_verify_cert_error_string(verdict)
                  : why;
        return refused(p, why ? why : "the handshake was cut off");
    }
}

static struct err *handshake(const struct peer *p)
{
    const struct timespec at_once = { 0 };
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    struct err *e = handshake_of(p);
    if (!sigismember(&pending, SIGPIPE)) {
        sigtimedwait(&pipe, NULL, &at_once);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

static struct err *fetch(struct peer *p, const char *ca_file, const char *digest,
                         char out[MYDB_FINGERPRINT_LEN])
{
    TRY(connect_any(p));
    TRY(read_greeting(p));
    TRY(ask_for_tls(p));
    TRY(start_tls(p, ca_file));
    TRY(handshake(p));
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const X509 *certificate = SSL_get0_peer_certificate(p->ssl);
    const EVP_MD *kind = EVP_get_digestbyname(digest);
    if (!certificate || !kind || !X509_digest(certificate, kind, hash, &length)) {
        return refused(p, "the server has no certificate");
    }
    hex_format(hash, length, out);
    return NULL;
}

// ---- what was found -----------------------------------------------------------------------------

static struct {
    pthread_mutex_t lock;
    struct kvlist known; // by target: the fingerprint
} peers = { .lock = PTHREAD_MUTEX_INITIALIZER };

static char *key_of(const struct target *target)
{
    return mem_printf("%s:%d %s %s", target->host ? target->host : "", (int)target->port,
                      tls_mode_text(target->tls), target->ca_file ? target->ca_file : "");
}

static bool recall(const char *key, char out[MYDB_FINGERPRINT_LEN])
{
    pthread_mutex_lock(&peers.lock);
    const char *found = kvlist_get(&peers.known, key);
    if (found) {
        snprintf(out, MYDB_FINGERPRINT_LEN, "%s", found);
    }
    pthread_mutex_unlock(&peers.lock);
    return found != NULL;
}

static void keep(const char *key, const char *fingerprint)
{
    pthread_mutex_lock(&peers.lock);
    if (peers.known.count >= KNOWN_MAX) {
        kvlist_done(&peers.known);
    }
    kvlist_set(&peers.known, key, fingerprint);
    pthread_mutex_unlock(&peers.lock);
}

bool mydb_peer_forget(const struct target *target)
{
    AUTO(free_auto) char *key = key_of(target);
    pthread_mutex_lock(&peers.lock);
    const char *known = kvlist_get(&peers.known, key);
    const bool found = known && *known;
    if (found) {
        kvlist_set(&peers.known, key, "");
    }
    pthread_mutex_unlock(&peers.lock);
    return found;
}

struct err *mydb_peer_fingerprint(const struct target *target, const char *ca_file,
                                  const struct db_options *options, const char *digest,
                                  char out[MYDB_FINGERPRINT_LEN])
{
    AUTO(free_auto) char *key = key_of(target);
    if (recall(key, out) && out[0] != '\0') {
        return NULL;
    }
    struct peer p = { .target = target,
                      .cancel = options->cancel,
                      .deadline_ms = clock_mono_ms() + options->connect_timeout_ms,
                      .fd = -1 };
    struct err *e = fetch(&p, ca_file, digest, out);
    peer_done(&p);
    if (!e) {
        keep(key, out);
    }
    return e;
}
