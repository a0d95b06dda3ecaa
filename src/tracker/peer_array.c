#include "tracker/peer_array.h"

#include "base/assert.h"

static size_t block_len(const pbts_peer_array *array, uint32_t records) {
    return (size_t)records * (sizeof(pbts_peer_record) + array->endpoint_len);
}

/* The steps of a small array: 1, 2, 4, 6, 8, 12, 16, 24, ... 384, 512. */
static uint32_t capacity_for(uint32_t count) {
    if (count <= 2) return count;
    uint32_t step = 4;
    while (step < count) step *= 2;
    uint32_t between = step / 4 * 3;
    return between >= count && between > 3 ? between : step;
}

/* Move a one-block array to a block of another capacity. */
static pbts_status resize_one(pbts_peer_array *array, pbts_swarm_heap *heap, uint32_t capacity) {
    assert(array->many_len == 0 && capacity >= array->count && capacity <= PBTS_PEER_BLOCK);
    uint8_t *block = pbts_swarm_heap_take(heap, block_len(array, capacity));
    if (block == NULL) return PBTS_NO_MEMORY;
    if (array->count > 0) {
        memcpy(block, array->block.one, array->count * sizeof(pbts_peer_record));
        memcpy(block + capacity * sizeof(pbts_peer_record), pbts_peer_array_endpoint(array, 0),
               (size_t)array->count * array->endpoint_len);
    }
    pbts_swarm_heap_give(heap, array->block.one, block_len(array, array->capacity));
    array->block.one = block;
    array->capacity = capacity;
    return PBTS_OK;
}

/* A directory of `len` blocks that holds the present ones. */
static pbts_status resize_directory(pbts_peer_array *array, pbts_swarm_heap *heap, uint32_t len) {
    uint32_t blocks = array->capacity / PBTS_PEER_BLOCK;
    uint8_t **many = pbts_swarm_heap_take(heap, len * sizeof *many);
    if (many == NULL) return PBTS_NO_MEMORY;
    if (array->many_len == 0) {
        many[0] = array->block.one;
    } else {
        memcpy(many, array->block.many, blocks * sizeof *many);
        pbts_swarm_heap_give(heap, array->block.many, array->many_len * sizeof *many);
    }
    array->block.many = many;
    array->many_len = len;
    return PBTS_OK;
}

/* From one full block to two: the directory appears only when the second block is there. */
static pbts_status leave_one_block(pbts_peer_array *array, pbts_swarm_heap *heap) {
    uint8_t *block = pbts_swarm_heap_take(heap, block_len(array, PBTS_PEER_BLOCK));
    if (block == NULL) return PBTS_NO_MEMORY;
    if (resize_directory(array, heap, 4) != PBTS_OK) {
        pbts_swarm_heap_give(heap, block, block_len(array, PBTS_PEER_BLOCK));
        return PBTS_NO_MEMORY;
    }
    array->block.many[1] = block;
    array->capacity = 2 * PBTS_PEER_BLOCK;
    return PBTS_OK;
}

static pbts_status add_block(pbts_peer_array *array, pbts_swarm_heap *heap) {
    uint32_t blocks = array->capacity / PBTS_PEER_BLOCK;
    if (blocks == array->many_len) PBTS_TRY(resize_directory(array, heap, 2 * blocks));
    uint8_t *block = pbts_swarm_heap_take(heap, block_len(array, PBTS_PEER_BLOCK));
    if (block == NULL) return PBTS_NO_MEMORY;
    array->block.many[blocks] = block;
    array->capacity += PBTS_PEER_BLOCK;
    return PBTS_OK;
}

pbts_status pbts_peer_array_reserve(pbts_peer_array *array, pbts_swarm_heap *heap) {
    if (array->count < array->capacity) return PBTS_OK;
    if (array->capacity < PBTS_PEER_BLOCK) {
        return resize_one(array, heap, capacity_for(array->count + 1));
    }
    if (array->capacity == PBTS_PEER_BLOCK) return leave_one_block(array, heap);
    return add_block(array, heap);
}

static void drop_last_block(pbts_peer_array *array, pbts_swarm_heap *heap) {
    uint32_t last = array->capacity / PBTS_PEER_BLOCK - 1;
    pbts_swarm_heap_give(heap, array->block.many[last], block_len(array, PBTS_PEER_BLOCK));
    array->capacity -= PBTS_PEER_BLOCK;
}

static void return_to_one_block(pbts_peer_array *array, pbts_swarm_heap *heap) {
    uint8_t **many = array->block.many;
    drop_last_block(array, heap);
    array->block.one = many[0];
    pbts_swarm_heap_give(heap, many, array->many_len * sizeof *many);
    array->many_len = 0;
}

void pbts_peer_array_trim(pbts_peer_array *array, pbts_swarm_heap *heap) {
    if (array->count == 0) {
        pbts_peer_array_deinit(array, heap);
        return;
    }
    while (array->capacity > 2 * PBTS_PEER_BLOCK &&
           array->capacity - array->count >= 2 * PBTS_PEER_BLOCK) {
        drop_last_block(array, heap);
    }
    if (array->capacity == 2 * PBTS_PEER_BLOCK && array->count <= PBTS_PEER_BLOCK / 2) {
        return_to_one_block(array, heap);
    }
    /* Without memory for the smaller copy or directory, the larger one simply stays. */
    uint32_t blocks = array->capacity / PBTS_PEER_BLOCK;
    if (array->many_len > 4 && blocks <= array->many_len / 4) {
        (void)!resize_directory(array, heap, array->many_len / 2);
    } else if (array->many_len == 0 && array->count <= array->capacity / 3) {
        (void)!resize_one(array, heap, capacity_for(array->count + array->count / 2));
    }
}

void pbts_peer_array_deinit(pbts_peer_array *array, pbts_swarm_heap *heap) {
    while (array->capacity > 2 * PBTS_PEER_BLOCK) drop_last_block(array, heap);
    if (array->capacity == 2 * PBTS_PEER_BLOCK) return_to_one_block(array, heap);
    pbts_swarm_heap_give(heap, array->block.one, block_len(array, array->capacity));
    *array = (pbts_peer_array){ .endpoint_len = array->endpoint_len };
}

size_t pbts_peer_array_bytes(const pbts_peer_array *array) {
    return block_len(array, array->capacity) + array->many_len * sizeof(uint8_t *);
}
