/* Unit tests of torrent/piece_set.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "torrent/piece_set.h"

enum { PIECES = 13 };

static pbts_status parse(uint8_t bits[static 2], const char *text) {
    pbts_span span = pbts_span_text(text);
    uint8_t *copy = malloc(span.len > 0 ? span.len : 1);
    assert_non_null(copy);
    memcpy(copy, span.data, span.len);
    pbts_status status = pbts_piece_set_parse(bits, PIECES, (pbts_span){ copy, span.len });
    free(copy);
    return status;
}

static void piece_0_is_the_top_bit_of_byte_0(void **state) {
    (void)state;
    for (uint32_t piece = 0; piece < 24; piece++) {
        uint8_t bits[3] = { 0 };
        pbts_piece_set_add(bits, piece);
        assert_int_equal(bits[piece / 8], 0x80 >> piece % 8);
        for (uint32_t i = 0; i < 24; i++) assert_int_equal(pbts_piece_set_has(bits, i), i == piece);
        assert_int_equal(pbts_piece_set_count(PBTS_SPAN_OF(bits)), 1);
    }
}

static void count_is_the_number_of_set_bits(void **state) {
    (void)state;
    const uint8_t bits[] = { 0xFF, 0x00, 0x81, 0x10 };
    assert_int_equal(pbts_piece_set_count(PBTS_SPAN_OF(bits)), 11);
    assert_int_equal(pbts_piece_set_count((pbts_span){ NULL, 0 }), 0);
}

static void next_finds_every_piece_of_every_small_set(void **state) {
    (void)state;
    for (uint32_t value = 0; value < 1u << 16; value++) {
        uint8_t *bits = malloc(2); /* exact, so that a read past it shows */
        assert_non_null(bits);
        bits[0] = (uint8_t)(value >> 8);
        bits[1] = (uint8_t)value;
        uint32_t at = 0;
        for (uint32_t i = 0; i < 16; i++) {
            if (!pbts_piece_set_has(bits, i)) continue;
            assert_true(pbts_piece_set_next((pbts_span){ bits, 2 }, &at));
            assert_int_equal(at++, i);
        }
        assert_false(pbts_piece_set_next((pbts_span){ bits, 2 }, &at));
        free(bits);
    }
    uint32_t past = 17;
    const uint8_t full[2] = { 0xFF, 0xFF };
    assert_false(pbts_piece_set_next(PBTS_SPAN_OF(full), &past));
    assert_false(pbts_piece_set_next((pbts_span){ NULL, 0 }, &past));
    assert_int_equal(past, 17);
}

static void check_wants_the_length_and_zero_spare_bits(void **state) {
    (void)state;
    for (uint32_t pieces = 0; pieces <= 24; pieces++) {
        size_t len = pbts_piece_set_len(pieces);
        assert_int_equal(len, (pieces + 7) / 8);
        for (uint32_t bit = 0; bit < 8 * len; bit++) {
            uint8_t bits[4] = { 0 };
            pbts_piece_set_add(bits, bit);
            pbts_status want = bit < pieces ? PBTS_OK : PBTS_MALFORMED;
            assert_int_equal(pbts_piece_set_check((pbts_span){ bits, len }, pieces), want);
        }
        const uint8_t none[4] = { 0 };
        assert_int_equal(pbts_piece_set_check((pbts_span){ none, len }, pieces), PBTS_OK);
        assert_int_equal(pbts_piece_set_check((pbts_span){ none, len + 1 }, pieces),
                         PBTS_MALFORMED);
        if (len == 0) continue;
        assert_int_equal(pbts_piece_set_check((pbts_span){ none, len - 1 }, pieces),
                         PBTS_MALFORMED);
    }
}

static void ranges_add_to_what_is_there(void **state) {
    static const struct {
        const char *text;
        uint8_t want[2];
    } CASES[] = {
        { "all", { 0xFF, 0xF8 } },  { "0", { 0x80, 0 } },     { "12", { 0, 0x08 } },
        { "0-12", { 0xFF, 0xF8 } }, { "3-3", { 0x10, 0 } },   { "7-8", { 0x01, 0x80 } },
        { "0,12", { 0x80, 0x08 } }, { "5,5,5", { 0x04, 0 } }, { "2-4,1,0-1", { 0xF8, 0 } },
        { "007", { 0x01, 0 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bits[2] = { 0 };
        assert_int_equal(parse(bits, CASES[i].text), PBTS_OK);
        assert_memory_equal(bits, CASES[i].want, 2);
    }
    uint8_t bits[2] = { 0x80, 0 };
    assert_int_equal(parse(bits, "1"), PBTS_OK);
    assert_int_equal(bits[0], 0xC0);
}

static void bad_ranges_are_refused_and_add_nothing(void **state) {
    static const struct {
        const char *text;
        pbts_status want;
    } CASES[] = {
        { "", PBTS_MALFORMED },         { ",", PBTS_MALFORMED },
        { "1,", PBTS_MALFORMED },       { ",1", PBTS_MALFORMED },
        { "1,,2", PBTS_MALFORMED },     { "-", PBTS_MALFORMED },
        { "1-", PBTS_MALFORMED },       { "-1", PBTS_MALFORMED },
        { "2-1", PBTS_MALFORMED },      { "1-2-3", PBTS_MALFORMED },
        { " 1", PBTS_MALFORMED },       { "1 ", PBTS_MALFORMED },
        { "a", PBTS_MALFORMED },        { "all,1", PBTS_MALFORMED },
        { "ALL", PBTS_MALFORMED },      { "+1", PBTS_MALFORMED },
        { "13", PBTS_LIMIT },           { "0-13", PBTS_LIMIT },
        { "1,13", PBTS_LIMIT },         { "4294967295", PBTS_LIMIT },
        { "4294967296", PBTS_LIMIT },   { "99999999999999999999999999", PBTS_LIMIT },
        { "0-4294967295", PBTS_LIMIT },
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bits[2] = { 0 };
        if (parse(bits, CASES[i].text) != CASES[i].want) fail_msg("misjudged: %s", CASES[i].text);
        assert_int_equal(bits[0] | bits[1], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(piece_0_is_the_top_bit_of_byte_0),
        cmocka_unit_test(count_is_the_number_of_set_bits),
        cmocka_unit_test(next_finds_every_piece_of_every_small_set),
        cmocka_unit_test(check_wants_the_length_and_zero_spare_bits),
        cmocka_unit_test(ranges_add_to_what_is_there),
        cmocka_unit_test(bad_ranges_are_refused_and_add_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
