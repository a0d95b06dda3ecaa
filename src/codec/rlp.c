#include "codec/rlp.h"

#include "base/assert.h"

/* First byte of an item: 00-7f itself, 80-b7 a string of 0-55 bytes, b8-bf a string whose length
 * has 1-8 bytes, c0-f7 and f8-ff lists the same way. */
enum { STRING = 0x80, LIST = 0xc0, SHORT_LEN_MAX = 55, HEADER_LEN_MAX = 9 };

/* A length of `width` bytes: without leading zero and above what the short form holds. */
static pbts_status read_long_len(pbts_cursor *cursor, size_t width, uint64_t *len) {
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        uint8_t byte = 0;
        if (pbts_read_u8(cursor, &byte) != PBTS_OK || (i == 0 && byte == 0)) return PBTS_MALFORMED;
        value = value << 8 | byte;
    }
    if (value <= SHORT_LEN_MAX) return PBTS_MALFORMED;
    *len = value;
    return PBTS_OK;
}

pbts_status pbts_rlp_read(pbts_cursor *cursor, pbts_rlp_item *out) {
    pbts_cursor at = *cursor;
    pbts_rlp_item item = { .type = PBTS_RLP_STRING };
    uint8_t first = 0;
    if (pbts_read_u8(&at, &first) != PBTS_OK) return PBTS_MALFORMED;
    if (first < STRING) {
        item.content = (pbts_span){ cursor->next, 1 };
    } else {
        uint64_t len = (uint64_t)first - (first < LIST ? STRING : LIST);
        if (first >= LIST) item.type = PBTS_RLP_LIST;
        if (len > SHORT_LEN_MAX) PBTS_TRY(read_long_len(&at, (size_t)len - SHORT_LEN_MAX, &len));
        if (len > pbts_cursor_left(&at)) return PBTS_MALFORMED;
        if (pbts_read_span(&at, &item.content, (size_t)len) != PBTS_OK) return PBTS_MALFORMED;
        if (first == STRING + 1 && item.content.data[0] < STRING) return PBTS_MALFORMED;
    }
    item.raw = (pbts_span){ cursor->next, (size_t)(at.next - cursor->next) };
    *cursor = at;
    *out = item;
    return PBTS_OK;
}

pbts_status pbts_rlp_parse(pbts_rlp_item *out, pbts_span bytes) {
    pbts_cursor cursor = pbts_cursor_over(bytes);
    pbts_rlp_item item;
    PBTS_TRY(pbts_rlp_read(&cursor, &item));
    PBTS_TRY(pbts_rlp_end(&cursor));
    *out = item;
    return PBTS_OK;
}

pbts_status pbts_rlp_check(pbts_span bytes) {
    pbts_cursor open[PBTS_RLP_DEPTH_MAX + 1]; /* what is left of each list around the next item */
    size_t depth = 0;
    pbts_rlp_item item;
    PBTS_TRY(pbts_rlp_parse(&item, bytes));
    open[0] = pbts_cursor_over(bytes);
    for (;;) {
        while (pbts_cursor_left(&open[depth]) == 0) {
            if (depth-- == 0) return PBTS_OK;
        }
        PBTS_TRY(pbts_rlp_read(&open[depth], &item));
        if (item.type == PBTS_RLP_STRING) continue;
        if (depth == PBTS_RLP_DEPTH_MAX) return PBTS_LIMIT;
        open[++depth] = pbts_cursor_over(item.content);
    }
}

/* ---- items of a known kind ---- */

static pbts_status read_kind(pbts_cursor *cursor, pbts_rlp_type type, pbts_span *content) {
    pbts_rlp_item item;
    PBTS_TRY(pbts_rlp_read(cursor, &item));
    if (item.type != type) return PBTS_MALFORMED;
    *content = item.content;
    return PBTS_OK;
}

pbts_status pbts_rlp_read_string(pbts_cursor *cursor, pbts_span *out) {
    return read_kind(cursor, PBTS_RLP_STRING, out);
}

