#include "peer/picker.h"

#include "base/assert.h"
#include "torrent/piece_set.h"

#define PBTS_PICKER_NOWHERE UINT32_MAX

enum { PARTS = PBTS_PICKER_PEERS_MAX + 1 };

pbts_status pbts_picker_init(pbts_picker *picker, pbts_mem *mem, uint32_t piece_count,
                             uint64_t seed) {
    assert(piece_count > 0);
    *picker = (pbts_picker){
        .mem = mem,
        .piece_count = piece_count,
        .order = pbts_alloc_array(mem, piece_count, sizeof(uint32_t)),
        .place = pbts_alloc_array(mem, piece_count, sizeof(uint32_t)),
        .ends = pbts_alloc_array(mem, PARTS, sizeof(uint32_t)),
        .availability = pbts_alloc_array(mem, piece_count, sizeof(uint16_t)),
        .pickable = pbts_alloc(mem, pbts_piece_set_len(piece_count)),
        .prng = pbts_prng_seeded(seed),
    };
    if (!picker->order || !picker->place || !picker->ends || !picker->availability ||
        !picker->pickable) {
        pbts_picker_deinit(picker);
        return PBTS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < piece_count; i++) picker->place[i] = PBTS_PICKER_NOWHERE;
    return PBTS_OK;
}

void pbts_picker_deinit(pbts_picker *picker) {
    if (picker->mem == NULL) return;
    pbts_release(picker->mem, picker->order);
    pbts_release(picker->mem, picker->place);
    pbts_release(picker->mem, picker->ends);
    pbts_release(picker->mem, picker->availability);
    pbts_release(picker->mem, picker->pickable);
    *picker = (pbts_picker){ .mem = NULL };
}

static uint32_t part_begin(const pbts_picker *picker, uint32_t part) {
    return part == 0 ? 0 : picker->ends[part - 1];
}

static void put(pbts_picker *picker, uint32_t at, uint32_t piece) {
    picker->order[at] = piece;
    picker->place[piece] = at;
}

static void swap(pbts_picker *picker, uint32_t a, uint32_t b) {
    uint32_t piece = picker->order[a];
    put(picker, a, picker->order[b]);
    put(picker, b, piece);
}

/* Give the piece at `at` any place in its part. */
static void shuffle(pbts_picker *picker, uint32_t at, uint32_t part) {
    uint32_t begin = part_begin(picker, part);
    uint32_t other = begin + pbts_prng_below(&picker->prng, picker->ends[part] - begin);
    swap(picker, at, other);
}

bool pbts_picker_has(const pbts_picker *picker, uint32_t piece) {
    return picker->place[piece] != PBTS_PICKER_NOWHERE;
}

/* Every part above moves one to the right: its first piece goes to its end. */
void pbts_picker_add(pbts_picker *picker, uint32_t piece) {
    if (pbts_picker_has(picker, piece)) return;
    uint32_t hole = picker->count++, part = picker->availability[piece];
    for (uint32_t i = PARTS; i-- > part;) {
        uint32_t begin = part_begin(picker, i);
        picker->ends[i]++;
        if (i == part || begin == hole) continue;
        put(picker, hole, picker->order[begin]);
        hole = begin;
    }
    put(picker, hole, piece);
    pbts_piece_set_add(picker->pickable, piece);
    picker->additions++;
    shuffle(picker, hole, part);
}

void pbts_picker_remove(pbts_picker *picker, uint32_t piece) {
    if (!pbts_picker_has(picker, piece)) return;
    uint32_t hole = picker->place[piece];
    for (uint32_t i = picker->availability[piece]; i < PARTS; i++) {
        uint32_t last = --picker->ends[i];
        if (last == hole) continue;
        put(picker, hole, picker->order[last]);
        hole = last;
    }
    picker->count--;
    picker->place[piece] = PBTS_PICKER_NOWHERE;
    picker->pickable[piece / 8] &= (uint8_t) ~(0x80u >> piece % 8);
}

static void count_into_ends(pbts_picker *picker, pbts_span pickable) {
    memset(picker->ends, 0, PARTS * sizeof *picker->ends);
    for (uint32_t i = 0; pbts_piece_set_next(pickable, &i); i++) {
        picker->ends[picker->availability[i]]++;
    }
    for (uint32_t i = 1; i < PARTS; i++) picker->ends[i] += picker->ends[i - 1];
    picker->count = picker->ends[PARTS - 1];
}

