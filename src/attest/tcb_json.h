/* attest/tcb_json.h - single values and levels of collateral JSON. Private to tcb_info.c and
 * qe_identity.c. All: PBTS_MALFORMED; PBTS_LIMIT. */
#ifndef PBTS_ATTEST_TCB_JSON_H
#define PBTS_ATTEST_TCB_JSON_H

#include <jansson.h>

#include "attest/tcb_info.h"

/* The tree of a text; NULL: no object, or too big. */
json_t *pbts_tcb_json_load(pbts_span text);
pbts_span pbts_tcb_json_text(const json_t *value); /* {NULL, 0}: no string */

PBTS_MUST_USE pbts_status pbts_tcb_json_hex(uint8_t *out, size_t len, const json_t *object,
                                            const char *key);
/* Eight bytes of hex, little-endian as in reports. */
PBTS_MUST_USE pbts_status pbts_tcb_json_hex_u64(uint64_t *out, const json_t *object,
                                                const char *key);
PBTS_MUST_USE pbts_status pbts_tcb_json_number(uint64_t *out, const json_t *object, const char *key,
                                               uint64_t max);
PBTS_MUST_USE pbts_status pbts_tcb_json_svn(uint16_t *out, const json_t *object, const char *key);
PBTS_MUST_USE pbts_status pbts_tcb_json_dates(uint64_t *issued_s, uint64_t *next_s,
                                              const json_t *object);

/* tcbStatus and advisoryIDs of a level. */
PBTS_MUST_USE pbts_status pbts_tcb_json_verdict(pbts_tcb_level *out, const json_t *level);
/* A list of levels { tcb: { isvsvn }, tcbStatus, advisoryIDs }, sorted, highest first. */
PBTS_MUST_USE pbts_status pbts_tcb_json_isv_levels(pbts_tcb_level *out, size_t *len,
                                                   size_t capacity, const json_t *list);

#endif
