#include "peer/open_pieces.h"

#include "base/assert.h"

pbts_status pbts_open_pieces_init(pbts_open_pieces *pieces, pbts_mem *mem, uint32_t piece_count,
                                  uint32_t slots_len) {
    assert(slots_len > 0 && slots_len <= PBTS_OPEN_SLOTS_MAX);
    *pieces = (pbts_open_pieces){
        .mem = mem,
        .slots_len = slots_len,
        .used_max = slots_len,
        .slots = pbts_alloc_array(mem, slots_len, sizeof(pbts_open_piece)),
        .order = pbts_alloc_array(mem, slots_len, sizeof(uint16_t)),
        .slot_of = pbts_alloc_array(mem, piece_count, sizeof(uint16_t)),
    };
    if (!pieces->slots || !pieces->order || !pieces->slot_of) {
        pieces->slots_len = 0; /* there may be no array of them to walk */
        pbts_open_pieces_deinit(pieces);
        return PBTS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < slots_len; i++) {
        pieces->slots[i].place = i;
        pieces->order[i] = (uint16_t)i;
    }
    for (uint32_t i = 0; i < piece_count; i++) pieces->slot_of[i] = PBTS_SLOT_NONE;
    return PBTS_OK;
}

void pbts_open_pieces_deinit(pbts_open_pieces *pieces) {
    if (pieces->mem == NULL) return;
    if (pieces->budget != NULL) pieces->budget->taken_bytes -= pieces->used * pieces->slot_bytes;
    for (uint32_t i = 0; i < pieces->slots_len; i++) {
        pbts_release(pieces->mem, pieces->slots[i].blocks);
    }
    pbts_release(pieces->mem, pieces->slots);
    pbts_release(pieces->mem, pieces->order);
    pbts_release(pieces->mem, pieces->slot_of);
    *pieces = (pbts_open_pieces){ .mem = NULL };
}

bool pbts_open_pieces_is_full(const pbts_open_pieces *pieces) {
    return pieces->used >= pieces->used_max;
}

pbts_open_piece *pbts_open_pieces_find(const pbts_open_pieces *pieces, uint32_t piece) {
    uint16_t slot = pieces->slot_of[piece];
    return slot == PBTS_SLOT_NONE ? NULL : &pieces->slots[slot];
}

uint16_t pbts_open_pieces_index(const pbts_open_pieces *pieces, const pbts_open_piece *slot) {
    return (uint16_t)(slot - pieces->slots);
}

/* Put a slot to position `to` of the order, and the one that is there to where it was. */
static void change_place(pbts_open_pieces *pieces, pbts_open_piece *slot, uint32_t to) {
    pbts_open_piece *other = &pieces->slots[pieces->order[to]];
    pieces->order[slot->place] = pieces->order[to];
    pieces->order[to] = pbts_open_pieces_index(pieces, slot);
    other->place = slot->place;
    slot->place = to;
}

static pbts_status reserve_table(pbts_open_pieces *pieces, pbts_open_piece *slot, uint32_t len) {
    if (len <= slot->table_len) return PBTS_OK;
    void *blocks = pbts_resize_array(pieces->mem, slot->blocks, len, sizeof *slot->blocks);
    if (blocks == NULL) return PBTS_NO_MEMORY;
    slot->blocks = blocks;
    slot->table_len = len;
    return PBTS_OK;
}

pbts_status pbts_open_pieces_begin(pbts_open_pieces *pieces, pbts_open_piece **out, uint32_t piece,
                                   uint32_t bytes) {
    assert(bytes > 0 && pieces->slot_of[piece] == PBTS_SLOT_NONE);
    if (pbts_open_pieces_is_full(pieces)) return PBTS_LIMIT;
    if (pieces->budget != NULL && !pbts_open_budget_has(pieces->budget, pieces->slot_bytes)) {
        pieces->was_short = true;
        return PBTS_LIMIT;
    }
    pbts_open_piece *slot = &pieces->slots[pieces->order[pieces->used]];
    uint32_t blocks_len = (bytes + PBTS_PEER_BLOCK_BYTES - 1) / PBTS_PEER_BLOCK_BYTES;
    PBTS_TRY(reserve_table(pieces, slot, blocks_len));
    memset(slot->blocks, 0, blocks_len * sizeof *slot->blocks);
    *slot = (pbts_open_piece){
        .state = PBTS_SLOT_OPEN,
        .piece = piece,
        .bytes = bytes,
        .blocks_len = blocks_len,
        .unasked = blocks_len,
        .next = PBTS_SLOT_NONE,
        .prev = PBTS_SLOT_NONE,
        .next_event = PBTS_SLOT_NONE,
        .place = pieces->used++,
        .blocks = slot->blocks,
        .table_len = slot->table_len,
    };
    pieces->slot_of[piece] = pbts_open_pieces_index(pieces, slot);
    if (pieces->budget != NULL) pieces->budget->taken_bytes += pieces->slot_bytes;
    *out = slot;
    return PBTS_OK;
}

