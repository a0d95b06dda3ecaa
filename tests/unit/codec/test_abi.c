/* Unit tests of codec/abi.c: the examples of the Solidity documentation, what must be refused, and
 * the vectors of ethereum/tests and ethers. */
#include "codec/abi_types.h"

enum { BUFFER_LEN = 8192 };

static void assert_hex(const pbts_writer *writer, const char *hex) {
    pbts_span want = vectors_unhex(hex);
    assert_int_equal(pbts_writer_status(writer), PBTS_OK);
    assert_true(pbts_span_equal(pbts_writer_span(writer), want));
    vectors_free(want);
}

static void a_selector_is_the_head_of_the_signatures_hash(void **state) {
    (void)state;
    uint8_t selector[PBTS_ABI_SELECTOR_LEN];
    pbts_abi_selector(selector, "transfer(address,uint256)");
    assert_memory_equal(selector, "\xa9\x05\x9c\xbb", sizeof selector);
    pbts_abi_selector(selector, "baz(uint32,bool)");
    assert_memory_equal(selector, "\xcd\xcd\x77\xc0", sizeof selector);
}

/* sam("dave", true, [1, 2, 3]) of "bytes, bool, uint256[]" */
static const char SAM[] = "0000000000000000000000000000000000000000000000000000000000000060"
                          "0000000000000000000000000000000000000000000000000000000000000001"
                          "00000000000000000000000000000000000000000000000000000000000000a0"
                          "0000000000000000000000000000000000000000000000000000000000000004"
                          "6461766500000000000000000000000000000000000000000000000000000000"
                          "0000000000000000000000000000000000000000000000000000000000000003"
                          "0000000000000000000000000000000000000000000000000000000000000001"
                          "0000000000000000000000000000000000000000000000000000000000000002"
                          "0000000000000000000000000000000000000000000000000000000000000003";

static void put_sam(pbts_writer *writer) {
    pbts_abi_tuple arguments = pbts_abi_open(writer, 3);
    pbts_abi_put_bytes(&arguments, pbts_span_text("dave"));
    pbts_abi_put_u64(&arguments, true);
    pbts_abi_tuple numbers = pbts_abi_put_array(&arguments, 3, 3);
    for (uint64_t i = 1; i <= 3; i++) pbts_abi_put_u64(&numbers, i);
    pbts_abi_close(&numbers);
    pbts_abi_close(&arguments);
}

static void the_documentations_example_is_encoded(void **state) {
    (void)state;
    uint8_t buffer[BUFFER_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    put_sam(&writer);
    assert_hex(&writer, SAM);
}

static pbts_status read_sam(pbts_span bytes) {
    pbts_abi_reader arguments = pbts_abi_reader_over(bytes), numbers;
    pbts_span name;
    size_t count = 0;
    bool truth = false;
    uint64_t number = 0, sum = 0;
    PBTS_TRY(pbts_abi_read_bytes(&arguments, &name));
    PBTS_TRY(pbts_abi_read_bool(&arguments, &truth));
    PBTS_TRY(pbts_abi_read_array(&arguments, &numbers, &count, 1));
    for (size_t i = 0; i < count; i++) {
        PBTS_TRY(pbts_abi_read_uint(&numbers, &number, UINT64_MAX));
        sum += number;
    }
    return truth && pbts_span_is(name, "dave") && count == 3 && sum == 6 ? PBTS_OK : PBTS_STALE;
}

static void the_documentations_example_is_decoded(void **state) {
    (void)state;
    pbts_span bytes = vectors_unhex(SAM);
    assert_int_equal(read_sam(bytes), PBTS_OK);
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *copy = malloc(len);
        assert_true(copy != NULL || len == 0);
        if (len > 0) memcpy(copy, bytes.data, len);
        assert_int_equal(read_sam((pbts_span){ copy, len }), PBTS_MALFORMED);
        free(copy);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            ((uint8_t *)(uintptr_t)bytes.data)[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(read_sam(bytes), PBTS_OK);
            ((uint8_t *)(uintptr_t)bytes.data)[i] ^= (uint8_t)(1 << bit);
        }
    }
    vectors_free(bytes);
}

static void what_does_not_fit_fails_the_writer(void **state) {
    (void)state;
    for (size_t capacity = 0; capacity <= sizeof SAM / 2; capacity++) {
        uint8_t *buffer = malloc(capacity);
        pbts_writer writer = pbts_writer_over(buffer, buffer == NULL ? 0 : capacity);
        put_sam(&writer);
        assert_int_equal(pbts_writer_status(&writer),
                         capacity == sizeof SAM / 2 ? PBTS_OK : PBTS_NO_SPACE);
        free(buffer);
    }
    uint8_t byte;
    pbts_writer writer = pbts_writer_over(&byte, 1);
    (void)pbts_abi_open(&writer, SIZE_MAX / 2);
    assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
}

/* ---- words ---- */

static pbts_abi_reader reader_of(pbts_span *bytes, const char *hex) {
    *bytes = vectors_unhex(hex);
    return pbts_abi_reader_over(*bytes);
}

