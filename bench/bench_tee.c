/* What the checks of a TEE's evidence cost, beside the signatures that nobody saves.
 *
 *     bench_tee [DATA]      default ../shared/data; JSON on stdout, microseconds
 *
 * Genuine quotes of three platforms with one collateral, in its time window, by the whole path of
 * nine steps. "Cold": nothing was parsed or verified before, ten signatures. "Another platform":
 * the collateral is known, the certificate of the platform is not, three signatures. "The same
 * platform": two. The floor is one verification over P-256 with a key that is ready, as `openssl
 * speed ecdsap256` measures it. Medians of this thread's CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/certificates.h"
#include "attest/p256.h"
#include "attest/simulator.h"
#include "attest/verify.h"
#include "bls/bls.h"
#include "hash/hkdf.h"

enum { RUNS = 401, PATH_LEN_MAX = 1024, FILE_LEN_MAX = 64 * 1024 };

#define SET "v4-phala-2025-06"
#define NOW_S UINT64_C(1751624191) /* in its window */
/* Of the same kind of processor, so that the same collateral is for it, but below every level. */
#define OTHER_SET "v4-dstack-tappd-b0c06f-2025-06"

typedef struct {
    pbts_span bytes, other_bytes;
    pbts_collateral_files files;
    pbts_collateral *collateral;
    pbts_attest_policy policy;
    pbts_quote quote;
    pbts_x509_chain chain;
    pbts_bls_secret bls;
    pbts_simulator *simulator;
} state;

