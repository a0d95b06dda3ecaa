/* Unit tests of base/writer.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/writer.h"

static void write_all(pbts_writer *writer) {
    pbts_write_u8(writer, 0x01);
    pbts_write_u16(writer, 0x0203);
    pbts_write_u32(writer, 0x04050607);
    pbts_write_u64(writer, 0x08090A0B0C0D0E0F);
    pbts_write_bytes(writer, (pbts_span){ (const uint8_t *)"\x10\x11", 2 });
    pbts_write_text(writer, "\x12\x13");
}
enum { ALL_LEN = 19 };

static void what_is_written_is_big_endian_and_in_order(void **state) {
    uint8_t buffer[ALL_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    (void)state;
    write_all(&writer);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_int_equal(pbts_writer_span(&writer).len, ALL_LEN);
    for (size_t i = 0; i < ALL_LEN; i++) assert_int_equal(buffer[i], i + 1);
}

static void every_smaller_buffer_fails_without_a_byte_past_it(void **state) {
    (void)state;
    for (size_t capacity = 0; capacity < ALL_LEN; capacity++) {
        uint8_t *buffer = malloc(capacity > 0 ? capacity : 1);
        assert_non_null(buffer);
        pbts_writer writer = pbts_writer_over(buffer, capacity);
        write_all(&writer);
        assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
        assert_true(writer.len <= capacity);
        for (size_t i = 0; i < writer.len; i++) assert_int_equal(buffer[i], i + 1);
        free(buffer);
    }
}

static void after_a_failure_nothing_more_is_written(void **state) {
    uint8_t buffer[4] = { 9, 9, 9, 9 };
    pbts_writer writer = pbts_writer_over(buffer, 2);
    (void)state;
    pbts_write_u32(&writer, 1);
    assert_true(writer.failed);
    pbts_write_u8(&writer, 1);
    assert_null(pbts_write_reserve(&writer, 1));
    assert_int_equal(writer.len, 0);
    assert_memory_equal(buffer, "\t\t\t\t", 4);
}

static void reserve_gives_the_callers_part_of_the_buffer(void **state) {
    uint8_t buffer[5];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    (void)state;
    pbts_write_u8(&writer, 1);
    assert_ptr_equal(pbts_write_reserve(&writer, 4), buffer + 1);
    assert_ptr_equal(pbts_write_reserve(&writer, 0), buffer + 5);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_null(pbts_write_reserve(&writer, SIZE_MAX));
    assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
}

static void decimals_are_what_printf_makes_of_them(void **state) {
    static const uint64_t CASES[] = {
        0, 1, 9, 10, 99, 100, 101, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t buffer[24];
        char want[24];
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        pbts_write_decimal(&writer, CASES[i]);
        (void)snprintf(want, sizeof want, "%llu", (unsigned long long)CASES[i]);
        assert_true(pbts_span_is(pbts_writer_span(&writer), want));
        writer = pbts_writer_over(buffer, sizeof buffer);
        pbts_write_decimal_signed(&writer, (int64_t)CASES[i]);
        (void)snprintf(want, sizeof want, "%lld", (long long)CASES[i]);
        assert_true(pbts_span_is(pbts_writer_span(&writer), want));
    }
}

static void an_empty_writer_takes_nothing_but_nothing(void **state) {
    pbts_writer writer = pbts_writer_over(NULL, 0);
    (void)state;
    pbts_write_bytes(&writer, (pbts_span){ NULL, 0 });
    pbts_write_text(&writer, "");
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    pbts_write_u8(&writer, 0);
    assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_big_endian_and_in_order),
        cmocka_unit_test(every_smaller_buffer_fails_without_a_byte_past_it),
        cmocka_unit_test(after_a_failure_nothing_more_is_written),
        cmocka_unit_test(reserve_gives_the_callers_part_of_the_buffer),
        cmocka_unit_test(decimals_are_what_printf_makes_of_them),
        cmocka_unit_test(an_empty_writer_takes_nothing_but_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
