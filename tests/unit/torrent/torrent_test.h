/* tests/unit/torrent/torrent_test.h - what the torrent tests share: contents, buffers, an allocator
 * that fails on request. */
#ifndef PBTS_TORRENT_TEST_H
#define PBTS_TORRENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/bencode.h"
#include "codec/text.h"
#include "hash/sha.h"
#include "torrent/builder.h"

#include "libtorrent_vectors.h"

enum { VECTOR_COUNT = sizeof LIBTORRENT / sizeof LIBTORRENT[0] };

typedef struct {
    pbts_mem mem;     /* first, so a pbts_mem * is one of these */
    size_t countdown; /* allocations that still succeed */
    size_t live;
} faulty_mem;

static inline void *faulty_resize(pbts_mem *mem, void *ptr, size_t len) {
    faulty_mem *faulty = (faulty_mem *)mem;
    if (faulty->countdown == 0) return NULL;
    faulty->countdown--;
    void *resized = realloc(ptr, len);
    assert_non_null(resized);
    if (ptr == NULL) faulty->live++;
    return resized;
}

static inline void *faulty_alloc(pbts_mem *mem, size_t len) {
    return faulty_resize(mem, NULL, len);
}

static inline void faulty_release(pbts_mem *mem, void *ptr) {
    ((faulty_mem *)mem)->live--;
    free(ptr);
}

static inline faulty_mem faulty_after(size_t successes) {
    return (faulty_mem){ { faulty_alloc, faulty_resize, faulty_release }, successes, 0 };
}

/* The files of make_vectors.py; content is what content_byte says. */
typedef struct {
    const char *set, *path;
    size_t length;
    unsigned seed;
} sample_file;

static const sample_file SAMPLES[] = {
    { "single", "single.bin", 100000, 9 },
    { "tiny", "tiny.bin", 5, 10 },
    { "multi", "a/b.bin", 40000, 1 },
    { "multi", "a-b.bin", 16384, 2 },
    { "multi", "empty.bin", 0, 3 },
    { "multi", "z/deep/c.bin", 70000, 4 },
    { "multi", "z/end.bin", 3, 5 },
    { "twins", "one.bin", 50000, 7 },
    { "twins", "two.bin", 50000, 7 },
    { "twins", "x/three.bin", 32768, 8 },
    { "gaps", "a.bin", 100, 11 },
    { "gaps", "b.bin", 0, 12 },
    { "gaps", "c.bin", 5, 13 },
    { "gaps", "d.bin", 0, 14 },
};
enum { SAMPLE_COUNT = sizeof SAMPLES / sizeof SAMPLES[0] };

static inline uint8_t content_byte(unsigned seed, size_t i) {
    return (uint8_t)(31 * i + 17 * (i >> 8) + seed);
}

static inline uint8_t *sample_content(const sample_file *file) {
    uint8_t *bytes = malloc(file->length > 0 ? file->length : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < file->length; i++) bytes[i] = content_byte(file->seed, i);
    return bytes;
}

/* Exact-size heap copies; freed with free((void *)span.data). */
static inline pbts_span heap_copy(pbts_span bytes) {
    enum { COPY_MAX = 1 << 30 };
    assert_true(bytes.len <= COPY_MAX);
    uint8_t *copy = malloc(bytes.len > 0 && bytes.len <= COPY_MAX ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    return (pbts_span){ copy, bytes.len };
}

static inline pbts_span vector_bytes(size_t index) {
    pbts_span hex = pbts_span_text(LIBTORRENT[index].hex);
    uint8_t *bytes = malloc(hex.len / 2);
    assert_non_null(bytes);
    assert_int_equal(pbts_hex_decode_exact(bytes, hex.len / 2, hex), PBTS_OK);
    return (pbts_span){ bytes, hex.len / 2 };
}

static inline pbts_status parse_copy(pbts_metainfo **out, const char **problem, pbts_span bytes) {
    pbts_span copy = heap_copy(bytes);
    pbts_status status = pbts_metainfo_parse(out, problem, pbts_mem_system(), copy);
    free((void *)copy.data);
    return status;
}

/* What holds of every metainfo that the parser gives out. */
static inline void assert_sound(const pbts_metainfo *meta) {
    uint64_t pieces_total = 0, files_total = 0;
    uint32_t count = pbts_metainfo_piece_count(meta);
    assert_true(count > 0 && count <= PBTS_PIECES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bytes = pbts_metainfo_piece_bytes(meta, i);
        assert_true(bytes > 0 && bytes <= pbts_metainfo_piece_length(meta));
        pieces_total += bytes;
    }
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        assert_true(file.path.len > 0 && file.path.data[0] != '/');
        if (!file.padding) files_total += file.length_bytes;
        if (!pbts_metainfo_has_v2(meta) || file.length_bytes == 0) continue;
        assert_true(file.offset_bytes % pbts_metainfo_piece_length(meta) == 0);
    }
    assert_true(pieces_total == pbts_metainfo_total_bytes(meta));
    assert_true(files_total == pieces_total && files_total > 0);
    assert_true(pbts_metainfo_has_v1(meta) || pbts_metainfo_has_v2(meta));
}

#endif
