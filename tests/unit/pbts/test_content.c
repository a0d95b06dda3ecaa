/* Unit tests of apps/pbts/content.c and content_pieces.c: which bytes on disk a torrent's pieces
 * are. The naive twin lays all files in a row, with padding where the version wants it. */
#include "pbts_test.h"

#include "base/writer.h"
#include "hash/sha.h"
#include "pbts/content.c"
#include "pbts/exit_codes.h"
#include "torrent/piece_check.h"

enum { PIECE = 16384, STREAM_MAX = 40 * PIECE, PATH_LEN = 600 };

static const small_file FILES[] = {
    { "a/one", 3 * PIECE + 5 }, { "a/two", 0 }, { "b", 2 * PIECE }, { "c", 1 },
    { "d/e/f", 70001 },         { "x", 4 },
};
enum { FILE_COUNT = sizeof FILES / sizeof FILES[0] };
static const pbts_torrent_version VERSIONS[] = { PBTS_TORRENT_V1, PBTS_TORRENT_V2,
                                                 PBTS_TORRENT_HYBRID };
enum { VERSION_COUNT = 3 };

/* A folder TEMP/content that holds FILES. */
typedef struct {
    char temp[256], root[300];
} site;

static void folder_at(const char *root, const char *below) {
    char path[PATH_LEN];
    (void)snprintf(path, sizeof path, "%s%s", root, below);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void site_init(site *s) {
    temp_directory(s->temp);
    (void)snprintf(s->root, sizeof s->root, "%s/content", s->temp);
    folder_at(s->root, "");
    folder_at(s->root, "/a");
    folder_at(s->root, "/d");
    folder_at(s->root, "/d/e");
}

static void path_in(char out[static PATH_LEN], const site *s, const char *file) {
    (void)snprintf(out, PATH_LEN, "%s/%s", s->root, file);
}

/* The stream of all files; each begins a piece when `aligned`. */
static size_t twin_stream(uint8_t out[static STREAM_MAX], bool aligned) {
    size_t at = 0;
    memset(out, 0, STREAM_MAX);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        if (aligned && FILES[i].len > 0) at = (at + PIECE - 1) / PIECE * PIECE;
        for (size_t k = 0; k < FILES[i].len; k++) out[at++] = small_byte(i, k);
    }
    return at;
}

static void every_piece_is_that_of_the_naive_twin(void **state) {
    static uint8_t stream[STREAM_MAX], piece[PIECE];
    site s;
    site_init(&s);
    for (size_t v = 0; v < VERSION_COUNT; v++) {
        pbts_metainfo *meta =
            small_torrent(s.root, VERSIONS[v], "content", FILES, FILE_COUNT, false);
        size_t len = twin_stream(stream, VERSIONS[v] != PBTS_TORRENT_V1), seen = 0;
        content_place place;
        assert_int_equal(content_place_find(&place, meta, s.root), PBTS_EXIT_OK);
        for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
            size_t want = pbts_piece_stream_bytes(meta, i);
            assert_int_equal(content_read_piece(piece, meta, &place, i), PBTS_EXIT_OK);
            assert_memory_equal(piece, stream + (size_t)i * PIECE, want);
            assert_int_equal(pbts_piece_check(meta, i, (pbts_span){ piece, want }), PBTS_OK);
            seen = (size_t)i * PIECE + want;
        }
        assert_int_equal(seen, len);
        pbts_metainfo_free(meta);
    }
    folder_remove(s.temp);
}

static void pieces_name_their_files(void **state) {
    static const struct {
        pbts_torrent_version version;
        uint32_t piece;
        const char *want;
    } CASES[] = { { PBTS_TORRENT_V1, 0, "a/one" },
                  { PBTS_TORRENT_V1, 3, "a/one and 1 more file" },
                  { PBTS_TORRENT_V1, 5, "b and 2 more files" },
                  { PBTS_TORRENT_V2, 3, "a/one" },
                  { PBTS_TORRENT_V2, 6, "c" },
                  { PBTS_TORRENT_HYBRID, 3, "a/one" } };
    char want[PATH_LEN], got[PATH_LEN];
    site s;
    site_init(&s);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_metainfo *meta =
            small_torrent(s.root, CASES[i].version, "content", FILES, FILE_COUNT, false);
        content_place place;
        assert_int_equal(content_place_find(&place, meta, s.root), PBTS_EXIT_OK);
        content_piece_files(got, sizeof got, meta, &place, CASES[i].piece);
        path_in(want, &s, CASES[i].want);
        assert_string_equal(got, want);
        pbts_metainfo_free(meta);
    }
    folder_remove(s.temp);
}

