#include "keys/tracker_keys.h"

#include "base/assert.h"
#include "base/secret.h"
#include "codec/text.h"
#include "hash/hkdf.h"

static const char FILE_MAGIC[] = "pbts-tracker-key2 ";

/* ---- derivation ---- */

/* `attempt` 0: the label alone. */
static void expand(uint8_t *out, size_t len, const pbts_key_trk *key, const char *label,
                   unsigned attempt) {
    uint8_t info[64];
    pbts_writer writer = pbts_writer_over(info, sizeof info);
    assert(attempt <= UINT8_MAX);
    pbts_write_text(&writer, label);
    if (attempt > 0) pbts_write_u8(&writer, (uint8_t)attempt);
    assert(!writer.failed);
    pbts_hkdf_sha256(out, len, (pbts_span){ NULL, 0 }, PBTS_SPAN_OF(key->bytes),
                     pbts_writer_span(&writer));
}

static void derive_ethereum(pbts_secp256k1_secret *out, const pbts_key_trk *key) {
    unsigned attempt = 0;
    do expand(out->bytes, sizeof out->bytes, key, "pbts/ethereum-writer/1", attempt++);
    while (pbts_secp256k1_secret_check(out) != PBTS_OK);
}

/* Whether it is 1..n-1 of P-256. That a key was made again tells nothing about the one that
 * counts, so this may take as long as it likes. Source: SP 800-186, section 3.2.1.3. */
static bool is_p256_scalar(const uint8_t bytes[static 32]) {
    static const uint8_t ORDER[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                       0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
    static const uint8_t ZERO[32];
    return memcmp(bytes, ORDER, sizeof ORDER) < 0 && memcmp(bytes, ZERO, sizeof ZERO) != 0;
}

static void derive_tls(uint8_t out[static 32], const pbts_key_trk *key) {
    unsigned attempt = 0;
    do expand(out, 32, key, "pbts/tls/1", attempt++);
    while (!is_p256_scalar(out));
}

static pbts_status derive_owner(pbts_tracker_keys *out, const pbts_key_trk *key) {
    if (key->version == PBTS_KEYS_V1) {
        memcpy(out->owner.bytes, key->bytes, sizeof out->owner.bytes);
        memcpy(out->passkey_root, key->bytes, sizeof out->passkey_root);
        return pbts_bls_secret_check(&out->owner);
    }
    if (key->version != PBTS_KEYS_V2) return PBTS_MALFORMED;
    pbts_bls_derive(&out->owner, key->bytes, pbts_span_text("pbts/ledger-owner/1"));
    expand(out->passkey_root, sizeof out->passkey_root, key, "pbts/passkey-root/1", 0);
    return PBTS_OK;
}

pbts_status pbts_tracker_keys_derive(pbts_tracker_keys *out, const pbts_key_trk *key) {
    pbts_status status = derive_owner(out, key);
    if (status != PBTS_OK) {
        pbts_wipe(out, sizeof *out);
        return status;
    }
    derive_ethereum(&out->ethereum, key);
    derive_tls(out->tls, key);
    expand(out->udp_token, sizeof out->udp_token, key, "pbts/udp-token/1", 0);
    expand(out->store, sizeof out->store, key, "pbts/store/1", 0);
    expand(out->check, sizeof out->check, key, "pbts/key-check/1", 0);
    out->version = key->version;
    return PBTS_OK;
}

void pbts_tracker_keys_udp(uint8_t out[static 16], const pbts_tracker_keys *keys,
                           const uint8_t salt[static 16]) {
    pbts_hkdf_sha256(out, 16, (pbts_span){ salt, 16 }, PBTS_SPAN_OF(keys->udp_token),
                     pbts_span_text("pbts/udp-token/start"));
}

/* ---- the file ---- */

pbts_status pbts_key_trk_parse(pbts_key_trk *out, pbts_span text) {
    pbts_key_trk key = { .version = PBTS_KEYS_V1 };
    size_t magic_len = sizeof FILE_MAGIC - 1;
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    if (text.len > 0 && text.data[text.len - 1] == '\r') text.len--;
    if (text.len > magic_len && memcmp(text.data, FILE_MAGIC, magic_len) == 0) {
        key.version = PBTS_KEYS_V2;
        text = (pbts_span){ text.data + magic_len, text.len - magic_len };
    }
    pbts_status status = pbts_hex_decode_exact(key.bytes, sizeof key.bytes, text);
    if (status == PBTS_OK && key.version == PBTS_KEYS_V1) {
        pbts_bls_secret owner;
        memcpy(owner.bytes, key.bytes, sizeof owner.bytes);
        status = pbts_bls_secret_check(&owner);
        pbts_wipe(&owner, sizeof owner);
    }
    if (status == PBTS_OK) *out = key;
    pbts_wipe(&key, sizeof key);
    return status;
}

void pbts_key_trk_format(pbts_writer *writer, const pbts_key_trk *key) {
    if (key->version == PBTS_KEYS_V2) pbts_write_text(writer, FILE_MAGIC);
    pbts_hex_encode(writer, PBTS_SPAN_OF(key->bytes));
    pbts_write_u8(writer, '\n');
}
