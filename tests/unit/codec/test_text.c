/* Unit tests of codec/text.c: the vectors of RFC 4648 section 10, and sweeps over short inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "codec/text.h"

typedef void encode_fn(pbts_writer *writer, pbts_span bytes);
typedef pbts_status decode_fn(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text);
typedef pbts_status exact_fn(uint8_t *out, size_t len, pbts_span text);

static const struct {
    encode_fn *encode;
    decode_fn *decode;
    exact_fn *exact;
} CODECS[] = {
    { pbts_hex_encode, pbts_hex_decode, pbts_hex_decode_exact },
    { pbts_base32_encode, pbts_base32_decode, pbts_base32_decode_exact },
    { pbts_base64_encode, pbts_base64_decode, pbts_base64_decode_exact },
};
enum { HEX, BASE32, BASE64, CODEC_COUNT };

static const struct {
    const char *plain;
    const char *coded[CODEC_COUNT];
} RFC4648[] = {
    { "", { "", "", "" } },
    { "f", { "66", "my", "Zg==" } },
    { "fo", { "666f", "mzxq", "Zm8=" } },
    { "foo", { "666f6f", "mzxw6", "Zm9v" } },
    { "foob", { "666f6f62", "mzxw6yq", "Zm9vYg==" } },
    { "fooba", { "666f6f6261", "mzxw6ytb", "Zm9vYmE=" } },
    { "foobar", { "666f6f626172", "mzxw6ytboi", "Zm9vYmFy" } },
};

/* Decode from an exact-size heap copy. */
static pbts_status decode(int codec, uint8_t *out, size_t *out_len, size_t capacity,
                          pbts_span text) {
    uint8_t *copy = malloc(text.len > 0 ? text.len : 1);
    assert_non_null(copy);
    if (text.len > 0) memcpy(copy, text.data, text.len);
    pbts_status status =
        CODECS[codec].decode(out, out_len, capacity, (pbts_span){ copy, text.len });
    free(copy);
    return status;
}

static pbts_status status_of(int codec, const char *text) {
    uint8_t out[64];
    size_t len;
    return decode(codec, out, &len, sizeof out, pbts_span_text(text));
}

static void the_vectors_of_rfc_4648_encode_and_decode(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof RFC4648 / sizeof RFC4648[0]; i++) {
        for (int codec = 0; codec < CODEC_COUNT; codec++) {
            uint8_t buffer[32];
            pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
            CODECS[codec].encode(&writer, pbts_span_text(RFC4648[i].plain));
            assert_true(pbts_span_is(pbts_writer_span(&writer), RFC4648[i].coded[codec]));
            size_t len = 99;
            pbts_span coded = pbts_span_text(RFC4648[i].coded[codec]);
            assert_int_equal(decode(codec, buffer, &len, sizeof buffer, coded), PBTS_OK);
            assert_true(pbts_span_is((pbts_span){ buffer, len }, RFC4648[i].plain));
            assert_int_equal(CODECS[codec].exact(buffer, len, coded), PBTS_OK);
            assert_int_equal(CODECS[codec].exact(buffer, len + 1, coded), PBTS_MALFORMED);
            if (len == 0) continue;
            assert_int_equal(CODECS[codec].exact(buffer, len - 1, coded), PBTS_MALFORMED);
        }
    }
}

static void random_bytes_of_every_length_round_trip(void **state) {
    pbts_prng prng = pbts_prng_seeded(4648);
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        for (size_t len = 0; len < 200; len++) {
            uint8_t plain[200], coded[512], back[200];
            size_t back_len;
            for (size_t i = 0; i < len; i++) plain[i] = (uint8_t)pbts_prng_next(&prng);
            pbts_writer writer = pbts_writer_over(coded, sizeof coded);
            CODECS[codec].encode(&writer, (pbts_span){ plain, len });
            pbts_span text = pbts_writer_span(&writer);
            assert_int_equal(decode(codec, back, &back_len, len, text), PBTS_OK);
            assert_int_equal(back_len, len);
            if (len > 0) assert_memory_equal(back, plain, len);
        }
    }
}

static void both_cases_and_the_url_alphabet_are_taken(void **state) {
    uint8_t a[4], b[4];
    (void)state;
    assert_int_equal(pbts_hex_decode_exact(a, 3, pbts_span_text("aBcDeF")), PBTS_OK);
    assert_memory_equal(a, "\xAB\xCD\xEF", 3);
    assert_int_equal(pbts_base32_decode_exact(a, 4, pbts_span_text("MZxW6Yq")), PBTS_OK);
    assert_memory_equal(a, "foob", 4);
    assert_int_equal(pbts_base64_decode_exact(a, 4, pbts_span_text("-_-_-w")), PBTS_OK);
    assert_int_equal(pbts_base64_decode_exact(b, 4, pbts_span_text("+/+/+w==")), PBTS_OK);
    assert_memory_equal(a, b, 4);
    assert_memory_equal(a, "\xFB\xFF\xBF\xFB", 4);
}

