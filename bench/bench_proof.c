/* What proving one value takes: a Merkle-Patricia proof of 16 nodes, fifteen of them full branches.
 *
 *     bench_proof      JSON on stdout, microseconds of this thread's CPU time, medians
 *
 * The floor is the Keccak-256 of the same nodes: no checker saves it. Every run verifies another of
 * many proofs, in an order that is not that of memory, so that nothing stays in the first cache
 * that would not in real use. On a machine that others use too, the fastest round says more than
 * the median. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "codec/rlp.h"
#include "eth/proof.h"

enum { NODES = 16, NODE_MAX = 544, PROOFS = 256, ROUNDS = 101, STRIDE = 101 };

typedef struct {
    pbts_eth_hash root;
    pbts_u256 slot;
    uint8_t bytes[NODES][NODE_MAX];
    pbts_span nodes[NODES];
} proof;

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "bench_proof: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint8_t nibble(const pbts_eth_hash *path, size_t i) {
    return i % 2 == 0 ? path->bytes[i / 2] >> 4 : path->bytes[i / 2] & 15;
}

/* ---- a proof, from its leaf upwards ---- */

/* The rest of the path behind fifteen branches, an odd number of nibbles, and a word. */
static void write_leaf(pbts_writer *out, const pbts_eth_hash *path) {
    uint8_t rest[32] = { 0 }, word[34];
    size_t len = 0;
    rest[len++] = (uint8_t)(0x30 | nibble(path, NODES - 1));
    for (size_t i = NODES; i < 64; i += 2) {
        rest[len++] = (uint8_t)(nibble(path, i) << 4 | nibble(path, i + 1));
    }
    memset(word, 0x7f, sizeof word);
    word[0] = 0xa0; /* RLP of 32 bytes, itself a string of 33 */
    size_t opened = pbts_rlp_open_list(out);
    pbts_rlp_write_string(out, (pbts_span){ rest, len });
    pbts_rlp_write_string(out, (pbts_span){ word, 33 });
    pbts_rlp_close_list(out, opened);
}

static void write_branch(pbts_writer *out, const pbts_eth_hash *child, uint8_t at) {
    pbts_eth_hash other = { { 0 } };
    size_t opened = pbts_rlp_open_list(out);
    for (uint8_t i = 0; i < 16; i++) {
        must(pbts_random_fill(pbts_random_system(), other.bytes, sizeof other.bytes) == PBTS_OK,
             "no random numbers");
        const pbts_eth_hash *hash = i == at ? child : &other;
        pbts_rlp_write_string(out, PBTS_SPAN_OF(hash->bytes));
    }
    pbts_rlp_write_string(out, (pbts_span){ 0 });
    pbts_rlp_close_list(out, opened);
}

static void make(proof *out, uint64_t number) {
    uint8_t slot[32];
    pbts_eth_hash below = { { 0 } };
    out->slot = pbts_u256_from_u64(number);
    memcpy(slot, out->slot.bytes, sizeof slot);
    pbts_eth_hash path = pbts_eth_hash_of(PBTS_SPAN_OF(slot));
    for (size_t i = NODES; i-- > 0;) {
        pbts_writer writer = pbts_writer_over(out->bytes[i], NODE_MAX);
        if (i == NODES - 1) {
            write_leaf(&writer, &path);
        } else {
            write_branch(&writer, &below, nibble(&path, i));
        }
        must(pbts_writer_status(&writer) == PBTS_OK, "a node is too long");
        out->nodes[i] = pbts_writer_span(&writer);
        below = pbts_eth_hash_of(out->nodes[i]);
    }
    out->root = below;
}

/* ---- what is measured ---- */

static void verify(const proof *p) {
    pbts_u256 word;
    must(pbts_eth_proof_storage(&word, &p->root, &p->slot, p->nodes, NODES) == PBTS_OK,
         "a proof does not verify");
}

static void hash_only(const proof *p) {
    for (size_t i = 0; i < NODES; i++) {
        pbts_eth_hash hash = pbts_eth_hash_of(p->nodes[i]);
        must(hash.bytes[0] != 0 || hash.bytes[31] != 0 || hash.bytes[15] != 0 || hash.bytes[7] != 0,
             "a hash of zeros");
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct {
    double each_us[ROUNDS];
} timings;

static void measure(timings *out, size_t round, void (*what)(const proof *), const proof *all) {
    double begun_us = now_us();
    for (size_t i = 0, at = 0; i < PROOFS; i++, at = (at + STRIDE) % PROOFS) what(all + at);
    out->each_us[round] = (now_us() - begun_us) / PROOFS;
}

static void print(const char *name, timings *of, const char *end) {
    qsort(of->each_us, ROUNDS, sizeof of->each_us[0], by_value);
    printf("  \"%s\": %.2f,\n  \"%s, fastest round\": %.2f%s\n", name, of->each_us[ROUNDS / 2],
           name, of->each_us[0], end);
}

int main(void) {
    size_t bytes = 0;
    timings proofs, floors;
    proof *all = calloc(PROOFS, sizeof *all);
    must(all != NULL, "no memory");
    for (size_t i = 0; i < PROOFS; i++) make(all + i, i);
    for (size_t i = 0; i < NODES; i++) bytes += all->nodes[i].len;
    for (size_t round = 0; round < ROUNDS; round++) { /* in turn, so that both meet the same */
        measure(&proofs, round, verify, all);
        measure(&floors, round, hash_only, all);
    }
    printf("{\n  \"nodes\": %d,\n  \"bytes\": %zu,\n", NODES, bytes);
    print("verify a proof", &proofs, ",");
    print("floor: Keccak-256 of its nodes", &floors, "\n}");
    free(all);
    return 0;
}
