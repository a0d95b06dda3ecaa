#include "base/writer.h"

#include "base/assert.h"

pbts_writer pbts_writer_over(uint8_t *buffer, size_t capacity) {
    assert(buffer != NULL || capacity == 0);
    return (pbts_writer){ .data = buffer, .capacity = capacity };
}

pbts_status pbts_writer_status(const pbts_writer *writer) {
    return writer->failed ? PBTS_NO_SPACE : PBTS_OK;
}

pbts_span pbts_writer_span(const pbts_writer *writer) {
    return (pbts_span){ writer->data, writer->len };
}

uint8_t *pbts_write_reserve(pbts_writer *writer, size_t len) {
    assert(writer->len <= writer->capacity);
    if (writer->failed || len > writer->capacity - writer->len) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *at = writer->data + writer->len;
    writer->len += len;
    return at;
}

static void write_be(pbts_writer *writer, uint64_t value, size_t width) {
    uint8_t *at = pbts_write_reserve(writer, width);
    if (at == NULL) return;
    for (size_t i = 0; i < width; i++) at[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

void pbts_write_u8(pbts_writer *writer, uint8_t value) {
    write_be(writer, value, 1);
}

void pbts_write_u16(pbts_writer *writer, uint16_t value) {
    write_be(writer, value, 2);
}

void pbts_write_u32(pbts_writer *writer, uint32_t value) {
    write_be(writer, value, 4);
}

void pbts_write_u64(pbts_writer *writer, uint64_t value) {
    write_be(writer, value, 8);
}

void pbts_write_bytes(pbts_writer *writer, pbts_span bytes) {
    if (bytes.len == 0) return;
    uint8_t *at = pbts_write_reserve(writer, bytes.len);
    if (at != NULL) memcpy(at, bytes.data, bytes.len);
}

void pbts_write_text(pbts_writer *writer, const char *text) {
    pbts_write_bytes(writer, pbts_span_text(text));
}

void pbts_write_decimal(pbts_writer *writer, uint64_t value) {
    uint8_t digits[20]; /* 2^64 - 1 has 20 digits */
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    pbts_write_bytes(writer, (pbts_span){ digits + at, sizeof digits - at });
}

void pbts_write_decimal_signed(pbts_writer *writer, int64_t value) {
    if (value < 0) pbts_write_u8(writer, '-');
    pbts_write_decimal(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}
