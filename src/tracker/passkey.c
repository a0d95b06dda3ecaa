#include "tracker/passkey.h"

#include "base/assert.h"
#include "base/secret.h"
#include "base/writer.h"
#include "codec/text.h"
#include "hash/sha.h"

enum {
    PASSKEY_BYTES = 20,
    TRACKER_ID_HEAD = 4 + 4 + 8,
    TRACKER_ID_BYTES = TRACKER_ID_HEAD + PBTS_TRACKER_ID_TAG_LEN,
    MESSAGE_MAX = 128,
};

/* The first bytes of HMAC-SHA-256(key, label || fields). */
static void tag_of(uint8_t *out, size_t out_len, const pbts_passkey_key *key, const char *label,
                   pbts_span fields) {
    uint8_t message[MESSAGE_MAX], digest[PBTS_SHA256_LEN];
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_write_text(&writer, label);
    pbts_write_bytes(&writer, fields);
    assert(!writer.failed && out_len <= sizeof digest);
    pbts_hmac_sha256(digest, PBTS_SPAN_OF(key->bytes), pbts_writer_span(&writer));
    memcpy(out, digest, out_len);
    pbts_wipe(digest, sizeof digest);
}

static void encode_text(char *out, pbts_span bytes, size_t text_len) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, text_len);
    pbts_base32_encode(&writer, bytes);
    out[writer.len] = '\0';
}

void pbts_passkey_tag(uint8_t out[static PBTS_PASSKEY_TAG_LEN], const pbts_passkey_key *key,
                      const pbts_passkey_owner *owner) {
    uint8_t fields[4 + 4 + 32 + 32];
    pbts_writer writer = pbts_writer_over(fields, sizeof fields);
    pbts_write_u32(&writer, owner->user_no);
    pbts_write_u32(&writer, owner->generation);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(owner->uid_hash));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(owner->key_hash));
    tag_of(out, PBTS_PASSKEY_TAG_LEN, key, "pbts/passkey/2", PBTS_SPAN_OF(fields));
}

void pbts_passkey_make(char out[static PBTS_PASSKEY_LEN + 1], uint32_t user_no, uint32_t generation,
                       const uint8_t tag[static PBTS_PASSKEY_TAG_LEN]) {
    uint8_t bytes[PASSKEY_BYTES];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_u32(&writer, user_no);
    pbts_write_u32(&writer, generation);
    pbts_write_bytes(&writer, (pbts_span){ tag, PBTS_PASSKEY_TAG_LEN });
    encode_text(out, PBTS_SPAN_OF(bytes), PBTS_PASSKEY_LEN);
}

pbts_status pbts_passkey_split(uint32_t *user_no, uint32_t *generation,
                               uint8_t tag[static PBTS_PASSKEY_TAG_LEN], pbts_span text) {
    uint8_t bytes[PASSKEY_BYTES];
    if (text.len != PBTS_PASSKEY_LEN) return PBTS_MALFORMED;
    PBTS_TRY(pbts_base32_decode_exact(bytes, sizeof bytes, text));
    pbts_cursor in = pbts_cursor_over(PBTS_SPAN_OF(bytes));
    PBTS_TRY(pbts_read_u32(&in, user_no));
    PBTS_TRY(pbts_read_u32(&in, generation));
    return pbts_read_bytes(&in, tag, PBTS_PASSKEY_TAG_LEN);
}

static void write_head(pbts_writer *out, const pbts_tracker_id *id) {
    pbts_write_u32(out, id->user_no);
    pbts_write_u32(out, id->generation);
    pbts_write_u64(out, id->expires_unix);
}

static void tracker_id_tag(uint8_t out[static PBTS_TRACKER_ID_TAG_LEN], const pbts_passkey_key *key,
                           const pbts_tracker_id *id,
                           const uint8_t passkey_tag[static PBTS_PASSKEY_TAG_LEN]) {
    uint8_t fields[TRACKER_ID_HEAD + PBTS_PASSKEY_TAG_LEN];
    pbts_writer writer = pbts_writer_over(fields, sizeof fields);
    write_head(&writer, id);
    pbts_write_bytes(&writer, (pbts_span){ passkey_tag, PBTS_PASSKEY_TAG_LEN });
    tag_of(out, PBTS_TRACKER_ID_TAG_LEN, key, "pbts/trackerid/2", PBTS_SPAN_OF(fields));
}

void pbts_tracker_id_make(char out[static PBTS_TRACKER_ID_TEXT_LEN + 1],
                          const pbts_passkey_key *key, const pbts_tracker_id *id,
                          const uint8_t passkey_tag[static PBTS_PASSKEY_TAG_LEN]) {
    uint8_t bytes[TRACKER_ID_BYTES];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    write_head(&writer, id);
    tracker_id_tag(bytes + TRACKER_ID_HEAD, key, id, passkey_tag);
    encode_text(out, PBTS_SPAN_OF(bytes), PBTS_TRACKER_ID_TEXT_LEN);
}

pbts_status pbts_tracker_id_split(pbts_tracker_id *out, pbts_span text) {
    uint8_t bytes[TRACKER_ID_BYTES];
    if (text.len != PBTS_TRACKER_ID_TEXT_LEN) return PBTS_MALFORMED;
    PBTS_TRY(pbts_base32_decode_exact(bytes, sizeof bytes, text));
    pbts_cursor in = pbts_cursor_over(PBTS_SPAN_OF(bytes));
    PBTS_TRY(pbts_read_u32(&in, &out->user_no));
    PBTS_TRY(pbts_read_u32(&in, &out->generation));
    PBTS_TRY(pbts_read_u64(&in, &out->expires_unix));
    return pbts_read_bytes(&in, out->tag, sizeof out->tag);
}

pbts_status pbts_tracker_id_check(const pbts_tracker_id *id, const pbts_passkey_key *key,
                                  const uint8_t passkey_tag[static PBTS_PASSKEY_TAG_LEN],
                                  uint64_t now_unix) {
    uint8_t tag[PBTS_TRACKER_ID_TAG_LEN];
    tracker_id_tag(tag, key, id, passkey_tag);
    if (!pbts_equal_ct(tag, id->tag, sizeof tag)) return PBTS_DENIED;
    return id->expires_unix < now_unix ? PBTS_STALE : PBTS_OK;
}
