/* dht/credentials_parts.h - what the files of credentials share. Private to dht/.
 *
 *   credentials.c        life, beacons, the engine's port
 *   credentials_self.c   the own session key, certificate and records
 *   credentials_judge.c  other nodes' certificates and records
 */
#ifndef PBTS_DHT_CREDENTIALS_PARTS_H
#define PBTS_DHT_CREDENTIALS_PARTS_H

#include "dht/credentials.h"
#include "dht/signed_record.h"
#include "dht/verdict_cache.h"

/* Invariants: `previous` is known only with `newest`, and its epoch is lower; both were checked.
 * With `has_self`, certificate, self and session belong together. */
struct pbts_dht_credentials {
    pbts_mem *mem;
    pbts_random *random;
    uint8_t iid[PBTS_IID_LEN];
    pbts_bls_public_point tracker;
    pbts_secp256k1_signer *signer;

    bool has_newest, has_previous;
    pbts_epoch_beacon newest, previous;
    uint8_t newest_bytes[PBTS_DHT_BEACON_LEN];
    uint64_t previous_until_s;

    bool has_self;
    pbts_secp256k1_secret session; /* wiped */
    uint64_t self_beacon_epoch, self_issued_s;
    uint8_t certificate[PBTS_DHT_CERTIFICATE_LEN];
    pbts_dht_member self;

    pbts_dht_verdicts verdicts;
    pbts_dht_credentials_stats stats;
};

/* Whether nodes may have their place by this epoch's beacon. */
bool pbts_dht_beacon_in_force(const pbts_dht_credentials *credentials, uint64_t epoch,
                              uint64_t now_s);
/* As pbts_dht_credentials_learn_beacon, decoded. */
PBTS_MUST_USE pbts_status pbts_dht_beacon_learn(pbts_dht_credentials *credentials,
                                                const pbts_epoch_beacon *beacon, uint64_t now_s);
/* When a certificate under this beacon, made now, should end. */
uint64_t pbts_dht_certificate_end_s(const pbts_epoch_beacon *beacon, uint64_t now_s);
/* The tracker's time: the start of its newest beacon's epoch; 0 without any. */
uint64_t pbts_dht_tracker_time_s(const pbts_dht_credentials *credentials);

PBTS_MUST_USE pbts_status pbts_dht_judge_certificate(pbts_dht_credentials *credentials,
                                                     pbts_dht_member *out, pbts_span bytes,
                                                     uint64_t now_s);
PBTS_MUST_USE pbts_status pbts_dht_judge_record(pbts_dht_credentials *credentials,
                                                pbts_dht_record *out, pbts_span bytes,
                                                uint64_t now_s);
PBTS_MUST_USE pbts_status pbts_dht_check_session(
    pbts_dht_credentials *credentials, const uint8_t key[static PBTS_DHT_SESSION_KEY_LEN],
    const uint8_t digest[static PBTS_DHT_DIGEST_LEN],
    const uint8_t signature[static PBTS_DHT_SIGNATURE_LEN]);
/* What is signed for a packet: SHA-256("PBTS_V1_DHT_PACKET" || iid || the engine's digest), so that
 * no packet can be a record or another instance's, whatever the engine hashes. */
void pbts_dht_session_digest(uint8_t out[static PBTS_DHT_DIGEST_LEN],
                             const uint8_t iid[static PBTS_IID_LEN],
                             const uint8_t digest[static PBTS_DHT_DIGEST_LEN]);

#endif
