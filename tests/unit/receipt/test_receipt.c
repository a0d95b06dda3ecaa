/* Unit tests of receipt/receipt.c: the messages against bytes laid out by hand from DESIGN
 * section 5, and signing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "receipt/receipt.h"

/* Every field is filled with a byte of its own, so a swapped or shifted field shows. */
enum {
    IID = 0x11,
    HASH = 0x22,
    SENDER = 0x33,
    RECEIVER = 0x44,
    PIECE = 0x55,
    ROOT = 0x66,
    SESSION_ID = 0x77,
    SESSION_KEY = 0x88,
};

static pbts_receipt sample(pbts_receipt_form form) {
    pbts_receipt r = { .form = form, .epoch = UINT64_C(0x0102030405060708) };
    memset(r.iid, IID, sizeof r.iid);
    memset(r.infohash, HASH, sizeof r.infohash);
    memset(&r.sender, SENDER, sizeof r.sender);
    memset(&r.receiver, RECEIVER, sizeof r.receiver);
    memset(r.piece_hash, PIECE, sizeof r.piece_hash);
    r.piece_index = 0xA1B2C3D4;
    memset(r.root, ROOT, sizeof r.root);
    memset(r.session.id, SESSION_ID, sizeof r.session.id);
    memset(&r.session.key, SESSION_KEY, sizeof r.session.key);
    r.session.expires = 1800000000;
    return r;
}

static size_t lay(uint8_t *at, int byte, size_t len) {
    memset(at, byte, len);
    return len;
}

/* iid[32] infohash[20] pk_sender[96] pk_receiver[96] */
static size_t lay_head(uint8_t *out) {
    size_t at = lay(out, IID, 32);
    at += lay(out + at, HASH, 20);
    at += lay(out + at, SENDER, 96);
    return at + lay(out + at, RECEIVER, 96);
}

static void a_piece_message_is_the_bytes_of_the_design(void **state) {
    (void)state;
    static const uint8_t TAIL[12] = { 0xA1, 0xB2, 0xC3, 0xD4, 1, 2, 3, 4, 5, 6, 7, 8 };
    uint8_t want[288], found[288];
    size_t at = lay_head(want);
    at += lay(want + at, PIECE, 32);
    memcpy(want + at, TAIL, sizeof TAIL);
    assert_int_equal(at + sizeof TAIL, sizeof want);

    pbts_receipt r = sample(PBTS_FORM_PIECE);
    pbts_writer writer = pbts_writer_over(found, sizeof found);
    pbts_receipt_message(&writer, &r);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_int_equal(writer.len, sizeof want);
    assert_memory_equal(found, want, sizeof want);
}

static void a_cumulative_message_is_the_bytes_of_the_design(void **state) {
    (void)state;
    static const uint8_t BITMAP[2] = { 0xF0, 0x80 }; /* pieces 0-3 and 8 */
    /* SHA-256 of the two bytes F0 80, by coreutils' sha256sum. */
    static const uint8_t DIGEST[32] = { 0xE3, 0x8B, 0x90, 0x08, 0x85, 0x04, 0x02, 0x31,
                                        0xD7, 0x5D, 0x6F, 0x54, 0x73, 0x15, 0x47, 0x25,
                                        0x44, 0xDF, 0x7D, 0x2E, 0x27, 0x7A, 0xFA, 0x74,
                                        0x64, 0x3D, 0x56, 0x80, 0xE3, 0xA9, 0x63, 0x8C };
    static const uint8_t EPOCH_AND_COUNT[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 5 };
    uint8_t want[288], found[288];
    size_t at = lay_head(want);
    memcpy(want + at, EPOCH_AND_COUNT, 12);
    memcpy(want + at + 12, DIGEST, 32);
    assert_int_equal(at + 12 + 32, sizeof want);

    pbts_receipt r = sample(PBTS_FORM_CUMULATIVE);
    r.bitmap = PBTS_SPAN_OF(BITMAP);
    pbts_writer writer = pbts_writer_over(found, sizeof found);
    pbts_receipt_message(&writer, &r);
    assert_int_equal(writer.len, sizeof want);
    assert_memory_equal(found, want, sizeof want);
}

