#include "torrent/piece_set.h"

bool pbts_piece_set_has(const uint8_t *bits, uint32_t index) {
    return bits[index / 8] >> (7 - index % 8) & 1;
}

void pbts_piece_set_add(uint8_t *bits, uint32_t index) {
    bits[index / 8] = (uint8_t)(bits[index / 8] | 0x80u >> index % 8);
}

uint32_t pbts_piece_set_count(pbts_span bits) {
    uint32_t count = 0;
    for (size_t i = 0; i < bits.len; i++) count += (uint32_t)__builtin_popcount(bits.data[i]);
    return count;
}

bool pbts_piece_set_next(pbts_span bits, uint32_t *index) {
    size_t at = *index / 8;
    unsigned first = 0xFFu >> *index % 8; /* of the byte where the search begins */
    for (; at < bits.len; at++, first = 0xFF) {
        unsigned byte = bits.data[at] & first;
        if (byte == 0) continue;
        *index = (uint32_t)(at * 8) + (uint32_t)__builtin_clz(byte) - 24; /* of 32 bits */
        return true;
    }
    return false;
}

pbts_status pbts_piece_set_check(pbts_span bits, uint32_t piece_count) {
    if (bits.len != pbts_piece_set_len(piece_count)) return PBTS_MALFORMED;
    if (piece_count % 8 == 0) return PBTS_OK;
    unsigned spare = 0xFFu >> piece_count % 8;
    return (bits.data[bits.len - 1] & spare) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_index(pbts_cursor *text, uint32_t *out) {
    uint64_t value = 0;
    const uint8_t *start = text->next;
    for (; text->next < text->end && *text->next >= '0' && *text->next <= '9'; text->next++) {
        value = value * 10 + (*text->next - (uint64_t)'0');
        if (value > UINT32_MAX) return PBTS_LIMIT;
    }
    if (text->next == start) return PBTS_MALFORMED;
    *out = (uint32_t)value;
    return PBTS_OK;
}

static bool skip(pbts_cursor *text, uint8_t character) {
    if (text->next == text->end || *text->next != character) return false;
    text->next++;
    return true;
}

/* Read "5" or "0-99", and the comma when more follows. */
static pbts_status read_range(pbts_cursor *text, uint32_t *first, uint32_t *last,
                              uint32_t piece_count) {
    PBTS_TRY(read_index(text, first));
    *last = *first;
    if (skip(text, '-')) PBTS_TRY(read_index(text, last));
    bool more = skip(text, ',');
    if (more != (pbts_cursor_left(text) > 0) || *last < *first) return PBTS_MALFORMED;
    return *last < piece_count ? PBTS_OK : PBTS_LIMIT;
}

static void add_range(uint8_t *bits, uint32_t first, uint32_t last) {
    for (uint64_t i = first; i <= last; i++) pbts_piece_set_add(bits, (uint32_t)i);
}

pbts_status pbts_piece_set_parse(uint8_t *bits, uint32_t piece_count, pbts_span text) {
    uint32_t first, last;
    if (pbts_span_is(text, "all")) {
        if (piece_count > 0) add_range(bits, 0, piece_count - 1);
        return PBTS_OK;
    }
    if (text.len == 0) return PBTS_MALFORMED;
    /* Once to check, once to add: a bad text changes nothing. */
    pbts_cursor rest = pbts_cursor_over(text);
    while (pbts_cursor_left(&rest) > 0) PBTS_TRY(read_range(&rest, &first, &last, piece_count));
    rest = pbts_cursor_over(text);
    while (pbts_cursor_left(&rest) > 0) {
        PBTS_TRY(read_range(&rest, &first, &last, piece_count));
        add_range(bits, first, last);
    }
    return PBTS_OK;
}
