/* Unit tests of wire/membership.c: what the tracker signs for times without it. */
#include "wire/membership.h"

#include "hash/sha.h"
#include "wire_test.h"

static const uint8_t IID[PBTS_IID_LEN] = { 1, 2, 3 };

static const pbts_bls_secret TRACKER = { { [31] = 9 } }, USER = { { [31] = 5 } };

static pbts_bls_public_point point_of(const pbts_bls_secret *secret) {
    pbts_bls_public bytes;
    pbts_bls_public_point point;
    pbts_bls_public_of(&bytes, secret);
    assert_int_equal(pbts_bls_public_decode(&point, &bytes), PBTS_OK);
    return point;
}

static pbts_membership sample(void) {
    pbts_membership membership = { .allowance_bytes = 1,
                                   .up_bytes = 2,
                                   .down_bytes = 3,
                                   .min_ratio_milli = 4,
                                   .generation = 5,
                                   .issued = 6,
                                   .expires = UINT64_MAX };
    pbts_bls_public_of(&membership.key, &USER);
    pbts_membership_sign(&membership, IID, &TRACKER);
    return membership;
}

static void byte_i_of_a_membership_is_where_the_header_says(void **state) {
    uint8_t bytes[PBTS_MEMBERSHIP_LEN], again[PBTS_MEMBERSHIP_LEN];
    pbts_membership m;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    uint8_t *copy = exact_copy(PBTS_SPAN_OF(bytes));
    assert_int_equal(pbts_membership_decode(&m, (pbts_span){ copy, sizeof bytes }), PBTS_OK);
    free(copy);
    assert_int_equal(m.key.bytes[95], 95);
    assert_true(m.allowance_bytes == UINT64_C(0x6061626364656667));
    assert_true(m.up_bytes == UINT64_C(0x68696A6B6C6D6E6F));
    assert_true(m.down_bytes == UINT64_C(0x7071727374757677));
    assert_int_equal(m.min_ratio_milli, 0x78797A7B);
    assert_int_equal(m.generation, 0x7C7D7E7F);
    assert_true(m.issued == UINT64_C(0x8081828384858687));
    assert_true(m.expires == UINT64_C(0x88898A8B8C8D8E8F));
    assert_int_equal(m.signature.bytes[0], 0x90);
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    pbts_membership_encode(&writer, &m);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void any_other_length_is_malformed(void **state) {
    static const uint8_t zeros[PBTS_MEMBERSHIP_LEN + 1] = { 0 };
    (void)state;
    for (size_t len = 0; len <= sizeof zeros; len++) {
        pbts_membership m;
        pbts_epoch_beacon b;
        uint8_t *copy = exact_copy((pbts_span){ zeros, len });
        pbts_span bytes = { copy, len };
        assert_int_equal(pbts_membership_decode(&m, bytes),
                         len == PBTS_MEMBERSHIP_LEN ? PBTS_OK : PBTS_MALFORMED);
        assert_int_equal(pbts_dht_beacon_decode(&b, bytes),
                         len == PBTS_DHT_BEACON_LEN ? PBTS_OK : PBTS_MALFORMED);
        free(copy);
    }
}

static void a_membership_holds_for_its_instance_and_tracker_alone(void **state) {
    uint8_t other[PBTS_IID_LEN] = { 1, 2, 4 };
    pbts_membership m = sample();
    pbts_bls_public_point tracker = point_of(&TRACKER), user = point_of(&USER);
    (void)state;
    assert_int_equal(pbts_membership_check(&m, IID, &tracker), PBTS_OK);
    assert_int_equal(pbts_membership_check(&m, other, &tracker), PBTS_BAD_SIGNATURE);
    assert_int_equal(pbts_membership_check(&m, IID, &user), PBTS_BAD_SIGNATURE);
}

static void every_changed_byte_of_a_membership_is_found(void **state) {
    uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    pbts_membership m = sample();
    pbts_bls_public_point tracker = point_of(&TRACKER);
    (void)state;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_membership_encode(&writer, &m);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        assert_int_equal(pbts_membership_decode(&m, PBTS_SPAN_OF(bytes)), PBTS_OK);
        if (pbts_membership_check(&m, IID, &tracker) == PBTS_OK) fail_msg("byte %zu", i);
        bytes[i] ^= 1;
    }
}

/* What is signed for one purpose says nothing for another. */
static void the_message_is_as_documented_and_of_its_own_purpose(void **state) {
    uint8_t message[PBTS_IID_LEN + PBTS_MEMBERSHIP_LEN];
    pbts_membership m = sample();
    pbts_bls_signature want;
    (void)state;
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(IID));
    pbts_membership_encode(&writer, &m);
    pbts_span signed_part = { message, sizeof message - PBTS_BLS_SIGNATURE_LEN };
    pbts_bls_sign(&want, &TRACKER, PBTS_BLS_MEMBER, signed_part);
    assert_memory_equal(&m.signature, &want, sizeof want);
    pbts_bls_sign(&m.signature, &TRACKER, PBTS_BLS_TICKET, signed_part);
    pbts_bls_public_point tracker = point_of(&TRACKER);
    assert_int_equal(pbts_membership_check(&m, IID, &tracker), PBTS_BAD_SIGNATURE);
    memset(&m.signature, 0, sizeof m.signature);
    assert_int_equal(pbts_membership_check(&m, IID, &tracker), PBTS_MALFORMED);
}

