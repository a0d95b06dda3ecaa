/* The writer's host, with a store, on the virtual chain of chain_world.h. */
#ifndef TESTS_ETH_CHAIN_KIT_H
#define TESTS_ETH_CHAIN_KIT_H

#include "eth/chain_world.h"

/* ---- the host ---- */

static inline void host_start(chain *world) {
    pbts_secp256k1_secret secret = chain_secret();
    pbts_span record = { world->record, world->record_len };
    assert_int_equal(pbts_eth_writer_new(&world->writer, &world->config, pbts_mem_system(),
                                         chain_signer(), &secret, record),
                     PBTS_OK);
}

static inline void host_crash(chain *world) {
    pbts_eth_writer_free(world->writer);
    world->restarts++;
    host_start(world);
}

static inline void host_change(chain *world, size_t number, uint64_t up_bytes,
                               uint64_t down_bytes) {
    host_user *user = &world->users[number];
    user->account.word.up_bytes += up_bytes;
    user->account.word.down_bytes += down_bytes;
    user->dirty = true;
    user->aside = false;
    pbts_eth_writer_wake(world->writer);
}

static inline chain *chain_new(uint64_t seed) {
    chain *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->prng = pbts_prng_seeded(seed);
    /* One world at a time; what a block or transaction holds is written before it is read. */
    static chain_block blocks[CHAIN_BLOCKS_MAX];
    static chain_tx txs[CHAIN_TXS_MAX];
    memset(&blocks[0], 0, sizeof blocks[0]);
    world->blocks = blocks;
    world->txs = txs;
    world->config = PBTS_ETH_WRITER_DEFAULT;
    world->config.chain_id = CHAIN_ID;
    world->config.depth_blocks = CHAIN_DEPTH;
    memset(world->config.contract.bytes, 0xC0, sizeof world->config.contract.bytes);
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        pbts_reputation_account *account = &world->users[i].account;
        chain_uid(account->uid_hash, i);
        chain_key(&account->public_key, i);
        account->user_no = (uint32_t)i + 1;
    }
    host_start(world);
    chain_block *genesis = &world->blocks[0];
    genesis->contract.state.owner = pbts_eth_writer_address(world->writer);
    genesis->base_fee_wei = 1000000000;
    genesis->balance_wei = pbts_u256_from_u64(UINT64_MAX);
    for (size_t i = 0; i < CHAIN_DEPTH + 1; i++) chain_mine(world);
    world->next_block_ms = CHAIN_BLOCK_MS;
    return world;
}

static inline void chain_free(chain *world) {
    pbts_eth_writer_free(world->writer);
    free(world);
}

static inline pbts_eth_view view_at(const chain *world, size_t number) {
    const chain_block *block = &world->blocks[number];
    pbts_u256 slots[PBTS_REPUTATION_FIXED_SLOTS];
    pbts_eth_view view = { .block_number = number,
                           .block_unix_s = CHAIN_START_S + number * (CHAIN_BLOCK_MS / 1000),
                           .block_hash = block->hash,
                           .nonce = block->nonce,
                           .balance_wei = block->balance_wei };
    pbts_reputation_state_pack(slots, &block->contract.state);
    assert_int_equal(pbts_reputation_state_unpack(&view.state, slots), PBTS_OK);
    return view;
}

/* ---- the store's side of an outcome ---- */

static inline bool words_equal(const pbts_reputation_word *a, const pbts_reputation_word *b) {
    return a->up_bytes == b->up_bytes && a->down_bytes == b->down_bytes &&
           a->generation == b->generation;
}

static inline void row_written(chain *world, const pbts_reputation_account *row,
                               const pbts_eth_batch *batch) {
    host_user *user = &world->users[chain_user_of(row->uid_hash)];
    if (!user->present) {
        user->present = true;
        user->registered_at = batch->sequence;
    }
    if (batch->kind == PBTS_ETH_ADOPT) return; /* with the values that the referrer has */
    user->written_at = batch->sequence;
    if (words_equal(&row->word, &user->account.word)) user->dirty = false;
}

