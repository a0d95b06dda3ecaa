/* Random peers without a set of those already taken.
 *
 * The candidates are a ring; it is turned by a random amount, cut into `want` strata whose lengths
 * differ by at most one, and one peer is picked in each: none can come twice, and over turns each
 * candidate has the same chance, want / candidates.
 */
#include "base/assert.h"
#include "tracker/peer_set.h"

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Copy the endpoints of positions [from, to), block by block. */
static uint8_t *copy_run(const pbts_peer_set *set, uint8_t *out, uint32_t from, uint32_t to) {
    while (from < to) {
        uint32_t end = least(to, (from | (PBTS_PEER_BLOCK - 1)) + 1);
        size_t len = (size_t)(end - from) * set->array.endpoint_len;
        memcpy(out, pbts_peer_array_endpoint(&set->array, from), len);
        out += len;
        from = end;
    }
    return out;
}

/* One pick a stratum. `endpoint_len` is a constant to the caller, so that a copy is two moves. */
static inline void pick_each(const pbts_peer_set *set, uint8_t *out, pbts_prng *prng, uint32_t want,
                             uint32_t others, uint32_t skip, size_t endpoint_len) {
    /* Stratum i is [i * step >> 32, (i + 1) * step >> 32), except that the last ends at others:
     * a division less for each peer. step >= 2^32, so no stratum is empty. */
    uint64_t step = ((uint64_t)others << 32) / want;
    uint32_t turn = pbts_prng_below(prng, others);
    uint32_t from = 0;
    for (uint32_t i = 1; i <= want; i++) {
        uint32_t to = i < want ? (uint32_t)(i * step >> 32) : others;
        uint64_t candidate = (uint64_t)from + pbts_prng_below(prng, to - from) + turn;
        if (candidate >= others) candidate -= others;
        uint32_t pos = (uint32_t)candidate;
        if (pos >= skip) pos++;
        memcpy(out, pbts_peer_array_endpoint(&set->array, pos), endpoint_len);
        out += endpoint_len;
        from = to;
    }
}

uint32_t pbts_peer_set_sample(const pbts_peer_set *set, uint8_t *out, pbts_prng *prng,
                              uint32_t want, uint32_t limit, uint32_t skip) {
    assert(limit <= set->array.count);
    uint32_t others = limit - (skip < limit ? 1 : 0);
    if (want == 0 || others == 0) return 0;
    if (others <= want) {
        out = copy_run(set, out, 0, least(skip, limit));
        if (skip < limit) copy_run(set, out, skip + 1, limit);
        return others;
    }
    if (set->array.endpoint_len == PBTS_ENDPOINT4_LEN) {
        pick_each(set, out, prng, want, others, skip, PBTS_ENDPOINT4_LEN);
    } else {
        pick_each(set, out, prng, want, others, skip, PBTS_ENDPOINT6_LEN);
    }
    return want;
}
