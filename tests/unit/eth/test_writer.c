/* Unit tests of eth/writer*.c: one thing goes wrong at a time, on the virtual chain. */
#include "eth/chain_kit.h"
#include "receipt/faulty_mem.h"

enum { LONG = 600 /* blocks */ };

static pbts_eth_writer_status look(const chain *world) {
    return pbts_eth_writer_look(world->writer);
}

static void run_blocks(chain *world, size_t blocks) {
    size_t end = world->height + blocks;
    while (world->height < end) (void)chain_step(world);
}

/* Up to the next action of this kind, which is not done yet. */
static pbts_eth_action run_to(chain *world, pbts_eth_action_kind kind) {
    pbts_eth_action action;
    for (size_t i = 0; i < 10000; i++) {
        pbts_eth_writer_next(world->writer, &action, world->now_ms);
        if (action.kind == kind) return action;
        (void)chain_step(world);
    }
    fail();
    return action;
}

static void finish(chain *world) {
    assert_true(chain_settle(world, LONG));
    chain_check_agreement(world);
    chain_free(world);
}

/* ---- the usual way ---- */

static void accounts_are_registered_then_written_in_turn(void **state) {
    (void)state;
    chain *world = chain_new(1);
    host_change(world, 1, 10, 20);
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).kind, PBTS_ETH_REGISTER);
    host_change(world, 1, 1, 1); /* while its registration is under way */
    host_change(world, 2, 5, 5);
    while (world->writes == 0) (void)chain_step(world);
    run_to(world, PBTS_ETH_SEND); /* after a registration the write of 1 goes before that of 2 */
    assert_int_equal(look(world).kind, PBTS_ETH_WRITE);
    assert_int_equal(look(world).rows, 1);
    assert_true(look(world).sequence == 1);
    host_change(world, 1, 2, 2);
    while (world->writes == 1) (void)chain_step(world);
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).kind, PBTS_ETH_REGISTER);
    while (world->writes == 2) (void)chain_step(world);
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).kind, PBTS_ETH_WRITE);
    assert_int_equal(world->sends, 3);
    finish(world);
}

static void nothing_is_confirmed_before_it_is_deep_enough(void **state) {
    (void)state;
    chain *world = chain_new(2);
    host_change(world, 0, 1, 1);
    run_to(world, PBTS_ETH_SEND);
    (void)chain_step(world);
    run_blocks(world, 1); /* it is in this one */
    size_t mined = world->height;
    while (world->writes == 0) {
        (void)chain_step(world);
        assert_true(world->writes == 0 || world->height >= mined + CHAIN_DEPTH);
        assert_true(world->height < mined + 3 * CHAIN_DEPTH);
    }
    finish(world);
}

static void after_a_reorg_the_same_bytes_are_sent_again(void **state) {
    (void)state;
    chain *world = chain_new(3);
    host_change(world, 0, 1, 1);
    pbts_eth_hash hash = run_to(world, PBTS_ETH_SEND).raw_hash;
    while (look(world).phase != PBTS_ETH_MINED) (void)chain_step(world);
    while (chain_newest(world)->txs_len == 0) world->height--;
    world->height--; /* and the pools know nothing of it */
    pbts_eth_hash again = run_to(world, PBTS_ETH_SEND).raw_hash;
    assert_true(pbts_eth_hash_equal(&hash, &again));
    assert_true(look(world).reorgs == 1);
    finish(world);
}

