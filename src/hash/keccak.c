/* Keccak-f[1600] two rounds at a time, from one set of lanes into another, so that nothing moves.
 */
#include "hash/keccak.h"

#include "base/assert.h"

enum { LANES = 25, ROUNDS = 24, RATE_LANES = PBTS_KECCAK256_RATE / 8 };

/* What iota adds per round: FIPS 202 algorithm 5. */
static const uint64_t ROUND_CONSTANTS[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

static inline uint64_t rotate(uint64_t lane, unsigned by) {
    return lane << by | lane >> (-by & 63);
}

/* One row of a round's result: rho and pi fetch its five lanes, chi mixes them. `from`: lane x of
 * plane y, 5y + x; its column is known by x. */
#define MOVED(from, by) rotate(in[from] ^ theta[(from) % 5], by)
#define ROW(to, from0, by0, from1, by1, from2, by2, from3, by3, from4, by4)              \
    do {                                                                                 \
        uint64_t b0 = MOVED(from0, by0), b1 = MOVED(from1, by1), b2 = MOVED(from2, by2), \
                 b3 = MOVED(from3, by3), b4 = MOVED(from4, by4);                         \
        out[to] = b0 ^ (~b1 & b2);                                                       \
        out[(to) + 1] = b1 ^ (~b2 & b3);                                                 \
        out[(to) + 2] = b2 ^ (~b3 & b4);                                                 \
        out[(to) + 3] = b3 ^ (~b4 & b0);                                                 \
        out[(to) + 4] = b4 ^ (~b0 & b1);                                                 \
    } while (0)
#define COLUMN(x) (in[x] ^ in[(x) + 5] ^ in[(x) + 10] ^ in[(x) + 15] ^ in[(x) + 20])

static inline void permute_round(uint64_t out[static LANES], const uint64_t in[static LANES],
                                 uint64_t constant) {
    uint64_t c0 = COLUMN(0), c1 = COLUMN(1), c2 = COLUMN(2), c3 = COLUMN(3), c4 = COLUMN(4);
    const uint64_t theta[5] = { c4 ^ rotate(c1, 1), c0 ^ rotate(c2, 1), c1 ^ rotate(c3, 1),
                                c2 ^ rotate(c4, 1), c3 ^ rotate(c0, 1) };
    ROW(0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
    ROW(5, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
    ROW(10, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
    ROW(15, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
    ROW(20, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
    out[0] ^= constant;
}

static void permute(uint64_t lanes[static LANES]) {
    uint64_t even[LANES], odd[LANES];
    memcpy(even, lanes, sizeof even);
    for (size_t round = 0; round < ROUNDS; round += 2) {
        permute_round(odd, even, ROUND_CONSTANTS[round]);
        permute_round(even, odd, ROUND_CONSTANTS[round + 1]);
    }
    memcpy(lanes, even, sizeof even);
}

/* Lanes are little-endian. */
static inline uint64_t load_lane(const uint8_t *bytes) {
    uint64_t lane = 0;
    for (unsigned i = 0; i < 8; i++) lane |= (uint64_t)bytes[i] << (8 * i);
    return lane;
}

static inline void store_lane(uint8_t *bytes, uint64_t lane) {
    for (unsigned i = 0; i < 8; i++) bytes[i] = (uint8_t)(lane >> (8 * i));
}

static void absorb_block(uint64_t lanes[static LANES], const uint8_t *block) {
    for (size_t i = 0; i < RATE_LANES; i++) lanes[i] ^= load_lane(block + 8 * i);
    permute(lanes);
}

/* Part of a block, which stays open. */
static void absorb_part(pbts_keccak256_state *state, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++, state->filled++) {
        state->lanes[state->filled / 8] ^= (uint64_t)bytes[i] << (8 * (state->filled % 8));
    }
}

void pbts_keccak256_init(pbts_keccak256_state *state) {
    memset(state, 0, sizeof *state);
}

void pbts_keccak256_update(pbts_keccak256_state *state, pbts_span bytes) {
    assert(state->filled < PBTS_KECCAK256_RATE);
    if (state->filled > 0) {
        size_t room = PBTS_KECCAK256_RATE - state->filled;
        size_t len = bytes.len < room ? bytes.len : room;
        absorb_part(state, bytes.data, len);
        if (state->filled < PBTS_KECCAK256_RATE) return;
        permute(state->lanes);
        state->filled = 0;
        bytes = (pbts_span){ bytes.data + len, bytes.len - len };
    }
    while (bytes.len >= PBTS_KECCAK256_RATE) {
        absorb_block(state->lanes, bytes.data);
        bytes = (pbts_span){ bytes.data + PBTS_KECCAK256_RATE, bytes.len - PBTS_KECCAK256_RATE };
    }
    absorb_part(state, bytes.data, bytes.len);
}

void pbts_keccak256_final(pbts_keccak256_state *state, uint8_t out[static PBTS_KECCAK256_LEN]) {
    static const uint8_t FIRST = 0x01;
    absorb_part(state, &FIRST, 1);
    state->lanes[RATE_LANES - 1] ^= UINT64_C(1) << 63; /* the padding's last bit */
    permute(state->lanes);
    for (size_t i = 0; i < PBTS_KECCAK256_LEN / 8; i++) store_lane(out + 8 * i, state->lanes[i]);
    state->filled = PBTS_KECCAK256_RATE; /* update asserts: done */
}

void pbts_keccak256(uint8_t out[static PBTS_KECCAK256_LEN], pbts_span bytes) {
    pbts_keccak256_state state;
    pbts_keccak256_init(&state);
    pbts_keccak256_update(&state, bytes);
    pbts_keccak256_final(&state, out);
}
