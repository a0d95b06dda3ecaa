/* tracker/swarm_table.h - the torrents that one pbts_swarms knows, by infohash (private).
 *
 * Entries lie in blocks and never move. An open-addressing table of entry numbers finds them; a
 * slot keeps 32 bits of the hash, so neither a mismatch nor growth has to look at the entry.
 * 51 to 62 bytes for a torrent without peers.
 */
#ifndef PBTS_TRACKER_SWARM_TABLE_H
#define PBTS_TRACKER_SWARM_TABLE_H

#include "base/cursor.h"
#include "tracker/swarm_heap.h"

typedef struct {
    uint8_t infohash[20];
    uint32_t torrent_no;
    uint32_t downloaded;      /* completed downloads, saturating */
    uint32_t stored;          /* what the store has of them */
    struct pbts_swarm *swarm; /* NULL while it has no peers */
} pbts_swarm_entry;

typedef struct {
    uint32_t hash;
    uint32_t entry; /* number + 1; 0: empty */
} pbts_swarm_slot;

typedef struct {
    pbts_swarm_entry **blocks;
    uint32_t blocks_len; /* room in `blocks` */
    uint32_t count;      /* entries */
    uint32_t slots_len;  /* a power of two, or 0 */
    pbts_swarm_slot *slots;
    uint64_t seed;
} pbts_swarm_table;

enum { PBTS_SWARM_BLOCK_LOG = 8, PBTS_SWARM_BLOCK = 1 << PBTS_SWARM_BLOCK_LOG };

static inline pbts_swarm_entry *pbts_swarm_table_at(const pbts_swarm_table *table, uint32_t entry) {
    return &table->blocks[entry >> PBTS_SWARM_BLOCK_LOG][entry & (PBTS_SWARM_BLOCK - 1)];
}

void pbts_swarm_table_init(pbts_swarm_table *table, uint64_t seed);
void pbts_swarm_table_deinit(pbts_swarm_table *table, pbts_swarm_heap *heap);
/* The torrent of this infohash, or NULL. */
pbts_swarm_entry *pbts_swarm_table_find(const pbts_swarm_table *table,
                                        const uint8_t infohash[static 20]);
/* PBTS_NO_MEMORY; PBTS_EXISTS when the infohash is known by another number. */
PBTS_MUST_USE pbts_status pbts_swarm_table_add(pbts_swarm_table *table, pbts_swarm_heap *heap,
                                               const uint8_t infohash[static 20],
                                               uint32_t torrent_no, uint32_t downloaded);
/* For tests. */
void pbts_swarm_table_check(const pbts_swarm_table *table);
size_t pbts_swarm_table_bytes(const pbts_swarm_table *table);

#endif
