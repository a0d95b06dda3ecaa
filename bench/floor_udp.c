/* bench/floor_udp.c - how fast UDP can be here at all: a bare recvmmsg/sendmmsg echo.
 *
 * One thread. Every datagram is answered with 320 bytes: action and transaction id of the request
 * and a constant rest, the size of an announce answer with 50 peers. Nothing is looked up. What it
 * reaches per CPU-second is the floor that the tracker is compared with.
 * usage: floor_udp --port N --seconds N     (127.0.0.1; SIGTERM ends it)
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, REQUEST_MAX = 2048, ANSWER_LEN = 320 };

static volatile sig_atomic_t stop;

static void on_stop(int signal_number) {
    (void)signal_number;
    stop = 1;
}

typedef struct {
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_io[BATCH], out_io[BATCH];
    struct sockaddr_in from[BATCH];
    unsigned char requests[BATCH][REQUEST_MAX], answers[BATCH][ANSWER_LEN];
} batch;

static void prepare(batch *all) {
    for (unsigned i = 0; i < BATCH; i++) {
        memset(all->answers[i], 1, ANSWER_LEN);
        all->in_io[i] = (struct iovec){ all->requests[i], REQUEST_MAX };
        all->out_io[i] = (struct iovec){ all->answers[i], ANSWER_LEN };
        all->in[i].msg_hdr = (struct msghdr){ .msg_name = &all->from[i],
                                              .msg_namelen = sizeof all->from[i],
                                              .msg_iov = &all->in_io[i],
                                              .msg_iovlen = 1 };
        all->out[i].msg_hdr = all->in[i].msg_hdr;
        all->out[i].msg_hdr.msg_iov = &all->out_io[i];
    }
}

/* BEP 15: a request has action and transaction id at byte 8, an answer at byte 0. */
static void answer(batch *all, int fd, unsigned count) {
    for (unsigned i = 0; i < count; i++) memcpy(all->answers[i], all->requests[i] + 8, 8);
    unsigned sent = 0;
    while (sent < count && !stop) {
        int n = sendmmsg(fd, all->out + sent, count - sent, 0);
        if (n > 0)
            sent += (unsigned)n;
        else
            sent++; /* one that cannot be sent is lost */
    }
}

static void run(batch *all, int fd, time_t until) {
    prepare(all);
    while (!stop && time(NULL) < until) {
        int count = recvmmsg(fd, all->in, BATCH, MSG_WAITFORONE, NULL);
        if (count > 0) answer(all, fd, (unsigned)count);
    }
}

static int open_on(unsigned port) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval patience = { .tv_usec = 100000 };
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return bind(fd, (struct sockaddr *)&at, sizeof at) == 0 ? fd : -1;
}

int main(int argc, char **argv) {
    if (argc != 5 || strcmp(argv[1], "--port") != 0 || strcmp(argv[3], "--seconds") != 0) {
        fputs("usage: floor_udp --port N --seconds N\n", stderr);
        return 2;
    }
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    int fd = open_on((unsigned)strtoul(argv[2], NULL, 10));
    batch *all = calloc(1, sizeof *all);
    if (fd < 0 || !all) {
        perror("floor_udp");
        free(all);
        return 1;
    }
    run(all, fd, time(NULL) + (time_t)strtoul(argv[4], NULL, 10));
    free(all);
    return 0;
}
