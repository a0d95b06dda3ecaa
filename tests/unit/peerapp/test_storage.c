/* Unit tests of apps/pbts-peer/storage*.c: bytes go where the torrent says, and nowhere else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "pbts-peer/storage.h"
#include "pbts/pbts_test.h"
#include "peer/resume.h"
#include "torrent/piece_check.h"

static const small_file FILES[] = { { "a.bin", 20000 },
                                    { "b/c/d.bin", 40000 },
                                    { "b/empty", 0 },
                                    { "b/tiny", 1 },
                                    { "z.bin", 16384 } };
enum { FILE_COUNT = sizeof FILES / sizeof FILES[0] };
static const pbts_torrent_version VERSIONS[] = { PBTS_TORRENT_V1, PBTS_TORRENT_V2,
                                                 PBTS_TORRENT_HYBRID };

/* A torrent's stream as it must come out of storage. */
typedef struct {
    char folder[256];
    pbts_metainfo *meta;
} world;

static world world_new(pbts_torrent_version version) {
    world w;
    temp_directory(w.folder);
    w.meta = small_torrent(NULL, version, "content", FILES, FILE_COUNT, false);
    return w;
}

static void world_free(world *w) {
    pbts_metainfo_free(w->meta);
    folder_remove(w->folder);
}

/* The bytes of a piece, from the files' recipe. */
static size_t expected_piece(uint8_t *out, const pbts_metainfo *meta, uint32_t piece) {
    uint64_t offset = pbts_piece_offset(meta, piece);
    size_t len = pbts_piece_stream_bytes(meta, piece);
    memset(out, 0, len);
    uint32_t real = 0;
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        if (file.padding) continue;
        for (uint64_t k = 0; k < file.length_bytes; k++) {
            uint64_t at = file.offset_bytes + k;
            if (at < offset || at >= offset + len) continue;
            out[at - offset] = small_byte(real, k);
        }
        real++;
    }
    return len;
}

static void write_all(storage *s, const pbts_metainfo *meta) {
    uint8_t bytes[16384];
    for (uint32_t i = pbts_metainfo_piece_count(meta); i-- > 0;) { /* the last piece first */
        size_t len = expected_piece(bytes, meta, i);
        assert_int_equal(pbts_piece_check(meta, i, (pbts_span){ bytes, len }), PBTS_OK);
        assert_int_equal(storage_write(s, (pbts_span){ bytes, len }, pbts_piece_offset(meta, i)),
                         0);
    }
}

static void assert_all_readable(storage *s, storage_side side, const pbts_metainfo *meta) {
    uint8_t expected[16384], found[16384];
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        size_t len = expected_piece(expected, meta, i);
        assert_int_equal(storage_read(s, side, found, pbts_piece_offset(meta, i), len), 0);
        assert_memory_equal(found, expected, len);
    }
}

static void pieces_are_written_and_read_in_every_version(void **state) {
    (void)state;
    for (size_t v = 0; v < 3; v++) {
        world w = world_new(VERSIONS[v]);
        storage *s;
        bool found;
        assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
        assert_int_equal(storage_prepare(s, &found), 0);
        assert_false(found);
        write_all(s, w.meta);
        assert_all_readable(s, STORAGE_DISK, w.meta);
        assert_all_readable(s, STORAGE_LOOP, w.meta);
        assert_int_equal(storage_sync(s), 0);
        storage_close(s);
        assert_int_equal(storage_open_existing(&s, w.meta, w.folder), 0);
        assert_all_readable(s, STORAGE_LOOP, w.meta);
        storage_close(s);
        for (size_t i = 0; i < FILE_COUNT; i++) {
            char path[600];
            struct stat info;
            (void)snprintf(path, sizeof path, "%s/content/%s", w.folder, FILES[i].path);
            assert_int_equal(stat(path, &info), 0);
            assert_int_equal(info.st_size, FILES[i].len);
        }
        world_free(&w);
    }
}

static void a_single_file_lies_in_the_folder_itself(void **state) {
    (void)state;
    static const small_file ONE[] = { { "one.bin", 50000 } };
    char folder[256], path[400];
    temp_directory(folder);
    pbts_metainfo *meta = small_torrent(NULL, PBTS_TORRENT_V1, "one.bin", ONE, 1, true);
    storage *s;
    bool found;
    assert_int_equal(storage_open_new(&s, meta, folder), 0);
    assert_int_equal(storage_prepare(s, &found), 0);
    write_all(s, meta);
    storage_close(s);
    (void)snprintf(path, sizeof path, "%s/one.bin", folder);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(storage_open_existing(&s, meta, path), 0); /* the file itself */
    assert_all_readable(s, STORAGE_LOOP, meta);
    assert_int_equal(storage_write(s, PBTS_SPAN_OF("x"), 0), EROFS);
    storage_close(s);
    pbts_metainfo_free(meta);
    folder_remove(folder);
}

