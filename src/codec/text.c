/* Source: RFC 4648. One coder for all three: a character carries 4, 5 or 6 bits, top bits first. */
#include "codec/text.h"

static const char HEX[] = "0123456789abcdef";
static const char BASE32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { HEX_BITS = 4, BASE32_BITS = 5, BASE64_BITS = 6 };

/* Values of characters plus one; 0 means no digit. Tables, because the characters are random and
 * branches on them would be guessed wrong. */
static const uint8_t HEX_PLUS_1[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};
static const uint8_t BASE32_PLUS_1[256] = {
    ['a'] = 1,  ['b'] = 2,  ['c'] = 3,  ['d'] = 4,  ['e'] = 5,  ['f'] = 6,  ['g'] = 7,  ['h'] = 8,
    ['i'] = 9,  ['j'] = 10, ['k'] = 11, ['l'] = 12, ['m'] = 13, ['n'] = 14, ['o'] = 15, ['p'] = 16,
    ['q'] = 17, ['r'] = 18, ['s'] = 19, ['t'] = 20, ['u'] = 21, ['v'] = 22, ['w'] = 23, ['x'] = 24,
    ['y'] = 25, ['z'] = 26, ['2'] = 27, ['3'] = 28, ['4'] = 29, ['5'] = 30, ['6'] = 31, ['7'] = 32,
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26
};
static const uint8_t BASE64_PLUS_1[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
    ['-'] = 63, ['_'] = 64
};

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

/* Whether all characters are digits, and the bits that fill no byte are zeros. */
static pbts_status check(pbts_span text, unsigned bits, const uint8_t digits[static 256]) {
    bool all_digits = true;
    for (size_t i = 0; i < text.len; i++) all_digits &= digits[text.data[i]] != 0;
    if (!all_digits) return PBTS_MALFORMED;
    unsigned spare_bits = (unsigned)(text.len % 8) * bits % 8;
    if (spare_bits == 0) return PBTS_OK;
    /* A whole character's worth of spare bits: no encoder writes that character. */
    if (spare_bits >= bits) return PBTS_MALFORMED;
    unsigned last = digits[text.data[text.len - 1]] - 1u;
    return (last & ((1u << spare_bits) - 1)) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

static inline pbts_status decode(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text,
                                 unsigned bits, const uint8_t digits[static 256]) {
    PBTS_TRY(check(text, bits, digits));
    /* Not text.len * bits / 8, which could overflow. */
    size_t len = text.len / 8 * bits + text.len % 8 * bits / 8;
    if (len > capacity) return PBTS_NO_SPACE;
    unsigned held = 0, held_bits = 0;
    for (size_t i = 0, at = 0; i < text.len; i++) {
        unsigned digit = digits[text.data[i]] - 1u;
        held = (held << bits | digit) & 0xFFFF; /* fewer than 8 bits are held over */
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
    return decode(out, out_len, capacity, text, HEX_BITS, HEX_PLUS_1);
}

pbts_status pbts_base32_decode(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text) {
    return decode(out, out_len, capacity, text, BASE32_BITS, BASE32_PLUS_1);
}

pbts_status pbts_base64_decode(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text) {
    text = without_base64_padding(text);
    return decode(out, out_len, capacity, text, BASE64_BITS, BASE64_PLUS_1);
}

static pbts_status decode_exact(uint8_t *out, size_t len, pbts_span text, unsigned bits,
                                const uint8_t digits[static 256]) {
    size_t out_len;
    if (text.len / 8 * bits + text.len % 8 * bits / 8 != len) return PBTS_MALFORMED;
    return decode(out, &out_len, len, text, bits, digits);
}

pbts_status pbts_hex_decode_exact(uint8_t *out, size_t len, pbts_span text) {
    return decode_exact(out, len, text, HEX_BITS, HEX_PLUS_1);
}

pbts_status pbts_base32_decode_exact(uint8_t *out, size_t len, pbts_span text) {
    return decode_exact(out, len, text, BASE32_BITS, BASE32_PLUS_1);
}

pbts_status pbts_base64_decode_exact(uint8_t *out, size_t len, pbts_span text) {
    return decode_exact(out, len, without_base64_padding(text), BASE64_BITS, BASE64_PLUS_1);
}
