/* Unit tests of torrent/piece_check.c: the builder makes the torrent, the checker reads it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "torrent/builder.h"
#include "torrent/piece_check.h"

enum { PIECE = 32768, FILES = 6 };

/* Sizes around a block and a piece; empty files between. */
static const uint32_t SIZES[FILES] = { 5 * PIECE + 17, 0, PIECE, 100, 16384, 2 * PIECE - 1 };

static pbts_metainfo *build(uint8_t *const *contents, pbts_torrent_version version) {
    pbts_torrent_options options = { .version = version,
                                     .piece_length = PIECE,
                                     .name = pbts_span_text("folder") };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span file;
    const char *problem = NULL;
    pbts_mem *mem = pbts_mem_system();
    assert_int_equal(pbts_torrent_builder_new(&builder, mem, &options), PBTS_OK);
    for (int i = 0; i < FILES; i++) {
        char name[2] = { (char)('a' + i), 0 };
        assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text(name), SIZES[i]),
                         PBTS_OK);
        assert_int_equal(pbts_torrent_builder_add(builder, (pbts_span){ contents[i], SIZES[i] }),
                         PBTS_OK);
    }
    assert_int_equal(pbts_torrent_builder_finish(builder, &file), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, &problem, mem, file), PBTS_OK);
    pbts_torrent_builder_free(builder);
    return meta;
}

/* The piece's bytes out of the files, an exact-size heap copy; pads are zero. */
static uint8_t *piece_bytes(const pbts_metainfo *meta, uint8_t *const *contents, uint32_t index,
                            uint32_t *len) {
    uint64_t from = pbts_piece_offset(meta, index);
    *len = pbts_piece_stream_bytes(meta, index);
    uint8_t *bytes = calloc(1, *len);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        if (file.padding) continue;
        for (uint64_t at = 0; at < file.length_bytes; at++) {
            uint64_t offset = file.offset_bytes + at;
            if (offset < from || offset >= from + *len) continue;
            bytes[offset - from] = contents[file.path.data[0] - 'a'][at];
        }
    }
    return bytes;
}

static void the_built_pieces_are_right_and_damaged_ones_are_not(void **state) {
    (void)state;
    uint8_t *contents[FILES];
    pbts_prng prng = pbts_prng_seeded(3);
    for (int i = 0; i < FILES; i++) {
        contents[i] = malloc(SIZES[i] + 1u);
        for (uint32_t at = 0; at < SIZES[i]; at++) contents[i][at] = (uint8_t)pbts_prng_next(&prng);
    }
    for (int version = PBTS_TORRENT_V1; version <= PBTS_TORRENT_HYBRID; version++) {
        pbts_metainfo *meta = build(contents, (pbts_torrent_version)version);
        uint32_t count = pbts_metainfo_piece_count(meta);
        assert_true(count >= 9);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t len;
            uint8_t *bytes = piece_bytes(meta, contents, i, &len);
            assert_int_equal(pbts_piece_check(meta, i, (pbts_span){ bytes, len }), PBTS_OK);
            assert_int_equal(pbts_piece_check(meta, i, (pbts_span){ bytes, len - 1 }),
                             PBTS_MALFORMED);
            uint32_t other = (i + 1) % count;
            if (pbts_piece_stream_bytes(meta, other) == len) {
                assert_int_equal(pbts_piece_check(meta, other, (pbts_span){ bytes, len }),
                                 PBTS_MALFORMED);
            }
            for (int damage = 0; damage < 8; damage++) {
                uint32_t at = pbts_prng_below(&prng, len);
                bytes[at] ^= (uint8_t)(1u << damage);
                assert_int_equal(pbts_piece_check(meta, i, (pbts_span){ bytes, len }),
                                 PBTS_MALFORMED);
                bytes[at] ^= (uint8_t)(1u << damage);
            }
            free(bytes);
        }
        pbts_metainfo_free(meta);
    }
    for (int i = 0; i < FILES; i++) free(contents[i]);
}

static void an_offset_finds_its_file(void **state) {
    (void)state;
    uint8_t *contents[FILES];
    for (int i = 0; i < FILES; i++) contents[i] = calloc(1, SIZES[i] + 1u);
    for (int version = PBTS_TORRENT_V1; version <= PBTS_TORRENT_HYBRID; version++) {
        pbts_metainfo *meta = build(contents, (pbts_torrent_version)version);
        for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
            pbts_torrent_file file = pbts_metainfo_file(meta, i);
            if (file.length_bytes == 0) continue;
            uint64_t last = file.offset_bytes + file.length_bytes - 1;
            assert_int_equal(pbts_metainfo_file_at(meta, file.offset_bytes), i);
            assert_int_equal(pbts_metainfo_file_at(meta, last), i);
        }
        pbts_metainfo_free(meta);
    }
    for (int i = 0; i < FILES; i++) free(contents[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_built_pieces_are_right_and_damaged_ones_are_not),
        cmocka_unit_test(an_offset_finds_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
