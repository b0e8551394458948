/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd with its own thread, and a second one that ends requests which take too long. */
#include "controller/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <microhttpd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "model/reason.h"

#define MAX_CONNECTIONS 128
#define MAX_PER_ADDRESS 32
#define SILENCE_SECONDS 5
#define MEMORY_PER_CONNECTION (16 * 1024) /* bytes: caps the header too */
#define TOTAL_MS 10000
#define RESPONSE_MAX (64 * 1024 * 1024)

struct connection {
    struct connection *next;
    int fd;
    int64_t since_ms; /* of the request that it is busy with */
};

struct exchange { /* one request while its body arrives */
    struct buf body;
    bool too_large;
    size_t received;
    int status;
};

struct http_server {
    struct http_options options;
    struct MHD_Daemon *daemon;
    char address[96];
    pthread_mutex_t lock; /* over connections and stop */
    pthread_cond_t wake;
    pthread_t reaper;
    bool stop, reaping;
    struct connection *connections;
};

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- time ------------------------------------------------------------------------------------- */

static int socket_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

static void note_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                            enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = cls;
    struct connection *mine = *socket_context;

    pthread_mutex_lock(&server->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        mine = mem_alloc(sizeof *mine);
        *mine = (struct connection){ .next = server->connections,
                                     .fd = socket_of(connection),
                                     .since_ms = clock_mono_ms() };
        server->connections = mine;
        *socket_context = mine;
    } else if (mine) {
        struct connection **link = &server->connections;
        while (*link != mine) {
            link = &(*link)->next;
        }
        *link = mine->next;
        free(mine);
        *socket_context = NULL;
    }
    pthread_mutex_unlock(&server->lock);
}

static void restart_clock(struct http_server *server, struct MHD_Connection *connection)
{
    int fd = socket_of(connection);

    pthread_mutex_lock(&server->lock);
    for (struct connection *c = server->connections; c; c = c->next) {
        if (c->fd == fd) {
            c->since_ms = clock_mono_ms();
        }
    }
    pthread_mutex_unlock(&server->lock);
}

/* Shutting the socket down makes the library's own thread see the end and clean up. */
static void *reaper_main(void *arg)
{
    struct http_server *server = arg;

    pthread_mutex_lock(&server->lock);
    while (!server->stop) {
        int64_t now_ms = clock_mono_ms();
        for (const struct connection *c = server->connections; c; c = c->next) {
            if (now_ms - c->since_ms > server->options.total_ms) {
                shutdown(c->fd, SHUT_RDWR);
            }
        }
        (void)thread_cond_wait(&server->wake, &server->lock, now_ms + 1000);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* ---- one request ------------------------------------------------------------------------------ */

static enum MHD_Result answer(struct MHD_Connection *connection, struct exchange *exchange,
                              struct http_response *response)
{
    size_t length = response->body.len;
    char *text = buf_take(&response->body);
    struct MHD_Response *made =
        MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);

    if (!made) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(made, "Content-Type", response->content_type);
    MHD_add_response_header(made, "X-Content-Type-Options", "nosniff");
    if (response->allow) {
        MHD_add_response_header(made, "Allow", response->allow);
    }
    if (response->status == 400 || response->status == 413) { /* what follows is no request */
        MHD_add_response_header(made, "Connection", "close");
    }
    exchange->status = response->status;
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)response->status, made);
    MHD_destroy_response(made);
    return result;
}

static struct http_response response_new(int status, const char *text)
{
    struct http_response response = { .status = status,
                                      .content_type = "text/plain; charset=utf-8",
                                      .body = BUF(RESPONSE_MAX) };

    buf_adds(&response.body, text);
    return response;
}

static enum MHD_Result refuse_size(const struct http_server *server,
                                   struct MHD_Connection *connection, struct exchange *exchange)
{
    AUTO(free_auto) char *text =
        mem_printf("the body is larger than %zu bytes\n", server->options.max_body);
    struct http_response response = response_new(413, text);

    return answer(connection, exchange, &response);
}

#define MAPPED "::ffff:" /* an IPv4 address at a socket for both */

static void peer_text(struct MHD_Connection *connection, char *out, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    socklen_t length = address && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                 : sizeof(struct sockaddr_in);

    if (!address || getnameinfo(address, length, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST)) {
        snprintf(out, size, "?");
    }
    if (str_starts(out, MAPPED) && strchr(out, '.')) {
        memmove(out, out + strlen(MAPPED), strlen(out + strlen(MAPPED)) + 1);
    }
}

