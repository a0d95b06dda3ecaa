#include "tracker/peer_index.h"

#include "base/assert.h"

enum { SEGMENT_SLOTS = 1 << PBTS_INDEX_SEGMENT_LOG };

static size_t segment_len(unsigned log) {
    return sizeof(pbts_index_segment) + (sizeof(uint32_t) << log);
}

static pbts_index_segment *segment_new(pbts_swarm_heap *heap, unsigned log, unsigned depth) {
    pbts_index_segment *segment = pbts_swarm_heap_take_zeroed(heap, segment_len(log));
    if (segment == NULL) return NULL;
    segment->log = (uint8_t)log;
    segment->depth = (uint8_t)depth;
    return segment;
}

static void segment_free(pbts_index_segment *segment, pbts_swarm_heap *heap) {
    pbts_swarm_heap_give(heap, segment, segment_len(segment->log));
}

static void segment_insert(pbts_index_segment *segment, uint32_t hash, uint32_t pos) {
    uint32_t mask = (1u << segment->log) - 1;
    assert(segment->used < mask);
    uint32_t at = hash & mask;
    while (segment->slots[at] != 0) at = (at + 1) & mask;
    segment->slots[at] = (hash << 14 & 0xFF000000u) | (pos + 1);
    segment->used++;
}

static uint32_t position_of(uint32_t slot) {
    return (slot & 0x00FFFFFFu) - 1;
}

static uint32_t hash_at(const pbts_peer_index *index, const pbts_peer_array *array, uint32_t pos) {
    return pbts_peer_index_hash(index, pbts_peer_array_record(array, pos)->user);
}

/* Enter into `to` all that `from` holds. */
static void segment_pour(pbts_index_segment *to, const pbts_index_segment *from,
                         const pbts_peer_index *index, const pbts_peer_array *array) {
    for (uint32_t at = 0; at < 1u << from->log; at++) {
        if (from->slots[at] == 0) continue;
        uint32_t pos = position_of(from->slots[at]);
        segment_insert(to, hash_at(index, array, pos), pos);
    }
}

/* Let the directory entries of this hash prefix name `segment`, whose depth says how many. */
static void directory_point(pbts_peer_index *index, pbts_index_segment *segment, uint32_t prefix) {
    unsigned below = index->depth - segment->depth;
    uint32_t first = prefix << below;
    for (uint32_t i = 0; i < 1u << below; i++) index->segment.many[first + i] = segment;
}

static bool is_crowded(const pbts_index_segment *segment) {
    return (segment->used + 1u) * 5 > (4u << segment->log);
}

pbts_status pbts_peer_index_build(pbts_peer_index *index, const pbts_peer_array *array,
                                  pbts_swarm_heap *heap) {
    assert(!pbts_peer_index_present(index) && array->count < 1u << PBTS_INDEX_SMALLEST_LOG);
    pbts_index_segment *segment = segment_new(heap, PBTS_INDEX_SMALLEST_LOG, 0);
    if (segment == NULL) return PBTS_NO_MEMORY;
    for (uint32_t pos = 0; pos < array->count; pos++) {
        segment_insert(segment, hash_at(index, array, pos), pos);
    }
    index->segment.one = segment;
    index->log = segment->log;
    return PBTS_OK;
}

/* Replace the only segment by one of another size. */
static pbts_status resize_only(pbts_peer_index *index, const pbts_peer_array *array,
                               pbts_swarm_heap *heap, unsigned log) {
    pbts_index_segment *segment = segment_new(heap, log, 0);
    if (segment == NULL) return PBTS_NO_MEMORY;
    segment_pour(segment, index->segment.one, index, array);
    segment_free(index->segment.one, heap);
    index->segment.one = segment;
    index->log = segment->log;
    return PBTS_OK;
}

static pbts_status double_directory(pbts_peer_index *index, pbts_swarm_heap *heap) {
    size_t len = sizeof(pbts_index_segment *) << index->depth;
    pbts_index_segment **many = pbts_swarm_heap_take(heap, 2 * len);
    if (many == NULL) return PBTS_NO_MEMORY;
    for (size_t i = 0; i < (size_t)1 << index->depth; i++) {
        many[2 * i] = index->depth > 0 ? index->segment.many[i] : index->segment.one;
        many[2 * i + 1] = many[2 * i];
    }
    if (index->depth > 0) pbts_swarm_heap_give(heap, index->segment.many, len);
    index->segment.many = many;
    index->depth++;
    return PBTS_OK;
}

