#include "peer/choker.h"

#include <stdlib.h>

#include "base/assert.h"

pbts_choker pbts_choker_new(uint64_t seed, uint64_t now_ms) {
    return (pbts_choker){
        .round_ms = now_ms + PBTS_CHOKER_ROUND_MS,
        .optimistic_ms = now_ms,
        .prng = pbts_prng_seeded(seed),
    };
}

bool pbts_choker_is_due(const pbts_choker *choker, uint64_t now_ms) {
    return now_ms >= choker->round_ms;
}

enum { RANK_BEST, RANK_WAITING, RANK_TURN_OVER, RANK_SNUBBED, RANK_NEVER };

/* While leeching: who gives most; of those who give the same, who has a slot already. */
static void rank_leeching(pbts_choke_candidate *candidate) {
    candidate->rank = candidate->snubbed ? RANK_SNUBBED : RANK_BEST;
    candidate->score = 2 * candidate->gave_bytes + candidate->unchoked;
}

/* While seeding: whose turn it is, the fastest first; then who waits. */
static void rank_seeding(pbts_choke_candidate *candidate, uint64_t now_ms) {
    bool is_over = now_ms - candidate->changed_ms >= PBTS_CHOKER_TURN_MS;
    candidate->score = 0;
    if (!candidate->unchoked) {
        candidate->rank = RANK_WAITING;
    } else if (is_over) {
        candidate->rank = RANK_TURN_OVER;
    } else {
        candidate->rank = RANK_BEST;
        candidate->score = candidate->took_bytes;
    }
}

static int compare(const void *left, const void *right) {
    const pbts_choke_candidate *a = left, *b = right;
    if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    if (a->changed_ms != b->changed_ms) return a->changed_ms < b->changed_ms ? -1 : 1;
    return a->conn < b->conn ? -1 : a->conn > b->conn;
}

static uint32_t chances(const pbts_choke_candidate *candidate, uint64_t now_ms) {
    if (!candidate->may_serve || candidate->unchoked) return 0;
    bool is_new = now_ms - candidate->joined_ms < PBTS_CHOKER_NEW_MS;
    return is_new ? PBTS_CHOKER_NEW_CHANCES : 1;
}

/* Give the optimistic slot to one of those without a slot; newcomers have more chances. */
static void try_another(pbts_choker *choker, pbts_choke_candidate *candidates, size_t count,
                        uint64_t now_ms) {
    uint32_t all = 0;
    for (size_t i = 0; i < count; i++) all += chances(&candidates[i], now_ms);
    choker->optimistic_ms = now_ms + PBTS_CHOKER_OPTIMISTIC_MS;
    if (all == 0) return;
    uint32_t drawn = pbts_prng_below(&choker->prng, all);
    for (size_t i = 0;; i++) {
        uint32_t own = chances(&candidates[i], now_ms);
        if (drawn < own) {
            candidates[i].unchoked = candidates[i].optimistic = true;
            return;
        }
        drawn -= own;
    }
}

void pbts_choker_round(pbts_choker *choker, pbts_choke_candidate *candidates, size_t count,
                       uint32_t slots, bool seeding, uint64_t now_ms) {
    assert(count <= PBTS_CHOKER_CANDIDATES_MAX);
    choker->round_ms = now_ms + PBTS_CHOKER_ROUND_MS;
    for (size_t i = 0; i < count; i++) {
        pbts_choke_candidate *candidate = &candidates[i];
        if (!candidate->may_serve) {
            candidate->rank = RANK_NEVER;
            candidate->score = 0;
        } else if (seeding) {
            rank_seeding(candidate, now_ms);
        } else {
            rank_leeching(candidate);
        }
    }
    if (count > 1) qsort(candidates, count, sizeof *candidates, compare);

    bool keeps = false;
    for (size_t i = 0; i < count; i++) {
        pbts_choke_candidate *candidate = &candidates[i];
        bool has_slot = candidate->may_serve && i < slots && candidate->rank != RANK_SNUBBED;
        candidate->optimistic = candidate->optimistic && candidate->may_serve && !has_slot &&
                                now_ms < choker->optimistic_ms;
        candidate->unchoked = has_slot || candidate->optimistic;
        keeps = keeps || candidate->optimistic;
    }
    if (!keeps) try_another(choker, candidates, count, now_ms);
}
