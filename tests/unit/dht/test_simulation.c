/* Hundreds of real nodes on virtual time: lookups against the truth, with loss, churn and liars;
 * what is announced is found. Ten thousand are in tests/e2e/dht_world.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dht/dht_measure.h"

enum { NODES = 400, NODES_JOINING = 60, LOOKUPS = 60 };

static dht_measure_options options_of(uint64_t seed) {
    return (dht_measure_options){
        .nodes = NODES, .lookups = LOOKUPS, .seed = seed, .filled = true, .settle_ms = 10
    };
}

static dht_measure_options joining(uint64_t seed) {
    return (dht_measure_options){ .nodes = NODES_JOINING,
                                  .lookups = LOOKUPS,
                                  .seed = seed,
                                  .start_every_us = 20000,
                                  .settle_ms = 20000 };
}

static void report(const char *what, const dht_measure_result *r) {
    print_message("%s: %u of %u lookups, %llu of %llu nodes, %u rounds, %u queries, %llu ms\n",
                  what, r->succeeded, r->lookups, (unsigned long long)r->hits,
                  (unsigned long long)r->truths, r->rounds_median, r->queries_mean,
                  (unsigned long long)r->lookup_ms_median);
}

static void lookups_find_exactly_the_closest(void **state) {
    (void)state;
    dht_measure_options options = joining(1);
    dht_measure_result r = dht_measure(&options);
    report("quiet", &r);
    assert_int_equal(r.joined, NODES_JOINING);
    assert_int_equal(r.ended, LOOKUPS);
    assert_int_equal(r.succeeded, LOOKUPS);
    assert_true(r.hits * 1000 >= r.truths * 995);
    assert_true(r.rounds_median <= 6);
    assert_true(r.join_ms_median < 2000);
}

static void members_at_ipv6_addresses_alone_find_one_another(void **state) {
    (void)state;
    dht_measure_options options = joining(3);
    options.ipv6_alone = true;
    dht_measure_result r = dht_measure(&options);
    report("IPv6 alone", &r);
    assert_int_equal(r.joined, NODES_JOINING);
    assert_int_equal(r.succeeded, LOOKUPS);
    assert_true(r.hits * 1000 >= r.truths * 995);
}

/* A third of those at IPv4 addresses have no IPv6, and pass over every tenth name. */
static void who_lacks_a_protocol_finds_all_that_he_can_reach(void **state) {
    (void)state;
    dht_measure_options options = joining(4);
    options.some_lack_ipv6 = true;
    dht_measure_result r = dht_measure(&options);
    report("some without IPv6", &r);
    assert_int_equal(r.joined, NODES_JOINING);
    assert_int_equal(r.succeeded, LOOKUPS);
    assert_true(r.hits * 1000 >= r.truths * 970);
}

static void lookups_survive_loss_and_dead_nodes(void **state) {
    (void)state;
    dht_measure_options options = options_of(2);
    options.loss_ppm = 30000;
    options.dead_percent = 30;
    dht_measure_result r = dht_measure(&options);
    report("3 % loss, 30 % dead", &r);
    assert_int_equal(r.ended, LOOKUPS);
    assert_true(r.succeeded * 100 >= LOOKUPS * 95);
    assert_true(r.hits * 100 >= r.truths * 90);
}

