#include "peer/rate.h"

static uint64_t second_of(uint64_t now_ms) {
    return now_ms / PBTS_RATE_SLOT_MS;
}

/* Empty the slots of the seconds that went by without a byte. */
static void advance(pbts_rate *rate, uint64_t second) {
    uint64_t gone = second - rate->second;
    if (gone > PBTS_RATE_SLOTS) gone = PBTS_RATE_SLOTS;
    for (uint64_t i = 0; i < gone; i++) rate->slots[(second - i) % PBTS_RATE_SLOTS] = 0;
    rate->second = second;
}

void pbts_rate_add(pbts_rate *rate, uint64_t bytes, uint64_t now_ms) {
    if (bytes == 0) return;
    if (rate->total_bytes == 0) rate->since_ms = now_ms;
    if (second_of(now_ms) > rate->second) advance(rate, second_of(now_ms));
    rate->slots[rate->second % PBTS_RATE_SLOTS] += bytes;
    rate->total_bytes += bytes;
}

uint64_t pbts_rate_read(const pbts_rate *rate, uint64_t now_ms) {
    if (rate->total_bytes == 0) return 0;
    pbts_rate now = *rate;
    if (second_of(now_ms) > now.second) advance(&now, second_of(now_ms));
    uint64_t bytes = 0;
    for (int i = 0; i < PBTS_RATE_SLOTS; i++) bytes += now.slots[i];
    uint64_t window_ms = (PBTS_RATE_SLOTS - 1) * PBTS_RATE_SLOT_MS + now_ms % PBTS_RATE_SLOT_MS;
    uint64_t age_ms = now_ms > rate->since_ms ? now_ms - rate->since_ms : 0;
    if (age_ms < window_ms) window_ms = age_ms;
    if (window_ms < PBTS_RATE_SLOT_MS) window_ms = PBTS_RATE_SLOT_MS;
    return bytes * 1000 / window_ms;
}
