/* Unit tests of codec/bencode.c. Inputs are exact-size heap copies, so a read past the end shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/bencode.h"

static const char SAMPLE[] = "d1:ai-12e2:ab3:xyz4:dictd0:i0e1:zlee4:listl1:qi7ed1:kle1:mdeeee";

typedef struct {
    uint8_t *bytes;
    pbts_bvalue value;
    pbts_status status;
} parsed;

static parsed parse(const void *bytes, size_t len) {
    parsed p = { .bytes = malloc(len > 0 ? len : 1) };
    assert_non_null(p.bytes);
    memcpy(p.bytes, bytes, len);
    memset(&p.value, 0x5A, sizeof p.value);
    p.status = pbts_bencode_parse(&p.value, (pbts_span){ p.bytes, len });
    return p;
}

static pbts_status status_of(const char *text) {
    parsed p = parse(text, strlen(text));
    free(p.bytes);
    return p.status;
}

static void integers_are_read_with_their_sign_and_at_both_ends_of_int64(void **state) {
    static const struct {
        const char *text;
        int64_t want;
    } CASES[] = {
        { "i0e", 0 },
        { "i1e", 1 },
        { "i-1e", -1 },
        { "i42e", 42 },
        { "i9223372036854775807e", INT64_MAX },
        { "i-9223372036854775808e", INT64_MIN },
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        parsed p = parse(CASES[i].text, strlen(CASES[i].text));
        assert_int_equal(p.status, PBTS_OK);
        assert_int_equal(p.value.type, PBTS_BINT);
        assert_true(p.value.integer == CASES[i].want);
        assert_true(pbts_span_is(p.value.raw, CASES[i].text));
        free(p.bytes);
    }
}

static void strings_may_hold_any_bytes_and_be_empty(void **state) {
    (void)state;
    parsed p = parse("0:", 2);
    assert_int_equal(p.status, PBTS_OK);
    assert_int_equal(p.value.type, PBTS_BSTRING);
    assert_int_equal(p.value.string.len, 0);
    free(p.bytes);
    p = parse("3:\0e:", 5);
    assert_int_equal(p.status, PBTS_OK);
    assert_int_equal(p.value.string.len, 3);
    assert_memory_equal(p.value.string.data, "\0e:", 3);
    free(p.bytes);
}

static void bad_forms_are_malformed_or_over_a_limit(void **state) {
    static const char *const CASES[] = {
        "ie",
        "i-e",
        "i-0e",
        "i00e",
        "i01e",
        "i-01e",
        "i+1e",
        "i1.0e",
        "i 1e",
        "i1 e",
        "i--1e",
        "i9223372036854775808e",
        "i-9223372036854775809e",
        "i99999999999999999999999e",
        "00:",
        "01:a",
        "-1:a",
        "+1:a",
        "1 :a",
        "9223372036854775808:",
        "99999999999999999999999:",
        ":",
        "x",
        "e",
        "i1ei2e",
        "0:0:",
        "lee",
        "i1e ",
        "di1ei2ee",
        "d1:ae",
        "d1:ai1e1:ai2ee",
        "d1:bi1e1:ai2ee",
        "d2:aai1e1:ai2ee",
        "d1:ai1e0:i2ee",
        "dlei1ee",
        "l-e",
        "d1:ad1:zi1e1:yi1eee",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (status_of(CASES[i]) != PBTS_MALFORMED) fail_msg("accepted or misjudged: %s", CASES[i]);
    }
}

static void depth_is_accepted_at_the_limit_and_refused_one_past_it(void **state) {
    (void)state;
    for (int dicts = 0; dicts < 2; dicts++) {
        char text[8 * PBTS_BENCODE_DEPTH_MAX] = "";
        for (int i = 0; i < PBTS_BENCODE_DEPTH_MAX; i++) strcat(text, dicts ? "d0:" : "l");
        strcat(text, "0:");
        for (int i = 0; i < PBTS_BENCODE_DEPTH_MAX; i++) strcat(text, "e");
        assert_int_equal(status_of(text), PBTS_OK);
        char deeper[sizeof text + 8];
        (void)snprintf(deeper, sizeof deeper, "l%se", text);
        assert_int_equal(status_of(deeper), PBTS_LIMIT);
    }
    static char bomb[100000];
    memset(bomb, 'l', sizeof bomb);
    parsed p = parse(bomb, sizeof bomb);
    assert_int_equal(p.status, PBTS_LIMIT);
    free(p.bytes);
}

static void every_truncation_needs_more_and_changes_nothing(void **state) {
    (void)state;
    for (size_t len = 0; len < sizeof SAMPLE - 1; len++) {
        parsed p = parse(SAMPLE, len);
        pbts_bvalue untouched;
        memset(&untouched, 0x5A, sizeof untouched);
        assert_int_equal(p.status, PBTS_NEED_MORE);
        assert_memory_equal(&p.value, &untouched, sizeof untouched);
        free(p.bytes);
    }
    assert_int_equal(status_of("9223372036854775807:x"), PBTS_NEED_MORE);
}

/* A naive twin of the checker: bytes consumed by one value at `at`, or 0. */
static size_t naive_len(const uint8_t *bytes, size_t len) {
    size_t at = 1;
    char *end;
    if (len == 0) return 0;
    if (bytes[0] == 'i') {
        char copy[32] = "";
        while (at < len && bytes[at] != 'e') at++;
        if (at == len || at < 2 || at > 25) return 0;
        memcpy(copy, bytes + 1, at - 1);
        if (strlen(copy) != at - 1 || strspn(copy, "-0123456789") != at - 1) return 0;
        long long value = strtoll(copy, &end, 10);
        char canonical[32];
        (void)snprintf(canonical, sizeof canonical, "%lld", value);
        return *end == '\0' && strcmp(canonical, copy) == 0 ? at + 1 : 0;
    }
    if (bytes[0] == 'l' || bytes[0] == 'd') {
        const uint8_t *key = NULL;
        size_t key_len = 0;
        for (size_t item = 0; at < len && bytes[at] != 'e'; item++) {
            size_t used = naive_len(bytes + at, len - at);
            if (used == 0) return 0;
            if (bytes[0] == 'd' && item % 2 == 0) {
                if (bytes[at] < '0' || bytes[at] > '9') return 0;
                const uint8_t *colon = memchr(bytes + at, ':', used);
                size_t new_len = used - (size_t)(colon + 1 - (bytes + at));
                size_t common = key_len < new_len ? key_len : new_len;
                int order = key ? memcmp(key, colon + 1, common) : -1;
                if (order > 0 || (order == 0 && key_len >= new_len)) return 0;
                key = colon + 1;
                key_len = new_len;
            }
            at += used;
            if (bytes[0] == 'd' && item % 2 == 0 && at < len && bytes[at] == 'e') return 0;
        }
        return at < len ? at + 1 : 0;
    }
    char copy[24] = "";
    for (at = 0; at < len && at < 20 && bytes[at] >= '0' && bytes[at] <= '9'; at++) {
        copy[at] = (char)bytes[at];
    }
    if (at == 0 || at == len || bytes[at] != ':' || (at > 1 && copy[0] == '0')) return 0;
    unsigned long long string_len = strtoull(copy, &end, 10);
    return string_len <= len - at - 1 ? at + 1 + (size_t)string_len : 0;
}

