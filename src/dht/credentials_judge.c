/* Other nodes' certificates and records. What can be said without a pairing is said first; each
 * certificate costs its pairings once, whether it turns out good or bad. */
#include "dht/credentials_parts.h"
#include "hash/sha.h"

/* ---- certificates ---- */

/* Of a certificate that was good once. */
static pbts_status still_good(const pbts_dht_credentials *credentials,
                              const pbts_dht_verdict *verdict, uint64_t now_s) {
    bool good = now_s < verdict->member.expires_s &&
                pbts_dht_beacon_in_force(credentials, verdict->beacon_epoch, now_s) &&
                pbts_dht_tracker_time_s(credentials) < verdict->membership_expires;
    return good ? PBTS_OK : PBTS_STALE;
}

/* By the clock alone. */
static pbts_status judge_times(const pbts_dht_certificate *certificate, uint64_t now_s) {
    uint64_t latest = now_s + PBTS_DHT_CLOCK_SLACK_S;
    bool good = certificate->issued <= latest && now_s < certificate->expires &&
                certificate->membership.issued <= latest;
    return good ? PBTS_OK : PBTS_STALE;
}

/* Once the beacon is known to be in force: the membership by the tracker's time, and that nothing
 * newer took it back. */
static pbts_status judge_membership(const pbts_dht_credentials *credentials,
                                    const pbts_membership *membership, const uint8_t *owner) {
    if (membership->expires <= pbts_dht_tracker_time_s(credentials)) return PBTS_STALE;
    uint32_t known = pbts_dht_verdicts_generation(&credentials->verdicts, owner);
    return membership->generation < known ? PBTS_DENIED : PBTS_OK;
}

/* The tracker's signature for the membership and the member's for the certificate, in one product;
 * the weight keeps one's error from cancelling the other's. */
static pbts_status judge_signatures(pbts_dht_credentials *credentials,
                                    const pbts_dht_certificate *certificate) {
    pbts_bls_public_point keys[2] = { credentials->tracker };
    pbts_bls_g1_point hashed[2], sum, signature, unweighted;
    pbts_secp256k1_point session;
    uint64_t weight = 0;
    const pbts_membership *membership = &certificate->membership;
    credentials->stats.pairings++;
    PBTS_TRY(pbts_secp256k1_public_decode(&session, &certificate->session_key));
    PBTS_TRY(pbts_bls_public_decode(&keys[1], &membership->key));
    PBTS_TRY(pbts_bls_signature_decode(&sum, &membership->signature));
    PBTS_TRY(pbts_bls_signature_decode(&signature, &certificate->signature));
    PBTS_TRY(pbts_random_fill(credentials->random, (uint8_t *)&weight, sizeof weight));
    pbts_membership_hash(&hashed[0], credentials->iid, membership);
    pbts_dht_certificate_message(&unweighted, credentials->iid, certificate);
    pbts_bls_g1_weigh(&hashed[1], &unweighted, weight | 1);
    unweighted = signature;
    pbts_bls_g1_weigh(&signature, &unweighted, weight | 1);
    pbts_bls_g1_add(&sum, &signature);
    return pbts_bls_verify_sums(keys, hashed, 2, &sum);
}

static pbts_status judge(pbts_dht_credentials *credentials, const pbts_dht_certificate *certificate,
                         const uint8_t *owner, uint64_t now_s) {
    pbts_status status = pbts_dht_beacon_learn(credentials, &certificate->beacon, now_s);
    if (status != PBTS_OK && status != PBTS_EXISTS) return status;
    PBTS_TRY(judge_membership(credentials, &certificate->membership, owner));
    return judge_signatures(credentials, certificate);
}

/* Who made it to last would have its old place beside the new one for a day. */
static uint64_t end_of(const pbts_dht_certificate *certificate, uint64_t now_s) {
    uint64_t latest =
        pbts_dht_certificate_end_s(&certificate->beacon, now_s) + PBTS_DHT_CLOCK_SLACK_S;
    return certificate->expires < latest ? certificate->expires : latest;
}

static void remember(pbts_dht_credentials *credentials, pbts_dht_verdict *verdict,
                     const pbts_dht_certificate *certificate, uint64_t now_s) {
    const pbts_membership *membership = &certificate->membership;
    pbts_dht_member *member = &verdict->member;
    pbts_dht_node_id(&member->id, &membership->key, &certificate->beacon);
    memcpy(member->session_key, certificate->session_key.bytes, sizeof member->session_key);
    member->expires_s = end_of(certificate, now_s);
    member->seeds_only = pbts_membership_below_ratio(membership);
    verdict->beacon_epoch = certificate->beacon.epoch;
    verdict->membership_expires = membership->expires;
    verdict->generation = membership->generation;
    pbts_dht_verdicts_put(&credentials->verdicts, verdict);
}

