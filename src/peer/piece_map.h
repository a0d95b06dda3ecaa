/* peer/piece_map.h - bytes by piece, for the few pieces of a torrent that are on somebody's bill.
 * Private to peer/. */
#ifndef PBTS_PEER_PIECE_MAP_H
#define PBTS_PEER_PIECE_MAP_H

#include "base/cursor.h"
#include "base/mem.h"

/* Invariant: at most half of the slots are taken. */
typedef struct {
    pbts_mem *mem;
    struct {
        uint32_t key; /* piece + 1; 0: free */
        uint32_t bytes;
    } * slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
    uint32_t seed; /* what the other side cannot know, so that it cannot choose colliding pieces */
} pbts_piece_map;

void pbts_piece_map_init(pbts_piece_map *map, pbts_mem *mem, uint32_t seed);
void pbts_piece_map_deinit(pbts_piece_map *map);
/* 0 when it is not there. */
uint32_t pbts_piece_map_get(const pbts_piece_map *map, uint32_t piece);
/* Room for `count` pieces in all. To be made before pieces are set in the order in which another
 * map gives them: that is the order of their slots, and in a map that grows meanwhile each would
 * find the slots of all before it taken. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_piece_map_reserve(pbts_piece_map *map, uint32_t count);
/* Set to `bytes` > 0. PBTS_NO_MEMORY, only when the piece was not there. */
PBTS_MUST_USE pbts_status pbts_piece_map_set(pbts_piece_map *map, uint32_t piece, uint32_t bytes);
/* Take it out; what it had. */
uint32_t pbts_piece_map_remove(pbts_piece_map *map, uint32_t piece);
/* Walk it in no order: `*at` from 0. It must not change meanwhile. */
bool pbts_piece_map_next(const pbts_piece_map *map, uint32_t *at, uint32_t *piece, uint32_t *bytes);

#endif
