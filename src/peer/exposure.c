#include "peer/exposure.h"

#include "base/assert.h"

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t greater(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

pbts_exposure pbts_exposure_new(uint64_t piece_bytes, uint64_t max_bytes) {
    assert(piece_bytes > 0);
    return (pbts_exposure){ .piece_bytes = piece_bytes,
                            .max_bytes = greater(max_bytes, piece_bytes) };
}

void pbts_exposure_receipt(pbts_exposure *exposure, uint64_t covered_bytes) {
    uint64_t room_bytes = UINT64_MAX / 2 - exposure->paid_bytes; /* twice of it still fits */
    exposure->paid_bytes += smaller(covered_bytes, room_bytes);
}

uint64_t pbts_exposure_limit(const pbts_exposure *exposure, uint64_t left_bytes) {
    uint64_t paid_bytes = exposure->paid_bytes, piece_bytes = exposure->piece_bytes;
    uint64_t trust_bytes = greater(piece_bytes, smaller(2 * paid_bytes, exposure->max_bytes));
    uint64_t end_bytes = piece_bytes + paid_bytes / PBTS_EXPOSURE_SLACK_DIVISOR;
    return smaller(trust_bytes, greater(end_bytes, left_bytes / 2));
}

bool pbts_exposure_is_due(const pbts_exposure *exposure, uint64_t unsigned_bytes,
                          uint64_t checking_bytes, uint64_t left_bytes) {
    if (unsigned_bytes == 0) return false;
    if (left_bytes == 0) return true;
    uint64_t most_bytes = pbts_exposure_limit(exposure, left_bytes) / 2;
    return unsigned_bytes + checking_bytes >= most_bytes && unsigned_bytes >= most_bytes / 2;
}

bool pbts_schedule_is_due_paper(uint64_t received_pieces, uint64_t unsigned_pieces,
                                uint64_t left_pieces) {
    if (unsigned_pieces == 0) return false;
    if (received_pieces <= PBTS_PAPER_EDGE_PIECES) return true;
    return left_pieces < PBTS_PAPER_EDGE_PIECES || unsigned_pieces >= PBTS_PAPER_EVERY_PIECES;
}
