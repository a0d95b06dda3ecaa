/* Unit tests of torrent/layers.c, layer_server.c and layer_files.c. */
#include "torrent/torrent_test.h"

#include "hash/sha.h"
#include "torrent/layers.h"
#include "torrent/piece_check.h"

enum { PIECE = 16 * 1024, NODES_MAX = 4096, LAYERS_MAX = 13 };

/* A v2 torrent of files "0", "1", ... of so many pieces each. */
static pbts_metainfo *torrent(const uint32_t *pieces, uint32_t count, uint32_t piece_length,
                              pbts_torrent_version version) {
    pbts_torrent_options options = { .version = version,
                                     .piece_length = piece_length,
                                     .name = pbts_span_text("t") };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span bytes;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    for (uint32_t i = 0; i < count; i++) {
        char name[2] = { (char)('0' + i), 0 };
        size_t len = (size_t)pieces[i] * piece_length - 100;
        uint8_t *data = malloc(len);
        assert_non_null(data);
        for (size_t at = 0; at < len; at++) data[at] = (uint8_t)(at * 7 + (at >> 14) + i);
        assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text(name), len),
                         PBTS_OK);
        assert_int_equal(pbts_torrent_builder_add(builder, (pbts_span){ data, len }), PBTS_OK);
        free(data);
    }
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    return meta;
}

/* The naive twin: the whole tree above one file's pieces. */
typedef struct {
    uint8_t nodes[LAYERS_MAX][NODES_MAX][32]; /* [0]: pieces */
    unsigned layers;                          /* [layers - 1] has the root alone */
} tree;

static void pair(uint8_t out[32], const uint8_t *left, const uint8_t *right) {
    uint8_t both[64];
    memcpy(both, left, 32);
    memcpy(both + 32, right, 32);
    pbts_sha256(out, PBTS_SPAN_OF(both));
}

static tree *tree_of(const pbts_metainfo *meta, uint32_t first_piece, uint32_t pieces) {
    tree *t = calloc(1, sizeof *t);
    assert_non_null(t);
    uint8_t pad[32] = { 0 };
    for (uint32_t n = pbts_metainfo_piece_length(meta) / PIECE; n > 1; n /= 2) pair(pad, pad, pad);
    uint32_t width = 1;
    for (; width < pieces; width *= 2) t->layers++;
    t->layers++;
    for (uint32_t i = 0; i < width; i++) {
        memcpy(t->nodes[0][i], pad, 32);
        if (i < pieces) pbts_metainfo_piece_hash(t->nodes[0][i], meta, true, first_piece + i);
    }
    for (unsigned layer = 1; layer < t->layers; layer++) {
        for (uint32_t i = 0; i < width >> layer; i++) {
            pair(t->nodes[layer][i], t->nodes[layer - 1][2 * i], t->nodes[layer - 1][2 * i + 1]);
        }
    }
    return t;
}

static pbts_status read_range(pbts_layer_server *server, pbts_writer *writer, uint8_t *buffer,
                              const tree *t, uint32_t base, uint32_t index, uint32_t length,
                              uint32_t proof) {
    pbts_layer_range range = {
        .base_layer = base, .index = index, .length = length, .proof_layers = proof
    };
    memcpy(range.root, t->nodes[t->layers - 1][0], 32);
    *writer = pbts_writer_over(buffer, PBTS_LAYER_BYTES_MAX);
    return pbts_layer_server_read(server, writer, &range);
}

