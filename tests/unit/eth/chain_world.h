/* A virtual chain with one Reputation contract, and a few endpoints with pools of their own: what
 * the writer is run against, by the host of chain_kit.h. Everything follows from a seed.
 *
 * The contract is a model that enforces the guards of contracts/Reputation.sol. In root mode it
 * has a root, as the real one does, and beside it the users that the data lead to. Pools replace by
 * geth's rule of 10 %. Blocks may be dropped again, with or without giving their transactions back.
 */
#ifndef TESTS_ETH_CHAIN_WORLD_H
#define TESTS_ETH_CHAIN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/random.h"
#include "codec/abi.h"
#include "eth/reputation_root.h"
#include "eth/reputation_root_call.h"
#include "eth/transaction.h"
#include "eth/writer.h"
#include "hash/sha.h"

enum {
    CHAIN_USERS = 10,
    CHAIN_BLOCKS_MAX = 2200,
    CHAIN_POOL_MAX = 64,
    CHAIN_ENDPOINTS = 2,
    CHAIN_BLOCK_MS = 12000,
    CHAIN_START_S = 3600 * 1000, /* time of block 0, and of now_ms 0 */
    CHAIN_DEPTH = 3,
    CHAIN_TXS_MAX = 400,
    CHAIN_BLOCK_TXS_MAX = 4,
    CHAIN_RECORD_MAX = 16 * 1024, /* batches here are small */
    CHAIN_ID = 31337,
};

/* ---- the contract ---- */

typedef struct {
    bool exists;
    pbts_reputation_word word;
} chain_user;

typedef struct {
    pbts_reputation_state state;
    chain_user users[CHAIN_USERS];
} chain_contract;

typedef struct {
    pbts_eth_transaction fields; /* data is below */
    pbts_eth_hash hash;
    uint8_t data[2600];
} chain_tx;

typedef struct {
    pbts_eth_hash hash;
    uint64_t base_fee_wei, nonce;
    pbts_u256 balance_wei;
    chain_contract contract; /* after it */
    size_t txs_len;
    size_t txs[CHAIN_BLOCK_TXS_MAX]; /* places in chain.txs */
    bool succeeded[CHAIN_BLOCK_TXS_MAX];
} chain_block;

typedef struct {
    size_t len;
    size_t txs[CHAIN_POOL_MAX];
} chain_pool;

/* Of root mode: the accounts as the contract's data lead to them at one place. */
typedef struct {
    bool is_known;
    uint64_t sequence;
    pbts_eth_hash head;
    chain_user users[CHAIN_USERS];
    bool is_broken; /* the contract's root is another one */
} host_mirror;

/* What goes wrong, in percent. */
typedef struct {
    uint32_t view_fails, view_lags, send_lost, send_down, not_mined, reorg, deep_reorg, stranger,
        receipt_fails, persist_fails, estimate_fails, crash, fee_jump, poor;
} chain_faults;

typedef struct {
    pbts_reputation_account account; /* the wanted values */
    bool dirty, present, aside;
    uint64_t registered_at, written_at; /* sequences; 0: not */
    pbts_reputation_revert_kind reason; /* when aside */
} host_user;

typedef struct {
    pbts_prng prng;
    chain_faults faults;
    chain_block *blocks;
    size_t height; /* the newest block's number */
    chain_tx *txs;
    size_t txs_len;
    chain_pool pools[CHAIN_ENDPOINTS];
    uint64_t next_hash;
    uint64_t now_ms, next_block_ms;
    bool balance_is_low;
    bool poison[CHAIN_USERS]; /* rows that revert */
    bool poison_is_named;
    chain_user referrer[CHAIN_USERS]; /* what the contract can adopt */
    bool is_sealed_by_host;
    pbts_eth_address successor;

    /* The host. */
    pbts_eth_writer *writer;
    pbts_eth_writer_config config;
    host_user users[CHAIN_USERS];
    host_mirror mirror;  /* in the store */
    chain_contract seen; /* in the last view */
    uint8_t record[CHAIN_RECORD_MAX];
    size_t record_len;
    uint64_t actions;                   /* that were begun, over all lives */
    uint64_t crash_before, crash_after; /* numbers of actions; 0: none */
    uint64_t restarts, writes, rewinds, sends, reorgs, repairs;
    uint64_t written[PBTS_ETH_SEAL + 1]; /* batches, by kind */
    uint64_t counted_epoch;              /* as the host's tracker says; 0: nothing */
    bool offers_seal;
} chain;