static void files_begin_as_holes_of_their_whole_length(void **state) {
    (void)state;
    world w = world_new(PBTS_TORRENT_V1);
    storage *s;
    bool found;
    char path[400];
    struct stat info;
    uint8_t bytes[16384];
    assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
    assert_int_equal(storage_prepare(s, &found), 0);
    size_t len = expected_piece(bytes, w.meta, 2); /* in the second file */
    assert_int_equal(storage_write(s, (pbts_span){ bytes, len }, pbts_piece_offset(w.meta, 2)), 0);
    (void)snprintf(path, sizeof path, "%s/content/b/c/d.bin", w.folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 40000);
    (void)snprintf(path, sizeof path, "%s/content/a.bin", w.folder);
    assert_int_equal(access(path, F_OK), -1); /* not touched yet */
    assert_int_equal(storage_read(s, STORAGE_LOOP, bytes, 0, 10), ENODATA);
    assert_non_null(strstr(storage_problem(s, STORAGE_LOOP), "a.bin"));
    storage_close(s);
    world_free(&w);
}

static void sending_gives_the_same_bytes_as_reading(void **state) {
    (void)state;
    for (size_t v = 0; v < 3; v++) {
        world w = world_new(VERSIONS[v]);
        storage *s;
        bool found;
        int ends[2];
        uint8_t expected[16384], got[16384];
        assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
        assert_int_equal(storage_prepare(s, &found), 0);
        write_all(s, w.meta);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        for (uint32_t i = 0; i < pbts_metainfo_piece_count(w.meta); i++) {
            size_t len = expected_piece(expected, w.meta, i), sent, at = 0;
            assert_int_equal(storage_send(s, ends[0], &sent, pbts_piece_offset(w.meta, i), len), 0);
            assert_int_equal(sent, len);
            while (at < len) {
                ssize_t more = recv(ends[1], got + at, len - at, 0);
                assert_true(more > 0);
                at += (size_t)more;
            }
            assert_memory_equal(got, expected, len);
        }
        (void)close(ends[0]);
        (void)close(ends[1]);
        storage_close(s);
        world_free(&w);
    }
}

static void a_full_socket_says_how_much_went(void **state) {
    (void)state;
    world w = world_new(PBTS_TORRENT_V1);
    storage *s;
    bool found;
    int ends[2], error = 0;
    size_t sent, total = 0;
    assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
    assert_int_equal(storage_prepare(s, &found), 0);
    write_all(s, w.meta);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    for (int i = 0; i < 1000 && error == 0; i++) {
        error = storage_send(s, ends[0], &sent, 0, 60000);
        total += sent;
    }
    assert_int_equal(error, EAGAIN);
    assert_true(total > 0);
    (void)close(ends[1]);
    assert_int_equal(storage_send(s, ends[0], &sent, 0, 60000), EPIPE);
    (void)close(ends[0]);
    storage_close(s);
    world_free(&w);
}

/* ---- what must not be touched ---- */

static void assert_nothing_gets_out(const world *w, const char *outside) {
    uint8_t bytes[16384];
    storage *s;
    bool found;
    char path[400];
    if (storage_open_new(&s, w->meta, w->folder) == 0) {
        (void)!storage_prepare(s, &found);
        for (uint32_t i = 0; i < pbts_metainfo_piece_count(w->meta); i++) {
            size_t len = expected_piece(bytes, w->meta, i);
            (void)!storage_write(s, (pbts_span){ bytes, len }, pbts_piece_offset(w->meta, i));
            (void)!storage_read(s, STORAGE_LOOP, bytes, pbts_piece_offset(w->meta, i), len);
        }
        storage_close(s);
    }
    (void)snprintf(path, sizeof path, "%s/victim", outside);
    assert_true(file_is(path, "untouched"));
}

static void no_link_is_written_through(void **state) {
    static const char *const LINKS[] = { "content",       "content/b",         "content/b/c",
                                         "content/a.bin", "content/b/c/d.bin", "content/b/empty" };
    (void)state;
    for (size_t i = 0; i < sizeof LINKS / sizeof LINKS[0]; i++) {
        char outside[256], victim[400], path[600];
        world w = world_new(PBTS_TORRENT_V1);
        temp_directory(outside);
        (void)snprintf(victim, sizeof victim, "%s/victim", outside);
        file_put(victim, pbts_span_text("untouched"));
        bool is_file = strchr(LINKS[i], '.') != NULL || strstr(LINKS[i], "empty") != NULL;
        for (const char *slash = LINKS[i]; (slash = strchr(slash, '/')) != NULL; slash++) {
            (void)snprintf(path, sizeof path, "%s/%.*s", w.folder, (int)(slash - LINKS[i]),
                           LINKS[i]);
            (void)mkdir(path, 0700);
        }
        (void)snprintf(path, sizeof path, "%s/%s", w.folder, LINKS[i]);
        assert_int_equal(symlink(is_file ? victim : outside, path), 0);
        assert_nothing_gets_out(&w, outside);
        char *left = NULL;
        size_t len;
        (void)snprintf(path, sizeof path, "%s/a.bin", outside);
        left = file_get(path, &len);
        assert_null(left); /* nothing was made there either */
        world_free(&w);
        folder_remove(outside);
    }
}