static enum MHD_Result handle(struct http_server *server, struct MHD_Connection *connection,
                              const char *path, const char *method, struct exchange *exchange)
{
    char peer[64];
    struct http_response response = response_new(200, "");
    struct http_request request = { .method = method,
                                    .path = path,
                                    .peer = peer,
                                    .body = buf_text(&exchange->body),
                                    .length = exchange->body.len,
                                    .connection = connection };

    peer_text(connection, peer, sizeof peer);
    server->options.handler(server->options.payload, &request, &response);
    return answer(connection, exchange, &response);
}

struct framing { /* what the header says about the body */
    int lengths, encodings;
    bool odd; /* in a way that two servers may read differently */
    const char *length;
};

static enum MHD_Result note_framing(void *cls, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    struct framing *framing = cls;

    (void)kind;
    if (key && strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        framing->lengths++;
        framing->length = value ? value : "";
        framing->odd = framing->odd || strspn(framing->length, "0123456789") == 0 ||
                       framing->length[strspn(framing->length, "0123456789")];
    } else if (key && strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        framing->encodings++;
        framing->odd = framing->odd || !value || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

/* Where two servers in a row see another end of the body, one request hides another. */
static bool is_ambiguous(const struct framing *framing)
{
    return framing->odd || framing->lengths + framing->encodings > 1;
}

/* Too long by its own word: refused before a byte of it is read. */
static bool declared_too_large(const struct http_server *server, const struct framing *framing)
{
    int64_t length = 0;

    return framing->length && (!str_to_int64(framing->length, 0, INT64_MAX, &length) ||
                               (uint64_t)length > server->options.max_body);
}

static enum MHD_Result begin_request(struct http_server *server, struct MHD_Connection *connection,
                                     struct exchange *exchange)
{
    struct framing framing = { 0 };

    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, note_framing, &framing);
    if (is_ambiguous(&framing)) {
        struct http_response response =
            response_new(400, "say the length of the body once: one Content-Length, or chunked\n");
        return answer(connection, exchange, &response);
    }
    return declared_too_large(server, &framing) ? refuse_size(server, connection, exchange)
                                                : MHD_YES;
}

static enum MHD_Result access_handler(void *cls, struct MHD_Connection *connection,
                                      const char *path, const char *method, const char *version,
                                      const char *upload, size_t *upload_length, void **context)
{
    struct http_server *server = cls;
    struct exchange *exchange = *context;

    (void)version;
    if (!exchange) { /* the header is here */
        exchange = mem_alloc(sizeof *exchange);
        exchange->body = BUF(server->options.max_body);
        *context = exchange;
        return begin_request(server, connection, exchange);
    }
    if (*upload_length > 0) {
        exchange->received += *upload_length;
        if (exchange->received > server->options.max_body) {
            exchange->too_large = true;
            buf_reset(&exchange->body);
        } else {
            buf_add(&exchange->body, upload, *upload_length);
        }
        *upload_length = 0;
        /* Chunked bodies have no declared length. A little is read to the end so that the client sees
         * the answer; who goes on for ever is cut off. */
        return exchange->received > 4 * server->options.max_body + 65536 ? MHD_NO : MHD_YES;
    }
    if (exchange->too_large) {
        return refuse_size(server, connection, exchange);
    }
    return handle(server, connection, path, method, exchange);
}

static void completed(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_RequestTerminationCode code)
{
    struct http_server *server = cls;
    struct exchange *exchange = *context;

    (void)code;
    if (exchange) {
        if (exchange->status && server->options.done) {
            server->options.done(server->options.payload, server->options.name, exchange->status);
        }
        buf_done(&exchange->body);
        free(exchange);
        *context = NULL;
        restart_clock(server, connection);
    }
}

/* ---- start and stop --------------------------------------------------------------------------- */

/* NULL: not an address. `instead` NULL: the host that the options name. */
static struct addrinfo *resolve(const struct http_options *options, const char *instead)
{
    const char *address = options->address;
    const char *colon = strrchr(address, ':');
    AUTO(free_auto) char *host =
        colon ? mem_strndup(address, (size_t)(colon - address)) : mem_strdup("");
    const char *port = colon ? colon + 1 : address;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *found = NULL;
    int64_t number = 0;
    size_t length = strlen(host);

    if (length > 1 && host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
    const char *name = instead ? instead : *host ? host : options->host;
    if (!str_to_int64(port, 0, 65535, &number) || getaddrinfo(name, port, &hints, &found)) {
        return NULL;
    }
    return found;
}

/* "[::]": whoever comes over either protocol. */
static bool is_any6(const struct addrinfo *info)
{
    const void *bytes = info->ai_addr;
    const struct sockaddr_in6 *address = bytes;

    return info->ai_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr);
}

/* Bound by ourselves: after its own failure to listen, libmicrohttpd 1.0 leaves another errno. -1: errno says why. */
static int listen_on(const struct addrinfo *info)
{
    const int on = 1;
    const int only = !is_any6(info);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, SOMAXCONN)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Where the kernel has no IPv6, "[::]" is every address that there is. */
static int listen_anywhere(const struct http_options *options, const struct addrinfo *info)
{
    int fd = listen_on(info);

    if (fd < 0 && is_any6(info) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        struct addrinfo *four = resolve(options, "0.0.0.0");
        fd = four ? listen_on(four) : -1;
        if (four) {
            int saved = errno;
            freeaddrinfo(four);
            errno = saved;
        }
    }
    return fd;
}

/* Names the address. True: one of IPv6. */
static bool name_address(struct http_server *server, int fd)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t length = sizeof bound;
    char host[64] = "", port[8] = "";

    (void)getsockname(fd, (struct sockaddr *)&bound, &length);
    (void)getnameinfo((struct sockaddr *)&bound, length, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(server->address, sizeof server->address,
             bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return bound.ss_family == AF_INET6;
}

static struct err *start(struct http_server *server, const struct addrinfo *info)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO |
                     (server->options.own_threads ? MHD_USE_THREAD_PER_CONNECTION : 0U);
    int fd = listen_anywhere(&server->options, info);

    if (fd < 0) {
        return err_new(ERR_TERMINAL, REASON_ADDRESS_IN_USE,
                       "could not listen on %s: %s; choose another one with --%s-addr",
                       server->options.address, strerror(errno), server->options.name);
    }
    flags |= name_address(server, fd) ? MHD_USE_IPv6 : 0U;
    server->daemon =
        MHD_start_daemon(/* it owns the socket from here on */
                         flags, 0, NULL, NULL, access_handler, server, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
                         MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)MAX_PER_ADDRESS,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_SECONDS,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
                         MHD_OPTION_NOTIFY_COMPLETED, completed, server,
                         MHD_OPTION_NOTIFY_CONNECTION, note_connection, server, MHD_OPTION_END);
    if (!server->daemon) {
        return err_new(ERR_TERMINAL, REASON_ADDRESS_IN_USE, "could not start the %s server on %s",
                       server->options.name, server->address);
    }
    thread_cond_init(&server->wake);
    TRY(thread_start(&server->reaper, reaper_main, server));
    server->reaping = true;
    return NULL;
}