static void bad_texts_are_malformed(void **state) {
    static const struct {
        int codec;
        const char *text;
    } CASES[] = {
        { HEX, "0" },           { HEX, "0g" },          { HEX, "0x" },
        { HEX, " 0" },          { HEX, "000" },         { HEX, "0=" },
        { BASE32, "m" },        { BASE32, "mzx" },      { BASE32, "mzxw6y" },
        { BASE32, "mz" },       { BASE32, "m1" },       { BASE32, "m8" },
        { BASE32, "m0" },       { BASE32, "my======" }, { BASE64, "Z" },
        { BASE64, "Zh==" },     { BASE64, "Zh" },       { BASE64, "Zm9=" },
        { BASE64, "Zg=" },      { BASE64, "Zg===" },    { BASE64, "=" },
        { BASE64, "====" },     { BASE64, "Z===" },     { BASE64, "Z=g=" },
        { BASE64, "Zm9v=" },    { BASE64, "Zm9v====" }, { BASE64, "Zm 9" },
        { BASE64, "Zg==Zg==" }, { BASE64, "Zm9v\n" },   { BASE64, "Zm\xC3\xA4" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (status_of(CASES[i].codec, CASES[i].text) != PBTS_MALFORMED) {
            fail_msg("not refused: %s", CASES[i].text);
        }
    }
}

static void every_text_that_decodes_is_what_an_encoder_could_have_written(void **state) {
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        for (unsigned word = 0; word < 65536; word++) {
            const uint8_t text[2] = { (uint8_t)(word >> 8), (uint8_t)word };
            uint8_t out[2], again[8];
            size_t len;
            pbts_span span = { text, 2 };
            if (CODECS[codec].decode(out, &len, sizeof out, span) != PBTS_OK) continue;
            pbts_writer writer = pbts_writer_over(again, sizeof again);
            CODECS[codec].encode(&writer, (pbts_span){ out, len });
            size_t len_again;
            uint8_t out_again[2];
            pbts_span coded = { again, 2 };
            assert_int_equal(CODECS[codec].decode(out_again, &len_again, 2, coded), PBTS_OK);
            assert_int_equal(len_again, len);
            assert_memory_equal(out_again, out, len);
            for (int i = 0; i < 2; i++) {
                uint8_t from = text[i];
                bool url = codec == BASE64 && (from == '-' || from == '_');
                bool upper = codec != BASE64 && from >= 'A' && from <= 'Z';
                if (!url) assert_int_equal(again[i], upper ? from + 32 : from);
            }
        }
    }
}

static void a_small_buffer_is_told_and_nothing_is_written(void **state) {
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        uint8_t out[6] = { 9, 9, 9, 9, 9, 9 };
        size_t len = 77;
        pbts_span text = pbts_span_text(RFC4648[6].coded[codec]);
        assert_int_equal(decode(codec, out, &len, 5, text), PBTS_NO_SPACE);
        assert_int_equal(len, 77);
        assert_memory_equal(out, "\t\t\t\t\t\t", 6);
        assert_int_equal(decode(codec, out, &len, 6, text), PBTS_OK);
        uint8_t room[3];
        pbts_writer writer = pbts_writer_over(room, sizeof room);
        CODECS[codec].encode(&writer, pbts_span_text("foobar"));
        assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
    }
}

static void a_malformed_end_leaves_the_output_alone(void **state) {
    uint8_t out[8] = "unmoved";
    (void)state;
    assert_int_equal(pbts_hex_decode_exact(out, 3, pbts_span_text("0000zz")), PBTS_MALFORMED);
    assert_int_equal(pbts_base64_decode_exact(out, 4, pbts_span_text("AAAAAB")), PBTS_MALFORMED);
    assert_string_equal((char *)out, "unmoved");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_encode_and_decode),
        cmocka_unit_test(random_bytes_of_every_length_round_trip),
        cmocka_unit_test(both_cases_and_the_url_alphabet_are_taken),
        cmocka_unit_test(bad_texts_are_malformed),
        cmocka_unit_test(every_text_that_decodes_is_what_an_encoder_could_have_written),
        cmocka_unit_test(a_small_buffer_is_told_and_nothing_is_written),
        cmocka_unit_test(a_malformed_end_leaves_the_output_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