/* The data count when they follow on what the store has; otherwise all stays dirty, and is compared
 * with the contract before the next batch. */
static inline void root_written(chain *world, const pbts_eth_batch *batch) {
    host_mirror *mirror = &world->mirror;
    pbts_eth_hash head = pbts_reputation_head_next(&mirror->head, batch->rows);
    pbts_cursor data = pbts_cursor_over(batch->rows);
    uint32_t user_no = 0;
    bool follows = mirror->is_known && mirror->sequence + 1 == batch->sequence &&
                   pbts_eth_hash_equal(&head, &batch->head);
    mirror->is_known = follows;
    if (!follows) return;
    pbts_reputation_tree *tree = tree_of(mirror->users);
    assert_int_equal(pbts_reputation_tree_apply(tree, batch->rows), PBTS_OK);
    take_tree(mirror->users, tree);
    mirror->is_broken = false;
    mirror->sequence = batch->sequence;
    mirror->head = head;
    while (pbts_reputation_data_next(&data, &user_no) == PBTS_OK)
        row_written(world, pbts_reputation_tree_find(tree, user_no, NULL), batch);
    pbts_reputation_tree_free(tree);
}

static inline void take_written(chain *world, const pbts_eth_batch *batch) {
    pbts_cursor rows = pbts_cursor_over(batch->rows);
    pbts_reputation_account row;
    world->writes++;
    world->written[batch->kind]++;
    if (batch->kind == PBTS_ETH_SEAL) {
        world->is_sealed_by_host = true;
        world->offers_seal = false;
    } else if (batch->kind == PBTS_ETH_ROOT) {
        root_written(world, batch);
    } else {
        pbts_status (*read)(pbts_cursor *, pbts_reputation_account *) =
            batch->kind == PBTS_ETH_REGISTER ? pbts_reputation_register_row_read
            : batch->kind == PBTS_ETH_ADOPT  ? pbts_reputation_adopt_row_read
                                             : pbts_reputation_write_row_read;
        while (pbts_cursor_left(&rows) > 0) {
            assert_int_equal(read(&rows, &row), PBTS_OK);
            row_written(world, &row, batch);
        }
    }
}

static inline void take_aside(chain *world, const pbts_eth_outcome *outcome) {
    host_user *user = &world->users[chain_user_of(outcome->batch->rows.data)];
    assert_int_equal(outcome->batch->rows.len, pbts_eth_batch_row_len(outcome->batch->kind));
    user->reason = outcome->revert.kind;
    if (outcome->revert.kind == PBTS_REVERT_USER_EXISTS) {
        user->present = true;
    } else if (outcome->revert.kind == PBTS_REVERT_UNKNOWN_USER) {
        user->present = false;
    } else {
        user->aside = true;
    }
}

static inline void take_rewound(chain *world, uint64_t sequence) {
    world->rewinds++;
    world->mirror.is_known = false;
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        host_user *user = &world->users[i];
        if (user->written_at > sequence) user->dirty = true;
        if (user->registered_at > sequence) user->present = false;
    }
}

static inline void host_persist(chain *world, const pbts_eth_action *action) {
    assert_true(action->record.len <= sizeof world->record);
    memcpy(world->record, action->record.data, action->record.len);
    world->record_len = action->record.len;
    switch (action->outcome.kind) {
    case PBTS_ETH_NO_OUTCOME: break;
    case PBTS_ETH_WRITTEN: take_written(world, action->outcome.batch); break;
    case PBTS_ETH_SET_ASIDE: take_aside(world, &action->outcome); break;
    case PBTS_ETH_REWOUND: take_rewound(world, action->outcome.sequence); break;
    }
}

/* ---- one action ---- */

