#include "dht/credentials.h"

#include "base/assert.h"
#include "base/secret.h"
#include "dht/credentials_parts.h"

/* ---- life ---- */

static pbts_status fill(pbts_dht_credentials *credentials,
                        const pbts_dht_credentials_config *config) {
    uint8_t bytes[8];
    uint64_t seed;
    PBTS_TRY(pbts_random_fill(config->random, bytes, sizeof bytes));
    memcpy(&seed, bytes, sizeof seed);
    PBTS_TRY(
        pbts_secp256k1_signer_new(&credentials->signer, credentials->mem, credentials->random));
    return pbts_dht_verdicts_init(&credentials->verdicts, credentials->mem, seed,
                                  config->verdicts_max);
}

pbts_status pbts_dht_credentials_new(pbts_dht_credentials **out,
                                     const pbts_dht_credentials_config *config) {
    pbts_dht_credentials *credentials = pbts_alloc(config->mem, sizeof *credentials);
    if (credentials == NULL) return PBTS_NO_MEMORY;
    credentials->mem = config->mem;
    credentials->random = config->random;
    credentials->tracker = config->tracker;
    credentials->verdicts.mem = config->mem;
    memcpy(credentials->iid, config->iid, sizeof credentials->iid);
    pbts_status status = fill(credentials, config);
    if (status == PBTS_OK) {
        *out = credentials;
    } else {
        pbts_dht_credentials_free(credentials);
    }
    return status;
}

void pbts_dht_credentials_free(pbts_dht_credentials *credentials) {
    if (credentials == NULL) return;
    pbts_mem *mem = credentials->mem;
    pbts_secp256k1_signer_free(credentials->signer);
    pbts_dht_verdicts_deinit(&credentials->verdicts);
    pbts_wipe(credentials, sizeof *credentials);
    pbts_release(mem, credentials);
}

void pbts_dht_credentials_stats_read(const pbts_dht_credentials *credentials,
                                     pbts_dht_credentials_stats *out) {
    *out = credentials->stats;
}

/* ---- beacons ---- */

uint64_t pbts_dht_tracker_time_s(const pbts_dht_credentials *credentials) {
    return credentials->has_newest ? credentials->newest.epoch * PBTS_EPOCH_SECONDS : 0;
}

bool pbts_dht_beacon_in_force(const pbts_dht_credentials *credentials, uint64_t epoch,
                              uint64_t now_s) {
    if (!credentials->has_newest) return false;
    if (credentials->newest.epoch == epoch) return true;
    return credentials->has_previous && credentials->previous.epoch == epoch &&
           now_s < credentials->previous_until_s;
}

static void take_beacon(pbts_dht_credentials *credentials, const pbts_epoch_beacon *beacon,
                        uint64_t now_s) {
    credentials->has_previous = credentials->has_newest;
    credentials->previous = credentials->newest;
    credentials->previous_until_s = now_s + PBTS_DHT_OVERLAP_S;
    credentials->has_newest = true;
    credentials->newest = *beacon;
    pbts_writer writer =
        pbts_writer_over(credentials->newest_bytes, sizeof credentials->newest_bytes);
    pbts_dht_beacon_encode(&writer, beacon);
}

/* There is one signature for each epoch, so a known one is compared, not verified. */
static pbts_status compare_beacon(const pbts_epoch_beacon *known, const pbts_epoch_beacon *beacon) {
    bool same = memcmp(&known->signature, &beacon->signature, sizeof known->signature) == 0;
    return same ? PBTS_EXISTS : PBTS_BAD_SIGNATURE;
}

pbts_status pbts_dht_beacon_learn(pbts_dht_credentials *credentials,
                                  const pbts_epoch_beacon *beacon, uint64_t now_s) {
    if (pbts_dht_beacon_in_force(credentials, beacon->epoch, now_s)) {
        bool is_newest = beacon->epoch == credentials->newest.epoch;
        return compare_beacon(is_newest ? &credentials->newest : &credentials->previous, beacon);
    }
    if (credentials->has_newest && beacon->epoch < credentials->newest.epoch) return PBTS_STALE;
    if (beacon->epoch * PBTS_EPOCH_SECONDS > now_s + PBTS_DHT_CLOCK_SLACK_S) return PBTS_STALE;
    credentials->stats.pairings++;
    PBTS_TRY(pbts_dht_beacon_check(beacon, credentials->iid, &credentials->tracker));
    take_beacon(credentials, beacon, now_s);
    return PBTS_OK;
}

pbts_status pbts_dht_credentials_learn_beacon(pbts_dht_credentials *credentials, pbts_span beacon,
                                              uint64_t now_s) {
    pbts_epoch_beacon decoded;
    PBTS_TRY(pbts_dht_beacon_decode(&decoded, beacon));
    return pbts_dht_beacon_learn(credentials, &decoded, now_s);
}

pbts_span pbts_dht_credentials_beacon(const pbts_dht_credentials *credentials) {
    if (!credentials->has_newest) return (pbts_span){ NULL, 0 };
    return PBTS_SPAN_OF(credentials->newest_bytes);
}

/* ---- the engine's port ---- */

static pbts_status port_verify_certificate(void *self, pbts_dht_member *out, pbts_span certificate,
                                           uint64_t now_s) {
    return pbts_dht_judge_certificate(self, out, certificate, now_s);
}

static bool port_verify_packet(void *self, const pbts_dht_member *from,
                               const uint8_t digest[PBTS_DHT_DIGEST_LEN],
                               const uint8_t signature[PBTS_DHT_SIGNATURE_LEN]) {
    pbts_dht_credentials *credentials = self;
    uint8_t signed_digest[PBTS_DHT_DIGEST_LEN];
    pbts_dht_session_digest(signed_digest, credentials->iid, digest);
    return pbts_dht_check_session(credentials, from->session_key, signed_digest, signature) ==
           PBTS_OK;
}

static void port_sign_packet(void *self, uint8_t signature[PBTS_DHT_SIGNATURE_LEN],
                             const uint8_t digest[PBTS_DHT_DIGEST_LEN]) {
    const pbts_dht_credentials *credentials = self;
    uint8_t signed_digest[PBTS_DHT_DIGEST_LEN];
    pbts_secp256k1_signature made;
    assert(credentials->has_self);
    pbts_dht_session_digest(signed_digest, credentials->iid, digest);
    pbts_secp256k1_sign(credentials->signer, &made, &credentials->session, signed_digest);
    memcpy(signature, made.bytes, sizeof made.bytes);
}

static pbts_status port_verify_record(void *self, pbts_dht_record *out, pbts_span bytes,
                                      uint64_t now_s) {
    return pbts_dht_judge_record(self, out, bytes, now_s);
}

static pbts_span port_beacon(void *self) {
    return pbts_dht_credentials_beacon(self);
}

static pbts_status port_learn_beacon(void *self, pbts_span beacon, uint64_t now_s) {
    return pbts_dht_credentials_learn_beacon(self, beacon, now_s);
}

pbts_dht_trust pbts_dht_credentials_trust(pbts_dht_credentials *credentials) {
    static const pbts_dht_trust_ops OPS = {
        .verify_certificate = port_verify_certificate,
        .verify_packet = port_verify_packet,
        .sign_packet = port_sign_packet,
        .verify_record = port_verify_record,
        .beacon = port_beacon,
        .learn_beacon = port_learn_beacon,
    };
    return (pbts_dht_trust){ &OPS, credentials };
}