/* Split the segment of `hash` by the next bit of the hash. */
static pbts_status split(pbts_peer_index *index, const pbts_peer_array *array,
                         pbts_swarm_heap *heap, uint32_t hash) {
    pbts_index_segment *low = pbts_peer_index_segment(index, hash);
    pbts_index_segment *high = segment_new(heap, PBTS_INDEX_SEGMENT_LOG, low->depth + 1u);
    if (high == NULL) return PBTS_NO_MEMORY;
    if (low->depth == index->depth && double_directory(index, heap) != PBTS_OK) {
        segment_free(high, heap);
        return PBTS_NO_MEMORY;
    }
    uint32_t entries[SEGMENT_SLOTS];
    memcpy(entries, low->slots, sizeof entries);
    memset(low->slots, 0, sizeof entries);
    low->used = 0;
    low->depth = high->depth;
    for (size_t i = 0; i < SEGMENT_SLOTS; i++) {
        if (entries[i] == 0) continue;
        uint32_t pos = position_of(entries[i]);
        uint32_t of_entry = hash_at(index, array, pos);
        segment_insert(of_entry >> (32 - high->depth) & 1 ? high : low, of_entry, pos);
    }
    directory_point(index, high, hash >> (32 - high->depth) | 1);
    return PBTS_OK;
}

pbts_status pbts_peer_index_reserve(pbts_peer_index *index, const pbts_peer_array *array,
                                    pbts_swarm_heap *heap, uint32_t hash) {
    for (;;) {
        pbts_index_segment *segment = pbts_peer_index_segment(index, hash);
        if (!is_crowded(segment)) return PBTS_OK;
        if (segment->log < PBTS_INDEX_SEGMENT_LOG) {
            PBTS_TRY(resize_only(index, array, heap, segment->log + 1u));
        } else if (segment->depth < PBTS_INDEX_DEPTH_MAX) {
            PBTS_TRY(split(index, array, heap, hash));
        } else {
            return segment->used + 1u < SEGMENT_SLOTS ? PBTS_OK : PBTS_BUSY;
        }
    }
}

void pbts_peer_index_insert(pbts_peer_index *index, uint32_t hash, uint32_t pos) {
    segment_insert(pbts_peer_index_segment(index, hash), hash, pos);
}

uint32_t *pbts_peer_index_slot(const pbts_peer_index *index, uint32_t hash, uint32_t pos) {
    pbts_index_segment *segment = pbts_peer_index_segment(index, hash);
    uint32_t mask = (1u << segment->log) - 1;
    uint32_t at = hash & mask;
    while (position_of(segment->slots[at]) != pos) {
        assert(segment->slots[at] != 0);
        at = (at + 1) & mask;
    }
    return &segment->slots[at];
}

void pbts_peer_index_remove(pbts_peer_index *index, const pbts_peer_array *array, uint32_t hash,
                            uint32_t pos) {
    pbts_index_segment *segment = pbts_peer_index_segment(index, hash);
    uint32_t mask = (1u << segment->log) - 1;
    uint32_t hole = (uint32_t)(pbts_peer_index_slot(index, hash, pos) - segment->slots);
    /* Close the gap (Knuth vol. 3, 6.4, algorithm R): an entry moves back unless that is before
     * its home. */
    for (uint32_t at = (hole + 1) & mask; segment->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = hash_at(index, array, position_of(segment->slots[at])) & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        segment->slots[hole] = segment->slots[at];
        hole = at;
    }
    segment->slots[hole] = 0;
    segment->used--;
}

/* The directory of one segment is that segment. */
static void drop_directory(pbts_peer_index *index, pbts_swarm_heap *heap) {
    pbts_index_segment *only = index->segment.many[0];
    pbts_swarm_heap_give(heap, index->segment.many, sizeof only << index->depth);
    index->segment.one = only;
    index->depth = 0;
}

