/* peer/exposure.h - how many bytes a sender lends before it wants a receipt, and when a receiver
 * signs (DESIGN section 5; the paper's adaptive frequency).
 *
 * The limit starts at one piece, doubles with every receipt up to a maximum, and near the end is no
 * more than half of what the receiver still lacks, but never less than one piece. Both sides
 * compute it from what both know, so the receiver can sign before the sender has to stop: it signs
 * at half of the limit.
 */
#ifndef PBTS_PEER_EXPOSURE_H
#define PBTS_PEER_EXPOSURE_H

#include "base/cursor.h"

#define PBTS_EXPOSURE_MAX_BYTES (64u << 20)

/* When a receiver signs: as the limit asks (the default), or the paper's schedule: every piece of
 * the first 100 and of the last 100, every 10th between (and never later than the limit asks). */
typedef enum { PBTS_SCHEDULE_EXPOSURE, PBTS_SCHEDULE_PAPER } pbts_schedule;

/* Invariant: piece_bytes <= grown_bytes <= max_bytes, piece_bytes > 0. */
typedef struct {
    uint64_t piece_bytes; /* the torrent's piece length: the least that can be asked for */
    uint64_t max_bytes;   /* raised to piece_bytes when it is less */
    uint64_t grown_bytes; /* the limit before it is cut at the end */
} pbts_exposure;

pbts_exposure pbts_exposure_new(uint64_t piece_bytes, uint64_t max_bytes);
/* A receipt came (sender) or was given (receiver). */
void pbts_exposure_receipt(pbts_exposure *exposure);
/* The limit now; `left_bytes`: what the receiver still lacks of the torrent. */
uint64_t pbts_exposure_limit(const pbts_exposure *exposure, uint64_t left_bytes);
/* Whether a receiver with `unsigned_bytes` verified and not signed for signs now. */
bool pbts_exposure_is_due(const pbts_exposure *exposure, uint64_t unsigned_bytes,
                          uint64_t left_bytes);

#endif
