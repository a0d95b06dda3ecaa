/* Unit tests of receipt/file.c. Inputs are exact-size heap copies, so a read past the end shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "receipt/file.h"
#include "receipt/pieces.h"

enum { BUFFER_LEN = 2048 };

static const uint8_t BITMAP[2] = { 0xF0, 0x80 }; /* of 9..16 pieces */

static uint8_t FIVE_OF_55[5 * 64]; /* filled by main */

static pbts_receipt_record sample(pbts_receipt_form form) {
    pbts_receipt_record record = { .piece_count = 10 };
    pbts_receipt *r = &record.receipt;
    r->form = form;
    r->epoch = 486111;
    memset(r->iid, 0x11, sizeof r->iid);
    memset(r->infohash, 0x22, sizeof r->infohash);
    memset(&r->sender, 0x33, sizeof r->sender);
    memset(&r->receiver, 0x44, sizeof r->receiver);
    memset(&record.signature, 0x66, sizeof record.signature);
    if (form == PBTS_FORM_PIECE) {
        memset(r->piece_hash, 0x55, sizeof r->piece_hash);
        r->piece_index = 7;
    } else {
        r->bitmap = PBTS_SPAN_OF(BITMAP);
    }
    if (form == PBTS_FORM_BATCH) memset(r->root, 0x77, sizeof r->root);
    if (form == PBTS_FORM_SESSION) {
        memset(r->session.id, 0x7A, sizeof r->session.id);
        memset(&r->session.key, 0x7B, sizeof r->session.key);
        r->session.expires = 1750003200;
        record.piece_hashes = (pbts_span){ FIVE_OF_55, 5 * 32 };
        r->piece_signatures = (pbts_span){ FIVE_OF_55, 5 * 64 };
    }
    record.receiver_uid = pbts_span_text("bob");
    record.sender_uid = pbts_span_text("alice");
    return record;
}

static size_t encode(uint8_t out[static BUFFER_LEN], const pbts_receipt_record *record) {
    pbts_writer writer = pbts_writer_over(out, BUFFER_LEN);
    pbts_receipt_record_encode(&writer, record);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return writer.len;
}

/* Decode a heap copy and encode again: what is taken has one encoding. `left`: unread bytes. */
static pbts_status decode(const void *bytes, size_t len, size_t *left) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0) memcpy(copy, bytes, len);
    pbts_receipt_record record, untouched;
    memset(&record, 0x5A, sizeof record);
    memset(&untouched, 0x5A, sizeof untouched);
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ copy, len });
    pbts_status status = pbts_receipt_record_decode(&record, &cursor);
    *left = pbts_cursor_left(&cursor);
    if (status == PBTS_OK) {
        uint8_t again[BUFFER_LEN];
        size_t again_len = encode(again, &record);
        assert_int_equal(again_len, len - *left);
        assert_memory_equal(again, copy, again_len);
    } else {
        assert_int_equal(*left, len);
        assert_memory_equal(&record, &untouched, sizeof record);
    }
    free(copy);
    return status;
}

static size_t lay_string(uint8_t *at, const char *head, int byte, size_t len) {
    size_t head_len = strlen(head);
    memcpy(at, head, head_len);
    memset(at + head_len, byte, len);
    return head_len + len;
}

static size_t lay_text(uint8_t *at, const char *text) {
    memcpy(at, text, strlen(text));
    return strlen(text);
}

static void a_cumulative_record_is_the_bencoding_of_its_header(void **state) {
    (void)state;
    uint8_t want[BUFFER_LEN], found[BUFFER_LEN];
    size_t at = lay_text(want, "d1:b2:\xF0\x80"
                               "1:ei486111e1:fi2e");
    at += lay_string(want + at, "1:g32:", 0x11, 32);
    at += lay_string(want + at, "1:h20:", 0x22, 20);
    at += lay_text(want + at, "1:ni10e");
    at += lay_string(want + at, "1:r96:", 0x44, 96);
    at += lay_string(want + at, "1:s96:", 0x33, 96);
    at += lay_text(want + at, "1:u3:bob1:v5:alice");
    at += lay_string(want + at, "1:x48:", 0x66, 48);
    at += lay_text(want + at, "e");
    pbts_receipt_record record = sample(PBTS_FORM_CUMULATIVE);
    assert_int_equal(encode(found, &record), at);
    assert_memory_equal(found, want, at);
}