static void liars_do_not_lead_lookups_astray(void **state) {
    (void)state;
    static const struct {
        const char *what;
        dht_manner manner;
        uint32_t liars, dead, percent;
    } CASES[] = {
        { "20 % colluders", DHT_COLLUDER, 20, 0, 99 },
        { "20 % colluders, 30 % dead", DHT_COLLUDER, 20, 30, 98 },
        { "50 % colluders", DHT_COLLUDER, 50, 0, 95 },
        { "20 % inventors", DHT_INVENTOR, 20, 0, 99 },
        { "20 % slanderers", DHT_SLANDERER, 20, 0, 99 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        dht_measure_options options = options_of(10 + i);
        options.manner = CASES[i].manner;
        options.liars_percent = CASES[i].liars;
        options.dead_percent = CASES[i].dead;
        dht_measure_result r = dht_measure(&options);
        report(CASES[i].what, &r);
        assert_int_equal(r.ended, LOOKUPS);
        assert_true(r.succeeded * 100 >= LOOKUPS * CASES[i].percent);
    }
}

/* Of tables whose places go to whoever answers first, a bucket now and then would be liars' alone.
 */
static void who_joins_among_liars_has_others_in_his_table(void **state) {
    (void)state;
    dht_measure_options options = joining(50);
    dht_measure_result result = { 0 };
    options.nodes = 150;
    options.manner = DHT_COLLUDER;
    options.liars_percent = 40;
    options.start_every_us = 3000;
    dht_world *world = dht_measure_start(&options, &result);
    for (uint32_t i = 0; i < world->count; i++) {
        const dht_node *node = &world->nodes[i];
        if (!dht_is_honest(node)) continue;
        const pbts_dht_table *table = &node->dht->table;
        assert_int_equal(node->join_events, 1);
        for (unsigned b = 0; b < 2; b++) {
            unsigned liars = 0;
            for (unsigned j = 0; j < table->buckets[b].count; j++) {
                const pbts_addr *addr = &table->contacts[table->buckets[b].contacts[j]].addr;
                liars += dht_is_liar(dht_at(world, addr));
            }
            assert_true(liars + 2 <= table->buckets[b].count);
        }
    }
    dht_measure_lookups(world, LOOKUPS, &result);
    report("40 % colluders, met while joining", &result);
    assert_true(result.succeeded * 100 >= LOOKUPS * 98);
    dht_world_free(world);
}

static void who_is_not_registered_has_no_effect(void **state) {
    (void)state;
    dht_measure_options options = joining(20);
    dht_measure_result result = { 0 };
    options.manner = DHT_UNREGISTERED;
    options.liars_percent = 50;
    dht_world *world = dht_measure_start(&options, &result);
    for (uint32_t i = 0; i < world->count; i++) {
        pbts_dht_node known[PBTS_DHT_K];
        if (world->nodes[i].manner != DHT_HONEST) {
            assert_int_equal(world->nodes[i].join_events, 0);
            continue;
        }
        assert_int_equal(world->nodes[i].join_events, 1);
        size_t count =
            pbts_dht_closest(world->nodes[i].dht, &world->nodes[i].id, known, PBTS_DHT_K);
        assert_true(count > 0);
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(dht_at(world, &known[j].addr)->manner, DHT_HONEST);
        }
    }
    dht_measure_lookups(world, LOOKUPS, &result);
    report("50 % unregistered", &result);
    assert_int_equal(result.succeeded, LOOKUPS);
    assert_true(world->certificates_refused > 0);
    dht_world_free(world);
}

static void what_is_announced_is_found_by_others(void **state) {
    (void)state;
    enum { PEERS = 10 };
    dht_measure_options options = options_of(30);
    dht_measure_result result = { 0 };
    options.manner = DHT_COLLUDER;
    options.liars_percent = 20;
    dht_world *world = dht_measure_start(&options, &result);
    pbts_dht_id key = dht_any_id(world);
    uint32_t announcers[PEERS];
    for (uint32_t i = 0; i < PEERS; i++) {
        announcers[i] = 10 + 7 * i;
        while (!dht_is_honest(&world->nodes[announcers[i]])) announcers[i]++;
        pbts_dht_record record = dht_record_of(&world->nodes[announcers[i]], &key, 1);
        (void)dht_begin(world, announcers[i], DHT_TASK_ANNOUNCE, &key, &record);
        dht_run_ms(world, 100);
    }
    dht_run_ms(world, 10000);
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < PEERS; i++) {
        assert_true(world->tasks[i].ended);
        assert_true(world->tasks[i].end.stored >= PBTS_DHT_K / 2);
        distinct += i == 0 || announcers[i] != announcers[i - 1];
    }
    for (uint32_t i = 0; i < 8; i++) {
        dht_task *get = dht_begin(world, dht_any_honest(world), DHT_TASK_GET, &key, NULL);
        dht_run_ms(world, 10000);
        assert_true(get->ended);
        assert_int_equal(get->records, get->end.records);
        assert_true(get->records * 10 >= distinct * 9);
    }
    /* Stopped: whoever asks from then on is not told. */
    for (uint32_t i = 0; i < PEERS; i++) {
        pbts_dht_record record = dht_record_of(&world->nodes[announcers[i]], &key, 2);
        record.stopped = i > 0;
        (void)dht_begin(world, announcers[i], DHT_TASK_ANNOUNCE, &key, &record);
        dht_run_ms(world, 1000);
    }
    dht_run_ms(world, 10000);
    dht_task *get = dht_begin(world, dht_any_honest(world), DHT_TASK_GET, &key, NULL);
    dht_run_ms(world, 10000);
    assert_true(get->ended);
    assert_in_range(get->records, 1, 2); /* its own node may have missed one's last word */
    dht_world_free(world);
}

