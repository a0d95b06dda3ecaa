/* torrent/piece_set.h - a set of piece indices as BitTorrent writes it: piece 0 is the top bit of
 * byte 0, spare bits of the last byte are zero (BEP 3, DESIGN section 5). Functions over plain
 * bytes. */
#ifndef PBTS_TORRENT_PIECE_SET_H
#define PBTS_TORRENT_PIECE_SET_H

#include "base/cursor.h"

static inline size_t pbts_piece_set_len(uint32_t piece_count) {
    return ((size_t)piece_count + 7) / 8;
}
bool pbts_piece_set_has(const uint8_t *bits, uint32_t index);
void pbts_piece_set_add(uint8_t *bits, uint32_t index);
uint32_t pbts_piece_set_count(pbts_span bits);
/* Move `*index` to the first piece of the set at or after it; false when there is none. To walk a
 * set: for (uint32_t i = 0; pbts_piece_set_next(bits, &i); i++). */
bool pbts_piece_set_next(pbts_span bits, uint32_t *index);
/* PBTS_OK when the length fits `piece_count` and spare bits are zero, else PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_piece_set_check(pbts_span bits, uint32_t piece_count);
/* Add the pieces of "0-99,120" or "all"; PBTS_MALFORMED, or PBTS_LIMIT past piece_count. */
PBTS_MUST_USE pbts_status pbts_piece_set_parse(uint8_t *bits, uint32_t piece_count, pbts_span text);

#endif
