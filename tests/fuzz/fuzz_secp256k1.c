/* libFuzzer target: keys and signatures of sessions are decoded totally; a key that is one has one
 * encoding, and what verifies has s in the lower half. Input: key[33], digest[32], signature[64].
 */
#include <stdlib.h>

#include "ecc/secp256k1.h"

static void require(bool truth) {
    if (!truth) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_secp256k1_public bytes, again;
    pbts_secp256k1_point key;
    pbts_secp256k1_signature signature;
    uint8_t digest[PBTS_SECP256K1_DIGEST_LEN];
    pbts_cursor in = pbts_cursor_over((pbts_span){ data, len });
    if (pbts_read_bytes(&in, bytes.bytes, sizeof bytes.bytes) != PBTS_OK ||
        pbts_read_bytes(&in, digest, sizeof digest) != PBTS_OK ||
        pbts_read_bytes(&in, signature.bytes, sizeof signature.bytes) != PBTS_OK)
        return 0;
    if (pbts_secp256k1_public_decode(&key, &bytes) != PBTS_OK) return 0;
    pbts_secp256k1_public_encode(&again, &key);
    require(memcmp(&again, &bytes, sizeof bytes) == 0);
    if (pbts_secp256k1_verify(&key, digest, &signature) != PBTS_OK) return 0;
    require(signature.bytes[32] < 0x80);
    signature.bytes[63] ^= 1;
    require(pbts_secp256k1_verify(&key, digest, &signature) != PBTS_OK);
    return 0;
}
