#include "dht/certificate.h"

#include "base/assert.h"
#include "hash/sha.h"

enum { SIGNED_LEN = PBTS_DHT_CERTIFICATE_LEN - PBTS_BLS_SIGNATURE_LEN };

_Static_assert((int)PBTS_DHT_CERTIFICATE_LEN <= (int)PBTS_DHT_CERTIFICATE_MAX,
               "a certificate fits what the engine carries");
_Static_assert((int)PBTS_DHT_SESSION_KEY_LEN == (int)PBTS_SECP256K1_PUBLIC_LEN &&
                   (int)PBTS_DHT_SIGNATURE_LEN == (int)PBTS_SECP256K1_SIGNATURE_LEN &&
                   (int)PBTS_DHT_BEACON_LEN <= (int)PBTS_DHT_BEACON_MAX,
               "the engine's sizes are those of the keys");

static pbts_status read_parts(pbts_dht_certificate *out, pbts_cursor *in) {
    uint8_t version = 0;
    pbts_span membership, beacon;
    PBTS_TRY(pbts_read_u8(in, &version));
    if (version != PBTS_DHT_CERTIFICATE_VERSION) return PBTS_MALFORMED;
    PBTS_TRY(pbts_read_span(in, &membership, PBTS_MEMBERSHIP_LEN));
    PBTS_TRY(pbts_membership_decode(&out->membership, membership));
    PBTS_TRY(pbts_read_span(in, &beacon, PBTS_DHT_BEACON_LEN));
    PBTS_TRY(pbts_dht_beacon_decode(&out->beacon, beacon));
    PBTS_TRY(pbts_read_bytes(in, out->session_key.bytes, sizeof out->session_key.bytes));
    PBTS_TRY(pbts_read_u64(in, &out->issued));
    PBTS_TRY(pbts_read_u64(in, &out->expires));
    return pbts_read_bytes(in, out->signature.bytes, sizeof out->signature.bytes);
}

pbts_status pbts_dht_certificate_decode(pbts_dht_certificate *out, pbts_span bytes) {
    pbts_dht_certificate certificate;
    if (bytes.len != PBTS_DHT_CERTIFICATE_LEN) return PBTS_MALFORMED;
    pbts_cursor in = pbts_cursor_over(bytes);
    PBTS_TRY(read_parts(&certificate, &in));
    uint8_t sign = certificate.session_key.bytes[0];
    if (sign != 2 && sign != 3) return PBTS_MALFORMED;
    if (certificate.expires <= certificate.issued ||
        certificate.expires - certificate.issued > PBTS_DHT_CERTIFICATE_LIFE_MAX_S) {
        return PBTS_MALFORMED;
    }
    *out = certificate;
    return PBTS_OK;
}

static void write_signed_part(pbts_writer *writer, const pbts_dht_certificate *certificate) {
    pbts_write_u8(writer, PBTS_DHT_CERTIFICATE_VERSION);
    pbts_membership_encode(writer, &certificate->membership);
    pbts_dht_beacon_encode(writer, &certificate->beacon);
    pbts_write_bytes(writer, PBTS_SPAN_OF(certificate->session_key.bytes));
    pbts_write_u64(writer, certificate->issued);
    pbts_write_u64(writer, certificate->expires);
}

void pbts_dht_certificate_encode(pbts_writer *writer, const pbts_dht_certificate *certificate) {
    write_signed_part(writer, certificate);
    pbts_write_bytes(writer, PBTS_SPAN_OF(certificate->signature.bytes));
}

static pbts_span message_in(uint8_t buffer[static PBTS_IID_LEN + SIGNED_LEN],
                            const uint8_t iid[static PBTS_IID_LEN],
                            const pbts_dht_certificate *certificate) {
    pbts_writer writer = pbts_writer_over(buffer, PBTS_IID_LEN + SIGNED_LEN);
    pbts_write_bytes(&writer, (pbts_span){ iid, PBTS_IID_LEN });
    write_signed_part(&writer, certificate);
    assert(pbts_writer_status(&writer) == PBTS_OK && writer.len == writer.capacity);
    return pbts_writer_span(&writer);
}

void pbts_dht_certificate_message(pbts_bls_g1_point *out, const uint8_t iid[static PBTS_IID_LEN],
                                  const pbts_dht_certificate *certificate) {
    uint8_t buffer[PBTS_IID_LEN + SIGNED_LEN];
    pbts_bls_hash(out, PBTS_BLS_DHT_CERT, message_in(buffer, iid, certificate));
}

void pbts_dht_certificate_sign(pbts_dht_certificate *certificate,
                               const uint8_t iid[static PBTS_IID_LEN],
                               const pbts_bls_secret *member) {
    uint8_t buffer[PBTS_IID_LEN + SIGNED_LEN];
    pbts_bls_sign(&certificate->signature, member, PBTS_BLS_DHT_CERT,
                  message_in(buffer, iid, certificate));
}

void pbts_dht_node_id(pbts_dht_id *out, const pbts_bls_public *key,
                      const pbts_epoch_beacon *beacon) {
    uint8_t value[PBTS_DHT_BEACON_VALUE_LEN], digest[PBTS_SHA256_LEN];
    pbts_sha256_state state;
    pbts_dht_beacon_value(value, beacon);
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/dht/1"));
    pbts_sha256_update(&state, PBTS_SPAN_OF(key->bytes));
    pbts_sha256_update(&state, PBTS_SPAN_OF(value));
    pbts_sha256_final(&state, digest);
    memcpy(out->bytes, digest, sizeof out->bytes);
}

void pbts_dht_owner(uint8_t out[static PBTS_DHT_OWNER_LEN], const pbts_bls_public *key) {
    pbts_sha256(out, PBTS_SPAN_OF(key->bytes));
}
