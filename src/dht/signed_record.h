/* dht/signed_record.h - an announce in the DHT as bytes that anybody can check:
 *
 *     0  lookup key[20]            22  ip[16], an IPv4 address in the first 4, the rest zero
 *    20  u8 flags: 1 stopped,      38  u16 port
 *        2 seeder                  40  u64 sequence
 *    21  u8 family: 4 or 6         48  u64 expires
 *    56  certificate[346] (dht/certificate.h)
 *   402  signature[64] of the certificate's session key over
 *        SHA-256("PBTS_V1_DHT_RECORD" || iid[32] || everything before it)
 *
 * Integers are big-endian; there is one encoding. The certificate is in it, because who finds a
 * record has not met the announcer. Bytes only: dht/credentials.h says whether it is believed.
 */
#ifndef PBTS_DHT_SIGNED_RECORD_H
#define PBTS_DHT_SIGNED_RECORD_H

#include "dht/certificate.h"

enum { PBTS_DHT_RECORD_LEN = 56 + PBTS_DHT_CERTIFICATE_LEN + PBTS_DHT_SIGNATURE_LEN };

/* Spans are borrowed. */
typedef struct {
    pbts_dht_id key;
    pbts_addr addr; /* can be dialled: a port, no group, not nobody; IPv6 is no mapped IPv4 */
    uint64_t sequence;
    uint64_t expires; /* unix seconds */
    bool stopped, seeder;
    pbts_span certificate; /* PBTS_DHT_CERTIFICATE_LEN bytes, not looked at */
    pbts_secp256k1_signature signature;
} pbts_dht_signed_record;

/* PBTS_MALFORMED. Nothing is verified. */
PBTS_MUST_USE pbts_status pbts_dht_signed_record_decode(pbts_dht_signed_record *out,
                                                        pbts_span bytes);
void pbts_dht_signed_record_encode(pbts_writer *writer, const pbts_dht_signed_record *record);
/* What the session key signs. */
void pbts_dht_signed_record_digest(uint8_t out[static PBTS_DHT_DIGEST_LEN],
                                   const uint8_t iid[static PBTS_IID_LEN],
                                   const pbts_dht_signed_record *record);

#endif
