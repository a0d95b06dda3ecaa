/* libFuzzer target: a claims export. The first byte chooses: even, the rest is a file; odd, it is
 * the records of one that is signed here, so that the check of records is reached. */
#include <stdlib.h>

#include "ledger/claims_file.h"

enum { BODY_MAX = 4096 };

static void require(bool truth) {
    if (!truth) abort();
}

static void open_and_walk(pbts_span bytes, const pbts_bls_public_point *key) {
    pbts_claims_file file;
    pbts_claims_record record;
    const char *problem = NULL;
    uint64_t count = 0;
    pbts_status status = pbts_claims_file_open(&file, &problem, bytes, key);
    require((status == PBTS_OK) == (problem == NULL));
    if (status != PBTS_OK) return;
    while (pbts_claims_file_next(&file, &record)) {
        require(record.part < PBTS_CLAIMS_PARTS_MAX && record.bitmap.len > 0 &&
                record.bitmap.data + record.bitmap.len <= file.record + sizeof file.record);
        count++;
    }
    require(count == file.count && pbts_cursor_left(&file.records) == 0);
    require(pbts_claims_file_end(&file) == PBTS_OK);
}

static void sign_and_walk(pbts_span body, uint8_t count, const pbts_bls_secret *secret,
                          const pbts_bls_public_point *key) {
    static const uint8_t iid[32] = { 1 };
    uint8_t buffer[BODY_MAX + 512];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_claims_encoder encoder;
    if (body.len > BODY_MAX) return;
    require(pbts_claims_encode_begin(&encoder, &writer) == PBTS_OK);
    pbts_write_bytes(&writer, body);
    pbts_sha256_update(&encoder.hash, body);
    encoder.count = count;
    require(pbts_claims_encode_end(&encoder, &writer, iid, 1, secret) == PBTS_OK);
    open_and_walk(pbts_writer_span(&writer), key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_bls_secret secret = { { 0 } };
    pbts_bls_public public;
    pbts_bls_public_point key;
    if (len == 0) return 0;
    secret.bytes[31] = 7;
    pbts_bls_public_of(&public, &secret);
    require(pbts_bls_public_decode(&key, &public) == PBTS_OK);
    pbts_span rest = { data + 1, len - 1 };
    if (data[0] % 2 == 0)
        open_and_walk(rest, &key);
    else
        sign_and_walk(rest, data[0] >> 1, &secret, &key);
    return 0;
}
