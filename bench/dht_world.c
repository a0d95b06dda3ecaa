/* dht_world [NAME=NUMBER]... - the DHT on virtual time, as in the unit tests, at any size; prints
 * what it measured as one line of JSON.
 *
 *   nodes=10000   that are there at first, `liars` of a hundred among them
 *   seed=1        of everything
 *   grown=0       1: all nodes join by themselves, in a wave of `per_s` a virtual second, through
 * the addresses of DHT_BOOTSTRAPS earlier ones (liars too): hello, lookup of the own id, filling of
 * buckets. 0: tables are filled by the program, as after long per_s=200     of the wave, and of the
 * churn settle_ms=20000  of virtual time after each stage churn=0       so many nodes then leave
 * without a word, one by one, and as many new ones join dead=0        of a hundred honest ones,
 * gone without a word, all at once, before the lookups joiners=0     that come then, one every 100
 * ms, with addresses from a file rtt_ms=0      while they come; 0: 20 to 80 liars=0, manner=1  of a
 * hundred; 1 colluders who know everything, 2 inventors, 3 slanderers, 4 unregistered (see
 * dht_kit.h) lookups=1000  by honest nodes, for any ids, compared with the truth loss_ppm=0,
 * contacts=512  datagrams lost of a million; members that a node remembers
 *
 * Grown, 10,000 nodes take minutes and filled some seconds; bench/README.md. */
#include <malloc.h>
#include <sys/resource.h>

#include "../tests/unit/dht/dht_measure.h"

typedef struct {
    const char *name;
    uint64_t value;
} setting;

enum {
    NODES,
    SEED,
    GROWN,
    PER_S,
    SETTLE_MS,
    CHURN,
    DEAD,
    JOINERS,
    RTT_MS,
    LIARS,
    MANNER,
    LOOKUPS,
    LOSS_PPM,
    CONTACTS,
    SETTINGS
};

static bool read_setting(setting *settings, const char *text) {
    for (size_t i = 0; i < SETTINGS; i++) {
        size_t len = strlen(settings[i].name);
        if (strncmp(text, settings[i].name, len) != 0 || text[len] != '=') continue;
        char *end;
        unsigned long long value = strtoull(text + len + 1, &end, 10);
        if (*end != 0 || end == text + len + 1) return false;
        settings[i].value = value;
        return true;
    }
    return false;
}

/* ---- what the nodes hold, as the allocator counts it ---- */

typedef struct {
    pbts_mem mem; /* first: a pbts_mem * is one of these */
    uint64_t bytes;
} metered;

static void *metered_alloc(pbts_mem *mem, size_t len) {
    void *ptr = malloc(len);
    ((metered *)(void *)mem)->bytes += malloc_usable_size(ptr);
    return ptr;
}

static void *metered_resize(pbts_mem *mem, void *ptr, size_t new_len) {
    size_t before = malloc_usable_size(ptr);
    void *larger = realloc(ptr, new_len);
    if (larger != NULL) ((metered *)(void *)mem)->bytes += malloc_usable_size(larger) - before;
    return larger;
}

static void metered_release(pbts_mem *mem, void *ptr) {
    ((metered *)(void *)mem)->bytes -= malloc_usable_size(ptr);
    free(ptr);
}

/* ---- */

static void print_figure(const char *name, uint64_t value) {
    (void)printf("\"%s\": %llu, ", name, (unsigned long long)value);
}

