/* Unit tests of torrent/metainfo*.c: libtorrent's torrents, then small ones bent field by field. */
#include "torrent_test.h"

#include <stdio.h>

#include "torrent/file_list.h"
#include "torrent/merkle.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex) {
    uint8_t want[PBTS_SHA256_LEN];
    assert_int_equal(pbts_hex_decode_exact(want, len, pbts_span_text(hex)), PBTS_OK);
    assert_memory_equal(bytes, want, len);
}

static void libtorrents_torrents_have_its_infohashes_pieces_and_totals(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        pbts_span bytes = vector_bytes(i);
        pbts_metainfo *meta;
        assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
        assert_sound(meta);
        bool v1 = LIBTORRENT[i].infohash_v1[0] != '\0', v2 = LIBTORRENT[i].infohash_v2[0] != '\0';
        assert_int_equal(pbts_metainfo_has_v1(meta), v1);
        assert_int_equal(pbts_metainfo_has_v2(meta), v2);
        if (v1) assert_hex(pbts_metainfo_infohash_v1(meta), 20, LIBTORRENT[i].infohash_v1);
        if (v2) assert_hex(pbts_metainfo_infohash_v2_full(meta), 32, LIBTORRENT[i].infohash_v2);
        if (v2)
            assert_memory_equal(pbts_metainfo_infohash_v2(meta),
                                pbts_metainfo_infohash_v2_full(meta), 20);
        assert_ptr_equal(pbts_metainfo_infohash(meta),
                         v1 ? pbts_metainfo_infohash_v1(meta) : pbts_metainfo_infohash_v2(meta));
        assert_int_equal(pbts_metainfo_piece_count(meta), LIBTORRENT[i].piece_count);
        assert_int_equal(pbts_metainfo_total_bytes(meta), LIBTORRENT[i].total_bytes);
        assert_true(pbts_metainfo_is_private(meta));
        assert_true(pbts_span_equal(pbts_metainfo_bytes(meta), bytes));
        pbts_metainfo_free(meta);
        free((void *)bytes.data);
    }
}

/* The real bytes of a v2 file's piece hash to what the parser says, block by block. */
static void check_v2_pieces(const pbts_metainfo *meta, const sample_file *sample,
                            const pbts_torrent_file *file) {
    uint32_t length = pbts_metainfo_piece_length(meta);
    uint8_t *content = sample_content(sample);
    for (size_t at = 0; at < sample->length; at += length) {
        uint32_t index = (uint32_t)((file->offset_bytes + at) / length);
        uint32_t bytes = pbts_metainfo_piece_bytes(meta, index);
        pbts_merkle tree;
        uint8_t hash[32], want[32];
        pbts_merkle_init(&tree);
        for (size_t block = 0; block < bytes; block += PBTS_BLOCK_LEN) {
            size_t len = bytes - block < PBTS_BLOCK_LEN ? bytes - block : PBTS_BLOCK_LEN;
            pbts_sha256(hash, (pbts_span){ content + at + block, len });
            pbts_merkle_add(&tree, hash);
        }
        bool whole = sample->length <= length;
        uint64_t leaves = whole ? tree.leaf_count : length / PBTS_BLOCK_LEN;
        pbts_merkle_root(want, &tree, pbts_merkle_height(leaves), 0);
        pbts_metainfo_piece_hash(hash, meta, true, index);
        assert_memory_equal(hash, want, sizeof want);
    }
    free(content);
}

static void v2_piece_hashes_are_those_of_the_files_own_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        pbts_span bytes = vector_bytes(i);
        pbts_metainfo *meta;
        uint32_t file = 0;
        assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
        for (size_t s = 0; s < SAMPLE_COUNT && pbts_metainfo_has_v2(meta); s++) {
            if (strcmp(SAMPLES[s].set, LIBTORRENT[i].set) != 0) continue;
            pbts_torrent_file found = pbts_metainfo_file(meta, file++);
            assert_true(pbts_span_is(found.path, SAMPLES[s].path));
            assert_int_equal(found.length_bytes, SAMPLES[s].length);
            check_v2_pieces(meta, &SAMPLES[s], &found);
        }
        if (pbts_metainfo_has_v2(meta)) assert_int_equal(pbts_metainfo_file_count(meta), file);
        pbts_metainfo_free(meta);
        free((void *)bytes.data);
    }
}