static inline bool record_has(const chain *world, const pbts_eth_hash *hash) {
    return memmem(world->record, world->record_len, hash->bytes, sizeof hash->bytes) != NULL;
}

static inline send_result host_send(chain *world, const pbts_eth_action *action) {
    send_result best = PBTS_ETH_SEND_FAILED;
    size_t tx = chain_remember(world, action->raw);
    assert_true(pbts_eth_hash_equal(&world->txs[tx].hash, &action->raw_hash));
    assert_true(record_has(world, &action->raw_hash)); /* journal before send */
    world->sends++;
    for (size_t e = 0; e < CHAIN_ENDPOINTS; e++) {
        if (chain_chance(world, world->faults.send_down)) continue;
        send_result result = chain_chance(world, world->faults.send_lost)
                                 ? PBTS_ETH_SEND_ACCEPTED /* and forgotten */
                                 : pool_take(world, &world->pools[e], tx);
        if (result < best) best = result;
    }
    return best;
}

static inline void host_read(chain *world) {
    size_t number = world->height;
    if (chain_chance(world, world->faults.view_fails)) {
        pbts_eth_writer_failed(world->writer, world->now_ms);
        return;
    }
    if (chain_chance(world, world->faults.view_lags)) {
        size_t lag = pbts_prng_below(&world->prng, CHAIN_DEPTH);
        number -= lag < number ? lag : 0;
    }
    pbts_eth_view view = view_at(world, number);
    world->seen = world->blocks[number].contract;
    pbts_eth_network_fees fees = { world->blocks[number].base_fee_wei, 1000000 };
    pbts_eth_writer_viewed(world->writer, &view, &fees, world->now_ms);
}

static inline void host_receipts(chain *world, const pbts_eth_action *action) {
    if (chain_chance(world, world->faults.receipt_fails)) {
        pbts_eth_writer_failed(world->writer, world->now_ms);
        return;
    }
    for (size_t number = world->height; number > 0; number--) {
        const chain_block *block = &world->blocks[number];
        for (size_t i = 0; i < block->txs_len; i++) {
            for (size_t h = 0; h < action->hashes_len; h++) {
                const pbts_eth_hash *hash = &world->txs[block->txs[i]].hash;
                if (!pbts_eth_hash_equal(hash, &action->hashes[h].hash)) continue;
                pbts_eth_writer_receipt(world->writer, block->succeeded[i], world->now_ms);
                return;
            }
        }
    }
    pbts_eth_writer_no_receipt(world->writer, world->now_ms);
}

static inline void host_estimate(chain *world, const pbts_eth_action *action) {
    chain_contract copy = chain_newest(world)->contract;
    chain_revert why;
    uint64_t gas;
    if (chain_chance(world, world->faults.estimate_fails)) {
        pbts_eth_writer_failed(world->writer, world->now_ms);
    } else if (run_call(world, &copy, action->call, &gas, &why)) {
        pbts_eth_writer_estimated(world->writer, gas, world->now_ms);
    } else {
        pbts_eth_writer_reverted(world->writer, (pbts_span){ why.bytes, why.len }, world->now_ms);
    }
}

/* Where the store's accounts are not those of the view, they are read from the contract; who has
 * other values there is written again. */
static inline void follow(chain *world) {
    host_mirror *mirror = &world->mirror;
    const pbts_reputation_state *state = &world->seen.state;
    if (mirror->is_known && mirror->sequence == state->sequence &&
        pbts_eth_hash_equal(&mirror->head, &state->head))
        return;
    *mirror = (host_mirror){ .is_known = true, .sequence = state->sequence, .head = state->head };
    memcpy(mirror->users, world->seen.users, sizeof mirror->users);
    mirror->is_broken = !root_is_sound(&world->seen);
    world->repairs += mirror->is_broken;
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        host_user *user = &world->users[i];
        bool exists = user->written_at > 0 || user->dirty;
        if (exists && !words_equal(&mirror->users[i].word, &user->account.word)) user->dirty = true;
    }
}