pbts_status pbts_rlp_read_list(pbts_cursor *cursor, pbts_cursor *items) {
    pbts_span content;
    PBTS_TRY(read_kind(cursor, PBTS_RLP_LIST, &content));
    *items = pbts_cursor_over(content);
    return PBTS_OK;
}

pbts_status pbts_rlp_read_bytes(pbts_cursor *cursor, uint8_t *out, size_t len) {
    pbts_span content;
    PBTS_TRY(read_kind(cursor, PBTS_RLP_STRING, &content));
    if (content.len != len) return PBTS_MALFORMED;
    if (len > 0) memcpy(out, content.data, len);
    return PBTS_OK;
}

/* A number of at most `len` bytes. */
static pbts_status read_number(pbts_cursor *cursor, pbts_span *content, size_t len) {
    PBTS_TRY(read_kind(cursor, PBTS_RLP_STRING, content));
    if (content->len > len) return PBTS_MALFORMED;
    return content->len > 0 && content->data[0] == 0 ? PBTS_MALFORMED : PBTS_OK;
}

pbts_status pbts_rlp_read_u64(pbts_cursor *cursor, uint64_t *out) {
    pbts_span content;
    uint64_t value = 0;
    PBTS_TRY(read_number(cursor, &content, sizeof value));
    for (size_t i = 0; i < content.len; i++) value = value << 8 | content.data[i];
    *out = value;
    return PBTS_OK;
}

pbts_status pbts_rlp_read_u256(pbts_cursor *cursor, pbts_u256 *out) {
    pbts_span content;
    PBTS_TRY(read_number(cursor, &content, PBTS_U256_LEN));
    *out = pbts_u256_from_span(content);
    return PBTS_OK;
}

pbts_status pbts_rlp_end(const pbts_cursor *cursor) {
    return pbts_cursor_left(cursor) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

/* ---- writing ---- */

/* The header of a string or list of `len` bytes; returns its length, 1..HEADER_LEN_MAX. */
static size_t make_header(uint8_t out[static HEADER_LEN_MAX], pbts_rlp_type type, uint64_t len) {
    uint8_t kind = type == PBTS_RLP_LIST ? LIST : STRING;
    size_t width = 0;
    if (len <= SHORT_LEN_MAX) {
        out[0] = (uint8_t)(kind + len);
        return 1;
    }
    for (uint64_t left = len; left > 0; left >>= 8) width++;
    out[0] = (uint8_t)(kind + SHORT_LEN_MAX + width);
    for (size_t i = 0; i < width; i++) out[1 + i] = (uint8_t)(len >> (8 * (width - 1 - i)));
    return 1 + width;
}

void pbts_rlp_write_header(pbts_writer *writer, pbts_rlp_type type, uint64_t content_len) {
    uint8_t header[HEADER_LEN_MAX];
    pbts_write_bytes(writer, (pbts_span){ header, make_header(header, type, content_len) });
}

void pbts_rlp_write_string(pbts_writer *writer, pbts_span string) {
    if (string.len != 1 || string.data[0] >= STRING) {
        pbts_rlp_write_header(writer, PBTS_RLP_STRING, string.len);
    }
    pbts_write_bytes(writer, string);
}

void pbts_rlp_write_u64(pbts_writer *writer, uint64_t value) {
    pbts_u256 number = pbts_u256_from_u64(value);
    pbts_rlp_write_u256(writer, &number);
}

void pbts_rlp_write_u256(pbts_writer *writer, const pbts_u256 *value) {
    pbts_rlp_write_string(writer, pbts_u256_trimmed(value));
}

size_t pbts_rlp_open_list(const pbts_writer *writer) {
    return writer->len;
}

void pbts_rlp_close_list(pbts_writer *writer, size_t opened) {
    assert(opened <= writer->len);
    uint8_t header[HEADER_LEN_MAX];
    size_t len = writer->len - opened;
    size_t header_len = make_header(header, PBTS_RLP_LIST, len);
    if (pbts_write_reserve(writer, header_len) == NULL) return;
    memmove(writer->data + opened + header_len, writer->data + opened, len);
    memcpy(writer->data + opened, header, header_len);
}
