/* net/udp.h - a bound UDP socket served in batches (recvmmsg, sendmmsg).
 *
 * A datagram in, at most one out, from the address that was asked. When the socket cannot take an
 * answer it is dropped: UDP sheds load by silence. Source: recvmmsg(2), sendmmsg(2), ip(7).
 */
#ifndef PBTS_NET_UDP_H
#define PBTS_NET_UDP_H

#include "base/addr.h"
#include "base/mem.h"
#include "base/writer.h"

enum {
    PBTS_UDP_BATCH = 64,
    PBTS_UDP_DATAGRAM_MAX = 2048, /* longer ones are dropped */
    PBTS_UDP_ANSWER_MAX = 4096,
    PBTS_UDP_ROUNDS_MAX = 4, /* batches per call, so that TCP gets its turn */
};

typedef struct pbts_udp pbts_udp;

/* Write the answer to `datagram` onto `writer`; nothing written: no answer. */
typedef void (*pbts_udp_answer)(void *host, pbts_writer *writer, pbts_span datagram,
                                const pbts_addr *from);

/* Takes `fd` (non-blocking, bound). PBTS_NO_MEMORY leaves it to the caller. */
PBTS_MUST_USE pbts_status pbts_udp_new(pbts_udp **out, pbts_mem *mem, int fd,
                                       pbts_udp_answer answer, void *host);
void pbts_udp_free(pbts_udp *udp);   /* closes the socket; NULL is a no-op */
void pbts_udp_disown(pbts_udp *udp); /* free, but leave the socket to the caller */
int pbts_udp_fd(const pbts_udp *udp);
/* Serve what waits; returns how many answers could not be sent. */
size_t pbts_udp_serve(pbts_udp *udp);

#endif
