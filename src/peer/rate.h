/* peer/rate.h - how many bytes a second moved lately. */
#ifndef PBTS_PEER_RATE_H
#define PBTS_PEER_RATE_H

#include <stdint.h>

enum { PBTS_RATE_SLOTS = 8, PBTS_RATE_SLOT_MS = 1000 };

/* Bytes of the last PBTS_RATE_SLOTS seconds, one slot a second; slot `second % SLOTS`. All zero is
 * a rate that never saw a byte. */
typedef struct {
    uint64_t slots[PBTS_RATE_SLOTS];
    uint64_t second;   /* of the newest slot */
    uint64_t since_ms; /* of the first byte */
    uint64_t total_bytes;
} pbts_rate;

void pbts_rate_add(pbts_rate *rate, uint64_t bytes, uint64_t now_ms);
/* Bytes per second over the last seconds, over less when the first byte is younger. */
uint64_t pbts_rate_read(const pbts_rate *rate, uint64_t now_ms);

#endif
