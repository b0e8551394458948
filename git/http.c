/* SPDX-License-Identifier: Apache-2.0 */
/* git over http and https: libgit2's smart protocol on our libcurl transport. libgit2's own has no
 * total deadline, one certificate store for the whole process, and another TLS library. */
#include <curl/curl.h>
#include <git2/sys/transport.h>
#include <git2/transport.h>
#include <string.h>
#include "base/address.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/https.h"
#include "base/mem.h"
#include "git/remote.h"
#include "model/reason.h"

#define BODY_MAX (32 * 1024 * 1024) /* bytes of one request: wants of 500,000 refs */
#define WINDOW (1024 * 1024)        /* bytes kept for libgit2 before the server has to wait */
#define ADVERT "application/x-git-upload-pack-advertisement"
#define RESULT "application/x-git-upload-pack-result"
#define REQUEST "application/x-git-upload-pack-request"

struct http {
    git_smart_subtransport base; /* first: libgit2 hands it back */
    struct remote *remote;
    CURLM *multi; /* keeps the connection between requests */
};

struct stream {
    git_smart_subtransport_stream base; /* first */
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    bool advert; /* GET info/refs; else POST git-upload-pack */
    bool started, ended, paused, judged;
    struct buf body; /* ours */
    struct buf in;   /* theirs, from in_at on */
    size_t in_at;
    char curl_error[CURL_ERROR_SIZE];
};

static struct remote *remote_of(const struct stream *stream)
{
    return stream->http->remote;
}

/* ---- what the answer means ------------------------------------------------------------------- */

static struct err *redirect_error(const struct stream *stream)
{
    char *target = NULL;
    (void)curl_easy_getinfo(stream->easy, CURLINFO_REDIRECT_URL, &target);
    size_t length = target ? strcspn(target, "?#") : 0; /* a query may carry a token */
    AUTO(free_auto) char *place = target ? mem_strndup(target, length) : mem_strdup("nowhere");
    char *suffix = strstr(place, "/info/refs");
    if (suffix) {
        *suffix = '\0';
    }
    const char *at = strrchr(place, '@');
    const char *host = at ? at + 1 : place; /* never repeat user:password@ */
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                   "the server redirects to '%s', and redirects are not followed: write the final "
                   "address into the source url",
                   host);
}

static struct err *denied_error(const struct remote *remote, long status)
{
    const struct repo_credentials *c = remote->source->credentials;
    bool any = c && (c->username || secret_set(&c->bearer_token));
    return err_new(ERR_TRANSIENT, REASON_ACCESS_DENIED, "the server answered %ld: %s", status,
                   any ? "it does not accept these credentials for this repository"
                       : "it asks for credentials, and the source has none");
}

static struct err *status_error(const struct stream *stream, long status)
{
    if (status == 401 || status == 403) {
        return denied_error(remote_of(stream), status);
    }
    if (status == 404 || status == 410) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                       "the server answered %ld: repository not found or no access", status);
    }
    if (status >= 300 && status < 400) {
        return redirect_error(stream);
    }
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE, "the server answered %ld", status);
}

/* Called once headers are there: is this git's answer at all? */
static struct err *judge(struct stream *stream)
{
    long status = 0;
    char *type = NULL;
    (void)curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(stream->easy, CURLINFO_CONTENT_TYPE, &type);
    stream->judged = true;
    if (status != 200) {
        return status_error(stream, status);
    }
    const char *wanted = stream->advert ? ADVERT : RESULT;
    if (!type || strcmp(type, wanted) != 0) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                       "the server does not speak git's smart http protocol there (content type "
                       "'%.64s'): is this the address of a repository?",
                       type ? type : "");
    }
    return NULL;
}

static bool is_tls_code(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return true;
    default:
        return false;
    }
}

static struct err *deadline_error(const struct remote *remote)
{
    char text[TIME_TEXT_LEN];
    duration_format_short(remote->source->timeout_ms, text);
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                   "no complete answer within %s (%lld bytes came)", text,
                   (long long)remote->received);
}

static struct err *curl_failure(const struct stream *stream, CURLcode code)
{
    const char *text = stream->curl_error[0] ? stream->curl_error : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return deadline_error(remote_of(stream));
    }
    if (is_tls_code(code)) {
        return err_new(ERR_TRANSIENT, REASON_TLS_VERIFICATION_FAILED,
                       "%s: check the server's certificate, or put its CA into ca.crt of the "
                       "source's Secret",
                       text);
    }
    if (code == CURLE_SSL_CERTPROBLEM) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID, "tls.crt or tls.key cannot be used: %s",
                       text);
    }
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE, "%s", text);
}