static void assert_agrees_with_the_naive_twin(const uint8_t *bytes, size_t len) {
    parsed p = parse(bytes, len);
    assert_int_equal(p.status == PBTS_OK, len > 0 && naive_len(bytes, len) == len);
    free(p.bytes);
}

static void single_byte_damage_is_judged_as_the_naive_twin_does(void **state) {
    (void)state;
    for (size_t at = 0; at < sizeof SAMPLE - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint8_t damaged[sizeof SAMPLE];
            memcpy(damaged, SAMPLE, sizeof SAMPLE);
            damaged[at] = (uint8_t)byte;
            assert_agrees_with_the_naive_twin(damaged, sizeof SAMPLE - 1);
        }
    }
}

static void every_short_word_is_judged_as_the_naive_twin_does(void **state) {
    static const char LETTERS[] = "ilde012:-";
    enum { WORD_MAX = 6, LETTER_COUNT = sizeof LETTERS - 1 };
    size_t words = 1;
    (void)state;
    for (size_t len = 1; len <= WORD_MAX; len++) {
        words *= LETTER_COUNT;
        for (size_t word = 0; word < words; word++) {
            uint8_t bytes[WORD_MAX];
            size_t rest = word;
            for (size_t i = 0; i < len; i++, rest /= LETTER_COUNT) {
                bytes[i] = (uint8_t)LETTERS[rest % LETTER_COUNT];
            }
            pbts_bvalue value;
            bool ok = pbts_bencode_parse(&value, (pbts_span){ bytes, len }) == PBTS_OK;
            if (ok != (naive_len(bytes, len) == len)) fail_msg("%.*s", (int)len, (char *)bytes);
        }
    }
}

static void a_prefix_is_consumed_and_what_follows_is_left(void **state) {
    static const char TEXT[] = "li1eeXYZ";
    pbts_cursor cursor = pbts_cursor_over(pbts_span_text(TEXT));
    pbts_bvalue value;
    (void)state;
    assert_int_equal(pbts_bencode_parse_prefix(&value, &cursor), PBTS_OK);
    assert_true(pbts_span_is(value.raw, "li1ee"));
    assert_true(pbts_span_is(pbts_cursor_rest(&cursor), "XYZ"));
    assert_int_equal(pbts_bencode_parse_prefix(&value, &cursor), PBTS_MALFORMED);
    assert_true(pbts_span_is(pbts_cursor_rest(&cursor), "XYZ"));
}