static void what_is_missing_is_refused_and_what_cannot_be_read_is_an_error(void **state) {
    static uint8_t piece[PIECE];
    char path[PATH_LEN];
    site s;
    content_place place;
    site_init(&s);
    pbts_metainfo *meta =
        small_torrent(s.root, PBTS_TORRENT_V1, "content", FILES, FILE_COUNT, false);
    assert_int_equal(content_place_find(&place, meta, s.root), PBTS_EXIT_OK);
    path_in(path, &s, "b");
    assert_int_equal(truncate(path, 2 * PIECE - 1), 0);
    assert_int_equal(content_read_piece(piece, meta, &place, 4), PBTS_EXIT_OK);
    assert_int_equal(content_read_piece(piece, meta, &place, 5), PBTS_EXIT_REFUSED); /* short */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(content_read_piece(piece, meta, &place, 2), PBTS_EXIT_OK);
    for (uint32_t i = 3; i <= 5; i++) {
        assert_int_equal(content_read_piece(piece, meta, &place, i), PBTS_EXIT_REFUSED);
    }
    assert_int_equal(symlink("b", path), 0); /* a link to itself is there, and no file */
    assert_int_equal(content_read_piece(piece, meta, &place, 3), PBTS_EXIT_IO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* would wait for its writer */
    assert_int_equal(content_read_piece(piece, meta, &place, 3), PBTS_EXIT_REFUSED);
    pbts_metainfo_free(meta);
    folder_remove(s.temp);
}

/* Make `files` of the numbered ones empty files below `root`. */
static void touch(const char *root, const char *const *files) {
    char path[PATH_LEN];
    for (; *files != NULL; files++) {
        (void)snprintf(path, sizeof path, "%s/%s", root, *files);
        file_put(path, pbts_span_text("x"));
    }
}

#define FILES_OF(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void the_folder_that_holds_more_of_the_files_is_the_place(void **state) {
    static const small_file THREE[] = { { "a", 1 }, { "b", 1 }, { "c", 1 } };
    pbts_metainfo *meta = small_torrent(NULL, PBTS_TORRENT_V1, "name", THREE, 3, false);
    const struct {
        const char *const *above, *const *below;
        bool is_below;
    } CASES[] = {
        { FILES_OF("a", "b", "c"), FILES_OF(NULL), false },
        { FILES_OF(NULL), FILES_OF("a"), true },
        { FILES_OF("a"), FILES_OF("a", "b", "c"), true }, /* one of the same name beside */
        { FILES_OF("a", "b"), FILES_OF("c"), false },
        { FILES_OF("a", "b"), FILES_OF("b", "c"), false }, /* as many: what was named */
        { FILES_OF(NULL), FILES_OF(NULL), false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char temp[256], below[300], slashes[300];
        content_place place;
        temp_directory(temp);
        (void)snprintf(below, sizeof below, "%s/name", temp);
        (void)snprintf(slashes, sizeof slashes, "%s//", temp);
        assert_int_equal(mkdir(below, 0700), 0);
        touch(temp, CASES[i].above);
        touch(below, CASES[i].below);
        assert_int_equal(content_place_find(&place, meta, slashes), PBTS_EXIT_OK);
        assert_false(place.is_file);
        assert_string_equal(place.root, CASES[i].is_below ? below : temp);
        assert_int_equal(content_place_find(&place, meta, below), PBTS_EXIT_OK);
        assert_string_equal(place.root, below);
        folder_remove(temp);
    }
    pbts_metainfo_free(meta);
}

static void a_single_file_may_be_named_itself_or_by_its_folder(void **state) {
    static const small_file ONE[] = { { "name", 5 } };
    static uint8_t piece[PIECE];
    char temp[256], path[300], other[300];
    content_place place;
    temp_directory(temp);
    (void)snprintf(path, sizeof path, "%s/name", temp);
    (void)snprintf(other, sizeof other, "%s/other", temp);
    for (size_t v = 0; v < VERSION_COUNT; v++) {
        pbts_metainfo *meta = small_torrent(temp, VERSIONS[v], "name", ONE, 1, true);
        assert_int_equal(content_place_find(&place, meta, path), PBTS_EXIT_OK);
        assert_int_equal(content_read_piece(piece, meta, &place, 0), PBTS_EXIT_OK);
        assert_int_equal(content_place_find(&place, meta, temp), PBTS_EXIT_OK);
        assert_int_equal(content_read_piece(piece, meta, &place, 0), PBTS_EXIT_OK);
        assert_int_equal(rename(path, other), 0); /* the name is whatever the user says */
        assert_int_equal(content_place_find(&place, meta, other), PBTS_EXIT_OK);
        assert_int_equal(content_read_piece(piece, meta, &place, 0), PBTS_EXIT_OK);
        assert_int_equal(content_place_find(&place, meta, path), PBTS_EXIT_IO);
        pbts_metainfo_free(meta);
    }
    static const small_file TWO[] = { { "a", 1 }, { "b", 1 } };
    pbts_metainfo *meta = small_torrent(NULL, PBTS_TORRENT_V1, "name", TWO, 2, false);
    assert_int_equal(content_place_find(&place, meta, other), PBTS_EXIT_USAGE);
    pbts_metainfo_free(meta);
    folder_remove(temp);
}

static void a_file_in_a_folder_of_its_name_is_found_from_above(void **state) {
    static const small_file ONE[] = { { "name", 5 } };
    char temp[256], below[300];
    content_place place;
    temp_directory(temp);
    (void)snprintf(below, sizeof below, "%s/name", temp);
    assert_int_equal(mkdir(below, 0700), 0);
    pbts_metainfo *meta = small_torrent(below, PBTS_TORRENT_V2, "name", ONE, 1, true);
    assert_int_equal(content_place_find(&place, meta, temp), PBTS_EXIT_OK);
    assert_string_equal(place.root, below);
    pbts_metainfo_free(meta);
    folder_remove(temp);
}

/* A v1 torrent with a BEP 47 pad file: "a" (3 bytes), padding up to a piece, "b" (2 bytes). */
static pbts_metainfo *padded_torrent(void) {
    static uint8_t first[PIECE] = "abc", room[1024];
    uint8_t hash[20];
    pbts_metainfo *meta;
    pbts_writer writer = pbts_writer_over(room, sizeof room);
    pbts_write_text(&writer, "d4:infod5:filesld6:lengthi3e4:pathl1:aeed4:attr1:p6:lengthi16381e"
                             "4:pathl4:.pad5:16381eed6:lengthi2e4:pathl1:beee4:name1:n"
                             "12:piece lengthi16384e6:pieces40:");
    pbts_sha1(hash, PBTS_SPAN_OF(first));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(hash));
    pbts_sha1(hash, pbts_span_text("de"));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(hash));
    pbts_write_text(&writer, "7:privatei1eee");
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), pbts_writer_span(&writer)),
                     PBTS_OK);
    return meta;
}