static void small_types_must_fit_their_word(void **state) {
    (void)state;
    static const char BIG[] = "0000000000000000000000000000000000000000000000000000000100000000",
                      TWO[] = "0000000000000000000000000000000000000000000000000000000000000002",
                      WIDE[] = "0000000000000000000000010000000000000000000000000000000000000000",
                      TAIL[] = "6100000000000000000000000000000000000000000000000000000000000001";
    uint64_t number = 42;
    bool truth = true;
    uint8_t out[32];
    pbts_span bytes;
    pbts_abi_reader reader = reader_of(&bytes, BIG);
    assert_int_equal(pbts_abi_read_uint(&reader, &number, UINT32_MAX), PBTS_MALFORMED);
    assert_true(number == 42);
    reader = pbts_abi_reader_over(bytes);
    assert_int_equal(pbts_abi_read_uint(&reader, &number, UINT64_C(1) << 32), PBTS_OK);
    assert_int_equal(pbts_abi_read_uint(&reader, &number, UINT64_MAX), PBTS_MALFORMED);
    vectors_free(bytes);
    reader = reader_of(&bytes, TWO);
    assert_int_equal(pbts_abi_read_bool(&reader, &truth), PBTS_MALFORMED);
    vectors_free(bytes);
    reader = reader_of(&bytes, WIDE);
    assert_int_equal(pbts_abi_read_address(&reader, out), PBTS_MALFORMED);
    reader = pbts_abi_reader_over(bytes);
    assert_int_equal(pbts_abi_read_uint(&reader, &number, UINT64_MAX), PBTS_MALFORMED);
    vectors_free(bytes);
    reader = reader_of(&bytes, TAIL);
    assert_int_equal(pbts_abi_read_bytes_fixed(&reader, out, 31), PBTS_MALFORMED);
    reader = pbts_abi_reader_over(bytes);
    assert_int_equal(pbts_abi_read_bytes_fixed(&reader, out, 32), PBTS_OK);
    vectors_free(bytes);
}

static void an_array_has_no_more_items_than_words(void **state) {
    (void)state;
    uint8_t block[5 * PBTS_ABI_WORD_LEN] = { 0 };
    pbts_abi_reader items;
    size_t count = 0;
    block[31] = 32; /* the array is behind its offset; three words are behind its count */
    for (uint8_t claimed = 0; claimed <= 4; claimed++) {
        for (size_t item_words = 1; item_words <= 4; item_words++) {
            pbts_abi_reader reader = pbts_abi_reader_over(PBTS_SPAN_OF(block));
            block[63] = claimed;
            assert_int_equal(pbts_abi_read_array(&reader, &items, &count, item_words),
                             claimed * item_words <= 3 ? PBTS_OK : PBTS_MALFORMED);
        }
    }
}

static void offsets_at_the_end_lead_nowhere(void **state) {
    (void)state;
    uint8_t word[PBTS_ABI_WORD_LEN] = { 0 };
    pbts_abi_reader reader, inner;
    pbts_span bytes;
    size_t count = 0;
    for (uint8_t offset = 0; offset <= 64; offset++) {
        word[31] = offset;
        reader = pbts_abi_reader_over(PBTS_SPAN_OF(word));
        assert_int_equal(pbts_abi_read_tuple(&reader, &inner),
                         offset == 0 || offset == 32 ? PBTS_OK : PBTS_MALFORMED);
        if (offset == 0) continue; /* the offset itself would be a length of 0 */
        reader = pbts_abi_reader_over(PBTS_SPAN_OF(word));
        assert_int_equal(pbts_abi_read_bytes(&reader, &bytes), PBTS_MALFORMED);
        reader = pbts_abi_reader_over(PBTS_SPAN_OF(word));
        assert_int_equal(pbts_abi_read_array(&reader, &inner, &count, 1), PBTS_MALFORMED);
    }
    memset(word, 0xff, sizeof word);
    reader = pbts_abi_reader_over(PBTS_SPAN_OF(word));
    assert_int_equal(pbts_abi_read_bytes(&reader, &bytes), PBTS_MALFORMED);
}

/* ---- vectors ---- */

static pbts_status copy_all(pbts_writer *writer, const abi_type *type, pbts_span bytes) {
    pbts_abi_tuple copy = pbts_abi_open(writer, type_inner_words(type));
    pbts_abi_reader reader = pbts_abi_reader_over(bytes);
    PBTS_TRY(copy_members(&copy, &reader, type, type->member_count));
    pbts_abi_close(&copy);
    return pbts_writer_status(writer);
}

/* A changed byte is refused or says something else. Returns how many do not: an offset may lead to
 * equal bytes elsewhere, as the EVM allows. */
static size_t flip_every_byte(const abi_type *type, pbts_span good) {
    uint8_t buffer[BUFFER_LEN], *bytes = malloc(good.len);
    size_t same = 0;
    assert_non_null(bytes);
    for (size_t i = 0; i < good.len; i++) {
        memcpy(bytes, good.data, good.len);
        bytes[i] ^= 0x20;
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        if (copy_all(&writer, type, (pbts_span){ bytes, good.len }) != PBTS_OK) continue;
        same += pbts_span_equal(pbts_writer_span(&writer), good);
    }
    free(bytes);
    return same;
}