/* Every range of every tree of up to some 2,000 pieces (each width once) against the twin. */
static void every_range_is_that_of_the_whole_tree(void **state) {
    (void)state;
    static const uint32_t sizes[] = { 2, 3, 4, 5, 17, 511, 512, 513, 1024, 1100, 2049 };
    static uint8_t buffer[PBTS_LAYER_BYTES_MAX];
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const uint32_t pieces[] = { 3, sizes[s] };
        uint32_t piece_length = sizes[s] < 100 ? 4 * PIECE : PIECE, height = sizes[s] < 100 ? 2 : 0;
        pbts_metainfo *meta = torrent(pieces, 2, piece_length, PBTS_TORRENT_V2);
        tree *t = tree_of(meta, 3, sizes[s]);
        pbts_layer_server *server;
        assert_int_equal(pbts_layer_server_new(&server, pbts_mem_system(), meta), PBTS_OK);
        for (unsigned layer = 0; layer + 1 < t->layers; layer++) {
            uint32_t nodes = 1u << (t->layers - 1 - layer);
            for (uint32_t length = 2; length <= 512 && length <= nodes; length *= 2) {
                for (uint32_t index = 0; index < nodes; index += length * (nodes > 64 ? 3 : 1)) {
                    unsigned proof = (index + layer) % (t->layers - 1 - layer);
                    pbts_writer writer;
                    assert_int_equal(read_range(server, &writer, buffer, t, layer + height, index,
                                                length, proof),
                                     PBTS_OK);
                    const uint8_t *at = buffer;
                    for (uint32_t i = 0; i < length; i++, at += 32) {
                        assert_memory_equal(at, t->nodes[layer][index + i], 32);
                    }
                    unsigned up = 0;
                    while (1u << up < length) up++;
                    for (; up <= proof; up++, at += 32) {
                        assert_memory_equal(at, t->nodes[layer + up][index >> up ^ 1], 32);
                    }
                    assert_ptr_equal(at, buffer + writer.len);
                }
            }
        }
        pbts_layer_server_free(server);
        free(t);
        pbts_metainfo_free(meta);
    }
}

static void what_is_not_in_the_tree_is_not_found(void **state) {
    (void)state;
    static uint8_t buffer[PBTS_LAYER_BYTES_MAX];
    const uint32_t pieces[] = { 9, 1 };
    pbts_metainfo *meta = torrent(pieces, 2, 2 * PIECE, PBTS_TORRENT_V2);
    tree *t = tree_of(meta, 0, 9), *small = tree_of(meta, 9, 1);
    pbts_layer_server *server;
    pbts_writer writer;
    assert_int_equal(pbts_layer_server_new(&server, pbts_mem_system(), meta), PBTS_OK);
    static const struct {
        uint32_t base, index, length, proof;
        pbts_status status;
    } cases[] = {
        { 1, 0, 16, 3, PBTS_OK },
        { 1, 0, 2, 3, PBTS_OK },
        { 4, 0, 2, 0, PBTS_OK },
        { 0, 0, 2, 3, PBTS_NOT_FOUND },
        { 1, 0, 2, 4, PBTS_NOT_FOUND },
        { 1, 0, 1, 3, PBTS_NOT_FOUND },
        { 1, 0, 3, 3, PBTS_NOT_FOUND },
        { 1, 0, 0, 3, PBTS_NOT_FOUND },
        { 1, 0, 32, 3, PBTS_NOT_FOUND },
        { 1, 1, 2, 3, PBTS_NOT_FOUND },
        { 1, 16, 2, 3, PBTS_NOT_FOUND },
        { 5, 0, 2, 0, PBTS_NOT_FOUND },
        { UINT32_MAX, 0, 2, 0, PBTS_NOT_FOUND },
        { 1, UINT32_MAX - 1, 2, 3, PBTS_NOT_FOUND },
        { 1, 0, 2, UINT32_MAX, PBTS_NOT_FOUND },
        { 1, 0, 1u << 31, 3, PBTS_NOT_FOUND },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_range(server, &writer, buffer, t, cases[i].base, cases[i].index,
                                    cases[i].length, cases[i].proof),
                         cases[i].status);
    }
    /* A file of one piece has no layer; another torrent's root is nobody's. */
    assert_int_equal(read_range(server, &writer, buffer, small, 1, 0, 2, 0), PBTS_NOT_FOUND);
    t->nodes[t->layers - 1][0][5] ^= 1;
    assert_int_equal(read_range(server, &writer, buffer, t, 1, 0, 2, 3), PBTS_NOT_FOUND);
    t->nodes[t->layers - 1][0][5] ^= 1;
    /* A buffer that is too small. */
    pbts_layer_range range = { .base_layer = 1, .length = 2, .proof_layers = 3 };
    memcpy(range.root, t->nodes[t->layers - 1][0], 32);
    writer = pbts_writer_over(buffer, 100);
    assert_int_equal(pbts_layer_server_read(server, &writer, &range), PBTS_NO_SPACE);
    pbts_layer_server_free(server);
    free(t);
    free(small);
    pbts_metainfo_free(meta);
}

