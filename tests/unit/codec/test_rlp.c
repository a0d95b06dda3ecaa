/* Unit tests of codec/rlp.c: what has one form and what has none, the limits of depth and space,
 * and the official vectors. */
#include "codec/rlp.h"
#include "eth/vectors.h"

enum { BUFFER_LEN = 70000 };

static pbts_status check_hex(const char *hex) {
    pbts_span bytes = vectors_unhex(hex);
    pbts_status status = pbts_rlp_check(bytes);
    vectors_free(bytes);
    return status;
}

static void an_item_is_read_in_its_one_form(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        pbts_rlp_type type;
        size_t len;
    } ITEMS[] = {
        { "00", PBTS_RLP_STRING, 1 },       { "7f", PBTS_RLP_STRING, 1 },
        { "80", PBTS_RLP_STRING, 0 },       { "8180", PBTS_RLP_STRING, 1 },
        { "83646f67", PBTS_RLP_STRING, 3 }, { "c0", PBTS_RLP_LIST, 0 },
        { "c3c20102", PBTS_RLP_LIST, 3 },
    };
    for (size_t i = 0; i < sizeof ITEMS / sizeof ITEMS[0]; i++) {
        pbts_span bytes = vectors_unhex(ITEMS[i].hex);
        pbts_rlp_item item;
        assert_int_equal(pbts_rlp_parse(&item, bytes), PBTS_OK);
        assert_int_equal(item.type, ITEMS[i].type);
        assert_int_equal(item.content.len, ITEMS[i].len);
        assert_ptr_equal(item.raw.data, bytes.data);
        assert_int_equal(item.raw.len, bytes.len);
        vectors_free(bytes);
    }
}

static void other_forms_are_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "",
        "8100",
        "817f",
        "b800",
        "b801ff",
        "b90001ff",
        "f800",
        "f803c0c0c0",
        "81",
        "820000ff",
        "c1",
        "c0c0",
        "c18100",
        "c3820001c0",
        "c28201",
        "ff",
        "bf",
        "bfffffffffffffffff",
        "ffffffffffffffffff",
        "b8",
        "c2b800",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(check_hex(BAD[i]), PBTS_MALFORMED);
    }
}

static void a_failed_read_leaves_the_cursor(void **state) {
    (void)state;
    static const uint8_t BAD[] = { 0xb8, 0x38, 1 };
    pbts_cursor cursor = pbts_cursor_over(PBTS_SPAN_OF(BAD));
    pbts_rlp_item item = { .type = PBTS_RLP_LIST };
    assert_int_equal(pbts_rlp_read(&cursor, &item), PBTS_MALFORMED);
    assert_ptr_equal(cursor.next, BAD);
    assert_int_equal(item.type, PBTS_RLP_LIST);
}

/* `depth` lists, each in the one before, around nothing. */
static pbts_status check_depth(size_t depth) {
    uint8_t buffer[256];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    size_t opened[256];
    for (size_t i = 0; i < depth; i++) opened[i] = pbts_rlp_open_list(&writer);
    for (size_t i = depth; i-- > 0;) pbts_rlp_close_list(&writer, opened[i]);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return pbts_rlp_check(pbts_writer_span(&writer));
}

static void lists_nest_as_deep_as_the_limit(void **state) {
    (void)state;
    for (size_t depth = 1; depth <= PBTS_RLP_DEPTH_MAX; depth++) {
        assert_int_equal(check_depth(depth), PBTS_OK);
    }
    assert_int_equal(check_depth(PBTS_RLP_DEPTH_MAX + 1), PBTS_LIMIT);
    assert_int_equal(check_depth(100), PBTS_LIMIT);
}

/* ---- numbers and bytes ---- */

static pbts_status read_u64(const char *hex, uint64_t *out) {
    pbts_span bytes = vectors_unhex(hex);
    pbts_cursor cursor = pbts_cursor_over(bytes);
    pbts_status status = pbts_rlp_read_u64(&cursor, out);
    vectors_free(bytes);
    return status;
}

static void numbers_have_no_leading_zeros_and_fit(void **state) {
    (void)state;
    uint64_t value = 42;
    assert_int_equal(read_u64("80", &value), PBTS_OK);
    assert_true(value == 0);
    assert_int_equal(read_u64("88ffffffffffffffff", &value), PBTS_OK);
    assert_true(value == UINT64_MAX);
    assert_int_equal(read_u64("820400", &value), PBTS_OK);
    assert_true(value == 1024);
    assert_int_equal(read_u64("00", &value), PBTS_MALFORMED);
    assert_int_equal(read_u64("820001", &value), PBTS_MALFORMED);
    assert_int_equal(read_u64("89010000000000000000", &value), PBTS_MALFORMED);
    assert_int_equal(read_u64("c0", &value), PBTS_MALFORMED);
    assert_true(value == 1024);
}

