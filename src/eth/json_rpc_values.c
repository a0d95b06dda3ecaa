#include "eth/json_rpc_values.h"

#include "codec/text.h"

enum { U256_DIGITS_MAX = 64 };

pbts_status pbts_rpc_text(pbts_span *out, const json_t *value) {
    if (!json_is_string(value)) return PBTS_MALFORMED;
    *out = (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
    return PBTS_OK;
}

/* What follows "0x". */
static pbts_status digits_of(pbts_span *out, const json_t *value) {
    pbts_span text;
    PBTS_TRY(pbts_rpc_text(&text, value));
    if (text.len < 2 || text.data[0] != '0' || text.data[1] != 'x') return PBTS_MALFORMED;
    *out = (pbts_span){ text.data + 2, text.len - 2 };
    return PBTS_OK;
}

pbts_status pbts_rpc_data_digits(pbts_span *out, const json_t *value) {
    pbts_span digits;
    PBTS_TRY(digits_of(&digits, value));
    if (digits.len % 2 != 0) return PBTS_MALFORMED;
    *out = digits;
    return PBTS_OK;
}

pbts_status pbts_rpc_data_exact(uint8_t *out, size_t len, const json_t *value) {
    pbts_span digits;
    PBTS_TRY(pbts_rpc_data_digits(&digits, value));
    return pbts_hex_decode_exact(out, len, digits);
}

pbts_status pbts_rpc_data(uint8_t *out, size_t *len, size_t capacity, const json_t *value) {
    pbts_span digits;
    PBTS_TRY(pbts_rpc_data_digits(&digits, value));
    if (digits.len / 2 > capacity) return PBTS_LIMIT;
    return pbts_hex_decode(out, len, capacity, digits);
}

pbts_status pbts_rpc_u256(pbts_u256 *out, const json_t *value) {
    uint8_t padded[U256_DIGITS_MAX];
    pbts_span digits;
    PBTS_TRY(digits_of(&digits, value));
    if (digits.len == 0 || (digits.data[0] == '0' && digits.len > 1)) return PBTS_MALFORMED;
    if (digits.len > U256_DIGITS_MAX) return PBTS_LIMIT;
    size_t zeros = U256_DIGITS_MAX - digits.len;
    memset(padded, '0', zeros);
    memcpy(padded + zeros, digits.data, digits.len);
    return pbts_hex_decode_exact(out->bytes, sizeof out->bytes, PBTS_SPAN_OF(padded));
}

pbts_status pbts_rpc_u64(uint64_t *out, const json_t *value) {
    pbts_u256 wide;
    PBTS_TRY(pbts_rpc_u256(&wide, value));
    return pbts_u256_to_u64(out, &wide);
}