static void a_batch_message_is_the_bytes_of_the_design(void **state) {
    (void)state;
    static const uint8_t BITMAP[2] = { 0xF0, 0x80 };
    static const uint8_t EPOCH_AND_COUNT[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 5 };
    uint8_t want[288], found[288];
    size_t at = lay_head(want);
    memcpy(want + at, EPOCH_AND_COUNT, 12);
    at += 12;
    at += lay(want + at, ROOT, 32);
    assert_int_equal(at, sizeof want);

    pbts_receipt r = sample(PBTS_FORM_BATCH);
    r.bitmap = PBTS_SPAN_OF(BITMAP);
    pbts_writer writer = pbts_writer_over(found, sizeof found);
    pbts_receipt_message(&writer, &r);
    assert_int_equal(writer.len, sizeof want);
    assert_memory_equal(found, want, sizeof want);
}

static void a_session_message_is_the_bytes_of_the_design(void **state) {
    (void)state;
    static const uint8_t EXPIRES[8] = { 0, 0, 0, 0, 0x6B, 0x49, 0xD2, 0x00 };
    uint8_t want[317], found[317];
    size_t at = lay_head(want);
    at += lay(want + at, SESSION_ID, 32);
    at += lay(want + at, SESSION_KEY, 33);
    memcpy(want + at, EXPIRES, 8);
    assert_int_equal(at + 8, sizeof want);

    pbts_receipt r = sample(PBTS_FORM_SESSION);
    pbts_writer writer = pbts_writer_over(found, sizeof found);
    pbts_receipt_message(&writer, &r);
    assert_int_equal(writer.len, sizeof want);
    assert_memory_equal(found, want, sizeof want);
}

static void the_longest_receipt_message_fits_its_limit_exactly(void **state) {
    (void)state;
    uint8_t buffer[PBTS_RECEIPT_MESSAGE_MAX];
    pbts_receipt r = sample(PBTS_FORM_SESSION);
    pbts_writer fits = pbts_writer_over(buffer, sizeof buffer);
    pbts_writer short_by_one = pbts_writer_over(buffer, sizeof buffer - 1);
    pbts_receipt_message(&fits, &r);
    pbts_receipt_message(&short_by_one, &r);
    assert_int_equal(pbts_writer_status(&fits), PBTS_OK);
    assert_int_equal(pbts_writer_status(&short_by_one), PBTS_NO_SPACE);
}

