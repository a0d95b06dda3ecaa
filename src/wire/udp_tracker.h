/* wire/udp_tracker.h - the UDP tracker protocol (BEP 15) with URL data (BEP 41). */
#ifndef PBTS_WIRE_UDP_TRACKER_H
#define PBTS_WIRE_UDP_TRACKER_H

#include "wire/announce.h"

typedef enum {
    PBTS_UDP_CONNECT = 0,
    PBTS_UDP_ANNOUNCE = 1,
    PBTS_UDP_SCRAPE = 2,
    PBTS_UDP_ERROR = 3
} pbts_udp_action;

enum { PBTS_UDP_PACKET_MAX = 2048, PBTS_UDP_REPLY_MAX = 20 + 18 * PBTS_NUMWANT_MAX };
#define PBTS_UDP_PROTOCOL_ID 0x41727101980u

typedef struct {
    pbts_udp_action action;
    uint64_t connection_id; /* not for CONNECT */
    uint32_t transaction_id;
    pbts_announce announce;    /* ANNOUNCE; passkey from the URL data, borrowed */
    uint8_t (*infohashes)[20]; /* SCRAPE: points into the caller's array */
    size_t infohash_count;
} pbts_udp_request;

/* Decode one datagram. `infohashes` has room for PBTS_SCRAPE_HASHES_MAX; `url` is scratch where BEP
 * 41 URL data of several options is joined. PBTS_NEED_MORE or PBTS_MALFORMED: drop it, or (when the
 * transaction is known and the connection id good) answer an error. */
enum { PBTS_UDP_URL_MAX = 512 };
PBTS_MUST_USE pbts_status pbts_udp_request_decode(pbts_udp_request *out, uint8_t (*infohashes)[20],
                                                  uint8_t url[static PBTS_UDP_URL_MAX],
                                                  pbts_span datagram);

void pbts_udp_connect_reply(pbts_writer *writer, uint32_t transaction_id, uint64_t connection_id);
/* `family` chooses peers4 or peers6, as the datagram's own (BEP 15). */
void pbts_udp_announce_reply(pbts_writer *writer, uint32_t transaction_id, pbts_family family,
                             const pbts_announce_reply *reply);
void pbts_udp_scrape_reply(pbts_writer *writer, uint32_t transaction_id,
                           const pbts_scrape_entry *entries, size_t count);
void pbts_udp_error_reply(pbts_writer *writer, uint32_t transaction_id, const char *text);

#endif
