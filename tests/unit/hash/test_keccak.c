/* Unit tests of hash/keccak.c: published digests, a twin that follows FIPS 202 word by word, and
 * every way to cut a message into parts. */
#include "eth/vectors.h"
#include "hash/keccak.h"

enum { LEN_MAX = 700 };

/* ---- Keccak-256 as short as it goes (FIPS 202, with the padding from before it) ---- */

static uint64_t twin_rotate(uint64_t x, unsigned by) {
    return by == 0 ? x : x << by | x >> (64 - by);
}

/* The round constants come from a shift register (FIPS 202, algorithm 5). */
static bool twin_next_bit(uint8_t *lfsr) {
    bool bit = *lfsr & 1;
    *lfsr = (uint8_t)(*lfsr & 0x80 ? *lfsr << 1 ^ 0x71 : *lfsr << 1);
    return bit;
}

static void twin_permute(uint64_t a[25]) {
    uint8_t lfsr = 1;
    for (int round = 0; round < 24; round++) {
        uint64_t c[5], row[5];
        for (int x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        for (int i = 0; i < 25; i++) a[i] ^= c[(i + 4) % 5] ^ twin_rotate(c[(i + 1) % 5], 1);
        uint64_t moved = a[1];
        for (unsigned t = 0, x = 1, y = 0; t < 24; t++) {
            unsigned next = (2 * x + 3 * y) % 5;
            x = y, y = next;
            uint64_t kept = a[x + 5 * y];
            a[x + 5 * y] = twin_rotate(moved, (t + 1) * (t + 2) / 2 % 64);
            moved = kept;
        }
        for (int y = 0; y < 25; y += 5) {
            memcpy(row, a + y, sizeof row);
            for (int x = 0; x < 5; x++) a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
        }
        for (unsigned j = 0; j < 7; j++) {
            if (twin_next_bit(&lfsr)) a[0] ^= UINT64_C(1) << ((1u << j) - 1);
        }
    }
}

static void twin_keccak256(uint8_t out[static 32], const uint8_t *bytes, size_t len) {
    uint64_t state[25] = { 0 };
    for (size_t i = 0; i < len; i++) {
        size_t at = i % PBTS_KECCAK256_RATE;
        state[at / 8] ^= (uint64_t)bytes[i] << (8 * (at % 8));
        if (at == PBTS_KECCAK256_RATE - 1) twin_permute(state);
    }
    size_t at = len % PBTS_KECCAK256_RATE;
    state[at / 8] ^= UINT64_C(1) << (8 * (at % 8));
    state[PBTS_KECCAK256_RATE / 8 - 1] ^= UINT64_C(0x80) << 56;
    twin_permute(state);
    for (size_t i = 0; i < 32; i++) out[i] = (uint8_t)(state[i / 8] >> (8 * (i % 8)));
}

static void unhex(uint8_t out[static 32], const char *hex) {
    assert_int_equal(pbts_hex_decode_exact(out, 32, pbts_span_text(hex)), PBTS_OK);
}

static void digests_are_the_published_ones(void **state) {
    (void)state;
    static const struct {
        const char *message, *digest;
    } KNOWN[] = {
        { "", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470" },
        { "abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45" },
        { "The quick brown fox jumps over the lazy dog",
          "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15" },
        { "The quick brown fox jumps over the lazy dog.",
          "578951e24efd62a3d63a86f7cd19aaa53c898fe287d2552133220370240b572d" },
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        uint8_t found[32], want[32];
        unhex(want, KNOWN[i].digest);
        pbts_keccak256(found, pbts_span_text(KNOWN[i].message));
        assert_memory_equal(found, want, sizeof want);
        twin_keccak256(found, (const uint8_t *)KNOWN[i].message, strlen(KNOWN[i].message));
        assert_memory_equal(found, want, sizeof want);
    }
}

static void a_million_bytes_are_hashed_as_one(void **state) {
    (void)state;
    pbts_keccak256_state hash;
    uint8_t chunk[1000], found[32], want[32];
    memset(chunk, 'a', sizeof chunk);
    pbts_keccak256_init(&hash);
    for (int i = 0; i < 1000; i++) pbts_keccak256_update(&hash, PBTS_SPAN_OF(chunk));
    pbts_keccak256_final(&hash, found);
    unhex(want, "fadae6b49f129bbb812be8407b7b2894f34aecf6dbd1f9b0f0c7e9853098fc96");
    assert_memory_equal(found, want, sizeof want);
}

static void every_length_gives_what_the_twin_says(void **state) {
    (void)state;
    for (size_t len = 0; len < LEN_MAX; len++) {
        uint8_t *bytes = malloc(len), found[32], want[32];
        assert_true(bytes != NULL || len == 0);
        for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(i * i + 7 * len);
        pbts_keccak256(found, (pbts_span){ bytes, len });
        twin_keccak256(want, bytes, len);
        assert_memory_equal(found, want, sizeof want);
        free(bytes);
    }
}

static void parts_of_any_length_hash_like_the_whole(void **state) {
    (void)state;
    uint8_t bytes[LEN_MAX], found[32], want[32];
    for (size_t i = 0; i < LEN_MAX; i++) bytes[i] = (uint8_t)(i ^ i >> 3);
    pbts_keccak256(want, PBTS_SPAN_OF(bytes));
    for (size_t part = 1; part <= 2 * PBTS_KECCAK256_RATE + 1; part++) {
        pbts_keccak256_state hash;
        pbts_keccak256_init(&hash);
        for (size_t at = 0; at < LEN_MAX; at += part) {
            size_t len = LEN_MAX - at < part ? LEN_MAX - at : part;
            pbts_keccak256_update(&hash, (pbts_span){ bytes + at, len });
            pbts_keccak256_update(&hash, (pbts_span){ NULL, 0 });
        }
        pbts_keccak256_final(&hash, found);
        assert_memory_equal(found, want, sizeof want);
    }
}

/* ---- vectors ---- */

static void check_file(const char *name, size_t at_least) {
    json_t *all = vectors_load(name), *vector;
    size_t i, checked = 0;
    json_array_foreach(all, i, vector) {
        uint8_t found[32], want[32];
        pbts_span data = vectors_bytes(vector, "data");
        vectors_exactly(want, sizeof want, vector, "keccak256");
        pbts_keccak256(found, data);
        assert_memory_equal(found, want, sizeof want);
        for (size_t at = 0; at < data.len; at++) {
            ((uint8_t *)(uintptr_t)data.data)[at] ^= 1;
            pbts_keccak256(found, data);
            assert_memory_not_equal(found, want, sizeof want);
            ((uint8_t *)(uintptr_t)data.data)[at] ^= 1;
        }
        vectors_free(data);
        checked++;
    }
    assert_true(checked >= at_least);
    json_decref(all);
}

static void the_digests_of_ethers_hold_and_fail_for_any_other_byte(void **state) {
    (void)state;
    check_file("keccak/ethers-hashes.json", 516);
}

static void the_edges_of_blocks_hold_and_fail_for_any_other_byte(void **state) {
    (void)state;
    check_file("keccak/lengths-generated.json", 301);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_published_ones),
        cmocka_unit_test(a_million_bytes_are_hashed_as_one),
        cmocka_unit_test(every_length_gives_what_the_twin_says),
        cmocka_unit_test(parts_of_any_length_hash_like_the_whole),
        cmocka_unit_test(the_digests_of_ethers_hold_and_fail_for_any_other_byte),
        cmocka_unit_test(the_edges_of_blocks_hold_and_fail_for_any_other_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