/* Its files would be believed at the next start: what was added, receipts, who the tracker is. */
static void the_state_folder_is_kept_out(void **state) {
    (void)state;
    static const char *const STATES[] = { "content", "content/b", "content/b/c", "elsewhere" };
    for (size_t i = 0; i < sizeof STATES / sizeof STATES[0]; i++) {
        world w = world_new(PBTS_TORRENT_V1);
        char path[600], made[600];
        uint8_t bytes[16384];
        storage *s;
        for (const char *slash = STATES[i]; slash != NULL; slash = strchr(slash + 1, '/')) {
            const char *end = strchr(slash + 1, '/');
            int len = end == NULL ? (int)strlen(STATES[i]) : (int)(end - STATES[i]);
            (void)snprintf(path, sizeof path, "%s/%.*s", w.folder, len, STATES[i]);
            assert_int_equal(mkdir(path, 0700), 0);
        }
        assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
        assert_int_equal(storage_keep_out(s, path), i == 0 ? EBUSY : 0);
        size_t len = expected_piece(bytes, w.meta, 2); /* of b/c/d.bin alone */
        int error = storage_write(s, (pbts_span){ bytes, len }, pbts_piece_offset(w.meta, 2));
        bool is_kept_out = i == 1 || i == 2;
        if (i > 0) assert_int_equal(error, is_kept_out ? EBUSY : 0);
        if (is_kept_out) assert_non_null(strstr(storage_problem(s, STORAGE_DISK), "--dir"));
        (void)snprintf(made, sizeof made, "%s/content/b/c/d.bin", w.folder);
        if (i > 0) assert_int_equal(access(made, F_OK), is_kept_out ? -1 : 0);
        storage_close(s);
        world_free(&w);
    }
}

/* Where downloads go into the state folder itself, a torrent may be called as a folder in it. */
static void no_torrent_goes_beside_our_own_files(void **state) {
    (void)state;
    world w = world_new(PBTS_TORRENT_V1);
    storage *s;
    assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
    assert_int_equal(storage_keep_out(s, w.folder), EBUSY);
    storage_close(s);
    world_free(&w);
}

