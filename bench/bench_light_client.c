/* What following the beacon chain costs, beside its floor.
 *
 *     bench_light_client [DATA]      default ../shared/data; JSON on stdout, microseconds
 *
 * One mainnet sync-committee update whose committee's keys are decoded (all checks, and the same
 * with the next committee's keys new), an optimistic update, the parts: 512 keys decoded, their
 * root, the signature alone. The floor is what no client saves: hashing to the curve, decoding the
 * signature, two Miller loops and one final exponentiation; it is the signature by a committee of
 * one member. Medians of this thread's CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/text.h"
#include "eth/light_client.h"
#include "eth/light_store.h"

enum { RUNS = 201, PATH_LEN_MAX = 1024 };

#define FOLDER "eth/mainnet-jewel/eth_getStorageAt_electra/"
#define TRUSTED_ROOT "d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a"

typedef struct {
    pbts_light_store store, fresh; /* with the next committee known, and without */
    pbts_light_bootstrap bootstrap;
    pbts_light_update update, optimistic;
    pbts_light_committee committee;
    pbts_bls_committee one;
    uint64_t slot;
} state;

static void fail(const char *what) {
    fprintf(stderr, "bench_light_client: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static void must(pbts_status status, const char *what) {
    if (status != PBTS_OK) fail(what);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static pbts_span load(const char *folder, const char *name) {
    static uint8_t bytes[1 << 16];
    char path[PATH_LEN_MAX];
    (void)snprintf(path, sizeof path, "%s/" FOLDER "%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    return (pbts_span){ bytes, len };
}

/* ---- what is measured ---- */

static void check_update(state *s) {
    must(pbts_light_validate(&s->fresh, &s->update, s->slot), "update");
}

static void take_update(state *s) {
    /* As if the next committee were not known yet. */
    s->fresh.has_next = false;
    s->fresh.finalized = s->bootstrap.header;
    must(pbts_light_store_update(&s->fresh, &s->update, s->slot), "update");
    s->fresh.has_next = false;
    s->fresh.finalized = s->bootstrap.header;
}

static void check_optimistic(state *s) {
    must(pbts_light_validate(&s->store, &s->optimistic, s->slot), "optimistic update");
}

static void decode_keys(state *s) {
    must(pbts_light_committee_take(&s->committee, &PBTS_BEACON_MAINNET, &s->update.next), "keys");
}

static void root_of_keys(state *s) {
    pbts_ssz_chunk root = pbts_beacon_committee_root(&s->update.next, 512);
    s->committee.root = root;
}

static void check_signature(state *s) {
    pbts_ssz_chunk block = pbts_beacon_header_root(&s->update.attested.beacon);
    pbts_ssz_chunk message =
        pbts_beacon_signing_root(&PBTS_BEACON_MAINNET, &block, s->update.signature_slot);
    must(pbts_bls_committee_verify(&s->store.current->points, PBTS_SPAN_OF(s->update.bits),
                                   PBTS_SPAN_OF(message.bytes), s->update.signature),
         "signature");
}

static void check_floor(state *s) {
    uint8_t bits = 1;
    pbts_status status =
        pbts_bls_committee_verify(&s->one, (pbts_span){ &bits, 1 },
                                  PBTS_SPAN_OF(s->committee.root.bytes), s->update.signature);
    if (status != PBTS_BAD_SIGNATURE) fail("floor"); /* costs the same as a good one */
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void (*what)(state *), state *s, int runs) {
    double times_us[RUNS] = { 0 };
    for (int i = 0; i < runs; i++) {
        double begun_us = now_us();
        what(s);
        times_us[i] = now_us() - begun_us;
    }
    qsort(times_us, (size_t)runs, sizeof times_us[0], by_value);
    printf("  \"%s\": %.1f", name, times_us[runs / 2]);
}

static void prepare(state *s, const char *folder) {
    const pbts_beacon_network *mainnet = &PBTS_BEACON_MAINNET;
    pbts_ssz_chunk root = { { 0 } };
    must(pbts_hex_decode_exact(root.bytes, sizeof root.bytes, pbts_span_text(TRUSTED_ROOT)),
         "root");
    must(pbts_light_bootstrap_decode_ssz(&s->bootstrap, mainnet, load(folder, "bootstrap.ssz")),
         "bootstrap");
    must(pbts_light_update_decode_ssz(&s->update, mainnet, PBTS_LIGHT_FULL_UPDATE,
                                      load(folder, "update.ssz")),
         "update");
    must(pbts_light_update_decode_ssz(&s->optimistic, mainnet, PBTS_LIGHT_OPTIMISTIC_UPDATE,
                                      load(folder, "optimistic_update.ssz")),
         "optimistic update");
    s->slot = s->optimistic.signature_slot;
    pbts_light_store_init(&s->store, mainnet, 1);
    pbts_light_store_init(&s->fresh, mainnet, 1);
    must(pbts_light_store_bootstrap(&s->store, &root, &s->bootstrap), "bootstrap");
    must(pbts_light_store_bootstrap(&s->fresh, &root, &s->bootstrap), "bootstrap");
    must(pbts_light_store_update(&s->store, &s->update, s->slot), "update");
    must(pbts_bls_committee_decode(&s->one, (pbts_span){ s->bootstrap.committee.keys, 48 }),
         "one key");
}

int main(int argc, char **argv) {
    state *s = calloc(1, sizeof *s);
    if (s == NULL) fail("memory");
    prepare(s, argc > 1 ? argv[1] : "../shared/data");
    printf("{\n");
    measure("sync-committee update, keys cached", check_update, s, RUNS);
    printf(",\n");
    measure("the same, next committee's 512 keys decoded", take_update, s, 21);
    printf(",\n");
    measure("optimistic update", check_optimistic, s, RUNS);
    printf(",\n");
    measure("decoding 512 keys", decode_keys, s, 21);
    printf(",\n");
    measure("hash_tree_root of a committee", root_of_keys, s, RUNS);
    printf(",\n");
    measure("signature of 511 members", check_signature, s, RUNS);
    printf(",\n");
    measure("floor: signature of one member", check_floor, s, RUNS);
    printf("\n}\n");
    free(s);
    return 0;
}
