/* Unit tests of base/cursor.c: byte i of the message holds i, so a field spells its own offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cursor.h"

typedef pbts_status read_fn(pbts_cursor *cursor, uint64_t *out);

static pbts_status read_8(pbts_cursor *cursor, uint64_t *out) {
    uint8_t value;
    PBTS_TRY(pbts_read_u8(cursor, &value));
    *out = value;
    return PBTS_OK;
}

static pbts_status read_16(pbts_cursor *cursor, uint64_t *out) {
    uint16_t value;
    PBTS_TRY(pbts_read_u16(cursor, &value));
    *out = value;
    return PBTS_OK;
}

static pbts_status read_32(pbts_cursor *cursor, uint64_t *out) {
    uint32_t value;
    PBTS_TRY(pbts_read_u32(cursor, &value));
    *out = value;
    return PBTS_OK;
}

static const struct {
    read_fn *read;
    size_t len;
    uint64_t want;
} INTEGERS[] = {
    { read_8, 1, 0x01 },
    { read_16, 2, 0x0102 },
    { read_32, 4, 0x01020304 },
    { pbts_read_u64, 8, 0x0102030405060708 },
};
enum { INTEGER_COUNT = sizeof INTEGERS / sizeof INTEGERS[0] };

static pbts_span counting(size_t len) {
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(i + 1);
    return (pbts_span){ bytes, len };
}

static void integers_are_big_endian_and_consumed(void **state) {
    (void)state;
    for (size_t i = 0; i < INTEGER_COUNT; i++) {
        pbts_span bytes = counting(INTEGERS[i].len);
        pbts_cursor cursor = pbts_cursor_over(bytes);
        uint64_t value;
        assert_int_equal(INTEGERS[i].read(&cursor, &value), PBTS_OK);
        assert_true(value == INTEGERS[i].want);
        assert_int_equal(pbts_cursor_left(&cursor), 0);
        free((void *)bytes.data);
    }
}

static void a_read_past_the_end_needs_more_and_changes_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < INTEGER_COUNT; i++) {
        for (size_t len = 0; len < INTEGERS[i].len; len++) {
            pbts_span bytes = counting(len);
            pbts_cursor cursor = pbts_cursor_over(bytes);
            uint64_t value = 0x5A;
            assert_int_equal(INTEGERS[i].read(&cursor, &value), PBTS_NEED_MORE);
            assert_true(value == 0x5A);
            assert_int_equal(pbts_cursor_left(&cursor), len);
            free((void *)bytes.data);
        }
    }
    pbts_span bytes = counting(3);
    pbts_cursor cursor = pbts_cursor_over(bytes);
    uint8_t raw[4] = { 9, 9, 9, 9 };
    pbts_span view = { raw, 1 };
    assert_int_equal(pbts_read_bytes(&cursor, raw, 4), PBTS_NEED_MORE);
    assert_int_equal(pbts_read_span(&cursor, &view, SIZE_MAX), PBTS_NEED_MORE);
    assert_int_equal(raw[0], 9);
    assert_ptr_equal(view.data, raw);
    assert_int_equal(pbts_cursor_left(&cursor), 3);
    free((void *)bytes.data);
}

static void fields_follow_one_another(void **state) {
    (void)state;
    pbts_span bytes = counting(12), view;
    pbts_cursor cursor = pbts_cursor_over(bytes);
    uint8_t byte, raw[3];
    uint16_t half;
    assert_int_equal(pbts_read_u8(&cursor, &byte), PBTS_OK);
    assert_int_equal(pbts_read_u16(&cursor, &half), PBTS_OK);
    assert_int_equal(pbts_read_bytes(&cursor, raw, sizeof raw), PBTS_OK);
    assert_int_equal(pbts_read_span(&cursor, &view, 4), PBTS_OK);
    assert_int_equal(byte, 1);
    assert_int_equal(half, 0x0203);
    assert_memory_equal(raw, "\4\5\6", 3);
    assert_ptr_equal(view.data, bytes.data + 6);
    assert_int_equal(view.len, 4);
    assert_ptr_equal(pbts_cursor_rest(&cursor).data, bytes.data + 10);
    assert_int_equal(pbts_cursor_rest(&cursor).len, 2);
    assert_int_equal(pbts_cursor_left(&cursor), 2);
    free((void *)bytes.data);
}

static void an_empty_message_has_nothing_and_gives_nothing(void **state) {
    (void)state;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ NULL, 0 });
    pbts_span view = { NULL, 7 };
    assert_int_equal(pbts_cursor_left(&cursor), 0);
    assert_int_equal(pbts_read_span(&cursor, &view, 0), PBTS_OK);
    assert_int_equal(view.len, 0);
    assert_int_equal(pbts_read_bytes(&cursor, NULL, 0), PBTS_OK);
}

static void spans_are_equal_by_content(void **state) {
    (void)state;
    const uint8_t bytes[] = { 'a', 'b', 'a', 'b' };
    pbts_span first = { bytes, 2 }, second = { bytes + 2, 2 }, longer = { bytes, 3 };
    pbts_span none = { NULL, 0 }, empty = { bytes, 0 };
    assert_true(pbts_span_equal(first, second));
    assert_false(pbts_span_equal(first, longer));
    assert_false(pbts_span_equal(first, (pbts_span){ bytes + 1, 2 }));
    assert_true(pbts_span_equal(none, empty));
    assert_true(pbts_span_is(first, "ab"));
    assert_false(pbts_span_is(first, "abc"));
    assert_true(pbts_span_is(none, ""));
    assert_int_equal(PBTS_SPAN_OF(bytes).len, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian_and_consumed),
        cmocka_unit_test(a_read_past_the_end_needs_more_and_changes_nothing),
        cmocka_unit_test(fields_follow_one_another),
        cmocka_unit_test(an_empty_message_has_nothing_and_gives_nothing),
        cmocka_unit_test(spans_are_equal_by_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
