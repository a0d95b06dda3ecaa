#include "dht/verdict_cache.h"

#include "base/assert.h"
#include "base/random.h"

static bool is_power_of_two(size_t n) {
    return n > 0 && (n & (n - 1)) == 0;
}

pbts_status pbts_dht_verdicts_init(pbts_dht_verdicts *verdicts, pbts_mem *mem, uint64_t seed,
                                   size_t good_max) {
    assert(is_power_of_two(good_max) && good_max >= PBTS_DHT_VERDICT_WAYS);
    assert(good_max <= PBTS_DHT_VERDICTS_MAX);
    *verdicts = (pbts_dht_verdicts){
        .mem = mem, .seed = seed, .sets = good_max / PBTS_DHT_VERDICT_WAYS, .bad_len = good_max / 4
    };
    verdicts->good = pbts_alloc_array(mem, good_max, sizeof *verdicts->good);
    verdicts->bad = pbts_alloc_array(mem, verdicts->bad_len, sizeof *verdicts->bad);
    if (verdicts->good != NULL && verdicts->bad != NULL) return PBTS_OK;
    pbts_dht_verdicts_deinit(verdicts);
    return PBTS_NO_MEMORY;
}

void pbts_dht_verdicts_deinit(pbts_dht_verdicts *verdicts) {
    pbts_release(verdicts->mem, verdicts->good);
    pbts_release(verdicts->mem, verdicts->bad);
    verdicts->good = NULL;
    verdicts->bad = NULL;
}

/* Where something with this hash goes, among `len` places. */
static size_t place_of(const pbts_dht_verdicts *verdicts, const uint8_t *hash, size_t len) {
    uint64_t head;
    memcpy(&head, hash, sizeof head);
    pbts_prng mixed = pbts_prng_seeded(head ^ verdicts->seed);
    return (size_t)(pbts_prng_next(&mixed) & (len - 1));
}

/* ---- good ones ---- */

static pbts_dht_verdict *set_of(const pbts_dht_verdicts *verdicts, const uint8_t *owner) {
    return verdicts->good + place_of(verdicts, owner, verdicts->sets) * PBTS_DHT_VERDICT_WAYS;
}

static bool is_owners(const pbts_dht_verdict *verdict, const uint8_t *owner) {
    return verdict->used > 0 && memcmp(verdict->member.owner, owner, PBTS_DHT_OWNER_LEN) == 0;
}

const pbts_dht_verdict *pbts_dht_verdicts_find(pbts_dht_verdicts *verdicts,
                                               const uint8_t owner[static PBTS_DHT_OWNER_LEN],
                                               const uint8_t digest[static PBTS_SHA256_LEN]) {
    pbts_dht_verdict *set = set_of(verdicts, owner);
    for (size_t i = 0; i < PBTS_DHT_VERDICT_WAYS; i++) {
        if (!is_owners(&set[i], owner) || memcmp(set[i].digest, digest, PBTS_SHA256_LEN) != 0) {
            continue;
        }
        set[i].used = ++verdicts->count;
        return &set[i];
    }
    return NULL;
}

uint32_t pbts_dht_verdicts_generation(const pbts_dht_verdicts *verdicts,
                                      const uint8_t owner[static PBTS_DHT_OWNER_LEN]) {
    const pbts_dht_verdict *set = set_of(verdicts, owner);
    uint32_t highest = 0;
    for (size_t i = 0; i < PBTS_DHT_VERDICT_WAYS; i++) {
        if (is_owners(&set[i], owner) && set[i].generation > highest) highest = set[i].generation;
    }
    return highest;
}

/* The one used longest ago; a free one was never used. */
static pbts_dht_verdict *older(pbts_dht_verdict *a, pbts_dht_verdict *b) {
    return a == NULL || b->used < a->used ? b : a;
}

/* Whose place the next certificate of `owner` takes. */
static pbts_dht_verdict *victim(pbts_dht_verdict *set, const uint8_t *owner) {
    pbts_dht_verdict *oldest = NULL, *own = NULL;
    size_t own_count = 0;
    for (size_t i = 0; i < PBTS_DHT_VERDICT_WAYS; i++) {
        oldest = older(oldest, &set[i]);
        if (!is_owners(&set[i], owner)) continue;
        own = older(own, &set[i]);
        own_count++;
    }
    return own_count < PBTS_DHT_CERTIFICATES_PER_OWNER ? oldest : own;
}

void pbts_dht_verdicts_put(pbts_dht_verdicts *verdicts, const pbts_dht_verdict *verdict) {
    const uint8_t *owner = verdict->member.owner;
    pbts_dht_verdict *set = set_of(verdicts, owner);
    for (size_t i = 0; i < PBTS_DHT_VERDICT_WAYS; i++) {
        if (is_owners(&set[i], owner) && set[i].generation < verdict->generation) set[i].used = 0;
    }
    pbts_dht_verdict *place = victim(set, owner);
    *place = *verdict;
    place->used = ++verdicts->count;
}

/* ---- bad ones ---- */

pbts_status pbts_dht_verdicts_bad(const pbts_dht_verdicts *verdicts,
                                  const uint8_t digest[static PBTS_SHA256_LEN], uint64_t now_s) {
    const pbts_dht_bad_verdict *bad = &verdicts->bad[place_of(verdicts, digest, verdicts->bad_len)];
    bool known = bad->until_s > now_s && memcmp(bad->digest, digest, PBTS_SHA256_LEN) == 0;
    return known ? bad->status : PBTS_OK;
}

void pbts_dht_verdicts_put_bad(pbts_dht_verdicts *verdicts,
                               const uint8_t digest[static PBTS_SHA256_LEN], pbts_status status,
                               uint64_t now_s) {
    assert(pbts_status_class(status) == PBTS_REJECT);
    pbts_dht_bad_verdict *bad = &verdicts->bad[place_of(verdicts, digest, verdicts->bad_len)];
    *bad = (pbts_dht_bad_verdict){ .status = status, .until_s = now_s + PBTS_DHT_BAD_LIFE_S };
    memcpy(bad->digest, digest, sizeof bad->digest);
}
