#include "tracker/number_map.h"

#include "base/assert.h"

void pbts_number_map_init(pbts_number_map *map, pbts_mem *mem) {
    *map = (pbts_number_map){ .mem = mem };
}

void pbts_number_map_deinit(pbts_number_map *map) {
    pbts_release(map->mem, map->slots);
    *map = (pbts_number_map){ .mem = map->mem };
}

/* User numbers are dense and ours, so a fixed mixing is enough. */
static uint32_t slot_of(uint32_t key, uint32_t capacity) {
    return (key * 0x9E3779B1u) & (capacity - 1);
}

bool pbts_number_map_find(const pbts_number_map *map, uint32_t *value, uint32_t key) {
    if (map->capacity == 0) return false;
    uint32_t at = slot_of(key, map->capacity);
    while (map->slots[at].key != 0) {
        if (map->slots[at].key == key) {
            *value = map->slots[at].value;
            return true;
        }
        at = (at + 1) & (map->capacity - 1);
    }
    return false;
}

static void place(pbts_number_map *map, uint32_t key, uint32_t value) {
    uint32_t at = slot_of(key, map->capacity);
    while (map->slots[at].key != 0) at = (at + 1) & (map->capacity - 1);
    map->slots[at].key = key;
    map->slots[at].value = value;
    map->count++;
}

static pbts_status grow(pbts_number_map *map) {
    pbts_number_map bigger = { .mem = map->mem,
                               .capacity = map->capacity ? 2 * map->capacity : 16 };
    bigger.slots = pbts_alloc_array(map->mem, bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL) return PBTS_NO_MEMORY;
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key != 0) place(&bigger, map->slots[i].key, map->slots[i].value);
    }
    pbts_release(map->mem, map->slots);
    *map = bigger;
    return PBTS_OK;
}

pbts_status pbts_number_map_add(pbts_number_map *map, uint32_t key, uint32_t value) {
    assert(key != 0);
    if (2 * (map->count + 1) > map->capacity) PBTS_TRY(grow(map));
    place(map, key, value);
    return PBTS_OK;
}