static void a_piece_record_is_the_bencoding_of_its_header(void **state) {
    (void)state;
    uint8_t want[BUFFER_LEN], found[BUFFER_LEN];
    size_t at = lay_text(want, "d1:ei486111e1:fi1e");
    at += lay_string(want + at, "1:g32:", 0x11, 32);
    at += lay_string(want + at, "1:h20:", 0x22, 20);
    at += lay_text(want + at, "1:ii7e1:ni10e");
    at += lay_string(want + at, "1:p32:", 0x55, 32);
    at += lay_string(want + at, "1:r96:", 0x44, 96);
    at += lay_string(want + at, "1:s96:", 0x33, 96);
    at += lay_string(want + at, "1:x48:", 0x66, 48);
    at += lay_text(want + at, "e");
    pbts_receipt_record record = sample(PBTS_FORM_PIECE);
    record.receiver_uid = record.sender_uid = (pbts_span){ 0 };
    assert_int_equal(encode(found, &record), at);
    assert_memory_equal(found, want, at);
}

static void a_batch_record_is_the_bencoding_of_its_header(void **state) {
    (void)state;
    uint8_t want[BUFFER_LEN], found[BUFFER_LEN];
    size_t at = lay_text(want, "d1:b2:\xF0\x80"
                               "1:ei486111e1:fi3e");
    at += lay_string(want + at, "1:g32:", 0x11, 32);
    at += lay_string(want + at, "1:h20:", 0x22, 20);
    at += lay_string(want + at, "1:m32:", 0x77, 32);
    at += lay_text(want + at, "1:ni10e");
    at += lay_string(want + at, "1:r96:", 0x44, 96);
    at += lay_string(want + at, "1:s96:", 0x33, 96);
    at += lay_text(want + at, "1:u3:bob1:v5:alice");
    at += lay_string(want + at, "1:x48:", 0x66, 48);
    at += lay_text(want + at, "e");
    pbts_receipt_record record = sample(PBTS_FORM_BATCH);
    assert_int_equal(encode(found, &record), at);
    assert_memory_equal(found, want, at);
}

static void a_session_record_is_the_bencoding_of_its_header(void **state) {
    (void)state;
    uint8_t want[BUFFER_LEN], found[BUFFER_LEN];
    size_t at = lay_text(want, "d1:b2:\xF0\x80");
    at += lay_string(want + at, "1:d32:", 0x7A, 32);
    at += lay_text(want + at, "1:ei486111e1:fi4e");
    at += lay_string(want + at, "1:g32:", 0x11, 32);
    at += lay_string(want + at, "1:h20:", 0x22, 20);
    at += lay_string(want + at, "1:k33:", 0x7B, 33);
    at += lay_text(want + at, "1:ni10e");
    at += lay_string(want + at, "1:p160:", 0x55, 160);
    at += lay_string(want + at, "1:r96:", 0x44, 96);
    at += lay_string(want + at, "1:s96:", 0x33, 96);
    at += lay_text(want + at, "1:ti1750003200e1:u3:bob1:v5:alice");
    at += lay_string(want + at, "1:x48:", 0x66, 48);
    at += lay_string(want + at, "1:y320:", 0x55, 320);
    at += lay_text(want + at, "e");
    pbts_receipt_record record = sample(PBTS_FORM_SESSION);
    assert_int_equal(encode(found, &record), at);
    assert_memory_equal(found, want, at);
}

static void records_come_back_one_after_the_other(void **state) {
    (void)state;
    uint8_t bytes[2 * BUFFER_LEN];
    pbts_receipt_record first = sample(PBTS_FORM_PIECE), second = sample(PBTS_FORM_CUMULATIVE);
    size_t first_len = encode(bytes, &first);
    size_t len = first_len + encode(bytes + first_len, &second);
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ bytes, len });
    pbts_receipt_record out;
    assert_int_equal(pbts_receipt_record_decode(&out, &cursor), PBTS_OK);
    assert_int_equal(out.receipt.form, PBTS_FORM_PIECE);
    assert_int_equal(out.receipt.piece_index, 7);
    assert_true(pbts_span_is(out.sender_uid, "alice"));
    assert_int_equal(pbts_receipt_record_decode(&out, &cursor), PBTS_OK);
    assert_int_equal(out.receipt.form, PBTS_FORM_CUMULATIVE);
    assert_true(pbts_span_equal(out.receipt.bitmap, PBTS_SPAN_OF(BITMAP)));
    assert_int_equal(out.piece_count, 10);
    assert_true(out.receipt.epoch == 486111);
    assert_int_equal(pbts_cursor_left(&cursor), 0);
    assert_int_equal(pbts_receipt_record_decode(&out, &cursor), PBTS_NEED_MORE);
}