struct err *http_start(const struct http_options *options, struct http_server **out)
{
    struct addrinfo *info = resolve(options, NULL);
    struct http_server *server = NULL;

    if (!info) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "--%s-addr: \"%s\" is not ADDRESS:PORT with a numeric address",
                       options->name, options->address);
    }
    server = mem_alloc(sizeof *server);
    server->options = *options;
    server->options.total_ms = options->total_ms > 0 ? options->total_ms : TOTAL_MS;
    pthread_mutex_init(&server->lock, NULL);
    struct err *failed = start(server, info);
    freeaddrinfo(info);
    if (failed) {
        http_stop(server);
        return failed;
    }
    *out = server;
    return NULL;
}

const char *http_address(const struct http_server *server)
{
    return server->address;
}

void http_stop(struct http_server *server)
{
    if (!server) {
        return;
    }
    if (server->reaping) {
        pthread_mutex_lock(&server->lock);
        server->stop = true;
        pthread_cond_signal(&server->wake);
        pthread_mutex_unlock(&server->lock);
        pthread_join(server->reaper, NULL);
    }
    if (server->daemon) {
        MHD_stop_daemon(server->daemon);
    }
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void http_libraries(struct kvlist *out)
{
    kvlist_set(out, "libmicrohttpd", MHD_get_version());
}

void http_say(struct http_response *r, int status, const char *text)
{
    r->status = status;
    buf_reset(&r->body);
    buf_adds(&r->body, text);
}