void pbts_open_pieces_close(pbts_open_pieces *pieces, pbts_open_piece *slot) {
    assert(slot->state != PBTS_SLOT_FREE && slot->state != PBTS_SLOT_CLOSED);
    pieces->slot_of[slot->piece] = PBTS_SLOT_NONE;
    slot->state = PBTS_SLOT_CLOSED;
}

void pbts_open_pieces_free_slot(pbts_open_pieces *pieces, pbts_open_piece *slot) {
    assert(slot->state == PBTS_SLOT_CLOSED);
    slot->state = PBTS_SLOT_FREE;
    change_place(pieces, slot, --pieces->used);
    if (pieces->budget != NULL) pieces->budget->taken_bytes -= pieces->slot_bytes;
}

/* ---- blocks ---- */

static uint32_t block_bytes(const pbts_open_piece *slot, uint32_t block) {
    uint32_t at = block * PBTS_PEER_BLOCK_BYTES;
    uint32_t left = slot->bytes - at;
    return left < PBTS_PEER_BLOCK_BYTES ? left : PBTS_PEER_BLOCK_BYTES;
}

uint32_t pbts_open_piece_range_bytes(const pbts_open_piece *slot, uint32_t first, uint32_t count) {
    assert(count > 0 && first + count <= slot->blocks_len);
    return (count - 1) * PBTS_PEER_BLOCK_BYTES + block_bytes(slot, first + count - 1);
}

bool pbts_open_piece_range(const pbts_open_piece *slot, uint32_t offset_bytes,
                           uint32_t length_bytes, uint32_t *first, uint32_t *count) {
    if (offset_bytes >= slot->bytes || length_bytes > slot->bytes - offset_bytes) return false;
    if (length_bytes == 0 || offset_bytes % PBTS_PEER_BLOCK_BYTES != 0) return false;
    bool is_end = offset_bytes + length_bytes == slot->bytes;
    if (!is_end && length_bytes % PBTS_PEER_BLOCK_BYTES != 0) return false;
    *first = offset_bytes / PBTS_PEER_BLOCK_BYTES;
    *count = (length_bytes + PBTS_PEER_BLOCK_BYTES - 1) / PBTS_PEER_BLOCK_BYTES;
    return true;
}

static bool is_unasked(const pbts_open_block *block) {
    return block->state == PBTS_BLOCK_MISSING && block->asked == 0;
}

void pbts_open_piece_ask(pbts_open_piece *slot, uint32_t *first, uint32_t *count, uint32_t max) {
    assert(slot->unasked > 0 && max > 0);
    while (!is_unasked(&slot->blocks[slot->cursor])) slot->cursor++;
    *first = slot->cursor;
    for (; slot->cursor < slot->blocks_len && slot->cursor - *first < max; slot->cursor++) {
        if (!is_unasked(&slot->blocks[slot->cursor])) break;
        slot->blocks[slot->cursor].asked = 1;
        slot->unasked--;
    }
    *count = slot->cursor - *first;
}

bool pbts_open_piece_next_again(const pbts_open_piece *slot, uint32_t *block, uint8_t asked_max) {
    for (uint32_t i = *block; i < slot->blocks_len; i++) {
        const pbts_open_block *candidate = &slot->blocks[i];
        if (candidate->state != PBTS_BLOCK_MISSING || candidate->asked >= asked_max) continue;
        *block = i;
        return true;
    }
    return false;
}

void pbts_open_piece_ask_again(pbts_open_piece *slot, uint32_t block) {
    slot->unasked -= is_unasked(&slot->blocks[block]);
    slot->blocks[block].asked++;
}

static void count_unasked(pbts_open_piece *slot, uint32_t block) {
    if (!is_unasked(&slot->blocks[block])) return;
    slot->unasked++;
    if (block < slot->cursor) slot->cursor = block;
}

void pbts_open_piece_unask(pbts_open_piece *slot, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        assert(slot->blocks[i].asked > 0);
        slot->blocks[i].asked--;
        count_unasked(slot, i);
    }
}

bool pbts_open_piece_arriving(pbts_open_piece *slot, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        if (slot->blocks[i].state != PBTS_BLOCK_MISSING) return false;
    }
    for (uint32_t i = first; i < first + count; i++) {
        slot->unasked -= is_unasked(&slot->blocks[i]);
        slot->blocks[i].state = PBTS_BLOCK_ARRIVING;
    }
    return true;
}

void pbts_open_piece_stopped(pbts_open_piece *slot, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        assert(slot->blocks[i].state == PBTS_BLOCK_ARRIVING);
        slot->blocks[i].state = PBTS_BLOCK_MISSING;
        count_unasked(slot, i);
    }
}

