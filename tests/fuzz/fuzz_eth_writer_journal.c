/* libFuzzer target: records of the Ethereum writer decode or are refused; what is taken is in range
 * and has one encoding. Damage is found by hashes, so the target puts the right ones of the record
 * into every input; those of a batch must be guessed from the corpus. The same bytes are also data
 * of root mode, which change a tree or leave it alone. */
#include <stdlib.h>

#include "eth/reputation_root.h"
#include "eth/reputation_root_call.h"
#include "eth/writer_journal.h"
#include "hash/sha.h"

enum { HASH_AT = 15, BODY_AT = HASH_AT + PBTS_SHA256_LEN };

static void require(bool truth) {
    if (!truth) abort();
}

static void check(const pbts_eth_journal *journal, pbts_span bytes) {
    require(journal->heads_len >= 1 && journal->heads_len <= PBTS_ETH_HEADS_MAX);
    require(journal->base < journal->heads_len);
    if (journal->batch.kind != PBTS_ETH_NO_BATCH) {
        const pbts_eth_batch *batch = &journal->batch;
        require(batch->attempts_len >= 1 && batch->attempts_len <= PBTS_ETH_ATTEMPTS_MAX);
        require(batch->rows.len >= 1 && batch->rows.len <= PBTS_ETH_BATCH_LEN_MAX);
        require(batch->rows.len % pbts_eth_batch_row_len(batch->kind) == 0);
    }
    uint8_t *again = malloc(bytes.len);
    require(again != NULL);
    pbts_writer writer = pbts_writer_over(again, bytes.len);
    pbts_eth_journal_encode(&writer, journal);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
    free(again);
}

static void check_root_data(pbts_span data) {
    uint8_t before[32], after[32];
    pbts_reputation_tree *tree;
    require(pbts_reputation_tree_new(&tree, pbts_mem_system(), 64) == PBTS_OK);
    pbts_reputation_tree_root(tree, before);
    if (pbts_reputation_tree_apply(tree, data) != PBTS_OK) {
        pbts_reputation_tree_root(tree, after);
        require(memcmp(before, after, sizeof before) == 0);
    }
    for (uint32_t i = 1; i < pbts_reputation_tree_count(tree); i++) {
        require(pbts_reputation_tree_at(tree, i - 1)->user_no <
                pbts_reputation_tree_at(tree, i)->user_no);
    }
    pbts_reputation_tree_free(tree);
}

/* A call of writeRoot that is taken makes the same bytes again. */
static void check_root_call(pbts_span bytes) {
    pbts_reputation_root_call call;
    if (pbts_reputation_root_call_decode(&call, bytes) != PBTS_OK) return;
    uint8_t *again = malloc(bytes.len);
    require(again != NULL);
    pbts_writer writer = pbts_writer_over(again, bytes.len);
    pbts_reputation_call_write_root(&writer, call.sequence, call.epoch, call.user_count, call.root,
                                    call.data);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_eth_journal journal;
    uint8_t *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    pbts_span bytes = { copy, len };
    check_root_data(bytes);
    check_root_call(bytes);
    if (len >= BODY_AT) {
        pbts_sha256(copy + HASH_AT, (pbts_span){ copy + BODY_AT, len - BODY_AT });
    }
    if (pbts_eth_journal_decode(&journal, bytes) == PBTS_OK) check(&journal, bytes);
    free(copy);
    return 0;
}
