/* base/u256.h - unsigned integers of 256 bits, as Ethereum has them: big-endian bytes, no heap. */
#ifndef PBTS_BASE_U256_H
#define PBTS_BASE_U256_H

#include "base/cursor.h"

enum { PBTS_U256_LEN = 32 };

typedef struct {
    uint8_t bytes[PBTS_U256_LEN]; /* big-endian */
} pbts_u256;

pbts_u256 pbts_u256_from_u64(uint64_t value);
/* From up to 32 big-endian bytes, leading zeros allowed; asserts that there are no more. */
pbts_u256 pbts_u256_from_span(pbts_span bytes);
/* The bytes without leading zeros: none for 0. Borrows `value`. */
pbts_span pbts_u256_trimmed(const pbts_u256 *value);
bool pbts_u256_is_zero(const pbts_u256 *value);
int pbts_u256_compare(const pbts_u256 *a, const pbts_u256 *b); /* below 0, 0 or above 0 */
/* PBTS_LIMIT: more than 64 bits. */
PBTS_MUST_USE pbts_status pbts_u256_to_u64(uint64_t *out, const pbts_u256 *value);
/* PBTS_LIMIT: the result has more than 256 bits. `out` may be one of the inputs. */
PBTS_MUST_USE pbts_status pbts_u256_add(pbts_u256 *out, const pbts_u256 *a, const pbts_u256 *b);
PBTS_MUST_USE pbts_status pbts_u256_multiply_u64(pbts_u256 *out, const pbts_u256 *a, uint64_t by);

#endif
