#include "wire/membership.h"

#include "base/assert.h"
#include "hash/sha.h"

enum {
    MEMBER_SIGNED_LEN = PBTS_MEMBERSHIP_LEN - PBTS_BLS_SIGNATURE_LEN,
    BEACON_SIGNED_LEN = PBTS_DHT_BEACON_LEN - PBTS_BLS_SIGNATURE_LEN,
};

/* ---- memberships ---- */

static void write_signed_part(pbts_writer *writer, const pbts_membership *membership) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(membership->key.bytes));
    pbts_write_u64(writer, membership->allowance_bytes);
    pbts_write_u64(writer, membership->up_bytes);
    pbts_write_u64(writer, membership->down_bytes);
    pbts_write_u32(writer, membership->min_ratio_milli);
    pbts_write_u32(writer, membership->generation);
    pbts_write_u64(writer, membership->issued);
    pbts_write_u64(writer, membership->expires);
}

void pbts_membership_encode(pbts_writer *writer, const pbts_membership *membership) {
    write_signed_part(writer, membership);
    pbts_write_bytes(writer, PBTS_SPAN_OF(membership->signature.bytes));
}

pbts_status pbts_membership_decode(pbts_membership *out, pbts_span bytes) {
    pbts_membership membership = { 0 };
    if (bytes.len != PBTS_MEMBERSHIP_LEN) return PBTS_MALFORMED;
    pbts_cursor in = pbts_cursor_over(bytes);
    PBTS_TRY(pbts_read_bytes(&in, membership.key.bytes, sizeof membership.key.bytes));
    PBTS_TRY(pbts_read_u64(&in, &membership.allowance_bytes));
    PBTS_TRY(pbts_read_u64(&in, &membership.up_bytes));
    PBTS_TRY(pbts_read_u64(&in, &membership.down_bytes));
    PBTS_TRY(pbts_read_u32(&in, &membership.min_ratio_milli));
    PBTS_TRY(pbts_read_u32(&in, &membership.generation));
    PBTS_TRY(pbts_read_u64(&in, &membership.issued));
    PBTS_TRY(pbts_read_u64(&in, &membership.expires));
    PBTS_TRY(pbts_read_bytes(&in, membership.signature.bytes, sizeof membership.signature.bytes));
    *out = membership;
    return PBTS_OK;
}

static pbts_span member_message(uint8_t buffer[static PBTS_IID_LEN + MEMBER_SIGNED_LEN],
                                const uint8_t iid[static PBTS_IID_LEN],
                                const pbts_membership *membership) {
    pbts_writer writer = pbts_writer_over(buffer, PBTS_IID_LEN + MEMBER_SIGNED_LEN);
    pbts_write_bytes(&writer, (pbts_span){ iid, PBTS_IID_LEN });
    write_signed_part(&writer, membership);
    assert(pbts_writer_status(&writer) == PBTS_OK);
    return pbts_writer_span(&writer);
}

void pbts_membership_hash(pbts_bls_g1_point *out, const uint8_t iid[static PBTS_IID_LEN],
                          const pbts_membership *membership) {
    uint8_t buffer[PBTS_IID_LEN + MEMBER_SIGNED_LEN];
    pbts_bls_hash(out, PBTS_BLS_MEMBER, member_message(buffer, iid, membership));
}

void pbts_membership_sign(pbts_membership *membership, const uint8_t iid[static PBTS_IID_LEN],
                          const pbts_bls_secret *tracker) {
    uint8_t buffer[PBTS_IID_LEN + MEMBER_SIGNED_LEN];
    pbts_bls_sign(&membership->signature, tracker, PBTS_BLS_MEMBER,
                  member_message(buffer, iid, membership));
}

pbts_status pbts_membership_check(const pbts_membership *membership,
                                  const uint8_t iid[static PBTS_IID_LEN],
                                  const pbts_bls_public_point *tracker) {
    uint8_t buffer[PBTS_IID_LEN + MEMBER_SIGNED_LEN];
    pbts_bls_g1_point signature;
    PBTS_TRY(pbts_bls_signature_decode(&signature, &membership->signature));
    return pbts_bls_verify(tracker, PBTS_BLS_MEMBER, member_message(buffer, iid, membership),
                           &signature);
}

bool pbts_membership_below_ratio(const pbts_membership *membership) {
    unsigned __int128 have = (unsigned __int128)membership->up_bytes * 1000;
    return have < (unsigned __int128)membership->down_bytes * membership->min_ratio_milli;
}

/* ---- beacons ---- */

pbts_status pbts_dht_beacon_decode(pbts_epoch_beacon *out, pbts_span bytes) {
    pbts_epoch_beacon beacon;
    if (bytes.len != PBTS_DHT_BEACON_LEN) return PBTS_MALFORMED;
    pbts_cursor in = pbts_cursor_over(bytes);
    PBTS_TRY(pbts_read_u64(&in, &beacon.epoch));
    PBTS_TRY(pbts_read_bytes(&in, beacon.signature.bytes, sizeof beacon.signature.bytes));
    if (beacon.epoch != pbts_dht_beacon_epoch(beacon.epoch)) return PBTS_MALFORMED;
    if (beacon.epoch > UINT64_MAX / PBTS_EPOCH_SECONDS) return PBTS_MALFORMED;
    *out = beacon;
    return PBTS_OK;
}

void pbts_dht_beacon_encode(pbts_writer *writer, const pbts_epoch_beacon *beacon) {
    pbts_write_u64(writer, beacon->epoch);
    pbts_write_bytes(writer, PBTS_SPAN_OF(beacon->signature.bytes));
}

static pbts_span beacon_message(uint8_t buffer[static PBTS_IID_LEN + BEACON_SIGNED_LEN],
                                const uint8_t iid[static PBTS_IID_LEN], uint64_t epoch) {
    pbts_writer writer = pbts_writer_over(buffer, PBTS_IID_LEN + BEACON_SIGNED_LEN);
    pbts_write_bytes(&writer, (pbts_span){ iid, PBTS_IID_LEN });
    pbts_write_u64(&writer, epoch);
    assert(pbts_writer_status(&writer) == PBTS_OK);
    return pbts_writer_span(&writer);
}

void pbts_dht_beacon_sign(pbts_epoch_beacon *out, const uint8_t iid[static PBTS_IID_LEN],
                          uint64_t epoch, const pbts_bls_secret *tracker) {
    uint8_t buffer[PBTS_IID_LEN + BEACON_SIGNED_LEN];
    assert(epoch == pbts_dht_beacon_epoch(epoch));
    out->epoch = epoch;
    pbts_bls_sign(&out->signature, tracker, PBTS_BLS_DHT_BEACON,
                  beacon_message(buffer, iid, epoch));
}

pbts_status pbts_dht_beacon_check(const pbts_epoch_beacon *beacon,
                                  const uint8_t iid[static PBTS_IID_LEN],
                                  const pbts_bls_public_point *tracker) {
    uint8_t buffer[PBTS_IID_LEN + BEACON_SIGNED_LEN];
    pbts_bls_g1_point signature;
    PBTS_TRY(pbts_bls_signature_decode(&signature, &beacon->signature));
    return pbts_bls_verify(tracker, PBTS_BLS_DHT_BEACON, beacon_message(buffer, iid, beacon->epoch),
                           &signature);
}

void pbts_dht_beacon_value(uint8_t out[static PBTS_DHT_BEACON_VALUE_LEN],
                           const pbts_epoch_beacon *beacon) {
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/dht/beacon/1"));
    pbts_sha256_update(&state, PBTS_SPAN_OF(beacon->signature.bytes));
    pbts_sha256_final(&state, out);
}
