#include "eth/block_range.h"

void pbts_block_range_begin(pbts_block_range *range, uint64_t first, uint64_t last) {
    *range = (pbts_block_range){
        .next = first, .last = last, .size = PBTS_BLOCK_RANGE_FIRST, .refused = UINT64_MAX
    };
}

void pbts_block_range_choose(pbts_block_range *range) {
    uint64_t left = range->last - range->next; /* beside the first */
    range->end = range->next + (left < range->size - 1 ? left : range->size - 1);
}

static void grow(pbts_block_range *range) {
    if (++range->taken >= PBTS_BLOCK_RANGE_GROW_AGAIN) {
        range->taken = 0;
        range->refused = UINT64_MAX;
    }
    uint64_t size = 2 * range->size;
    if (size < range->refused && size <= PBTS_BLOCK_RANGE_MAX) range->size = size;
}

bool pbts_block_range_taken(pbts_block_range *range) {
    if (range->end >= range->last) return false;
    range->next = range->end + 1;
    grow(range);
    return true;
}

bool pbts_block_range_refused(pbts_block_range *range) {
    uint64_t asked = range->end - range->next + 1;
    if (asked <= 1) return false;
    range->refused = asked;
    range->taken = 0;
    range->size = asked / 2;
    return true;
}
