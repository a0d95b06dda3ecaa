/* tests/unit/dht/dht_measure.h - a world of so many nodes and liars, lookups in it, and how they
 * went. For unit tests and bench/dht_world.c.
 *
 * In order: a world whose tables are filled as after long, or where everybody joins through the
 * addresses of a few earlier nodes, liars too; churn; deaths; late joiners; lookups against the
 * truth. A node that ends a stage without PBTS_DHT_JOINED is not counted as joined. */
#ifndef PBTS_TEST_DHT_MEASURE_H
#define PBTS_TEST_DHT_MEASURE_H

#include "dht_kit.h"

typedef struct {
    uint32_t nodes, lookups;
    uint64_t seed;
    uint32_t liars_percent, dead_percent; /* dead: gone without a word just before the lookups */
    dht_manner manner;
    uint32_t loss_ppm, delay_min_us, delay_max_us;
    uint16_t contacts_max;
    bool filled; /* tables as after long; or all nodes join by themselves, one after the other */
    uint64_t start_every_us, settle_ms;
    uint32_t newcomers;   /* of the nodes: away until dht_measure_churn; as many leave for them */
    uint32_t joiners;     /* of the nodes: away until dht_measure_joins */
    uint32_t join_rtt_us; /* 0: delays as ever */
    bool ipv6_alone;      /* no node has IPv4; or every tenth is at an IPv6 address */
    bool some_lack_ipv6;  /* every third of those at IPv4 addresses */
    pbts_mem *mem;        /* of the nodes; NULL: the system's */
} dht_measure_options;

typedef struct {
    uint32_t there, joined; /* of the nodes at first */
    uint32_t churned, churn_joined;
    uint32_t lookups, ended;
    uint32_t succeeded; /* half of the honest among the truly closest K, the first of them too */
    uint32_t found_closest; /* the closest honest node */
    uint64_t hits, truths;  /* honest ones of the truly closest K: found, there */
    uint32_t rounds_median, rounds_max, queries_mean;
    uint64_t join_ms_median, join_ms_p99, lookup_ms_median, lookup_ms_p99;
    uint64_t lookup_datagrams, lookup_bytes; /* while lookups ran, of everybody, per lookup */
    uint64_t start_datagrams, start_bytes;
    uint64_t contacts_mean, placed_mean;
    uint32_t late_joined; /* of the joiners; times, traffic and contacts are theirs */
    uint64_t late_join_ms_median, late_join_ms_max, late_contacts_mean;
    uint64_t late_datagrams, late_bytes; /* of everybody, per joiner, until their tables are full */
} dht_measure_result;

static inline int dht_compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static inline uint64_t dht_quantile(uint64_t *values, uint32_t count, uint32_t percent) {
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, dht_compare_u64);
    return values[(uint64_t)(count - 1) * percent / 100];
}

static inline bool dht_has_node(const pbts_dht_event *end, const pbts_dht_id *id) {
    for (uint32_t i = 0; i < end->node_count; i++) {
        if (pbts_dht_id_equal(&end->nodes[i].id, id)) return true;
    }
    return false;
}

/* Against the truth, as far as who asks can reach it. He is not in his own result. */
static inline void dht_judge(const dht_world *world, const dht_task *task,
                             dht_measure_result *result) {
    const dht_node *truth[2 * PBTS_DHT_K];
    uint32_t count = dht_closest(world, &task->target, dht_is_up, truth, 2 * PBTS_DHT_K);
    uint32_t honest = 0, found = 0, taken = 0;
    bool first_found = false;
    for (uint32_t i = 0; i < count && taken < PBTS_DHT_K; i++) {
        if (truth[i]->index == task->node) continue;
        if (world->nodes[task->node].lacks[truth[i]->addr.family == PBTS_IPV6]) continue;
        taken++;
        if (truth[i]->manner != DHT_HONEST) continue;
        bool is_there = dht_has_node(&task->end, &truth[i]->id);
        if (honest++ == 0) first_found = is_there;
        found += is_there;
    }
    result->hits += found;
    result->truths += honest;
    result->found_closest += first_found;
    result->succeeded += honest == 0 || (first_found && 2 * found >= honest);
}

static inline uint32_t dht_any_honest(dht_world *world) {
    for (;;) {
        uint32_t index = pbts_prng_below(&world->prng, world->count);
        if (dht_is_honest(&world->nodes[index])) return index;
    }
}

