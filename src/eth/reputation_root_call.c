#include "eth/reputation_root_call.h"

#include "codec/abi.h"

enum { HEADS_LEN = 5 * PBTS_ABI_WORD_LEN };

/* As long as the encoder makes it: nothing behind the data's padding. */
static bool is_whole(pbts_span call, pbts_span data) {
    size_t padding = (PBTS_ABI_WORD_LEN - data.len % PBTS_ABI_WORD_LEN) % PBTS_ABI_WORD_LEN;
    return call.len == PBTS_ABI_SELECTOR_LEN + HEADS_LEN + PBTS_ABI_WORD_LEN + data.len + padding;
}

pbts_status pbts_reputation_root_call_decode(pbts_reputation_root_call *out, pbts_span call) {
    pbts_reputation_root_call read;
    uint8_t selector[PBTS_ABI_SELECTOR_LEN];
    uint64_t user_count, offset;
    pbts_abi_selector(selector, "writeRoot(uint48,uint48,uint32,bytes32,bytes)");
    if (call.len < sizeof selector || memcmp(call.data, selector, sizeof selector) != 0)
        return PBTS_MALFORMED;
    pbts_abi_reader reader = pbts_abi_reader_over(
        (pbts_span){ call.data + sizeof selector, call.len - sizeof selector });
    PBTS_TRY(pbts_abi_read_uint(&reader, &read.sequence, PBTS_REPUTATION_U48_MAX));
    PBTS_TRY(pbts_abi_read_uint(&reader, &read.epoch, PBTS_REPUTATION_U48_MAX));
    PBTS_TRY(pbts_abi_read_uint(&reader, &user_count, UINT32_MAX));
    PBTS_TRY(pbts_abi_read_word(&reader, read.root));
    pbts_abi_reader last = reader;
    PBTS_TRY(pbts_abi_read_uint(&last, &offset, HEADS_LEN));
    PBTS_TRY(pbts_abi_read_bytes(&reader, &read.data));
    if (offset != HEADS_LEN || !is_whole(call, read.data)) return PBTS_MALFORMED;
    read.user_count = (uint32_t)user_count;
    *out = read;
    return PBTS_OK;
}