static inline pbts_secp256k1_signer *chain_signer(void) {
    static pbts_secp256k1_signer *signer;
    if (signer == NULL) {
        pbts_status status =
            pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system());
        assert_int_equal(status, PBTS_OK);
    }
    return signer;
}

static inline pbts_secp256k1_secret chain_secret(void) {
    pbts_secp256k1_secret secret;
    memset(secret.bytes, 0x11, sizeof secret.bytes);
    return secret;
}

static inline bool chain_chance(chain *world, uint32_t percent) {
    return percent > 0 && pbts_prng_below(&world->prng, 100) < percent;
}

static inline chain_block *chain_newest(chain *world) {
    return &world->blocks[world->height];
}

static inline void chain_uid(uint8_t out[32], size_t user) {
    memset(out, 0xA0, 32);
    out[31] = (uint8_t)user;
}

static inline size_t chain_user_of(const uint8_t uid_hash[32]) {
    size_t user = uid_hash[31];
    assert_true(user < CHAIN_USERS);
    return user;
}

/* A revert's data. */
typedef struct {
    size_t len;
    uint8_t bytes[36];
} chain_revert;

static inline void revert_with(chain_revert *out, const char *signature, const uint8_t word[32]) {
    pbts_abi_selector(out->bytes, signature);
    out->len = 4;
    if (word == NULL) return;
    memcpy(out->bytes + 4, word, 32);
    out->len = 36;
}

static inline bool has_selector(pbts_span call, const char *signature) {
    uint8_t selector[4];
    pbts_abi_selector(selector, signature);
    return call.len >= 4 && memcmp(call.data, selector, 4) == 0;
}

static inline bool enter_row(chain *world, chain_contract *contract, bool registers,
                             const pbts_reputation_account *row, chain_revert *why) {
    size_t number = chain_user_of(row->uid_hash);
    chain_user *user = &contract->users[number];
    if (world->poison[number]) {
        why->len = 0;
        if (world->poison_is_named) revert_with(why, "KeyMismatch(bytes32)", row->uid_hash);
        return false;
    }
    if (registers == user->exists) {
        revert_with(why, registers ? "UserExists(bytes32)" : "UnknownUser(bytes32)", row->uid_hash);
        return false;
    }
    if (registers) {
        contract->state.user_count++;
        contract->state.registrations =
            pbts_reputation_registrations_next(&contract->state.registrations, row);
    }
    user->exists = true;
    user->word = row->word;
    return true;
}

/* ---- root mode ---- */

static inline void chain_key(pbts_bls_public *out, size_t user) {
    memset(out->bytes, (int)user + 1, sizeof out->bytes);
}

/* The tree of these users, to be freed. */
static inline pbts_reputation_tree *tree_of(const chain_user users[static CHAIN_USERS]) {
    pbts_reputation_account accounts[CHAIN_USERS] = { 0 };
    pbts_reputation_tree *tree;
    uint32_t len = 0;
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        if (!users[i].exists) continue;
        chain_uid(accounts[len].uid_hash, i);
        chain_key(&accounts[len].public_key, i);
        accounts[len].user_no = (uint32_t)i + 1;
        accounts[len++].word = users[i].word;
    }
    assert_int_equal(pbts_reputation_tree_new(&tree, pbts_mem_system(), CHAIN_USERS), PBTS_OK);
    assert_int_equal(pbts_reputation_tree_set(tree, accounts, len), PBTS_OK);
    return tree;
}

static inline void take_tree(chain_user users[static CHAIN_USERS],
                             const pbts_reputation_tree *tree) {
    for (uint32_t i = 0; i < pbts_reputation_tree_count(tree); i++) {
        const pbts_reputation_account *account = pbts_reputation_tree_at(tree, i);
        users[chain_user_of(account->uid_hash)] =
            (chain_user){ .exists = true, .word = account->word };
    }
}

/* A contract looks at nothing in the data. Whoever loads it does; what cannot be applied changes
 * nothing. */
