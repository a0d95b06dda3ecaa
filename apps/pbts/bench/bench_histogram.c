/* bench_histogram.c - see bench_histogram.h. */
#include "bench_histogram.h"

#include <string.h>

enum { PART_BITS = 6 };

void pbts_histogram_clear(pbts_histogram *histogram) {
    memset(histogram, 0, sizeof *histogram);
}

static unsigned bucket_of(uint64_t value) {
    if (value < PBTS_HISTOGRAM_PARTS) return (unsigned)value;
    unsigned top = 63 - (unsigned)__builtin_clzll(value);
    unsigned shift = top - PART_BITS;
    unsigned part = (unsigned)(value >> shift) & (PBTS_HISTOGRAM_PARTS - 1);
    return (shift + 1) * PBTS_HISTOGRAM_PARTS + part;
}

static uint64_t bucket_end(unsigned bucket) {
    if (bucket < PBTS_HISTOGRAM_PARTS) return bucket;
    unsigned shift = bucket / PBTS_HISTOGRAM_PARTS - 1;
    uint64_t first = (uint64_t)(PBTS_HISTOGRAM_PARTS + bucket % PBTS_HISTOGRAM_PARTS) << shift;
    return first + (((uint64_t)1 << shift) - 1);
}

void pbts_histogram_add(pbts_histogram *histogram, uint64_t value) {
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
    if (value > histogram->max) histogram->max = value;
}

uint64_t pbts_histogram_quantile(const pbts_histogram *histogram, uint32_t per_100k) {
    if (histogram->total == 0) return 0;
    uint64_t rank = (histogram->total * per_100k + 99999) / 100000;
    if (rank == 0) rank = 1;
    uint64_t seen = 0;
    unsigned bucket = 0;
    for (; bucket < PBTS_HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen >= rank) break;
    }
    uint64_t end = bucket_end(bucket);
    return end < histogram->max ? end : histogram->max;
}
