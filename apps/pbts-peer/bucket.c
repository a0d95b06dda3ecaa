#include "bucket.h"

bucket bucket_new(uint64_t bytes_per_s, uint64_t now_us) {
    bucket b = { .bytes_per_s = bytes_per_s, .filled_us = now_us };
    b.burst_bytes = bytes_per_s / (1000 / BUCKET_BURST_MS);
    if (b.burst_bytes < BUCKET_BURST_MIN_BYTES) b.burst_bytes = BUCKET_BURST_MIN_BYTES;
    return b;
}

uint64_t bucket_left(bucket *b, uint64_t now_us) {
    if (b->bytes_per_s == 0) return UINT64_MAX;
    uint64_t spent_us = now_us - b->filled_us;
    uint64_t full_us = b->burst_bytes * 1000000 / b->bytes_per_s + 1;
    if (spent_us >= full_us) {
        b->left_bytes = b->burst_bytes;
        b->filled_us = now_us;
        return b->left_bytes;
    }
    /* Whole bytes only; the time of the rest stays for the next call, rounded against us. */
    uint64_t bytes = spent_us * b->bytes_per_s / 1000000;
    b->filled_us += (bytes * 1000000 + b->bytes_per_s - 1) / b->bytes_per_s;
    b->left_bytes = b->left_bytes + bytes < b->burst_bytes ? b->left_bytes + bytes : b->burst_bytes;
    return b->left_bytes;
}

void bucket_take(bucket *b, uint64_t bytes) {
    if (b->bytes_per_s == 0) return;
    b->left_bytes -= bytes < b->left_bytes ? bytes : b->left_bytes;
}
