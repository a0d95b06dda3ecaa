#include "base/cursor.h"

#include "base/assert.h"

pbts_cursor pbts_cursor_over(pbts_span bytes) {
    assert(bytes.data != NULL || bytes.len == 0);
    /* NULL + 0 is undefined in C17, so an empty span is not offset. */
    const uint8_t *end = bytes.len > 0 ? bytes.data + bytes.len : bytes.data;
    return (pbts_cursor){ .next = bytes.data, .end = end };
}

size_t pbts_cursor_left(const pbts_cursor *cursor) {
    assert(cursor->next <= cursor->end);
    return (size_t)(cursor->end - cursor->next);
}

pbts_span pbts_cursor_rest(const pbts_cursor *cursor) {
    return (pbts_span){ cursor->next, pbts_cursor_left(cursor) };
}

static pbts_status read_be(pbts_cursor *cursor, size_t width, uint64_t *out) {
    if (pbts_cursor_left(cursor) < width) return PBTS_NEED_MORE;
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) value = (value << 8) | cursor->next[i];
    cursor->next += width;
    *out = value;
    return PBTS_OK;
}

pbts_status pbts_read_u8(pbts_cursor *cursor, uint8_t *out) {
    uint64_t value;
    PBTS_TRY(read_be(cursor, 1, &value));
    *out = (uint8_t)value;
    return PBTS_OK;
}

pbts_status pbts_read_u16(pbts_cursor *cursor, uint16_t *out) {
    uint64_t value;
    PBTS_TRY(read_be(cursor, 2, &value));
    *out = (uint16_t)value;
    return PBTS_OK;
}

pbts_status pbts_read_u32(pbts_cursor *cursor, uint32_t *out) {
    uint64_t value;
    PBTS_TRY(read_be(cursor, 4, &value));
    *out = (uint32_t)value;
    return PBTS_OK;
}

pbts_status pbts_read_u64(pbts_cursor *cursor, uint64_t *out) {
    return read_be(cursor, 8, out);
}

pbts_status pbts_read_bytes(pbts_cursor *cursor, uint8_t *out, size_t len) {
    if (pbts_cursor_left(cursor) < len) return PBTS_NEED_MORE;
    if (len == 0) return PBTS_OK; /* NULL + 0 again */
    memcpy(out, cursor->next, len);
    cursor->next += len;
    return PBTS_OK;
}

pbts_status pbts_read_span(pbts_cursor *cursor, pbts_span *out, size_t len) {
    if (pbts_cursor_left(cursor) < len) return PBTS_NEED_MORE;
    *out = (pbts_span){ cursor->next, len };
    if (len > 0) cursor->next += len;
    return PBTS_OK;
}
