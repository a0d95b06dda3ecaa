#include "limit.h"

#include <string.h>

#include "hash/sha.h"

static size_t place_of(const kms_limit *l, const pbts_addr *client) {
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, PBTS_SPAN_OF(l->seed));
    pbts_sha256_update(&state, (pbts_span){ client->ip, client->family == PBTS_IPV4 ? 4 : 8 });
    pbts_sha256_final(&state, digest);
    return (size_t)(digest[0] << 8 | digest[1]) % LIMIT_PLACES;
}

pbts_status limit_init(kms_limit *out, uint32_t per_minute, pbts_random *random) {
    memset(out, 0, sizeof *out);
    out->per_minute = per_minute;
    (void)pthread_mutex_init(&out->lock, NULL);
    return pbts_random_fill(random, out->seed, sizeof out->seed);
}

void limit_deinit(kms_limit *l) {
    (void)pthread_mutex_destroy(&l->lock);
}

bool limit_allows(kms_limit *l, const pbts_addr *client, uint64_t mono_ms) {
    uint64_t minute = mono_ms / 60000;
    size_t i = place_of(l, client);
    pthread_mutex_lock(&l->lock);
    if (l->places[i].minute != minute) l->places[i].count = 0;
    l->places[i].minute = minute;
    bool allows = l->places[i].count < l->per_minute;
    if (allows) l->places[i].count++;
    pthread_mutex_unlock(&l->lock);
    return allows;
}
