/* tests/unit/dht/trust_kit.h - a tracker's key, its members, and nodes with real credentials. */
#ifndef PBTS_TEST_TRUST_KIT_H
#define PBTS_TEST_TRUST_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dht/credentials.h"
#include "dht/signed_record.h"

/* The start of a beacon's time, and some hours into it. */
enum { DAY = PBTS_DHT_BEACON_EPOCHS * PBTS_EPOCH_SECONDS };
#define DAY0 (UINT64_C(20833) * DAY)
#define NOW (DAY0 + 5 * 3600)

typedef struct {
    pbts_bls_secret secret;
    pbts_bls_public key;
} key_pair;

static inline key_pair key_of(uint8_t n) {
    key_pair pair = { .secret = { { [31] = n } } };
    pbts_bls_public_of(&pair.key, &pair.secret);
    return pair;
}

/* One instance: the tracker has secret 9, and any number of users 1, 2, 3, ... */
typedef struct {
    uint8_t iid[PBTS_IID_LEN];
    key_pair tracker;
    pbts_bls_public_point tracker_point;
} instance;

static inline instance instance_new(uint8_t n) {
    instance it = { .tracker = key_of(9) };
    memset(it.iid, n, sizeof it.iid);
    assert_int_equal(pbts_bls_public_decode(&it.tracker_point, &it.tracker.key), PBTS_OK);
    return it;
}

static inline pbts_membership membership_of(const instance *it, const key_pair *user) {
    pbts_membership membership = { .key = user->key,
                                   .allowance_bytes = 1 << 30,
                                   .up_bytes = 1000,
                                   .down_bytes = 1000,
                                   .min_ratio_milli = 500,
                                   .generation = 3,
                                   .issued = NOW - 3600,
                                   .expires = NOW - 3600 + PBTS_MEMBERSHIP_LIFE_S };
    pbts_membership_sign(&membership, it->iid, &it->tracker.secret);
    return membership;
}

static inline pbts_epoch_beacon beacon_at(const instance *it, uint64_t unix_s) {
    pbts_epoch_beacon beacon;
    pbts_dht_beacon_sign(&beacon, it->iid, pbts_dht_beacon_epoch(pbts_epoch_at(unix_s)),
                         &it->tracker.secret);
    return beacon;
}

typedef struct {
    uint8_t bytes[PBTS_DHT_BEACON_LEN];
} beacon_text;

static inline beacon_text beacon_bytes(const instance *it, uint64_t unix_s) {
    beacon_text text;
    pbts_epoch_beacon beacon = beacon_at(it, unix_s);
    pbts_writer writer = pbts_writer_over(text.bytes, sizeof text.bytes);
    pbts_dht_beacon_encode(&writer, &beacon);
    assert_int_equal(writer.len, sizeof text.bytes);
    return text;
}

/* A node that knows nothing yet. */
static inline pbts_dht_credentials *stranger_of(const instance *it, pbts_mem *mem) {
    pbts_dht_credentials *node;
    pbts_dht_credentials_config config = {
        .mem = mem, .random = pbts_random_system(), .tracker = it->tracker_point, .verdicts_max = 64
    };
    memcpy(config.iid, it->iid, sizeof config.iid);
    assert_int_equal(pbts_dht_credentials_new(&node, &config), PBTS_OK);
    return node;
}

static inline void learn(pbts_dht_credentials *node, const instance *it, uint64_t beacon_s,
                         uint64_t now_s, pbts_status want) {
    beacon_text beacon = beacon_bytes(it, beacon_s);
    assert_int_equal(pbts_dht_credentials_learn_beacon(node, PBTS_SPAN_OF(beacon.bytes), now_s),
                     want);
}

/* One that knows the beacon of NOW and has a certificate of user n's. */
static inline pbts_dht_credentials *node_of(const instance *it, uint8_t n) {
    key_pair user = key_of(n);
    pbts_membership membership = membership_of(it, &user);
    pbts_dht_credentials *node = stranger_of(it, pbts_mem_system());
    learn(node, it, NOW, NOW, PBTS_OK);
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &membership, NOW), PBTS_OK);
    return node;
}

/* What the node `by` says of these bytes, which are an exact-size copy. */
static inline pbts_status shown(pbts_dht_credentials *by, pbts_dht_member *out, pbts_span bytes,
                                uint64_t now_s) {
    pbts_dht_trust trust = pbts_dht_credentials_trust(by);
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    pbts_status status =
        trust.ops->verify_certificate(trust.self, out, (pbts_span){ copy, bytes.len }, now_s);
    free(copy);
    return status;
}

static inline pbts_status told(pbts_dht_credentials *by, pbts_dht_record *out, pbts_span bytes,
                               uint64_t now_s) {
    pbts_dht_trust trust = pbts_dht_credentials_trust(by);
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    pbts_status status =
        trust.ops->verify_record(trust.self, out, (pbts_span){ copy, bytes.len }, now_s);
    free(copy);
    return status;
}

static inline pbts_dht_credentials_stats stats_of(const pbts_dht_credentials *node) {
    pbts_dht_credentials_stats stats;
    pbts_dht_credentials_stats_read(node, &stats);
    return stats;
}

/* A certificate with a session key of the test's own, signed by whoever. */
typedef struct {
    pbts_dht_certificate it;
    pbts_secp256k1_secret session;
    uint8_t bytes[PBTS_DHT_CERTIFICATE_LEN];
} certificate_made;

static inline void certificate_finish(certificate_made *made, const instance *it, key_pair signer) {
    pbts_dht_certificate_sign(&made->it, it->iid, &signer.secret);
    pbts_writer writer = pbts_writer_over(made->bytes, sizeof made->bytes);
    pbts_dht_certificate_encode(&writer, &made->it);
    assert_int_equal(writer.len, sizeof made->bytes);
}

/* As user n would make it; `session` picks the session key. */
static inline certificate_made certificate_of(const instance *it, uint8_t n, uint8_t session) {
    certificate_made made = { .session = { { [31] = session } } };
    pbts_secp256k1_signer *signer;
    key_pair user = key_of(n);
    made.it = (pbts_dht_certificate){ .membership = membership_of(it, &user),
                                      .beacon = beacon_at(it, NOW),
                                      .issued = NOW,
                                      .expires = NOW + 3600 };
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    pbts_secp256k1_public_of(signer, &made.it.session_key, &made.session);
    pbts_secp256k1_signer_free(signer);
    certificate_finish(&made, it, user);
    return made;
}

#endif
