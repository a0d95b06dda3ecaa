#include "base/u256.h"

#include "base/assert.h"

pbts_u256 pbts_u256_from_u64(uint64_t value) {
    pbts_u256 out = { { 0 } };
    for (size_t i = 0; i < sizeof value; i++) {
        out.bytes[PBTS_U256_LEN - 1 - i] = (uint8_t)(value >> (8 * i));
    }
    return out;
}

pbts_u256 pbts_u256_from_span(pbts_span bytes) {
    pbts_u256 out = { { 0 } };
    assert(bytes.len <= PBTS_U256_LEN);
    if (bytes.len > 0) memcpy(out.bytes + PBTS_U256_LEN - bytes.len, bytes.data, bytes.len);
    return out;
}

pbts_span pbts_u256_trimmed(const pbts_u256 *value) {
    size_t zeros = 0;
    while (zeros < PBTS_U256_LEN && value->bytes[zeros] == 0) zeros++;
    return (pbts_span){ value->bytes + zeros, PBTS_U256_LEN - zeros };
}

bool pbts_u256_is_zero(const pbts_u256 *value) {
    return pbts_u256_trimmed(value).len == 0;
}

int pbts_u256_compare(const pbts_u256 *a, const pbts_u256 *b) {
    return memcmp(a->bytes, b->bytes, PBTS_U256_LEN);
}

pbts_status pbts_u256_to_u64(uint64_t *out, const pbts_u256 *value) {
    pbts_span bytes = pbts_u256_trimmed(value);
    if (bytes.len > sizeof *out) return PBTS_LIMIT;
    uint64_t result = 0;
    for (size_t i = 0; i < bytes.len; i++) result = result << 8 | bytes.data[i];
    *out = result;
    return PBTS_OK;
}

pbts_status pbts_u256_add(pbts_u256 *out, const pbts_u256 *a, const pbts_u256 *b) {
    pbts_u256 sum;
    unsigned carry = 0;
    for (size_t i = PBTS_U256_LEN; i-- > 0;) {
        carry += (unsigned)a->bytes[i] + b->bytes[i];
        sum.bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    if (carry != 0) return PBTS_LIMIT;
    *out = sum;
    return PBTS_OK;
}

pbts_status pbts_u256_multiply_u64(pbts_u256 *out, const pbts_u256 *a, uint64_t by) {
    pbts_u256 product;
    unsigned __int128 carry = 0; /* below 2^72: a byte times 64 bits, and what came before */
    for (size_t i = PBTS_U256_LEN; i-- > 0;) {
        carry += (unsigned __int128)a->bytes[i] * by;
        product.bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    if (carry != 0) return PBTS_LIMIT;
    *out = product;
    return PBTS_OK;
}