static void fail(const char *what) {
    fprintf(stderr, "bench_tee: %s failed\n", what);
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

/* Kept to the end of the program. */
static pbts_span load(const char *folder, const char *set, const char *name) {
    char path[PATH_LEN_MAX];
    uint8_t *bytes = malloc(FILE_LEN_MAX);
    (void)snprintf(path, sizeof path, "%s/tdx/sets/%s/%s", folder, set, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || bytes == NULL) fail(path);
    size_t len = fread(bytes, 1, FILE_LEN_MAX, file);
    (void)fclose(file);
    return (pbts_span){ bytes, len };
}

static pbts_collateral *open_collateral(const state *s) {
    pbts_collateral *collateral;
    must(pbts_collateral_new(&collateral, pbts_mem_system(), &s->files), "collateral");
    return collateral;
}

/* ---- what is measured ---- */

static pbts_attest_reason verify(const state *s, pbts_span quote, pbts_collateral *collateral) {
    pbts_attest_verdict verdict;
    (void)!pbts_attest_verify(&verdict, quote, collateral, &PBTS_ATTEST_INTEL, &s->policy, NOW_S);
    return verdict.reason;
}

static void verify_cold(state *s) {
    pbts_collateral *collateral = open_collateral(s);
    if (verify(s, s->bytes, collateral) != PBTS_ATTEST_ACCEPTED) fail("verification");
    pbts_collateral_free(collateral);
}

static void verify_cached(state *s) {
    if (verify(s, s->bytes, s->collateral) != PBTS_ATTEST_ACCEPTED) fail("verification");
}

/* Passes the first six steps, so its platform is the one that is remembered. */
static void verify_other(state *s) {
    if (verify(s, s->other_bytes, s->collateral) != PBTS_ATTEST_TCB_NOT_SUPPORTED)
        fail("verification of the other");
}

static void nothing(state *s) {
    (void)s;
}

static void parse_chain(state *s) {
    pbts_x509_chain chain;
    must(pbts_x509_chain_parse_pem(&chain, s->quote.pck_chain_pem, NULL), "certificates");
    pbts_x509_chain_free(&chain);
}

static void verify_signature(state *s) {
    must(pbts_p256_verify_by(X509_get0_pubkey(s->chain.certificates[0]), s->quote.qe_signature,
                             s->quote.qe_report_bytes),
         "signature");
}

static void derive_key(state *s) {
    uint8_t key[PBTS_SHA256_LEN];
    pbts_hkdf_sha256(key, sizeof key, (pbts_span){ 0 }, PBTS_SPAN_OF(s->bls.bytes),
                     pbts_span_text("pbts/tracker/tickets/1"));
    memcpy(s->bls.bytes + 1, key, sizeof key - 1); /* so that no run is the one before */
}

static void generate_key(state *s) {
    pbts_bls_secret secret;
    pbts_bls_public public;
    must(pbts_bls_generate(&secret, pbts_random_system()), "key");
    pbts_bls_public_of(&public, &secret);
    s->bls = secret;
}

static void generate_quote(state *s) {
    uint8_t room[PBTS_SIMULATOR_QUOTE_MAX], report_data[PBTS_REPORT_DATA_LEN] = { 1 };
    pbts_writer writer = pbts_writer_over(room, sizeof room);
    must(pbts_simulator_quote(&writer, s->simulator, report_data), "simulator");
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `before` is not counted. */
static void measure(const char *name, void (*before)(state *), void (*what)(state *), state *s,
                    const char *end) {
    double times_us[RUNS];
    for (int i = 0; i < RUNS; i++) {
        before(s);
        double begun_us = now_us();
        what(s);
        times_us[i] = now_us() - begun_us;
    }
    qsort(times_us, RUNS, sizeof times_us[0], by_value);
    printf("  \"%s\": %.1f%s\n", name, times_us[RUNS / 2], end);
}

static void prepare(state *s, const char *folder) {
    static const char POLICY[] =
        "accept = UpToDate SWHardeningNeeded ConfigurationNeeded OutOfDate\n"
        "measurement = any any any any any\nmrconfigid = any\nmrowner = any\n"
        "mrownerconfig = any\nmrservicetd = any\n";
    pbts_policy_mistake mistake;
    must(pbts_attest_policy_parse(&s->policy, &mistake, pbts_span_text(POLICY)), "policy");
    s->bytes = load(folder, SET, "quote.bin");
    s->other_bytes = load(folder, OTHER_SET, "quote.bin");
    s->files = (pbts_collateral_files){
        .tcb_info = load(folder, SET, "tcbinfo.json"),
        .qe_identity = load(folder, SET, "qeidentity.json"),
        .root_crl = load(folder, SET, "root_ca_crl.der"),
        .pck_crl = load(folder, SET, "pck_crl.der"),
        .tcb_signing_chain = load(folder, SET, "tcb_signing_chain.pem"),
    };
    s->collateral = open_collateral(s);
    must(pbts_simulator_new(&s->simulator, pbts_mem_system(), NOW_S), "simulator");
    if (pbts_quote_parse(&s->quote, s->bytes) != PBTS_ATTEST_ACCEPTED) fail("quote");
    must(pbts_x509_chain_parse_pem(&s->chain, s->quote.pck_chain_pem, NULL), "certificates");
}

int main(int argc, char **argv) {
    state *s = calloc(1, sizeof *s);
    if (s == NULL) fail("memory");
    prepare(s, argc > 1 ? argv[1] : "../shared/data");
    printf("{\n");
    measure("verification, cold", nothing, verify_cold, s, ",");
    measure("verification, collateral cached, another platform", verify_other, verify_cached, s,
            ",");
    measure("verification, collateral cached, the same platform", nothing, verify_cached, s, ",");
    measure("three certificates parsed", nothing, parse_chain, s, ",");
    measure("floor: one P-256 verification", nothing, verify_signature, s, ",");
    measure("BLS key generation", nothing, generate_key, s, ",");
    measure("attestation generation", nothing, generate_quote, s, ",");
    measure("one key derived (HKDF-SHA-256)", nothing, derive_key, s, "");
    printf("}\n");
    pbts_x509_chain_free(&s->chain);
    pbts_collateral_free(s->collateral);
    pbts_simulator_free(s->simulator);
    free(s);
    return 0;
}