static inline void choose_root(chain *world) {
    uint8_t bytes[CHAIN_USERS * PBTS_REPUTATION_ROOT_ENTRY_MAX], root[32];
    size_t room = pbts_eth_writer_root_len_max(world->writer);
    pbts_writer data = pbts_writer_over(bytes, room < sizeof bytes ? room : sizeof bytes);
    uint32_t previous_no = 0, rows = 0, rows_max = world->config.rows_max;
    follow(world);
    pbts_reputation_tree *tree = tree_of(world->mirror.users);
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        const host_user *user = &world->users[i];
        if (!user->dirty || (rows_max > 0 && rows == rows_max)) continue;
        pbts_status status = pbts_reputation_tree_entry(tree, &data, &user->account, previous_no);
        if (status == PBTS_NO_SPACE) break;
        assert_int_equal(status, PBTS_OK);
        previous_no = user->account.user_no;
        rows++;
    }
    if (rows == 0 && world->mirror.is_broken && pbts_reputation_tree_count(tree) > 0) {
        const pbts_reputation_account *first = pbts_reputation_tree_at(tree, 0);
        assert_int_equal(pbts_reputation_tree_entry(tree, &data, first, 0), PBTS_OK);
    }
    if (data.len > 0) {
        assert_int_equal(pbts_reputation_tree_apply(tree, pbts_writer_span(&data)), PBTS_OK);
        pbts_reputation_tree_root(tree, root);
        assert_int_equal(pbts_eth_writer_offer_root(world->writer, pbts_reputation_tree_count(tree),
                                                    root, pbts_writer_span(&data)),
                         PBTS_OK);
    }
    pbts_reputation_tree_free(tree);
}

static inline void choose_slots(chain *world) {
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        const host_user *user = &world->users[i];
        if (!user->dirty || user->aside) continue;
        pbts_eth_presence presence = user->present               ? PBTS_ETH_PRESENT
                                     : world->referrer[i].exists ? PBTS_ETH_IN_REFERRER
                                                                 : PBTS_ETH_ABSENT;
        if (!pbts_eth_writer_offer(world->writer, &user->account, presence)) break;
    }
}

static inline void host_choose(chain *world) {
    if (world->config.mode == PBTS_REPUTATION_ROOT) {
        choose_root(world);
    } else {
        choose_slots(world);
    }
    if (world->offers_seal) pbts_eth_writer_offer_seal(world->writer, &world->successor);
    pbts_eth_writer_offered(world->writer, CHAIN_START_S + world->now_ms / 1000,
                            world->counted_epoch, world->now_ms);
}

static inline void host_check(chain *world, const pbts_eth_action *action) {
    bool is_gone =
        action->block_number <= world->height &&
        !pbts_eth_hash_equal(&world->blocks[action->block_number].hash, &action->block_hash);
    if (chain_chance(world, world->faults.view_fails)) {
        pbts_eth_writer_failed(world->writer, world->now_ms);
    } else {
        pbts_eth_writer_checked(world->writer, is_gone, world->now_ms);
    }
}

static inline void do_action(chain *world, const pbts_eth_action *action) {
    pbts_eth_view view;
    switch (action->kind) {
    case PBTS_ETH_REST: break;
    case PBTS_ETH_READ: host_read(world); break;
    case PBTS_ETH_READ_DEEP:
        view = view_at(world, world->height > CHAIN_DEPTH ? world->height - CHAIN_DEPTH : 0);
        pbts_eth_writer_viewed_deep(world->writer, &view, world->now_ms);
        break;
    case PBTS_ETH_CHECK_BLOCK: host_check(world, action); break;
    case PBTS_ETH_CHOOSE: host_choose(world); break;
    case PBTS_ETH_ESTIMATE: host_estimate(world, action); break;
    case PBTS_ETH_PERSIST:
        if (chain_chance(world, world->faults.persist_fails)) {
            pbts_eth_writer_failed(world->writer, world->now_ms);
            break;
        }
        host_persist(world, action);
        /* The store has it, the writer has not heard of it. */
        if (world->crash_after == world->actions || chain_chance(world, world->faults.crash)) {
            host_crash(world);
            break;
        }
        pbts_eth_writer_persisted(world->writer, world->now_ms);
        break;
    case PBTS_ETH_SEND:
        pbts_eth_writer_sent(world->writer, host_send(world, action), world->now_ms);
        break;
    case PBTS_ETH_RECEIPTS: host_receipts(world, action); break;
    }
}

