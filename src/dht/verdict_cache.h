/* dht/verdict_cache.h - what was found out about certificates, so that each costs its pairings
 * once.
 *
 * Good ones and bad ones are kept apart: garbage can push out verdicts on garbage only. Good ones
 * lie in sets chosen by their owner, and of an owner at most PBTS_DHT_CERTIFICATES_PER_OWNER are
 * kept, so a member that certifies one session key after the other pushes out its own. Bad ones
 * are known by the hash of all bytes. A seed keeps others from aiming at a set. Private to dht/.
 */
#ifndef PBTS_DHT_VERDICT_CACHE_H
#define PBTS_DHT_VERDICT_CACHE_H

#include "base/mem.h"
#include "dht/dht_trust.h"
#include "hash/sha.h"

enum {
    PBTS_DHT_VERDICT_WAYS = 8,
    PBTS_DHT_CERTIFICATES_PER_OWNER = 4, /* machines of one user, and the change of epoch */
    PBTS_DHT_BAD_LIFE_S = 600,
    PBTS_DHT_VERDICTS_MAX = 1 << 16, /* good ones; a quarter as many bad ones */
};

/* A certificate that was verified. */
typedef struct {
    uint8_t digest[PBTS_SHA256_LEN]; /* of its bytes */
    pbts_dht_member member;
    uint64_t beacon_epoch;
    uint64_t membership_expires;
    uint32_t generation;
    uint64_t used; /* the cache's own count; 0: the entry is free */
} pbts_dht_verdict;

typedef struct {
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_status status;
    uint64_t until_s; /* 0: free */
} pbts_dht_bad_verdict;

/* Invariant: good has `sets` * PBTS_DHT_VERDICT_WAYS entries, bad `bad_len`; both powers of two. */
typedef struct {
    pbts_mem *mem;
    uint64_t seed, count;
    pbts_dht_verdict *good;
    size_t sets;
    pbts_dht_bad_verdict *bad;
    size_t bad_len;
} pbts_dht_verdicts;

/* `good_max`: a power of two from PBTS_DHT_VERDICT_WAYS to PBTS_DHT_VERDICTS_MAX (asserted).
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_dht_verdicts_init(pbts_dht_verdicts *verdicts, pbts_mem *mem,
                                                 uint64_t seed, size_t good_max);
void pbts_dht_verdicts_deinit(pbts_dht_verdicts *verdicts);

/* NULL: not known. Valid until the next call that changes something. */
const pbts_dht_verdict *pbts_dht_verdicts_find(pbts_dht_verdicts *verdicts,
                                               const uint8_t owner[static PBTS_DHT_OWNER_LEN],
                                               const uint8_t digest[static PBTS_SHA256_LEN]);
/* The highest generation among the owner's certificates that are known; 0 without any. */
uint32_t pbts_dht_verdicts_generation(const pbts_dht_verdicts *verdicts,
                                      const uint8_t owner[static PBTS_DHT_OWNER_LEN]);
/* Keep a good one; those of its owner with a lower generation go. */
void pbts_dht_verdicts_put(pbts_dht_verdicts *verdicts, const pbts_dht_verdict *verdict);

/* PBTS_OK: nothing bad is known of it; else what it was refused with. */
pbts_status pbts_dht_verdicts_bad(const pbts_dht_verdicts *verdicts,
                                  const uint8_t digest[static PBTS_SHA256_LEN], uint64_t now_s);
void pbts_dht_verdicts_put_bad(pbts_dht_verdicts *verdicts,
                               const uint8_t digest[static PBTS_SHA256_LEN], pbts_status status,
                               uint64_t now_s);

#endif