static inline void enter_data(chain_contract *contract, pbts_span call) {
    pbts_reputation_root_call batch;
    pbts_reputation_tree *tree = tree_of(contract->users);
    assert_int_equal(pbts_reputation_root_call_decode(&batch, call), PBTS_OK);
    if (pbts_reputation_tree_apply(tree, batch.data) == PBTS_OK) take_tree(contract->users, tree);
    pbts_reputation_tree_free(tree);
    memcpy(contract->state.root, batch.root, sizeof batch.root);
    contract->state.user_count = batch.user_count;
}

/* Whether the data lead to the root: nobody can load the contract otherwise. */
static inline bool root_is_sound(const chain_contract *contract) {
    uint8_t root[32];
    pbts_reputation_tree *tree = tree_of(contract->users);
    pbts_reputation_tree_root(tree, root);
    bool is_sound = contract->state.sequence == 0 ||
                    (pbts_reputation_tree_count(tree) == contract->state.user_count &&
                     memcmp(root, contract->state.root, sizeof root) == 0);
    pbts_reputation_tree_free(tree);
    return is_sound;
}

/* ---- batches ---- */

typedef struct {
    const char *signature;
    pbts_eth_batch_kind kind;
    pbts_status (*read)(pbts_cursor *rows, pbts_reputation_account *out);
    uint64_t gas;
} chain_function;

static inline const chain_function *function_of(pbts_span call) {
    static const chain_function FUNCTIONS[] = {
        { "register(uint48,uint48,bytes)", PBTS_ETH_REGISTER, pbts_reputation_register_row_read,
          50000 },
        { "write(uint48,uint48,bytes)", PBTS_ETH_WRITE, pbts_reputation_write_row_read, 20000 },
        { "adopt(uint48,uint48,bytes)", PBTS_ETH_ADOPT, pbts_reputation_adopt_row_read, 55000 },
        { "writeRoot(uint48,uint48,uint32,bytes32,bytes)", PBTS_ETH_ROOT, NULL, 0 },
    };
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
        if (has_selector(call, FUNCTIONS[i].signature)) return &FUNCTIONS[i];
    }
    fail();
    return NULL;
}

static inline bool enter_rows(chain *world, chain_contract *contract,
                              const chain_function *function, pbts_span rows, uint64_t *gas,
                              chain_revert *why) {
    pbts_cursor cursor = pbts_cursor_over(rows);
    bool enters = function->kind != PBTS_ETH_WRITE;
    assert_true(rows.len > 0);
    while (pbts_cursor_left(&cursor) > 0) {
        pbts_reputation_account row;
        assert_int_equal(function->read(&cursor, &row), PBTS_OK);
        const chain_user *old = &world->referrer[chain_user_of(row.uid_hash)];
        if (function->kind == PBTS_ETH_ADOPT && !old->exists) {
            revert_with(why, "UnknownUser(bytes32)", row.uid_hash);
            return false;
        }
        if (function->kind == PBTS_ETH_ADOPT) row.word = old->word;
        if (!enter_row(world, contract, enters, &row, why)) return false;
        *gas += function->gas;
    }
    return true;
}

/* The guards and rows of one batch; `contract` is a copy that a revert throws away. */
static inline bool run_batch(chain *world, chain_contract *contract, pbts_span call, uint64_t *gas,
                             chain_revert *why) {
    pbts_reputation_state *state = &contract->state;
    const chain_function *function = function_of(call);
    pbts_abi_reader reader = pbts_abi_reader_over((pbts_span){ call.data + 4, call.len - 4 });
    uint64_t sequence, epoch, user_count;
    uint8_t root[32];
    pbts_span rows;
    bool is_root = function->kind == PBTS_ETH_ROOT;
    assert_int_equal(pbts_abi_read_uint(&reader, &sequence, PBTS_REPUTATION_U48_MAX), PBTS_OK);
    assert_int_equal(pbts_abi_read_uint(&reader, &epoch, PBTS_REPUTATION_U48_MAX), PBTS_OK);
    if (is_root) {
        assert_int_equal(pbts_abi_read_uint(&reader, &user_count, UINT32_MAX), PBTS_OK);
        assert_int_equal(pbts_abi_read_word(&reader, root), PBTS_OK);
    }
    assert_int_equal(pbts_abi_read_bytes(&reader, &rows), PBTS_OK);
    if (sequence != state->sequence + 1) {
        pbts_u256 stored = pbts_u256_from_u64(state->sequence);
        revert_with(why, "WrongSequence(uint48)", stored.bytes);
        return false;
    }
    assert_true(epoch >= state->epoch);
    pbts_reputation_mode mode = is_root ? PBTS_REPUTATION_ROOT : PBTS_REPUTATION_SLOTS;
    assert_true(state->mode == PBTS_REPUTATION_NO_MODE || state->mode == mode);
    state->mode = mode;
    if (is_root) {
        enter_data(contract, call);
        *gas += 40 * rows.len;
    } else if (!enter_rows(world, contract, function, rows, gas, why)) {
        return false;
    }
    state->sequence = sequence;
    state->epoch = epoch;
    state->head = pbts_reputation_head_next(&state->head, rows);
    return true;
}