static void the_same_script_ends_alike_wherever_the_writer_dies(void **state) {
    (void)state;
    uint64_t actions = 0;
    for (uint64_t at = 0; at == 0 || at <= actions; at++) {
        for (int side = 0; side < 2; side++) {
            chain *world = chain_new(4);
            if (side == 0) world->crash_before = at;
            if (side == 1) world->crash_after = at;
            host_change(world, 0, 10, 10);
            host_change(world, 1, 10, 10);
            run_blocks(world, 4);
            chain_reorg(world, 2);
            world->pools[0].len = world->pools[1].len = 0;
            host_change(world, 1, 1, 1);
            host_change(world, 2, 3, 4);
            run_blocks(world, 3);
            world->blocks[world->height].nonce++; /* a transfer by hand */
            run_blocks(world, 20);
            world->poison[3] = true;
            host_change(world, 3, 1, 1);
            assert_true(chain_settle(world, LONG));
            chain_check_agreement(world);
            assert_true(world->users[3].aside);
            assert_int_equal(world->restarts, at == 0 ? 0 : 1);
            if (at == 0) actions = world->actions - 1;
            chain_free(world);
        }
    }
    assert_true(actions > 30);
}

/* ---- fees and funds ---- */

static void fees_of_a_transaction_that_is_not_mined_rise_by_an_eighth_up_to_the_cap(void **state) {
    (void)state;
    chain *world = chain_new(5);
    host_change(world, 0, 1, 1);
    world->faults.not_mined = 100;
    run_blocks(world, 800);
    assert_true(world->txs_len > PBTS_ETH_ATTEMPTS_MAX); /* in more than one batch */
    for (size_t i = 1; i < world->txs_len; i++) {
        const pbts_eth_transaction *last = &world->txs[i - 1].fields, *next = &world->txs[i].fields;
        assert_true(next->nonce == last->nonce);
        assert_true(fee_of(&next->max_fee_wei) * 8 >= fee_of(&last->max_fee_wei) * 9);
        assert_true(fee_of(&next->max_priority_fee_wei) * 8 >=
                    fee_of(&last->max_priority_fee_wei) * 9);
        assert_true(fee_of(&next->max_fee_wei) <= PBTS_ETH_WRITER_DEFAULT.fee_cap.max_fee_wei);
    }
    assert_int_equal(look(world).problem, PBTS_ETH_FEE_CAP);
    world->faults.not_mined = 0;
    finish(world);
}

/* The chain stands still until all attempts of a batch are signed, and is dearer than any of them
 * afterwards, but not than the cap. */
static void a_batch_that_has_no_attempts_left_makes_room_for_one_that_has(void **state) {
    (void)state;
    chain *world = chain_new(5);
    host_change(world, 0, 1, 1);
    world->faults.not_mined = 100;
    while (look(world).attempts < PBTS_ETH_ATTEMPTS_MAX) run_blocks(world, 1);
    uint64_t dearest = fee_of(&world->txs[world->txs_len - 1].fields.max_fee_wei);
    assert_true(dearest < PBTS_ETH_WRITER_DEFAULT.fee_cap.max_fee_wei / 2);
    chain_newest(world)->base_fee_wei = PBTS_ETH_WRITER_DEFAULT.fee_cap.max_fee_wei / 2;
    world->faults.not_mined = 0;
    finish(world);
}

static void it_waits_while_the_network_asks_more_than_the_cap(void **state) {
    (void)state;
    chain *world = chain_new(6);
    chain_newest(world)->base_fee_wei = PBTS_ETH_WRITER_DEFAULT.fee_cap.max_fee_wei + 1;
    host_change(world, 0, 1, 1);
    run_blocks(world, 10);
    assert_int_equal(look(world).problem, PBTS_ETH_FEE_CAP);
    assert_int_equal(world->sends, 0);
    chain_newest(world)->base_fee_wei = 1;
    finish(world);
}

static void without_funds_it_waits_and_says_so(void **state) {
    (void)state;
    chain *world = chain_new(7);
    world->balance_is_low = true;
    run_blocks(world, 1);
    host_change(world, 0, 1, 1);
    run_blocks(world, 10);
    assert_int_equal(look(world).problem, PBTS_ETH_NO_FUNDS);
    assert_int_equal(look(world).phase, PBTS_ETH_IDLE);
    assert_int_equal(world->sends, 0);
    world->balance_is_low = false;
    run_blocks(world, 5);
    assert_int_equal(world->sends, 1);
    assert_int_equal(look(world).problem, PBTS_ETH_NO_PROBLEM);
    finish(world);
}

