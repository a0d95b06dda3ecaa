/* net/front.h - one worker of the tracker's front: an epoll loop that answers small requests at
 * once and hands every other connection over, its bytes untouched.
 *
 * Bytes are looked at (MSG_PEEK), answered, and taken out of the socket later: together every few
 * KiB, and exactly, to the byte, before a hand-over or a close. So whoever takes a connection over
 * reads its request from the first byte, also behind pipelined ones that were answered here.
 * What a request is, is the host's business; the front knows connections, deadlines and limits.
 * One worker is one thread with its own listeners (SO_REUSEPORT); workers share nothing.
 */
#ifndef PBTS_NET_FRONT_H
#define PBTS_NET_FRONT_H

#include <stdatomic.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/writer.h"

typedef struct pbts_front pbts_front;

enum {
    PBTS_FRONT_PEEK_MAX = 32 * 1024,   /* looked at in one go; a request must fit in half of it */
    PBTS_FRONT_ANSWER_MAX = 28 * 1024, /* room that a request's answer always finds */
    PBTS_FRONT_OUT_MAX = 64 * 1024,    /* answers sent together; what a slow reader may owe us */
    PBTS_FRONT_CONSUME_AT = 4 * 1024,  /* answered bytes left in the socket before taking them */
    PBTS_FRONT_LISTENERS_MAX = 16,
    PBTS_FRONT_UDP_MAX = 16,
    PBTS_FRONT_HEAD_READS_MAX = 2048, /* pieces that one request may come in */
};

typedef enum {
    PBTS_FRONT_MORE,      /* the request is not whole */
    PBTS_FRONT_ANSWERED,  /* *consumed bytes are answered; the connection goes on */
    PBTS_FRONT_LAST,      /* the same, and the connection ends */
    PBTS_FRONT_HAND_OVER, /* not ours: nothing consumed */
    PBTS_FRONT_REFUSED,   /* answered (or not); the rest is not worth reading; ends */
} pbts_front_verdict;

/* What the front calls, always from its own thread. */
typedef struct {
    void *host;
    /* Once per wake-up, before anything else: the time for all that follows. */
    void (*wake)(void *host, uint64_t mono_ms);
    /* Look at `bytes` (never empty); append an answer of at most PBTS_FRONT_ANSWER_MAX bytes. */
    pbts_front_verdict (*request)(void *host, pbts_writer *out, size_t *consumed, pbts_span bytes,
                                  const pbts_addr *client);
    /* Before a connection's first request: MORE, REFUSED, or ANSWERED with *consumed (0: there is
     * no preamble) and perhaps another *client. NULL: there never is one. */
    pbts_front_verdict (*preamble)(void *host, pbts_addr *client, size_t *consumed,
                                   pbts_span bytes);
    /* Takes `fd`, non-blocking, nothing of its next request read. */
    void (*hand_over)(void *host, int fd, const pbts_addr *client);
    void (*datagram)(void *host, pbts_writer *writer, pbts_span datagram, const pbts_addr *from);
} pbts_front_host;

typedef struct {
    pbts_mem *mem;
    uint32_t connections_max;
    uint32_t head_timeout_ms;  /* a request that began must be whole by then */
    uint32_t idle_timeout_ms;  /* between requests */
    uint32_t write_timeout_ms; /* a reader that does not read */
    uint32_t linger_ms;        /* after a refusal, so that the peer can read it */
    pbts_span busy_answer;     /* to who goes past connections_max; borrowed */
} pbts_front_config;

/* Since start, but `open`; written by the worker, read by anybody. */
typedef struct {
    atomic_uint_fast64_t accepted, open, requests, handed_over, timed_out, refused, evicted, busy;
    atomic_uint_fast64_t udp_lost; /* answers that the socket did not take */
} pbts_front_stats;

/* PBTS_NO_MEMORY, PBTS_IO. */
PBTS_MUST_USE pbts_status pbts_front_new(pbts_front **out, const pbts_front_config *config,
                                         const pbts_front_host *host);
void pbts_front_free(pbts_front *front); /* closes every socket it has; NULL is a no-op */
/* Take a socket to serve. PBTS_LIMIT, PBTS_IO, PBTS_NO_MEMORY leave it to the caller. */
PBTS_MUST_USE pbts_status pbts_front_listen(pbts_front *front, int fd);
PBTS_MUST_USE pbts_status pbts_front_serve_udp(pbts_front *front, int fd);

/* Serve until stopped: first the listeners close and what is under way is finished, for at most
 * `drain_ms`; then it returns. */
void pbts_front_run(pbts_front *front);
/* From any thread, or a signal handler. */
void pbts_front_stop(pbts_front *front, uint32_t drain_ms);
const pbts_front_stats *pbts_front_stats_of(const pbts_front *front);

#endif