/* False: it reverted, and `contract` is as before. */
static inline bool run_call(chain *world, chain_contract *contract, pbts_span call, uint64_t *gas,
                            chain_revert *why) {
    chain_contract copy = *contract;
    bool goes = true;
    *gas = 60000;
    why->len = 0;
    if (copy.state.sealed) {
        revert_with(why, "AlreadySealed()", NULL);
        return false;
    }
    if (has_selector(call, "seal(address)")) {
        assert_int_equal(call.len, 36);
        copy.state.sealed = true;
        memcpy(copy.state.successor.bytes, call.data + 16, 20);
    } else {
        goes = run_batch(world, &copy, call, gas, why);
    }
    if (goes) *contract = copy;
    return goes;
}

/* ---- blocks and pools ---- */

static inline void pool_remove(chain_pool *pool, size_t at) {
    pool->txs[at] = pool->txs[--pool->len];
}

static inline void drop_used_nonces(chain *world) {
    for (size_t e = 0; e < CHAIN_ENDPOINTS; e++) {
        chain_pool *pool = &world->pools[e];
        for (size_t i = pool->len; i-- > 0;) {
            if (world->txs[pool->txs[i]].fields.nonce < chain_newest(world)->nonce) {
                pool_remove(pool, i);
            }
        }
    }
}

static inline uint64_t fee_of(const pbts_u256 *wei) {
    uint64_t fee;
    assert_int_equal(pbts_u256_to_u64(&fee, wei), PBTS_OK);
    return fee;
}

/* The next transaction that a block takes, of all pools: the right nonce, the highest tip. */
static inline bool best_tx(chain *world, const chain_block *block, size_t *out) {
    bool found = false;
    uint64_t best = 0;
    for (size_t e = 0; e < CHAIN_ENDPOINTS; e++) {
        for (size_t i = 0; i < world->pools[e].len; i++) {
            const chain_tx *tx = &world->txs[world->pools[e].txs[i]];
            uint64_t tip = fee_of(&tx->fields.max_priority_fee_wei);
            if (tx->fields.nonce != block->nonce) continue;
            if (fee_of(&tx->fields.max_fee_wei) < block->base_fee_wei) continue;
            if (found && tip <= best) continue;
            *out = world->pools[e].txs[i];
            best = tip;
            found = true;
        }
    }
    return found;
}

static inline void chain_mine(chain *world) {
    assert_true(world->height + 1 < CHAIN_BLOCKS_MAX);
    chain_block *block = &world->blocks[world->height + 1];
    size_t next;
    *block = *chain_newest(world);
    block->txs_len = 0;
    memset(&block->hash, 0, sizeof block->hash);
    world->next_hash++;
    memcpy(block->hash.bytes, &world->next_hash, sizeof world->next_hash);
    if (chain_chance(world, world->faults.fee_jump)) {
        block->base_fee_wei = 1 + pbts_prng_below(&world->prng, 60) * UINT64_C(1000000000);
    }
    bool is_poor = world->balance_is_low;
    block->balance_wei = pbts_u256_from_u64(is_poor ? 1000 : UINT64_MAX);
    world->height++;
    if (chain_chance(world, world->faults.stranger)) block->nonce++; /* a transfer by hand */
    while (block->txs_len < CHAIN_BLOCK_TXS_MAX && best_tx(world, block, &next)) {
        uint64_t gas;
        chain_revert why;
        if (chain_chance(world, world->faults.not_mined)) break;
        const chain_tx *tx = &world->txs[next];
        block->txs[block->txs_len] = next;
        block->succeeded[block->txs_len] =
            run_call(world, &block->contract, tx->fields.data, &gas, &why);
        assert_true(gas <= tx->fields.gas_limit || !block->succeeded[block->txs_len]);
        block->txs_len++;
        block->nonce++;
    }
    drop_used_nonces(world);
}