static void numbers_of_256_bits_come_back(void **state) {
    (void)state;
    uint8_t buffer[64];
    for (size_t len = 0; len <= PBTS_U256_LEN; len++) {
        uint8_t bytes[PBTS_U256_LEN];
        memset(bytes, 0xa5, sizeof bytes);
        pbts_u256 value = pbts_u256_from_span((pbts_span){ bytes, len }), found;
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        pbts_rlp_write_u256(&writer, &value);
        pbts_cursor cursor = pbts_cursor_over(pbts_writer_span(&writer));
        assert_int_equal(pbts_rlp_read_u256(&cursor, &found), PBTS_OK);
        assert_int_equal(pbts_rlp_end(&cursor), PBTS_OK);
        assert_int_equal(pbts_u256_compare(&found, &value), 0);
    }
    memset(buffer, 1, sizeof buffer);
    buffer[0] = 0x80 + PBTS_U256_LEN + 1;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ buffer, PBTS_U256_LEN + 2 });
    pbts_u256 found;
    assert_int_equal(pbts_rlp_read_u256(&cursor, &found), PBTS_MALFORMED);
}

static void bytes_have_the_length_that_is_asked_for(void **state) {
    (void)state;
    static const uint8_t DOG[] = { 0x83, 'd', 'o', 'g' };
    uint8_t out[4] = { 0 };
    for (size_t len = 0; len <= 4; len++) {
        pbts_cursor cursor = pbts_cursor_over(PBTS_SPAN_OF(DOG));
        assert_int_equal(pbts_rlp_read_bytes(&cursor, out, len),
                         len == 3 ? PBTS_OK : PBTS_MALFORMED);
    }
    assert_memory_equal(out, "dog", 3);
    pbts_cursor cursor = pbts_cursor_over(PBTS_SPAN_OF(DOG)), items;
    assert_int_equal(pbts_rlp_read_list(&cursor, &items), PBTS_MALFORMED);
}

/* ---- writing ---- */

static void every_length_has_the_header_that_reading_takes(void **state) {
    (void)state;
    static const size_t LENS[] = { 0, 1, 2, 54, 55, 56, 57, 255, 256, 257, 65535, 65536 };
    uint8_t *content = calloc(1, BUFFER_LEN), *buffer = malloc(BUFFER_LEN);
    assert_true(content != NULL && buffer != NULL);
    for (size_t i = 0; i < sizeof LENS / sizeof LENS[0]; i++) {
        pbts_writer writer = pbts_writer_over(buffer, BUFFER_LEN);
        pbts_rlp_item item;
        pbts_rlp_write_string(&writer, (pbts_span){ content, LENS[i] });
        assert_int_equal(pbts_rlp_parse(&item, pbts_writer_span(&writer)), PBTS_OK);
        assert_int_equal(item.type, PBTS_RLP_STRING);
        assert_int_equal(item.content.len, LENS[i]);
        writer = pbts_writer_over(buffer, BUFFER_LEN);
        size_t list = pbts_rlp_open_list(&writer);
        pbts_write_bytes(&writer, (pbts_span){ content, LENS[i] }); /* as many items 00 */
        pbts_rlp_close_list(&writer, list);
        assert_int_equal(pbts_rlp_parse(&item, pbts_writer_span(&writer)), PBTS_OK);
        assert_int_equal(item.type, PBTS_RLP_LIST);
        assert_int_equal(item.content.len, LENS[i]);
        assert_int_equal(pbts_rlp_check(pbts_writer_span(&writer)), PBTS_OK);
    }
    free(content);
    free(buffer);
}

static void a_list_that_does_not_fit_fails_the_writer(void **state) {
    (void)state;
    for (size_t capacity = 0; capacity <= 7; capacity++) {
        uint8_t *buffer = malloc(capacity);
        pbts_writer writer = pbts_writer_over(buffer, buffer == NULL ? 0 : capacity);
        size_t outer = pbts_rlp_open_list(&writer);
        pbts_rlp_write_string(&writer, pbts_span_text("dog"));
        size_t inner = pbts_rlp_open_list(&writer);
        pbts_rlp_write_u64(&writer, 1);
        pbts_rlp_close_list(&writer, inner);
        pbts_rlp_close_list(&writer, outer); /* c6 83 64 6f 67 c1 01 */
        assert_int_equal(pbts_writer_status(&writer), capacity == 7 ? PBTS_OK : PBTS_NO_SPACE);
        if (capacity == 7)
            assert_memory_equal(buffer,
                                "\xc6\x83"
                                "dog"
                                "\xc1\x01",
                                7);
        free(buffer);
    }
}

/* ---- vectors ---- */

