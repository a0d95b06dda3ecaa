/* Unit tests of hash/hkdf.c: the vectors of RFC 5869 with SHA-256. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/text.h"
#include "hash/hkdf.h"

/* A run of bytes that count up from `first`, or are all `first`. */
typedef struct {
    uint8_t first;
    size_t len;
    bool same;
} bytes_run;

static pbts_span fill(uint8_t *out, bytes_run run) {
    for (size_t i = 0; i < run.len; i++) out[i] = (uint8_t)(run.first + (run.same ? 0 : i));
    return (pbts_span){ out, run.len };
}

/* RFC 5869, appendix A.1 to A.3. */
static const struct {
    bytes_run secret, salt, info;
    const char *want;
} KNOWN[] = {
    { { 0x0b, 22, true },
      { 0, 13, false },
      { 0xf0, 10, false },
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865" },
    { { 0, 80, false },
      { 0x60, 80, false },
      { 0xb0, 80, false },
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e"
      "590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87" },
    { { 0x0b, 22, true },
      { 0, 0, false },
      { 0, 0, false },
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8" },
};

static void the_published_vectors_come_out_at_every_length(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        uint8_t secret[80], salt[80], info[80], want[82];
        size_t len = strlen(KNOWN[i].want) / 2;
        assert_int_equal(pbts_hex_decode_exact(want, len, pbts_span_text(KNOWN[i].want)), PBTS_OK);
        for (size_t part = 0; part <= len; part++) {
            uint8_t *out = malloc(part > 0 ? part : 1);
            assert_non_null(out);
            pbts_hkdf_sha256(out, part, fill(salt, KNOWN[i].salt), fill(secret, KNOWN[i].secret),
                             fill(info, KNOWN[i].info));
            assert_memory_equal(out, want, part);
            free(out);
        }
    }
}

static void an_info_may_have_its_most_bytes(void **state) {
    uint8_t info[PBTS_HKDF_INFO_LEN_MAX], out[64], other[64];
    (void)state;
    memset(info, 7, sizeof info);
    pbts_hkdf_sha256(out, sizeof out, pbts_span_text(""), pbts_span_text("k"), PBTS_SPAN_OF(info));
    info[sizeof info - 1] ^= 1;
    pbts_hkdf_sha256(other, sizeof other, pbts_span_text(""), pbts_span_text("k"),
                     PBTS_SPAN_OF(info));
    assert_memory_not_equal(out, other, sizeof out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors_come_out_at_every_length),
        cmocka_unit_test(an_info_may_have_its_most_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
