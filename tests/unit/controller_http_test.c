/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP servers' limits against a client that does not keep to them, and the token buckets. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "controller/bucket.h"
#include "controller/http.h"

/* The servers' own: a kernel without IPv6 has no such sockets. */
static bool without_ipv6;

int socket(int domain, int type, int protocol)
{
    if (without_ipv6 && domain == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, domain, type, protocol);
}

TestSuite(http, .timeout = 60);
TestSuite(bucket, .timeout = 10);

struct seen_request {
    int calls;
    size_t length;
    char path[64], method[16], header[64], peer[64];
    int done_status;
};

static void handler(void *payload, const struct http_request *request, struct http_response *r)
{
    struct seen_request *seen = payload;
    const char *header = http_header(request, "X-Test");

    seen->calls++;
    seen->length = request->length;
    snprintf(seen->path, sizeof seen->path, "%s", request->path);
    snprintf(seen->method, sizeof seen->method, "%s", request->method);
    snprintf(seen->header, sizeof seen->header, "%s", header ? header : "");
    snprintf(seen->peer, sizeof seen->peer, "%s", request->peer);
    r->status = 202;
    buf_adds(&r->body, "heard\n");
}

static void done(void *payload, const char *server, int status)
{
    (void)server;
    ((struct seen_request *)payload)->done_status = status;
}

static struct http_server *serve_at(const char *host, struct seen_request *seen, size_t max_body,
                                    int64_t total_ms)
{
    const struct http_options options = { .name = "hook",
                                          .address = ":0",
                                          .host = host,
                                          .max_body = max_body,
                                          .total_ms = total_ms,
                                          .handler = handler,
                                          .payload = seen,
                                          .done = done };
    struct http_server *server = NULL;
    struct err *failed = http_start(&options, &server);
    cr_assert_null(failed, "%s", failed ? failed->message : "");
    return server;
}

static struct http_server *serve(struct seen_request *seen, size_t max_body, int64_t total_ms)
{
    return serve_at("127.0.0.1", seen, max_body, total_ms);
}

/* -1: this machine has no such address. */
static int client6(const struct http_server *server)
{
    int64_t port = 0;
    cr_assert(str_to_int64(strrchr(http_address(server), ':') + 1, 1, 65535, &port));
    struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                    .sin6_port = htons((uint16_t)port),
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        cr_assert_eq(errno, EADDRNOTAVAIL, "%s", strerror(errno));
        close(fd);
        fd = -1;
    }
    return fd;
}

static int client(const struct http_server *server)
{
    int64_t port = 0;
    cr_assert(str_to_int64(strrchr(http_address(server), ':') + 1, 1, 65535, &port));
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* What the server says until it closes; reads no longer than 20 s. */
static char *answer(int fd)
{
    struct buf out = BUF(65536);
    char bytes[4096];
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    while (poll(&wait, 1, 20000) > 0) {
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got <= 0) {
            break;
        }
        buf_add(&out, bytes, (size_t)got);
    }
    close(fd);
    return buf_take(&out);
}

static char *ask(const struct http_server *server, const char *request)
{
    int fd = client(server);
    size_t length = strlen(request);
    (void)send(fd, request, length, MSG_NOSIGNAL);
    return answer(fd);
}