static void padding_is_zeros_and_not_on_disk(void **state) {
    static uint8_t piece[PIECE];
    char temp[256], path[300], files[300];
    content_place place;
    pbts_metainfo *meta = padded_torrent();
    temp_directory(temp);
    (void)snprintf(path, sizeof path, "%s/b", temp);
    file_put(path, pbts_span_text("de"));
    (void)snprintf(path, sizeof path, "%s/a", temp);
    file_put(path, pbts_span_text("abc"));
    assert_int_equal(content_place_find(&place, meta, temp), PBTS_EXIT_OK);
    memset(piece, 0xFF, sizeof piece);
    assert_int_equal(content_read_piece(piece, meta, &place, 0), PBTS_EXIT_OK);
    assert_int_equal(pbts_piece_check(meta, 0, PBTS_SPAN_OF(piece)), PBTS_OK);
    assert_int_equal(content_read_piece(piece, meta, &place, 1), PBTS_EXIT_OK);
    assert_int_equal(pbts_piece_check(meta, 1, (pbts_span){ piece, 2 }), PBTS_OK);
    content_piece_files(files, sizeof files, meta, &place, 0);
    assert_string_equal(files, path);
    pbts_metainfo_free(meta);
    folder_remove(temp);
}

static void a_scan_has_the_order_of_a_torrent(void **state) {
    static const char *const WANT[] = { "a/one", "a/two", "b", "c", "d/e/f", "x" };
    site s;
    content all;
    site_init(&s);
    pbts_metainfo *meta =
        small_torrent(s.root, PBTS_TORRENT_V1, "content", FILES, FILE_COUNT, false);
    assert_int_equal(content_scan(&all, s.root), PBTS_EXIT_OK);
    assert_int_equal(all.count, FILE_COUNT);
    assert_int_equal(all.total_bytes, pbts_metainfo_total_bytes(meta));
    assert_string_equal(all.name, "content");
    for (size_t i = 0; i < FILE_COUNT; i++) assert_string_equal(all.files[i].path, WANT[i]);
    content_free(&all);
    pbts_metainfo_free(meta);
    folder_remove(s.temp);
}

static void a_folder_has_at_most_as_many_files_as_a_torrent(void **state) {
    content all = { .root = "/x" };
    for (int i = 0; i < PBTS_TORRENT_FILES_MAX; i++) {
        assert_int_equal(add_file(&all, "a", 1), PBTS_EXIT_OK);
    }
    assert_int_equal(add_file(&all, "a", 1), PBTS_EXIT_REFUSED);
    assert_int_equal(all.count, PBTS_TORRENT_FILES_MAX);
    content_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_that_of_the_naive_twin),
        cmocka_unit_test(pieces_name_their_files),
        cmocka_unit_test(what_is_missing_is_refused_and_what_cannot_be_read_is_an_error),
        cmocka_unit_test(the_folder_that_holds_more_of_the_files_is_the_place),
        cmocka_unit_test(a_single_file_may_be_named_itself_or_by_its_folder),
        cmocka_unit_test(a_file_in_a_folder_of_its_name_is_found_from_above),
        cmocka_unit_test(padding_is_zeros_and_not_on_disk),
        cmocka_unit_test(a_scan_has_the_order_of_a_torrent),
        cmocka_unit_test(a_folder_has_at_most_as_many_files_as_a_torrent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