typedef pbts_eth_send_result send_result;

static inline send_result pool_take(chain *world, chain_pool *pool, size_t index) {
    const chain_tx *tx = &world->txs[index];
    const chain_block *newest = chain_newest(world);
    if (tx->fields.nonce < newest->nonce) return PBTS_ETH_SEND_NONCE_TOO_LOW;
    pbts_eth_fees fees = { fee_of(&tx->fields.max_fee_wei),
                           fee_of(&tx->fields.max_priority_fee_wei) };
    if (!pbts_eth_fees_affordable(&newest->balance_wei, &fees, tx->fields.gas_limit)) {
        return PBTS_ETH_SEND_NO_FUNDS;
    }
    for (size_t i = 0; i < pool->len; i++) {
        const chain_tx *old = &world->txs[pool->txs[i]];
        if (pool->txs[i] == index) return PBTS_ETH_SEND_ACCEPTED; /* already known */
        if (old->fields.nonce != tx->fields.nonce) continue;
        bool pays =
            fees.max_fee_wei * 10 >= fee_of(&old->fields.max_fee_wei) * 11 &&
            fees.max_priority_fee_wei * 10 >= fee_of(&old->fields.max_priority_fee_wei) * 11;
        if (!pays) return PBTS_ETH_SEND_UNDERPRICED;
        pool->txs[i] = index;
        return PBTS_ETH_SEND_ACCEPTED;
    }
    assert_true(pool->len < CHAIN_POOL_MAX);
    pool->txs[pool->len++] = index;
    return PBTS_ETH_SEND_ACCEPTED;
}

static inline void chain_reorg(chain *world, size_t depth) {
    if (depth > world->height) depth = world->height;
    size_t fork = world->height - depth;
    size_t top = world->height;
    world->height = fork;
    world->reorgs++;
    for (size_t number = fork + 1; number <= top; number++) {
        const chain_block dropped = world->blocks[number];
        for (size_t i = 0; i < dropped.txs_len; i++) {
            for (size_t e = 0; e < CHAIN_ENDPOINTS; e++) {
                if (!chain_chance(world, 40)) continue;
                (void)pool_take(world, &world->pools[e], dropped.txs[i]);
            }
        }
    }
    for (size_t i = 0; i < depth; i++) chain_mine(world); /* as long as it was */
}

static inline size_t chain_remember(chain *world, pbts_span raw) {
    pbts_eth_hash hash = pbts_eth_hash_of(raw);
    pbts_eth_address sender;
    for (size_t i = 0; i < world->txs_len; i++) {
        if (pbts_eth_hash_equal(&world->txs[i].hash, &hash)) return i;
    }
    assert_true(world->txs_len < CHAIN_TXS_MAX);
    chain_tx *tx = &world->txs[world->txs_len];
    assert_int_equal(pbts_eth_transaction_decode(&tx->fields, &sender, raw), PBTS_OK);
    assert_int_equal(pbts_eth_transaction_check(&tx->fields), PBTS_OK);
    assert_true(pbts_eth_address_equal(&sender, &chain_newest(world)->contract.state.owner));
    assert_true(pbts_eth_address_equal(&tx->fields.to, &world->config.contract));
    assert_true(tx->fields.chain_id == CHAIN_ID);
    assert_true(tx->fields.gas_limit <= PBTS_ETH_TRANSACTION_GAS_MAX);
    assert_true(fee_of(&tx->fields.max_fee_wei) <= world->config.fee_cap.max_fee_wei);
    assert_true(fee_of(&tx->fields.max_priority_fee_wei) <=
                world->config.fee_cap.max_priority_fee_wei);
    assert_true(tx->fields.data.len <= sizeof tx->data);
    memcpy(tx->data, tx->fields.data.data, tx->fields.data.len);
    tx->fields.data.data = tx->data;
    tx->hash = hash;
    return world->txs_len++;
}

#endif
