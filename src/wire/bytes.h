/* wire/bytes.h - fixed-offset big-endian fields of a message whose length was checked once.
 *
 * Private to wire/: the packet formats of the hot path have all fields at known offsets, so one
 * length check stands for all of them and a field is one load. Everything else reads with a
 * pbts_cursor.
 */
#ifndef PBTS_WIRE_BYTES_H
#define PBTS_WIRE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t pbts_be16_at(const uint8_t *at) {
    uint16_t raw;
    memcpy(&raw, at, sizeof raw);
    return be16toh(raw);
}

static inline uint32_t pbts_be32_at(const uint8_t *at) {
    uint32_t raw;
    memcpy(&raw, at, sizeof raw);
    return be32toh(raw);
}

static inline uint64_t pbts_be64_at(const uint8_t *at) {
    uint64_t raw;
    memcpy(&raw, at, sizeof raw);
    return be64toh(raw);
}

static inline void pbts_be32_put(uint8_t *at, uint32_t value) {
    uint32_t raw = htobe32(value);
    memcpy(at, &raw, sizeof raw);
}

static inline void pbts_be64_put(uint8_t *at, uint64_t value) {
    uint64_t raw = htobe64(value);
    memcpy(at, &raw, sizeof raw);
}

#endif
