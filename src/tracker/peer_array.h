/* tracker/peer_array.h - the dense storage of one family's peers: records and endpoints (private).
 *
 * Up to 512 peers lie in one block of just about their size; past that in blocks of 512, so that
 * growth copies nothing and wastes at most two blocks. A block is its records, then its endpoints:
 *
 *     record[0] .. record[c-1] | endpoint[0] .. endpoint[c-1]      c = records in a block
 *
 * Endpoints have the compact wire format (BEP 23: 6 bytes, BEP 7: 18 bytes): a sample is a copy.
 */
#ifndef PBTS_TRACKER_PEER_ARRAY_H
#define PBTS_TRACKER_PEER_ARRAY_H

#include "base/cursor.h"
#include "tracker/swarm_heap.h"

typedef struct {
    uint32_t user;  /* user_no, or the high half of the peer id's hash when anonymous */
    uint32_t key;   /* low half of the peer id's hash */
    uint32_t older; /* neighbours by last announce, as positions; PBTS_PEER_NONE at the ends */
    uint32_t newer;
    uint16_t seen; /* second of the last announce, mod 2^16 */
    uint8_t flags; /* PBTS_PEER_... */
    uint8_t spare;
} pbts_peer_record;
_Static_assert(sizeof(pbts_peer_record) == 20, "the memory budget counts on it");

enum {
    PBTS_PEER_SEEDER = 1,  /* left = 0 */
    PBTS_PEER_PARTIAL = 2, /* BEP 21 partial seeder */
    PBTS_PEER_ROLE = PBTS_PEER_SEEDER | PBTS_PEER_PARTIAL,
    PBTS_PEER_PAIRED = 4, /* the other family's set has this identity too */
    PBTS_PEER_ANON = 8,
};
#define PBTS_PEER_NONE UINT32_MAX

enum {
    PBTS_PEER_BLOCK_LOG = 9,
    PBTS_PEER_BLOCK = 1 << PBTS_PEER_BLOCK_LOG,
    PBTS_ENDPOINT4_LEN = 6,
    PBTS_ENDPOINT6_LEN = 18,
    PBTS_PEER_SET_MAX = (1 << 24) - 2, /* positions have 24 bits in the index */
};

typedef struct {
    union {
        uint8_t *one;   /* capacity <= PBTS_PEER_BLOCK; NULL when capacity is 0 */
        uint8_t **many; /* else: capacity / PBTS_PEER_BLOCK blocks */
    } block;
    uint32_t count;       /* <= capacity */
    uint32_t capacity;    /* a multiple of PBTS_PEER_BLOCK past the first block */
    uint32_t many_len;    /* length of block.many, 0 while there is one block */
    uint8_t endpoint_len; /* 6 or 18 */
} pbts_peer_array;

static inline uint8_t *pbts_peer_array_block(const pbts_peer_array *array, uint32_t pos) {
    return array->capacity > PBTS_PEER_BLOCK ? array->block.many[pos >> PBTS_PEER_BLOCK_LOG]
                                             : array->block.one;
}

static inline pbts_peer_record *pbts_peer_array_record(const pbts_peer_array *array, uint32_t pos) {
    void *records = pbts_peer_array_block(array, pos);
    return (pbts_peer_record *)records + (pos & (PBTS_PEER_BLOCK - 1));
}

static inline uint8_t *pbts_peer_array_endpoint(const pbts_peer_array *array, uint32_t pos) {
    size_t records = array->capacity > PBTS_PEER_BLOCK ? PBTS_PEER_BLOCK : array->capacity;
    return pbts_peer_array_block(array, pos) + records * sizeof(pbts_peer_record) +
           (size_t)(pos & (PBTS_PEER_BLOCK - 1)) * array->endpoint_len;
}

/* Make room for one more record. PBTS_NO_MEMORY changes nothing. */
PBTS_MUST_USE pbts_status pbts_peer_array_reserve(pbts_peer_array *array, pbts_swarm_heap *heap);
/* Give back what the count no longer needs; keeps some slack against thrashing. */
void pbts_peer_array_trim(pbts_peer_array *array, pbts_swarm_heap *heap);
void pbts_peer_array_deinit(pbts_peer_array *array, pbts_swarm_heap *heap);
/* Bytes held, for tests. */
size_t pbts_peer_array_bytes(const pbts_peer_array *array);

#endif
