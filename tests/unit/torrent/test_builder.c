/* Unit tests of torrent/builder.c: what libtorrent makes of the same files is the oracle. */
#include "torrent_test.h"

typedef struct {
    const char *set;
    pbts_torrent_version version;
    uint32_t piece_length;
    size_t portion; /* bytes added at a time */
} recipe;

static pbts_torrent_options options_of(const recipe *r) {
    bool single = strcmp(r->set, "single") == 0 || strcmp(r->set, "tiny") == 0;
    const char *name = r->set;
    for (size_t i = 0; single && i < SAMPLE_COUNT; i++) {
        if (strcmp(SAMPLES[i].set, r->set) == 0) name = SAMPLES[i].path;
    }
    return (pbts_torrent_options){ .version = r->version,
                                   .piece_length = r->piece_length,
                                   .name = pbts_span_text(name),
                                   .single_file = single };
}

static pbts_status add_sample(pbts_torrent_builder *builder, const sample_file *file,
                              size_t portion) {
    uint8_t *bytes = sample_content(file);
    pbts_status status =
        pbts_torrent_builder_begin_file(builder, pbts_span_text(file->path), file->length);
    for (size_t at = 0; at < file->length && status == PBTS_OK; at += portion) {
        size_t left = file->length - at;
        pbts_span part = { bytes + at, left < portion ? left : portion };
        status = pbts_torrent_builder_add(builder, part);
    }
    free(bytes);
    return status;
}

static pbts_status build(pbts_torrent_builder **out, pbts_span *bytes, pbts_mem *mem,
                         const recipe *r) {
    pbts_torrent_options options = options_of(r);
    PBTS_TRY(pbts_torrent_builder_new(out, mem, &options));
    pbts_status status = PBTS_OK;
    for (size_t i = 0; i < SAMPLE_COUNT && status == PBTS_OK; i++) {
        if (strcmp(SAMPLES[i].set, r->set) != 0) continue;
        status = add_sample(*out, &SAMPLES[i], r->portion);
    }
    if (status == PBTS_OK) status = pbts_torrent_builder_finish(*out, bytes);
    if (status != PBTS_OK) pbts_torrent_builder_free(*out);
    return status;
}

static void info_and_layers_are_those_that_libtorrent_makes(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        if (!LIBTORRENT[i].same_layout) continue;
        recipe r = { LIBTORRENT[i].set, LIBTORRENT[i].version, LIBTORRENT[i].piece_length, 7000 };
        pbts_torrent_builder *builder;
        pbts_span ours, theirs = vector_bytes(i);
        pbts_bvalue a, b, value_a, value_b;
        assert_int_equal(build(&builder, &ours, pbts_mem_system(), &r), PBTS_OK);
        assert_int_equal(pbts_bencode_parse(&a, ours), PBTS_OK);
        assert_int_equal(pbts_bencode_parse(&b, theirs), PBTS_OK);
        assert_true(pbts_bdict_find(&a, "info", &value_a) && pbts_bdict_find(&b, "info", &value_b));
        assert_true(pbts_span_equal(value_a.raw, value_b.raw));
        if (pbts_bdict_find(&b, "piece layers", &value_b)) {
            assert_true(pbts_bdict_find(&a, "piece layers", &value_a));
            assert_true(pbts_span_equal(value_a.raw, value_b.raw));
        }
        pbts_torrent_builder_free(builder);
        free((void *)theirs.data);
    }
}

static void portions_of_any_size_give_the_same_torrent(void **state) {
    static const size_t PORTIONS[] = { 1, 3, 4096, 16383, 16384, 16385, 32768, 1000000 };
    (void)state;
    recipe r = { "multi", PBTS_TORRENT_HYBRID, 32768, 5000 };
    pbts_torrent_builder *first, *other;
    pbts_span want, bytes;
    assert_int_equal(build(&first, &want, pbts_mem_system(), &r), PBTS_OK);
    for (size_t i = 0; i < sizeof PORTIONS / sizeof PORTIONS[0]; i++) {
        r.portion = PORTIONS[i];
        assert_int_equal(build(&other, &bytes, pbts_mem_system(), &r), PBTS_OK);
        assert_true(pbts_span_equal(bytes, want));
        pbts_torrent_builder_free(other);
    }
    pbts_torrent_builder_free(first);
}