static inline void dht_measure_protocols(dht_world *world, const dht_measure_options *options) {
    for (uint32_t i = 0; i < world->count; i++) {
        dht_node *node = &world->nodes[i];
        if (options->ipv6_alone) {
            node->addr = dht_addr_of(PBTS_IPV6, i);
            node->lacks[0] = true;
        }
        node->lacks[1] = options->some_lack_ipv6 && node->addr.family == PBTS_IPV4 && i % 3 == 0;
    }
}

static inline dht_world *dht_measure_start(const dht_measure_options *options,
                                           dht_measure_result *result) {
    dht_world *world = dht_world_new(options->nodes, options->seed);
    world->loss_ppm = options->loss_ppm;
    if (options->delay_max_us > 0) {
        world->delay_min_us = options->delay_min_us;
        world->delay_max_us = options->delay_max_us;
    }
    if (options->contacts_max > 0) world->contacts_max = options->contacts_max;
    if (options->mem != NULL) world->mem = options->mem;
    dht_measure_protocols(world, options);
    assert(options->joiners + options->newcomers < options->nodes);
    uint32_t there = options->nodes - options->joiners - options->newcomers;
    for (uint32_t i = 0; i < there + options->newcomers; i++) {
        bool lies = pbts_prng_below(&world->prng, 100) < options->liars_percent;
        if (lies && i >= 3) world->nodes[i].manner = options->manner;
        if (world->nodes[i].manner == DHT_UNREGISTERED) {
            world->nodes[i].certificate[DHT_C_HASH] ^= 1;
        }
    }
    if (options->filled) {
        dht_start_filled(world, there);
        dht_run_ms(world, options->settle_ms);
    } else {
        dht_start_all(world, there, options->start_every_us, options->settle_ms);
    }
    uint64_t *joins = calloc(options->nodes, sizeof *joins);
    assert(joins != NULL);
    for (uint32_t i = 0; i < there; i++) {
        const dht_node *node = &world->nodes[i];
        pbts_dht_stats stats;
        pbts_dht_stats_read(node->dht, &stats);
        result->contacts_mean += stats.contacts;
        result->placed_mean += stats.placed;
        if (node->join_events == 0) continue;
        joins[result->joined++] = (node->joined_us - node->started_us) / 1000;
    }
    result->contacts_mean /= there;
    result->placed_mean /= there;
    result->there = there;
    result->join_ms_median = dht_quantile(joins, result->joined, 50);
    result->join_ms_p99 = dht_quantile(joins, result->joined, 99);
    result->start_datagrams = world->datagrams;
    result->start_bytes = world->bytes;
    free(joins);
    return world;
}

static inline void dht_kill_share(dht_world *world, uint32_t percent) {
    for (uint32_t i = 0; i < world->count; i++) {
        if (!dht_is_honest(&world->nodes[i])) continue;
        if (pbts_prng_below(&world->prng, 100) < percent) dht_stop(world, i);
    }
}

/* One after the other, a node of those that are there goes without a word, and a new one comes. */
static inline void dht_measure_churn(dht_world *world, const dht_measure_options *options,
                                     dht_measure_result *result) {
    uint32_t there = result->there;
    if (options->newcomers == 0) return;
    for (uint32_t i = there; i < there + options->newcomers; i++) {
        uint32_t leaves = pbts_prng_below(&world->prng, there);
        if (world->nodes[leaves].dht != NULL) {
            dht_stop(world, leaves);
            result->churned++;
        }
        dht_start(world, i, DHT_BOOTSTRAPS);
        dht_run_until(world, world->now_us + options->start_every_us);
    }
    dht_run_ms(world, options->settle_ms);
    for (uint32_t i = there; i < there + options->newcomers; i++) {
        result->churn_joined += world->nodes[i].join_events > 0;
    }
}

/* Who starts now has addresses from a file: any registered nodes, some of which may be dead or lie.
 */
static inline void dht_start_from_cache(dht_world *world, uint32_t index, uint32_t there) {
    dht_start(world, index, 0);
    for (uint32_t i = 0; i < DHT_BOOTSTRAPS;) {
        const dht_node *other = &world->nodes[pbts_prng_below(&world->prng, there)];
        if (other->manner == DHT_UNREGISTERED) continue;
        pbts_dht_add_bootstrap(world->nodes[index].dht, &other->addr, dht_now(world));
        i++;
    }
    dht_pump(&world->nodes[index]);
}