/* ---- nonces ---- */

static void a_nonce_that_another_transaction_took_is_replaced(void **state) {
    (void)state;
    chain *world = chain_new(8);
    host_change(world, 0, 1, 1);
    world->faults.not_mined = 100;
    run_to(world, PBTS_ETH_SEND);
    (void)chain_step(world);
    world->faults.stranger = 100;
    run_blocks(world, 1);
    world->faults.stranger = world->faults.not_mined = 0;
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).attempts, 2);
    run_blocks(world, 2);
    assert_true(world->txs[1].fields.nonce == world->txs[0].fields.nonce + 1);
    assert_true(chain_newest(world)->contract.state.sequence == 1);
    finish(world);
}

static void a_batch_that_reverts_on_the_chain_is_tried_with_half_of_its_rows(void **state) {
    (void)state;
    chain *world = chain_new(9);
    for (size_t i = 0; i < 4; i++) host_change(world, i, 1, 1);
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).rows, 4);
    world->poison[3] = true; /* after the estimate */
    run_blocks(world, 2);
    world->poison[3] = false;
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).rows, 2);
    finish(world);
}

/* ---- culprits ---- */

static void a_row_that_reverts_is_found_and_set_aside(void **state) {
    (void)state;
    for (int named = 0; named < 2; named++) {
        for (size_t culprit = 0; culprit < CHAIN_USERS; culprit++) {
            chain *world = chain_new(10);
            world->poison[culprit] = true;
            world->poison_is_named = named == 1;
            for (size_t i = 0; i < CHAIN_USERS; i++) host_change(world, i, i + 1, 1);
            assert_true(chain_settle(world, LONG));
            chain_check_agreement(world);
            for (size_t i = 0; i < CHAIN_USERS; i++) {
                assert_int_equal(world->users[i].aside, i == culprit);
            }
            assert_int_equal(world->users[culprit].reason,
                             named ? PBTS_REVERT_KEY_MISMATCH : PBTS_REVERT_UNKNOWN);
            chain_free(world);
        }
    }
}

static void a_user_who_is_registered_already_is_written_instead(void **state) {
    (void)state;
    chain *world = chain_new(11);
    chain_newest(world)->contract.users[2].exists = true;
    host_change(world, 2, 1, 1);
    host_change(world, 3, 1, 1);
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(world->users[2].reason, PBTS_REVERT_USER_EXISTS);
    finish(world);
}

/* ---- what stops it ---- */

static void another_writer_of_the_key_is_a_conflict(void **state) {
    (void)state;
    chain *world = chain_new(12);
    host_change(world, 0, 1, 1);
    run_to(world, PBTS_ETH_SEND);
    (void)chain_step(world);
    chain_contract *contract = &chain_newest(world)->contract;
    contract->state.sequence++;
    contract->state.head.bytes[0] ^= 1;
    run_blocks(world, 2);
    assert_int_equal(look(world).problem, PBTS_ETH_CONFLICT);
    uint64_t sends = world->sends;
    host_change(world, 1, 1, 1);
    run_blocks(world, 100);
    assert_int_equal(world->sends, sends);
    host_crash(world); /* and it is found again */
    run_blocks(world, 2);
    assert_int_equal(look(world).problem, PBTS_ETH_CONFLICT);
    assert_int_equal(world->sends, sends);
    chain_free(world);
}

