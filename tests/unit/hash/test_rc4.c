/* Unit tests of hash/rc4.c: keystreams of RFC 6229, a naive twin, and streams in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "hash/rc4.h"

/* RFC 6229, section 2: 16 bytes of the keystream at three offsets. */
static const struct {
    uint8_t key[16];
    size_t key_len;
    struct {
        size_t at;
        uint8_t bytes[16];
    } parts[3];
} VECTORS[] = {
    { { 1, 2, 3, 4, 5 },
      5,
      { { 0,
          { 0xb2, 0x39, 0x63, 0x05, 0xf0, 0x3d, 0xc0, 0x27, 0xcc, 0xc3, 0x52, 0x4a, 0x0a, 0x11,
            0x18, 0xa8 } },
        { 1024,
          { 0x30, 0xab, 0xbc, 0xc7, 0xc2, 0x0b, 0x01, 0x60, 0x9f, 0x23, 0xee, 0x2d, 0x5f, 0x6b,
            0xb7, 0xdf } },
        { 4096,
          { 0xff, 0x25, 0xb5, 0x89, 0x95, 0x99, 0x67, 0x07, 0xe5, 0x1f, 0xbd, 0xf0, 0x8b, 0x34,
            0xd8, 0x75 } } } },
    { { 0xeb, 0xb4, 0x62, 0x27, 0xc6, 0xcc, 0x8b, 0x37, 0x64, 0x19, 0x10, 0x83, 0x32, 0x22, 0x77,
        0x2a },
      16,
      { { 0,
          { 0x72, 0x0c, 0x94, 0xb6, 0x3e, 0xdf, 0x44, 0xe1, 0x31, 0xd9, 0x50, 0xca, 0x21, 0x1a,
            0x5a, 0x30 } },
        { 1024,
          { 0xb5, 0x15, 0xa8, 0xc5, 0x01, 0x17, 0x54, 0xf5, 0x90, 0x03, 0x05, 0x8b, 0xdb, 0x81,
            0x51, 0x4e } },
        { 4096,
          { 0x5b, 0xbe, 0xb4, 0x78, 0x7d, 0x59, 0xe5, 0x37, 0x3f, 0xdb, 0xea, 0x6c, 0x6f, 0x75,
            0xc2, 0x9b } } } },
};
enum { VECTOR_COUNT = sizeof VECTORS / sizeof VECTORS[0], STREAM_LEN = 4096 + 16 };

static void keystreams_are_those_of_rfc_6229(void **state) {
    (void)state;
    for (size_t v = 0; v < VECTOR_COUNT; v++) {
        uint8_t stream[STREAM_LEN] = { 0 };
        pbts_rc4 cipher;
        pbts_rc4_init(&cipher, (pbts_span){ VECTORS[v].key, VECTORS[v].key_len });
        pbts_rc4_crypt(&cipher, stream, stream, sizeof stream);
        for (size_t i = 0; i < 3; i++)
            assert_memory_equal(stream + VECTORS[v].parts[i].at, VECTORS[v].parts[i].bytes, 16);
    }
}

static void skipped_bytes_are_as_if_they_had_been_encrypted(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t found[16] = { 0 };
        pbts_rc4 cipher;
        pbts_rc4_init(&cipher, (pbts_span){ VECTORS[0].key, VECTORS[0].key_len });
        if (VECTORS[0].parts[i].at > 0) {
            pbts_rc4_skip(&cipher, 1);
            pbts_rc4_skip(&cipher, VECTORS[0].parts[i].at - 1);
        }
        pbts_rc4_crypt(&cipher, found, found, sizeof found);
        assert_memory_equal(found, VECTORS[0].parts[i].bytes, sizeof found);
    }
}

/* The cipher as it is usually written. */
static void naive_rc4(uint8_t *out, size_t len, const uint8_t *key, size_t key_len) {
    uint8_t s[256], x = 0, y = 0;
    for (unsigned i = 0; i < 256; i++) s[i] = (uint8_t)i;
    for (unsigned i = 0; i < 256; i++) {
        y = (uint8_t)(y + s[i] + key[i % key_len]);
        uint8_t kept = s[i];
        s[i] = s[y];
        s[y] = kept;
    }
    y = 0;
    for (size_t n = 0; n < len; n++) {
        x = (uint8_t)(x + 1);
        y = (uint8_t)(y + s[x]);
        uint8_t kept = s[x];
        s[x] = s[y];
        s[y] = kept;
        out[n] ^= s[(uint8_t)(s[x] + s[y])];
    }
}

static void a_stream_in_parts_is_that_of_the_naive_twin(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(3);
    for (unsigned round = 0; round < 200; round++) {
        uint8_t key[256], want[2000], in[2000], out[2000];
        size_t key_len = 1 + pbts_prng_below(&prng, 256);
        for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)pbts_prng_next(&prng);
        for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)pbts_prng_next(&prng);
        memcpy(want, in, sizeof want);
        naive_rc4(want, sizeof want, key, key_len);

        pbts_rc4 cipher;
        pbts_rc4_init(&cipher, (pbts_span){ key, key_len });
        for (size_t at = 0; at < sizeof in;) {
            size_t len = pbts_prng_below(&prng, 100);
            if (len > sizeof in - at) len = sizeof in - at;
            pbts_rc4_crypt(&cipher, out + at, in + at, len);
            at += len;
        }
        assert_memory_equal(out, want, sizeof want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keystreams_are_those_of_rfc_6229),
        cmocka_unit_test(skipped_bytes_are_as_if_they_had_been_encrypted),
        cmocka_unit_test(a_stream_in_parts_is_that_of_the_naive_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
