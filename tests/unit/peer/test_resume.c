/* Unit tests of peer/resume.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/bencode.h"
#include "hash/sha.h"
#include "peer/resume.h"
#include "torrent/piece_set.h"

enum { ROOM = 1024, HEAD = 13 + 32, PIECES = 13 };

static const uint8_t BITMAP[] = { 0xA5, 0x48 };

static pbts_resume sample(uint8_t files[static 3 * PBTS_RESUME_FILE_LEN]) {
    pbts_resume resume = { .piece_count = PIECES,
                           .bitmap = PBTS_SPAN_OF(BITMAP),
                           .files = { files, 3 * PBTS_RESUME_FILE_LEN },
                           .uploaded_bytes = INT64_MAX,
                           .downloaded_bytes = 7 };
    for (uint32_t i = 0; i < 3; i++) {
        pbts_resume_file file = { (uint64_t)1 << (20 * i), UINT64_MAX - i };
        pbts_resume_file_put(files, i, &file);
    }
    memset(resume.infohash, 0x5A, sizeof resume.infohash);
    return resume;
}

static size_t encode_sample(uint8_t out[static ROOM]) {
    uint8_t files[3 * PBTS_RESUME_FILE_LEN];
    pbts_resume resume = sample(files);
    pbts_writer writer = pbts_writer_over(out, ROOM);
    pbts_resume_encode(&writer, &resume);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return writer.len;
}

static pbts_status decode(pbts_resume *out, pbts_span bytes) {
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    pbts_status status = pbts_resume_decode(out, (pbts_span){ copy, bytes.len });
    free(copy); /* its spans are not looked at */
    return status;
}

/* A body of the test's own, under the right hash. */
static pbts_status decode_body(const char *text) {
    uint8_t bytes[ROOM];
    pbts_resume resume;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_text(&writer, "pbts-resume1\n");
    uint8_t *hash = pbts_write_reserve(&writer, 32);
    pbts_sha256(hash, pbts_span_text(text));
    pbts_write_text(&writer, text);
    return decode(&resume, pbts_writer_span(&writer));
}

static void what_is_written_is_read(void **state) {
    (void)state;
    uint8_t bytes[ROOM], files[3 * PBTS_RESUME_FILE_LEN];
    pbts_resume resume, expected = sample(files);
    pbts_span all = { bytes, encode_sample(bytes) };
    assert_int_equal(pbts_resume_decode(&resume, all), PBTS_OK);
    assert_int_equal(resume.piece_count, PIECES);
    assert_true(pbts_span_equal(resume.bitmap, expected.bitmap));
    assert_memory_equal(resume.infohash, expected.infohash, sizeof resume.infohash);
    assert_true(resume.uploaded_bytes == INT64_MAX && resume.downloaded_bytes == 7);
    assert_int_equal(pbts_resume_file_count(&resume), 3);
    for (uint32_t i = 0; i < 3; i++) {
        pbts_resume_file file = pbts_resume_file_at(&resume, i);
        assert_true(file.length_bytes == (uint64_t)1 << (20 * i));
        assert_true(file.changed_ns == UINT64_MAX - i);
    }
}

static void every_truncation_and_every_changed_byte_is_found(void **state) {
    (void)state;
    uint8_t bytes[ROOM];
    pbts_resume resume;
    size_t len = encode_sample(bytes);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(decode(&resume, (pbts_span){ bytes, cut }), PBTS_MALFORMED);
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x20;
        assert_int_equal(decode(&resume, (pbts_span){ bytes, len }), PBTS_MALFORMED);
        bytes[i] ^= 0x20;
    }
    assert_int_equal(decode(&resume, (pbts_span){ bytes, len + 1 }), PBTS_MALFORMED);
}

#define H "1:h20:abcdefghijklmnopqrst"
static void bad_fields_are_malformed_under_a_right_hash_too(void **state) {
    static const char *const CASES[] = {
        "",
        "le",
        "de",
        "d1:b1:@1:di0e1:f0:" H "1:ni2ee", /* no u */
        "d1:b1:@1:di0e1:f0:1:h19:abcdefghijklmnopqrs1:ni2e1:ui0ee",
        "d1:b1:@1:di-1e1:f0:" H "1:ni2e1:ui0ee",
        "d1:b1:@1:di0e1:f1:x" H "1:ni2e1:ui0ee",      /* files not of 16 bytes */
        "d1:b2:@@1:di0e1:f0:" H "1:ni2e1:ui0ee",      /* bitmap too long */
        "d1:b1:@1:di0e1:f0:" H "1:ni1e1:ui0ee",       /* a spare bit is set */
        "d1:b0:1:di0e1:f0:" H "1:ni1048577e1:ui0ee",  /* too many pieces */
        "d1:b1:@1:di0e1:f0:" H "1:ni2e1:ui0e1:zi0ee", /* more */
        "d1:b1:@1:di0e1:f0:" H "1:ni2e1:ui0eee",
    };
    (void)state;
    assert_int_equal(decode_body("d1:b1:@1:di0e1:f0:" H "1:ni2e1:ui0ee"), PBTS_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (decode_body(CASES[i]) != PBTS_MALFORMED) fail_msg("accepted: %s", CASES[i]);
    }
}