/* What another one wrote after the store was filled would be overwritten with older values. */
static void it_begins_where_the_store_was_filled_from_and_nowhere_else(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        chain *world = chain_new(23);
        pbts_eth_network_fees fees = { 1, 1 };
        world->config.has_start = true;
        if (which == 0) world->config.start_head.bytes[0] = 1;
        if (which == 1) world->config.start_sequence = 1;
        host_crash(world);
        host_change(world, 0, 1, 1);
        if (which < 2) {
            run_blocks(world, 3);
        } else { /* as it should be at the first look, and not at the next */
            pbts_eth_view view = view_at(world, world->height);
            run_to(world, PBTS_ETH_READ);
            pbts_eth_writer_viewed(world->writer, &view, &fees, world->now_ms);
            assert_int_equal(look(world).problem, PBTS_ETH_NO_PROBLEM);
            run_to(world, PBTS_ETH_READ_DEEP);
            pbts_eth_writer_failed(world->writer, world->now_ms);
            for (size_t i = 0; i <= world->height; i++)
                world->blocks[i].contract.state.sequence = 1;
            run_blocks(world, 20);
        }
        assert_int_equal(look(world).problem, PBTS_ETH_CONFLICT);
        assert_int_equal(look(world).phase, PBTS_ETH_UNSTARTED);
        assert_int_equal(world->sends, 0);
        chain_free(world);
    }
    chain *world = chain_new(23);
    world->config.has_start = true;
    host_crash(world);
    host_change(world, 0, 1, 1);
    run_blocks(world, 20);
    host_crash(world); /* from then on the journal says where */
    finish(world);
}

static void a_contract_that_is_not_ours_stops_it(void **state) {
    (void)state;
    for (int which = 0; which < 2; which++) {
        chain *world = chain_new(13);
        pbts_reputation_state *contract = &chain_newest(world)->contract.state;
        if (which == 0) contract->owner.bytes[0] ^= 1;
        if (which == 1) contract->mode = PBTS_REPUTATION_ROOT;
        host_change(world, 0, 1, 1);
        run_blocks(world, 10);
        assert_int_equal(look(world).problem, which ? PBTS_ETH_OTHER_MODE : PBTS_ETH_NOT_OWNER);
        assert_int_equal(world->sends, 0);
        chain_free(world);
    }
}

static void a_sealed_contract_is_not_written_to(void **state) {
    (void)state;
    chain *world = chain_new(14);
    host_change(world, 0, 1, 1);
    run_blocks(world, 10);
    chain_newest(world)->contract.state.sealed = true;
    uint64_t sends = world->sends;
    host_change(world, 0, 1, 1);
    run_blocks(world, 100);
    assert_int_equal(look(world).problem, PBTS_ETH_SEALED);
    assert_int_equal(world->sends, sends);
    chain_free(world);
}

static void a_seal_goes_last_and_is_confirmed_like_a_batch(void **state) {
    (void)state;
    chain *world = chain_new(15);
    memset(world->successor.bytes, 0x5E, 20);
    world->offers_seal = true;
    host_change(world, 0, 1, 1);
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).kind, PBTS_ETH_REGISTER);
    run_blocks(world, 40);
    assert_true(world->is_sealed_by_host);
    assert_true(chain_newest(world)->contract.state.sealed);
    assert_memory_equal(chain_newest(world)->contract.state.successor.bytes, world->successor.bytes,
                        20);
    assert_int_equal(look(world).problem, PBTS_ETH_SEALED);
    finish(world);
}

static void an_endpoint_that_is_behind_is_not_a_reorg(void **state) {
    (void)state;
    chain *world = chain_new(16);
    host_change(world, 0, 1, 1);
    run_blocks(world, 10);
    run_to(world, PBTS_ETH_READ);
    pbts_eth_view view = view_at(world, 1);
    pbts_eth_network_fees fees = { 1, 1 };
    pbts_eth_writer_viewed(world->writer, &view, &fees, world->now_ms);
    assert_int_equal(look(world).problem, PBTS_ETH_BEHIND);
    assert_int_equal(world->rewinds, 0);
    finish(world);
}

/* ---- time ---- */

enum { HOUR = 3600, AHEAD_S = 2 * HOUR };