/* Join the segment of `hash` with its buddy while both together are less than half full. */
static void merge(pbts_peer_index *index, const pbts_peer_array *array, pbts_swarm_heap *heap,
                  uint32_t hash) {
    pbts_index_segment *segment = pbts_peer_index_segment(index, hash);
    while (segment->depth > 0) {
        pbts_index_segment *buddy =
            pbts_peer_index_segment(index, hash ^ 1u << (32 - segment->depth));
        if (buddy->depth != segment->depth) return;
        if (segment->used + buddy->used > SEGMENT_SLOTS * 2 / 5) return;
        segment_pour(segment, buddy, index, array);
        segment_free(buddy, heap);
        segment->depth--;
        directory_point(index, segment, segment->depth > 0 ? hash >> (32 - segment->depth) : 0);
    }
    drop_directory(index, heap);
}

void pbts_peer_index_trim(pbts_peer_index *index, const pbts_peer_array *array,
                          pbts_swarm_heap *heap, uint32_t hash) {
    if (index->depth > 0) {
        if (pbts_peer_index_segment(index, hash)->used < SEGMENT_SLOTS / 5) {
            merge(index, array, heap, hash);
        }
        return;
    }
    pbts_index_segment *only = index->segment.one;
    if (only->log > PBTS_INDEX_SMALLEST_LOG && only->used * 5u < 1u << only->log) {
        /* Without memory for the smaller one, the larger one simply stays. */
        (void)!resize_only(index, array, heap, only->log - 1u);
    }
}

/* The first directory entry after those that name the segment of entry `at`. */
static uint32_t after_segment(const pbts_peer_index *index, uint32_t at) {
    return at + (1u << (index->depth - index->segment.many[at]->depth));
}

void pbts_peer_index_deinit(pbts_peer_index *index, pbts_swarm_heap *heap) {
    if (index->depth == 0) {
        if (index->segment.one != NULL) segment_free(index->segment.one, heap);
    } else {
        for (uint32_t at = 0, next; at < 1u << index->depth; at = next) {
            next = after_segment(index, at);
            segment_free(index->segment.many[at], heap);
        }
        pbts_swarm_heap_give(heap, index->segment.many,
                             sizeof(pbts_index_segment *) << index->depth);
    }
    *index = (pbts_peer_index){ .seed = index->seed };
}

size_t pbts_peer_index_bytes(const pbts_peer_index *index) {
    if (!pbts_peer_index_present(index)) return 0;
    if (index->depth == 0) return segment_len(index->segment.one->log);
    size_t bytes = sizeof(pbts_index_segment *) << index->depth;
    for (uint32_t at = 0; at < 1u << index->depth; at = after_segment(index, at)) {
        bytes += segment_len(index->segment.many[at]->log);
    }
    return bytes;
}

static uint32_t count_entries(const pbts_index_segment *segment) {
    uint32_t used = 0;
    for (uint32_t at = 0; at < 1u << segment->log; at++) used += segment->slots[at] != 0;
    assert(used == segment->used && used < 1u << segment->log);
    return used;
}

void pbts_peer_index_check(const pbts_peer_index *index, const pbts_peer_array *array) {
    uint32_t entries = 0;
    if (index->depth == 0) {
        entries = count_entries(index->segment.one);
        assert(index->segment.one->depth == 0);
    }
    for (uint32_t at = 0; index->depth > 0 && at < 1u << index->depth;
         at = after_segment(index, at)) {
        const pbts_index_segment *segment = index->segment.many[at];
        assert(segment->depth <= index->depth && segment->log == PBTS_INDEX_SEGMENT_LOG);
        assert(at % (1u << (index->depth - segment->depth)) == 0);
        for (uint32_t i = at; i < after_segment(index, at); i++) {
            assert(index->segment.many[i] == segment);
        }
        entries += count_entries(segment);
    }
    assert(index->log == (index->depth > 0 ? PBTS_INDEX_SEGMENT_LOG : index->segment.one->log));
    assert(entries == array->count);
    for (uint32_t pos = 0; pos < array->count; pos++) {
        uint32_t hash = hash_at(index, array, pos);
        const uint32_t *slot = pbts_peer_index_slot(index, hash, pos);
        assert(*slot >> 24 == (hash >> 10 & 0xFF));
    }
}
