/* 200 peers on virtual time, with churn and liars: every run ends, every byte credited was served,
 * and the same seed gives the same run. */
#include "peer/swarm_kit.h"

enum {
    PEERS = 200,
    SEEDERS = 3,
    LIARS = 18, /* the last ones; six of each manner */
    PIECES = 64,
    PIECES_FEW = 20, /* of the many with receipts: each pair proves its keys, each receipt is signed
                        and checked, some 2 ms each */
    PEERS_FEW = 40,
    PIECE_LENGTH = 32 * 1024,
    JOIN_MS = 30 * 1000,
    LONGEST_MS = 3600 * 1000,
    LEAVE = 0,
    JOIN = 1,
};

static bool is_honest(const swarm_node *node) {
    return node->manner == SWARM_HONEST;
}

static void come_or_go(swarm *world, uint32_t index, uint32_t what) {
    swarm_node *node = &world->nodes[index];
    if (what == LEAVE && node->alive) {
        swarm_leave(node);
    } else if (what == JOIN && !node->alive) {
        node->tracker_ms = world->now_us / 1000 + SWARM_ASK_TRACKER_MS;
        swarm_join(node);
        swarm_announce(node, 20);
        swarm_drain(node);
    }
}

/* Half of the leechers leave for a while, sooner or later. */
static void plan_churn(swarm *world, uint32_t index) {
    pbts_prng *prng = &world->prng;
    uint64_t joins_us = index < SEEDERS ? 0 : pbts_prng_below(prng, JOIN_MS) * UINT64_C(1000);
    swarm_plan(world, joins_us, SWARM_SCRIPT, index, JOIN);
    if (index < SEEDERS || pbts_prng_below(prng, 2) == 0) return;
    uint64_t leaves_us = joins_us + pbts_prng_below(prng, 2 * JOIN_MS) * UINT64_C(1000);
    uint64_t returns_us = leaves_us + pbts_prng_below(prng, JOIN_MS) * UINT64_C(1000);
    swarm_plan(world, leaves_us, SWARM_SCRIPT, index, LEAVE);
    swarm_plan(world, returns_us, SWARM_SCRIPT, index, JOIN);
}

/* Tickets are left out of the runs with receipts: they cost as much as a proof and change nothing
 * here. */
static swarm *make_world(const swarm_content *content, uint64_t seed, uint32_t peers,
                         bool with_receipts) {
    static const swarm_manner LIES[] = { SWARM_NO_RECEIPTS, SWARM_WRONG_BLOCKS, SWARM_STALLS };
    swarm *world = swarm_new(content, seed, with_receipts);
    world->delay_us = 50000;
    world->script = come_or_go;
    world->with_tickets = false;
    for (uint32_t i = 0; i < peers; i++) {
        /* Liars with everything, or they would have nothing to lie about. */
        bool is_liar = i >= peers - LIARS;
        swarm_node *node = swarm_add(world, i < SEEDERS || (is_liar && i % 2 == 0));
        node->up_bytes_per_s = 20000 + pbts_prng_below(&world->prng, 400000);
        node->config.connections_max = with_receipts ? 6 : 20;
        if (is_liar) node->manner = LIES[i % 3];
        plan_churn(world, i);
    }
    return world;
}

static bool all_finished(const swarm *world) {
    for (uint32_t i = 0; i < world->node_count; i++) {
        const swarm_node *node = &world->nodes[i];
        if (!is_honest(node) || node->was_seed) continue;
        if (!node->alive || !swarm_stats(node).finished) return false;
    }
    return true;
}

static void run(swarm *world) {
    while (!all_finished(world)) {
        assert_true(world->now_us < LONGEST_MS * UINT64_C(1000));
        swarm_run_ms(world, 5000);
    }
    swarm_run_ms(world, 20000); /* what is owed is settled */
}

/* What happened, in one number. */
static uint64_t digest(const swarm *world) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        const swarm_node *node = &world->nodes[i];
        sum = sum * 31 + node->finished_ms;
        sum = sum * 31 + node->blocks_sent;
        sum = sum * 31 + node->receipts * 7 + node->closed;
    }
    return sum;
}

