/* Sessions with each other: whole transfers. */
#include "peer/swarm_kit.h"

static void one_leecher_gets_everything_from_one_seeder(void **state) {
    (void)state;
    static const uint64_t files[] = { 1000000 };
    swarm_content content = swarm_content_new(PBTS_TORRENT_V1, 32768, files, 1);
    swarm *world = swarm_new(&content, 1, false);
    swarm_node *seeder = swarm_add(world, true), *leecher = swarm_add(world, false);
    swarm_join(seeder);
    swarm_join(leecher);
    assert_true(swarm_connect(leecher, seeder));
    swarm_drain(leecher);
    swarm_drain(seeder);
    swarm_run_ms(world, 5000);
    pbts_session_stats stats = swarm_stats(leecher);
    assert_true(stats.finished);
    assert_int_equal(leecher->finished, 1);
    assert_int_equal(stats.downloaded_bytes, 1000000);
    assert_int_equal(stats.wasted_bytes, 0);
    assert_int_equal(swarm_stats(seeder).uploaded_bytes, 1000000);
    swarm_free(world);
    swarm_content_free(&content);
}

static void receipts_cover_all_that_was_served(void **state) {
    (void)state;
    static const uint64_t files[] = { 1000000 };
    swarm_content content = swarm_content_new(PBTS_TORRENT_V1, 32768, files, 1);
    swarm *world = swarm_new(&content, 1, true);
    swarm_node *seeder = swarm_add(world, true), *leecher = swarm_add(world, false);
    swarm_join(seeder);
    swarm_join(leecher);
    assert_true(swarm_connect(leecher, seeder));
    swarm_drain(leecher);
    swarm_drain(seeder);
    swarm_run_ms(world, 5000);
    assert_true(swarm_stats(leecher).finished);
    assert_int_equal(seeder->ready, 1);
    assert_true(seeder->receipts > 0);
    assert_int_equal(swarm_stats(seeder).unreceipted_bytes, 0);
    for (uint32_t i = 0; i < 31; i++) assert_true(world->credited[0][1][i]);
    swarm_free(world);
    swarm_content_free(&content);
}

/* A sender that is faster than receipts are checked stops now and then, with many on their way. */
static void many_receipts_at_once_are_no_flood(void **state) {
    (void)state;
    static const uint64_t files[] = { 256 * 16384 };
    swarm_content content = swarm_content_new(PBTS_TORRENT_V1, 16384, files, 1);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        swarm *world = swarm_new(&content, seed, true);
        swarm_node *seeder = swarm_add(world, true), *leecher = swarm_add(world, false);
        world->delay_us = (seed - 1) * 10000;
        swarm_join(seeder);
        swarm_join(leecher);
        assert_true(swarm_connect(leecher, seeder));
        swarm_drain(leecher);
        swarm_drain(seeder);
        swarm_run_ms(world, 20000);
        assert_int_equal(seeder->refused + leecher->refused, 0);
        assert_true(swarm_stats(leecher).finished);
        assert_int_equal(swarm_stats(seeder).unreceipted_bytes, 0);
        swarm_free(world);
    }
    swarm_content_free(&content);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_leecher_gets_everything_from_one_seeder),
        cmocka_unit_test(receipts_cover_all_that_was_served),
        cmocka_unit_test(many_receipts_at_once_are_no_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
