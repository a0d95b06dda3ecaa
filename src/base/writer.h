/* base/writer.h - bounded building of one message to send.
 *
 * A writer borrows a buffer and appends. Once something did not fit, `failed` stays set and every
 * further write is ignored, so an encoder writes its fields and asks once at the end.
 */
#ifndef PBTS_BASE_WRITER_H
#define PBTS_BASE_WRITER_H

#include "base/cursor.h"

typedef struct {
    uint8_t *data;
    size_t len;      /* bytes written */
    size_t capacity; /* len <= capacity always */
    bool failed;     /* something did not fit; what is written is a prefix and must not be sent */
} pbts_writer;

pbts_writer pbts_writer_over(uint8_t *buffer, size_t capacity);
pbts_status pbts_writer_status(const pbts_writer *writer); /* PBTS_OK or PBTS_NO_SPACE */
pbts_span pbts_writer_span(const pbts_writer *writer);     /* what was written */

/* Append big-endian integers, raw bytes, text, or a decimal number. */
void pbts_write_u8(pbts_writer *writer, uint8_t value);
void pbts_write_u16(pbts_writer *writer, uint16_t value);
void pbts_write_u32(pbts_writer *writer, uint32_t value);
void pbts_write_u64(pbts_writer *writer, uint64_t value);
void pbts_write_bytes(pbts_writer *writer, pbts_span bytes);
void pbts_write_text(pbts_writer *writer, const char *text);
void pbts_write_decimal(pbts_writer *writer, uint64_t value);
void pbts_write_decimal_signed(pbts_writer *writer, int64_t value);

/* Claim `len` bytes to be filled by the caller; NULL (and failed) when they do not fit. */
uint8_t *pbts_write_reserve(pbts_writer *writer, size_t len);

#endif
