/* Random peers without a set of those already taken.
 *
 * The candidates are a ring. It is turned by a random amount and cut into equal strata; in each a
 * run of neighbours is taken from a random place. No peer can come twice, and over turns each has
 * the same chance, want / candidates, whatever the runs are.
 * A large want is taken in runs of up to 4, because in a big swarm each place is a cache miss.
 */
#include "base/assert.h"
#include "tracker/peer_set.h"

enum { RUN_MAX = 4, RUNS_MIN = 12 };

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

/* The candidates: positions [0, others], without `skip`, as a ring of `others`. */
typedef struct {
    const pbts_peer_set *set;
    uint32_t others, skip;
} ring;

/* Copy `len` candidates from `first`, one by one: over the end, the asker or a block's border. */
static uint8_t *copy_broken_run(const ring *r, uint8_t *out, uint32_t first, uint32_t len) {
    for (uint32_t i = 0; i < len; i++) {
        uint32_t pos = first + i < r->others ? first + i : first + i - r->others;
        if (pos >= r->skip) pos++;
        memcpy(out, pbts_peer_array_endpoint(&r->set->array, pos), r->set->array.endpoint_len);
        out += r->set->array.endpoint_len;
    }
    return out;
}

/* `endpoint_len` is a constant to the caller, so that an endpoint's copy is a few moves. */
static inline uint8_t *take_run(const ring *r, uint8_t *out, uint32_t first, uint32_t len,
                                size_t endpoint_len) {
    uint32_t last = first + len - 1;
    uint32_t pos = first + (first >= r->skip);
    if (last >= r->others || (first < r->skip && last >= r->skip) ||
        (pos & (PBTS_PEER_BLOCK - 1)) + len > PBTS_PEER_BLOCK) {
        return copy_broken_run(r, out, first, len);
    }
    const uint8_t *endpoints = pbts_peer_array_endpoint(&r->set->array, pos);
    for (uint32_t i = 0; i < len; i++) {
        memcpy(out + i * endpoint_len, endpoints + i * endpoint_len, endpoint_len);
    }
    return out + len * endpoint_len;
}

/* Runs of a length or one more: `long_runs` of the latter make the sum `want`. The candidates that
 * are not sent are gaps before and after runs, spread evenly: gap i ends at i * step >> 32, a
 * division less for each. */
typedef struct {
    uint32_t others, unsent;
    uint32_t runs, run_len, long_runs;
    uint32_t next; /* the number of the next run, from 1 */
    uint32_t gap;  /* of the unsent, so many are passed */
    uint64_t step, from;
} plan;

static inline plan plan_runs(pbts_prng *prng, uint32_t want, uint32_t others) {
    plan p = { .others = others, .unsent = others - want, .next = 1 };
    p.runs = want / least(RUN_MAX, want / RUNS_MIN + 1);
    p.run_len = want / p.runs;
    p.long_runs = want % p.runs;
    p.step = ((uint64_t)p.unsent << 32) / p.runs;
    p.from = pbts_prng_below(prng, others);
    return p;
}

/* The first candidate of the next run, and its length. */
static inline uint32_t next_run(plan *p, uint32_t *len, pbts_prng *prng) {
    uint32_t gap_end = p->next < p->runs ? (uint32_t)(p->next * p->step >> 32) : p->unsent;
    uint64_t first = p->from + pbts_prng_below(prng, gap_end - p->gap + 1);
    *len = p->run_len + (p->next <= p->long_runs);
    p->from += *len + gap_end - p->gap;
    p->gap = gap_end;
    p->next++;
    return (uint32_t)(first >= p->others ? first - p->others : first);
}

static inline void take_runs(const ring *r, uint8_t *out, pbts_prng *prng, uint32_t want,
                             size_t endpoint_len) {
    plan p = plan_runs(prng, want, r->others);
    while (p.next <= p.runs) {
        uint32_t len;
        uint32_t first = next_run(&p, &len, prng);
        out = take_run(r, out, first, len, endpoint_len);
    }
}

void pbts_peer_set_prefetch_sample(const pbts_peer_set *set, pbts_prng prng, uint32_t want,
                                   uint32_t limit) {
    assert(limit <= set->array.count);
    if (limit < want + 2) want = limit > 2 ? limit - 2 : 0;
    if (want == 0) return;
    plan p = plan_runs(&prng, want, limit - 1);
    while (p.next <= p.runs) {
        uint32_t len;
        uint32_t first = next_run(&p, &len, &prng);
        __builtin_prefetch(pbts_peer_array_endpoint(&set->array, first));
        __builtin_prefetch(pbts_peer_array_endpoint(&set->array, least(first + len, limit) - 1));
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
    ring r = { .set = set, .others = others, .skip = skip };
    if (set->array.endpoint_len == PBTS_ENDPOINT4_LEN) {
        take_runs(&r, out, prng, want, PBTS_ENDPOINT4_LEN);
    } else {
        take_runs(&r, out, prng, want, PBTS_ENDPOINT6_LEN);
    }
    return want;
}
