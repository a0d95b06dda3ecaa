/* eth/block_range.h - which blocks to ask for events at once: as many as servers take.
 *
 * A range that a server finds too large is halved, one that it takes doubles, but not up to a size
 * that was refused lately. No I/O, no heap. Source: docs/ethereum.md, All users.
 */
#ifndef PBTS_ETH_BLOCK_RANGE_H
#define PBTS_ETH_BLOCK_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PBTS_BLOCK_RANGE_FIRST = 8192, /* most servers take 10,000 */
    PBTS_BLOCK_RANGE_MAX = 1 << 20,
    PBTS_BLOCK_RANGE_GROW_AGAIN = 16, /* taken until a size that was refused is tried again */
};

typedef struct {
    uint64_t next;    /* the first block that is not fetched yet */
    uint64_t end;     /* asked for: next to end */
    uint64_t last;    /* of all */
    uint64_t size;    /* blocks asked for at once */
    uint64_t refused; /* the smallest size that was too large lately; UINT64_MAX: none */
    uint32_t taken;   /* ranges since then */
} pbts_block_range;

/* first <= last. */
void pbts_block_range_begin(pbts_block_range *range, uint64_t first, uint64_t last);
/* Set `end`. */
void pbts_block_range_choose(pbts_block_range *range);
/* What was asked for is there. False: that was all. */
bool pbts_block_range_taken(pbts_block_range *range);
/* It was too large. False: it was one block already. */
bool pbts_block_range_refused(pbts_block_range *range);

#endif