static void every_truncation_needs_more(void **state) {
    (void)state;
    for (int form = PBTS_FORM_PIECE; form <= PBTS_FORM_SESSION; form++) {
        uint8_t bytes[BUFFER_LEN];
        size_t left;
        pbts_receipt_record record = sample((pbts_receipt_form)form);
        size_t len = encode(bytes, &record);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(decode(bytes, cut, &left), PBTS_NEED_MORE);
        assert_int_equal(decode(bytes, len, &left), PBTS_OK);
        assert_int_equal(left, 0);
    }
}

/* Any status may come of it; decode() checks that what is taken encodes back, and ASan the rest. */
static void single_byte_damage_is_refused_or_is_another_record(void **state) {
    (void)state;
    for (int form = PBTS_FORM_PIECE; form <= PBTS_FORM_SESSION; form++) {
        uint8_t bytes[BUFFER_LEN];
        size_t left, refused = 0;
        pbts_receipt_record record = sample((pbts_receipt_form)form);
        size_t len = encode(bytes, &record);
        for (size_t i = 0; i < len; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes[i] ^= (uint8_t)(1u << bit);
                if (decode(bytes, len, &left) != PBTS_OK) refused++;
                bytes[i] ^= (uint8_t)(1u << bit);
            }
        }
        assert_true(refused > 500);
    }
}

