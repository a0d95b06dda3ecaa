/* What trust costs a node of the DHT, per packet and per certificate.
 *
 *     bench_dht_trust            JSON on stdout, microseconds
 *
 * The real credentials: a packet signed and verified, an announce signed and verified with its
 * certificate known, a certificate seen for the first time, seen again, and refused from memory.
 * Medians of this thread's CPU time. Then bytes: of a certificate, of a signed announce, and of the
 * heap for each of those that a node keeps. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dht/credentials.h"
#include "dht/dht_records.h"

enum { RUNS = 201, STRANGERS = RUNS, RECORDS = 5000 /* what a node keeps unless told otherwise */ };
#define NOW (UINT64_C(20833) * 86400 + 5 * 3600)

typedef struct {
    uint8_t iid[PBTS_IID_LEN];
    pbts_bls_secret tracker;
    pbts_dht_credentials *node, *other;
    pbts_dht_trust of_node, of_other;
    uint8_t strangers[STRANGERS][PBTS_DHT_CERTIFICATE_LEN];
    uint8_t forged[PBTS_DHT_CERTIFICATE_LEN], record[PBTS_DHT_RECORD_MAX];
    size_t record_len;
    uint8_t digest[PBTS_DHT_DIGEST_LEN], signature[PBTS_DHT_SIGNATURE_LEN];
} state;

