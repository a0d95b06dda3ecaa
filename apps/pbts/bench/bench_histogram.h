/* bench_histogram.h - latencies in logarithmic buckets: constant memory, 1.6 % resolution.
 *
 * Values below 64 have a bucket each; above, every power of two is cut into 64 equal parts.
 */
#ifndef PBTS_APPS_BENCH_HISTOGRAM_H
#define PBTS_APPS_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { PBTS_HISTOGRAM_PARTS = 64, PBTS_HISTOGRAM_BUCKETS = PBTS_HISTOGRAM_PARTS * 59 };

typedef struct {
    uint64_t counts[PBTS_HISTOGRAM_BUCKETS];
    uint64_t total; /* sum of counts */
    uint64_t max;   /* exact */
} pbts_histogram;

void pbts_histogram_clear(pbts_histogram *histogram);
void pbts_histogram_add(pbts_histogram *histogram, uint64_t value);
/* The largest value of the bucket that holds a rank, at most `max`; 0 when empty. The rank is in
 * parts of 100,000: 50000 is the median, 99900 is p99.9. */
uint64_t pbts_histogram_quantile(const pbts_histogram *histogram, uint32_t per_100k);

#endif