/* ---- one request ----------------------------------------------------------------------------- */

static void compact(struct stream *stream)
{
    size_t left = stream->in.len - stream->in_at;
    if (left > 0) {
        memmove(stream->in.data, stream->in.data + stream->in_at, left);
    }
    stream->in.len = left;
    stream->in_at = 0;
}

static size_t on_data(char *bytes, size_t one, size_t count, void *payload)
{
    struct stream *stream = payload;
    size_t length = one * count;
    if (!stream->judged) {
        struct err *error = judge(stream);
        if (error) {
            (void)remote_fail(remote_of(stream), error);
            return CURL_WRITEFUNC_ERROR;
        }
    }
    if (stream->in.len - stream->in_at > WINDOW) {
        stream->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!remote_count(remote_of(stream), (int64_t)length)) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (stream->in_at > WINDOW || stream->in_at == stream->in.len) {
        compact(stream);
    }
    buf_add(&stream->in, bytes, length);
    return stream->in.failed ? CURL_WRITEFUNC_ERROR : length;
}

static curl_socket_t on_socket(void *payload, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct remote *remote = payload;
    (void)purpose;
    if (address_refused(&address->addr)) {
        (void)remote_fail(remote, remote_address_error(remote));
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void set_login(struct stream *stream, const struct repo_credentials *c)
{
    if (c && secret_set(&c->bearer_token)) {
        (void)curl_easy_setopt(stream->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        (void)curl_easy_setopt(stream->easy, CURLOPT_XOAUTH2_BEARER, c->bearer_token.bytes);
    } else if (c && c->username) {
        (void)curl_easy_setopt(stream->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        (void)curl_easy_setopt(stream->easy, CURLOPT_USERNAME, c->username);
        (void)curl_easy_setopt(stream->easy, CURLOPT_PASSWORD,
                               c->password.bytes ? c->password.bytes : "");
    }
}

static void set_network(CURL *easy, struct remote *remote)
{
    const struct repo_credentials *c = remote->source->credentials;
    const struct https setup = {
        .protocols = remote->url.scheme == REPO_SCHEME_HTTP ? "http" : "https",
        .agent = "git/2 (sluice)",
        .ca = c ? c->ca_crt : NULL,
        .cert = c ? c->tls_crt : NULL,
        .key = c ? &c->tls_key : NULL,
    };
    https_setup(easy, &setup);
    /* An empty proxy also keeps the environment's out. */
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, remote->source->proxy ? remote->source->proxy : "");
    if (remote->source->no_proxy) {
        (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, remote->source->no_proxy);
    }
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, remote);
}

static int start(struct stream *stream)
{
    struct remote *remote = remote_of(stream);
    CURL *easy = stream->easy;
    AUTO(free_auto) char *url =
        mem_printf("%s%s", remote->source->url,
                   stream->advert ? "/info/refs?service=git-upload-pack" : "/git-upload-pack");
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, stream->curl_error);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
    set_network(easy, remote);
    set_login(stream, remote->source->credentials);
    stream->headers = curl_slist_append(NULL, "Pragma: no-cache");
    if (!stream->advert) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(&stream->body));
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)stream->body.len);
        stream->headers = curl_slist_append(stream->headers, "Content-Type: " REQUEST);
        stream->headers = curl_slist_append(stream->headers, "Accept: " RESULT);
        stream->headers = curl_slist_append(stream->headers, "Expect:");
    }
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, stream->headers);
    stream->started = true;
    if (curl_multi_add_handle(stream->http->multi, easy) != CURLM_OK) {
        return remote_fail(
            remote, err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "libcurl takes no request"));
    }
    return 0;
}

/* Takes the end of the transfer, if it has come. */
static int collect(struct stream *stream)
{
    int left = 0;
    const CURLMsg *message = curl_multi_info_read(stream->http->multi, &left);
    if (!message || message->msg != CURLMSG_DONE) {
        return 0;
    }
    stream->ended = true;
    CURLcode code = message->data.result;
    if (code != CURLE_OK) {
        return remote_fail(remote_of(stream), curl_failure(stream, code));
    }
    if (!stream->judged) { /* an answer without a body */
        struct err *error = judge(stream);
        return error ? remote_fail(remote_of(stream), error) : 0;
    }
    return 0;
}