/* A request of 53 bytes, from anybody: how much is hashed for it has an end. */
static void layers_in_between_are_given_in_small_parts(void **state) {
    (void)state;
    enum { PIECES = 16385, PART = 1 << 20 }; /* a tree of 2^15: 15 layers below its root */
    static uint8_t buffer[PBTS_LAYER_BYTES_MAX], zeros[PART];
    const pbts_torrent_options options = { .version = PBTS_TORRENT_V2,
                                           .piece_length = PIECE,
                                           .name = pbts_span_text("t") };
    const uint64_t len = (uint64_t)PIECES * PIECE;
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_layer_server *server;
    pbts_layers *layers;
    pbts_layer_range range;
    pbts_span bytes;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text("0"), len), PBTS_OK);
    for (uint64_t at = 0; at < len; at += PART) {
        size_t part = len - at < PART ? (size_t)(len - at) : PART;
        assert_int_equal(pbts_torrent_builder_add(builder, (pbts_span){ zeros, part }), PBTS_OK);
    }
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    assert_int_equal(pbts_layer_server_new(&server, pbts_mem_system(), meta), PBTS_OK);
    assert_int_equal(pbts_layers_new(&layers, pbts_mem_system(), pbts_metainfo_info_raw(meta)),
                     PBTS_OK);
    assert_true(pbts_layers_next(layers, &range)); /* for the root */
    static const struct {
        uint32_t level, length;
        pbts_status status;
    } cases[] = { { 0, 512, PBTS_OK }, { 4, 512, PBTS_OK }, { 5, 512, PBTS_NOT_FOUND },
                  { 5, 256, PBTS_OK }, { 8, 32, PBTS_OK },  { 8, 64, PBTS_NOT_FOUND },
                  { 9, 64, PBTS_OK },  { 14, 2, PBTS_OK } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        range.base_layer = cases[i].level;
        range.length = cases[i].length;
        range.index = range.proof_layers = 0;
        assert_int_equal(pbts_layer_server_read(server, &writer, &range), cases[i].status);
    }
    pbts_layer_server_free(server);
    pbts_layers_free(layers);
    pbts_metainfo_free(meta);
}

/* Gather what `meta` has through the messages that peers exchange; `lie` damages one hash. */
static void gather(const pbts_metainfo *meta, bool restarts) {
    static uint8_t buffer[PBTS_LAYER_BYTES_MAX];
    pbts_layer_server *server;
    pbts_layers *layers;
    pbts_layer_range range, again;
    uint32_t asked = 0;
    assert_int_equal(pbts_layer_server_new(&server, pbts_mem_system(), meta), PBTS_OK);
    assert_int_equal(pbts_layers_new(&layers, pbts_mem_system(), pbts_metainfo_info_raw(meta)),
                     PBTS_OK);
    if (restarts) {
        while (pbts_layers_next(layers, &range)) asked++;
        assert_false(pbts_layers_done(layers));
        pbts_layers_restart(layers);
    }
    while (pbts_layers_next(layers, &range)) {
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        assert_int_equal(pbts_layer_server_read(server, &writer, &range), PBTS_OK);
        pbts_span hashes = heap_copy(pbts_writer_span(&writer));
        for (size_t i = 0; i < hashes.len; i += 1 + hashes.len / 50) {
            ((uint8_t *)hashes.data)[i] ^= 1;
            assert_int_equal(pbts_layers_take(layers, &range, hashes), PBTS_MALFORMED);
            ((uint8_t *)hashes.data)[i] ^= 1;
        }
        pbts_span cut = heap_copy((pbts_span){ hashes.data, hashes.len - 32 });
        assert_int_equal(pbts_layers_take(layers, &range, cut), PBTS_MALFORMED);
        free((void *)cut.data);
        again = range;
        again.proof_layers++;
        assert_int_equal(pbts_layers_take(layers, &again, hashes), PBTS_NOT_FOUND);
        again.root[0] ^= 1;
        assert_int_equal(pbts_layers_take(layers, &again, hashes), PBTS_NOT_FOUND);
        assert_int_equal(pbts_layers_take(layers, &range, hashes), PBTS_OK);
        assert_int_equal(pbts_layers_take(layers, &range, hashes), PBTS_EXISTS);
        free((void *)hashes.data);
    }
    assert_true(pbts_layers_done(layers));

    /* The whole file again, which parses and says the same. */
    pbts_span info = pbts_metainfo_info_raw(meta);
    size_t len = info.len + 32 + pbts_layers_len(layers);
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    pbts_writer file = pbts_writer_over(bytes, len);
    pbts_write_text(&file, "d4:info");
    pbts_write_bytes(&file, info);
    pbts_write_text(&file, "12:piece layers");
    pbts_layers_write(layers, &file);
    pbts_write_text(&file, "e");
    pbts_metainfo *made;
    assert_int_equal(pbts_metainfo_parse(&made, NULL, pbts_mem_system(), pbts_writer_span(&file)),
                     PBTS_OK);
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        uint8_t want[32], found[32];
        pbts_metainfo_piece_hash(want, meta, true, i);
        pbts_metainfo_piece_hash(found, made, true, i);
        assert_memory_equal(want, found, 32);
    }
    pbts_metainfo_free(made);
    free(bytes);
    pbts_layers_free(layers);
    pbts_layer_server_free(server);
}

