/* Reorganisations deeper than what was confirmed: the chain returns to batches that were given up,
 * or to ones that it had left. What the store was told to be written there must be taken back. */
#include "eth/chain_kit.h"

enum { LONG = 600 /* blocks */ };

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

static void run_to_writes(chain *world, uint64_t writes) {
    for (size_t i = 0; world->writes < writes; i++) {
        assert_true(i < 10000);
        (void)chain_step(world);
    }
}

/* The batch that is to be sent now, refused by all endpoints until it is given up. Somebody has its
 * bytes all the same. */
static size_t give_up_next_batch(chain *world) {
    size_t tx = chain_remember(world, run_to(world, PBTS_ETH_SEND).raw);
    for (size_t i = 0; i < PBTS_ETH_WRITER_REFUSED_MAX; i++) {
        run_to(world, PBTS_ETH_SEND);
        pbts_eth_writer_sent(world->writer, PBTS_ETH_SEND_REFUSED, world->now_ms);
    }
    run_to(world, PBTS_ETH_CHOOSE);
    return tx;
}

/* All blocks behind `height` were never there; these transactions are mined instead, each alone,
 * and then so many empty blocks that nobody takes the new chain for an old one. */
static void return_to(chain *world, size_t height, const size_t *txs, size_t txs_len) {
    size_t top = world->height;
    world->height = height;
    world->pools[0].len = world->pools[1].len = 0;
    for (size_t i = 0; i < txs_len; i++) {
        assert_int_equal(pool_take(world, &world->pools[0], txs[i]), PBTS_ETH_SEND_ACCEPTED);
        chain_mine(world);
        assert_int_equal(chain_newest(world)->txs_len, 1);
        assert_true(chain_newest(world)->succeeded[0]);
    }
    while (world->height <= top) chain_mine(world);
}

static size_t last_tx(const chain *world) {
    assert_true(world->txs_len > 0);
    return world->txs_len - 1;
}

static void finish(chain *world) {
    assert_true(chain_settle(world, LONG));
    chain_check_agreement(world);
    chain_free(world);
}

static void what_a_batch_wrote_is_dirty_again_when_its_abandoned_sibling_is_mined(void **state) {
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        chain *world = chain_new(1);
        host_change(world, 0, 10, 10);
        size_t height = world->height;
        size_t abandoned = give_up_next_batch(world);
        host_change(world, 0, 5, 5); /* the next batch of this number says something else */
        run_to_writes(world, 1);
        assert_true(chain_newest(world)->contract.state.sequence == 1);
        assert_false(world->users[0].dirty);
        return_to(world, height, &abandoned, 1);
        assert_true(chain_newest(world)->contract.state.sequence == 1);
        if (crashes) host_crash(world);
        while (world->rewinds == 0) (void)chain_step(world);
        assert_true(world->users[0].dirty);
        finish(world);
    }
}

/* Or whoever asks between the look and the rewind is told that all is written. */
static void it_is_not_idle_before_what_it_saw_is_dealt_with(void **state) {
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        chain *world = chain_new(7);
        size_t height = world->height;
        host_change(world, 0, 10, 10);
        assert_true(chain_settle(world, LONG));
        run_to(world, PBTS_ETH_REST);
        assert_int_equal(pbts_eth_writer_look(world->writer).phase, PBTS_ETH_IDLE);
        return_to(world, height, NULL, 0);
        if (crashes) host_crash(world);
        pbts_eth_action action = run_to(world, PBTS_ETH_PERSIST);
        assert_int_equal(action.outcome.kind, PBTS_ETH_REWOUND);
        assert_false(world->users[0].dirty);
        assert_int_equal(pbts_eth_writer_look(world->writer).phase, PBTS_ETH_LOOKING);
        finish(world);
    }
}

static void
what_came_after_a_rewind_is_dirty_again_when_the_chain_returns_to_its_old_way(void **state) {
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        chain *world = chain_new(2);
        size_t height = world->height, old_way[2];
        host_change(world, 0, 10, 10);
        size_t abandoned = give_up_next_batch(world);
        host_change(world, 0, 5, 5);
        run_to_writes(world, 1);
        old_way[0] = last_tx(world);
        host_change(world, 0, 1, 1);
        run_to_writes(world, 2);
        old_way[1] = last_tx(world);
        /* To the sibling of the first batch, where a second one writes another user. */
        return_to(world, height, &abandoned, 1);
        while (world->rewinds == 0) (void)chain_step(world);
        host_change(world, 1, 7, 7);
        run_to_writes(world, 3);
        assert_true(chain_newest(world)->contract.state.sequence == 2);
        assert_true(chain_newest(world)->contract.users[1].exists);
        /* And back: the head of two batches is known, what is in the contract is not. */
        uint64_t rewinds = world->rewinds;
        return_to(world, height, old_way, 2);
        assert_false(chain_newest(world)->contract.users[1].exists);
        if (crashes) host_crash(world);
        while (world->rewinds == rewinds) (void)chain_step(world);
        assert_true(world->users[1].dirty);
        finish(world);
    }
}