/* The nodes that are away start, one every 100 ms. */
static inline void dht_measure_joins(dht_world *world, const dht_measure_options *options,
                                     dht_measure_result *result) {
    uint32_t joiners = options->joiners, there = world->count - joiners;
    uint32_t delays_us[] = { world->delay_min_us, world->delay_max_us };
    uint64_t datagrams = world->datagrams, bytes = world->bytes;
    if (joiners == 0) return;
    uint64_t *times = calloc(joiners, sizeof *times);
    assert(times != NULL);
    if (options->join_rtt_us > 0) {
        world->delay_min_us = world->delay_max_us = options->join_rtt_us / 2;
    }
    for (uint32_t i = there; i < world->count; i++) {
        dht_start_from_cache(world, i, there);
        dht_run_ms(world, 100);
    }
    dht_run_ms(world, options->settle_ms);
    for (uint32_t i = there; i < world->count; i++) {
        const dht_node *node = &world->nodes[i];
        pbts_dht_stats stats;
        pbts_dht_stats_read(node->dht, &stats);
        result->late_contacts_mean += stats.contacts;
        if (node->join_events == 0) continue;
        times[result->late_joined++] = (node->joined_us - node->started_us) / 1000;
    }
    result->late_contacts_mean /= joiners;
    result->late_join_ms_median = dht_quantile(times, result->late_joined, 50);
    result->late_join_ms_max = dht_quantile(times, result->late_joined, 100);
    result->late_datagrams = (world->datagrams - datagrams) / joiners;
    result->late_bytes = (world->bytes - bytes) / joiners;
    world->delay_min_us = delays_us[0];
    world->delay_max_us = delays_us[1];
    free(times);
}

static inline void dht_measure_lookups(dht_world *world, uint32_t lookups,
                                       dht_measure_result *result) {
    uint64_t datagrams = world->datagrams, bytes = world->bytes;
    uint64_t *rounds = calloc(lookups, sizeof *rounds), *times = calloc(lookups, sizeof *times);
    assert(rounds != NULL && times != NULL);
    uint32_t first = world->task_count;
    for (uint32_t i = 0; i < lookups; i++) {
        pbts_dht_id target = dht_any_id(world);
        (void)dht_begin(world, dht_any_honest(world), DHT_TASK_FIND, &target, NULL);
        dht_run_ms(world, 20);
    }
    uint64_t latest_us = world->now_us + UINT64_C(120) * 1000000;
    for (bool all = false; !all && world->now_us < latest_us;) {
        all = true;
        for (uint32_t i = first; i < world->task_count; i++) all &= world->tasks[i].ended;
        if (!all) dht_run_ms(world, 500);
    }
    uint64_t queries = 0;
    for (uint32_t i = first; i < world->task_count; i++) {
        const dht_task *task = &world->tasks[i];
        result->lookups++;
        if (!task->ended) continue;
        rounds[result->ended] = task->end.rounds;
        times[result->ended++] = (task->ended_us - task->started_us) / 1000;
        queries += task->end.queries;
        dht_judge(world, task, result);
    }
    result->queries_mean = (uint32_t)(queries / (result->ended > 0 ? result->ended : 1));
    result->rounds_median = (uint32_t)dht_quantile(rounds, result->ended, 50);
    result->rounds_max = (uint32_t)dht_quantile(rounds, result->ended, 100);
    result->lookup_ms_median = dht_quantile(times, result->ended, 50);
    result->lookup_ms_p99 = dht_quantile(times, result->ended, 99);
    result->lookup_datagrams = (world->datagrams - datagrams) / lookups;
    result->lookup_bytes = (world->bytes - bytes) / lookups;
    free(rounds);
    free(times);
}

static inline dht_measure_result dht_measure(const dht_measure_options *options) {
    dht_measure_result result = { 0 };
    dht_world *world = dht_measure_start(options, &result);
    dht_measure_churn(world, options, &result);
    dht_kill_share(world, options->dead_percent);
    dht_measure_joins(world, options, &result);
    dht_measure_lookups(world, options->lookups, &result);
    dht_world_free(world);
    return result;
}

#endif
