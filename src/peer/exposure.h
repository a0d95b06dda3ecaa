/* peer/exposure.h - how many bytes a sender lends before it wants a receipt, and when a receiver
 * signs (DESIGN section 5; the paper's adaptive frequency).
 *
 * The limit starts at one piece and is then twice what was paid for, up to a maximum: it doubles
 * with every receipt of a receiver that signs at half of it, and nobody gets more trust by many
 * small receipts. Near the end it is no more than half of what the receiver still lacks, but never
 * less than one piece and a little of what was paid (docs/decisions/0004). Both sides compute
 * it from what both know, so the receiver signs before the sender has to stop: at half of the
 * limit.
 */
#ifndef PBTS_PEER_EXPOSURE_H
#define PBTS_PEER_EXPOSURE_H

#include "base/cursor.h"

#define PBTS_EXPOSURE_MAX_BYTES (64u << 20)

/* When a receiver signs: as the limit asks (the default), or the paper's schedule: every piece of
 * the first 100 and of the last 100, every 10th between (and never later than the limit asks). */
typedef enum { PBTS_SCHEDULE_EXPOSURE, PBTS_SCHEDULE_PAPER } pbts_schedule;

enum {
    /* One part in so many of what was paid is lent to the end: for blocks of pieces that came
     * mostly from another peer and were credited to that one. */
    PBTS_EXPOSURE_SLACK_DIVISOR = 64,
    PBTS_PAPER_EDGE_PIECES = 100,
    PBTS_PAPER_EVERY_PIECES = 10,
};

/* Invariant: 0 < piece_bytes <= max_bytes. */
typedef struct {
    uint64_t piece_bytes; /* the torrent's piece length: the least that can be asked for */
    uint64_t max_bytes;   /* raised to piece_bytes when it is less */
    uint64_t paid_bytes;  /* covered by receipts: taken (sender) or given (receiver) */
} pbts_exposure;

pbts_exposure pbts_exposure_new(uint64_t piece_bytes, uint64_t max_bytes);
/* A receipt came (sender) or was given (receiver) that covers so much more. */
void pbts_exposure_receipt(pbts_exposure *exposure, uint64_t covered_bytes);
/* The limit now; `left_bytes`: what the receiver still lacks of the torrent. */
uint64_t pbts_exposure_limit(const pbts_exposure *exposure, uint64_t left_bytes);
/* Whether a receiver with `unsigned_bytes` verified and not signed for signs now. The
 * `checking_bytes` that came and are not verified yet are lent, too: with many of them it signs
 * sooner, but not for less than half of what it would wait for otherwise: until that is
 * verified, what is being checked keeps it busy. */
bool pbts_exposure_is_due(const pbts_exposure *exposure, uint64_t unsigned_bytes,
                          uint64_t checking_bytes, uint64_t left_bytes);
/* The paper's schedule: whether a receiver signs now that has so many pieces from this sender, of
 * which `unsigned_pieces` are not signed for, and lacks `left_pieces` of the torrent. */
bool pbts_schedule_is_due_paper(uint64_t received_pieces, uint64_t unsigned_pieces,
                                uint64_t left_pieces);

#endif