static void every_truncation_is_malformed_with_a_problem_told(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        pbts_span bytes = vector_bytes(i);
        for (size_t len = 0; len < bytes.len; len++) {
            pbts_metainfo *meta = NULL;
            const char *problem = NULL;
            assert_int_equal(parse_copy(&meta, &problem, (pbts_span){ bytes.data, len }),
                             PBTS_MALFORMED);
            assert_null(meta);
            assert_non_null(problem);
        }
        free((void *)bytes.data);
    }
}

static void single_byte_damage_gives_a_sound_torrent_or_a_refusal(void **state) {
    (void)state;
    size_t accepted = 0, refused = 0;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        pbts_span bytes = vector_bytes(i);
        for (size_t at = 0; at < bytes.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                pbts_metainfo *meta;
                uint8_t *byte = (uint8_t *)bytes.data + at;
                *byte = (uint8_t)(*byte ^ 1u << bit);
                if (parse_copy(&meta, NULL, bytes) == PBTS_OK) {
                    assert_sound(meta);
                    pbts_metainfo_free(meta);
                    accepted++;
                } else {
                    refused++;
                }
                *byte = (uint8_t)(*byte ^ 1u << bit);
            }
        }
        free((void *)bytes.data);
    }
    assert_true(accepted > 0 && refused > 0);
}

#define H20 "AAAAAAAAAAAAAAAAAAAA"
#define H32 "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"
#define V1(content) "d4:infod" content "4:name1:n12:piece lengthi16384e6:pieces20:" H20 "ee"
#define V1_FILES(entries) V1("5:filesl" entries "e")
#define V1_PATH(path) V1_FILES("d6:lengthi1e4:pathl" path "ee")
#define V2(tree) "d4:infod9:file treed" tree "e12:meta versioni2e4:name1:n12:piece lengthi16384eee"
#define LEAF(length) "d0:d6:lengthi" length "e11:pieces root32:" H32 "ee"
#define HYBRID(tree, content)               \
    "d4:infod9:file treed" tree "e" content \
    "12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces20:" H20 "ee"

static void assert_status(const char *text, pbts_status want) {
    pbts_metainfo *meta;
    const char *problem = "accepted";
    pbts_status status = parse_copy(&meta, &problem, pbts_span_text(text));
    if (status != want) fail_msg("%s: %s (%s)", text, pbts_status_name(status), problem);
    if (status == PBTS_OK) {
        assert_sound(meta);
        pbts_metainfo_free(meta);
    }
}