/* v1's pieces without the builder: the files as one run of bytes, cut and hashed. */
static void v1_pieces_are_the_hashes_of_the_joined_files(void **state) {
    enum { LENGTH = 16384 };
    static uint8_t joined[200000];
    size_t len = 0;
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t at = 0; strcmp(SAMPLES[i].set, "multi") == 0 && at < SAMPLES[i].length; at++) {
            joined[len++] = content_byte(SAMPLES[i].seed, at);
        }
    }
    recipe r = { "multi", PBTS_TORRENT_V1, LENGTH, 999 };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span bytes;
    assert_int_equal(build(&builder, &bytes, pbts_mem_system(), &r), PBTS_OK);
    assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
    assert_sound(meta);
    assert_true(pbts_metainfo_total_bytes(meta) == len);
    assert_int_equal(pbts_metainfo_piece_count(meta), (len + LENGTH - 1) / LENGTH);
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        uint8_t want[PBTS_PIECE_HASH_LEN] = { 0 }, got[PBTS_PIECE_HASH_LEN];
        size_t at = (size_t)i * LENGTH, piece = len - at < LENGTH ? len - at : LENGTH;
        pbts_sha1(want, (pbts_span){ joined + at, piece });
        pbts_metainfo_piece_hash(got, meta, false, i);
        assert_memory_equal(got, want, sizeof want);
        assert_int_equal(pbts_metainfo_piece_bytes(meta, i), piece);
    }
    pbts_metainfo_free(meta);
    pbts_torrent_builder_free(builder);
}

static void what_is_built_is_private_and_reads_back(void **state) {
    (void)state;
    static const char *const SETS[] = { "single", "tiny", "multi", "twins" };
    for (unsigned i = 0; i < 4 * 3; i++) {
        recipe r = { SETS[i / 3], (pbts_torrent_version)(i % 3), 16384, 12345 };
        pbts_torrent_builder *builder;
        pbts_metainfo *meta;
        pbts_span bytes, again;
        assert_int_equal(build(&builder, &bytes, pbts_mem_system(), &r), PBTS_OK);
        assert_int_equal(pbts_torrent_builder_finish(builder, &again), PBTS_OK);
        assert_ptr_equal(bytes.data, again.data);
        assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
        assert_sound(meta);
        assert_true(pbts_metainfo_is_private(meta));
        assert_int_equal(pbts_metainfo_has_v1(meta), r.version != PBTS_TORRENT_V2);
        assert_int_equal(pbts_metainfo_has_v2(meta), r.version != PBTS_TORRENT_V1);
        assert_int_equal(pbts_metainfo_is_single_file(meta), i / 3 < 2);
        pbts_metainfo_free(meta);
        pbts_torrent_builder_free(builder);
    }
}

static void the_optional_fields_are_written_when_given(void **state) {
    (void)state;
    pbts_torrent_options options = { .version = PBTS_TORRENT_V1,
                                     .piece_length = 16384,
                                     .name = pbts_span_text("f"),
                                     .single_file = true,
                                     .announce = pbts_span_text("http://t/announce"),
                                     .comment = pbts_span_text("words"),
                                     .source = pbts_span_text("one tracker"),
                                     .created_at = 1700000000 };
    pbts_torrent_builder *builder;
    pbts_span bytes, text;
    pbts_bvalue root;
    uint64_t when;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_begin_file(builder, options.name, 1), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_add(builder, pbts_span_text("x")), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_bencode_parse(&root, bytes), PBTS_OK);
    assert_true(pbts_bdict_find_string(&root, "announce", &text));
    assert_true(pbts_span_is(text, "http://t/announce"));
    assert_true(pbts_bdict_find_string(&root, "comment", &text) && pbts_span_is(text, "words"));
    assert_true(pbts_bdict_find_uint(&root, "creation date", &when) && when == 1700000000);
    pbts_metainfo *meta;
    assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
    assert_true(pbts_span_is(pbts_metainfo_source(meta), "one tracker"));
    pbts_metainfo_free(meta);
    pbts_torrent_builder_free(builder);
}

