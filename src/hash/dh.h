/* hash/dh.h - Diffie-Hellman in the 768-bit group of Message Stream Encryption, by OpenSSL.
 *
 * p = FFFFFFFF FFFFFFFF C90FDAA2 ... A63A3621 00000000 00090563, a safe prime beside that of Oakley
 * group 1; g = 2. 768 bits are too few for secrets that matter; nothing else may use it.
 */
#ifndef PBTS_HASH_DH_H
#define PBTS_HASH_DH_H

#include "base/cursor.h"

enum { PBTS_DH_LEN = 96, PBTS_DH_SECRET_LEN = 20 };

typedef struct {
    uint8_t bytes[PBTS_DH_SECRET_LEN]; /* random, big-endian; wipe with pbts_wipe */
} pbts_dh_secret;

/* g^secret mod p, in time that does not depend on the secret. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_dh_public(uint8_t out[static PBTS_DH_LEN],
                                         const pbts_dh_secret *secret);
/* theirs^secret mod p. PBTS_MALFORMED when theirs is not in 2..p-2: everybody would know the
 * result. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_dh_shared(uint8_t out[static PBTS_DH_LEN],
                                         const pbts_dh_secret *secret,
                                         const uint8_t theirs[static PBTS_DH_LEN]);

#endif
