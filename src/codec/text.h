/* codec/text.h - hex, base64 and base32 (RFC 4648).
 *
 * Decoders are strict and total: PBTS_MALFORMED for a bad character, length or padding (and
 * non-zero spare bits), PBTS_NO_SPACE when `capacity` is too small; outputs only on PBTS_OK.
 */
#ifndef PBTS_CODEC_TEXT_H
#define PBTS_CODEC_TEXT_H

#include "base/writer.h"

/* Lower-case hex; decoding takes both cases. */
void pbts_hex_encode(pbts_writer *writer, pbts_span bytes);
PBTS_MUST_USE pbts_status pbts_hex_decode(uint8_t *out, size_t *out_len, size_t capacity,
                                          pbts_span text);
/* Base64 with padding; decoding takes the URL alphabet and missing padding too. */
void pbts_base64_encode(pbts_writer *writer, pbts_span bytes);
PBTS_MUST_USE pbts_status pbts_base64_decode(uint8_t *out, size_t *out_len, size_t capacity,
                                             pbts_span text);
/* Base32, lower-case, without padding; decoding takes both cases. */
void pbts_base32_encode(pbts_writer *writer, pbts_span bytes);
PBTS_MUST_USE pbts_status pbts_base32_decode(uint8_t *out, size_t *out_len, size_t capacity,
                                             pbts_span text);

/* Decode exactly `len` bytes; PBTS_MALFORMED when the text holds another number of them. */
PBTS_MUST_USE pbts_status pbts_hex_decode_exact(uint8_t *out, size_t len, pbts_span text);
PBTS_MUST_USE pbts_status pbts_base64_decode_exact(uint8_t *out, size_t len, pbts_span text);
PBTS_MUST_USE pbts_status pbts_base32_decode_exact(uint8_t *out, size_t len, pbts_span text);

#endif