static void layers_are_gathered_in_proved_parts(void **state) {
    (void)state;
    static const uint32_t sizes[] = { 1, 2, 3, 5, 512, 513, 1030 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const uint32_t pieces[] = { sizes[s], 2, 1, 7 };
        for (int hybrid = 0; hybrid < 2; hybrid++) {
            pbts_metainfo *meta =
                torrent(pieces, 4, PIECE, hybrid ? PBTS_TORRENT_HYBRID : PBTS_TORRENT_V2);
            gather(meta, s % 2 == 0);
            pbts_metainfo_free(meta);
        }
    }
}

static void files_of_one_content_share_a_layer(void **state) {
    (void)state;
    size_t seen = 0;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        pbts_span bytes = vector_bytes(i);
        pbts_metainfo *meta;
        assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
        if (pbts_metainfo_has_v2(meta)) {
            gather(meta, false);
            seen++;
        }
        pbts_metainfo_free(meta);
        free((void *)bytes.data);
    }
    assert_true(seen >= 4);
}

static void an_info_without_a_tree_has_no_layers(void **state) {
    (void)state;
    const uint32_t pieces[] = { 3 };
    pbts_metainfo *meta = torrent(pieces, 1, PIECE, PBTS_TORRENT_V1);
    pbts_layers *layers;
    assert_int_equal(pbts_layers_new(&layers, pbts_mem_system(), pbts_metainfo_info_raw(meta)),
                     PBTS_MALFORMED);
    pbts_metainfo_free(meta);
    meta = torrent(pieces, 1, PIECE, PBTS_TORRENT_V2);
    pbts_span info = pbts_metainfo_info_raw(meta);
    for (size_t len = 0; len < info.len; len++) {
        pbts_span cut = heap_copy((pbts_span){ info.data, len });
        assert_int_not_equal(pbts_layers_new(&layers, pbts_mem_system(), cut), PBTS_OK);
        free((void *)cut.data);
    }
    uint8_t *large = calloc(1, PBTS_METAINFO_LEN_MAX);
    assert_non_null(large);
    assert_int_equal(
        pbts_layers_new(&layers, pbts_mem_system(), (pbts_span){ large, PBTS_METAINFO_LEN_MAX }),
        PBTS_LIMIT);
    free(large);
    pbts_metainfo_free(meta);
}

static void every_allocation_can_fail(void **state) {
    (void)state;
    const uint32_t pieces[] = { 3, 600 };
    pbts_metainfo *meta = torrent(pieces, 2, PIECE, PBTS_TORRENT_V2);
    bool gathered = false, served = false;
    for (size_t n = 0; !gathered || !served; n++) {
        assert_true(n < 60);
        faulty_mem mem = faulty_after(n);
        pbts_layers *layers;
        pbts_layer_server *server;
        pbts_status status = pbts_layers_new(&layers, &mem.mem, pbts_metainfo_info_raw(meta));
        gathered = status == PBTS_OK;
        if (gathered) pbts_layers_free(layers);
        assert_true(gathered || status == PBTS_NO_MEMORY);
        assert_int_equal(mem.live, 0);
        mem = faulty_after(n);
        status = pbts_layer_server_new(&server, &mem.mem, meta);
        served = status == PBTS_OK;
        if (served) pbts_layer_server_free(server);
        assert_true(served || status == PBTS_NO_MEMORY);
        assert_int_equal(mem.live, 0);
    }
    pbts_metainfo_free(meta);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_range_is_that_of_the_whole_tree),
        cmocka_unit_test(what_is_not_in_the_tree_is_not_found),
        cmocka_unit_test(layers_in_between_are_given_in_small_parts),
        cmocka_unit_test(layers_are_gathered_in_proved_parts),
        cmocka_unit_test(files_of_one_content_share_a_layer),
        cmocka_unit_test(an_info_without_a_tree_has_no_layers),
        cmocka_unit_test(every_allocation_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
