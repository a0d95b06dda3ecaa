/* peer/choker.h - whom to serve: tit for tat, an optimistic slot, turns when seeding.
 *
 * Every 10 s the peers that gave most since the last round are unchoked; a seeder unchokes those
 * that have waited longest, and lets each keep its slot for a while, the fastest first. One more
 * slot goes around every 30 s, so that newcomers can show what they give. A peer that gave nothing
 * for a minute while asked (snubbed) gets no slot but that one.
 * What it is not: it knows no connection, no receipt; who may be served at all is the caller's.
 * Source: BEP 3 ("choking algorithms"); B. Cohen, "Incentives Build Robustness in BitTorrent".
 */
#ifndef PBTS_PEER_CHOKER_H
#define PBTS_PEER_CHOKER_H

#include "base/random.h"

enum {
    PBTS_CHOKER_ROUND_MS = 10 * 1000,
    PBTS_CHOKER_OPTIMISTIC_MS = 30 * 1000,
    PBTS_CHOKER_TURN_MS = 60 * 1000, /* how long a seeder lets one keep its slot when others wait */
    PBTS_CHOKER_NEW_MS = 60 * 1000,  /* who is younger is three times as likely to be tried */
    PBTS_CHOKER_NEW_CHANCES = 3,
    PBTS_CHOKER_CANDIDATES_MAX = 1000,
};

typedef struct {
    uint32_t conn;
    bool may_serve; /* eligible and interested; others are choked */
    bool snubbed;
    bool unchoked;       /* in: now; out: from now on */
    bool optimistic;     /* in and out: holds the optimistic slot */
    uint64_t gave_bytes; /* since the last round */
    uint64_t took_bytes; /* since the last round */
    uint64_t joined_ms;  /* when it connected */
    uint64_t changed_ms; /* when it was last choked or unchoked; joined_ms before that */
    /* Set by the round: the lower rank first, then the higher score, then who waits longest. */
    unsigned rank;
    uint64_t score;
} pbts_choke_candidate;

typedef struct {
    uint64_t round_ms;      /* when the next round is due */
    uint64_t optimistic_ms; /* when the optimistic slot is given to another */
    pbts_prng prng;
} pbts_choker;

pbts_choker pbts_choker_new(uint64_t seed, uint64_t now_ms);
bool pbts_choker_is_due(const pbts_choker *choker, uint64_t now_ms);
/* Decide about all at once and set the time of the next round. `slots`: beside the optimistic one.
 * The candidates' order is changed. O(count log count). */
void pbts_choker_round(pbts_choker *choker, pbts_choke_candidate *candidates, size_t count,
                       uint32_t slots, bool seeding, uint64_t now_ms);

#endif