/* A torrent may be called as the key is that lies beside it. */
static void a_file_that_is_kept_out_is_not_touched(void **state) {
    (void)state;
    world w = world_new(PBTS_TORRENT_V1);
    char path[400], link_path[400];
    uint8_t bytes[16384];
    storage *s;
    bool found;
    (void)snprintf(path, sizeof path, "%s/content", w.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/my.key", w.folder);
    (void)snprintf(link_path, sizeof link_path, "%s/content/a.bin", w.folder);
    file_put(path, pbts_span_text("secret"));
    assert_int_equal(link(path, link_path), 0); /* another name of the same file */
    assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
    assert_int_equal(storage_keep_out(s, "/nowhere/at/all"), 0);
    assert_int_equal(storage_keep_out(s, path), 0);
    assert_int_equal(storage_prepare(s, &found), EBUSY);
    size_t len = expected_piece(bytes, w.meta, 0);
    assert_int_equal(storage_write(s, (pbts_span){ bytes, len }, 0), EBUSY);
    assert_int_equal(storage_read(s, STORAGE_LOOP, bytes, 0, 6), EBUSY);
    storage_close(s);
    assert_true(file_is(path, "secret"));
    world_free(&w);
}

static void a_longer_file_or_another_thing_of_that_name_is_left_alone(void **state) {
    (void)state;
    world w = world_new(PBTS_TORRENT_V1);
    storage *s;
    bool found;
    char path[400];
    static uint8_t longer[20001];
    (void)snprintf(path, sizeof path, "%s/content", w.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/content/a.bin", w.folder);
    file_put(path, PBTS_SPAN_OF(longer));
    assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
    assert_int_equal(storage_prepare(s, &found), EEXIST);
    assert_non_null(strstr(storage_problem(s, STORAGE_DISK), "longer"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(storage_prepare(s, &found), EEXIST);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it would wait for its other end */
    assert_int_equal(storage_prepare(s, &found), EEXIST);
    storage_close(s);
    world_free(&w);
}

static void an_unfinished_file_is_found_and_lengthened(void **state) {
    (void)state;
    world w = world_new(PBTS_TORRENT_V1);
    storage *s;
    bool found = false;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/content", w.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/content/a.bin", w.folder);
    file_put(path, pbts_span_text("part"));
    assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
    assert_int_equal(storage_prepare(s, &found), 0);
    assert_true(found);
    write_all(s, w.meta);
    assert_all_readable(s, STORAGE_DISK, w.meta);
    storage_close(s);
    world_free(&w);
}

/* ---- many files, and looks ---- */

static void more_files_than_may_be_open_work(void **state) {
    enum { MANY = 3 * STORAGE_OPEN_MAX };
    (void)state;
    static small_file files[MANY];
    static char names[MANY][16];
    char folder[256];
    temp_directory(folder);
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "f%03zu", i);
        files[i] = (small_file){ names[i], 100 + i };
    }
    pbts_metainfo *meta = small_torrent(NULL, PBTS_TORRENT_V2, "many", files, MANY, false);
    storage *s;
    bool found;
    assert_int_equal(storage_open_new(&s, meta, folder), 0);
    assert_int_equal(storage_prepare(s, &found), 0);
    write_all(s, meta);
    assert_all_readable(s, STORAGE_LOOP, meta);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_in_range(fd, 3, 3 + 2 * STORAGE_OPEN_MAX + 8);
    (void)close(fd);
    assert_int_equal(storage_sync(s), 0);
    storage_close(s);
    pbts_metainfo_free(meta);
    folder_remove(folder);
}

static void a_look_shows_what_changed(void **state) {
    (void)state;
    world w = world_new(PBTS_TORRENT_V1);
    storage *s;
    bool found;
    uint32_t count = pbts_metainfo_file_count(w.meta);
    uint8_t before[20 * PBTS_RESUME_FILE_LEN], after[20 * PBTS_RESUME_FILE_LEN];
    assert_in_range(count, FILE_COUNT, 20);
    assert_int_equal(storage_open_new(&s, w.meta, w.folder), 0);
    storage_look(s, before);
    for (size_t i = 0; i < count * PBTS_RESUME_FILE_LEN; i++) assert_int_equal(before[i], 0);
    assert_int_equal(storage_prepare(s, &found), 0);
    write_all(s, w.meta);
    storage_look(s, before);
    storage_look(s, after);
    assert_memory_equal(before, after, count * PBTS_RESUME_FILE_LEN);
    struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = 5, .tv_nsec = 7 } };
    char path[400];
    (void)snprintf(path, sizeof path, "%s/content/z.bin", w.folder);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    storage_look(s, after);
    uint32_t changed = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * PBTS_RESUME_FILE_LEN;
        if (memcmp(before + at, after + at, PBTS_RESUME_FILE_LEN) != 0) changed++;
    }
    assert_int_equal(changed, 1);
    storage_close(s);
    world_free(&w);
}

static void the_same_place_is_known_however_it_is_spelled(void **state) {
    (void)state;
    static const small_file ONE[] = { { "one.bin", 5 } }, TWO[] = { { "two.bin", 5 } };
    char folder[256], other[300];
    temp_directory(folder);
    (void)snprintf(other, sizeof other, "%s/../%s", folder, strrchr(folder, '/') + 1);
    pbts_metainfo *one = small_torrent(NULL, PBTS_TORRENT_V1, "one.bin", ONE, 1, true);
    pbts_metainfo *two = small_torrent(NULL, PBTS_TORRENT_V1, "two.bin", TWO, 1, true);
    storage *a, *b, *c;
    assert_int_equal(storage_open_new(&a, one, folder), 0);
    assert_int_equal(storage_open_new(&b, one, other), 0);
    assert_int_equal(storage_open_new(&c, two, folder), 0);
    assert_true(storage_is_same_place(a, b));
    assert_false(storage_is_same_place(a, c));
    storage_close(a);
    storage_close(b);
    storage_close(c);
    pbts_metainfo_free(one);
    pbts_metainfo_free(two);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_written_and_read_in_every_version),
        cmocka_unit_test(a_single_file_lies_in_the_folder_itself),
        cmocka_unit_test(files_begin_as_holes_of_their_whole_length),
        cmocka_unit_test(sending_gives_the_same_bytes_as_reading),
        cmocka_unit_test(a_full_socket_says_how_much_went),
        cmocka_unit_test(no_link_is_written_through),
        cmocka_unit_test(the_state_folder_is_kept_out),
        cmocka_unit_test(no_torrent_goes_beside_our_own_files),
        cmocka_unit_test(a_file_that_is_kept_out_is_not_touched),
        cmocka_unit_test(a_longer_file_or_another_thing_of_that_name_is_left_alone),
        cmocka_unit_test(an_unfinished_file_is_found_and_lengthened),
        cmocka_unit_test(more_files_than_may_be_open_work),
        cmocka_unit_test(a_look_shows_what_changed),
        cmocka_unit_test(the_same_place_is_known_however_it_is_spelled),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
