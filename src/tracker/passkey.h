/* tracker/passkey.h - the bearer secrets of clients that cannot sign (DESIGN section 7).
 *
 * passkey    = base32(u32 user_no || u32 generation || HMAC-SHA-256(key, "pbts/passkey/1" ||
 * user_no || generation)[0:12])
 * tracker id = base32(u32 user_no || u32 generation || u64 expires ||
 *                     HMAC-SHA-256(key, "pbts/trackerid/1" || the fields before)[0:16])
 */
#ifndef PBTS_TRACKER_PASSKEY_H
#define PBTS_TRACKER_PASSKEY_H

#include "base/cursor.h"
#include "wire/announce.h"

enum { PBTS_PASSKEY_TAG_LEN = 12, PBTS_TRACKER_ID_TEXT_LEN = 52 };

typedef struct {
    uint8_t bytes[32];
} pbts_passkey_key; /* secret of the instance */

void pbts_passkey_tag(uint8_t out[static PBTS_PASSKEY_TAG_LEN], const pbts_passkey_key *key,
                      uint32_t user_no, uint32_t generation);
void pbts_passkey_make(char out[static PBTS_PASSKEY_LEN + 1], const pbts_passkey_key *key,
                       uint32_t user_no, uint32_t generation);
/* Split a passkey without checking its tag; PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_passkey_split(uint32_t *user_no, uint32_t *generation,
                                             uint8_t tag[static PBTS_PASSKEY_TAG_LEN],
                                             pbts_span text);
void pbts_tracker_id_make(char out[static PBTS_TRACKER_ID_TEXT_LEN + 1],
                          const pbts_passkey_key *key, uint32_t user_no, uint32_t generation,
                          uint64_t expires_unix);
/* The generation is the caller's to compare. PBTS_MALFORMED, PBTS_DENIED (wrong tag), PBTS_STALE.
 */
PBTS_MUST_USE pbts_status pbts_tracker_id_check(uint32_t *user_no, uint32_t *generation,
                                                const pbts_passkey_key *key, pbts_span text,
                                                uint64_t now_unix);

#endif
