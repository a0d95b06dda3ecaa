/* libFuzzer target: whatever endpoints answer, a read of a recorded block's state gives the values
 * that it holds, or none. The seeds' first answer is the true one. The input is answers, one after
 * the other, a 0 byte between them. */
#include <stdlib.h>

#include "codec/text.h"
#include "eth/chain_read.h"
#include "eth/reputation.h"

/* The block and contract of tests/vectors/anvil_rpc.jsonl. */
static const char BLOCK_HASH[] = "0b164fc26dbfc92d0cedd2c0559e0db78135b08600df156c2b588109a570c8f8";
static const char CONTRACT[] = "08e37347d35770e48dd5dd32ee39894857f3c086";

enum { ANSWERS_MAX = 4 };

static void require(bool truth) {
    if (!truth) abort();
}

static void check_values(const pbts_chain_read *read) {
    size_t len;
    pbts_reputation_state state;
    require(pbts_reputation_state_unpack(&state, pbts_chain_read_values(read, &len)) == PBTS_OK);
    require(len == PBTS_REPUTATION_FIXED_SLOTS && state.user_count == 3 && state.sequence == 2 &&
            state.epoch == 472222 && !state.sealed);
    require(pbts_chain_read_account(read)->present && pbts_chain_read_account(read)->nonce == 1);
    require(pbts_chain_read_header(read).len > 0);
}

static void answer_all(pbts_chain_read *read, pbts_span input) {
    pbts_moment now = { .unix_s = 1700000200 };
    for (int i = 0; i < ANSWERS_MAX && input.len > 0; i++) {
        pbts_rpc_want want;
        const uint8_t *end = memchr(input.data, 0, input.len);
        size_t len = end == NULL ? input.len : (size_t)(end - input.data);
        now.mono_ms = pbts_chain_read_deadline_ms(read);
        if (!pbts_chain_read_next(read, &want, now)) return;
        pbts_rpc_reply reply = { .http_status = 200, .body = { input.data, len } };
        pbts_chain_read_answer(read, want.id, &reply, now);
        size_t used = end == NULL ? len : len + 1;
        input = (pbts_span){ input.data + used, input.len - used };
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_endpoints endpoints;
    pbts_chain_read *read;
    pbts_status why;
    pbts_eth_address contract;
    pbts_u256 keys[PBTS_REPUTATION_FIXED_SLOTS];
    pbts_chain_read_config config = { .age_max_s = UINT64_MAX };
    pbts_trusted_block block = { .block_number = 4 };
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) keys[i] = pbts_u256_from_u64(i);
    require(pbts_hex_decode_exact(block.block_hash.bytes, 32, pbts_span_text(BLOCK_HASH)) ==
            PBTS_OK);
    require(pbts_hex_decode_exact(contract.bytes, 20, pbts_span_text(CONTRACT)) == PBTS_OK);
    require(pbts_endpoints_init(&endpoints, 3, 1) == PBTS_OK);
    require(pbts_chain_read_new(&read, pbts_mem_system(), &endpoints, &config) == PBTS_OK);
    require(pbts_chain_read_start(read, &block, &contract, keys, PBTS_REPUTATION_FIXED_SLOTS,
                                  UINT64_MAX, (pbts_moment){ 0 }) == PBTS_OK);
    answer_all(read, (pbts_span){ data, len });
    if (pbts_chain_read_state(read, &why) == PBTS_FETCH_DONE) check_values(read);
    pbts_chain_read_free(read);
    return 0;
}
