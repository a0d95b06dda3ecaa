/* ledger/claims_file.c - encode and check the claims export. Layout: claims_file.h. */
#include "ledger/claims_file.h"

#include "base/assert.h"
#include "base/epoch.h"

static const char CONTEXT[] = "pbts/claims/1";

enum {
    MAGIC_LEN = sizeof PBTS_CLAIMS_FILE_MAGIC - 1,
    SIGNED_LEN = PBTS_CLAIMS_TRAILER_LEN - PBTS_BLS_SIGNATURE_LEN,
    MESSAGE_LEN = sizeof CONTEXT - 1 + SIGNED_LEN,
};

/* The four fields of the trailer with their context. */
static void message_of(uint8_t out[static MESSAGE_LEN], const uint8_t fields[static SIGNED_LEN]) {
    pbts_writer writer = pbts_writer_over(out, MESSAGE_LEN);
    pbts_write_text(&writer, CONTEXT);
    pbts_write_bytes(&writer, (pbts_span){ fields, SIGNED_LEN });
    assert(pbts_writer_status(&writer) == PBTS_OK && writer.len == MESSAGE_LEN);
}

static bool record_is_good(const pbts_claims_record *record) {
    if (record->part >= PBTS_CLAIMS_PARTS_MAX) return false;
    if (record->bitmap.len == 0 || record->bitmap.len > PBTS_CLAIMS_BITMAP_MAX) return false;
    return memcmp(record->receiver, record->sender, sizeof record->sender) != 0;
}

/* --- what was lost ----------------------------------------------------------------------- */

/* No uid hashes to these. */
static const uint8_t ZEROS[32] = { 0 };
static const uint8_t ONES[32] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

pbts_claims_record pbts_claims_lost_record(uint8_t room[static PBTS_CLAIMS_LOST_LEN],
                                           uint64_t epoch) {
    pbts_writer writer = pbts_writer_over(room, PBTS_CLAIMS_LOST_LEN);
    pbts_write_u64(&writer, epoch);
    pbts_claims_record record = { .period = (uint32_t)pbts_claim_period(epoch),
                                  .bitmap = pbts_writer_span(&writer) };
    memcpy(record.sender, ONES, sizeof record.sender);
    return record;
}

bool pbts_claims_is_lost(const pbts_claims_record *record, uint64_t *epoch) {
    pbts_cursor value = pbts_cursor_over(record->bitmap);
    return memcmp(record->receiver, ZEROS, sizeof ZEROS) == 0 &&
           memcmp(record->sender, ONES, sizeof ONES) == 0 &&
           record->bitmap.len == PBTS_CLAIMS_LOST_LEN && pbts_read_u64(&value, epoch) == PBTS_OK;
}

/* --- encode ------------------------------------------------------------------------------ */

/* Hash what was appended since `from`. */
static pbts_status hash_appended(pbts_claims_encoder *encoder, const pbts_writer *writer,
                                 size_t from) {
    PBTS_TRY(pbts_writer_status(writer));
    if (writer->len > from)
        pbts_sha256_update(&encoder->hash, (pbts_span){ writer->data + from, writer->len - from });
    return PBTS_OK;
}

pbts_status pbts_claims_encode_begin(pbts_claims_encoder *encoder, pbts_writer *writer) {
    size_t from = writer->len;
    encoder->count = 0;
    pbts_sha256_init(&encoder->hash);
    pbts_write_text(writer, PBTS_CLAIMS_FILE_MAGIC);
    return hash_appended(encoder, writer, from);
}

pbts_status pbts_claims_encode_record(pbts_claims_encoder *encoder, pbts_writer *writer,
                                      const pbts_claims_record *record) {
    size_t from = writer->len;
    if (!record_is_good(record)) return PBTS_MALFORMED;
    pbts_write_u32(writer, record->period);
    pbts_write_bytes(writer, PBTS_SPAN_OF(record->receiver));
    pbts_write_bytes(writer, PBTS_SPAN_OF(record->sender));
    pbts_write_bytes(writer, PBTS_SPAN_OF(record->infohash));
    pbts_write_u16(writer, record->part);
    pbts_write_u16(writer, (uint16_t)record->bitmap.len);
    pbts_write_bytes(writer, record->bitmap);
    PBTS_TRY(hash_appended(encoder, writer, from));
    encoder->count++;
    return PBTS_OK;
}

