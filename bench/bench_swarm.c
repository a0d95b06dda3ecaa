/* How many announces a second the swarms alone can take: no sockets, no parsing, one thread.
 *
 *     bench_swarm [peers]       default 1000000; JSON on stdout
 *
 * Every shape is filled with `peers` peers in all; then random known peers announce again with
 * want4 = 50. Also: memory a peer, the longest 16 announces in a row while a swarm of that size
 * grows (rehash pauses would show there), and how long it takes to expire all of it. Times are of
 * this thread's CPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tracker/swarm.h"

enum { WANT = 50, EXPIRE_S = 2700, BATCH = 16 };

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void infohash_of(uint8_t out[static 20], uint32_t torrent) {
    pbts_prng prng = pbts_prng_seeded(torrent);
    for (size_t i = 0; i < 20; i += 4) {
        uint32_t word = (uint32_t)pbts_prng_next(&prng);
        memcpy(out + i, &word, 4);
    }
}

static pbts_swarm_update update_of(uint32_t peer) {
    pbts_swarm_update update = { .user_no = peer + 1, .want4 = WANT, .seeder = peer % 4 == 0 };
    memcpy(update.peer_id, "-BE0001-", 8);
    memcpy(update.peer_id + 8, &peer, 4);
    update.addr = (pbts_addr){ .family = PBTS_IPV4, .port = 6881 };
    update.addr.ip[0] = 10;
    for (size_t i = 1; i < 4; i++) update.addr.ip[i] = (uint8_t)(peer >> (8 * (3 - i)));
    return update;
}

static void fail(const char *what) {
    fprintf(stderr, "bench_swarm: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static void announce(pbts_swarms *swarms, uint32_t peer, uint32_t torrents, uint64_t now_s) {
    uint8_t infohash[20], peers4[6 * WANT], peers6[18];
    pbts_swarm_result result;
    pbts_swarm_update update = update_of(peer);
    infohash_of(infohash, peer % torrents);
    if (pbts_swarms_announce(swarms, &result, peers4, peers6, infohash, &update, now_s) !=
        PBTS_OK) {
        fail("announce");
    }
}

/* Each swarm has peers / torrents peers. */
static void bench_shape(const char *name, uint32_t peers, uint32_t torrents) {
    pbts_swarms *swarms;
    const pbts_swarms_config config = { .mem = pbts_mem_system(),
                                        .seed = 1,
                                        .expire_after_s = EXPIRE_S,
                                        .peers_per_user_max = 8,
                                        .peers_max = peers };
    if (pbts_swarms_new(&swarms, &config, 0) != PBTS_OK) fail("new");
    for (uint32_t i = 0; i < torrents; i++) {
        uint8_t infohash[20];
        infohash_of(infohash, i);
        if (pbts_swarms_add(swarms, infohash, i + 1, 0) != PBTS_OK) fail("add");
    }
    double longest = 0, start = now_ns(), before = start;
    for (uint32_t i = 0; i < peers; i++) {
        announce(swarms, i, torrents, 1);
        if (i % BATCH != BATCH - 1) continue;
        double after = now_ns();
        if (after - before > longest) longest = after - before;
        before = after;
    }
    double join_ns = (now_ns() - start) / peers;
    pbts_swarms_stats stats;
    pbts_swarms_stats_read(swarms, &stats);

    const uint32_t rounds = 3000000;
    pbts_prng prng = pbts_prng_seeded(2);
    start = now_ns();
    for (uint32_t i = 0; i < rounds; i++) {
        announce(swarms, pbts_prng_below(&prng, peers), torrents, 2 + i / 100000);
    }
    double refresh_ns = (now_ns() - start) / rounds;
    /* What the loop itself costs: making the update and the infohash. */
    start = now_ns();
    volatile uint8_t sink = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        uint8_t infohash[20];
        uint32_t peer = pbts_prng_below(&prng, peers);
        pbts_swarm_update update = update_of(peer);
        infohash_of(infohash, peer % torrents);
        sink = (uint8_t)(sink + infohash[3] + update.addr.ip[3]);
    }
    double loop_ns = (now_ns() - start) / rounds;

    double longest_tick = 0;
    start = before = now_ns();
    bool more = true;
    while (more) {
        more = pbts_swarms_tick(swarms, 2 * EXPIRE_S);
        double after = now_ns();
        if (after - before > longest_tick) longest_tick = after - before;
        before = after;
    }
    double expire_ns = (now_ns() - start) / peers;
    printf("  {\"shape\": \"%s\", \"peers\": %u, \"torrents\": %u, \"join_ns\": %.0f, "
           "\"longest_16_joins_us\": %.0f, \"refresh_ns\": %.0f, \"refresh_per_s\": %.0f, "
           "\"memory_bytes\": %llu, \"bytes_per_peer\": %.1f, \"expire_ns_per_peer\": %.0f, "
           "\"longest_tick_us\": %.0f}",
           name, peers, torrents, join_ns - loop_ns, longest / 1e3, refresh_ns - loop_ns,
           1e9 / (refresh_ns - loop_ns), (unsigned long long)stats.memory_bytes,
           (double)stats.memory_bytes / peers, expire_ns, longest_tick / 1e3);
    pbts_swarms_free(swarms);
}

int main(int argc, char **argv) {
    uint32_t peers = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    if (peers < 1000 || peers > 16000000) {
        fprintf(stderr, "usage: bench_swarm [peers], 1000 to 16000000\n");
        return EXIT_FAILURE;
    }
    printf("[\n");
    bench_shape("one swarm", peers, 1);
    printf(",\n");
    bench_shape("swarms of 1000", peers, peers / 1000);
    printf(",\n");
    bench_shape("swarms of 100", peers, peers / 100);
    printf(",\n");
    bench_shape("swarms of 10", peers, peers / 10);
    printf(",\n");
    bench_shape("swarms of 1", peers, peers);
    printf("\n]\n");
    return EXIT_SUCCESS;
}
