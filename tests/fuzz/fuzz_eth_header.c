/* libFuzzer target: a header that is taken has one form, and its hash is that of its bytes. */
#include <stdlib.h>

#include "eth/header.h"

static void require(bool truth) {
    if (!truth) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    uint8_t buffer[PBTS_ETH_HEADER_LEN_MAX];
    pbts_span bytes = { data, len };
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_eth_header header;
    pbts_eth_hash hash, want;
    if (pbts_eth_header_decode(&header, bytes) != PBTS_OK) return 0;
    require(pbts_eth_header_encode(&writer, &header) == PBTS_OK);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
    require(pbts_eth_header_hash(&hash, &header) == PBTS_OK);
    want = pbts_eth_hash_of(bytes);
    require(pbts_eth_hash_equal(&hash, &want));
    return 0;
}
