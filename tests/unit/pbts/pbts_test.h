/* tests/unit/pbts/pbts_test.h - what the unit tests of the command-line tool share: a folder of the
 * test's own, and small torrents. */
#ifndef PBTS_TEST_PBTS_H
#define PBTS_TEST_PBTS_H

#include "store/temp_store.h"

#include <ftw.h>
#include <sys/stat.h>

#include "torrent/builder.h"

static inline int remove_entry(const char *path, const struct stat *info, int kind,
                               struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void folder_remove(const char *folder) {
    assert_int_equal(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void file_put(const char *path, pbts_span bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (bytes.len > 0) assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

/* What the file holds, NUL-terminated; the caller frees it. NULL and 0: there is none. */
static inline char *file_get(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    *len = 0;
    if (file == NULL) return NULL;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    *len = fread(text, 1, (size_t)size, file);
    text[*len] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static inline bool file_is(const char *path, const char *want) {
    size_t len;
    char *text = file_get(path, &len);
    bool same = text != NULL && strcmp(text, want) == 0;
    free(text);
    return same;
}

/* A file of a small torrent: byte i of it is made from `seed` and i. */
typedef struct {
    const char *path;
    size_t len;
} small_file;

static inline uint8_t small_byte(size_t file, size_t at) {
    return (uint8_t)(file * 101 + at * 7 + at / 251);
}

/* Content and metainfo of these files; `root` (may be NULL) gets the files. */
static inline pbts_metainfo *small_torrent(const char *root, pbts_torrent_version version,
                                           const char *name, const small_file *files, size_t count,
                                           bool single) {
    enum { PIECE = 16384 };
    char path[600];
    pbts_torrent_builder *builder;
    pbts_span bytes;
    pbts_metainfo *meta;
    pbts_torrent_options options = { .version = version,
                                     .piece_length = PIECE,
                                     .name = pbts_span_text(name),
                                     .single_file = single };
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    for (size_t i = 0; i < count; i++) {
        uint8_t *content = malloc(files[i].len + 1);
        assert_non_null(content);
        for (size_t k = 0; k < files[i].len; k++) content[k] = small_byte(i, k);
        pbts_span all = { content, files[i].len };
        assert_int_equal(
            pbts_torrent_builder_begin_file(builder, pbts_span_text(files[i].path), all.len),
            PBTS_OK);
        assert_int_equal(pbts_torrent_builder_add(builder, all), PBTS_OK);
        if (root != NULL) {
            (void)snprintf(path, sizeof path, "%s/%s", root, files[i].path);
            file_put(path, all);
        }
        free(content);
    }
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    return meta;
}

#endif
