/* The writer on a virtual chain where everything goes wrong by a seed, and the writer itself dies:
 * in the end the contract has what the store wants, whatever happened on the way. */
#include "eth/chain_kit.h"

enum {
    SEEDS = 1000, /* a hundred a second under the sanitizers */
    CHANGES = 12,
    SETTLE_BLOCKS = 1500,
};

static chain_faults faults_of(uint64_t seed, pbts_prng *prng) {
    uint32_t most = 1 + pbts_prng_below(prng, 20);
    chain_faults faults = {
        .view_fails = pbts_prng_below(prng, most),
        .view_lags = pbts_prng_below(prng, 2 * most),
        .send_lost = pbts_prng_below(prng, 3 * most),
        .send_down = pbts_prng_below(prng, 3 * most),
        .not_mined = pbts_prng_below(prng, 4 * most),
        .reorg = pbts_prng_below(prng, most),
        .stranger = pbts_prng_below(prng, most),
        .receipt_fails = pbts_prng_below(prng, 3 * most),
        .persist_fails = pbts_prng_below(prng, most),
        .estimate_fails = pbts_prng_below(prng, most),
        .crash = pbts_prng_below(prng, most / 2 + 1),
        .fee_jump = pbts_prng_below(prng, most),
        .poor = pbts_prng_below(prng, most / 2 + 1),
    };
    if (seed % 4 == 0) faults.deep_reorg = pbts_prng_below(prng, most / 2 + 1);
    return faults;
}

static void change_something(chain *world) {
    size_t user = pbts_prng_below(&world->prng, CHAIN_USERS);
    host_change(world, user, 1 + pbts_prng_below(&world->prng, 1000),
                pbts_prng_below(&world->prng, 1000));
}

static void live(chain *world) {
    for (size_t i = 0; i < CHANGES; i++) {
        size_t steps = pbts_prng_below(&world->prng, 60);
        change_something(world);
        for (size_t s = 0; s < steps; s++) {
            (void)chain_step(world);
            pbts_eth_writer_status status = pbts_eth_writer_look(world->writer);
            assert_int_not_equal(status.problem, PBTS_ETH_CONFLICT);
        }
    }
}

/* A successor whose users are in its referrer, all or some of them, and none in the contract. */
static void have_referrer(chain *world, pbts_prng *prng) {
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        chain_user *old = &world->referrer[i];
        old->exists = pbts_prng_below(prng, 2) == 0;
        if (!old->exists) continue;
        old->word.up_bytes = 1 + pbts_prng_below(prng, 1000);
        world->users[i].account.word = old->word;
        world->users[i].dirty = true;
    }
}

typedef struct {
    uint64_t sends, writes, rewinds, restarts, reorgs, aside, adopts, roots, repairs;
} sums;

static void run_seed(uint64_t seed, sums *totals) {
    chain *world = chain_new(seed);
    pbts_prng prng = pbts_prng_seeded(~seed);
    world->faults = faults_of(seed, &prng);
    world->config.rows_max = pbts_prng_below(&prng, 4); /* 0: no limit */
    if (seed % 3 == 0) world->poison[pbts_prng_below(&prng, CHAIN_USERS)] = true;
    world->poison_is_named = seed % 2 == 0;
    if (seed % 5 == 1) {
        world->config.mode = PBTS_REPUTATION_ROOT;
        memset(world->poison, 0, sizeof world->poison);
    }
    if (seed % 5 == 2) have_referrer(world, &prng);
    host_crash(world); /* with this configuration */
    live(world);
    world->faults = (chain_faults){ 0 };
    world->balance_is_low = false;
    if (!chain_settle(world, SETTLE_BLOCKS)) {
        pbts_eth_writer_status status = pbts_eth_writer_look(world->writer);
        fail_msg("seed %llu does not end: phase %d, problem %d", (unsigned long long)seed,
                 (int)status.phase, (int)status.problem);
    }
    chain_check_agreement(world);
    for (size_t i = 0; i < CHAIN_USERS; i++) {
        const host_user *user = &world->users[i];
        if (user->aside && !world->poison[i]) fail_msg("seed %llu", (unsigned long long)seed);
        totals->aside += user->aside;
    }
    totals->sends += world->sends;
    totals->writes += world->writes;
    totals->rewinds += world->rewinds;
    totals->restarts += world->restarts;
    totals->reorgs += world->reorgs;
    totals->repairs += world->repairs;
    totals->adopts += world->written[PBTS_ETH_ADOPT];
    totals->roots += world->written[PBTS_ETH_ROOT];
    chain_free(world);
}

static void whatever_happens_the_contract_comes_to_what_the_store_wants(void **state) {
    sums totals = { 0 };
    const char *one = getenv("PBTS_SEED");
    (void)state;
    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10), &totals);
    } else {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            if (getenv("PBTS_DEBUG")) print_message("seed %d\n", (int)seed);
            run_seed(seed, &totals);
        }
    }
    print_message("%llu sends, %llu batches, %llu rewinds, %llu restarts, %llu reorgs, %llu aside, "
                  "%llu adoptions, %llu roots, %llu roots repaired\n",
                  (unsigned long long)totals.sends, (unsigned long long)totals.writes,
                  (unsigned long long)totals.rewinds, (unsigned long long)totals.restarts,
                  (unsigned long long)totals.reorgs, (unsigned long long)totals.aside,
                  (unsigned long long)totals.adopts, (unsigned long long)totals.roots,
                  (unsigned long long)totals.repairs);
    assert_true(one != NULL || (totals.adopts > 100 && totals.roots > 100 && totals.repairs > 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_the_contract_comes_to_what_the_store_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
