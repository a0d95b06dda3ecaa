/* wire/scan.h - finding the next interesting byte of a request, sixteen at a time.
 *
 * Private to wire/. The compiler's vector types are used instead of one processor's intrinsics,
 * so the same text serves every architecture. Each scan returns the first hit in [at, end), or
 * `end`; no byte outside is read. tests/unit/wire/test_scan.c holds the byte-wise twins.
 */
#ifndef PBTS_WIRE_SCAN_H
#define PBTS_WIRE_SCAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { PBTS_SCAN_BLOCK = 16 };

typedef uint8_t pbts_scan_bytes __attribute__((vector_size(PBTS_SCAN_BLOCK)));
typedef int8_t pbts_scan_hits __attribute__((vector_size(PBTS_SCAN_BLOCK)));

static inline pbts_scan_bytes pbts_scan_load(const uint8_t *at) {
    pbts_scan_bytes bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* Index of the first lane that is set, or PBTS_SCAN_BLOCK. */
static inline unsigned pbts_scan_first(pbts_scan_hits hits) {
    uint64_t half[2];
    memcpy(half, &hits, sizeof half);
    if ((half[0] | half[1]) == 0) return PBTS_SCAN_BLOCK;
    if (half[0] != 0) return (unsigned)__builtin_ctzll(le64toh(half[0])) / 8;
    return 8 + (unsigned)__builtin_ctzll(le64toh(half[1])) / 8;
}

/* The first control byte (below 0x20): in a header's value the CR that ends it, or an error. */
static inline const uint8_t *pbts_scan_control(const uint8_t *at, const uint8_t *end) {
    for (; end - at >= PBTS_SCAN_BLOCK; at += PBTS_SCAN_BLOCK) {
        unsigned first = pbts_scan_first((pbts_scan_hits)(pbts_scan_load(at) < 0x20));
        if (first < PBTS_SCAN_BLOCK) return at + first;
    }
    while (at < end && *at >= 0x20) at++;
    return at;
}

/* The first byte that ends a path: '?', a space, or a control byte. */
static inline const uint8_t *pbts_scan_path(const uint8_t *at, const uint8_t *end) {
    for (; end - at >= PBTS_SCAN_BLOCK; at += PBTS_SCAN_BLOCK) {
        pbts_scan_bytes bytes = pbts_scan_load(at);
        unsigned first = pbts_scan_first((pbts_scan_hits)((bytes <= 0x20) | (bytes == '?')));
        if (first < PBTS_SCAN_BLOCK) return at + first;
    }
    while (at<end && * at> 0x20 && *at != '?') at++;
    return at;
}

/* The first byte that ends a query (a space or a control byte), or a 'g' followed by '=' within
 * [at, end): the tail of a "sig=" key, which no usual key ends like. */
static inline const uint8_t *pbts_scan_query(const uint8_t *at, const uint8_t *end) {
    for (; end - at > PBTS_SCAN_BLOCK; at += PBTS_SCAN_BLOCK) {
        pbts_scan_bytes bytes = pbts_scan_load(at), next = pbts_scan_load(at + 1);
        unsigned first =
            pbts_scan_first((pbts_scan_hits)((bytes <= 0x20) | ((bytes == 'g') & (next == '='))));
        if (first < PBTS_SCAN_BLOCK) return at + first;
    }
    for (; at<end && * at> 0x20; at++) {
        if (*at == 'g' && end - at > 1 && at[1] == '=') return at;
    }
    return at;
}

#endif