pbts_status pbts_claims_encode_end(pbts_claims_encoder *encoder, pbts_writer *writer,
                                   const uint8_t iid[static 32], uint64_t sequence,
                                   const pbts_bls_secret *secret) {
    uint8_t digest[PBTS_SHA256_LEN], message[MESSAGE_LEN];
    pbts_bls_signature signature;
    size_t from = writer->len;
    pbts_write_u64(writer, encoder->count);
    PBTS_TRY(hash_appended(encoder, writer, from));
    pbts_sha256_final(&encoder->hash, digest);
    pbts_write_bytes(writer, PBTS_SPAN_OF(digest));
    pbts_write_bytes(writer, (pbts_span){ iid, 32 });
    pbts_write_u64(writer, sequence);
    PBTS_TRY(pbts_writer_status(writer));
    message_of(message, writer->data + from);
    pbts_bls_sign(&signature, secret, PBTS_BLS_LEDGER, PBTS_SPAN_OF(message));
    pbts_write_bytes(writer, PBTS_SPAN_OF(signature.bytes));
    return pbts_writer_status(writer);
}

/* --- decode ------------------------------------------------------------------------------ */

static pbts_status read_record(pbts_claims_record *out, pbts_cursor *records) {
    uint16_t len;
    PBTS_TRY(pbts_read_u32(records, &out->period));
    PBTS_TRY(pbts_read_bytes(records, out->receiver, sizeof out->receiver));
    PBTS_TRY(pbts_read_bytes(records, out->sender, sizeof out->sender));
    PBTS_TRY(pbts_read_bytes(records, out->infohash, sizeof out->infohash));
    PBTS_TRY(pbts_read_u16(records, &out->part));
    PBTS_TRY(pbts_read_u16(records, &len));
    PBTS_TRY(pbts_read_span(records, &out->bitmap, len));
    return record_is_good(out) ? PBTS_OK : PBTS_MALFORMED;
}