static void report(const swarm *world, uint64_t seed) {
    uint64_t wasted = 0, closed = 0, bad = 0, receipts = 0, refused = 0, blocks = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        const swarm_node *node = &world->nodes[i];
        if (node->alive) wasted += swarm_stats(node).wasted_bytes;
        closed += node->closed;
        bad += node->bad_pieces;
        receipts += node->receipts;
        refused += node->refused;
        blocks += node->blocks_sent;
    }
    print_message("seed %llu: %llu s, %llu blocks, %llu KiB wasted, %llu bad pieces, %llu closed, "
                  "%llu receipts, %llu refused\n",
                  (unsigned long long)seed, (unsigned long long)world->now_us / 1000000,
                  (unsigned long long)blocks, (unsigned long long)wasted / 1024,
                  (unsigned long long)bad, (unsigned long long)closed, (unsigned long long)receipts,
                  (unsigned long long)refused);
}

static swarm_content make_content(uint32_t pieces) {
    const uint64_t files[] = { pieces * PIECE_LENGTH - 5000 };
    return swarm_content_new(PBTS_TORRENT_V1, PIECE_LENGTH, files, 1);
}

static void every_run_of_plain_peers_ends(void **state) {
    (void)state;
    swarm_content content = make_content(PIECES);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        swarm *world = make_world(&content, seed, PEERS, false);
        run(world);
        report(world, seed);
        swarm_free(world);
    }
    swarm_content_free(&content);
}

/* An honest sender got a receipt for what an honest receiver has of it. */
static void assert_paid(const swarm *world) {
    uint64_t served = 0, unpaid = 0;
    for (uint32_t a = 0; a < world->node_count; a++) {
        for (uint32_t b = 0; b < world->node_count; b++) {
            if (!is_honest(&world->nodes[a]) || !is_honest(&world->nodes[b])) continue;
            for (uint32_t i = 0; i < PIECES; i++) {
                served += world->served[a][b][i];
                if (!world->credited[a][b][i]) unpaid += world->served[a][b][i];
            }
        }
    }
    print_message("of %llu KiB served among honest peers %llu KiB are unpaid\n",
                  (unsigned long long)served / 1024, (unsigned long long)unpaid / 1024);
    assert_true(unpaid * 50 < served);
}

/* Who signs nothing gets a piece of each, or parts of two, until it is found out; a connection that
 * ends before, because one of both goes away, leaves it the next one. */
static void assert_cheats_cost_little(const swarm *world) {
    for (uint32_t a = 0; a < world->node_count; a++) {
        for (uint32_t b = 0; b < world->node_count; b++) {
            if (!is_honest(&world->nodes[a])) continue;
            if (world->nodes[b].manner != SWARM_NO_RECEIPTS) continue;
            uint64_t served = 0, connections = 1 + world->nodes[a].left + world->nodes[b].left;
            for (uint32_t i = 0; i < PIECES; i++) served += world->served[a][b][i];
            assert_true(served <= 2 * PIECE_LENGTH * connections);
        }
    }
}

static void run_with_receipts(uint64_t seed, uint32_t peers, uint32_t pieces) {
    swarm_content content = make_content(pieces);
    swarm *world = make_world(&content, seed, peers, true);
    run(world);
    report(world, seed);
    assert_paid(world);
    assert_cheats_cost_little(world);
    swarm_free(world);
    swarm_content_free(&content);
}

static void every_run_with_receipts_ends_and_honest_peers_are_paid(void **state) {
    (void)state;
    run_with_receipts(11, PEERS, PIECES_FEW);
    run_with_receipts(12, PEERS_FEW, PIECES);
}

static void the_same_seed_gives_the_same_run(void **state) {
    (void)state;
    swarm_content content = make_content(PIECES);
    uint64_t digests[2];
    for (int i = 0; i < 2; i++) {
        swarm *world = make_world(&content, 5, PEERS, false);
        swarm_run_ms(world, 90000);
        digests[i] = digest(world);
        swarm_free(world);
    }
    assert_true(digests[0] == digests[1]);
    swarm_content_free(&content);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_of_plain_peers_ends),
        cmocka_unit_test(every_run_with_receipts_ends_and_honest_peers_are_paid),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