static void small_honest_torrents_are_taken(void **state) {
    static const char *const CASES[] = {
        V1("6:lengthi1e"),
        V1("6:lengthi16384e"),
        V1_PATH("1:a"),
        V1_PATH("1:a1:b"),
        V1_PATH("3:..."),
        V1_PATH("2:\\a"),
        V1_FILES("d6:lengthi1e4:pathl1:aeed6:lengthi0e4:pathl1:bee"),
        V1_FILES("d6:lengthi1e4:pathl3:a-beed6:lengthi1e4:pathl1:a1:bee"),
        V1_FILES("d4:attr1:p6:lengthi9e4:pathl4:.pad1:9eed6:lengthi1e4:pathl1:bee"),
        V2("1:n" LEAF("1")),
        V2("1:a" LEAF("16384")),
        V2("1:ad1:b" LEAF("1") "1:c" LEAF("2") "e"),
        V2("1:ad0:d6:lengthi0eee1:b" LEAF("1")),
        HYBRID("1:n" LEAF("1"), "6:lengthi1e"),
        HYBRID("1:n" LEAF("1"), "5:filesld6:lengthi1e4:pathl1:neee"),
        HYBRID("1:a" LEAF("1"), "5:filesld6:lengthi1e4:pathl1:aeed4:attr1:p6:lengthi16383e"
                                "4:pathl4:.pad5:16383eee"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) assert_status(CASES[i], PBTS_OK);
}

static void bad_v1_fields_are_refused(void **state) {
    static const char *const CASES[] = {
        "i1e",
        "de",
        "d4:infolee",
        "d4:infodee",
        V1("6:lengthi1e") "x",
        V1(""),
        V1("6:lengthi0e"),
        V1("6:lengthi-1e"),
        V1("6:length1:1"),
        V1("6:lengthi16385e"),
        V1("5:filesld6:lengthi1e4:pathl1:aeee6:lengthi1e"),
        V1_FILES(""),
        V1_FILES("i1e"),
        V1_FILES("d6:lengthi1ee"),
        V1_FILES("d4:pathl1:aee"),
        V1_FILES("d6:lengthi1e4:path1:ae"),
        V1_FILES("d6:lengthi1e4:pathl1:aeed6:lengthi1e4:pathl1:aee"),
        V1_FILES("d6:lengthi1e4:pathl1:aeed6:lengthi1e4:pathl1:a1:bee"),
        V1_FILES("d6:lengthi1e4:pathl1:a1:beed6:lengthi1e4:pathl3:a-beed6:lengthi1e4:pathl1:aee"),
        V1_FILES("d4:attr1:l6:lengthi1e4:pathl1:aee"),
        V1_FILES("d4:attr1:p6:lengthi1e4:pathl1:aee"),
        V1_PATH(""),
        V1_PATH("0:"),
        V1_PATH("1:."),
        V1_PATH("2:.."),
        V1_PATH("1:a2:.."),
        V1_PATH("3:a/b"),
        V1_PATH("1:/"),
        V1_PATH("i1e"),
        "d4:infod6:lengthi1e4:name0:12:piece lengthi16384e6:pieces20:" H20 "ee",
        "d4:infod6:lengthi1e4:name2:..12:piece lengthi16384e6:pieces20:" H20 "ee",
        "d4:infod6:lengthi1e4:name3:a/b12:piece lengthi16384e6:pieces20:" H20 "ee",
        "d4:infod6:lengthi1e12:piece lengthi16384e6:pieces20:" H20 "ee",
        "d4:infod6:lengthi1e4:name1:n6:pieces20:" H20 "ee",
        "d4:infod6:lengthi1e4:name1:n12:piece lengthi16384eee",
        "d4:infod6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces0:ee",
        "d4:infod6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces21:A" H20 "ee",
        "d4:infod6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces40:" H20 H20 "ee",
        "d4:infod6:lengthi16385e12:meta versioni3e4:name1:n12:piece lengthi16384e6:pieces20:" H20
        "ee",
        V1("9:file treede6:lengthi1e"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_status(CASES[i], PBTS_MALFORMED);
    }
    static const uint8_t NUL_PATH[] = V1_PATH("3:a\0b");
    pbts_metainfo *meta;
    pbts_span bytes = { NUL_PATH, sizeof NUL_PATH - 1 };
    assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_MALFORMED);
}

static void bad_v2_fields_are_refused(void **state) {
    static const char *const CASES[] = {
        V2(""),
        V2("1:ade"),
        V2("1:ade1:b" LEAF("1")),
        V2("1:ai1e"),
        V2("0:d6:lengthi1e11:pieces root32:" H32 "e"),
        V2("1:ad0:d6:lengthi0eee"),
        V2("1:ad0:d6:lengthi1eee"),
        V2("1:ad0:d6:lengthi1e11:pieces root31:RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRee"),
        V2("1:ad0:d11:pieces root32:" H32 "ee"),
        V2("1:ad0:d6:lengthi-1e11:pieces root32:" H32 "ee"),
        V2("1:ad0:d4:attr1:p6:lengthi1e11:pieces root32:" H32 "ee"),
        V2("1:ad0:d4:attr1:l6:lengthi1e11:pieces root32:" H32 "ee"),
        V2("1:ad0:d6:lengthi1e11:pieces root32:" H32 "e1:b" LEAF("1") "e"),
        V2("1:." LEAF("1")),
        V2("2:.." LEAF("1")),
        V2("3:a/b" LEAF("1")),
        V2("1:ad2:.." LEAF("1") "e"),
        V2("1:a" LEAF("16385")), /* two pieces, no layer */
        "d4:infod9:file treed1:a" LEAF("1") "e4:name1:n12:piece lengthi16384eee",
        "d4:infod9:file treed1:a" LEAF("1") "e12:meta versioni1e4:name1:n12:piece lengthi16384eee",
        "d4:infod9:file treed1:a" LEAF("1") "e12:meta versioni2e4:name1:n12:piece lengthi16385eee",
        "d4:infod9:file treed1:a" LEAF("1") "e12:meta versioni2e4:name1:n12:piece lengthi49152eee",
        "d4:infod12:meta versioni2e4:name1:n12:piece lengthi16384eee",
        "d4:infod9:file treele12:meta versioni2e4:name1:n12:piece lengthi16384eee",
        "d4:infod9:file treed1:a" LEAF(
            "1") "e12:meta versioni2e4:name1:n12:piece lengthi16384ee12:piece layersle"
                 "e",
        "d4:infod9:file treed1:a" LEAF(
            "1") "e12:meta versioni2e4:name1:n12:piece lengthi16384ee12:piece layersd1:x1:yee",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_status(CASES[i], PBTS_MALFORMED);
    }
}

static void a_hybrid_whose_halves_differ_is_refused(void **state) {
#define TWO_TREE "1:a" LEAF("1") "1:b" LEAF("2")
#define FILE_V1(length, path) "d6:lengthi" length "e4:pathl" path "ee"
#define PAD(length) "d4:attr1:p6:lengthi" length "e4:pathl4:.pad1:xee"
#define TWO(entries)                                    \
    "d4:infod9:file treed" TWO_TREE "e5:filesl" entries \
    "e12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces40:" H20 H20 "ee"
    static const char *const CASES[] = {
        HYBRID("1:a" LEAF("1") "1:bd0:d6:lengthi0eee", "5:filesl" FILE_V1("1", "1:a") "e"),
        "d4:infod9:file treed" TWO_TREE "e5:filesl" FILE_V1("1", "1:a") PAD("16383")
            FILE_V1("2", "1:b") PAD("16383") "e12:meta versioni2e4:name1:n12:piece lengthi16384e"
                                             "6:pieces60:" H20 H20 H20 "ee",
        TWO(FILE_V1("1", "1:a") FILE_V1("2", "1:b")),
        TWO(FILE_V1("1", "1:a") PAD("16382") FILE_V1("2", "1:b")),
        TWO(FILE_V1("1", "1:a") PAD("16384") FILE_V1("2", "1:b")),
        TWO(FILE_V1("1", "1:a") PAD("16383") FILE_V1("1", "1:b")),
        TWO(FILE_V1("1", "1:a") PAD("16383") FILE_V1("2", "1:c")),
        TWO(FILE_V1("1", "1:a") PAD("16383")),
        TWO(FILE_V1("1", "1:a") PAD("16383") FILE_V1("2", "1:b") FILE_V1("0", "1:c")),
        TWO(FILE_V1("2", "1:b") PAD("16382") FILE_V1("1", "1:a")),
        TWO(PAD("16384") FILE_V1("1", "1:a") PAD("16383") FILE_V1("2", "1:b")),
        TWO(FILE_V1("1", "1:a") PAD("16383") FILE_V1("2", "1:b") PAD("16383")),
        HYBRID("1:a" LEAF("1"), "6:lengthi1e"),
        HYBRID("1:n" LEAF("2"), "6:lengthi1e"),
        "d4:infod9:file treed1:n" LEAF("1") "e12:meta versioni2e4:name1:n12:piece lengthi16384e"
                                            "6:pieces20:" H20 "ee",
        "d4:infod9:file treed1:n" LEAF("1") "e6:lengthi1e12:meta versioni2e4:name1:n"
                                            "12:piece lengthi16384eee",
    };
    (void)state;
    assert_status(TWO(FILE_V1("1", "1:a") PAD("16383") FILE_V1("2", "1:b")), PBTS_OK);
    assert_status(TWO(FILE_V1("1", "1:a") PAD("16383") FILE_V1("2", "1:b") PAD("16382")), PBTS_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_status(CASES[i], PBTS_MALFORMED);
    }
}

/* 16 files fill the first allocation of a list, so a look past the tree's last one shows. */
static void a_hybrid_with_more_v1_files_than_the_tree_is_refused(void **state) {
    (void)state;
    for (unsigned extra = 0; extra < 2; extra++) {
        uint8_t buffer[4096];
        pbts_writer text = pbts_writer_over(buffer, sizeof buffer);
        pbts_write_text(&text, "d4:infod9:file treed");
        for (char c = 'a'; c < 'a' + 16; c++) {
            const char name[] = { '1', ':', c, '\0' };
            pbts_write_text(&text, name);
            pbts_write_text(&text, c == 'a' ? LEAF("1") : "d0:d6:lengthi0eee");
        }
        pbts_write_text(&text, "e5:filesl");
        for (char c = 'a'; c < (char)('a' + 16 + extra); c++) {
            const char name[] = { '1', ':', c, '\0' };
            pbts_write_text(&text, c == 'a' ? "d6:lengthi1e4:pathl" : "d6:lengthi0e4:pathl");
            pbts_write_text(&text, name);
            pbts_write_text(&text, "ee");
        }
        pbts_write_text(&text,
                        "e12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces20:" H20 "ee");
        pbts_metainfo *meta = NULL;
        pbts_status want = extra == 0 ? PBTS_OK : PBTS_MALFORMED;
        assert_int_equal(parse_copy(&meta, NULL, pbts_writer_span(&text)), want);
        pbts_metainfo_free(meta);
    }
}

static void padding_of_a_v1_torrent_is_never_credited(void **state) {
    static const char TEXT[] =
        "d4:infod5:filesl" FILE_V1("100", "1:a") PAD("16284") FILE_V1("20000", "1:b") PAD("5")
            FILE_V1("7", "1:c") "e4:name1:n12:piece lengthi16384e6:pieces60:" H20 H20 H20 "ee";
    pbts_metainfo *meta;
    (void)state;
    assert_int_equal(parse_copy(&meta, NULL, pbts_span_text(TEXT)), PBTS_OK);
    assert_sound(meta);
    assert_int_equal(pbts_metainfo_total_bytes(meta), 20107);
    assert_int_equal(pbts_metainfo_piece_bytes(meta, 0), 100);
    assert_int_equal(pbts_metainfo_piece_bytes(meta, 1), 16384);
    assert_int_equal(pbts_metainfo_piece_bytes(meta, 2), 20000 - 16384 + 7);
    assert_true(pbts_metainfo_file(meta, 1).padding);
    assert_int_equal(pbts_metainfo_file(meta, 4).offset_bytes, 16384 + 20005);
    pbts_metainfo_free(meta);
    assert_status("d4:infod5:filesl" FILE_V1("1", "1:a") PAD("32767")
                      FILE_V1("1", "1:b") "e4:name1:n12:piece lengthi16384e6:pieces60:" H20 H20 H20
                                          "ee",
                  PBTS_MALFORMED);
}

static void a_changed_layer_or_root_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        pbts_span bytes = vector_bytes(i);
        pbts_bvalue root, layers, value;
        pbts_span key;
        assert_int_equal(pbts_bencode_parse(&root, bytes), PBTS_OK);
        if (!pbts_bdict_find(&root, "piece layers", &layers)) layers.type = PBTS_BINT;
        pbts_biter iter = pbts_bvalue_items(&layers);
        while (pbts_biter_next_pair(&iter, &key, &value)) {
            const pbts_span PARTS[2] = { key, value.string };
            for (size_t part = 0; part < 2; part++) {
                uint8_t *byte = (uint8_t *)PARTS[part].data + PARTS[part].len - 1;
                pbts_metainfo *meta;
                *byte ^= 1;
                assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_MALFORMED);
                *byte ^= 1;
            }
        }
        free((void *)bytes.data);
    }
}

