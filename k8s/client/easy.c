/* SPDX-License-Identifier: Apache-2.0 */
/* One request as libcurl's options: address, TLS, proxy, proof of identity, deadlines. */
#include "k8s/client/easy.h"
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "base/auto.h"
#include "base/https.h"
#include "base/mem.h"

#define CONNECT_MS 10000
#define SILENCE_S 30 /* a peer that acknowledges nothing for so long is gone */

/* ---- the address ----------------------------------------------------------------------------- */

struct address {
    char *scheme, *host, *port, *path; /* host with its brackets */
};

static void address_done(struct address *a)
{
    free(a->scheme);
    free(a->host);
    free(a->port);
    free(a->path);
}

static char *part(CURLU *url, CURLUPart which, unsigned flags)
{
    char *text = NULL;
    (void)curl_url_get(url, which, &text, flags);
    char *copy = mem_strdup(text ? text : "");
    curl_free(text);
    return copy;
}

static struct address address_of(const char *server)
{
    CURLU *url = curl_url();
    (void)curl_url_set(url, CURLUPART_URL, server, 0);
    struct address a = {
        .scheme = part(url, CURLUPART_SCHEME, 0),
        .host = part(url, CURLUPART_HOST, 0),
        .port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT),
        .path = part(url, CURLUPART_PATH, 0),
    };
    curl_url_cleanup(url);
    while (str_ends(a.path, "/")) {
        a.path[strlen(a.path) - 1] = '\0';
    }
    return a;
}

/* tls-server-name: libcurl verifies the name in the address, so that is where it goes; the real one is
 * told to CONNECT_TO, and to the server in the Host header. */
static void set_address(CURL *easy, const struct transport_request *r, struct easy_lists *lists)
{
    const struct kube_config *config = r->config;
    AUTO(address_done) struct address a = address_of(config->server);
    const char *name = config->tls_server_name;
    AUTO(free_auto) char *url =
        mem_printf("%s://%s:%s%s%s", a.scheme, name ? name : a.host, a.port, a.path, r->path);
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    if (name) {
        AUTO(free_auto) char *to = mem_printf("%s:%s:%s:%s", name, a.port, a.host, a.port);
        AUTO(free_auto) char *host = mem_printf("Host: %s:%s", a.host, a.port);
        lists->connect_to = curl_slist_append(NULL, to);
        lists->headers = curl_slist_append(lists->headers, host);
        (void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, lists->connect_to);
    }
}

/* ---- identity -------------------------------------------------------------------------------- */

static void add_header(struct easy_lists *lists, const char *name, const char *value)
{
    AUTO(free_auto) char *line = mem_printf("%s: %s", name, value);
    lists->headers = curl_slist_append(lists->headers, line);
}

static void set_identity(CURL *easy, const struct transport_request *r, struct easy_lists *lists)
{
    const struct kube_config *config = r->config;
    if (secret_set(&r->auth->token)) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        (void)curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, r->auth->token.bytes);
    }
    if (config->as_user) {
        add_header(lists, "Impersonate-User", config->as_user);
    }
    if (config->as_uid) {
        add_header(lists, "Impersonate-Uid", config->as_uid);
    }
    for (size_t i = 0; i < config->as_groups.count; i++) {
        add_header(lists, "Impersonate-Group", config->as_groups.items[i]);
    }
}

/* ---- the connection -------------------------------------------------------------------------- */

/* Without it a dead peer is noticed only by the watch's own deadline, minutes later. */
static int on_socket(void *payload, curl_socket_t fd, curlsocktype purpose)
{
    (void)payload;
    (void)purpose;
    unsigned silence = SILENCE_S * 1000;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
    return CURL_SOCKOPT_OK;
}

static void set_network(CURL *easy, const struct transport_request *r)
{
    const struct https setup = {
        .protocols = "http,https",
        .agent = r->user_agent,
        .ca = r->auth->ca,
        .cert = r->auth->cert,
        .key = &r->auth->key,
        .insecure = r->config->insecure,
    };
    https_setup(easy, &setup);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)SILENCE_S);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    if (r->config->proxy) { /* else the environment's */
        (void)curl_easy_setopt(easy, CURLOPT_PROXY, r->config->proxy);
    }
}

void easy_setup(void *handle, const struct transport_request *r, const char *body,
                struct easy_lists *lists)
{
    CURL *easy = handle;
    add_header(lists, "Accept", r->accept ? r->accept : "application/json");
    set_address(easy, r, lists);
    set_network(easy, r);
    set_identity(easy, r, lists);
    if (body) {
        add_header(lists, "Content-Type", r->content_type);
        lists->headers = curl_slist_append(lists->headers, "Expect:");
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_length);
    }
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lists->headers);
}