/* `*claims`: how many records are claims. */
static pbts_status records_check(pbts_cursor records, uint64_t count, uint64_t *claims) {
    pbts_claims_record record;
    uint64_t found = 0, epoch;
    *claims = 0;
    for (; pbts_cursor_left(&records) > 0; found++) {
        if (read_record(&record, &records) != PBTS_OK) return PBTS_MALFORMED;
        if (!pbts_claims_is_lost(&record, &epoch)) ++*claims;
    }
    return found == count ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_trailer(pbts_claims_file *out, uint8_t digest[static 32],
                                pbts_bls_signature *signature, pbts_cursor *trailer) {
    PBTS_TRY(pbts_read_u64(trailer, &out->count));
    PBTS_TRY(pbts_read_bytes(trailer, digest, 32));
    PBTS_TRY(pbts_read_bytes(trailer, out->iid, sizeof out->iid));
    PBTS_TRY(pbts_read_u64(trailer, &out->sequence));
    return pbts_read_bytes(trailer, signature->bytes, sizeof signature->bytes);
}

static pbts_status signature_check(const pbts_bls_signature *signature,
                                   const uint8_t fields[static SIGNED_LEN],
                                   const pbts_bls_public_point *key) {
    uint8_t message[MESSAGE_LEN];
    pbts_bls_g1_point point;
    if (pbts_bls_signature_decode(&point, signature) != PBTS_OK) return PBTS_BAD_SIGNATURE;
    message_of(message, fields);
    return pbts_bls_verify(key, PBTS_BLS_LEDGER, PBTS_SPAN_OF(message), &point);
}

static pbts_status fail(const char **problem, pbts_status status, const char *text) {
    *problem = text;
    return status;
}

pbts_status pbts_claims_file_open(pbts_claims_file *out, const char **problem, pbts_span file,
                                  const pbts_bls_public_point *key) {
    pbts_claims_file opened;
    pbts_bls_signature signature;
    uint8_t digest[PBTS_SHA256_LEN], actual[PBTS_SHA256_LEN];
    if (file.len < MAGIC_LEN + PBTS_CLAIMS_TRAILER_LEN)
        return fail(problem, PBTS_NEED_MORE, "the file is cut short");
    if (memcmp(file.data, PBTS_CLAIMS_FILE_MAGIC, MAGIC_LEN) != 0)
        return fail(problem, PBTS_MALFORMED, "this is no claims file");
    size_t trailer_at = file.len - PBTS_CLAIMS_TRAILER_LEN;
    const uint8_t *fields = file.data + trailer_at;
    pbts_cursor trailer = pbts_cursor_over((pbts_span){ fields, PBTS_CLAIMS_TRAILER_LEN });
    PBTS_TRY(read_trailer(&opened, digest, &signature, &trailer));
    pbts_sha256(actual, (pbts_span){ file.data, trailer_at + 8 });
    if (memcmp(actual, digest, sizeof digest) != 0)
        return fail(problem, PBTS_BAD_SIGNATURE, "the hash of the file is another");
    if (signature_check(&signature, fields, key) != PBTS_OK)
        return fail(problem, PBTS_BAD_SIGNATURE, "the signature is not the tracker key's");
    memcpy(opened.digest, digest, sizeof digest);
    pbts_sha256_init(&opened.hash);
    pbts_sha256_update(&opened.hash, pbts_span_text(PBTS_CLAIMS_FILE_MAGIC));
    opened.records = pbts_cursor_over((pbts_span){ file.data + MAGIC_LEN, trailer_at - MAGIC_LEN });
    if (records_check(opened.records, opened.count, &opened.claims) != PBTS_OK)
        return fail(problem, PBTS_MALFORMED,
                    "a record breaks the format, or their count is another");
    *out = opened;
    return PBTS_OK;
}

/* Of a record's header, the length of its bitmap; the record is copied before it is looked at. */
static bool copy_record(pbts_claims_file *file, size_t *len) {
    uint8_t *record = file->record;
    if (pbts_read_bytes(&file->records, record, PBTS_CLAIMS_RECORD_HEADER_LEN) != PBTS_OK)
        return false;
    size_t bitmap_len = (size_t)record[PBTS_CLAIMS_RECORD_HEADER_LEN - 2] << 8 |
                        record[PBTS_CLAIMS_RECORD_HEADER_LEN - 1];
    *len = PBTS_CLAIMS_RECORD_HEADER_LEN + bitmap_len;
    return bitmap_len <= PBTS_CLAIMS_BITMAP_MAX &&
           pbts_read_bytes(&file->records, record + PBTS_CLAIMS_RECORD_HEADER_LEN, bitmap_len) ==
               PBTS_OK;
}

bool pbts_claims_file_next(pbts_claims_file *file, pbts_claims_record *out) {
    size_t len;
    if (pbts_cursor_left(&file->records) == 0 || !copy_record(file, &len)) return false;
    pbts_cursor record = pbts_cursor_over((pbts_span){ file->record, len });
    pbts_sha256_update(&file->hash, (pbts_span){ file->record, len });
    return read_record(out, &record) == PBTS_OK;
}

pbts_status pbts_claims_file_end(const pbts_claims_file *file) {
    pbts_sha256_state hash = file->hash;
    uint8_t count[8], digest[PBTS_SHA256_LEN];
    pbts_writer writer = pbts_writer_over(count, sizeof count);
    pbts_write_u64(&writer, file->count);
    pbts_sha256_update(&hash, PBTS_SPAN_OF(count));
    pbts_sha256_final(&hash, digest);
    return memcmp(digest, file->digest, sizeof digest) == 0 ? PBTS_OK : PBTS_CORRUPT;
}
