/* wire/announce_answer.h - announces as a client makes them over HTTP: the address to fetch, and
 * what the tracker's answer says. The other end is wire/http_announce.h.
 * Source: BEP 3, 7, 21, 23, 24, 31, docs/protocol.md.
 */
#ifndef PBTS_WIRE_ANNOUNCE_ANSWER_H
#define PBTS_WIRE_ANNOUNCE_ANSWER_H

#include "codec/bencode.h"
#include "wire/announce.h"

enum {
    PBTS_ANNOUNCE_ANSWER_LEN_MAX = 1024 * 1024, /* nobody lists so many peers */
    PBTS_ANNOUNCE_URL_MAX = 4096, /* with the query; announce URLs themselves are below half */
};

/* Append `url` and the query of `announce`: all its fields but `passkey`; `left_bytes` of
 * UINT64_MAX (unknown) is left out, as are empty spans. */
void pbts_announce_url_write(pbts_writer *writer, pbts_span url, const pbts_announce *announce);

/* Spans are borrowed from the answer. */
typedef struct {
    bool refused;
    pbts_span failure;                   /* bytes of the tracker's choice: for people, cleaned */
    int32_t retry_in_minutes;            /* with a refusal: 0: nothing said, -1: never */
    uint32_t interval_s, min_interval_s; /* 0: not said */
    uint32_t complete, incomplete;
    pbts_span peers4, peers6; /* compact: 6 and 18 bytes each */
    pbts_bvalue peer_list;    /* the old form, a list of dictionaries; else not a list */
    pbts_span tracker_id;     /* at most PBTS_TRACKER_ID_LEN_MAX; empty: none */
    pbts_span ticket;         /* pbts.ticket as it was, "d...e"; empty: none */
    pbts_span membership;     /* pbts.member, to be decoded (wire/membership.h); empty: none */
    pbts_span beacon;         /* pbts.beacon, the same */
    pbts_span warning;
} pbts_announce_answer;

/* PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_announce_answer_decode(pbts_announce_answer *out, pbts_span body);

/* Walk the peers; start with a zeroed walk. Those that nobody can dial (port 0, no address, a name
 * instead of one) are passed over. */
typedef struct {
    size_t at4, at6;
    bool in_list;
    pbts_biter list;
} pbts_announce_peers;
bool pbts_announce_peers_next(pbts_announce_peers *walk, pbts_addr *out,
                              const pbts_announce_answer *answer);

#endif