/* The other messages: fixed fields of one byte value each, then integers. */
static void the_other_messages_are_the_bytes_of_the_design(void **state) {
    (void)state;
    uint8_t iid[32], infohash[20], digest[32], want[PBTS_MESSAGE_MAX], found[PBTS_MESSAGE_MAX];
    pbts_bls_public key;
    (void)lay(iid, IID, sizeof iid);
    (void)lay(infohash, HASH, sizeof infohash);
    (void)lay(digest, PIECE, sizeof digest);
    memset(&key, SENDER, sizeof key);
    size_t head = lay(want, IID, 32);
    head += lay(want + head, SENDER, 96);
    assert_int_equal(head, 128);

    pbts_writer writer = pbts_writer_over(found, sizeof found);
    pbts_message_register(&writer, iid, &key, pbts_span_text("alice"));
    memcpy(want + head, "\5alice", 6);
    assert_int_equal(writer.len, head + 6);
    assert_memory_equal(found, want, writer.len);

    writer = pbts_writer_over(found, sizeof found);
    pbts_message_announce(&writer, iid, &key, infohash, 3, UINT64_C(0x1122334455667788));
    size_t at = head + lay(want + head, HASH, 20);
    memcpy(want + at, "\x03\x11\x22\x33\x44\x55\x66\x77\x88", 9);
    assert_int_equal(writer.len, at + 9);
    assert_memory_equal(found, want, writer.len);

    writer = pbts_writer_over(found, sizeof found);
    pbts_message_report(&writer, iid, &key, UINT64_C(0x1122334455667788), digest);
    memcpy(want + head, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    (void)lay(want + head + 8, PIECE, 32);
    assert_int_equal(writer.len, head + 40);
    assert_memory_equal(found, want, writer.len);

    writer = pbts_writer_over(found, sizeof found);
    pbts_message_ticket(&writer, iid, &key, 1, 2, UINT64_C(0xFF00000000000003));
    memset(want + head, 0, 24);
    want[head + 7] = 1, want[head + 15] = 2, want[head + 16] = 0xFF, want[head + 23] = 3;
    assert_int_equal(writer.len, head + 24);
    assert_memory_equal(found, want, writer.len);
}

static void a_peer_proves_its_key_over_the_bytes_of_the_design(void **state) {
    (void)state;
    uint8_t iid[32], infohash[20], own[32], theirs[32], want[308], found[PBTS_MESSAGE_MAX];
    pbts_bls_public key_own, key_theirs;
    (void)lay(iid, IID, sizeof iid);
    (void)lay(infohash, HASH, sizeof infohash);
    (void)lay(own, 0x66, sizeof own);
    (void)lay(theirs, 0x77, sizeof theirs);
    memset(&key_own, SENDER, sizeof key_own);
    memset(&key_theirs, RECEIVER, sizeof key_theirs);
    size_t at = lay(want, IID, 32);
    at += lay(want + at, HASH, 20);
    at += lay(want + at, 0x66, 32);
    at += lay(want + at, 0x77, 32);
    at += lay(want + at, SENDER, 96);
    at += lay(want + at, RECEIVER, 96);
    assert_int_equal(at, sizeof want);

    pbts_writer writer = pbts_writer_over(found, sizeof found);
    pbts_message_peer(&writer, iid, infohash, own, theirs, &key_own, &key_theirs);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_int_equal(writer.len, sizeof want);
    assert_memory_equal(found, want, sizeof want);
}

static void each_form_has_its_purpose(void **state) {
    (void)state;
    assert_int_equal(pbts_receipt_purpose(PBTS_FORM_PIECE), PBTS_BLS_PIECE);
    assert_int_equal(pbts_receipt_purpose(PBTS_FORM_CUMULATIVE), PBTS_BLS_CUMULATIVE);
    assert_int_equal(pbts_receipt_purpose(PBTS_FORM_BATCH), PBTS_BLS_BATCH);
    assert_int_equal(pbts_receipt_purpose(PBTS_FORM_SESSION), PBTS_BLS_SESSION);
}

static pbts_bls_public_point key_of(pbts_bls_secret *secret, uint8_t scalar) {
    pbts_bls_public bytes;
    pbts_bls_public_point point;
    *secret = (pbts_bls_secret){ { [31] = scalar } };
    pbts_bls_public_of(&bytes, secret);
    assert_int_equal(pbts_bls_public_decode(&point, &bytes), PBTS_OK);
    return point;
}

static pbts_status verify(const pbts_bls_public_point *key, const pbts_receipt *receipt,
                          const pbts_bls_g1_point *signature) {
    pbts_bls_g1_point hashed;
    pbts_receipt_hash(&hashed, receipt);
    return pbts_bls_verify_sums(key, &hashed, 1, signature);
}

/* The signed fields of each form as byte ranges of the value, one bit of each flipped. */
static void a_signature_binds_every_field_of_its_receipt(void **state) {
    (void)state;
    static const uint8_t BITMAP[2] = { 0xF0, 0x80 }, OTHER_BITMAP[2] = { 0xF0, 0x40 };
    static const struct {
        size_t offset;
        unsigned forms; /* which sign it: 1 piece, 2 cumulative, 4 batch, 8 session */
    } FIELDS[] = {
        { offsetof(pbts_receipt, iid), 15 },
        { offsetof(pbts_receipt, infohash), 15 },
        { offsetof(pbts_receipt, sender), 15 },
        { offsetof(pbts_receipt, receiver), 15 },
        { offsetof(pbts_receipt, epoch), 7 },
        { offsetof(pbts_receipt, piece_index), 1 },
        { offsetof(pbts_receipt, piece_hash), 1 },
        { offsetof(pbts_receipt, root), 4 },
        { offsetof(pbts_receipt, session.id), 8 },
        { offsetof(pbts_receipt, session.key), 8 },
        { offsetof(pbts_receipt, session.expires), 8 },
    };
    pbts_bls_secret secret;
    pbts_bls_public_point key = key_of(&secret, 77);
    for (int form = PBTS_FORM_PIECE; form <= PBTS_FORM_SESSION; form++) {
        unsigned bit = 1u << (form - 1);
        pbts_receipt r = sample((pbts_receipt_form)form);
        r.bitmap = PBTS_SPAN_OF(BITMAP);
        pbts_bls_signature bytes;
        pbts_bls_g1_point signature;
        pbts_receipt_sign(&bytes, &r, &secret);
        assert_int_equal(pbts_bls_signature_decode(&signature, &bytes), PBTS_OK);
        assert_int_equal(verify(&key, &r, &signature), PBTS_OK);
        for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
            pbts_receipt changed = r;
            ((uint8_t *)&changed)[FIELDS[i].offset] ^= 1;
            assert_int_equal(verify(&key, &changed, &signature),
                             FIELDS[i].forms & bit ? PBTS_BAD_SIGNATURE : PBTS_OK);
        }
        r.bitmap = PBTS_SPAN_OF(OTHER_BITMAP);
        /* Of a batch as many pieces, so only the root would tell: that is computed from the set. */
        assert_int_equal(verify(&key, &r, &signature),
                         form == PBTS_FORM_CUMULATIVE ? PBTS_BAD_SIGNATURE : PBTS_OK);
        r.bitmap.len = 1;
        assert_int_equal(verify(&key, &r, &signature), bit & 6 ? PBTS_BAD_SIGNATURE : PBTS_OK);
    }
}

