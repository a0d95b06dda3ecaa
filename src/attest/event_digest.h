/* attest/event_digest.h - what both kinds of event log have in common. Private. */
#ifndef PBTS_ATTEST_EVENT_DIGEST_H
#define PBTS_ATTEST_EVENT_DIGEST_H

#include "attest/event_log.h"

void pbts_sha384(uint8_t out[static PBTS_MEASUREMENT_LEN], pbts_span bytes);

/* Extend a register, 0 to 3. PBTS_LIMIT: too many events. */
PBTS_MUST_USE pbts_status pbts_event_extend(pbts_event_log *log, size_t index,
                                            const uint8_t digest[static PBTS_MEASUREMENT_LEN]);

/* Compute the digest of firmware's and boot loader's events again, where `data` has what was
 * hashed: `*is_known` says whether it has. PBTS_MALFORMED: the digest is another one. */
PBTS_MUST_USE pbts_status pbts_event_recompute(bool *is_known, uint32_t type, pbts_span data,
                                               const uint8_t digest[static PBTS_MEASUREMENT_LEN]);

#endif
