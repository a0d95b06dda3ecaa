/* eth/json_rpc_values.h - single values of JSON-RPC answers. Private to the readers of eth/. */
#ifndef PBTS_ETH_JSON_RPC_VALUES_H
#define PBTS_ETH_JSON_RPC_VALUES_H

#include <jansson.h>

#include "eth/types.h"

/* A JSON value's text; PBTS_MALFORMED when it is no string. */
PBTS_MUST_USE pbts_status pbts_rpc_text(pbts_span *out, const json_t *value);
/* The digits of data, an even number of any characters; PBTS_MALFORMED: no string, no "0x", odd. */
PBTS_MUST_USE pbts_status pbts_rpc_data_digits(pbts_span *out, const json_t *value);
/* Data of exactly `len` bytes, of at most `capacity`. PBTS_MALFORMED; PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_rpc_data_exact(uint8_t *out, size_t len, const json_t *value);
PBTS_MUST_USE pbts_status pbts_rpc_data(uint8_t *out, size_t *len, size_t capacity,
                                        const json_t *value);
/* Quantities. PBTS_MALFORMED; PBTS_LIMIT: does not fit. */
PBTS_MUST_USE pbts_status pbts_rpc_u256(pbts_u256 *out, const json_t *value);
PBTS_MUST_USE pbts_status pbts_rpc_u64(uint64_t *out, const json_t *value);

static inline pbts_status pbts_rpc_hash(pbts_eth_hash *out, const json_t *value) {
    return pbts_rpc_data_exact(out->bytes, sizeof out->bytes, value);
}
static inline pbts_status pbts_rpc_address(pbts_eth_address *out, const json_t *value) {
    return pbts_rpc_data_exact(out->bytes, sizeof out->bytes, value);
}
/* Whether an object has `key` with anything but null. */
static inline bool pbts_rpc_has(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value != NULL && !json_is_null(value);
}
/* Results that are an object, or null for "no such thing". PBTS_NOT_FOUND, PBTS_MALFORMED. */
static inline pbts_status pbts_rpc_object(const json_t *value) {
    if (json_is_null(value)) return PBTS_NOT_FOUND;
    return json_is_object(value) ? PBTS_OK : PBTS_MALFORMED;
}

#endif