/* The same fields under another form's domain. */
static void a_signature_of_one_form_is_none_of_another(void **state) {
    (void)state;
    static const uint8_t BITMAP[2] = { 0xF0, 0x80 };
    pbts_bls_secret secret;
    pbts_bls_public_point key = key_of(&secret, 78);
    for (int made = PBTS_FORM_PIECE; made <= PBTS_FORM_SESSION; made++) {
        pbts_receipt r = sample((pbts_receipt_form)made);
        r.bitmap = PBTS_SPAN_OF(BITMAP);
        pbts_sha256(r.root, r.bitmap); /* then a batch has the very bytes of a cumulative one */
        pbts_bls_signature bytes;
        pbts_bls_g1_point signature;
        pbts_receipt_sign(&bytes, &r, &secret);
        assert_int_equal(pbts_bls_signature_decode(&signature, &bytes), PBTS_OK);
        for (int taken = PBTS_FORM_PIECE; taken <= PBTS_FORM_SESSION; taken++) {
            r.form = (pbts_receipt_form)taken;
            assert_int_equal(verify(&key, &r, &signature),
                             made == taken ? PBTS_OK : PBTS_BAD_SIGNATURE);
        }
    }
}

static void a_uid_is_1_to_32_bytes_of_its_alphabet(void **state) {
    (void)state;
    char longest[34];
    memset(longest, 'a', sizeof longest);
    assert_true(pbts_uid_is_valid((pbts_span){ (const uint8_t *)longest, 32 }));
    assert_false(pbts_uid_is_valid((pbts_span){ (const uint8_t *)longest, 33 }));
    assert_false(pbts_uid_is_valid((pbts_span){ 0 }));
    for (int byte = 0; byte < 256; byte++) {
        uint8_t one[1] = { (uint8_t)byte };
        bool want = byte != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789._-",
                                        byte) != NULL;
        assert_int_equal(pbts_uid_is_valid(PBTS_SPAN_OF(one)), want);
    }
}

static void a_uid_hash_is_sha256_of_the_tag_and_the_uid(void **state) {
    (void)state;
    /* printf pbts/uid/1alice | sha256sum */
    static const uint8_t WANT[32] = { 0x55, 0x19, 0x9E, 0xAD, 0xED, 0x76, 0x39, 0x56,
                                      0x60, 0x3B, 0xD9, 0xDE, 0x73, 0x08, 0x89, 0xAE,
                                      0xC9, 0x77, 0x34, 0xC6, 0x93, 0x61, 0xAE, 0xA8,
                                      0x87, 0x7D, 0xC8, 0xD6, 0x91, 0xFB, 0xF9, 0x8D };
    uint8_t found[32];
    pbts_uid_hash(found, pbts_span_text("alice"));
    assert_memory_equal(found, WANT, sizeof WANT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_message_is_the_bytes_of_the_design),
        cmocka_unit_test(a_cumulative_message_is_the_bytes_of_the_design),
        cmocka_unit_test(a_batch_message_is_the_bytes_of_the_design),
        cmocka_unit_test(a_session_message_is_the_bytes_of_the_design),
        cmocka_unit_test(the_longest_receipt_message_fits_its_limit_exactly),
        cmocka_unit_test(the_other_messages_are_the_bytes_of_the_design),
        cmocka_unit_test(a_peer_proves_its_key_over_the_bytes_of_the_design),
        cmocka_unit_test(each_form_has_its_purpose),
        cmocka_unit_test(a_signature_binds_every_field_of_its_receipt),
        cmocka_unit_test(a_signature_of_one_form_is_none_of_another),
        cmocka_unit_test(a_uid_is_1_to_32_bytes_of_its_alphabet),
        cmocka_unit_test(a_uid_hash_is_sha256_of_the_tag_and_the_uid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