/* A choice of one account in a view of a block of this time. */
static void choose_at(chain *world, uint64_t block_unix_s, uint64_t unix_s,
                      uint64_t counted_epoch) {
    pbts_eth_network_fees fees = { 1, 1 };
    run_to(world, PBTS_ETH_READ);
    pbts_eth_view view = view_at(world, world->height);
    view.block_unix_s = block_unix_s;
    pbts_eth_writer_viewed(world->writer, &view, &fees, world->now_ms);
    run_to(world, PBTS_ETH_CHOOSE);
    (void)pbts_eth_writer_offer(world->writer, &world->users[0].account, PBTS_ETH_ABSENT);
    pbts_eth_writer_offered(world->writer, unix_s, counted_epoch, world->now_ms);
}

/* register(uint48 sequence, uint48 epoch, bytes). */
static uint64_t epoch_of(const pbts_eth_action *action) {
    uint64_t epoch = 0;
    for (size_t i = 0; i < 8; i++) epoch = epoch << 8 | action->call.data[4 + 2 * 32 - 8 + i];
    return epoch;
}

static chain *careful(uint64_t seed) {
    chain *world = chain_new(seed);
    world->config.clock_ahead_max_s = AHEAD_S;
    host_crash(world);
    run_blocks(world, 5); /* the start is behind it */
    return world;
}

static void a_clock_that_is_ahead_does_not_get_into_the_contract(void **state) {
    (void)state;
    const uint64_t block_s = 1000 * HOUR + 7, year_s = 365 * 24 * HOUR;
    static const struct {
        uint64_t ahead_s, counted_epoch, epoch;
    } CASES[] = { { 0, 0, 1000 },
                  { 0, 990, 1000 },
                  { HOUR, 0, 1001 },
                  { AHEAD_S, 0, 1002 },
                  { 365 * 24 * HOUR, 0, 1002 },
                  { UINT64_MAX / 2, 1000, 1002 },
                  { 0, 1002, 1002 } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        chain *world = careful(30 + i);
        choose_at(world, block_s, block_s + CASES[i].ahead_s, CASES[i].counted_epoch);
        pbts_eth_action action = run_to(world, PBTS_ETH_ESTIMATE);
        assert_int_equal(epoch_of(&action), CASES[i].epoch);
        assert_int_equal(look(world).problem, PBTS_ETH_NO_PROBLEM);
        chain_free(world);
    }
    chain *anywhere = chain_new(40); /* on a chain that stands still */
    choose_at(anywhere, block_s, block_s + year_s, 0);
    pbts_eth_action action = run_to(anywhere, PBTS_ETH_ESTIMATE);
    assert_int_equal(epoch_of(&action), (block_s + year_s) / HOUR);
    chain_free(anywhere);
}

static void what_counted_ahead_of_time_waits_for_its_time(void **state) {
    (void)state;
    chain *world = careful(41);
    host_change(world, 0, 1, 1);
    world->counted_epoch = (CHAIN_START_S + AHEAD_S) / HOUR + 1;
    run_to(world, PBTS_ETH_CHOOSE);
    (void)chain_step(world);
    assert_int_equal(look(world).problem, PBTS_ETH_CLOCK);
    uint64_t sends = world->sends;
    for (uint64_t i = 0; i < 20; i++) { /* in all that it does meanwhile */
        (void)chain_step(world);
        assert_int_equal(look(world).problem, PBTS_ETH_CLOCK);
    }
    assert_true(world->sends == sends);
    while (view_at(world, world->height).block_unix_s < CHAIN_START_S + HOUR)
        (void)chain_step(world);
    run_to(world, PBTS_ETH_SEND);
    assert_int_equal(look(world).problem, PBTS_ETH_NO_PROBLEM);
    finish(world);
}

static void a_block_that_is_old_by_the_clock_is_told_from_silence(void **state) {
    (void)state;
    chain *world = chain_new(42);
    host_change(world, 0, 1, 1);
    run_to(world, PBTS_ETH_READ);
    pbts_eth_writer_failed(world->writer, world->now_ms);
    assert_int_equal(look(world).problem, PBTS_ETH_NO_ANSWER);
    run_to(world, PBTS_ETH_READ);
    pbts_eth_writer_viewed_old(world->writer, world->now_ms);
    assert_int_equal(look(world).problem, PBTS_ETH_OLD_BLOCK);
    finish(world);
}