static void private_is_1_and_nothing_else(void **state) {
    static const struct {
        const char *text;
        bool want;
    } CASES[] = {
        { "", false },
        { "7:privatei1e", true },
        { "7:privatei0e", false },
        { "7:privatei2e", false },
        { "7:private1:1", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[256];
        pbts_metainfo *meta;
        (void)snprintf(text, sizeof text,
                       "d4:infod6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:" H20 "%see",
                       CASES[i].text);
        assert_int_equal(parse_copy(&meta, NULL, pbts_span_text(text)), PBTS_OK);
        assert_int_equal(pbts_metainfo_is_private(meta), CASES[i].want);
        pbts_metainfo_free(meta);
    }
}

static void sizes_past_a_limit_are_refused(void **state) {
    (void)state;
    assert_status("d4:infod6:lengthi1e4:name1:n12:piece lengthi16383e6:pieces20:" H20 "ee",
                  PBTS_LIMIT);
    assert_status("d4:infod6:lengthi1e4:name1:n12:piece lengthi67108864e6:pieces20:" H20 "ee",
                  PBTS_OK);
    assert_status("d4:infod6:lengthi1e4:name1:n12:piece lengthi67108865e6:pieces20:" H20 "ee",
                  PBTS_LIMIT);
    assert_status(V1("6:lengthi9223372036854775807e"), PBTS_LIMIT);
    assert_status(V1("6:lengthi17179869184e"), PBTS_MALFORMED); /* 2^20 pieces, one hash */
    assert_status(V1("6:lengthi17179869185e"), PBTS_LIMIT);
    assert_status(V2("1:a" LEAF("17179869184")), PBTS_MALFORMED);
    assert_status(V2("1:a" LEAF("17179869185")), PBTS_LIMIT);
    assert_status(V2("1:a" LEAF("1") "1:b" LEAF("17179869184")), PBTS_LIMIT);
    assert_status(V2("1:a" LEAF("9223372036854775807") "1:b" LEAF("9223372036854775807")),
                  PBTS_LIMIT);
    assert_status(V1_FILES(FILE_V1("9223372036854775807", "1:a") FILE_V1(
                      "9223372036854775807", "1:b") FILE_V1("9223372036854775807", "1:c")),
                  PBTS_LIMIT);
    pbts_metainfo *meta;
    uint8_t *large = calloc(PBTS_METAINFO_LEN_MAX + 1, 1);
    pbts_span bytes = { large, PBTS_METAINFO_LEN_MAX + 1 };
    assert_non_null(large);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_LIMIT);
    bytes.len--;
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_MALFORMED);
    free(large);
}

