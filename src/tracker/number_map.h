/* tracker/number_map.h - a small map from numbers (> 0) to positions, for one report or one commit.
 * Private to tracker/. */
#ifndef PBTS_TRACKER_NUMBER_MAP_H
#define PBTS_TRACKER_NUMBER_MAP_H

#include "base/cursor.h"
#include "base/mem.h"

typedef struct {
    pbts_mem *mem;
    struct {
        uint32_t key; /* 0: free */
        uint32_t value;
    } * slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;    /* at most half of the capacity */
} pbts_number_map;

void pbts_number_map_init(pbts_number_map *map, pbts_mem *mem);
void pbts_number_map_deinit(pbts_number_map *map);
bool pbts_number_map_find(const pbts_number_map *map, uint32_t *value, uint32_t key);
/* Insert a key that is not there. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_number_map_add(pbts_number_map *map, uint32_t key, uint32_t value);

#endif
