/* SPDX-License-Identifier: Apache-2.0 */
/* A slow network: relay PORT-FILE PORT MICROSECONDS [TRIPS-FILE] listens on a free port of the loopback
 * address and hands on to 127.0.0.1:PORT. Every byte that a client sends is held that long, none waits
 * for another; so a round trip takes that much longer, and requests in flight overlap as they would on
 * a wire. A connection adds the line "open" to TRIPS-FILE, and when it ends the number of its round
 * trips: how often the client has spoken after the server had. Ends with its parent. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 64
#define CHUNK 65536
#define HELD_MAX (8u << 20) /* of one connection; then the client waits, as TCP would let it */

struct piece { /* bytes that came in together */
    struct piece *next;
    int64_t due_us;
    size_t length, sent;
    char bytes[];
};

struct link {
    int client, server; /* client < 0: free */
    struct piece *first, **last;
    size_t held;
    int client_ended;
    int server_spoke;
    long trips;
};

static struct link links[CONNECTIONS];
static int64_t delay_us;
static const char *trips_file;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fail(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long number(const char *text)
{
    long value = 0;
    for (; *text >= '0' && *text <= '9' && value < 100000000; text++) {
        value = value * 10 + (*text - '0');
    }
    return value;
}

static struct sockaddr_in loopback(long port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int listen_on_free_port(const char *port_file)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    char fresh[4096];
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        listen(fd, CONNECTIONS) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        fail("listen");
    }
    snprintf(fresh, sizeof fresh, "%s.new", port_file);
    FILE *out = fopen(fresh, "we");
    if (!out) {
        fail(fresh);
    }
    fprintf(out, "%d\n", ntohs(address.sin_port));
    if (fclose(out) != 0 || rename(fresh, port_file) != 0) {
        fail(port_file);
    }
    return fd;
}

/* Tells the reader of TRIPS-FILE that there is a connection, or that it has ended. */
static void tell(const struct link *l, int ended)
{
    FILE *out = trips_file ? fopen(trips_file, "ae") : NULL;
    if (!out) {
        return;
    }
    if (ended) {
        fprintf(out, "%ld\n", l->trips);
    } else {
        fputs("open\n", out);
    }
    fclose(out);
}

static void accept_one(int listener, long port)
{
    const struct sockaddr_in address = loopback(port);
    const int on = 1;
    struct link *l = links;
    while (l < links + CONNECTIONS && l->client >= 0) {
        l++;
    }
    const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0 || l == links + CONNECTIONS) {
        close(client);
        return;
    }
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0 || connect(server, (const struct sockaddr *)&address, sizeof address) != 0) {
        fail("connect");
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *l = (struct link){ .client = client, .server = server, .server_spoke = 1 };
    l->last = &l->first;
    tell(l, 0);
}

static void end(struct link *l)
{
    tell(l, 1);
    while (l->first) {
        struct piece *gone = l->first;
        l->first = gone->next;
        free(gone);
    }
    close(l->client);
    close(l->server);
    *l = (struct link){ .client = -1, .server = -1 };
}

static void from_client(struct link *l)
{
    struct piece *p = malloc(sizeof *p + CHUNK);
    if (!p) {
        fail("memory");
    }
    const ssize_t n = read(l->client, p->bytes, CHUNK);
    if (n <= 0) {
        free(p);
        l->client_ended = 1;
        return;
    }
    l->trips += l->server_spoke;
    l->server_spoke = 0;
    p->next = NULL;
    p->due_us = now_us() + delay_us;
    p->length = (size_t)n;
    p->sent = 0;
    *l->last = p;
    l->last = &p->next;
    l->held += p->length;
}

/* What the server says is handed on at once; a client that does not read lets both wait. */
static int from_server(struct link *l)
{
    static char bytes[CHUNK];
    const ssize_t n = read(l->server, bytes, sizeof bytes);
    for (ssize_t sent = 0; sent < n;) {
        const ssize_t m = send(l->client, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        if (m <= 0) {
            return 0;
        }
        sent += m;
    }
    l->server_spoke = 1;
    return n > 0;
}

static int to_server(struct link *l, int64_t now)
{
    while (l->first && l->first->due_us <= now) {
        struct piece *p = l->first;
        const ssize_t n =
            send(l->server, p->bytes + p->sent, p->length - p->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            return errno == EAGAIN;
        }
        p->sent += (size_t)n;
        if (p->sent < p->length) {
            return 1;
        }
        l->held -= p->length;
        l->first = p->next;
        if (!l->first) {
            l->last = &l->first;
        }
        free(p);
    }
    return 1;
}

/* Until when nothing is due; a second at most. */
static int64_t wait_us(int64_t now)
{
    int64_t wait = 1000000;
    for (struct link *l = links; l < links + CONNECTIONS; l++) {
        if (l->client >= 0 && l->first && l->first->due_us - now < wait) {
            wait = l->first->due_us - now;
        }
    }
    return wait > 0 ? wait : 0;
}

static void turn(int listener, long port)
{
    struct pollfd fds[1 + 2 * CONNECTIONS];
    fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
    const int64_t before = now_us(), wait = wait_us(before);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct link *l = &links[i];
        const int reads = l->client >= 0 && !l->client_ended && l->held < HELD_MAX;
        const int late = l->client >= 0 && l->first && l->first->due_us <= before;
        fds[1 + 2 * i] = (struct pollfd){ .fd = reads ? l->client : -1, .events = POLLIN };
        fds[2 + 2 * i] = (struct pollfd){ .fd = l->client >= 0 ? l->server : -1,
                                          .events = (short)(POLLIN | (late ? POLLOUT : 0)) };
    }
    const struct timespec limit = { .tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000 };
    if (ppoll(fds, 1 + 2 * CONNECTIONS, &limit, NULL) < 0 && errno != EINTR) {
        fail("poll");
    }
    const int64_t now = now_us();
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct link *l = &links[i];
        int lives = l->client >= 0;
        if (lives && fds[1 + 2 * i].revents) {
            from_client(l);
        }
        if (lives && fds[2 + 2 * i].revents & (POLLIN | POLLHUP | POLLERR)) {
            lives = from_server(l);
        }
        if (lives) {
            lives = to_server(l, now) && !(l->client_ended && !l->first);
        }
        if (!lives && l->client >= 0) {
            end(l);
        }
    }
    if (fds[0].revents) {
        accept_one(listener, port);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: relay PORT-FILE PORT MICROSECONDS [TRIPS-FILE]\n");
        return 1;
    }
    const long port = number(argv[2]);
    delay_us = number(argv[3]);
    trips_file = argv[4];
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL,
          0UL); /* nanoseconds; the usual 50 us are too coarse */
    prctl(PR_SET_PDEATHSIG, (unsigned long)SIGTERM, 0UL, 0UL, 0UL);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        links[i].client = links[i].server = -1;
    }
    const int listener = listen_on_free_port(argv[1]);
    for (;;) {
        turn(listener, port);
    }
}
