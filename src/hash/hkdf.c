#include "hash/hkdf.h"

#include "base/assert.h"
#include "base/secret.h"
#include "base/writer.h"

void pbts_hkdf_sha256(uint8_t *out, size_t len, pbts_span salt, pbts_span secret, pbts_span info) {
    static const uint8_t NO_SALT[PBTS_SHA256_LEN] = { 0 };
    uint8_t extracted[PBTS_SHA256_LEN], block[PBTS_SHA256_LEN];
    uint8_t input[PBTS_SHA256_LEN + PBTS_HKDF_INFO_LEN_MAX + 1];
    size_t done = 0;
    assert(len <= PBTS_HKDF_OUT_LEN_MAX && info.len <= PBTS_HKDF_INFO_LEN_MAX);
    pbts_hmac_sha256(extracted, salt.len > 0 ? salt : PBTS_SPAN_OF(NO_SALT), secret);
    for (uint8_t number = 1; done < len; number++) {
        pbts_writer writer = pbts_writer_over(input, sizeof input);
        if (number > 1) pbts_write_bytes(&writer, PBTS_SPAN_OF(block));
        pbts_write_bytes(&writer, info);
        pbts_write_u8(&writer, number);
        pbts_hmac_sha256(block, PBTS_SPAN_OF(extracted), pbts_writer_span(&writer));
        size_t part = len - done < sizeof block ? len - done : sizeof block;
        memcpy(out + done, block, part);
        done += part;
    }
    pbts_wipe(extracted, sizeof extracted);
    pbts_wipe(block, sizeof block);
    pbts_wipe(input, sizeof input);
}
