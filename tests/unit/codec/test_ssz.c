/* Unit tests of codec/ssz.c: the trees against a naive twin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "codec/ssz.h"
#include "codec/text.h"
#include "hash/sha.h"

enum { LEAVES_MAX = 64 };

static pbts_ssz_chunk leaf_of(size_t i) {
    pbts_ssz_chunk chunk;
    for (size_t k = 0; k < sizeof chunk.bytes; k++) chunk.bytes[k] = (uint8_t)(i * 31 + k);
    return chunk;
}

/* The node `gindex` of a tree of `width` (a power of two) chunks, count of them not zero. */
static pbts_ssz_chunk twin_node(uint64_t gindex, size_t width, size_t count) {
    uint8_t both[64];
    if (gindex >= width) {
        size_t at = (size_t)gindex - width;
        return at < count ? leaf_of(at) : (pbts_ssz_chunk){ { 0 } };
    }
    pbts_ssz_chunk left = twin_node(2 * gindex, width, count), out;
    pbts_ssz_chunk right = twin_node(2 * gindex + 1, width, count);
    memcpy(both, left.bytes, 32);
    memcpy(both + 32, right.bytes, 32);
    pbts_sha256(out.bytes, PBTS_SPAN_OF(both));
    return out;
}

static size_t width_for(size_t count) {
    size_t width = 1;
    while (width < count) width *= 2;
    return width;
}

static void merkleize_pads_with_zero_chunks_to_a_power_of_two(void **state) {
    (void)state;
    for (size_t count = 1; count <= LEAVES_MAX; count++) {
        pbts_ssz_chunk *chunks = malloc(count * sizeof *chunks);
        for (size_t i = 0; i < count; i++) chunks[i] = leaf_of(i);
        pbts_ssz_chunk root = pbts_ssz_merkleize(chunks, count);
        pbts_ssz_chunk want = twin_node(1, width_for(count), count);
        assert_memory_equal(&root, &want, sizeof want);
        free(chunks);
    }
}

static void every_node_of_a_tree_is_proved_by_its_branch_and_by_no_other(void **state) {
    (void)state;
    enum { WIDTH = 16, COUNT = 13 };
    pbts_ssz_chunk root = twin_node(1, WIDTH, COUNT);
    for (uint64_t gindex = 1; gindex < 2 * (uint64_t)WIDTH; gindex++) {
        pbts_ssz_chunk branch[8], leaf = twin_node(gindex, WIDTH, COUNT);
        size_t len = 0;
        for (uint64_t at = gindex; at > 1; at /= 2) branch[len++] = twin_node(at ^ 1, WIDTH, COUNT);
        assert_int_equal(pbts_ssz_depth(gindex), len);
        assert_int_equal(pbts_ssz_check_branch(&root, &leaf, gindex, branch, len), PBTS_OK);
        branch[len] = (pbts_ssz_chunk){ { 0 } };
        assert_int_equal(pbts_ssz_check_branch(&root, &leaf, gindex, branch, len + 1),
                         PBTS_MALFORMED);
        if (len == 0) continue;
        assert_int_equal(pbts_ssz_check_branch(&root, &leaf, gindex, branch, len - 1),
                         PBTS_MALFORMED);
        for (size_t i = 0; i < len * 32; i++) {
            branch[i / 32].bytes[i % 32] ^= 1;
            assert_int_equal(pbts_ssz_check_branch(&root, &leaf, gindex, branch, len),
                             PBTS_MALFORMED);
            branch[i / 32].bytes[i % 32] ^= 1;
        }
        pbts_ssz_chunk sibling = branch[0];
        bool twins = pbts_ssz_chunk_equal(&sibling, &leaf);
        assert_int_equal(pbts_ssz_check_branch(&root, &leaf, gindex ^ 1, branch, len),
                         twins ? PBTS_OK : PBTS_MALFORMED);
    }
}