void pbts_picker_reset(pbts_picker *picker, pbts_span pickable) {
    assert(pickable.len == pbts_piece_set_len(picker->piece_count));
    memmove(picker->pickable, pickable.data, pickable.len);
    pickable.data = picker->pickable;
    for (uint32_t i = 0; i < picker->piece_count; i++) picker->place[i] = PBTS_PICKER_NOWHERE;
    count_into_ends(picker, pickable);
    /* From the end of each part down; after that its end is where it begins. */
    for (uint32_t i = 0; pbts_piece_set_next(pickable, &i); i++) {
        put(picker, --picker->ends[picker->availability[i]], i);
    }
    for (uint32_t i = 0; i + 1 < PARTS; i++) picker->ends[i] = picker->ends[i + 1];
    picker->ends[PARTS - 1] = picker->count;
    for (uint32_t i = 0; i < picker->count; i++) {
        shuffle(picker, i, picker->availability[picker->order[i]]);
    }
    picker->additions++;
}

void pbts_picker_gained(pbts_picker *picker, uint32_t piece) {
    uint32_t part = picker->availability[piece]++;
    assert(part < PBTS_PICKER_PEERS_MAX);
    if (!pbts_picker_has(picker, piece)) return;
    uint32_t last = --picker->ends[part];
    swap(picker, picker->place[piece], last);
    shuffle(picker, last, part + 1);
}

void pbts_picker_lost(pbts_picker *picker, uint32_t piece) {
    assert(picker->availability[piece] > 0);
    uint32_t part = picker->availability[piece]--;
    if (!pbts_picker_has(picker, piece)) return;
    uint32_t first = picker->ends[part - 1]++;
    swap(picker, picker->place[piece], first);
    shuffle(picker, first, part - 1);
}

/* ---- search ---- */

static uint64_t eight_bytes(const uint8_t *bytes, size_t len, size_t at) {
    uint64_t word = 0;
    memcpy(&word, bytes + at, len - at < sizeof word ? len - at : sizeof word);
    return word;
}

/* The rarest of the next PBTS_PICKER_SAMPLE pickable pieces that the peer has, beginning anywhere:
 * 64 pieces at a time, so that a peer with one piece in a million costs microseconds. */
static bool find_by_set(pbts_picker *picker, uint32_t *piece, const uint8_t *peer_has) {
    size_t len = pbts_piece_set_len(picker->piece_count), words = (len + 7) / 8;
    size_t start = pbts_prng_below(&picker->prng, (uint32_t)words);
    uint32_t found = 0;
    for (size_t i = 0; i <= words && found < PBTS_PICKER_SAMPLE; i++) {
        size_t at = (start + i) % words * 8;
        uint64_t both = eight_bytes(picker->pickable, len, at) & eight_bytes(peer_has, len, at);
        if (both == 0) continue;
        uint8_t bits[8];
        memcpy(bits, &both, sizeof bits);
        for (uint32_t bit = 0; pbts_piece_set_next(PBTS_SPAN_OF(bits), &bit); bit++) {
            uint32_t candidate = (uint32_t)(at * 8) + bit;
            bool is_rarer = picker->availability[candidate] < picker->availability[*piece];
            if (found++ == 0 || is_rarer) *piece = candidate;
        }
    }
    return found > 0;
}

bool pbts_picker_find(pbts_picker *picker, uint32_t *piece, const uint8_t *peer_has,
                      bool at_random) {
    if (picker->count == 0) return false;
    uint32_t start = at_random ? pbts_prng_below(&picker->prng, picker->count) : 0;
    uint32_t steps = picker->count < PBTS_PICKER_STEPS_MAX ? picker->count : PBTS_PICKER_STEPS_MAX;
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t at = start + i < picker->count ? start + i : start + i - picker->count;
        uint32_t candidate = picker->order[at];
        if (peer_has != NULL && !pbts_piece_set_has(peer_has, candidate)) continue;
        *piece = candidate;
        return true;
    }
    uint32_t found = 0;
    if (steps == picker->count || !find_by_set(picker, &found, peer_has)) return false;
    *piece = found;
    return true;
}

void pbts_picker_check(const pbts_picker *picker) {
    uint32_t part = 0, pickable = 0;
    assert(picker->ends[PARTS - 1] == picker->count);
    for (uint32_t i = 0; i < picker->count; i++) {
        uint32_t piece = picker->order[i];
        while (part < PARTS && picker->ends[part] <= i) part++;
        assert(part < PARTS && picker->availability[piece] == part);
        assert(picker->place[piece] == i);
    }
    for (uint32_t i = 0; i < picker->piece_count; i++) {
        assert(pbts_picker_has(picker, i) == pbts_piece_set_has(picker->pickable, i));
        pickable += pbts_picker_has(picker, i);
    }
    assert(pickable == picker->count);
}