/* A certificate that nothing is known of. */
static pbts_status judge_new(pbts_dht_credentials *credentials, pbts_dht_verdict *verdict,
                             const pbts_dht_certificate *certificate, uint64_t now_s) {
    uint64_t pairings = credentials->stats.pairings;
    pbts_status status = judge_times(certificate, now_s);
    if (status == PBTS_OK) status = judge(credentials, certificate, verdict->member.owner, now_s);
    if (status == PBTS_OK) {
        remember(credentials, verdict, certificate, now_s);
    } else if (credentials->stats.pairings == pairings) {
        credentials->stats.refused_free++;
    } else if (pbts_status_class(status) == PBTS_REJECT) {
        pbts_dht_verdicts_put_bad(&credentials->verdicts, verdict->digest, status, now_s);
    }
    return status;
}

pbts_status pbts_dht_judge_certificate(pbts_dht_credentials *credentials, pbts_dht_member *out,
                                       pbts_span bytes, uint64_t now_s) {
    pbts_dht_certificate certificate;
    pbts_dht_verdict verdict = { .used = 0 };
    PBTS_TRY(pbts_dht_certificate_decode(&certificate, bytes));
    pbts_sha256(verdict.digest, bytes);
    pbts_dht_owner(verdict.member.owner, &certificate.membership.key);
    const pbts_dht_verdict *known =
        pbts_dht_verdicts_find(&credentials->verdicts, verdict.member.owner, verdict.digest);
    pbts_status status;
    if (known != NULL) {
        credentials->stats.known_good++;
        status = still_good(credentials, known, now_s);
        if (status == PBTS_OK) *out = known->member;
        return status;
    }
    status = pbts_dht_verdicts_bad(&credentials->verdicts, verdict.digest, now_s);
    if (status != PBTS_OK) {
        credentials->stats.known_bad++;
        return status;
    }
    PBTS_TRY(judge_new(credentials, &verdict, &certificate, now_s));
    *out = verdict.member;
    return PBTS_OK;
}

/* ---- packets and records ---- */

pbts_status pbts_dht_check_session(pbts_dht_credentials *credentials,
                                   const uint8_t key[static PBTS_DHT_SESSION_KEY_LEN],
                                   const uint8_t digest[static PBTS_DHT_DIGEST_LEN],
                                   const uint8_t signature[static PBTS_DHT_SIGNATURE_LEN]) {
    pbts_secp256k1_public bytes;
    pbts_secp256k1_point point;
    pbts_secp256k1_signature made;
    memcpy(bytes.bytes, key, sizeof bytes.bytes);
    memcpy(made.bytes, signature, sizeof made.bytes);
    credentials->stats.packets_checked++;
    PBTS_TRY(pbts_secp256k1_public_decode(&point, &bytes));
    return pbts_secp256k1_verify(&point, digest, &made);
}

/* A sequence is a time, or who had the session key for a moment could take all that come after. */
static pbts_status judge_record_times(const pbts_dht_signed_record *record, uint64_t now_s) {
    uint64_t latest = now_s + PBTS_DHT_RECORD_LIFE_MAX_S + PBTS_DHT_CLOCK_SLACK_S;
    bool good = now_s < record->expires && record->expires <= latest &&
                record->sequence / 1000 <= now_s + PBTS_DHT_CLOCK_SLACK_S;
    return good ? PBTS_OK : PBTS_STALE;
}

pbts_status pbts_dht_judge_record(pbts_dht_credentials *credentials, pbts_dht_record *out,
                                  pbts_span bytes, uint64_t now_s) {
    pbts_dht_signed_record record;
    pbts_dht_member member;
    uint8_t digest[PBTS_DHT_DIGEST_LEN];
    PBTS_TRY(pbts_dht_signed_record_decode(&record, bytes));
    PBTS_TRY(judge_record_times(&record, now_s));
    PBTS_TRY(pbts_dht_judge_certificate(credentials, &member, record.certificate, now_s));
    if (record.expires > member.expires_s) return PBTS_STALE;
    if (member.seeds_only && !record.seeder && !record.stopped) return PBTS_DENIED;
    pbts_dht_signed_record_digest(digest, credentials->iid, &record);
    PBTS_TRY(
        pbts_dht_check_session(credentials, member.session_key, digest, record.signature.bytes));
    uint64_t longest = now_s + PBTS_DHT_RECORD_LIFE_MAX_S;
    *out = (pbts_dht_record){ .key = record.key,
                              .addr = record.addr,
                              .sequence = record.sequence,
                              .expires_s = record.expires < longest ? record.expires : longest,
                              .stopped = record.stopped,
                              .seeder = record.seeder };
    memcpy(out->owner, member.owner, sizeof out->owner);
    return PBTS_OK;
}