/* ---- limits ---- */

static size_t offer_many(chain *world, pbts_eth_presence presence, size_t count) {
    pbts_reputation_account account = { 0 };
    size_t wanted = 0;
    run_to(world, PBTS_ETH_CHOOSE);
    for (size_t i = 0; i < count; i++) {
        memcpy(account.uid_hash, &i, sizeof i);
        wanted++;
        if (!pbts_eth_writer_offer(world->writer, &account, presence)) break;
    }
    pbts_eth_writer_offered(world->writer, 3600, 0, world->now_ms);
    return wanted;
}

static void a_batch_has_as_many_rows_as_nodes_take_and_no_more(void **state) {
    (void)state;
    static const struct {
        pbts_eth_presence presence;
        size_t rows, row_len;
        uint64_t gas_per_row;
    } CASES[] = { { PBTS_ETH_PRESENT, 2016, 64, 5500 },
                  { PBTS_ETH_ABSENT, 277, 164, 50000 },
                  { PBTS_ETH_IN_REFERRER, 251, 132, 55000 } };
    for (size_t i = 0; i < 3; i++) {
        chain *world = chain_new(17);
        host_change(world, 0, 1, 1);
        (void)offer_many(world, CASES[i].presence, 3000);
        pbts_eth_action action = run_to(world, PBTS_ETH_ESTIMATE);
        size_t payload = CASES[i].rows * CASES[i].row_len;
        assert_int_equal(action.call.len, 4 + 4 * 32 + (payload + 31) / 32 * 32);
        pbts_eth_writer_estimated(world->writer, CASES[i].rows * CASES[i].gas_per_row,
                                  world->now_ms);
        action = run_to(world, PBTS_ETH_PERSIST);
        assert_true(action.record.len <= PBTS_ETH_JOURNAL_LEN_MAX);
        pbts_eth_writer_persisted(world->writer, world->now_ms);
        action = run_to(world, PBTS_ETH_SEND);
        assert_true(action.raw.len <= PBTS_ETH_TRANSACTION_LEN_MAX);
        pbts_eth_transaction transaction;
        pbts_eth_address sender;
        assert_int_equal(pbts_eth_transaction_decode(&transaction, &sender, action.raw), PBTS_OK);
        assert_true(transaction.gas_limit <= PBTS_ETH_TRANSACTION_GAS_MAX);
        assert_true(transaction.gas_limit >= CASES[i].rows * CASES[i].gas_per_row);
        chain_free(world);
    }
}

static void a_batch_that_takes_too_much_gas_is_cut(void **state) {
    (void)state;
    chain *world = chain_new(18);
    host_change(world, 0, 1, 1);
    (void)offer_many(world, PBTS_ETH_PRESENT, 2016);
    size_t rows = 2016;
    for (uint64_t gas = 0;;) {
        pbts_eth_action action;
        pbts_eth_writer_next(world->writer, &action, world->now_ms);
        if (action.kind != PBTS_ETH_ESTIMATE) break;
        rows = (action.call.len - 132) / 64;
        gas = rows * UINT64_C(24500);
        pbts_eth_writer_estimated(world->writer, gas, world->now_ms);
    }
    assert_true(rows * UINT64_C(24500) <= PBTS_ETH_TRANSACTION_GAS_MAX);
    assert_true(rows > 500);
    chain_free(world);
}

/* Somebody names more gas than there is: fewer rows at a time, but all of them, each paid for as
 * what it may cost. */