/* A torrent of `count` one-byte files; v1, or v2 with each in the folder `folder`. */
static pbts_status parse_many(size_t count, const char *folder) {
    size_t capacity = 200 * count + 10000;
    uint8_t *buffer = malloc(capacity);
    assert_non_null(buffer);
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    pbts_write_text(&writer, folder ? "d4:infod9:file treed" : "d4:infod5:filesl");
    if (folder) pbts_bencode_text(&writer, folder);
    if (folder) pbts_write_u8(&writer, 'd');
    for (size_t i = 0; i < count; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "%07zu", i);
        pbts_write_text(&writer, folder ? "" : "d6:lengthi1e4:pathl");
        pbts_bencode_text(&writer, name);
        pbts_write_text(&writer, folder ? LEAF("1") : "ee");
    }
    pbts_write_text(&writer, folder ? "ee12:meta versioni2e" : "e");
    pbts_write_text(&writer, "4:name1:n12:piece lengthi16384e");
    size_t pieces = (count + 16383) / 16384;
    if (!folder) pbts_write_text(&writer, "6:pieces");
    if (!folder) pbts_write_decimal(&writer, 20 * pieces);
    if (!folder) pbts_write_u8(&writer, ':');
    for (size_t i = 0; i < pieces && !folder; i++) pbts_write_text(&writer, H20);
    pbts_write_text(&writer, "ee");
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    pbts_metainfo *meta;
    pbts_status status = parse_copy(&meta, NULL, pbts_writer_span(&writer));
    if (status == PBTS_OK) {
        assert_int_equal(pbts_metainfo_file_count(meta), count);
        pbts_metainfo_free(meta);
    }
    free(buffer);
    return status;
}

