/* udp_announce.h - one announce to a UDP tracker (BEP 15): name resolved, connection id fetched,
 * announce made, both repeated when nothing comes. */
#ifndef PBTS_PEER_UDP_ANNOUNCE_H
#define PBTS_PEER_UDP_ANNOUNCE_H

#include <uv.h>

#include "wire/udp_client.h"

enum {
    UDP_ANNOUNCE_TRIES = 3,
    UDP_ANNOUNCE_WAIT_MS = 5000, /* for the first answer; doubles with every try */
};

typedef struct udp_announce udp_announce;

/* `error`: NULL, or a sentence (the tracker's own, uncleaned, when it answered). */
typedef struct {
    const char *error;
    pbts_family family;
    pbts_udp_answer answer; /* borrowed until the callback returns */
} udp_outcome;
typedef void (*udp_done)(void *host, const udp_outcome *outcome);

typedef struct {
    pbts_span url;                 /* udp://HOST:PORT/PATH */
    const pbts_addr *bound;        /* the address to ask from; NULL: any */
    const pbts_announce *announce; /* copied; its spans are not used */
    uint64_t wait_ms;              /* UDP_ANNOUNCE_WAIT_MS, or less at the end of the program */
    udp_done done;
    void *host;
} udp_query;

/* Start one; `done` is called later, once, unless it is cancelled. NULL: a bad address, no memory.
 */
udp_announce *udp_announce_start(uv_loop_t *loop, const udp_query *query);
void udp_announce_cancel(udp_announce *u); /* NULL is a no-op */

#endif