static void an_estimate_that_is_a_lie_keeps_nobody_out_of_the_contract(void **state) {
    (void)state;
    static const struct {
        pbts_eth_presence presence;
        size_t offered, rows, row_len;
    } CASES[] = { { PBTS_ETH_PRESENT, 2016, 593, 64 }, { PBTS_ETH_PRESENT, 594, 593, 64 },
                  { PBTS_ETH_PRESENT, 593, 593, 64 },  { PBTS_ETH_PRESENT, 1, 1, 64 },
                  { PBTS_ETH_ABSENT, 277, 277, 164 },  { PBTS_ETH_IN_REFERRER, 251, 251, 132 } };
    static const uint64_t LIES[] = { PBTS_ETH_TRANSACTION_GAS_MAX, UINT64_MAX };
    for (size_t i = 0; i < 2 * sizeof CASES / sizeof CASES[0]; i++) {
        chain *world = chain_new(22);
        host_change(world, 0, 1, 1);
        (void)offer_many(world, CASES[i / 2].presence, CASES[i / 2].offered);
        pbts_eth_action action = run_to(world, PBTS_ETH_ESTIMATE);
        for (int asked = 0; action.kind == PBTS_ETH_ESTIMATE; asked++) {
            assert_true(asked < 16);
            pbts_eth_writer_estimated(world->writer, LIES[i % 2], world->now_ms);
            pbts_eth_writer_next(world->writer, &action, world->now_ms);
        }
        assert_int_equal(action.kind, PBTS_ETH_PERSIST);
        assert_int_equal(action.outcome.kind, PBTS_ETH_NO_OUTCOME); /* nobody is set aside */
        pbts_eth_writer_persisted(world->writer, world->now_ms);
        action = run_to(world, PBTS_ETH_SEND);
        pbts_eth_transaction transaction;
        pbts_eth_address sender;
        assert_int_equal(pbts_eth_transaction_decode(&transaction, &sender, action.raw), PBTS_OK);
        size_t payload = CASES[i / 2].rows * CASES[i / 2].row_len;
        assert_int_equal(transaction.data.len, 4 + 4 * 32 + (payload + 31) / 32 * 32);
        assert_true(transaction.gas_limit <= PBTS_ETH_TRANSACTION_GAS_MAX);
        assert_true(transaction.gas_limit >= 150000 + 28000 * CASES[i / 2].rows);
        chain_free(world);
    }
}

static void a_batch_has_no_more_rows_than_configured(void **state) {
    (void)state;
    chain *world = chain_new(19);
    world->config.rows_max = 3;
    host_crash(world);
    for (size_t i = 0; i < 7; i++) host_change(world, i, 1, 1);
    for (size_t i = 0; i < 40; i++) {
        run_blocks(world, 1);
        assert_true(look(world).rows <= 3);
    }
    assert_int_equal(world->writes, 3);
    finish(world);
}

static void root_data_are_taken_up_to_the_limit(void **state) {
    (void)state;
    static uint8_t data[PBTS_ETH_BATCH_LEN_MAX + 1];
    uint8_t root[32] = { 9 };
    chain *world = chain_new(20);
    world->config.mode = PBTS_REPUTATION_ROOT;
    host_crash(world);
    run_to(world, PBTS_ETH_CHOOSE);
    assert_int_equal(pbts_eth_writer_root_len_max(world->writer), PBTS_ETH_BATCH_LEN_MAX);
    assert_int_equal(pbts_eth_writer_offer_root(world->writer, 7, root, PBTS_SPAN_OF(data)),
                     PBTS_LIMIT);
    assert_int_equal(pbts_eth_writer_offer_root(world->writer, 7, root, (pbts_span){ 0 }),
                     PBTS_LIMIT);
    assert_int_equal(pbts_eth_writer_offer_root(world->writer, 7, root,
                                                (pbts_span){ data, PBTS_ETH_BATCH_LEN_MAX }),
                     PBTS_OK);
    pbts_eth_writer_offered(world->writer, 3600, 0, world->now_ms);
    pbts_eth_action action = run_to(world, PBTS_ETH_ESTIMATE);
    assert_int_equal(action.call.len, 4 + 6 * 32 + PBTS_ETH_BATCH_LEN_MAX);
    assert_int_equal(action.call.data[4 + 4 * 32 - 32], 9);
    chain_free(world);
}

/* ---- the journal at the start ---- */