/* It is inside info, so the same file has another infohash at each tracker. */
static void sources_keep_infohashes_apart(void **state) {
    static const char *const SOURCES[] = { "", "one", "two" };
    uint8_t infohashes[3][PBTS_INFOHASH_LEN];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        pbts_torrent_options options = { .version = PBTS_TORRENT_V1,
                                         .piece_length = 16384,
                                         .name = pbts_span_text("f"),
                                         .single_file = true,
                                         .source = pbts_span_text(SOURCES[i]) };
        pbts_torrent_builder *builder;
        pbts_metainfo *meta;
        pbts_span bytes;
        assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
        assert_int_equal(pbts_torrent_builder_begin_file(builder, options.name, 1), PBTS_OK);
        assert_int_equal(pbts_torrent_builder_add(builder, pbts_span_text("x")), PBTS_OK);
        assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
        assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
        assert_true(pbts_span_is(pbts_metainfo_source(meta), SOURCES[i]));
        memcpy(infohashes[i], pbts_metainfo_infohash(meta), PBTS_INFOHASH_LEN);
        pbts_metainfo_free(meta);
        pbts_torrent_builder_free(builder);
    }
    assert_memory_not_equal(infohashes[0], infohashes[1], PBTS_INFOHASH_LEN);
    assert_memory_not_equal(infohashes[1], infohashes[2], PBTS_INFOHASH_LEN);
}

static void a_source_has_a_limit(void **state) {
    static uint8_t text[PBTS_TORRENT_SOURCE_MAX + 1];
    pbts_torrent_options options = { .piece_length = 16384,
                                     .name = pbts_span_text("f"),
                                     .source = { text, PBTS_TORRENT_SOURCE_MAX } };
    pbts_torrent_builder *builder;
    (void)state;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    pbts_torrent_builder_free(builder);
    options.source.len++;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_LIMIT);
}

static void bad_options_are_refused(void **state) {
    (void)state;
    static const struct {
        uint32_t piece_length;
        const char *name;
        pbts_status want;
    } CASES[] = {
        { 16384, "n", PBTS_OK },          { PBTS_PIECE_LENGTH_MAX, "n", PBTS_OK },
        { 0, "n", PBTS_MALFORMED },       { 8192, "n", PBTS_MALFORMED },
        { 16385, "n", PBTS_MALFORMED },   { 49152, "n", PBTS_MALFORMED },
        { 16384, "", PBTS_MALFORMED },    { 16384, "..", PBTS_MALFORMED },
        { 16384, "a/b", PBTS_MALFORMED }, { 2u * PBTS_PIECE_LENGTH_MAX, "n", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_torrent_options options = { .piece_length = CASES[i].piece_length,
                                         .name = pbts_span_text(CASES[i].name) };
        pbts_torrent_builder *builder = NULL;
        assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options),
                         CASES[i].want);
        pbts_torrent_builder_free(builder);
    }
}

static pbts_status begin_two(const char *first, const char *second) {
    pbts_torrent_options options = { .version = PBTS_TORRENT_HYBRID,
                                     .piece_length = 16384,
                                     .name = pbts_span_text("n") };
    pbts_torrent_builder *builder;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    pbts_status status = pbts_torrent_builder_begin_file(builder, pbts_span_text(first), 0);
    if (status == PBTS_OK) {
        status = pbts_torrent_builder_begin_file(builder, pbts_span_text(second), 0);
    }
    pbts_torrent_builder_free(builder);
    return status;
}

static void files_come_in_the_order_of_the_tree_with_honest_paths(void **state) {
    (void)state;
    assert_int_equal(begin_two("a", "b"), PBTS_OK);
    assert_int_equal(begin_two("a/b", "a-b"), PBTS_OK);
    assert_int_equal(begin_two("a/b", "a/c"), PBTS_OK);
    assert_int_equal(begin_two("a-b", "a/b"), PBTS_MALFORMED);
    assert_int_equal(begin_two("b", "a"), PBTS_MALFORMED);
    assert_int_equal(begin_two("a", "a"), PBTS_MALFORMED);
    assert_int_equal(begin_two("a", "a/b"), PBTS_MALFORMED);
    static const char *const BAD[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "a/./b" };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(begin_two(BAD[i], "z"), PBTS_MALFORMED);
    }
}

static void a_path_is_as_deep_as_the_parser_takes_and_no_deeper(void **state) {
    (void)state;
    for (size_t parts = 27; parts <= 29; parts++) {
        char path[64] = "a";
        for (size_t i = 1; i < parts; i++) strcat(path, "/a");
        pbts_torrent_options options = { .version = PBTS_TORRENT_V2,
                                         .piece_length = 16384,
                                         .name = pbts_span_text("n") };
        pbts_torrent_builder *builder;
        pbts_metainfo *meta;
        pbts_span bytes;
        assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
        pbts_status status = pbts_torrent_builder_begin_file(builder, pbts_span_text(path), 1);
        assert_int_equal(status, parts <= 28 ? PBTS_OK : PBTS_LIMIT);
        if (status == PBTS_OK) {
            assert_int_equal(pbts_torrent_builder_add(builder, pbts_span_text("x")), PBTS_OK);
            assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
            assert_int_equal(parse_copy(&meta, NULL, bytes), PBTS_OK);
            assert_true(pbts_span_is(pbts_metainfo_file(meta, 0).path, path));
            pbts_metainfo_free(meta);
        }
        pbts_torrent_builder_free(builder);
    }
}