static void files_and_their_paths_are_bounded(void **state) {
    static char folder[PBTS_TORRENT_PATH_MAX + 1];
    (void)state;
    assert_int_equal(parse_many(PBTS_TORRENT_FILES_MAX, NULL), PBTS_OK);
    assert_int_equal(parse_many(PBTS_TORRENT_FILES_MAX + 1, NULL), PBTS_LIMIT);
    memset(folder, 'f', PBTS_TORRENT_PATH_MAX - 8); /* and "/0000000" */
    assert_int_equal(parse_many(1, folder), PBTS_OK);
    size_t fit = PBTS_TORRENT_PATHS_LEN_MAX / PBTS_TORRENT_PATH_MAX;
    assert_int_equal(parse_many(fit, folder), PBTS_OK);
    assert_int_equal(parse_many(fit + 1, folder), PBTS_LIMIT);
    folder[PBTS_TORRENT_PATH_MAX - 8] = 'f';
    assert_int_equal(parse_many(1, folder), PBTS_LIMIT);
}

static void every_allocation_may_fail_and_nothing_leaks(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        pbts_span bytes = vector_bytes(i);
        size_t failures = 0;
        for (pbts_status status = PBTS_NO_MEMORY; status != PBTS_OK; failures++) {
            faulty_mem faulty = faulty_after(failures);
            pbts_metainfo *meta = NULL;
            const char *problem = NULL;
            status = pbts_metainfo_parse(&meta, &problem, &faulty.mem, bytes);
            if (status == PBTS_OK) {
                pbts_metainfo_free(meta);
            } else {
                assert_int_equal(status, PBTS_NO_MEMORY);
                assert_string_equal(problem, "out of memory");
                assert_null(meta);
            }
            assert_int_equal(faulty.live, 0);
        }
        assert_true(failures > 4);
        free((void *)bytes.data);
    }
}

