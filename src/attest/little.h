/* attest/little.h - little-endian integers at a place that is known to be there. Private. */
#ifndef PBTS_ATTEST_LITTLE_H
#define PBTS_ATTEST_LITTLE_H

#include <stdint.h>

static inline uint16_t pbts_little_u16(const uint8_t bytes[static 2]) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}
static inline uint32_t pbts_little_u32(const uint8_t bytes[static 4]) {
    return pbts_little_u16(bytes) | (uint32_t)pbts_little_u16(bytes + 2) << 16;
}
static inline uint64_t pbts_little_u64(const uint8_t bytes[static 8]) {
    return pbts_little_u32(bytes) | (uint64_t)pbts_little_u32(bytes + 4) << 32;
}

#endif