static void the_ratio_is_judged_as_the_tracker_does(void **state) {
    (void)state;
    static const struct {
        uint64_t up, down;
        uint32_t min_ratio_milli;
        bool below;
    } CASES[] = {
        { 0, 0, 500, false },
        { 0, 1, 500, true },
        { 1, 2, 500, false },
        { 1, 3, 500, true },
        { 499, 1000, 500, true },
        { 500, 1000, 500, false },
        { 0, UINT64_MAX, 0, false },
        { UINT64_MAX, UINT64_MAX, 1000, false },
        { UINT64_MAX - 1, UINT64_MAX, 1000, true },
        { UINT64_MAX, UINT64_MAX, UINT32_MAX, true },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_membership m = { .up_bytes = CASES[i].up,
                              .down_bytes = CASES[i].down,
                              .min_ratio_milli = CASES[i].min_ratio_milli };
        if (pbts_membership_below_ratio(&m) != CASES[i].below) fail_msg("case %zu", i);
    }
}

/* ---- beacons ---- */

enum { EPOCH = 500016 }; /* a multiple of 24 */

static void a_beacon_holds_for_its_epoch_and_instance_alone(void **state) {
    uint8_t other[PBTS_IID_LEN] = { 0 }, bytes[PBTS_DHT_BEACON_LEN];
    pbts_bls_public_point tracker = point_of(&TRACKER);
    pbts_epoch_beacon beacon, read;
    (void)state;
    pbts_dht_beacon_sign(&beacon, IID, EPOCH, &TRACKER);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_beacon_encode(&writer, &beacon);
    assert_int_equal(pbts_dht_beacon_decode(&read, pbts_writer_span(&writer)), PBTS_OK);
    assert_true(read.epoch == EPOCH);
    assert_int_equal(pbts_dht_beacon_check(&read, IID, &tracker), PBTS_OK);
    assert_int_equal(pbts_dht_beacon_check(&read, other, &tracker), PBTS_BAD_SIGNATURE);
    read.epoch += PBTS_DHT_BEACON_EPOCHS;
    assert_int_equal(pbts_dht_beacon_check(&read, IID, &tracker), PBTS_BAD_SIGNATURE);
}

static void an_epoch_within_a_beacons_time_has_none_of_its_own(void **state) {
    uint8_t bytes[PBTS_DHT_BEACON_LEN] = { 0 };
    pbts_epoch_beacon beacon;
    (void)state;
    for (uint8_t epoch = 0; epoch < 72; epoch++) {
        bytes[7] = epoch;
        assert_int_equal(pbts_dht_beacon_decode(&beacon, PBTS_SPAN_OF(bytes)),
                         epoch % 24 == 0 ? PBTS_OK : PBTS_MALFORMED);
        assert_int_equal(pbts_dht_beacon_epoch(epoch), epoch / 24 * 24);
    }
    memset(bytes, 0xFF, 7); /* its time would not fit */
    for (unsigned low = 0; low < 256; low++) {
        bytes[7] = (uint8_t)low;
        assert_int_equal(pbts_dht_beacon_decode(&beacon, PBTS_SPAN_OF(bytes)), PBTS_MALFORMED);
    }
}

static void a_beacons_value_is_the_hash_of_its_only_signature(void **state) {
    uint8_t value[PBTS_DHT_BEACON_VALUE_LEN], want[32], text[17 + PBTS_BLS_SIGNATURE_LEN];
    pbts_epoch_beacon beacon, again;
    (void)state;
    pbts_dht_beacon_sign(&beacon, IID, EPOCH, &TRACKER);
    pbts_dht_beacon_sign(&again, IID, EPOCH, &TRACKER);
    assert_memory_equal(&beacon.signature, &again.signature, sizeof beacon.signature);
    memcpy(text, "pbts/dht/beacon/1", 17);
    memcpy(text + 17, beacon.signature.bytes, sizeof beacon.signature.bytes);
    pbts_sha256(want, PBTS_SPAN_OF(text));
    pbts_dht_beacon_value(value, &beacon);
    assert_memory_equal(value, want, sizeof want);
    pbts_dht_beacon_sign(&again, IID, EPOCH + 24, &TRACKER);
    pbts_dht_beacon_value(value, &again);
    assert_memory_not_equal(value, want, sizeof want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_i_of_a_membership_is_where_the_header_says),
        cmocka_unit_test(any_other_length_is_malformed),
        cmocka_unit_test(a_membership_holds_for_its_instance_and_tracker_alone),
        cmocka_unit_test(every_changed_byte_of_a_membership_is_found),
        cmocka_unit_test(the_message_is_as_documented_and_of_its_own_purpose),
        cmocka_unit_test(the_ratio_is_judged_as_the_tracker_does),
        cmocka_unit_test(a_beacon_holds_for_its_epoch_and_instance_alone),
        cmocka_unit_test(an_epoch_within_a_beacons_time_has_none_of_its_own),
        cmocka_unit_test(a_beacons_value_is_the_hash_of_its_only_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
