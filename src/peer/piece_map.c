#include "peer/piece_map.h"

#include "base/assert.h"

enum { CAPACITY_MIN = 16 };

void pbts_piece_map_init(pbts_piece_map *map, pbts_mem *mem, uint32_t seed) {
    *map = (pbts_piece_map){ .mem = mem, .seed = seed };
}

void pbts_piece_map_deinit(pbts_piece_map *map) {
    pbts_release(map->mem, map->slots);
    *map = (pbts_piece_map){ .mem = map->mem, .seed = map->seed };
}

/* Knuth's multiplicative hashing; its high bits are the mixed ones. */
static uint32_t home_of(const pbts_piece_map *map, uint32_t key) {
    uint64_t mixed = (uint64_t)((key ^ map->seed) * UINT32_C(0x9E3779B1)) * map->capacity;
    return (uint32_t)(mixed >> 32);
}

/* Where the key is, or the free slot where it would be. */
static uint32_t slot_of(const pbts_piece_map *map, uint32_t key) {
    uint32_t at = home_of(map, key);
    while (map->slots[at].key != 0 && map->slots[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

uint32_t pbts_piece_map_get(const pbts_piece_map *map, uint32_t piece) {
    if (map->capacity == 0) return 0;
    uint32_t at = slot_of(map, piece + 1);
    return map->slots[at].key != 0 ? map->slots[at].bytes : 0;
}

static pbts_status grow(pbts_piece_map *map, uint32_t capacity) {
    pbts_piece_map bigger = *map;
    bigger.capacity = capacity;
    bigger.slots = pbts_alloc_array(map->mem, bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL) return PBTS_NO_MEMORY;
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key == 0) continue;
        bigger.slots[slot_of(&bigger, map->slots[i].key)] = map->slots[i];
    }
    pbts_release(map->mem, map->slots);
    *map = bigger;
    return PBTS_OK;
}

pbts_status pbts_piece_map_reserve(pbts_piece_map *map, uint32_t count) {
    uint32_t capacity = map->capacity ? map->capacity : CAPACITY_MIN;
    assert(count <= UINT32_MAX / 4);
    while (capacity < 2 * count) capacity *= 2;
    return capacity == map->capacity ? PBTS_OK : grow(map, capacity);
}

pbts_status pbts_piece_map_set(pbts_piece_map *map, uint32_t piece, uint32_t bytes) {
    assert(bytes > 0 && piece < UINT32_MAX);
    if (pbts_piece_map_get(map, piece) == 0) {
        PBTS_TRY(pbts_piece_map_reserve(map, map->count + 1));
        map->count++;
    }
    uint32_t at = slot_of(map, piece + 1);
    map->slots[at].key = piece + 1;
    map->slots[at].bytes = bytes;
    return PBTS_OK;
}

/* Whether a key whose home is `home` may stay at `at` when `hole` becomes free: its home is then
 * still reached from behind the hole, going round. */
static bool stays(uint32_t home, uint32_t hole, uint32_t at) {
    if (hole < at) return home > hole && home <= at;
    return home > hole || home <= at;
}

uint32_t pbts_piece_map_remove(pbts_piece_map *map, uint32_t piece) {
    uint32_t bytes = pbts_piece_map_get(map, piece);
    if (bytes == 0) return 0;
    uint32_t hole = slot_of(map, piece + 1), at = hole;
    for (;;) {
        at = (at + 1) & (map->capacity - 1);
        if (map->slots[at].key == 0) break;
        if (stays(home_of(map, map->slots[at].key), hole, at)) continue;
        map->slots[hole] = map->slots[at];
        hole = at;
    }
    map->slots[hole].key = 0;
    map->count--;
    return bytes;
}

bool pbts_piece_map_next(const pbts_piece_map *map, uint32_t *at, uint32_t *piece,
                         uint32_t *bytes) {
    while (*at < map->capacity && map->slots[*at].key == 0) *at += 1;
    if (*at >= map->capacity) return false;
    *piece = map->slots[*at].key - 1;
    *bytes = map->slots[*at].bytes;
    *at += 1;
    return true;
}