Test(http, a_request_reaches_the_handler_with_its_body_and_headers)
{
    struct seen_request seen = { 0 };
    struct http_server *server = serve(&seen, 100, 0);
    AUTO(free_auto) char *text = ask(server, "POST /hook/a/b HTTP/1.1\r\nHost: x\r\nX-Test: yes\r\n"
                                             "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
    http_stop(server);
    cr_expect(str_starts(text, "HTTP/1.1 202 "), "%s", text);
    cr_expect(str_ends(text, "heard\n"), "%s", text);
    cr_expect_eq(seen.calls, 1);
    cr_expect_eq(seen.length, 5);
    cr_expect_str_eq(seen.path, "/hook/a/b");
    cr_expect_str_eq(seen.method, "POST");
    cr_expect_str_eq(seen.header, "yes");
    cr_expect_str_eq(seen.peer, "127.0.0.1");
    cr_expect_eq(seen.done_status, 202);
}

#define SHORT_REQUEST "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Test(http, every_address_is_of_both_families)
{
    struct seen_request seen = { 0 };
    struct http_server *server = serve_at("::", &seen, 100, 0);
    AUTO(free_auto) char *four = ask(server, SHORT_REQUEST);
    cr_expect(str_starts(four, "HTTP/1.1 202 "), "%s", four);
    cr_expect_str_eq(seen.peer, "127.0.0.1", "limits count IPv4 addresses as such: %s", seen.peer);
    if (str_starts(http_address(server), "[::]:")) { /* else this kernel has IPv4 alone */
        int fd = client6(server);
        if (fd >= 0) {
            (void)send(fd, SHORT_REQUEST, strlen(SHORT_REQUEST), MSG_NOSIGNAL);
            AUTO(free_auto) char *six = answer(fd);
            cr_expect(str_starts(six, "HTTP/1.1 202 "), "%s", six);
            cr_expect_str_eq(seen.peer, "::1");
        }
    }
    http_stop(server);
}

Test(http, where_the_kernel_has_no_ipv6_every_address_is_of_ipv4)
{
    struct seen_request seen = { 0 };
    without_ipv6 = true;
    struct http_server *server = serve_at("::", &seen, 100, 0);
    AUTO(free_auto) char *four = ask(server, SHORT_REQUEST);
    cr_expect(str_starts(http_address(server), "0.0.0.0:"), "%s", http_address(server));
    cr_expect(str_starts(four, "HTTP/1.1 202 "), "%s", four);
    http_stop(server);
}

/* A second server in the way could see another end of the body, and behind it another request. */
static const struct {
    const char *name, *header;
} ambiguous[] = {
    { "two lengths", "Content-Length: 0\r\nContent-Length: 40\r\n" },
    { "two lengths that are equal", "Content-Length: 5\r\nContent-Length: 5\r\n" },
    { "in another spelling", "content-length: 0\r\nCONTENT-LENGTH: 40\r\n" },
    { "a length, and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" },
    { "chunked, and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" },
    { "chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" },
    { "another encoding", "Transfer-Encoding: xchunked\r\n" },
    { "a list of encodings", "Transfer-Encoding: gzip, chunked\r\n" },
    { "a list of lengths", "Content-Length: 5, 5\r\n" },
    { "a sign", "Content-Length: +5\r\n" },
    { "a hexadecimal length", "Content-Length: 0x5\r\n" },
};

Test(http, a_body_whose_end_is_said_twice_is_refused_and_nothing_behind_it_is_handled)
{
    for (size_t i = 0; i < sizeof ambiguous / sizeof *ambiguous; i++) {
        struct seen_request seen = { 0 };
        struct http_server *server = serve(&seen, 100, 0);
        AUTO(free_auto) char *request =
            mem_printf("POST /a HTTP/1.1\r\nHost: x\r\n%s\r\n5\r\nhello\r\n0\r\n\r\n"
                       "POST /hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n",
                       ambiguous[i].header);
        AUTO(free_auto) char *text = ask(server, request);
        http_stop(server);
        cr_expect(str_starts(text, "HTTP/1.1 400 "), "%s: %s", ambiguous[i].name, text);
        cr_expect_eq(seen.calls, 0, "%s: %s was handled", ambiguous[i].name, seen.path);
    }
}

static const struct {
    const char *name, *request;
} too_large[] = {
    { "declared too long: refused before a byte of it",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\nConnection: close\r\n\r\n" },
    { "declared absurdly long",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\nConnection: "
      "close\r\n\r\n" },
    { "chunked, without a declared length",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "65\r\n"
      "01234567890123456789012345678901234567890123456789"
      "01234567890123456789012345678901234567890123456789x\r\n0\r\n\r\n" },
};

Test(http, a_body_over_the_limit_is_413_and_never_handled)
{
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        struct seen_request seen = { 0 };
        struct http_server *server = serve(&seen, 100, 0);
        AUTO(free_auto) char *text = ask(server, too_large[i].request);
        http_stop(server);
        cr_expect(str_starts(text, "HTTP/1.1 413 "), "%s: %s", too_large[i].name, text);
        cr_expect_eq(seen.calls, 0, "%s", too_large[i].name);
    }
}

Test(http, a_header_that_never_ends_is_refused)
{
    struct seen_request seen = { 0 };
    struct http_server *server = serve(&seen, 100, 0);
    struct buf request = BUF(65536);
    buf_adds(&request, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
    for (int i = 0; i < 40000; i++) {
        buf_addc(&request, 'a');
    }
    AUTO(free_auto) char *text = ask(server, buf_text(&request));
    http_stop(server);
    buf_done(&request);
    cr_expect_not(str_starts(text, "HTTP/1.1 2"), "%s", text);
    cr_expect_eq(seen.calls, 0);
}

Test(http, a_client_that_drips_is_cut_off_in_time_and_others_are_served)
{
    struct seen_request seen = { 0 };
    struct http_server *server = serve(&seen, 100, 1500);
    int64_t began_ms = clock_mono_ms();
    int slow = client(server);
    struct pollfd closed = { .fd = slow, .events = POLLIN | POLLRDHUP };
    bool cut = false;
    (void)send(slow, "GET / HTTP/1.1\r\nHost: x\r\n", 25, MSG_NOSIGNAL);
    while (!cut && clock_mono_ms() - began_ms < 15000) { /* never silent for the library's 5 s */
        (void)send(slow, "X-A: b\r\n", 8, MSG_NOSIGNAL);
        cut = poll(&closed, 1, 200) > 0;
    }
    cr_expect(cut, "still connected after 15 s");
    cr_expect_geq(clock_mono_ms() - began_ms, 1400);
    close(slow);
    AUTO(free_auto) char *text =
        ask(server, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    http_stop(server);
    cr_expect(str_starts(text, "HTTP/1.1 202 "), "%s", text);
}

static const char *const wrong_addresses[] = { "8080x", "localhost:80", "1.2.3.4:99999", "", ":" };

Test(http, an_address_that_is_none_names_its_flag)
{
    for (size_t i = 0; i < sizeof wrong_addresses / sizeof *wrong_addresses; i++) {
        const struct http_options options = {
            .name = "hook", .address = wrong_addresses[i], .host = "127.0.0.1", .handler = handler
        };
        struct http_server *server = NULL;
        struct err *failed = http_start(&options, &server);
        cr_assert_not_null(failed, "%s", wrong_addresses[i]);
        cr_expect(strstr(failed->message, "--hook-addr"), "%s", failed->message);
        err_free(failed);
    }
}

Test(http, an_address_in_use_names_its_flag)
{
    struct seen_request seen = { 0 };
    struct http_server *first = serve(&seen, 100, 0);
    const struct http_options options = { .name = "metrics",
                                          .address = http_address(first),
                                          .handler = handler };
    struct http_server *second = NULL;
    struct err *failed = http_start(&options, &second);
    cr_assert_not_null(failed);
    cr_expect(strstr(failed->message, "--metrics-addr"), "%s", failed->message);
    cr_expect(strstr(failed->message, "in use"), "%s", failed->message);
    err_free(failed);
    http_stop(first);
}

/* ---- buckets ------------------------------------------------------------------------------------- */

static const struct bucket_rate rate = {
    .burst = 60, .per_second = 20, .all_burst = 600, .all_per_second = 200
};
static const struct bucket_rate each = { .burst = 60, .per_second = 20 };

Test(bucket, one_address_is_limited_and_others_are_not)
{
    struct buckets *b = mem_alloc(sizeof *b);
    int passed = 0;
    for (int i = 0; i < 1000; i++) {
        passed += buckets_take(b, &rate, "10.0.0.1", 1000) ? 1 : 0;
    }
    cr_expect_eq(passed, 60);
    cr_expect(buckets_take(b, &rate, "10.0.0.2", 1000));
    for (int i = 0; i < 1000; i++) {
        passed += buckets_take(b, &rate, "10.0.0.1", 2000) ? 1 : 0;
    }
    cr_expect_eq(passed, 80, "20 a second come back");
    free(b);
}

static int many(struct buckets *b, const struct bucket_rate *how)
{
    int passed = 0;
    for (int i = 0; i < 5000; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "10.0.%d.%d", i / 250, i % 250);
        passed += buckets_take(b, how, peer, 1000) ? 1 : 0;
    }
    free(b);
    return passed;
}

Test(bucket, many_addresses_are_limited_in_all_and_forgotten_ones_start_anew)
{
    cr_expect_eq(many(mem_alloc(sizeof(struct buckets)), &rate), 600);
}

Test(bucket, where_nothing_is_said_of_all_none_uses_up_another_ones)
{
    cr_expect_eq(many(mem_alloc(sizeof(struct buckets)), &each), 5000);
}

/* Two names of the greatest length that differ at their end. */
Test(bucket, a_long_name_is_one_name)
{
    struct buckets *b = mem_alloc(sizeof *b);
    char name[2][318] = { "", "" };
    int passed = 0;
    for (int i = 0; i < 2; i++) {
        memset(name[i], 'n', 317);
        name[i][316] = (char)('a' + i);
    }
    for (int i = 0; i < 200; i++) {
        passed += buckets_take(b, &each, name[0], 1000) ? 1 : 0;
    }
    cr_expect_eq(passed, 60);
    cr_expect(buckets_take(b, &each, name[1], 1000));
    free(b);
}
