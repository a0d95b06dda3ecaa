#include "dht_schedule.h"

#include <stddef.h>

static uint64_t later(pbts_prng *prng, uint64_t now_ms, uint64_t wait_ms) {
    return now_ms + wait_ms + pbts_prng_below(prng, (uint32_t)(wait_ms / DHT_SCHEDULE_JITTER) + 1);
}

void dht_schedule_hurry(dht_schedule *s) {
    s->get_due_ms = s->get_wait_ms = 0;
    for (size_t i = 0; i < PBTS_DHT_KEYS_MAX; i++) s->slots[i].due_ms = 0;
}

/* ---- questions ---- */

bool dht_schedule_get_is_due(const dht_schedule *s, uint64_t now_ms) {
    return s->get_due_ms <= now_ms;
}

void dht_schedule_get_refused(dht_schedule *s, pbts_prng *prng, uint64_t now_ms) {
    s->get_due_ms = later(prng, now_ms, DHT_GET_FIRST_MS);
}

void dht_schedule_got(dht_schedule *s, bool found, bool has_everything, pbts_prng *prng,
                      uint64_t now_ms) {
    if (s->get_wait_ms == 0) {
        s->get_wait_ms = DHT_GET_FIRST_MS;
    } else {
        s->get_wait_ms *= 2;
    }
    if (found) s->get_wait_ms = DHT_GET_MAX_MS / 2;
    if (s->get_wait_ms > DHT_GET_MAX_MS) s->get_wait_ms = DHT_GET_MAX_MS;
    s->get_due_ms = later(prng, now_ms, has_everything ? DHT_GET_SEEDING_MS : s->get_wait_ms);
}

/* ---- announces ---- */

static uint64_t apart(uint64_t a, uint64_t b) {
    return a < b ? b - a : a - b;
}

dht_slot *dht_schedule_due_slot(dht_schedule *s, uint64_t epoch, uint64_t now_ms) {
    dht_slot *farthest = &s->slots[0];
    for (size_t i = 0; i < PBTS_DHT_KEYS_MAX; i++) {
        dht_slot *slot = &s->slots[i];
        if (slot->epoch == epoch) return slot->due_ms <= now_ms ? slot : NULL;
        if (apart(slot->epoch, epoch) > apart(farthest->epoch, epoch)) farthest = slot;
    }
    *farthest = (dht_slot){ .epoch = epoch };
    return farthest;
}

void dht_schedule_announced(dht_slot *slot, pbts_prng *prng, uint64_t now_ms) {
    slot->is_kept = true;
    slot->due_ms = later(prng, now_ms, DHT_ANNOUNCE_AGAIN_MS);
}

void dht_schedule_announce_refused(dht_slot *slot, pbts_prng *prng, uint64_t now_ms) {
    slot->due_ms = later(prng, now_ms, DHT_GET_FIRST_MS);
}

/* Which of the keys it was does not matter. */
void dht_schedule_nobody_keeps(dht_schedule *s, pbts_prng *prng, uint64_t now_ms) {
    for (size_t i = 0; i < PBTS_DHT_KEYS_MAX; i++) {
        s->slots[i].due_ms = later(prng, now_ms, DHT_ANNOUNCE_RETRY_MS);
    }
}

bool dht_schedule_is_announced(const dht_schedule *s, uint64_t epoch) {
    for (size_t i = 0; i < PBTS_DHT_KEYS_MAX; i++) {
        if (s->slots[i].is_kept && s->slots[i].epoch >= epoch) return true;
    }
    return false;
}