static int wait_for_data(struct stream *stream)
{
    struct remote *remote = remote_of(stream);
    while (stream->in_at == stream->in.len && !stream->ended) {
        int running = 0;
        if (stream->paused) {
            stream->paused = false;
            (void)curl_easy_pause(stream->easy, CURLPAUSE_CONT);
        }
        CURLMcode code = curl_multi_perform(stream->http->multi, &running);
        if (code == CURLM_OK && collect(stream) != 0) {
            return -1;
        }
        int64_t left = remote->deadline_ms - clock_mono_ms();
        if (left <= 0) {
            return remote_fail(remote, deadline_error(remote));
        }
        if (stream->in_at < stream->in.len || stream->ended) {
            break;
        }
        if (code == CURLM_OK) {
            code =
                curl_multi_poll(stream->http->multi, NULL, 0, left < 1000 ? (int)left : 1000, NULL);
        }
        if (code != CURLM_OK) {
            return remote_fail(remote, err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                                               "libcurl: %s", curl_multi_strerror(code)));
        }
    }
    return 0;
}

/* ---- libgit2's side -------------------------------------------------------------------------- */

static int stream_read(git_smart_subtransport_stream *base, char *out, size_t size, size_t *got)
{
    struct stream *stream = (struct stream *)base;
    if (!stream->started && start(stream) != 0) {
        return -1;
    }
    if (wait_for_data(stream) != 0) {
        return -1;
    }
    size_t left = stream->in.len - stream->in_at;
    *got = left < size ? left : size;
    if (*got > 0) {
        memcpy(out, stream->in.data + stream->in_at, *got);
        stream->in_at += *got;
    }
    return 0;
}

static int stream_write(git_smart_subtransport_stream *base, const char *bytes, size_t length)
{
    struct stream *stream = (struct stream *)base;
    buf_add(&stream->body, bytes, length);
    if (stream->body.failed || stream->started) {
        return remote_fail(remote_of(stream),
                           err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                                   "the request for its refs is larger than %d bytes", BODY_MAX));
    }
    return 0;
}

static void stream_free(git_smart_subtransport_stream *base)
{
    struct stream *stream = (struct stream *)base;
    if (stream->easy) {
        if (stream->started) {
            (void)curl_multi_remove_handle(stream->http->multi, stream->easy);
        }
        curl_easy_cleanup(stream->easy);
    }
    curl_slist_free_all(stream->headers);
    buf_done(&stream->body);
    buf_done(&stream->in);
    free(stream);
}

static int http_action(git_smart_subtransport_stream **out, git_smart_subtransport *base,
                       const char *url, git_smart_service_t action)
{
    struct http *http = (struct http *)base;
    (void)url; /* ours is the checked one */
    if (action != GIT_SERVICE_UPLOADPACK_LS && action != GIT_SERVICE_UPLOADPACK) {
        return -1;
    }
    struct stream *stream = mem_alloc(sizeof *stream);
    stream->base = (git_smart_subtransport_stream){
        .subtransport = base,
        .read = stream_read,
        .write = stream_write,
        .free = stream_free,
    };
    stream->http = http;
    stream->advert = action == GIT_SERVICE_UPLOADPACK_LS;
    stream->body = BUF(BODY_MAX);
    stream->in = BUF(2 * WINDOW + 4 * CURL_MAX_WRITE_SIZE);
    stream->easy = curl_easy_init();
    *out = &stream->base;
    return 0;
}

static int http_close(git_smart_subtransport *base)
{
    (void)base;
    return 0;
}

static void http_free(git_smart_subtransport *base)
{
    struct http *http = (struct http *)base;
    (void)curl_multi_cleanup(http->multi);
    free(http);
}

static int http_make(git_smart_subtransport **out, git_transport *owner, void *remote)
{
    (void)owner;
    struct http *http = mem_alloc(sizeof *http);
    http->base = (git_smart_subtransport){
        .action = http_action,
        .close = http_close,
        .free = http_free,
    };
    http->remote = remote;
    http->multi = curl_multi_init();
    *out = &http->base;
    return 0;
}

int http_transport(struct git_transport **out, struct git_remote *owner, void *remote)
{
    git_smart_subtransport_definition definition = {
        .callback = http_make,
        .rpc = 1,
        .param = remote,
    };
    return git_transport_smart(out, owner, &definition);
}
