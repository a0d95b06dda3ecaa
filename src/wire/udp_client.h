/* wire/udp_client.h - the client's end of the UDP tracker protocol (BEP 15) with URL data (BEP 41):
 * requests that wire/udp_tracker.h decodes, answers that it makes.
 */
#ifndef PBTS_WIRE_UDP_CLIENT_H
#define PBTS_WIRE_UDP_CLIENT_H

#include "wire/udp_tracker.h"

/* A client's datagrams are below this; `path` may have PBTS_UDP_PATH_MAX bytes. */
enum { PBTS_UDP_PATH_MAX = 512, PBTS_UDP_REQUEST_MAX = 98 + 2 * 3 + PBTS_UDP_PATH_MAX };

void pbts_udp_connect_request(pbts_writer *writer, uint32_t transaction_id);
/* `path`: path and query of the tracker's URL, sent as URL data; empty: none. A longer path makes
 * the writer fail. The event PAUSED, `tracker_id` and what is signed do not exist over UDP. */
void pbts_udp_announce_request(pbts_writer *writer, uint64_t connection_id, uint32_t transaction_id,
                               const pbts_announce *announce, pbts_span path);

typedef struct {
    pbts_udp_action action; /* CONNECT, ANNOUNCE or ERROR */
    uint32_t transaction_id;
    uint64_t connection_id;                    /* CONNECT */
    uint32_t interval_s, incomplete, complete; /* ANNOUNCE */
    pbts_span peers;                           /* ANNOUNCE: 6 or 18 bytes each, by `family` */
    pbts_span error;                           /* ERROR: bytes of the tracker's choice */
} pbts_udp_answer;

/* `family` is that of the datagram. PBTS_NEED_MORE (too short), PBTS_MALFORMED: drop it. Spans are
 * borrowed from the datagram. */
PBTS_MUST_USE pbts_status pbts_udp_answer_decode(pbts_udp_answer *out, pbts_family family,
                                                 pbts_span datagram);

#endif