static void iteration_gives_items_and_pairs_in_order(void **state) {
    (void)state;
    parsed p = parse(SAMPLE, sizeof SAMPLE - 1);
    assert_int_equal(p.status, PBTS_OK);
    static const char *const KEYS[] = { "a", "ab", "dict", "list" };
    static const char *const RAWS[] = { "i-12e", "3:xyz", "d0:i0e1:zlee", "l1:qi7ed1:kle1:mdeee" };
    pbts_biter iter = pbts_bvalue_items(&p.value);
    pbts_span key;
    pbts_bvalue value = { 0 }, item;
    for (size_t i = 0; i < 4; i++) {
        assert_true(pbts_biter_next_pair(&iter, &key, &value));
        assert_true(pbts_span_is(key, KEYS[i]));
        assert_true(pbts_span_is(value.raw, RAWS[i]));
    }
    assert_false(pbts_biter_next_pair(&iter, &key, &value));
    iter = pbts_bvalue_items(&value);
    assert_true(pbts_biter_next(&iter, &item) && pbts_span_is(item.string, "q"));
    assert_true(pbts_biter_next(&iter, &item) && item.integer == 7);
    assert_true(pbts_biter_next(&iter, &item) && item.type == PBTS_BDICT);
    assert_false(pbts_biter_next(&iter, &item));
    free(p.bytes);
}

static void a_scalar_has_no_items_and_no_keys(void **state) {
    (void)state;
    parsed p = parse("2:ab", 4);
    pbts_bvalue item;
    pbts_biter iter = pbts_bvalue_items(&p.value);
    assert_false(pbts_biter_next(&iter, &item));
    assert_false(pbts_bdict_find(&p.value, "ab", &item));
    free(p.bytes);
}

static void look_ups_find_by_key_and_type_only(void **state) {
    (void)state;
    parsed p = parse(SAMPLE, sizeof SAMPLE - 1);
    pbts_bvalue value;
    pbts_span string;
    uint64_t number = 77;
    assert_true(pbts_bdict_find(&p.value, "a", &value) && value.integer == -12);
    assert_true(pbts_bdict_find_string(&p.value, "ab", &string) && pbts_span_is(string, "xyz"));
    assert_true(pbts_bdict_find_typed(&p.value, "list", PBTS_BLIST, &value));
    assert_false(pbts_bdict_find(&p.value, "", &value));
    assert_false(pbts_bdict_find(&p.value, "abc", &value));
    assert_false(pbts_bdict_find(&p.value, "zz", &value));
    assert_false(pbts_bdict_find_string(&p.value, "a", &string));
    assert_false(pbts_bdict_find_typed(&p.value, "dict", PBTS_BLIST, &value));
    assert_false(pbts_bdict_find_uint(&p.value, "a", &number));
    assert_int_equal(number, 77);
    assert_true(pbts_bdict_find_typed(&p.value, "dict", PBTS_BDICT, &value));
    assert_true(pbts_bdict_find_uint(&value, "", &number) && number == 0);
    free(p.bytes);
}

static void what_is_written_reads_back(void **state) {
    uint8_t buffer[128];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    (void)state;
    pbts_write_u8(&writer, 'd');
    pbts_bencode_text(&writer, "min");
    pbts_bencode_int(&writer, INT64_MIN);
    pbts_bencode_text(&writer, "raw");
    pbts_bencode_string(&writer, (pbts_span){ (const uint8_t *)"\0\xFF", 2 });
    pbts_bencode_text(&writer, "uint");
    pbts_bencode_uint(&writer, INT64_MAX);
    pbts_write_u8(&writer, 'e');
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    pbts_bvalue dict, value;
    uint64_t number;
    assert_int_equal(pbts_bencode_parse(&dict, pbts_writer_span(&writer)), PBTS_OK);
    assert_true(pbts_bdict_find(&dict, "min", &value) && value.integer == INT64_MIN);
    assert_true(pbts_bdict_find_uint(&dict, "uint", &number) && number == INT64_MAX);
    assert_true(pbts_bdict_find(&dict, "raw", &value) && value.string.len == 2);
    assert_memory_equal(value.string.data, "\0\xFF", 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_with_their_sign_and_at_both_ends_of_int64),
        cmocka_unit_test(strings_may_hold_any_bytes_and_be_empty),
        cmocka_unit_test(bad_forms_are_malformed_or_over_a_limit),
        cmocka_unit_test(depth_is_accepted_at_the_limit_and_refused_one_past_it),
        cmocka_unit_test(every_truncation_needs_more_and_changes_nothing),
        cmocka_unit_test(single_byte_damage_is_judged_as_the_naive_twin_does),
        cmocka_unit_test(every_short_word_is_judged_as_the_naive_twin_does),
        cmocka_unit_test(a_prefix_is_consumed_and_what_follows_is_left),
        cmocka_unit_test(iteration_gives_items_and_pairs_in_order),
        cmocka_unit_test(a_scalar_has_no_items_and_no_keys),
        cmocka_unit_test(look_ups_find_by_key_and_type_only),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
