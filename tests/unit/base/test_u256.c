/* Unit tests of base/u256.c; OpenSSL's integers are the twin of its arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/bn.h>

#include "base/random.h"
#include "base/u256.h"

static pbts_u256 filled(uint8_t byte) {
    pbts_u256 out;
    memset(out.bytes, byte, sizeof out.bytes);
    return out;
}

static void small_numbers_come_back(void **state) {
    (void)state;
    static const uint64_t VALUES[] = { 0, 1, 255, 256, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX };
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        uint64_t found = 42;
        pbts_u256 value = pbts_u256_from_u64(VALUES[i]);
        assert_int_equal(pbts_u256_to_u64(&found, &value), PBTS_OK);
        assert_true(found == VALUES[i]);
        assert_int_equal(pbts_u256_is_zero(&value), VALUES[i] == 0);
        pbts_u256 again = pbts_u256_from_span(pbts_u256_trimmed(&value));
        assert_int_equal(pbts_u256_compare(&again, &value), 0);
    }
    pbts_u256 value = pbts_u256_from_u64(0x1234);
    assert_int_equal(value.bytes[31], 0x34);
    assert_int_equal(pbts_u256_trimmed(&value).len, 2);
}

static void one_bit_more_than_64_is_no_u64(void **state) {
    (void)state;
    uint64_t out = 42;
    pbts_u256 value = pbts_u256_from_u64(UINT64_MAX), one = pbts_u256_from_u64(1);
    assert_int_equal(pbts_u256_add(&value, &value, &one), PBTS_OK);
    assert_int_equal(pbts_u256_to_u64(&out, &value), PBTS_LIMIT);
    assert_true(out == 42);
}

static void numbers_are_ordered_by_value(void **state) {
    (void)state;
    pbts_u256 small = pbts_u256_from_u64(255), big = pbts_u256_from_u64(256);
    assert_true(pbts_u256_compare(&small, &big) < 0);
    assert_true(pbts_u256_compare(&big, &small) > 0);
    assert_int_equal(pbts_u256_compare(&big, &big), 0);
}

static void the_last_number_has_no_successor(void **state) {
    (void)state;
    pbts_u256 last = filled(0xff), one = pbts_u256_from_u64(1), zero = { { 0 } };
    pbts_u256 out = filled(0x42), kept = out;
    assert_int_equal(pbts_u256_add(&out, &last, &one), PBTS_LIMIT);
    assert_memory_equal(&out, &kept, sizeof out);
    assert_int_equal(pbts_u256_add(&out, &last, &zero), PBTS_OK);
    assert_memory_equal(&out, &last, sizeof out);
}

static BIGNUM *twin_of(const pbts_u256 *value) {
    BIGNUM *out = BN_bin2bn(value->bytes, PBTS_U256_LEN, NULL);
    assert_non_null(out);
    return out;
}

/* `twin` is what `status` and `found` say it is: a number or too big for one. */
static void assert_twin(const BIGNUM *twin, pbts_status status, const pbts_u256 *found) {
    uint8_t want[PBTS_U256_LEN];
    if (BN_num_bits(twin) > 256) {
        assert_int_equal(status, PBTS_LIMIT);
        return;
    }
    assert_int_equal(status, PBTS_OK);
    assert_int_equal(BN_bn2binpad(twin, want, sizeof want), sizeof want);
    assert_memory_equal(found->bytes, want, sizeof want);
}

static void sums_and_products_are_those_of_openssl(void **state) {
    (void)state;
    BN_CTX *context = BN_CTX_new();
    size_t limits = 0;
    for (size_t i = 0; i < 2000; i++) {
        pbts_u256 a = { { 0 } }, b = { { 0 } }, found = { { 0 } };
        uint64_t by = 0;
        size_t zeros = i % 16;
        assert_int_equal(
            pbts_random_fill(pbts_random_system(), a.bytes + zeros, sizeof a.bytes - zeros),
            PBTS_OK);
        assert_int_equal(pbts_random_fill(pbts_random_system(), b.bytes, sizeof b.bytes), PBTS_OK);
        memcpy(&by, b.bytes, sizeof by);
        BIGNUM *x = twin_of(&a), *y = twin_of(&b), *result = BN_new();
        assert_int_equal(BN_add(result, x, y), 1);
        pbts_status status = pbts_u256_add(&found, &a, &b);
        limits += status == PBTS_LIMIT;
        assert_twin(result, status, &found);
        b = pbts_u256_from_u64(by);
        BN_free(y);
        y = twin_of(&b);
        assert_int_equal(BN_mul(result, x, y, context), 1);
        status = pbts_u256_multiply_u64(&found, &a, by);
        limits += status == PBTS_LIMIT;
        assert_twin(result, status, &found);
        BN_free(x);
        BN_free(y);
        BN_free(result);
    }
    assert_true(limits > 100 && limits < 3900);
    BN_CTX_free(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_numbers_come_back),
        cmocka_unit_test(one_bit_more_than_64_is_no_u64),
        cmocka_unit_test(numbers_are_ordered_by_value),
        cmocka_unit_test(the_last_number_has_no_successor),
        cmocka_unit_test(sums_and_products_are_those_of_openssl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
