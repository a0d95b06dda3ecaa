/* Unit tests of dht/certificate.c: bytes, messages, places. What is believed: test_credentials.c.
 */
#include "hash/sha.h"
#include "trust_kit.h"

static pbts_status decode(pbts_dht_certificate *out, pbts_span bytes) {
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    pbts_status status = pbts_dht_certificate_decode(out, (pbts_span){ copy, bytes.len });
    free(copy);
    return status;
}

static void fields_are_where_the_header_says(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_CERTIFICATE_LEN], again[PBTS_DHT_CERTIFICATE_LEN];
    pbts_dht_certificate c;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    bytes[0] = 1;
    memset(bytes + 193, 0, 8); /* epoch */
    bytes[200] = 48;
    bytes[249] = 3;
    memset(bytes + 282, 0, 16); /* times */
    bytes[289] = 7;
    bytes[297] = 8;
    assert_int_equal(decode(&c, PBTS_SPAN_OF(bytes)), PBTS_OK);
    assert_int_equal(c.membership.key.bytes[0], 1);
    assert_int_equal(c.membership.signature.bytes[47], 192);
    assert_int_equal(c.beacon.epoch, 48);
    assert_int_equal(c.beacon.signature.bytes[0], 201);
    assert_int_equal(c.session_key.bytes[32], 281 - 256);
    assert_true(c.issued == 7 && c.expires == 8);
    assert_int_equal(c.signature.bytes[0], 298 - 256);
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    pbts_dht_certificate_encode(&writer, &c);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void any_other_length_is_malformed(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    certificate_made made = certificate_of(&it, 1, 1);
    uint8_t longer[PBTS_DHT_CERTIFICATE_LEN + 1] = { 0 };
    pbts_dht_certificate c;
    memcpy(longer, made.bytes, sizeof made.bytes);
    for (size_t len = 0; len <= sizeof longer; len++) {
        assert_int_equal(decode(&c, (pbts_span){ longer, len }),
                         len == PBTS_DHT_CERTIFICATE_LEN ? PBTS_OK : PBTS_MALFORMED);
    }
}

static void fields_out_of_range_are_malformed(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    static const struct {
        size_t at;
        uint8_t value;
    } CASES[] = {
        { 0, 0 },   { 0, 2 },   /* version */
        { 200, 1 },             /* an epoch within a beacon's time */
        { 249, 0 }, { 249, 4 }, /* no compressed point */
    };
    pbts_dht_certificate c;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        certificate_made made = certificate_of(&it, 1, 1);
        made.bytes[CASES[i].at] = CASES[i].value;
        assert_int_equal(decode(&c, PBTS_SPAN_OF(made.bytes)), PBTS_MALFORMED);
    }
}

static void a_certificate_lives_for_a_day_at_most(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    static const struct {
        uint64_t life_s;
        pbts_status want;
    } CASES[] = {
        { 0, PBTS_MALFORMED },
        { 1, PBTS_OK },
        { PBTS_DHT_CERTIFICATE_LIFE_MAX_S, PBTS_OK },
        { PBTS_DHT_CERTIFICATE_LIFE_MAX_S + 1, PBTS_MALFORMED },
        { UINT64_MAX, PBTS_MALFORMED }, /* it ends before it begins */
    };
    pbts_dht_certificate c;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        certificate_made made = certificate_of(&it, 1, 1);
        made.it.expires = made.it.issued + CASES[i].life_s;
        certificate_finish(&made, &it, key_of(1));
        assert_int_equal(decode(&c, PBTS_SPAN_OF(made.bytes)), CASES[i].want);
    }
}

static void the_signature_is_over_the_instance_and_all_before_it(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    certificate_made made = certificate_of(&it, 1, 1);
    uint8_t message[32 + 298];
    pbts_bls_signature want;
    memcpy(message, it.iid, 32);
    memcpy(message + 32, made.bytes, 298);
    key_pair user = key_of(1);
    pbts_bls_sign(&want, &user.secret, PBTS_BLS_DHT_CERT, PBTS_SPAN_OF(message));
    assert_memory_equal(made.bytes + 298, want.bytes, sizeof want.bytes);
}

static void a_place_is_the_hash_of_key_and_beacon(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    key_pair user = key_of(1);
    pbts_epoch_beacon today = beacon_at(&it, NOW), tomorrow = beacon_at(&it, NOW + DAY);
    uint8_t text[10 + 96 + 32], want[32];
    pbts_dht_id id, other;
    memcpy(text, "pbts/dht/1", 10);
    memcpy(text + 10, user.key.bytes, 96);
    pbts_dht_beacon_value(text + 106, &today);
    pbts_sha256(want, PBTS_SPAN_OF(text));
    pbts_dht_node_id(&id, &user.key, &today);
    assert_memory_equal(id.bytes, want, sizeof id.bytes);
    pbts_dht_node_id(&other, &user.key, &tomorrow);
    assert_memory_not_equal(&id, &other, sizeof id);
    user = key_of(2);
    pbts_dht_node_id(&other, &user.key, &today);
    assert_memory_not_equal(&id, &other, sizeof id);
}

static void an_owner_is_the_same_in_every_epoch(void **state) {
    (void)state;
    key_pair user = key_of(1);
    uint8_t owner[PBTS_DHT_OWNER_LEN], want[32];
    pbts_dht_owner(owner, &user.key);
    pbts_sha256(want, PBTS_SPAN_OF(user.key.bytes));
    assert_memory_equal(owner, want, sizeof want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_where_the_header_says),
        cmocka_unit_test(any_other_length_is_malformed),
        cmocka_unit_test(fields_out_of_range_are_malformed),
        cmocka_unit_test(a_certificate_lives_for_a_day_at_most),
        cmocka_unit_test(the_signature_is_over_the_instance_and_all_before_it),
        cmocka_unit_test(a_place_is_the_hash_of_key_and_beacon),
        cmocka_unit_test(an_owner_is_the_same_in_every_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