static void must(bool truth, const char *what) {
    if (truth) return;
    fprintf(stderr, "bench_dht_trust: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- preparation ---- */

static pbts_dht_credentials *node_of(const state *s, uint32_t user) {
    pbts_dht_credentials *node;
    pbts_epoch_beacon beacon;
    uint8_t bytes[PBTS_DHT_BEACON_LEN];
    pbts_bls_public key;
    pbts_dht_credentials_config config = { .mem = pbts_mem_system(),
                                           .random = pbts_random_system(),
                                           .verdicts_max = 4096 };
    pbts_bls_secret secret = { { [28] = 1, [30] = (uint8_t)(user >> 8), [31] = (uint8_t)user } };
    memcpy(config.iid, s->iid, sizeof config.iid);
    pbts_bls_public_of(&key, &s->tracker);
    must(pbts_bls_public_decode(&config.tracker, &key) == PBTS_OK, "the tracker's key");
    must(pbts_dht_credentials_new(&node, &config) == PBTS_OK, "a node");
    pbts_dht_beacon_sign(&beacon, s->iid, pbts_dht_beacon_epoch(pbts_epoch_at(NOW)), &s->tracker);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_beacon_encode(&writer, &beacon);
    must(pbts_dht_credentials_learn_beacon(node, PBTS_SPAN_OF(bytes), NOW) == PBTS_OK, "a beacon");
    pbts_membership membership = { .issued = NOW, .expires = NOW + PBTS_MEMBERSHIP_LIFE_S };
    pbts_bls_public_of(&membership.key, &secret);
    pbts_membership_sign(&membership, s->iid, &s->tracker);
    must(pbts_dht_credentials_certify(node, &secret, &membership, NOW) == PBTS_OK, "certify");
    return node;
}

static void prepare(state *s) {
    pbts_dht_member member;
    s->tracker = (pbts_bls_secret){ { [31] = 9 } };
    memset(s->iid, 0x11, sizeof s->iid);
    for (uint32_t i = 0; i < STRANGERS; i++) {
        pbts_dht_credentials *stranger = node_of(s, i + 10);
        memcpy(s->strangers[i], pbts_dht_credentials_certificate(stranger).data,
               sizeof s->strangers[i]);
        pbts_dht_credentials_free(stranger);
    }
    s->node = node_of(s, 1);
    s->other = node_of(s, 2);
    s->of_node = pbts_dht_credentials_trust(s->node);
    s->of_other = pbts_dht_credentials_trust(s->other);
    pbts_span certificate = pbts_dht_credentials_certificate(s->other);
    must(s->of_node.ops->verify_certificate(s->node, &member, certificate, NOW) == PBTS_OK,
         "a certificate");
    memcpy(s->forged, certificate.data, sizeof s->forged);
    s->forged[PBTS_DHT_CERTIFICATE_LEN - 49] ^= 1;
}

/* ---- what is measured ---- */

static void packet_sign(state *s, size_t run) {
    s->digest[0] = (uint8_t)run;
    s->of_other.ops->sign_packet(s->other, s->signature, s->digest);
}

static void packet_verify(state *s, size_t run) {
    (void)run;
    must(s->of_node.ops->verify_packet(s->node, pbts_dht_credentials_self(s->other), s->digest,
                                       s->signature),
         "a packet");
}

static void announce_sign(state *s, size_t run) {
    pbts_writer writer = pbts_writer_over(s->record, sizeof s->record);
    const pbts_dht_record record = {
        .addr = { .family = PBTS_IPV4, .ip = { 10, 0, 0, 1 }, .port = 1 },
        .sequence = run,
        .expires_s = UINT64_MAX
    };
    must(pbts_dht_credentials_announce(s->other, &writer, &record, NOW) == PBTS_OK, "an announce");
    s->record_len = writer.len;
}

static void announce_verify(state *s, size_t run) {
    (void)run;
    pbts_dht_record record;
    pbts_span bytes = { s->record, s->record_len };
    must(s->of_node.ops->verify_record(s->node, &record, bytes, NOW) == PBTS_OK, "a record");
}

static void certificate_new(state *s, size_t run) {
    pbts_dht_member member;
    must(s->of_node.ops->verify_certificate(s->node, &member, PBTS_SPAN_OF(s->strangers[run]),
                                            NOW) == PBTS_OK,
         "a new certificate");
}

static void certificate_known(state *s, size_t run) {
    pbts_dht_member member;
    (void)run;
    pbts_span certificate = pbts_dht_credentials_certificate(s->other);
    must(s->of_node.ops->verify_certificate(s->node, &member, certificate, NOW) == PBTS_OK,
         "a known certificate");
}

static void certificate_known_bad(state *s, size_t run) {
    pbts_dht_member member;
    (void)run;
    must(s->of_node.ops->verify_certificate(s->node, &member, PBTS_SPAN_OF(s->forged), NOW) ==
             PBTS_BAD_SIGNATURE,
         "a forged certificate");
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median_us(state *s, void (*what)(state *, size_t)) {
    static double times[RUNS];
    for (size_t run = 0; run < RUNS; run++) {
        double begin = now_us();
        what(s, run);
        times[run] = now_us() - begin;
    }
    qsort(times, RUNS, sizeof times[0], compare);
    return times[RUNS / 2];
}

static size_t heap_bytes(void) {
    struct mallinfo2 heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
}

/* The heap for RECORDS of different users under different keys, by one that they have in common. */
static double stored_bytes(const state *s) {
    pbts_dht_records records;
    size_t before = heap_bytes();
    pbts_dht_records_init(&records, pbts_mem_system(), &(pbts_dht_id){ { 0 } }, RECORDS, 1);
    for (uint32_t i = 0; i < RECORDS; i++) {
        pbts_addr from = { PBTS_IPV4, { 10, (uint8_t)(i >> 8), (uint8_t)i, 1 }, 1 };
        pbts_dht_record record = { .addr = from, .sequence = 1, .expires_s = NOW + 60 };
        memcpy(record.key.bytes, &i, sizeof i);
        memcpy(record.owner, &i, sizeof i);
        must(pbts_dht_records_put(&records, &record, (pbts_span){ s->record, s->record_len }, &from,
                                  NOW) == PBTS_OK,
             "a record to keep");
    }
    size_t after = heap_bytes();
    pbts_dht_records_deinit(&records);
    return (double)(after - before) / RECORDS;
}

int main(void) {
    static const struct {
        const char *name;
        void (*what)(state *, size_t);
    } ALL[] = {
        { "packet_sign", packet_sign },
        { "packet_verify", packet_verify },
        { "announce_sign", announce_sign },
        { "announce_verify", announce_verify },
        { "certificate_new", certificate_new },
        { "certificate_known", certificate_known },
        { "certificate_known_bad", certificate_known_bad },
    };
    static state s;
    prepare(&s);
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++) {
        printf("%s\"%s_us\": %.2f", i == 0 ? "{" : ", ", ALL[i].name, median_us(&s, ALL[i].what));
    }
    printf(", \"certificate_bytes\": %d, \"record_bytes\": %zu, \"record_stored_bytes\": %.0f}\n",
           PBTS_DHT_CERTIFICATE_LEN, s.record_len, stored_bytes(&s));
    pbts_dht_credentials_free(s.node);
    pbts_dht_credentials_free(s.other);
    return EXIT_SUCCESS;
}
