#include "tracker/swarm_table.h"

#include "base/assert.h"
#include "tracker/swarm_mix.h"

enum { TABLE_MIN = 16 };

static uint32_t hash_of(const pbts_swarm_table *table, const uint8_t infohash[static 20]) {
    return (uint32_t)pbts_swarm_mix20(table->seed, infohash);
}

void pbts_swarm_table_init(pbts_swarm_table *table, uint64_t seed) {
    *table = (pbts_swarm_table){ .seed = seed };
}

static uint32_t block_count(const pbts_swarm_table *table) {
    return (table->count + PBTS_SWARM_BLOCK - 1) / PBTS_SWARM_BLOCK;
}

void pbts_swarm_table_deinit(pbts_swarm_table *table, pbts_swarm_heap *heap) {
    for (uint32_t i = 0; i < block_count(table); i++) {
        pbts_swarm_heap_give(heap, table->blocks[i], PBTS_SWARM_BLOCK * sizeof(pbts_swarm_entry));
    }
    pbts_swarm_heap_give(heap, table->blocks, table->blocks_len * sizeof *table->blocks);
    pbts_swarm_heap_give(heap, table->slots, table->slots_len * sizeof *table->slots);
    pbts_swarm_table_init(table, table->seed);
}

pbts_swarm_entry *pbts_swarm_table_find(const pbts_swarm_table *table,
                                        const uint8_t infohash[static 20]) {
    if (table->slots_len == 0) return NULL;
    uint32_t hash = hash_of(table, infohash), mask = table->slots_len - 1;
    for (uint32_t at = hash & mask; table->slots[at].entry != 0; at = (at + 1) & mask) {
        if (table->slots[at].hash != hash) continue;
        pbts_swarm_entry *entry = pbts_swarm_table_at(table, table->slots[at].entry - 1);
        if (memcmp(entry->infohash, infohash, 20) == 0) return entry;
    }
    return NULL;
}

static void put_slot(pbts_swarm_slot *slots, uint32_t mask, pbts_swarm_slot slot) {
    uint32_t at = slot.hash & mask;
    while (slots[at].entry != 0) at = (at + 1) & mask;
    slots[at] = slot;
}

/* The length at which one more entry leaves a table at most 3/4 full; 0 when the present will do.
 */
static uint32_t next_len(uint32_t len, uint32_t used) {
    if ((used + 1ull) * 4 <= len * 3ull) return 0;
    return len == 0 ? TABLE_MIN : len * 2;
}

static pbts_status reserve_slot(pbts_swarm_table *table, pbts_swarm_heap *heap) {
    uint32_t len = next_len(table->slots_len, table->count);
    if (len == 0) return PBTS_OK;
    pbts_swarm_slot *slots = pbts_swarm_heap_take_zeroed(heap, len * sizeof *slots);
    if (slots == NULL) return PBTS_NO_MEMORY;
    for (uint32_t i = 0; i < table->slots_len; i++) {
        if (table->slots[i].entry != 0) put_slot(slots, len - 1, table->slots[i]);
    }
    pbts_swarm_heap_give(heap, table->slots, table->slots_len * sizeof *slots);
    table->slots = slots;
    table->slots_len = len;
    return PBTS_OK;
}

static pbts_status reserve_entry(pbts_swarm_table *table, pbts_swarm_heap *heap) {
    uint32_t blocks = block_count(table);
    if (table->count < blocks * PBTS_SWARM_BLOCK) return PBTS_OK;
    if (blocks == table->blocks_len) {
        uint32_t len = blocks == 0 ? 4 : blocks * 2;
        pbts_swarm_entry **grown = pbts_swarm_heap_take(heap, len * sizeof *grown);
        if (grown == NULL) return PBTS_NO_MEMORY;
        if (blocks > 0) memcpy(grown, table->blocks, blocks * sizeof *grown);
        pbts_swarm_heap_give(heap, table->blocks, table->blocks_len * sizeof *grown);
        table->blocks = grown;
        table->blocks_len = len;
    }
    pbts_swarm_entry *block = pbts_swarm_heap_take(heap, PBTS_SWARM_BLOCK * sizeof *block);
    if (block == NULL) return PBTS_NO_MEMORY;
    table->blocks[blocks] = block;
    return PBTS_OK;
}

pbts_status pbts_swarm_table_add(pbts_swarm_table *table, pbts_swarm_heap *heap,
                                 const uint8_t infohash[static 20], uint32_t torrent_no,
                                 uint32_t downloaded) {
    const pbts_swarm_entry *known = pbts_swarm_table_find(table, infohash);
    if (known != NULL) return known->torrent_no == torrent_no ? PBTS_OK : PBTS_EXISTS;
    PBTS_TRY(reserve_slot(table, heap));
    /* Last, because a block counts as present only through the entries in it. */
    PBTS_TRY(reserve_entry(table, heap));
    pbts_swarm_entry *entry = pbts_swarm_table_at(table, table->count);
    *entry = (pbts_swarm_entry){ .torrent_no = torrent_no,
                                 .downloaded = downloaded,
                                 .stored = downloaded };
    memcpy(entry->infohash, infohash, 20);
    table->count++;
    put_slot(table->slots, table->slots_len - 1,
             (pbts_swarm_slot){ hash_of(table, infohash), table->count });
    return PBTS_OK;
}

void pbts_swarm_table_check(const pbts_swarm_table *table) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < table->slots_len; i++) used += table->slots[i].entry != 0;
    assert(used == table->count);
    for (uint32_t i = 0; i < table->count; i++) {
        pbts_swarm_entry *entry = pbts_swarm_table_at(table, i);
        assert(pbts_swarm_table_find(table, entry->infohash) == entry);
    }
}

size_t pbts_swarm_table_bytes(const pbts_swarm_table *table) {
    return block_count(table) * PBTS_SWARM_BLOCK * sizeof(pbts_swarm_entry) +
           table->blocks_len * sizeof *table->blocks + table->slots_len * sizeof *table->slots;
}
