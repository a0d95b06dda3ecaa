/* Unit tests of wire/scan.h: every scan against the loop that says what it means, with the bytes
 * that matter at every position of every length around the block size. */
#include "wire/scan.h"

#include "wire_test.h"

typedef const uint8_t *(*scan_fn)(const uint8_t *at, const uint8_t *end);

static const uint8_t *slow_control(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= 0x20) at++;
    return at;
}

static const uint8_t *slow_path(const uint8_t *at, const uint8_t *end) {
    while (at<end && * at> 0x20 && *at != '?') at++;
    return at;
}

static const uint8_t *slow_query(const uint8_t *at, const uint8_t *end) {
    for (; at < end; at++) {
        if (*at <= 0x20) return at;
        if (*at == 'g' && at + 1 < end && at[1] == '=') return at;
    }
    return at;
}

static void compare(scan_fn fast, scan_fn slow, const uint8_t *bytes, size_t len) {
    uint8_t *copy = exact_copy((pbts_span){ bytes, len });
    assert_int_equal(fast(copy, copy + len) - copy, slow(copy, copy + len) - copy);
    free(copy);
}

static void compare_everywhere(scan_fn fast, scan_fn slow) {
    uint8_t bytes[50];
    for (size_t len = 0; len <= sizeof bytes; len++) {
        memset(bytes, 'g', sizeof bytes);
        compare(fast, slow, bytes, len);
        for (size_t at = 0; at < len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                bytes[at] = (uint8_t)value;
                compare(fast, slow, bytes, len);
            }
            bytes[at] = 'x';
        }
    }
}

static void compare_at_random(scan_fn fast, scan_fn slow) {
    static const uint8_t LIKELY[] = { 'g', 'g', '=', '=', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x',
                                      'x', 'x', '?', ' ', 0,   31,  32,  33,  127, 128, 255 };
    pbts_prng prng = pbts_prng_seeded(7);
    for (size_t round = 0; round < 20000; round++) {
        uint8_t bytes[80];
        size_t len = pbts_prng_below(&prng, sizeof bytes + 1);
        uint32_t kinds = 1 + pbts_prng_below(&prng, sizeof LIKELY);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = LIKELY[pbts_prng_below(&prng, kinds)];
        }
        compare(fast, slow, bytes, len);
    }
}

static void the_scan_for_control_bytes_agrees_with_its_twin(void **state) {
    compare_everywhere(pbts_scan_control, slow_control);
    compare_at_random(pbts_scan_control, slow_control);
}

static void the_scan_for_the_end_of_a_path_agrees_with_its_twin(void **state) {
    compare_everywhere(pbts_scan_path, slow_path);
    compare_at_random(pbts_scan_path, slow_path);
}

static void the_scan_for_the_end_of_a_query_agrees_with_its_twin(void **state) {
    compare_everywhere(pbts_scan_query, slow_query);
    compare_at_random(pbts_scan_query, slow_query);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scan_for_control_bytes_agrees_with_its_twin),
        cmocka_unit_test(the_scan_for_the_end_of_a_path_agrees_with_its_twin),
        cmocka_unit_test(the_scan_for_the_end_of_a_query_agrees_with_its_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