static void missing_and_surplus_bytes_are_refused(void **state) {
    (void)state;
    for (int c = 0; c < 5; c++) {
        pbts_torrent_options options = { .version = PBTS_TORRENT_HYBRID,
                                         .piece_length = 16384,
                                         .name = pbts_span_text("n") };
        pbts_torrent_builder *builder;
        pbts_span out = { 0 };
        pbts_span two = pbts_span_text("xx");
        assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
        pbts_status status = PBTS_OK;
        static const uint64_t LENGTHS[] = { 0, 0, 1, 2, 3 };
        pbts_span path = pbts_span_text("a");
        if (c > 0) status = pbts_torrent_builder_begin_file(builder, path, LENGTHS[c]);
        assert_int_equal(status, PBTS_OK);
        if (c == 2) assert_int_equal(pbts_torrent_builder_add(builder, two), PBTS_MALFORMED);
        if (c == 3) assert_int_equal(pbts_torrent_builder_add(builder, two), PBTS_OK);
        if (c == 4) assert_int_equal(pbts_torrent_builder_add(builder, two), PBTS_OK);
        /* No file, an empty one, one byte too many, all bytes, one byte too few. */
        pbts_status want = c == 3 ? PBTS_OK : PBTS_MALFORMED;
        assert_int_equal(pbts_torrent_builder_finish(builder, &out), want);
        assert_int_equal(out.data != NULL, c == 3);
        assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text("b"), 1),
                         PBTS_MALFORMED);
        pbts_torrent_builder_free(builder);
    }
}

static void the_number_of_pieces_is_bounded(void **state) {
    (void)state;
    uint64_t most = (uint64_t)PBTS_PIECES_MAX * PBTS_PIECE_LENGTH_MIN;
    for (int c = 0; c < 3; c++) {
        pbts_torrent_options options = { .version = PBTS_TORRENT_HYBRID,
                                         .piece_length = PBTS_PIECE_LENGTH_MIN,
                                         .name = pbts_span_text("n") };
        pbts_torrent_builder *builder;
        assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
        const uint64_t lengths[] = { most, most + 1, UINT64_MAX };
        pbts_status want = c == 0 ? PBTS_OK : PBTS_LIMIT;
        assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text("a"), lengths[c]),
                         want);
        pbts_torrent_builder_free(builder);
    }
}

static void every_allocation_may_fail_and_nothing_leaks(void **state) {
    (void)state;
    size_t failures = 0;
    for (pbts_status status = PBTS_NO_MEMORY; status != PBTS_OK; failures++) {
        recipe r = { "twins", PBTS_TORRENT_HYBRID, 16384, 50000 };
        faulty_mem faulty = faulty_after(failures);
        pbts_torrent_builder *builder;
        pbts_span bytes;
        status = build(&builder, &bytes, &faulty.mem, &r);
        if (status == PBTS_OK) {
            pbts_torrent_builder_free(builder);
        } else {
            assert_int_equal(status, PBTS_NO_MEMORY);
        }
        assert_int_equal(faulty.live, 0);
    }
    assert_true(failures > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_and_layers_are_those_that_libtorrent_makes),
        cmocka_unit_test(portions_of_any_size_give_the_same_torrent),
        cmocka_unit_test(v1_pieces_are_the_hashes_of_the_joined_files),
        cmocka_unit_test(what_is_built_is_private_and_reads_back),
        cmocka_unit_test(the_optional_fields_are_written_when_given),
        cmocka_unit_test(sources_keep_infohashes_apart),
        cmocka_unit_test(a_source_has_a_limit),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(files_come_in_the_order_of_the_tree_with_honest_paths),
        cmocka_unit_test(a_path_is_as_deep_as_the_parser_takes_and_no_deeper),
        cmocka_unit_test(missing_and_surplus_bytes_are_refused),
        cmocka_unit_test(the_number_of_pieces_is_bounded),
        cmocka_unit_test(every_allocation_may_fail_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
