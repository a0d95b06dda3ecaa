/* base/cursor.h - bounds-checked reading of one received message.
 *
 * A cursor borrows its bytes and never allocates. A read past the end changes
 * nothing and returns PBTS_NEED_MORE, so a decoder reads as a list of fields.
 */
#ifndef PBTS_BASE_CURSOR_H
#define PBTS_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pbts/status.h"

/* A borrowed view: valid as long as the buffer it points into. data may be NULL when len is 0. */
typedef struct {
    const uint8_t *data;
    size_t len;
} pbts_span;

/* The span over an array, over a C string (without its NUL), and comparisons. */
#define PBTS_SPAN_OF(array) ((pbts_span){ (const uint8_t *)(array), sizeof(array) })
static inline pbts_span pbts_span_text(const char *text) {
    return (pbts_span){ (const uint8_t *)text, strlen(text) };
}
static inline bool pbts_span_equal(pbts_span a, pbts_span b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool pbts_span_is(pbts_span a, const char *text) {
    return pbts_span_equal(a, pbts_span_text(text));
}

typedef struct {
    const uint8_t *next; /* first unread byte */
    const uint8_t *end;  /* one past the last byte; next <= end always */
} pbts_cursor;

pbts_cursor pbts_cursor_over(pbts_span bytes);
size_t pbts_cursor_left(const pbts_cursor *cursor);
pbts_span pbts_cursor_rest(const pbts_cursor *cursor); /* the unread bytes, not consumed */

/* Read one big-endian integer, `len` raw bytes copied to `out`, or a borrowed view of them. */
PBTS_MUST_USE pbts_status pbts_read_u8(pbts_cursor *cursor, uint8_t *out);
PBTS_MUST_USE pbts_status pbts_read_u16(pbts_cursor *cursor, uint16_t *out);
PBTS_MUST_USE pbts_status pbts_read_u32(pbts_cursor *cursor, uint32_t *out);
PBTS_MUST_USE pbts_status pbts_read_u64(pbts_cursor *cursor, uint64_t *out);
PBTS_MUST_USE pbts_status pbts_read_bytes(pbts_cursor *cursor, uint8_t *out, size_t len);
PBTS_MUST_USE pbts_status pbts_read_span(pbts_cursor *cursor, pbts_span *out, size_t len);

#endif
