/* limit.h - how many requests an address may make in a minute. A fixed table: two addresses may
 * share a place, and then its count too. Which ones do is a secret, so that nobody can look for an
 * address of his own that takes a tracker's requests away. */
#ifndef PBTS_KMS_LIMIT_H
#define PBTS_KMS_LIMIT_H

#include <pthread.h>

#include "base/addr.h"
#include "base/random.h"

enum { LIMIT_PLACES = 4096, LIMIT_SEED_LEN = 16 };

typedef struct {
    pthread_mutex_t lock;
    uint32_t per_minute;
    uint8_t seed[LIMIT_SEED_LEN];
    struct {
        uint64_t minute;
        uint32_t count;
    } places[LIMIT_PLACES];
} kms_limit;

/* PBTS_IO: no randomness; it may be given to limit_deinit all the same. */
PBTS_MUST_USE pbts_status limit_init(kms_limit *out, uint32_t per_minute, pbts_random *random);
void limit_deinit(kms_limit *limit);
/* Count one in; false when there were enough this minute. An IPv6 customer has a whole /64. */
bool limit_allows(kms_limit *limit, const pbts_addr *client, uint64_t mono_ms);

#endif
