/* libFuzzer target: signed transactions are decoded totally; one that is taken is the same again
 * when another key has signed it. */
#include <stdlib.h>

#include "codec/rlp.h"
#include "eth/transaction.h"

static void require(bool truth) {
    if (!truth) abort();
}

static const pbts_secp256k1_secret SECRET = { .bytes = { [31] = 7 } };

static bool same_number(const pbts_u256 *a, const pbts_u256 *b) {
    return pbts_u256_compare(a, b) == 0;
}

static bool same(const pbts_eth_transaction *a, const pbts_eth_transaction *b) {
    return a->chain_id == b->chain_id && a->nonce == b->nonce && a->gas_limit == b->gas_limit &&
           same_number(&a->max_priority_fee_wei, &b->max_priority_fee_wei) &&
           same_number(&a->max_fee_wei, &b->max_fee_wei) &&
           same_number(&a->value_wei, &b->value_wei) && a->creates == b->creates &&
           pbts_eth_address_equal(&a->to, &b->to) && pbts_span_equal(a->data, b->data) &&
           pbts_span_equal(a->access_list, b->access_list);
}

static void sign_again(const pbts_secp256k1_signer *signer, const pbts_eth_transaction *first) {
    size_t capacity = first->data.len + first->access_list.len + PBTS_ETH_TRANSACTION_OVERHEAD_MAX;
    uint8_t *buffer = malloc(capacity);
    require(buffer != NULL);
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    pbts_eth_transaction second;
    pbts_eth_address sender;
    require(pbts_eth_transaction_sign(&writer, first, signer, &SECRET) == PBTS_OK);
    require(pbts_eth_transaction_decode(&second, &sender, pbts_writer_span(&writer)) == PBTS_OK);
    require(same(first, &second));
    require(pbts_eth_transaction_check(first) == pbts_eth_transaction_check(&second));
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static pbts_secp256k1_signer *signer;
    pbts_eth_transaction transaction;
    pbts_eth_address sender;
    if (signer == NULL) {
        require(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()) ==
                PBTS_OK);
    }
    if (pbts_eth_transaction_decode(&transaction, &sender, (pbts_span){ data, len }) != PBTS_OK) {
        return 0;
    }
    require(pbts_rlp_check((pbts_span){ data + 1, len - 1 }) == PBTS_OK);
    sign_again(signer, &transaction);
    return 0;
}
