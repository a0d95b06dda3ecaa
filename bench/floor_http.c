/* bench/floor_http.c - how fast HTTP can be here at all: a bare epoll loop with a fixed answer.
 *
 * One thread; one recv and one send of the same 400 bytes per request, whose end is found by its
 * blank line and of which nothing else is read. Connections are kept alive. What it reaches per
 * CPU-second is the floor that the tracker's announce front is compared with.
 * usage: floor_http --port N --seconds N [--close]     (127.0.0.1; SIGTERM ends it)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_LEN = 400, PEERS_LEN = 252, CONNECTIONS_MAX = 65536, REQUEST_MAX = 16384 };

static volatile sig_atomic_t stop;

static void on_stop(int signal_number) {
    (void)signal_number;
    stop = 1;
}

/* An answer that passes for an announce: 252 bytes of peers, padded to 400 bytes in the head. */
static void make_answer(char out[static ANSWER_LEN], bool closing) {
    static const char fields[] = "d8:completei50e10:incompletei50e8:intervali1800e5:peers252:";
    size_t body_len = sizeof fields - 1 + PEERS_LEN + 1;
    size_t head_len = ANSWER_LEN - body_len;
    memset(out, ' ', ANSWER_LEN);
    int len = snprintf(out, ANSWER_LEN, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s", body_len,
                       closing ? "Connection: close\r\nX:" : "X:");
    out[len] = ' ';
    memcpy(out + head_len - 4, "\r\n\r\n", 4);
    memcpy(out + head_len, fields, sizeof fields - 1);
    memset(out + ANSWER_LEN - 1 - PEERS_LEN, 1, PEERS_LEN);
    out[ANSWER_LEN - 1] = 'e';
}

static int listen_on(unsigned port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int yes = 1;
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0) return -1;
    return fd;
}

static void accept_all(int epoll, int listener) {
    int yes = 1;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
        if (fd >= CONNECTIONS_MAX || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) close(fd);
    }
}

static void serve(int fd, const char answer[static ANSWER_LEN], bool closing) {
    static char request[REQUEST_MAX];
    ssize_t n = recv(fd, request, sizeof request, 0);
    if (n < 0 && errno == EAGAIN) return;
    bool whole = n > 0 && memmem(request, (size_t)n, "\r\n\r\n", 4) != NULL;
    if (!whole || send(fd, answer, ANSWER_LEN, MSG_NOSIGNAL) != ANSWER_LEN || closing) close(fd);
}

static void run(int listener, time_t until, bool closing) {
    char answer[ANSWER_LEN];
    make_answer(answer, closing);
    int epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[256];
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) return;
    while (!stop && time(NULL) < until) {
        int count = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                serve(events[i].data.fd, answer, closing);
        }
    }
}

int main(int argc, char **argv) {
    bool closing = argc == 6 && strcmp(argv[5], "--close") == 0;
    if (!((argc == 5 || closing) && strcmp(argv[1], "--port") == 0 &&
          strcmp(argv[3], "--seconds") == 0)) {
        fputs("usage: floor_http --port N --seconds N [--close]\n", stderr);
        return 2;
    }
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    int listener = listen_on((unsigned)strtoul(argv[2], NULL, 10));
    if (listener < 0) {
        perror("floor_http");
        return 1;
    }
    run(listener, time(NULL) + (time_t)strtoul(argv[4], NULL, 10), closing);
    return 0;
}
