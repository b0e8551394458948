/* SPDX-License-Identifier: Apache-2.0 */
/* Small HTTP servers with limits: body, header, connections, per address, and time in all, because
 * the library's own timeout does not see a client that drips. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct http_server;

struct http_request {                 /* borrowed for the call */
    const char *method, *path, *peer; /* peer: address without port */
    const void *body;
    size_t length;
    void *connection;
};
const char *http_header(const struct http_request *request, const char *name); /* NULL: absent */

struct http_response {
    int status;               /* 200 */
    const char *content_type; /* static; text/plain */
    const char *allow;        /* static; with 405 */
    struct buf body;
};
void http_say(struct http_response *response, int status,
              const char *text); /* in the place of a body that it has */

/* Called on the server's thread, and must not block; with `own_threads` on one of the connection's own. */
typedef void http_handler(void *payload, const struct http_request *request,
                          struct http_response *response);

struct http_options {
    const char *name; /* for messages: "metrics" */
    const char *
        address; /* "127.0.0.1:9440", ":9440", "[::1]:0"; port 0: any; [::]: of both families, where the kernel has both */
    const char *host; /* what an address without a host binds */
    size_t max_body;  /* bytes; more is 413 */
    int64_t total_ms; /* a request must be over by then; 0: 10 s */
    bool own_threads; /* each connection has one: its handler may wait */
    http_handler *handler;
    void *payload;
    void (*done)(void *payload, const char *server, int status); /* after each; NULL: none */
};

/* ERR_TERMINAL, naming the flag: Usage for what is no address, AddressInUse for one that cannot be had. */
struct err *http_start(const struct http_options *options, struct http_server **out) ERR_MUST_USE;
const char *http_address(const struct http_server *server); /* as bound: "127.0.0.1:41233" */
void http_stop(struct http_server *server);                 /* NULL is fine */

/* Adds libmicrohttpd with the version that is loaded. */
void http_libraries(struct kvlist *out);