/* One change of a good record, as text: `from` is replaced by `to`. */
static void a_record_with_a_bad_field_is_refused(void **state) {
    (void)state;
    static const struct {
        pbts_receipt_form form;
        const char *from, *to;
        pbts_status want;
    } CASES[] = {
        { PBTS_FORM_PIECE, "1:fi1e", "1:fi0e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:fi1e", "1:fi2e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:fi1e", "1:fi3e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:fi1e", "1:fi4e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:fi1e", "1:fi5e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:fi1e", "1:f1:1", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:fi1e", "", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ei486111e", "1:ei-1e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ei486111e", "", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ei486111e", "1:ei9223372036854775807e", PBTS_OK },
        { PBTS_FORM_PIECE, "1:ei486111e", "1:ei9223372036854775808e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ii7e", "1:ii9e", PBTS_OK },
        { PBTS_FORM_PIECE, "1:ii7e", "1:ii10e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ii7e", "1:ii4294967303e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ii7e", "", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ni10e", "1:ni8e", PBTS_OK },
        { PBTS_FORM_PIECE, "1:ni10e", "1:ni7e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ni10e", "1:ni0e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ni10e", "", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:ni10e", "1:ni1048576e", PBTS_OK },
        { PBTS_FORM_PIECE, "1:ni10e", "1:ni1048577e", PBTS_LIMIT },
        { PBTS_FORM_PIECE, "1:ni10e", "1:ni4294967306e", PBTS_LIMIT },
        { PBTS_FORM_PIECE, "1:u3:bob", "", PBTS_OK },
        { PBTS_FORM_PIECE, "1:v5:alice", "", PBTS_OK },
        { PBTS_FORM_PIECE, "1:u3:bob", "1:u0:", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:u3:bob", "1:u3:b b", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:u3:bob", "1:ui3e", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "1:u3:bob", "1:t0:1:u3:bob", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "d1:ei", "d1:b0:1:ei", PBTS_MALFORMED },
        { PBTS_FORM_PIECE, "d1:ei", "l1:ei", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "1:fi2e", "1:fi1e", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "1:ni10e", "1:ii1e1:ni10e", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "1:ni10e", "1:ni9e", PBTS_OK },
        { PBTS_FORM_CUMULATIVE, "1:ni10e", "1:ni16e", PBTS_OK },
        { PBTS_FORM_CUMULATIVE, "1:ni10e", "1:ni8e", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "1:ni10e", "1:ni17e", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "\xF0\x80", "\xF0\xC0", PBTS_OK },
        { PBTS_FORM_CUMULATIVE, "\xF0\x80", "\xF0\x20", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "1:b2:\xF0\x80", "", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "1:b2:\xF0\x80", "1:bi0e", PBTS_MALFORMED },
        { PBTS_FORM_CUMULATIVE, "1:fi2e", "1:fi3e", PBTS_MALFORMED },
        { PBTS_FORM_BATCH, "1:fi3e", "1:fi2e", PBTS_MALFORMED },
        { PBTS_FORM_BATCH, "1:fi3e", "1:fi4e", PBTS_MALFORMED },
        { PBTS_FORM_BATCH, "1:ni10e", "1:ni17e", PBTS_MALFORMED },
        { PBTS_FORM_BATCH, "1:ni10e", "1:ii1e1:ni10e", PBTS_MALFORMED },
        { PBTS_FORM_BATCH, "1:u3:bob", "1:ti1e1:u3:bob", PBTS_MALFORMED },
        { PBTS_FORM_SESSION, "1:fi4e", "1:fi3e", PBTS_MALFORMED },
        { PBTS_FORM_SESSION, "1:fi4e", "1:fi2e", PBTS_MALFORMED },
        { PBTS_FORM_SESSION, "1:ti1750003200e", "", PBTS_MALFORMED },
        { PBTS_FORM_SESSION, "1:ti1750003200e", "1:ti-1e", PBTS_MALFORMED },
        { PBTS_FORM_SESSION, "1:ti1750003200e", "1:ti9223372036854775807e", PBTS_OK },
        { PBTS_FORM_SESSION, "1:ti1750003200e", "1:t1:1", PBTS_MALFORMED },
        { PBTS_FORM_SESSION, "\xF0\x80", "\xF0\x40", PBTS_OK },
        { PBTS_FORM_SESSION, "\xF0\x80", "\xF0\xC0", PBTS_MALFORMED }, /* six pieces, five hashes */
        { PBTS_FORM_SESSION, "\xF0\x80", "\x70\x80", PBTS_MALFORMED },
        { PBTS_FORM_SESSION, "1:ni10e", "1:ii1e1:ni10e", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t good[BUFFER_LEN], bad[BUFFER_LEN];
        pbts_receipt_record record = sample(CASES[i].form);
        size_t len = encode(good, &record), from_len = strlen(CASES[i].from), left;
        uint8_t *at = memmem(good, len, CASES[i].from, from_len);
        assert_non_null(at);
        size_t head = (size_t)(at - good), to_len = strlen(CASES[i].to);
        memcpy(bad, good, head);
        memcpy(bad + head, CASES[i].to, to_len);
        memcpy(bad + head + to_len, at + from_len, len - head - from_len);
        pbts_status status = decode(bad, len - from_len + to_len, &left);
        if (status != CASES[i].want)
            fail_msg("%s -> %s: %s", CASES[i].from, CASES[i].to, pbts_status_name(status));
    }
}

/* Fixed-length fields one byte short and one byte long. */
static void fields_of_another_length_are_refused(void **state) {
    (void)state;
    static const struct {
        pbts_receipt_form form;
        const char *key;
        int byte;
        size_t len;
    } FIELDS[] = {
        { PBTS_FORM_PIECE, "1:g", 0x11, 32 },    { PBTS_FORM_PIECE, "1:h", 0x22, 20 },
        { PBTS_FORM_PIECE, "1:p", 0x55, 32 },    { PBTS_FORM_PIECE, "1:r", 0x44, 96 },
        { PBTS_FORM_PIECE, "1:s", 0x33, 96 },    { PBTS_FORM_PIECE, "1:x", 0x66, 48 },
        { PBTS_FORM_BATCH, "1:m", 0x77, 32 },    { PBTS_FORM_SESSION, "1:d", 0x7A, 32 },
        { PBTS_FORM_SESSION, "1:k", 0x7B, 33 },  { PBTS_FORM_SESSION, "1:p", 0x55, 160 },
        { PBTS_FORM_SESSION, "1:y", 0x55, 320 },
    };
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        for (int change = -1; change <= 1; change++) {
            uint8_t good[BUFFER_LEN], bad[BUFFER_LEN];
            char head[16];
            pbts_receipt_record record = sample(FIELDS[i].form);
            size_t len = encode(good, &record), new_len = (size_t)((int)FIELDS[i].len + change);
            (void)snprintf(head, sizeof head, "%s%zu:", FIELDS[i].key, FIELDS[i].len);
            uint8_t *at = memmem(good, len, head, strlen(head));
            assert_non_null(at);
            size_t before = (size_t)(at - good), old_len = strlen(head) + FIELDS[i].len;
            memcpy(bad, good, before);
            (void)snprintf(head, sizeof head, "%s%zu:", FIELDS[i].key, new_len);
            size_t end = before + lay_string(bad + before, head, FIELDS[i].byte, new_len), left;
            memcpy(bad + end, at + old_len, len - before - old_len);
            assert_int_equal(decode(bad, end + len - before - old_len, &left),
                             change == 0 ? PBTS_OK : PBTS_MALFORMED);
        }
    }
}

/* A session of `pieces` pieces of the largest torrent; everything as long as it can be. */
static pbts_status status_of_session(size_t pieces) {
    size_t bitmap_len = pbts_piece_set_len(PBTS_PIECES_MAX);
    uint8_t *bitmap = calloc(1, bitmap_len), *items = calloc(pieces, 64);
    uint8_t *bytes = malloc(PBTS_RECEIPT_RECORD_LEN_MAX + 96);
    assert_true(bitmap != NULL && items != NULL && bytes != NULL);
    char uid[PBTS_UID_LEN_MAX + 1] = { 0 };
    memset(uid, 'u', PBTS_UID_LEN_MAX);
    pbts_receipt_record record = sample(PBTS_FORM_SESSION), out;
    record.piece_count = PBTS_PIECES_MAX;
    record.receipt.bitmap = (pbts_span){ bitmap, bitmap_len };
    for (uint32_t i = 0; i < pieces; i++) pbts_piece_set_add(bitmap, 1000 * i);
    record.receipt.epoch = record.receipt.session.expires = INT64_MAX;
    record.receiver_uid = record.sender_uid = pbts_span_text(uid);
    record.piece_hashes = (pbts_span){ items, pieces * 32 };
    record.receipt.piece_signatures = (pbts_span){ items, pieces * 64 };
    pbts_writer writer = pbts_writer_over(bytes, PBTS_RECEIPT_RECORD_LEN_MAX + 96);
    pbts_receipt_record_encode(&writer, &record);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    pbts_cursor cursor = pbts_cursor_over(pbts_writer_span(&writer));
    pbts_status status = pbts_receipt_record_decode(&out, &cursor);
    if (status == PBTS_OK) {
        assert_true(writer.len <= PBTS_RECEIPT_RECORD_LEN_MAX);
        assert_int_equal(out.receipt.bitmap.len, bitmap_len);
    }
    free(bytes);
    free(items);
    free(bitmap);
    return status;
}

static void a_session_record_has_1_to_1024_pieces_and_fits_its_limit(void **state) {
    (void)state;
    assert_int_equal(status_of_session(PBTS_RECEIPT_SESSION_PIECES_MAX), PBTS_OK);
    assert_int_equal(status_of_session(PBTS_RECEIPT_SESSION_PIECES_MAX + 1), PBTS_LIMIT);
    assert_int_equal(status_of_session(1), PBTS_OK);
    assert_int_equal(status_of_session(0), PBTS_MALFORMED);
}

/* ---- checking ---- */

typedef struct {
    pbts_receipt_record record;
    uint8_t hashes[5 * 32], signatures[5 * 64];
} signed_record;

/* A sample with the keys 5 and 7 that is really signed; the session's key is 9. */
static void sign_sample(signed_record *out, pbts_receipt_form form) {
    pbts_bls_secret receiver = { { [31] = 5 } }, sender = { { [31] = 7 } };
    pbts_secp256k1_secret session = { { [31] = 9 } };
    pbts_secp256k1_signer *signer;
    out->record = sample(form);
    pbts_receipt *r = &out->record.receipt;
    pbts_bls_public_of(&r->receiver, &receiver);
    pbts_bls_public_of(&r->sender, &sender);
    for (size_t i = 0; i < sizeof out->hashes; i++) out->hashes[i] = (uint8_t)i;
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    if (form == PBTS_FORM_SESSION) {
        r->session.expires = r->epoch * 3600 + 1;
        pbts_secp256k1_public_of(signer, &r->session.key, &session);
        size_t place = 0;
        for (uint32_t i = 0; pbts_piece_set_next(r->bitmap, &i); i++, place++) {
            pbts_receipt_session_sign(
                signer, (pbts_secp256k1_signature *)(void *)(out->signatures + 64 * place),
                &session, r, out->hashes + 32 * place, i);
        }
        assert_int_equal(place, 5);
        out->record.piece_hashes = PBTS_SPAN_OF(out->hashes);
        r->piece_signatures = PBTS_SPAN_OF(out->signatures);
    }
    pbts_secp256k1_signer_free(signer);
    pbts_receipt_sign(&out->record.signature, r, &receiver);
}

static void signed_records_of_every_form_verify_and_changed_ones_do_not(void **state) {
    (void)state;
    for (int form = PBTS_FORM_PIECE; form <= PBTS_FORM_SESSION; form++) {
        signed_record s;
        uint32_t bad = 1;
        sign_sample(&s, (pbts_receipt_form)form);
        assert_int_equal(pbts_receipt_record_verify(&s.record, &bad), PBTS_OK);
        assert_true(bad == UINT32_MAX);
        s.record.receipt.infohash[0] ^= 1;
        assert_int_equal(pbts_receipt_record_verify(&s.record, &bad), PBTS_BAD_SIGNATURE);
        assert_true(bad == UINT32_MAX);
        s.record.receipt.infohash[0] ^= 1;
        s.record.signature.bytes[0] ^= 0x80;
        assert_int_equal(pbts_receipt_record_verify(&s.record, &bad), PBTS_MALFORMED);
        s.record.signature.bytes[0] ^= 0x80;
        s.record.receipt.receiver.bytes[0] ^= 0x80;
        assert_int_equal(pbts_receipt_record_verify(&s.record, &bad), PBTS_MALFORMED);
    }
}

static void a_sessions_record_names_the_piece_that_is_bad(void **state) {
    (void)state;
    static const uint32_t PIECES[5] = { 0, 1, 2, 3, 8 };
    for (size_t i = 0; i < 5; i++) {
        signed_record s;
        uint32_t bad = 1;
        sign_sample(&s, PBTS_FORM_SESSION);
        s.hashes[32 * i + 31] ^= 1;
        assert_int_equal(pbts_receipt_record_verify(&s.record, &bad), PBTS_BAD_SIGNATURE);
        assert_int_equal(bad, PIECES[i]);
        s.hashes[32 * i + 31] ^= 1;
        s.signatures[64 * i + 3] ^= 1;
        assert_int_equal(pbts_receipt_record_verify(&s.record, &bad), PBTS_BAD_SIGNATURE);
        assert_int_equal(bad, PIECES[i]);
        s.record.piece_hashes.len -= 32;
        assert_int_equal(pbts_receipt_record_verify(&s.record, &bad), PBTS_MALFORMED);
    }
}

static void a_record_of_the_most_pieces_fits_its_limit(void **state) {
    (void)state;
    size_t bitmap_len = pbts_piece_set_len(PBTS_PIECES_MAX);
    uint8_t *bitmap = calloc(1, bitmap_len), *bytes = malloc(PBTS_RECEIPT_RECORD_LEN_MAX);
    assert_true(bitmap != NULL && bytes != NULL);
    char uid[PBTS_UID_LEN_MAX + 1] = { 0 };
    memset(uid, 'u', PBTS_UID_LEN_MAX);
    pbts_receipt_record record = sample(PBTS_FORM_CUMULATIVE), out;
    record.piece_count = PBTS_PIECES_MAX;
    record.receipt.bitmap = (pbts_span){ bitmap, bitmap_len };
    record.receipt.epoch = INT64_MAX;
    record.receiver_uid = record.sender_uid = pbts_span_text(uid);
    pbts_writer writer = pbts_writer_over(bytes, PBTS_RECEIPT_RECORD_LEN_MAX);
    pbts_receipt_record_encode(&writer, &record);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    pbts_cursor cursor = pbts_cursor_over(pbts_writer_span(&writer));
    assert_int_equal(pbts_receipt_record_decode(&out, &cursor), PBTS_OK);
    assert_int_equal(out.receipt.bitmap.len, bitmap_len);
    free(bytes);
    free(bitmap);
}

int main(void) {
    memset(FIVE_OF_55, 0x55, sizeof FIVE_OF_55);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cumulative_record_is_the_bencoding_of_its_header),
        cmocka_unit_test(a_piece_record_is_the_bencoding_of_its_header),
        cmocka_unit_test(a_batch_record_is_the_bencoding_of_its_header),
        cmocka_unit_test(a_session_record_is_the_bencoding_of_its_header),
        cmocka_unit_test(records_come_back_one_after_the_other),
        cmocka_unit_test(every_truncation_needs_more),
        cmocka_unit_test(single_byte_damage_is_refused_or_is_another_record),
        cmocka_unit_test(a_record_with_a_bad_field_is_refused),
        cmocka_unit_test(fields_of_another_length_are_refused),
        cmocka_unit_test(a_record_of_the_most_pieces_fits_its_limit),
        cmocka_unit_test(a_session_record_has_1_to_1024_pieces_and_fits_its_limit),
        cmocka_unit_test(signed_records_of_every_form_verify_and_changed_ones_do_not),
        cmocka_unit_test(a_sessions_record_names_the_piece_that_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
