/* dht_schedule.h - when a torrent asks the DHT for peers and announces itself there, while that is
 * used at all (outage.h). No I/O; begins zeroed: all is due. Source: docs/protocol.md, DHT. */
#ifndef PBTS_PEER_DHT_SCHEDULE_H
#define PBTS_PEER_DHT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "dht/lookup_key.h"

enum {
    DHT_ANNOUNCE_AGAIN_MS = 40 * 60 * 1000, /* a record lives for two hours */
    DHT_ANNOUNCE_RETRY_MS = 20 * 1000,      /* nobody kept it */
    DHT_GET_FIRST_MS = 5 * 1000,            /* between questions that nobody answered; doubles */
    DHT_GET_MAX_MS = 5 * 60 * 1000,
    DHT_GET_SEEDING_MS = 15 * 60 * 1000, /* who has everything only wants to be found */
    DHT_SCHEDULE_JITTER = 4,             /* a part of a wait comes to it, at random */
};

/* What the DHT was told under one epoch's key. */
typedef struct {
    uint64_t epoch, due_ms;
    bool is_kept; /* somebody may store it */
} dht_slot;

typedef struct {
    dht_slot slots[PBTS_DHT_KEYS_MAX];
    uint64_t get_due_ms, get_wait_ms;
} dht_schedule;

/* Everything is due again, and soon again after that. */
void dht_schedule_hurry(dht_schedule *s);

bool dht_schedule_get_is_due(const dht_schedule *s, uint64_t now_ms);
/* It could not be asked, or was and `found` somebody or not. */
void dht_schedule_get_refused(dht_schedule *s, pbts_prng *prng, uint64_t now_ms);
void dht_schedule_got(dht_schedule *s, bool found, bool has_everything, pbts_prng *prng,
                      uint64_t now_ms);

/* The epoch's slot when its announce is due, else NULL. The slot whose epoch is the farthest from a
 * new one makes room for it: an old one, or one that a clock was ahead for. */
dht_slot *dht_schedule_due_slot(dht_schedule *s, uint64_t epoch, uint64_t now_ms);
/* It was begun, or could not be; nobody keeps what was announced. */
void dht_schedule_announced(dht_slot *slot, pbts_prng *prng, uint64_t now_ms);
void dht_schedule_announce_refused(dht_slot *slot, pbts_prng *prng, uint64_t now_ms);
void dht_schedule_nobody_keeps(dht_schedule *s, pbts_prng *prng, uint64_t now_ms);
/* Whether something may be kept under a key of this epoch or a later one. */
bool dht_schedule_is_announced(const dht_schedule *s, uint64_t epoch);

#endif
