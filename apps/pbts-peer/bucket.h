/* bucket.h - a limit on bytes per second: a bucket that fills at the rate and is emptied by use. */
#ifndef PBTS_PEER_BUCKET_H
#define PBTS_PEER_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* How much may go at once after a pause: a quarter of a second, and never less than the largest
 * block that a peer may ask for, or that would never be sent. */
enum { BUCKET_BURST_MIN_BYTES = 128 * 1024, BUCKET_BURST_MS = 250 };

/* Invariant: left_bytes <= burst_bytes. */
typedef struct {
    uint64_t bytes_per_s; /* 0: no limit */
    uint64_t burst_bytes;
    uint64_t left_bytes;
    uint64_t filled_us; /* monotonic: up to when it is filled */
} bucket;

bucket bucket_new(uint64_t bytes_per_s, uint64_t now_us);
/* What may be sent now; UINT64_MAX without a limit. */
uint64_t bucket_left(bucket *b, uint64_t now_us);
void bucket_take(bucket *b, uint64_t bytes); /* at most what is left */

#endif
