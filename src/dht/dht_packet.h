/* dht/dht_packet.h - one datagram of the DHT: bencoded dictionaries in the manner of BEP 5.
 *
 *   query   { a: {b, c, i, k, n, o, t, v, w}, n: tag, q: method, s: signature, t: transaction, y:
 * "q" } answer  { n: tag, r: {4, 6, c, i, k, o, v}, s: signature, t: transaction, y: "r" } error {
 * e: code, k: token, n: tag, t: transaction, y: "e" }
 *
 * b the sender's newest beacon, c certificate, i the sender's id, k token, n a number that grows
 * with each query, o the address that the packet is sent to, t target, v a record (put) or a list
 * of records (get), w: 1 when the answer shall bring a certificate; 4 and 6 nodes, 26 or 38 bytes
 * each: id, ip, port. "hello", its answer and errors have no signature, and nobody believes more of
 * them than that a datagram came back. Keys that are not known are ignored. docs/protocol.md,
 * section DHT.
 */
#ifndef PBTS_DHT_DHT_PACKET_H
#define PBTS_DHT_DHT_PACKET_H

#include "base/writer.h"
#include "codec/bencode.h"
#include "dht/dht_id.h"
#include "dht/dht_token.h"

enum {
    PBTS_DHT_PACKET_MAX = 1400, /* UDP payload: within Ethernet's 1,500 bytes for IPv6 too */
    PBTS_DHT_NODE4_LEN = PBTS_DHT_ID_LEN + 6,
    PBTS_DHT_NODE6_LEN = PBTS_DHT_ID_LEN + 18,
    PBTS_DHT_ANSWER_NODES_MAX = 20,
    PBTS_DHT_ANSWER_RECORDS_MAX = 16,
};

typedef enum { PBTS_DHT_QUERY, PBTS_DHT_ANSWER, PBTS_DHT_ERROR } pbts_dht_kind;
typedef enum {
    PBTS_DHT_HELLO, /* only asks for a token */
    PBTS_DHT_PING,
    PBTS_DHT_FIND, /* nodes close to a target */
    PBTS_DHT_GET,  /* the same, and records under it */
    PBTS_DHT_PUT,  /* keep this record */
} pbts_dht_method;
enum { PBTS_DHT_METHODS = PBTS_DHT_PUT + 1 };
typedef enum {
    PBTS_DHT_WANT_TOKEN = 300,       /* this one is not good (any more); here is another */
    PBTS_DHT_WANT_CERTIFICATE = 301, /* say who you are */
    PBTS_DHT_REFUSED = 302,          /* a record that is not kept */
    PBTS_DHT_OTHER_EPOCH = 303, /* a certificate of another epoch than ours; here is our beacon */
} pbts_dht_error;

/* Spans are borrowed: from the datagram that was decoded, or until it is encoded. */
typedef struct {
    pbts_dht_kind kind;
    pbts_dht_method method; /* queries */
    pbts_dht_error error;   /* errors */
    uint64_t transaction;
    bool has_token, has_target, wants_certificate;
    uint8_t token[PBTS_DHT_TOKEN_LEN];
    bool is_signed; /* has i and s */
    pbts_dht_id from;
    pbts_addr to;          /* o; of signed ones */
    pbts_span certificate; /* empty: none */
    pbts_span beacon;      /* empty: none; queries, errors */
    uint64_t counter;      /* n; signed queries */
    pbts_dht_id target;
    pbts_span nodes4, nodes6; /* whole nodes; at most PBTS_DHT_ANSWER_NODES_MAX together */
    pbts_span record;         /* put */
    pbts_span records[PBTS_DHT_ANSWER_RECORDS_MAX]; /* answers */
    size_t record_count;
    size_t
        signature_at; /* of the 64 bytes in the datagram; 0: none. Decoding and encoding set it */
} pbts_dht_packet;

/* Append a packet; a signature is 64 zero bytes until it is made. PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_dht_packet_encode(pbts_writer *writer, pbts_dht_packet *packet,
                                                 const uint8_t tag[static PBTS_DHT_TAG_LEN]);
/* PBTS_DENIED (another network's, or no tag), PBTS_NEED_MORE, PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_dht_packet_decode(pbts_dht_packet *out, pbts_span datagram,
                                                 const uint8_t tag[static PBTS_DHT_TAG_LEN]);

/* What is signed: SHA-256("pbts/dht/packet/1" || iid || asker || the datagram with 64 zero bytes
 * for its signature). `asker`: the id of the node that is answered; 20 zero bytes in queries. */
void pbts_dht_packet_digest(uint8_t out[static PBTS_DHT_DIGEST_LEN],
                            const uint8_t iid[static PBTS_DHT_IID_LEN], const pbts_dht_id *asker,
                            pbts_span datagram, size_t signature_at);

/* The i-th node of `nodes`; and the other way round, true when it fitted. */
void pbts_dht_node_decode(pbts_dht_id *id, pbts_addr *addr, pbts_span nodes, pbts_family family,
                          size_t i);
void pbts_dht_node_encode(pbts_writer *writer, const pbts_dht_id *id, const pbts_addr *addr);
static inline size_t pbts_dht_node_len(pbts_family family) {
    return family == PBTS_IPV4 ? PBTS_DHT_NODE4_LEN : PBTS_DHT_NODE6_LEN;
}

#endif
