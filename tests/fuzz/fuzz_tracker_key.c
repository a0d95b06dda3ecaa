/* libFuzzer target: the text of tracker.key. What is taken is written to a text that means the
 * same, and all keys can be made of it. */
#include <stdlib.h>

#include "base/writer.h"
#include "keys/tracker_keys.h"

static void require(bool truth) {
    if (!truth) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_key_trk key, again;
    pbts_tracker_keys keys;
    uint8_t text[PBTS_KEY_FILE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    if (pbts_key_trk_parse(&key, (pbts_span){ data, len }) != PBTS_OK) return 0;
    require(key.version == PBTS_KEYS_V1 || key.version == PBTS_KEYS_V2);
    pbts_key_trk_format(&writer, &key);
    require(!writer.failed);
    require(pbts_key_trk_parse(&again, pbts_writer_span(&writer)) == PBTS_OK);
    require(memcmp(&again, &key, sizeof key) == 0);
    require(pbts_tracker_keys_derive(&keys, &key) == PBTS_OK);
    require(pbts_bls_secret_check(&keys.owner) == PBTS_OK);
    require(pbts_secp256k1_secret_check(&keys.ethereum) == PBTS_OK);
    return 0;
}