/* What happens in the world until the writer wants something again. */
static inline void pass_time(chain *world, uint64_t until_ms) {
    if (world->next_block_ms > until_ms) {
        world->now_ms = until_ms;
        return;
    }
    world->now_ms = world->next_block_ms;
    world->next_block_ms += CHAIN_BLOCK_MS;
    if (chain_chance(world, world->faults.poor)) world->balance_is_low = !world->balance_is_low;
    chain_mine(world);
    if (chain_chance(world, world->faults.reorg)) {
        chain_reorg(world, 1 + pbts_prng_below(&world->prng, CHAIN_DEPTH));
    }
    if (chain_chance(world, world->faults.deep_reorg)) {
        chain_reorg(world, 1 + pbts_prng_below(&world->prng, 8 * CHAIN_DEPTH));
    }
}

/* One action, or one rest up to the next block. Returns what it was. */
static inline pbts_eth_action_kind chain_step(chain *world) {
    pbts_eth_action action;
    pbts_eth_writer_next(world->writer, &action, world->now_ms);
    if (action.kind == PBTS_ETH_REST) {
        pass_time(world, action.until_ms);
        return PBTS_ETH_REST;
    }
    world->actions++;
    if (world->crash_before == world->actions || chain_chance(world, world->faults.crash)) {
        host_crash(world);
        return action.kind;
    }
    do_action(world, &action);
    bool is_done_already = action.kind == PBTS_ETH_PERSIST; /* it crashed in there */
    if (!is_done_already &&
        (world->crash_after == world->actions || chain_chance(world, world->faults.crash))) {
        host_crash(world);
    }
    return action.kind;
}

/* ---- what must be true in the end ---- */

static inline bool host_is_clean(const chain *world) {
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        if (world->users[i].dirty && !world->users[i].aside) return false;
    }
    pbts_eth_writer_phase phase = pbts_eth_writer_look(world->writer).phase;
    bool nothing_flies = phase == PBTS_ETH_IDLE || phase == PBTS_ETH_LOOKING;
    return nothing_flies && !world->offers_seal;
}

/* Run until all is written and stays so, as an idle writer looks only now and then; false: not in
 * this many blocks. */
static inline bool chain_settle(chain *world, size_t blocks) {
    enum { IDLE_BLOCKS = 60 };
    size_t end = world->height + blocks, clean_since = world->height;
    assert_true(end < CHAIN_BLOCKS_MAX);
    while (world->height < end) {
        (void)chain_step(world);
        if (!host_is_clean(world)) clean_since = world->height;
        if (world->height - clean_since >= IDLE_BLOCKS) return true;
    }
    return false;
}

static inline void chain_check_agreement(chain *world) {
    const chain_contract *contract = &chain_newest(world)->contract;
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        const host_user *user = &world->users[i];
        const chain_user *there = &contract->users[i];
        if (world->poison[i]) {
            assert_false(there->exists);
            continue;
        }
        assert_true(words_equal(&there->word, &user->account.word));
        assert_int_equal(there->exists, user->present);
    }
    assert_true(pbts_eth_writer_look(world->writer).sequence == contract->state.sequence);
    if (world->config.mode == PBTS_REPUTATION_ROOT) assert_true(root_is_sound(contract));
}

#endif
