/* Source: LEB128 as in the DWARF specification, section 7.6. */
#include "wire/runs.h"

#include "base/assert.h"
#include "torrent/piece_set.h"

static pbts_status read_varint(pbts_cursor *cursor, uint32_t *out) {
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte;
        if (pbts_read_u8(cursor, &byte) != PBTS_OK) return PBTS_MALFORMED;
        value |= (uint32_t)(byte & 0x7F) << shift;
        if (byte >= 0x80) continue;
        if (byte == 0 && shift > 0) return PBTS_MALFORMED; /* not the shortest form */
        *out = value;
        return PBTS_OK;
    }
    return PBTS_LIMIT; /* 2^28 pieces or more: no torrent has them */
}

/* `bits`: how many pieces in all; `present_end`: one past the last that is there. */
static pbts_status measure(uint32_t *bits, uint32_t *present_end, pbts_span runs,
                           uint32_t bits_max) {
    pbts_cursor cursor = pbts_cursor_over(runs);
    uint32_t sum = 0, end = 0;
    bool present = false;
    for (bool first = true; pbts_cursor_left(&cursor) > 0; first = false) {
        uint32_t length;
        PBTS_TRY(read_varint(&cursor, &length));
        if (length == 0 && !first) return PBTS_MALFORMED;
        if (length > bits_max - sum) return PBTS_LIMIT;
        sum += length;
        if (present) end = sum;
        present = !present;
    }
    if (sum == 0) return PBTS_MALFORMED;
    *bits = sum;
    *present_end = end;
    return PBTS_OK;
}

pbts_status pbts_runs_measure(uint32_t *bits, pbts_span runs, uint32_t bits_max) {
    uint32_t present_end;
    return measure(bits, &present_end, runs, bits_max);
}

pbts_status pbts_runs_check(pbts_span runs, uint32_t piece_count) {
    size_t set_len = pbts_piece_set_len(piece_count);
    uint32_t bits, present_end;
    PBTS_TRY(measure(&bits, &present_end, runs, (uint32_t)set_len * 8));
    bool fits = pbts_piece_set_len(bits) == set_len && present_end <= piece_count;
    return fits ? PBTS_OK : PBTS_MALFORMED;
}

void pbts_piece_range_add(uint8_t *set, uint32_t first, uint32_t last) {
    uint32_t at = first;
    while (at <= last && at % 8 != 0) pbts_piece_set_add(set, at++);
    if (at > last) return;
    uint32_t whole_bytes = (last + 1 - at) / 8;
    memset(set + at / 8, 0xFF, whole_bytes);
    for (at += 8 * whole_bytes; at <= last; at++) pbts_piece_set_add(set, at);
}

void pbts_runs_expand(uint8_t *set, pbts_span runs) {
    pbts_cursor cursor = pbts_cursor_over(runs);
    uint32_t at = 0;
    for (bool present = false; pbts_cursor_left(&cursor) > 0; present = !present) {
        uint32_t length = 0;
        pbts_status status = read_varint(&cursor, &length);
        assert(status == PBTS_OK);
        if (present) pbts_piece_range_add(set, at, at + length - 1);
        at += length;
    }
}

/* How many bits from `from` on have the value `present`; whole bytes at a time where they do. */
static uint32_t run_at(pbts_span set, uint32_t from, bool present) {
    const uint8_t whole = present ? 0xFF : 0;
    uint32_t end = (uint32_t)set.len * 8, at = from;
    while (at < end && pbts_piece_set_has(set.data, at) == present) {
        at += at % 8 == 0 && set.data[at / 8] == whole ? 8 : 1;
    }
    return at - from;
}

static size_t varint_len(uint32_t value) {
    size_t len = 1;
    for (; value >= 0x80; value >>= 7) len++;
    return len;
}

static void write_varint(pbts_writer *writer, uint32_t value) {
    for (; value >= 0x80; value >>= 7) pbts_write_u8(writer, (uint8_t)(value | 0x80));
    pbts_write_u8(writer, (uint8_t)value);
}

/* One length after the other. The last one, of absent pieces, is left out where the byte before
 * it already makes the set long enough. */
static bool next_run(pbts_span set, uint32_t *at, bool *present, uint32_t *length) {
    uint32_t end = (uint32_t)set.len * 8;
    if (*at >= end) return false;
    *length = run_at(set, *at, *present);
    *at += *length;
    if (*at == end && !*present && *length < 8) return false;
    *present = !*present;
    return true;
}

size_t pbts_runs_len(pbts_span set) {
    uint32_t at = 0, length = 0;
    bool present = false;
    size_t len = 0;
    while (len <= set.len && next_run(set, &at, &present, &length)) len += varint_len(length);
    return len;
}

void pbts_runs_encode(pbts_writer *writer, pbts_span set) {
    uint32_t at = 0, length = 0;
    bool present = false;
    while (next_run(set, &at, &present, &length)) write_varint(writer, length);
}