/* A decimal number of any length. */
static pbts_span decimal(const char *digits) {
    static uint8_t bytes[64];
    memset(bytes, 0, sizeof bytes);
    for (; *digits != 0; digits++) {
        unsigned carry = (unsigned)(*digits - '0');
        for (size_t i = sizeof bytes; i-- > 0;) {
            carry += 10u * bytes[i];
            bytes[i] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    size_t zeros = 0;
    while (zeros < sizeof bytes && bytes[zeros] == 0) zeros++;
    return (pbts_span){ bytes + zeros, sizeof bytes - zeros };
}

/* Write what JSON says: "#..." a decimal number, "0x..." (of ethers) bytes, other text itself. */
static void write_json(pbts_writer *writer, const json_t *value, bool hex) {
    if (json_is_array(value)) {
        size_t list = pbts_rlp_open_list(writer), i;
        const json_t *item;
        json_array_foreach(value, i, item) write_json(writer, item, hex);
        pbts_rlp_close_list(writer, list);
    } else if (json_is_integer(value)) {
        pbts_rlp_write_u64(writer, (uint64_t)json_integer_value(value));
    } else if (hex) {
        pbts_span bytes = vectors_unhex(json_string_value(value));
        pbts_rlp_write_string(writer, bytes);
        vectors_free(bytes);
    } else if (json_string_value(value)[0] == '#') {
        pbts_rlp_write_string(writer, decimal(json_string_value(value) + 1));
    } else {
        pbts_rlp_write_string(writer, (pbts_span){ (const uint8_t *)json_string_value(value),
                                                   json_string_length(value) });
    }
}

/* Read all of an item and write it again. */
static void copy_item(pbts_writer *writer, pbts_cursor *cursor) {
    pbts_rlp_item item;
    assert_int_equal(pbts_rlp_read(cursor, &item), PBTS_OK);
    if (item.type == PBTS_RLP_STRING) {
        pbts_rlp_write_string(writer, item.content);
        return;
    }
    pbts_cursor items = pbts_cursor_over(item.content);
    size_t list = pbts_rlp_open_list(writer);
    while (pbts_cursor_left(&items) > 0) copy_item(writer, &items);
    pbts_rlp_close_list(writer, list);
}

/* A changed byte is refused, or says something else: what it says has these bytes and no others. */
static void flip_every_byte(pbts_span bytes) {
    uint8_t *again = malloc(bytes.len + 1), *at = (uint8_t *)(uintptr_t)bytes.data;
    assert_non_null(again);
    for (size_t i = 0; i < bytes.len; i++) {
        at[i] ^= 0x81;
        if (pbts_rlp_check(bytes) == PBTS_OK) {
            pbts_writer writer = pbts_writer_over(again, bytes.len);
            pbts_cursor cursor = pbts_cursor_over(bytes);
            copy_item(&writer, &cursor);
            assert_true(pbts_span_equal(pbts_writer_span(&writer), bytes));
        }
        at[i] ^= 0x81;
    }
    free(again);
}

static void check_vector(const json_t *value, const char *encoded, bool hex) {
    pbts_span want = vectors_unhex(encoded);
    uint8_t *buffer = malloc(BUFFER_LEN);
    assert_non_null(buffer);
    pbts_writer writer = pbts_writer_over(buffer, BUFFER_LEN);
    write_json(&writer, value, hex);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_true(pbts_span_equal(pbts_writer_span(&writer), want));
    assert_int_equal(pbts_rlp_check(want), PBTS_OK);
    writer = pbts_writer_over(buffer, BUFFER_LEN);
    pbts_cursor cursor = pbts_cursor_over(want);
    copy_item(&writer, &cursor);
    assert_true(pbts_span_equal(pbts_writer_span(&writer), want));
    for (size_t len = 0; len < want.len; len++) {
        pbts_rlp_item item;
        assert_int_equal(pbts_rlp_parse(&item, (pbts_span){ want.data, len }), PBTS_MALFORMED);
    }
    flip_every_byte(want);
    free(buffer);
    vectors_free(want);
}

static void the_official_valid_vectors_hold(void **state) {
    (void)state;
    json_t *all = vectors_load("rlp/rlptest.json"), *vector;
    const char *name;
    assert_true(json_object_size(all) >= 28);
    json_object_foreach(all, name, vector) {
        check_vector(json_object_get(vector, "in"), vectors_text(vector, "out"), false);
    }
    json_decref(all);
}

static void the_vectors_of_ethers_hold(void **state) {
    (void)state;
    json_t *all = vectors_load("rlp/ethers-rlp.json"), *vector;
    size_t i;
    assert_true(json_array_size(all) >= 61);
    json_array_foreach(all, i, vector) {
        check_vector(json_object_get(vector, "decoded"), vectors_text(vector, "encoded"), true);
    }
    json_decref(all);
}

static void the_official_invalid_vectors_are_refused(void **state) {
    (void)state;
    json_t *all = vectors_load("rlp/invalidRLPTest.json"), *vector;
    const char *name;
    assert_true(json_object_size(all) >= 26);
    json_object_foreach(all, name, vector) {
        assert_int_equal(check_hex(vectors_text(vector, "out")), PBTS_MALFORMED);
    }
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_is_read_in_its_one_form),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(a_failed_read_leaves_the_cursor),
        cmocka_unit_test(lists_nest_as_deep_as_the_limit),
        cmocka_unit_test(numbers_have_no_leading_zeros_and_fit),
        cmocka_unit_test(numbers_of_256_bits_come_back),
        cmocka_unit_test(bytes_have_the_length_that_is_asked_for),
        cmocka_unit_test(every_length_has_the_header_that_reading_takes),
        cmocka_unit_test(a_list_that_does_not_fit_fails_the_writer),
        cmocka_unit_test(the_official_valid_vectors_hold),
        cmocka_unit_test(the_vectors_of_ethers_hold),
        cmocka_unit_test(the_official_invalid_vectors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