static void an_index_of_zero_or_too_deep_is_refused(void **state) {
    (void)state;
    static pbts_ssz_chunk branch[64];
    pbts_ssz_chunk node = leaf_of(1), root = node;
    assert_int_equal(pbts_ssz_check_branch(&root, &node, 0, branch, 0), PBTS_MALFORMED);
    for (size_t depth = 0; depth <= PBTS_SSZ_DEPTH_MAX + 1; depth++) {
        pbts_status want = depth <= PBTS_SSZ_DEPTH_MAX ? PBTS_OK : PBTS_MALFORMED;
        assert_int_equal(pbts_ssz_check_branch(&root, &node, (uint64_t)1 << depth, branch, depth),
                         want);
        root = pbts_ssz_node(&root, &branch[0]);
    }
}

static void expect_root(pbts_ssz_chunk root, const char *hex) {
    uint8_t want[32];
    assert_int_equal(pbts_hex_decode_exact(want, sizeof want, pbts_span_text(hex)), PBTS_OK);
    assert_memory_equal(root.bytes, want, sizeof want);
}

/* SHA-256 of what the definition says, computed with other tools. */
static void byte_vectors_and_lists_have_the_defined_roots(void **state) {
    (void)state;
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    expect_root(pbts_ssz_root_bytes((pbts_span){ bytes, 32 }),
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    expect_root(pbts_ssz_root_bytes((pbts_span){ bytes, 48 }),
                "b976c9abe97b4f03d7e4058246713687379d2718a829ab66e2a93aa924e43c1d");
    expect_root(pbts_ssz_root_bytes((pbts_span){ bytes, 256 }),
                "0710a0939407442778dc071ee0b98fe8b0634a1f5948c106b441de6ac3849308");
    expect_root(pbts_ssz_root_list32((pbts_span){ bytes, 5 }),
                "d41326a1b02038c2f878ea127079777ec2a0a8dd94bea0a189336b04d3421535");
    expect_root(pbts_ssz_root_list32((pbts_span){ NULL, 0 }),
                "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

static void integers_are_little_endian_and_end_where_the_bytes_do(void **state) {
    (void)state;
    uint8_t bytes[12];
    uint32_t small;
    uint64_t large;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_ssz_write_u32(&writer, 0x04030201);
    pbts_ssz_write_u64(&writer, 0x0C0B0A0908070605);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    for (size_t i = 0; i < sizeof bytes; i++) assert_int_equal(bytes[i], i + 1);
    pbts_cursor cursor = pbts_cursor_over(PBTS_SPAN_OF(bytes));
    assert_int_equal(pbts_ssz_read_u32(&cursor, &small), PBTS_OK);
    assert_int_equal(pbts_ssz_read_u64(&cursor, &large), PBTS_OK);
    assert_int_equal(small, 0x04030201);
    assert_true(large == 0x0C0B0A0908070605);
    cursor = pbts_cursor_over((pbts_span){ bytes, 7 });
    assert_int_equal(pbts_ssz_read_u64(&cursor, &large), PBTS_NEED_MORE);
    cursor = pbts_cursor_over((pbts_span){ bytes, 3 });
    assert_int_equal(pbts_ssz_read_u32(&cursor, &small), PBTS_NEED_MORE);
    pbts_ssz_chunk chunk = pbts_ssz_chunk_u64(0x0807060504030201);
    for (size_t i = 0; i < 32; i++) assert_int_equal(chunk.bytes[i], i < 8 ? i + 1 : 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merkleize_pads_with_zero_chunks_to_a_power_of_two),
        cmocka_unit_test(every_node_of_a_tree_is_proved_by_its_branch_and_by_no_other),
        cmocka_unit_test(an_index_of_zero_or_too_deep_is_refused),
        cmocka_unit_test(byte_vectors_and_lists_have_the_defined_roots),
        cmocka_unit_test(integers_are_little_endian_and_end_where_the_bytes_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
