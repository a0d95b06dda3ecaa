/* Source: RFC 4648. One coder for all three: a character carries 4, 5 or 6 bits, top bits first. */
#include "codec/text.h"

static const char HEX[] = "0123456789abcdef";
static const char BASE32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { HEX_BITS = 4, BASE32_BITS = 5, BASE64_BITS = 6, NO_DIGIT = 0xFF };

/* A character's value, or NO_DIGIT. */
typedef uint8_t digit_fn(uint8_t character);

static uint8_t hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return (uint8_t)(c - '0');
    if (c >= 'a' && c <= 'f') return (uint8_t)(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return (uint8_t)(c - 'A' + 10);
    return NO_DIGIT;
}

static uint8_t base32_digit(uint8_t c) {
    if (c >= 'a' && c <= 'z') return (uint8_t)(c - 'a');
    if (c >= 'A' && c <= 'Z') return (uint8_t)(c - 'A');
    if (c >= '2' && c <= '7') return (uint8_t)(c - '2' + 26);
    return NO_DIGIT;
}

static uint8_t base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z') return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9') return (uint8_t)(c - '0' + 52);
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return NO_DIGIT;
}

static void encode(pbts_writer *writer, pbts_span bytes, unsigned bits, const char *alphabet) {
    unsigned held = 0, held_bits = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        held = (held << 8 | bytes.data[i]) & 0xFFFF; /* fewer than 6 bits are held over */
        held_bits += 8;
        while (held_bits >= bits) {
            held_bits -= bits;
            pbts_write_u8(writer, (uint8_t)alphabet[held >> held_bits & ((1u << bits) - 1)]);
        }
    }
    if (held_bits == 0) return;
    pbts_write_u8(writer, (uint8_t)alphabet[held << (bits - held_bits) & ((1u << bits) - 1)]);
}

static pbts_status check(pbts_span text, unsigned bits, digit_fn *digit) {
    unsigned spare_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (digit(text.data[i]) == NO_DIGIT) return PBTS_MALFORMED;
        spare_bits = (spare_bits + bits) % 8;
    }
    if (spare_bits == 0) return PBTS_OK;
    /* A whole character's worth of spare bits: no encoder writes that character. */
    if (spare_bits >= bits) return PBTS_MALFORMED;
    unsigned last = digit(text.data[text.len - 1]);
    return (last & ((1u << spare_bits) - 1)) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status decode(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text,
                          unsigned bits, digit_fn *digit) {
    PBTS_TRY(check(text, bits, digit));
    /* Not text.len * bits / 8, which could overflow. */
    size_t len = text.len / 8 * bits + text.len % 8 * bits / 8;
    if (len > capacity) return PBTS_NO_SPACE;
    unsigned held = 0, held_bits = 0;
    for (size_t i = 0, at = 0; i < text.len; i++) {
        held = (held << bits | digit(text.data[i])) & 0xFFFF; /* fewer than 8 bits are held over */
        held_bits += bits;
        if (held_bits < 8) continue;
        held_bits -= 8;
        out[at++] = (uint8_t)(held >> held_bits);
    }
    *out_len = len;
    return PBTS_OK;
}

/* Drop the padding of a text that has it; with padding the length is a multiple of 4. */
static pbts_span without_base64_padding(pbts_span text) {
    if (text.len % 4 != 0) return text;
    for (int i = 0; i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++) text.len--;
    return text;
}

void pbts_hex_encode(pbts_writer *writer, pbts_span bytes) {
    encode(writer, bytes, HEX_BITS, HEX);
}

void pbts_base32_encode(pbts_writer *writer, pbts_span bytes) {
    encode(writer, bytes, BASE32_BITS, BASE32);
}

void pbts_base64_encode(pbts_writer *writer, pbts_span bytes) {
    encode(writer, bytes, BASE64_BITS, BASE64);
    for (size_t i = bytes.len; i % 3 != 0; i++) pbts_write_u8(writer, '=');
}

pbts_status pbts_hex_decode(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text) {
    return decode(out, out_len, capacity, text, HEX_BITS, hex_digit);
}

pbts_status pbts_base32_decode(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text) {
    return decode(out, out_len, capacity, text, BASE32_BITS, base32_digit);
}

pbts_status pbts_base64_decode(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text) {
    text = without_base64_padding(text);
    return decode(out, out_len, capacity, text, BASE64_BITS, base64_digit);
}

static pbts_status decode_exact(uint8_t *out, size_t len, pbts_span text, unsigned bits,
                                digit_fn *digit) {
    size_t out_len;
    if (text.len / 8 * bits + text.len % 8 * bits / 8 != len) return PBTS_MALFORMED;
    return decode(out, &out_len, len, text, bits, digit);
}

pbts_status pbts_hex_decode_exact(uint8_t *out, size_t len, pbts_span text) {
    return decode_exact(out, len, text, HEX_BITS, hex_digit);
}

pbts_status pbts_base32_decode_exact(uint8_t *out, size_t len, pbts_span text) {
    return decode_exact(out, len, text, BASE32_BITS, base32_digit);
}

pbts_status pbts_base64_decode_exact(uint8_t *out, size_t len, pbts_span text) {
    return decode_exact(out, len, without_base64_padding(text), BASE64_BITS, base64_digit);
}
