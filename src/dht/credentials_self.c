/* What a node shows and signs: its session key, the certificate of it, its announces. */
#include "base/assert.h"
#include "base/secret.h"
#include "dht/credentials_parts.h"
#include "dht/dht_id.h"
#include "hash/sha.h"

static uint64_t min_of(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* ---- the certificate ---- */

bool pbts_dht_credentials_is_due(const pbts_dht_credentials *credentials, uint64_t now_s) {
    if (!credentials->has_self) return true;
    if (credentials->self_beacon_epoch != credentials->newest.epoch) return true;
    /* It was made by a clock that was ahead: nobody takes it yet. */
    if (credentials->self_issued_s > now_s + PBTS_DHT_CLOCK_SLACK_S) return true;
    return now_s + PBTS_DHT_RENEW_S >= credentials->self.expires_s;
}

/* Until its beacon is replaced, as far as that can be foreseen; while the tracker is away for some
 * hours only, so that the new place is taken soon when it is back. */
uint64_t pbts_dht_certificate_end_s(const pbts_epoch_beacon *beacon, uint64_t now_s) {
    uint64_t over_s = (beacon->epoch + PBTS_DHT_BEACON_EPOCHS) * PBTS_EPOCH_SECONDS;
    uint64_t until = min_of(now_s + PBTS_DHT_CERTIFICATE_LIFE_MAX_S, over_s + PBTS_DHT_OVERLAP_S);
    uint64_t least = now_s + PBTS_DHT_OUTAGE_LIFE_S;
    return until > least ? until : least;
}

static pbts_status check_membership(const pbts_dht_credentials *credentials,
                                    const pbts_bls_secret *member,
                                    const pbts_membership *membership, uint64_t now_s) {
    pbts_bls_public key;
    pbts_bls_public_of(&key, member);
    if (memcmp(&key, &membership->key, sizeof key) != 0) return PBTS_DENIED;
    if (membership->issued > now_s + PBTS_DHT_CLOCK_SLACK_S) return PBTS_STALE;
    if (membership->expires <= pbts_dht_tracker_time_s(credentials)) return PBTS_STALE;
    return pbts_membership_check(membership, credentials->iid, &credentials->tracker);
}

static void take_self(pbts_dht_credentials *credentials, const pbts_dht_certificate *certificate,
                      const pbts_secp256k1_secret *session) {
    pbts_dht_member *self = &credentials->self;
    *self =
        (pbts_dht_member){ .expires_s = certificate->expires,
                           .seeds_only = pbts_membership_below_ratio(&certificate->membership) };
    pbts_dht_node_id(&self->id, &certificate->membership.key, &certificate->beacon);
    pbts_dht_owner(self->owner, &certificate->membership.key);
    memcpy(self->session_key, certificate->session_key.bytes, sizeof self->session_key);
    credentials->session = *session;
    credentials->self_beacon_epoch = certificate->beacon.epoch;
    credentials->self_issued_s = certificate->issued;
    pbts_writer writer =
        pbts_writer_over(credentials->certificate, sizeof credentials->certificate);
    pbts_dht_certificate_encode(&writer, certificate);
    assert(pbts_writer_status(&writer) == PBTS_OK && writer.len == PBTS_DHT_CERTIFICATE_LEN);
    credentials->has_self = true;
}

pbts_status pbts_dht_credentials_certify(pbts_dht_credentials *credentials,
                                         const pbts_bls_secret *member,
                                         const pbts_membership *membership, uint64_t now_s) {
    pbts_secp256k1_secret session;
    if (!credentials->has_newest) return PBTS_NOT_FOUND;
    PBTS_TRY(check_membership(credentials, member, membership, now_s));
    PBTS_TRY(pbts_secp256k1_generate(&session, credentials->random));
    pbts_dht_certificate certificate = { .membership = *membership,
                                         .beacon = credentials->newest,
                                         .issued = now_s,
                                         .expires = pbts_dht_certificate_end_s(&credentials->newest,
                                                                               now_s) };
    pbts_secp256k1_public_of(credentials->signer, &certificate.session_key, &session);
    pbts_dht_certificate_sign(&certificate, credentials->iid, member);
    take_self(credentials, &certificate, &session);
    pbts_wipe(&session, sizeof session);
    return PBTS_OK;
}

pbts_span pbts_dht_credentials_certificate(const pbts_dht_credentials *credentials) {
    if (!credentials->has_self) return (pbts_span){ NULL, 0 };
    return PBTS_SPAN_OF(credentials->certificate);
}

const pbts_dht_member *pbts_dht_credentials_self(const pbts_dht_credentials *credentials) {
    return credentials->has_self ? &credentials->self : NULL;
}

/* ---- what it signs ---- */

void pbts_dht_session_digest(uint8_t out[static PBTS_DHT_DIGEST_LEN],
                             const uint8_t iid[static PBTS_IID_LEN],
                             const uint8_t digest[static PBTS_DHT_DIGEST_LEN]) {
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("PBTS_V1_DHT_PACKET"));
    pbts_sha256_update(&state, (pbts_span){ iid, PBTS_IID_LEN });
    pbts_sha256_update(&state, (pbts_span){ digest, PBTS_DHT_DIGEST_LEN });
    pbts_sha256_final(&state, out);
}

pbts_status pbts_dht_credentials_announce(pbts_dht_credentials *credentials, pbts_writer *writer,
                                          const pbts_dht_record *record, uint64_t now_s) {
    uint8_t digest[PBTS_DHT_DIGEST_LEN];
    if (!credentials->has_self || now_s >= credentials->self.expires_s) return PBTS_NOT_FOUND;
    pbts_addr addr = pbts_addr_unmapped(&record->addr);
    if (!pbts_dht_addr_usable(&addr)) return PBTS_MALFORMED;
    if (credentials->self.seeds_only && !record->seeder && !record->stopped) return PBTS_DENIED;
    uint64_t expires = min_of(record->expires_s, now_s + PBTS_DHT_RECORD_LIFE_MAX_S);
    pbts_dht_signed_record made = { .key = record->key,
                                    .addr = addr,
                                    .sequence = record->sequence,
                                    .expires = min_of(expires, credentials->self.expires_s),
                                    .stopped = record->stopped,
                                    .seeder = record->seeder,
                                    .certificate = PBTS_SPAN_OF(credentials->certificate) };
    pbts_dht_signed_record_digest(digest, credentials->iid, &made);
    pbts_secp256k1_sign(credentials->signer, &made.signature, &credentials->session, digest);
    pbts_dht_signed_record_encode(writer, &made);
    return pbts_writer_status(writer);
}