/* "(types)" and the members' values. */
static size_t check_vector(const char *types, const json_t *values, const char *result) {
    uint8_t buffer[BUFFER_LEN];
    const char *rest = types;
    abi_type *type = type_parse(&rest);
    pbts_span want = vectors_unhex(result);
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_abi_tuple arguments = pbts_abi_open(&writer, type_inner_words(type));
    assert_int_equal(*rest, 0);
    put_json_members(&arguments, type, values);
    pbts_abi_close(&arguments);
    assert_hex(&writer, result);
    writer = pbts_writer_over(buffer, sizeof buffer);
    assert_int_equal(copy_all(&writer, type, want), PBTS_OK);
    assert_hex(&writer, result);
    size_t same = flip_every_byte(type, want);
    vectors_free(want);
    type_free(type);
    return same;
}

static void the_encodings_of_ethers_come_out_and_back(void **state) {
    (void)state;
    json_t *all = vectors_load("abi/ethers-abi2-subset.json"), *vector;
    size_t i, checked = 0, same = 0;
    json_array_foreach(all, i, vector) {
        json_t *types = json_loads(vectors_text(vector, "types"), 0, NULL), *type;
        json_t *values = json_loads(vectors_text(vector, "values"), 0, NULL);
        char text[4096] = "(";
        size_t j;
        assert_true(types != NULL && values != NULL);
        json_array_foreach(types, j, type) {
            size_t len = strlen(text);
            (void)snprintf(text + len, sizeof text - len, "%s%s", j > 0 ? "," : "",
                           json_string_value(type));
        }
        assert_true(strlen(text) + 2 < sizeof text);
        memcpy(text + strlen(text), ")", 2);
        same += check_vector(text, values, vectors_text(vector, "result"));
        json_decref(types);
        json_decref(values);
        checked++;
    }
    assert_true(checked >= 400);
    assert_true(same <= 15); /* of 100,000: empty or equal members */
    json_decref(all);
}

/* Arguments of ethereum/tests, their types known here. */
static void the_official_encodings_come_out(void **state) {
    (void)state;
    json_t *all = vectors_load("abi/basic_abi_tests.json");
    uint8_t buffer[BUFFER_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_abi_tuple arguments = pbts_abi_open(&writer, 4);
    pbts_abi_put_u64(&arguments, 291);
    pbts_abi_tuple numbers = pbts_abi_put_array(&arguments, 2, 2);
    pbts_abi_put_u64(&numbers, 1110);
    pbts_abi_put_u64(&numbers, 1929);
    pbts_abi_put_bytes_fixed(&arguments, pbts_span_text("1234567890"));
    pbts_abi_put_bytes(&arguments, pbts_span_text("Hello, world!"));
    pbts_abi_close(&arguments);
    assert_hex(&writer, vectors_text(json_object_get(all, "GithubWikiTest"), "result"));
    writer = pbts_writer_over(buffer, sizeof buffer);
    arguments = pbts_abi_open(&writer, 1);
    pbts_abi_put_u64(&arguments, 98127491);
    assert_hex(&writer, vectors_text(json_object_get(all, "SingleInteger"), "result"));
    json_t *last = json_object_get(all, "IntegerAndAddress");
    pbts_span address =
        vectors_unhex(json_string_value(json_array_get(json_object_get(last, "args"), 1)));
    writer = pbts_writer_over(buffer, sizeof buffer);
    arguments = pbts_abi_open(&writer, 2);
    pbts_abi_put_u64(&arguments, 324124);
    pbts_abi_put_address(&arguments, address.data);
    assert_hex(&writer, vectors_text(last, "result"));
    vectors_free(address);
    json_decref(all);
}

static void the_selectors_of_ethers_come_out(void **state) {
    (void)state;
    json_t *all = vectors_load("abi/ethers-selectors.json"), *vector;
    size_t i, checked = 0;
    json_array_foreach(all, i, vector) {
        uint8_t want[PBTS_ABI_SELECTOR_LEN], found[PBTS_ABI_SELECTOR_LEN];
        vectors_exactly(want, sizeof want, vector, "sigHash");
        pbts_abi_selector(found, vectors_text(vector, "signature"));
        assert_memory_equal(found, want, sizeof want);
        checked++;
    }
    assert_true(checked >= 1880);
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_selector_is_the_head_of_the_signatures_hash),
        cmocka_unit_test(the_documentations_example_is_encoded),
        cmocka_unit_test(the_documentations_example_is_decoded),
        cmocka_unit_test(what_does_not_fit_fails_the_writer),
        cmocka_unit_test(small_types_must_fit_their_word),
        cmocka_unit_test(an_array_has_no_more_items_than_words),
        cmocka_unit_test(offsets_at_the_end_lead_nowhere),
        cmocka_unit_test(the_encodings_of_ethers_come_out_and_back),
        cmocka_unit_test(the_official_encodings_come_out),
        cmocka_unit_test(the_selectors_of_ethers_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