/* How many liars are among the nodes closest to a key. */
static uint32_t liars_around(const dht_world *world, const pbts_dht_id *key) {
    const dht_node *closest[PBTS_DHT_K];
    uint32_t count = dht_closest(world, key, dht_is_up, closest, PBTS_DHT_K), liars = 0;
    for (uint32_t i = 0; i < count; i++) liars += dht_is_liar(closest[i]);
    return liars;
}

/* Nobody can choose his place, but of many keys liars can choose the one that chance put most of
 * them around: they keep nothing there and name one another, and still it is found by all. */
static void one_key_that_most_liars_surround_is_not_eclipsed(void **state) {
    (void)state;
    enum { KEYS = 5000, ASKERS = 20 };
    dht_measure_options options = options_of(31);
    dht_measure_result result = { 0 };
    options.manner = DHT_COLLUDER;
    options.liars_percent = 30;
    dht_world *world = dht_measure_start(&options, &result);
    pbts_dht_id key = dht_any_id(world);
    for (uint32_t i = 0; i < KEYS; i++) {
        pbts_dht_id other = dht_any_id(world);
        if (liars_around(world, &other) > liars_around(world, &key)) key = other;
    }
    assert_in_range(liars_around(world, &key), PBTS_DHT_K / 2, PBTS_DHT_K - 1);
    uint32_t announcer = dht_any_honest(world);
    pbts_dht_record record = dht_record_of(&world->nodes[announcer], &key, 1);
    dht_task *announce = dht_begin(world, announcer, DHT_TASK_ANNOUNCE, &key, &record);
    dht_run_ms(world, 10000);
    assert_true(announce->ended);
    for (uint32_t i = 0; i < ASKERS; i++) {
        dht_task *get = dht_begin(world, dht_any_honest(world), DHT_TASK_GET, &key, NULL);
        dht_run_ms(world, 10000);
        assert_true(get->ended);
        assert_int_equal(get->records, 1);
    }
    dht_world_free(world);
}

static void come_and_go(dht_world *world, uint32_t index, uint32_t what) {
    if (what == 0 && world->nodes[index].dht != NULL) dht_stop(world, index);
    if (what == 1 && world->nodes[index].dht == NULL) dht_start(world, index, 3);
}

static void the_table_follows_those_who_come_and_go(void **state) {
    (void)state;
    dht_measure_options options = joining(40);
    dht_measure_result result = { 0 };
    dht_world *world = dht_measure_start(&options, &result);
    world->script = come_and_go;
    /* In half an hour everybody leaves once, for five minutes. */
    for (uint32_t i = 0; i < world->count; i++) {
        uint64_t leaves_us = pbts_prng_below(&world->prng, 1800) * UINT64_C(1000000);
        dht_plan_script(world, leaves_us, i, 0);
        dht_plan_script(world, leaves_us + UINT64_C(300) * 1000000, i, 1);
    }
    dht_run_ms(world, 1800 * 1000);
    dht_measure_lookups(world, LOOKUPS, &result);
    report("churn", &result);
    assert_int_equal(result.succeeded, LOOKUPS);
    assert_true(result.hits * 100 >= result.truths * 97);
    dht_world_free(world);
}

static uint64_t digest_of(uint64_t seed) {
    dht_measure_options options = joining(seed);
    options.nodes = 30;
    options.loss_ppm = 20000;
    dht_measure_result r = dht_measure(&options);
    return r.hits * 31 + r.lookup_datagrams * 1009 + r.lookup_bytes * 7 + r.start_bytes;
}

static void the_same_seed_gives_the_same_run(void **state) {
    (void)state;
    assert_true(digest_of(5) == digest_of(5));
    assert_true(digest_of(5) != digest_of(6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_find_exactly_the_closest),
        cmocka_unit_test(members_at_ipv6_addresses_alone_find_one_another),
        cmocka_unit_test(who_lacks_a_protocol_finds_all_that_he_can_reach),
        cmocka_unit_test(lookups_survive_loss_and_dead_nodes),
        cmocka_unit_test(liars_do_not_lead_lookups_astray),
        cmocka_unit_test(who_joins_among_liars_has_others_in_his_table),
        cmocka_unit_test(who_is_not_registered_has_no_effect),
        cmocka_unit_test(what_is_announced_is_found_by_others),
        cmocka_unit_test(one_key_that_most_liars_surround_is_not_eclipsed),
        cmocka_unit_test(the_table_follows_those_who_come_and_go),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