void pbts_open_piece_reset(pbts_open_piece *slot) {
    slot->here = slot->contributors = 0;
    for (uint32_t i = 0; i < slot->blocks_len; i++) {
        assert(slot->blocks[i].state != PBTS_BLOCK_ARRIVING);
        if (slot->blocks[i].state != PBTS_BLOCK_HERE) continue;
        slot->blocks[i].state = PBTS_BLOCK_MISSING;
        count_unasked(slot, i);
    }
}

bool pbts_open_piece_is_asked(const pbts_open_piece *slot, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        if (slot->blocks[i].asked > 0) return true;
    }
    return false;
}

/* ---- contributors ---- */

static pbts_contributor *find_contributor(const pbts_open_piece *slot, uint32_t serial) {
    for (uint32_t i = 0; i < slot->contributors; i++) {
        if (slot->who[i].serial == serial) return (pbts_contributor *)&slot->who[i];
    }
    return NULL;
}

/* Forget who gave least: its blocks are missing again. */
static pbts_contributor *evict(pbts_open_piece *slot) {
    uint32_t least = 0;
    for (uint32_t i = 1; i < slot->contributors; i++) {
        if (slot->who[i].bytes < slot->who[least].bytes) least = i;
    }
    for (uint32_t i = 0; i < slot->blocks_len; i++) {
        pbts_open_block *block = &slot->blocks[i];
        if (block->state != PBTS_BLOCK_HERE || block->source != least) continue;
        block->state = PBTS_BLOCK_MISSING;
        slot->here--;
        count_unasked(slot, i);
    }
    return &slot->who[least];
}

bool pbts_contributor_has_key(const pbts_contributor *who) {
    static const uint8_t NONE[PBTS_CONTRIBUTOR_KEY_LEN];
    return memcmp(who->key, NONE, sizeof NONE) != 0;
}

/* One that gave before, on an earlier connection. */
static pbts_contributor *find_key(pbts_open_piece *slot, const pbts_contributor *from) {
    if (!pbts_contributor_has_key(from)) return NULL;
    for (uint32_t i = 0; i < slot->contributors; i++) {
        if (memcmp(slot->who[i].key, from->key, sizeof from->key) == 0) return &slot->who[i];
    }
    return NULL;
}

static pbts_contributor *contributor(pbts_open_piece *slot, const pbts_contributor *from) {
    pbts_contributor *found = find_contributor(slot, from->serial);
    if (found != NULL) return found;
    found = find_key(slot, from);
    if (found != NULL) {
        uint32_t bytes = found->bytes;
        *found = *from;
        found->bytes = bytes;
        return found;
    }
    found =
        slot->contributors < PBTS_CONTRIBUTORS_MAX ? &slot->who[slot->contributors++] : evict(slot);
    *found = *from;
    found->bytes = 0;
    return found;
}

void pbts_open_piece_arrived(pbts_open_piece *slot, uint32_t first, uint32_t count,
                             const pbts_contributor *from) {
    pbts_contributor *giver = contributor(slot, from);
    for (uint32_t i = first; i < first + count; i++) {
        assert(slot->blocks[i].state == PBTS_BLOCK_ARRIVING);
        slot->blocks[i].state = PBTS_BLOCK_HERE;
        slot->blocks[i].source = (uint8_t)(giver - slot->who);
    }
    slot->here += count;
    giver->bytes += pbts_open_piece_range_bytes(slot, first, count);
}

const pbts_contributor *pbts_open_piece_most(const pbts_open_piece *slot) {
    const pbts_contributor *most = NULL;
    for (uint32_t i = 0; i < slot->contributors; i++) {
        if (most == NULL || slot->who[i].bytes > most->bytes) most = &slot->who[i];
    }
    return most;
}

uint32_t pbts_open_piece_bytes_from(const pbts_open_piece *slot, uint32_t serial) {
    const pbts_contributor *found = find_contributor(slot, serial);
    return found == NULL ? 0 : found->bytes;
}

void pbts_open_piece_check(const pbts_open_piece *slot) {
    uint32_t here = 0, unasked = 0, bytes[PBTS_CONTRIBUTORS_MAX] = { 0 };
    for (uint32_t i = 0; i < slot->blocks_len; i++) {
        const pbts_open_block *block = &slot->blocks[i];
        unasked += is_unasked(block);
        assert(!is_unasked(block) || i >= slot->cursor);
        if (block->state != PBTS_BLOCK_HERE) continue;
        here++;
        assert(block->source < slot->contributors);
        bytes[block->source] += block_bytes(slot, i);
    }
    assert(here == slot->here && unasked == slot->unasked);
    for (uint32_t i = 0; i < slot->contributors; i++) assert(bytes[i] == slot->who[i].bytes);
}