static void a_batch_that_lands_on_another_one_than_it_was_made_for_is_known(void **state) {
    (void)state;
    chain *world = chain_new(3);
    size_t height = world->height, mixed[2];
    host_change(world, 0, 10, 10);
    mixed[0] = give_up_next_batch(world);
    host_change(world, 0, 5, 5);
    run_to_writes(world, 1);
    host_change(world, 1, 1, 1);
    run_to_writes(world, 2);
    mixed[1] = last_tx(world);
    return_to(world, height, mixed, 2);
    while (world->rewinds == 0) (void)chain_step(world);
    assert_true(world->users[0].dirty);
    assert_int_not_equal(pbts_eth_writer_look(world->writer).problem, PBTS_ETH_CONFLICT);
    host_crash(world);
    finish(world);
}

/* A batch that was confirmed and reorganised away comes back on top of one that was made, and
 * confirmed, since: the contract has its old values. */
static void what_was_confirmed_since_is_dirty_again_when_an_old_batch_lands_on_it(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        chain *world = chain_new(4);
        if (i / 2 == 1) world->config.mode = PBTS_REPUTATION_ROOT;
        host_crash(world);
        host_change(world, 0, 1, 1);
        run_to_writes(world, 1);
        size_t height = world->height;
        host_change(world, 0, 10, 10);
        run_to_writes(world, 2);
        host_change(world, 0, 1, 1);
        run_to_writes(world, 3);
        size_t stray = last_tx(world);
        return_to(world, height, NULL, 0);
        while (world->rewinds == 0) (void)chain_step(world);
        host_change(world, 0, 5, 5);
        run_to_writes(world, 4);
        assert_false(world->users[0].dirty);
        assert_true(chain_newest(world)->contract.state.sequence == 2);
        assert_int_equal(pool_take(world, &world->pools[0], stray), PBTS_ETH_SEND_ACCEPTED);
        chain_mine(world);
        assert_true(chain_newest(world)->contract.state.sequence == 3);
        if (i / 2 == 1) assert_false(root_is_sound(&chain_newest(world)->contract));
        if (i % 2 == 1) host_crash(world);
        while (world->rewinds == 1) (void)chain_step(world);
        assert_true(world->users[0].dirty);
        finish(world);
    }
}

/* All endpoints refuse for longer than there are heads to remember, while the account changes; and
 * one of them has kept the first batch. */
static void a_batch_that_was_given_up_long_ago_is_still_ours(void **state) {
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        chain *world = chain_new(6);
        world->config.poll_ms = 50; /* so that few blocks pass */
        host_crash(world);
        host_change(world, 0, 1, 1);
        run_to_writes(world, 1);
        host_change(world, 0, 1, 1);
        size_t kept = give_up_next_batch(world);
        for (size_t i = 0; i < PBTS_ETH_WRITER_REFUSED_MAX * (PBTS_ETH_HEADS_MAX + 8); i++) {
            host_change(world, 0, 1, 1);
            run_to(world, PBTS_ETH_SEND);
            pbts_eth_writer_sent(world->writer, PBTS_ETH_SEND_REFUSED, world->now_ms);
        }
        if (crashes) host_crash(world);
        assert_int_equal(pool_take(world, &world->pools[0], kept), PBTS_ETH_SEND_ACCEPTED);
        chain_mine(world);
        assert_int_equal(chain_newest(world)->txs_len, 1);
        finish(world);
    }
}

static void an_idle_writer_sees_at_the_next_poll_that_its_block_is_gone(void **state) {
    (void)state;
    chain *world = chain_new(5);
    size_t height = world->height;
    host_change(world, 0, 1, 1);
    run_to_writes(world, 1);
    run_to(world, PBTS_ETH_CHECK_BLOCK);
    return_to(world, height, NULL, 0);
    uint64_t begun_ms = world->now_ms;
    while (world->rewinds == 0) (void)chain_step(world);
    assert_true(world->now_ms - begun_ms <= 2 * world->config.poll_ms);
    finish(world);
}

static void an_idle_writer_looks_again_after_25_polls_whatever_it_is_told(void **state) {
    (void)state;
    chain *world = chain_new(6);
    host_change(world, 0, 1, 1);
    run_to_writes(world, 1);
    run_to(world, PBTS_ETH_CHECK_BLOCK);
    uint64_t begun_ms = world->now_ms - world->config.poll_ms;
    size_t checks = 0;
    pbts_eth_action action;
    for (;;) {
        pbts_eth_writer_next(world->writer, &action, world->now_ms);
        if (action.kind == PBTS_ETH_READ) break;
        if (action.kind == PBTS_ETH_CHECK_BLOCK) {
            checks++;
            pbts_eth_writer_checked(world->writer, false, world->now_ms);
        } else {
            assert_int_equal(action.kind, PBTS_ETH_REST);
            pass_time(world, action.until_ms);
        }
    }
    assert_int_equal(checks, 24);
    assert_true(world->now_ms - begun_ms == 25 * world->config.poll_ms);
    finish(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_batch_wrote_is_dirty_again_when_its_abandoned_sibling_is_mined),
        cmocka_unit_test(it_is_not_idle_before_what_it_saw_is_dealt_with),
        cmocka_unit_test(
            what_came_after_a_rewind_is_dirty_again_when_the_chain_returns_to_its_old_way),
        cmocka_unit_test(a_batch_that_lands_on_another_one_than_it_was_made_for_is_known),
        cmocka_unit_test(what_was_confirmed_since_is_dirty_again_when_an_old_batch_lands_on_it),
        cmocka_unit_test(a_batch_that_was_given_up_long_ago_is_still_ours),
        cmocka_unit_test(an_idle_writer_sees_at_the_next_poll_that_its_block_is_gone),
        cmocka_unit_test(an_idle_writer_looks_again_after_25_polls_whatever_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