static void print_result(const dht_measure_result *r) {
    print_figure("there", r->there);
    print_figure("joined", r->joined);
    print_figure("join_ms_median", r->join_ms_median);
    print_figure("join_ms_p99", r->join_ms_p99);
    print_figure("churned", r->churned);
    print_figure("churn_joined", r->churn_joined);
    print_figure("lookups", r->lookups);
    print_figure("ended", r->ended);
    print_figure("succeeded", r->succeeded);
    print_figure("found_closest", r->found_closest);
    print_figure("hits", r->hits);
    print_figure("truths", r->truths);
    print_figure("rounds_median", r->rounds_median);
    print_figure("rounds_max", r->rounds_max);
    print_figure("queries_mean", r->queries_mean);
    print_figure("lookup_ms_median", r->lookup_ms_median);
    print_figure("lookup_ms_p99", r->lookup_ms_p99);
    print_figure("lookup_datagrams", r->lookup_datagrams);
    print_figure("lookup_bytes", r->lookup_bytes);
    print_figure("start_datagrams", r->start_datagrams);
    print_figure("start_bytes", r->start_bytes);
    print_figure("contacts_mean", r->contacts_mean);
    print_figure("placed_mean", r->placed_mean);
    print_figure("late_joined", r->late_joined);
    print_figure("late_join_ms_median", r->late_join_ms_median);
    print_figure("late_join_ms_max", r->late_join_ms_max);
    print_figure("late_contacts_mean", r->late_contacts_mean);
    print_figure("late_datagrams", r->late_datagrams);
    print_figure("late_bytes", r->late_bytes);
}

static uint64_t cpu_ms(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_utime.tv_sec * 1000 + (uint64_t)usage.ru_utime.tv_usec / 1000;
}

static uint64_t peak_memory_kib(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss;
}

int main(int argc, char **argv) {
    setting settings[SETTINGS] = {
        [NODES] = { "nodes", 10000 },   [SEED] = { "seed", 1 },
        [GROWN] = { "grown", 0 },       [PER_S] = { "per_s", 200 },
        [CHURN] = { "churn", 0 },       [SETTLE_MS] = { "settle_ms", 20000 },
        [DEAD] = { "dead", 0 },         [JOINERS] = { "joiners", 0 },
        [RTT_MS] = { "rtt_ms", 0 },     [LIARS] = { "liars", 0 },
        [MANNER] = { "manner", 1 },     [LOOKUPS] = { "lookups", 1000 },
        [LOSS_PPM] = { "loss_ppm", 0 }, [CONTACTS] = { "contacts", 512 },
    };
    for (int i = 1; i < argc; i++) {
        if (read_setting(settings, argv[i])) continue;
        (void)fprintf(stderr, "dht_world: \"%s\" is no NAME=NUMBER that it knows\n", argv[i]);
        return 2;
    }
    metered meter = { { metered_alloc, metered_resize, metered_release }, 0 };
    uint64_t all = settings[NODES].value + settings[CHURN].value + settings[JOINERS].value;
    uint64_t per_s = settings[PER_S].value > 0 ? settings[PER_S].value : 1;
    dht_measure_options options = { .nodes = (uint32_t)all,
                                    .seed = settings[SEED].value,
                                    .lookups = (uint32_t)settings[LOOKUPS].value,
                                    .liars_percent = (uint32_t)settings[LIARS].value,
                                    .dead_percent = (uint32_t)settings[DEAD].value,
                                    .manner = (dht_manner)settings[MANNER].value,
                                    .loss_ppm = (uint32_t)settings[LOSS_PPM].value,
                                    .contacts_max = (uint16_t)settings[CONTACTS].value,
                                    .filled = settings[GROWN].value == 0,
                                    .newcomers = (uint32_t)settings[CHURN].value,
                                    .joiners = (uint32_t)settings[JOINERS].value,
                                    .join_rtt_us = 1000 * (uint32_t)settings[RTT_MS].value,
                                    .start_every_us = 1000000 / per_s,
                                    .settle_ms = settings[SETTLE_MS].value,
                                    .mem = &meter.mem };
    dht_measure_result result = { 0 };
    dht_world *world = dht_measure_start(&options, &result);
    uint64_t node_bytes = meter.bytes / result.there;
    uint64_t start_cpu_ms = cpu_ms();
    dht_measure_churn(world, &options, &result);
    dht_kill_share(world, options.dead_percent);
    dht_measure_joins(world, &options, &result);
    dht_measure_lookups(world, options.lookups, &result);
    (void)printf("{");
    for (size_t i = 0; i < SETTINGS; i++) print_figure(settings[i].name, settings[i].value);
    print_result(&result);
    print_figure("node_bytes", node_bytes);
    print_figure("start_cpu_ms", start_cpu_ms);
    print_figure("cpu_ms", cpu_ms());
    (void)printf("\"memory_kib\": %llu}\n", (unsigned long long)peak_memory_kib());
    dht_world_free(world);
    return 0;
}