static void paths_sort_part_by_part(void **state) {
    static const char *const ORDER[] = { "A", "a", "a/b", "a/b/c", "a/c", "a!", "a-b", "ab", "b" };
    (void)state;
    for (size_t i = 0; i < sizeof ORDER / sizeof ORDER[0]; i++) {
        for (size_t j = 0; j < sizeof ORDER / sizeof ORDER[0]; j++) {
            int order =
                pbts_torrent_path_compare(pbts_span_text(ORDER[i]), pbts_span_text(ORDER[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libtorrents_torrents_have_its_infohashes_pieces_and_totals),
        cmocka_unit_test(v2_piece_hashes_are_those_of_the_files_own_bytes),
        cmocka_unit_test(every_truncation_is_malformed_with_a_problem_told),
        cmocka_unit_test(single_byte_damage_gives_a_sound_torrent_or_a_refusal),
        cmocka_unit_test(small_honest_torrents_are_taken),
        cmocka_unit_test(bad_v1_fields_are_refused),
        cmocka_unit_test(bad_v2_fields_are_refused),
        cmocka_unit_test(a_hybrid_whose_halves_differ_is_refused),
        cmocka_unit_test(a_hybrid_with_more_v1_files_than_the_tree_is_refused),
        cmocka_unit_test(padding_of_a_v1_torrent_is_never_credited),
        cmocka_unit_test(a_changed_layer_or_root_is_refused),
        cmocka_unit_test(private_is_1_and_nothing_else),
        cmocka_unit_test(sizes_past_a_limit_are_refused),
        cmocka_unit_test(files_and_their_paths_are_bounded),
        cmocka_unit_test(every_allocation_may_fail_and_nothing_leaks),
        cmocka_unit_test(paths_sort_part_by_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