static void the_longest_file_is_read_and_no_longer_one(void **state) {
    (void)state;
    size_t files_len = (size_t)PBTS_TORRENT_FILES_MAX * PBTS_RESUME_FILE_LEN;
    uint8_t *files = calloc(1, files_len), *bitmap = calloc(1, PBTS_PIECES_MAX / 8);
    uint8_t *bytes = calloc(1, PBTS_RESUME_LEN_MAX + 1);
    assert_true(files != NULL && bitmap != NULL && bytes != NULL);
    pbts_resume resume = { .piece_count = PBTS_PIECES_MAX,
                           .bitmap = { bitmap, PBTS_PIECES_MAX / 8 },
                           .files = { files, files_len },
                           .uploaded_bytes = INT64_MAX,
                           .downloaded_bytes = INT64_MAX },
                again;
    pbts_writer writer = pbts_writer_over(bytes, PBTS_RESUME_LEN_MAX);
    pbts_resume_encode(&writer, &resume);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_int_equal(pbts_resume_decode(&again, pbts_writer_span(&writer)), PBTS_OK);
    assert_int_equal(pbts_resume_decode(&again, (pbts_span){ bytes, PBTS_RESUME_LEN_MAX }),
                     PBTS_MALFORMED);
    assert_int_equal(pbts_resume_decode(&again, (pbts_span){ bytes, PBTS_RESUME_LEN_MAX + 1 }),
                     PBTS_LIMIT);
    free(files);
    free(bitmap);
    free(bytes);
}

static void what_does_not_fit_is_not_written(void **state) {
    (void)state;
    uint8_t bytes[ROOM], files[3 * PBTS_RESUME_FILE_LEN];
    pbts_resume resume = sample(files);
    size_t len = encode_sample(bytes);
    for (size_t room = 0; room < len; room++) {
        pbts_writer writer = pbts_writer_over(bytes, room);
        pbts_resume_encode(&writer, &resume);
        assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
    }
}

/* Files of 20000, 0, 12768 (padding), 16384 and 1 bytes in pieces of 16384. */
static pbts_metainfo *five_files(void) {
    uint8_t text[ROOM];
    pbts_metainfo *meta;
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_write_text(&writer, "d4:infod5:filesl"
                             "d6:lengthi20000e4:pathl1:aeed6:lengthi0e4:pathl1:bee"
                             "d4:attr1:p6:lengthi12768e4:pathl1:pee"
                             "d6:lengthi16384e4:pathl1:ceed6:lengthi1e4:pathl1:deee"
                             "4:name1:n12:piece lengthi16384e6:pieces80:");
    for (int i = 0; i < 80; i++) pbts_write_u8(&writer, 'x');
    pbts_write_text(&writer, "7:privatei1eee");
    const char *problem = "";
    if (pbts_metainfo_parse(&meta, &problem, pbts_mem_system(), pbts_writer_span(&writer)) !=
        PBTS_OK) {
        fail_msg("%s", problem);
    }
    return meta;
}

static void a_changed_file_takes_the_trust_from_its_pieces_only(void **state) {
    static const uint8_t LEFT[5] = { 0x30, 0xF0, 0xF0, 0xD0, 0xE0 };
    (void)state;
    pbts_metainfo *meta = five_files();
    assert_int_equal(pbts_metainfo_piece_count(meta), 4);
    for (uint32_t file = 0; file < 5; file++) {
        uint8_t bitmap[1] = { 0xF0 };
        pbts_resume_distrust(bitmap, meta, file);
        assert_int_equal(bitmap[0], LEFT[file]);
    }
    pbts_metainfo_free(meta);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_truncation_and_every_changed_byte_is_found),
        cmocka_unit_test(bad_fields_are_malformed_under_a_right_hash_too),
        cmocka_unit_test(the_longest_file_is_read_and_no_longer_one),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(a_changed_file_takes_the_trust_from_its_pieces_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
