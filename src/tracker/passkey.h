/* tracker/passkey.h - the bearer secrets of clients that cannot sign (DESIGN section 7).
 *
 * passkey    = base32(u32 user_no || u32 generation || tag[12]),
 *     tag = HMAC-SHA-256(key, "pbts/passkey/2" || user_no || generation || uid_hash ||
 * key_hash)[0:12] tracker id = base32(u32 user_no || u32 generation || u64 expires ||
 *     HMAC-SHA-256(key, "pbts/trackerid/2" || the fields before || the passkey's tag)[0:16])
 *
 * Whose they are is in the tag and not in the text: a number that was lost with a disk is given
 * again, and what the first user keeps must not be the second one's (docs/decisions/0008). The
 * account under the number has its tag in memory, so a check looks nothing up.
 */
#ifndef PBTS_TRACKER_PASSKEY_H
#define PBTS_TRACKER_PASSKEY_H

#include "base/cursor.h"
#include "wire/announce.h"

enum {
    PBTS_PASSKEY_TAG_LEN = 12,
    PBTS_TRACKER_ID_TAG_LEN = 16,
    PBTS_TRACKER_ID_TEXT_LEN = 52,
};

typedef struct {
    uint8_t bytes[32];
} pbts_passkey_key; /* secret of the instance */

typedef struct {
    uint32_t user_no, generation;
    uint8_t uid_hash[32], key_hash[32]; /* as on the ledger; no key: zero */
} pbts_passkey_owner;

void pbts_passkey_tag(uint8_t out[static PBTS_PASSKEY_TAG_LEN], const pbts_passkey_key *key,
                      const pbts_passkey_owner *owner);
void pbts_passkey_make(char out[static PBTS_PASSKEY_LEN + 1], uint32_t user_no, uint32_t generation,
                       const uint8_t tag[static PBTS_PASSKEY_TAG_LEN]);
/* Split a passkey without checking its tag; PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_passkey_split(uint32_t *user_no, uint32_t *generation,
                                             uint8_t tag[static PBTS_PASSKEY_TAG_LEN],
                                             pbts_span text);

typedef struct {
    uint32_t user_no, generation;
    uint64_t expires_unix;
    uint8_t tag[PBTS_TRACKER_ID_TAG_LEN];
} pbts_tracker_id;

/* `id.tag` is not looked at; `passkey_tag` is that of the user's passkey now. */
void pbts_tracker_id_make(char out[static PBTS_TRACKER_ID_TEXT_LEN + 1],
                          const pbts_passkey_key *key, const pbts_tracker_id *id,
                          const uint8_t passkey_tag[static PBTS_PASSKEY_TAG_LEN]);
/* Split a tracker id without checking it; PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_tracker_id_split(pbts_tracker_id *out, pbts_span text);
/* PBTS_DENIED: not made for the user with this passkey, or at all; PBTS_STALE. */
PBTS_MUST_USE pbts_status
pbts_tracker_id_check(const pbts_tracker_id *id, const pbts_passkey_key *key,
                      const uint8_t passkey_tag[static PBTS_PASSKEY_TAG_LEN], uint64_t now_unix);

#endif