static void a_record_of_another_place_or_a_damaged_one_is_refused(void **state) {
    (void)state;
    chain *world = chain_new(21);
    pbts_eth_writer *writer;
    host_change(world, 0, 1, 1);
    run_to(world, PBTS_ETH_SEND);
    pbts_span record = { world->record, world->record_len };
    for (int which = 0; which < 4; which++) {
        pbts_eth_writer_config config = world->config;
        pbts_secp256k1_secret secret = chain_secret();
        if (which == 0) config.chain_id++;
        if (which == 1) config.contract.bytes[0] ^= 1;
        if (which == 2) secret.bytes[0] ^= 1;
        if (which == 3) world->record[world->record_len - 1] ^= 1;
        assert_int_equal(pbts_eth_writer_new(&writer, &config, pbts_mem_system(), chain_signer(),
                                             &secret, record),
                         which < 3 ? PBTS_DENIED : PBTS_CORRUPT);
    }
    chain_free(world);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    pbts_secp256k1_secret secret = chain_secret();
    pbts_status status = PBTS_NO_MEMORY;
    for (size_t n = 0; status != PBTS_OK; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_eth_writer *writer = NULL;
        status = pbts_eth_writer_new(&writer, &PBTS_ETH_WRITER_DEFAULT, &mem.mem, chain_signer(),
                                     &secret, (pbts_span){ 0 });
        assert_true(status == PBTS_OK || (status == PBTS_NO_MEMORY && n < 20));
        pbts_eth_writer_free(writer);
        assert_int_equal(mem.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_are_registered_then_written_in_turn),
        cmocka_unit_test(nothing_is_confirmed_before_it_is_deep_enough),
        cmocka_unit_test(after_a_reorg_the_same_bytes_are_sent_again),
        cmocka_unit_test(the_same_script_ends_alike_wherever_the_writer_dies),
        cmocka_unit_test(fees_of_a_transaction_that_is_not_mined_rise_by_an_eighth_up_to_the_cap),
        cmocka_unit_test(a_batch_that_has_no_attempts_left_makes_room_for_one_that_has),
        cmocka_unit_test(it_waits_while_the_network_asks_more_than_the_cap),
        cmocka_unit_test(without_funds_it_waits_and_says_so),
        cmocka_unit_test(a_nonce_that_another_transaction_took_is_replaced),
        cmocka_unit_test(a_batch_that_reverts_on_the_chain_is_tried_with_half_of_its_rows),
        cmocka_unit_test(a_row_that_reverts_is_found_and_set_aside),
        cmocka_unit_test(a_user_who_is_registered_already_is_written_instead),
        cmocka_unit_test(another_writer_of_the_key_is_a_conflict),
        cmocka_unit_test(it_begins_where_the_store_was_filled_from_and_nowhere_else),
        cmocka_unit_test(a_contract_that_is_not_ours_stops_it),
        cmocka_unit_test(a_sealed_contract_is_not_written_to),
        cmocka_unit_test(a_seal_goes_last_and_is_confirmed_like_a_batch),
        cmocka_unit_test(an_endpoint_that_is_behind_is_not_a_reorg),
        cmocka_unit_test(a_clock_that_is_ahead_does_not_get_into_the_contract),
        cmocka_unit_test(what_counted_ahead_of_time_waits_for_its_time),
        cmocka_unit_test(a_block_that_is_old_by_the_clock_is_told_from_silence),
        cmocka_unit_test(a_batch_has_as_many_rows_as_nodes_take_and_no_more),
        cmocka_unit_test(a_batch_that_takes_too_much_gas_is_cut),
        cmocka_unit_test(an_estimate_that_is_a_lie_keeps_nobody_out_of_the_contract),
        cmocka_unit_test(a_batch_has_no_more_rows_than_configured),
        cmocka_unit_test(root_data_are_taken_up_to_the_limit),
        cmocka_unit_test(a_record_of_another_place_or_a_damaged_one_is_refused),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
