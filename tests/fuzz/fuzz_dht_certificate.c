/* libFuzzer target: certificates of DHT nodes decode or are refused, have one encoding, and are
 * believed only when they say what they were signed for. The corpus has a good one: the tracker's
 * secret is 9, the user's 1, the instance 32 times 0x11. */
#include <stdlib.h>

#include "dht/credentials.h"

#define NOW (UINT64_C(20833) * 86400 + 5 * 3600)

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_dht_credentials *node(void) {
    static pbts_dht_credentials *made;
    const pbts_bls_secret tracker = { { [31] = 9 } };
    pbts_dht_credentials_config config = { .mem = pbts_mem_system(),
                                           .random = pbts_random_system(),
                                           .verdicts_max = 8 };
    pbts_bls_public key;
    pbts_epoch_beacon beacon;
    uint8_t bytes[PBTS_DHT_BEACON_LEN];
    if (made != NULL) return made;
    memset(config.iid, 0x11, sizeof config.iid);
    pbts_bls_public_of(&key, &tracker);
    require(pbts_bls_public_decode(&config.tracker, &key) == PBTS_OK);
    require(pbts_dht_credentials_new(&made, &config) == PBTS_OK);
    pbts_dht_beacon_sign(&beacon, config.iid, pbts_dht_beacon_epoch(pbts_epoch_at(NOW)), &tracker);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_beacon_encode(&writer, &beacon);
    require(pbts_dht_credentials_learn_beacon(made, PBTS_SPAN_OF(bytes), NOW) == PBTS_OK);
    return made;
}

static void check_encoding(const pbts_dht_certificate *certificate, pbts_span bytes) {
    uint8_t again[PBTS_DHT_CERTIFICATE_LEN];
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    pbts_dht_certificate_encode(&writer, certificate);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
}

static void check_member(const pbts_dht_member *member, const pbts_dht_certificate *certificate) {
    pbts_dht_id id;
    pbts_dht_node_id(&id, &certificate->membership.key, &certificate->beacon);
    require(memcmp(&id, &member->id, sizeof id) == 0);
    require(member->expires_s == certificate->expires && member->expires_s > NOW);
    require(memcmp(member->session_key, certificate->session_key.bytes, 33) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_dht_certificate certificate;
    pbts_dht_member member;
    pbts_span bytes = { data, len };
    bool decodes = pbts_dht_certificate_decode(&certificate, bytes) == PBTS_OK;
    if (decodes) check_encoding(&certificate, bytes);
    pbts_dht_trust trust = pbts_dht_credentials_trust(node());
    if (trust.ops->verify_certificate(trust.self, &member, bytes, NOW) != PBTS_OK) return 0;
    require(decodes);
    check_member(&member, &certificate);
    return 0;
}
