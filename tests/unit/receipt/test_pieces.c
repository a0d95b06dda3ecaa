/* Unit tests of receipt/pieces.c: the root of a batch, and the signatures of a session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "receipt/pieces.h"
#include "torrent/builder.h"

/* Hashes of a torrent that there is only here: piece i has i, a salt, and zeros. */
static void get_numbered(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN],
                         uint32_t index) {
    memset(out, 0, PBTS_PIECE_HASH_LEN);
    memcpy(out, &index, sizeof index);
    out[8] = *(const uint8_t *)context;
}

static pbts_piece_hashes numbered(const uint8_t *salt) {
    return (pbts_piece_hashes){ get_numbered, salt };
}

static const uint8_t SALT = 7, OTHER_SALT = 8;

/* ---- batches ---- */

/* The definition again, over an array of leaves. */
static void naive_root(uint8_t out[static 32], const uint8_t (*leaves)[36], size_t count) {
    uint8_t bytes[65] = { 0 };
    size_t left = 1;
    if (count == 1) {
        memcpy(bytes + 1, leaves[0], 36);
        pbts_sha256(out, (pbts_span){ bytes, 37 });
        return;
    }
    while (2 * left < count) left *= 2;
    bytes[0] = 1;
    naive_root(bytes + 1, leaves, left);
    naive_root(bytes + 33, leaves + left, count - left);
    pbts_sha256(out, (pbts_span){ bytes, 65 });
}

static void a_root_is_over_index_and_hash_of_each_piece_in_order(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(5);
    for (int round = 0; round < 50; round++) {
        uint8_t set[64] = { 0 }, leaves[512][36], want[32], found[32];
        size_t count = 0;
        uint32_t pieces = 1 + pbts_prng_below(&prng, 511);
        for (uint32_t i = 0; i <= pieces; i++) {
            if (i < pieces && pbts_prng_below(&prng, 1 + (uint32_t)round % 5) > 0) continue;
            pbts_piece_set_add(set, i);
            uint8_t *leaf = leaves[count++];
            leaf[0] = leaf[1] = 0;
            leaf[2] = (uint8_t)(i >> 8);
            leaf[3] = (uint8_t)i;
            get_numbered(&SALT, leaf + 4, i);
        }
        naive_root(want, (const uint8_t(*)[36])leaves, count);
        pbts_receipt_root(found, PBTS_SPAN_OF(set), numbered(&SALT));
        assert_memory_equal(found, want, sizeof want);
        pbts_receipt_root(found, PBTS_SPAN_OF(set), numbered(&OTHER_SALT));
        assert_memory_not_equal(found, want, sizeof want);
    }
}

static pbts_metainfo *hybrid(void) {
    static const uint8_t CONTENT[40000] = { 1, 2, 3 };
    pbts_torrent_options options = { .version = PBTS_TORRENT_HYBRID,
                                     .piece_length = 16384,
                                     .name = pbts_span_text("x"),
                                     .single_file = true };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span bytes;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_begin_file(builder, options.name, sizeof CONTENT),
                     PBTS_OK);
    assert_int_equal(pbts_torrent_builder_add(builder, PBTS_SPAN_OF(CONTENT)), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    return meta;
}

static void a_torrents_hashes_are_those_of_the_infohash_that_is_named(void **state) {
    (void)state;
    pbts_metainfo *meta = hybrid();
    uint8_t v1[32], v2[32], want[32];
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        pbts_piece_hashes hashes = pbts_piece_hashes_of(meta, false);
        hashes.get(hashes.context, v1, i);
        pbts_metainfo_piece_hash(want, meta, false, i);
        assert_memory_equal(v1, want, sizeof want);
        hashes = pbts_piece_hashes_of(meta, true);
        hashes.get(hashes.context, v2, i);
        pbts_metainfo_piece_hash(want, meta, true, i);
        assert_memory_equal(v2, want, sizeof want);
        assert_memory_not_equal(v1, v2, sizeof v1);
    }
    pbts_metainfo_free(meta);
}

/* ---- sessions: times ---- */

static pbts_status status_at(uint64_t expires, uint64_t epoch) {
    pbts_receipt_session session = { .expires = expires };
    return pbts_receipt_session_check(&session, epoch);
}

static void a_session_signs_for_the_24_epochs_before_its_end(void **state) {
    (void)state;
    const uint64_t epoch = 500000, begin = epoch * 3600, day = 24 * 3600;
    assert_int_equal(status_at(begin, epoch), PBTS_STALE);
    assert_int_equal(status_at(begin + 1, epoch), PBTS_OK);
    assert_int_equal(status_at(begin + day, epoch), PBTS_OK);
    assert_int_equal(status_at(begin + day + 1, epoch), PBTS_LIMIT);
    assert_int_equal(status_at(0, epoch), PBTS_STALE);
    assert_int_equal(status_at(UINT64_MAX, epoch), PBTS_LIMIT);
    /* Whatever a certificate says, as many epochs are good. */
    for (uint64_t expires = begin; expires < begin + 7300; expires += 365) {
        unsigned good = 0;
        for (uint64_t e = epoch - 60; e < epoch + 60; e++) good += status_at(expires, e) == PBTS_OK;
        assert_int_equal(good, 24);
    }
}

static void times_at_the_ends_of_their_range_do_not_wrap(void **state) {
    (void)state;
    assert_int_equal(status_at(0, 0), PBTS_STALE);
    assert_int_equal(status_at(1, 0), PBTS_OK);
    assert_int_equal(status_at(1, UINT64_MAX), PBTS_STALE);
    assert_int_equal(status_at(UINT64_MAX, UINT64_MAX), PBTS_STALE);
    assert_int_equal(status_at(UINT64_MAX, UINT64_MAX / 3600), PBTS_OK);
    assert_int_equal(status_at(UINT64_MAX, UINT64_MAX / 3600 + 1), PBTS_STALE);
    /* (2^64 / 3600 + 1) * 3600 wraps to a small number. */
    assert_int_equal(status_at(5000, UINT64_MAX / 3600 + 1), PBTS_STALE);
}

static void the_latest_end_is_good_for_now_and_a_second_more_is_not(void **state) {
    (void)state;
    for (uint64_t now = 1800000000; now < 1800007300; now += 1217) {
        uint64_t expires = pbts_receipt_session_expires(now), epoch = now / 3600;
        assert_int_equal(status_at(expires, epoch), PBTS_OK);
        assert_int_equal(status_at(expires + 1, epoch), PBTS_LIMIT);
        assert_true(expires > now + 23 * 3600);
    }
}

/* ---- sessions: signatures ---- */

enum { PIECES = 5 };

typedef struct {
    pbts_receipt receipt;
    uint8_t set[2], signatures[PIECES * 64];
    pbts_secp256k1_secret secret;
    pbts_secp256k1_signer *signer;
} session;

static void sign_all(session *s) {
    size_t at = 0;
    for (uint32_t i = 0; pbts_piece_set_next(s->receipt.bitmap, &i); i++) {
        uint8_t hash[32];
        pbts_secp256k1_signature signature;
        get_numbered(&SALT, hash, i);
        pbts_receipt_session_sign(s->signer, &signature, &s->secret, &s->receipt, hash, i);
        memcpy(s->signatures + at, signature.bytes, 64);
        at += 64;
    }
    assert_int_equal(at, sizeof s->signatures);
}

/* Pieces 1, 3, 4, 9, 15. */
static session *new_session(void) {
    session *s = calloc(1, sizeof *s);
    assert_non_null(s);
    memcpy(s->set, "\x58\x41", 2);
    s->receipt = (pbts_receipt){ .form = PBTS_FORM_SESSION, .epoch = 500000 };
    memset(s->receipt.infohash, 0x22, sizeof s->receipt.infohash);
    memset(&s->receipt.sender, 0x33, sizeof s->receipt.sender);
    memset(s->receipt.session.id, 0x44, sizeof s->receipt.session.id);
    s->receipt.session.expires = 500001 * 3600;
    s->receipt.bitmap = PBTS_SPAN_OF(s->set);
    s->receipt.piece_signatures = PBTS_SPAN_OF(s->signatures);
    assert_int_equal(pbts_secp256k1_generate(&s->secret, pbts_random_system()), PBTS_OK);
    assert_int_equal(pbts_secp256k1_signer_new(&s->signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    pbts_secp256k1_public_of(s->signer, &s->receipt.session.key, &s->secret);
    sign_all(s);
    return s;
}

static void free_session(session *s) {
    pbts_secp256k1_signer_free(s->signer);
    free(s);
}

static pbts_status verify(const session *s, uint32_t *bad) {
    return pbts_receipt_session_verify_all(&s->receipt, bad, numbered(&SALT));
}

static void a_piece_digest_is_the_bytes_of_the_design(void **state) {
    (void)state;
    uint8_t message[21 + 32 + 20 + 96 + 32 + 4 + 8], hash[32], want[32], found[32];
    pbts_receipt r = { .form = PBTS_FORM_SESSION, .epoch = UINT64_C(0x0102030405060708) };
    memset(r.session.id, 0x44, sizeof r.session.id);
    memset(r.infohash, 0x22, sizeof r.infohash);
    memset(&r.sender, 0x33, sizeof r.sender);
    memset(hash, 0x55, sizeof hash);
    memcpy(message, "PBTS_V1_SESSION_PIECE", 21);
    memset(message + 21, 0x44, 32);
    memset(message + 53, 0x22, 20);
    memset(message + 73, 0x33, 96);
    memset(message + 169, 0x55, 32);
    memcpy(message + 201, "\xA1\xB2\xC3\xD4\1\2\3\4\5\6\7\x08", 12);
    pbts_sha256(want, PBTS_SPAN_OF(message));
    pbts_receipt_session_digest(found, &r, hash, 0xA1B2C3D4);
    assert_memory_equal(found, want, sizeof want);
}

static void a_session_verifies_as_a_whole(void **state) {
    (void)state;
    session *s = new_session();
    uint32_t bad = 77;
    assert_int_equal(verify(s, &bad), PBTS_OK);
    assert_int_equal(bad, 77);
    /* The receiver and the instance are the certificate's business. */
    s->receipt.iid[0] ^= 1;
    s->receipt.receiver.bytes[0] ^= 1;
    assert_int_equal(verify(s, &bad), PBTS_OK);
    free_session(s);
}

static void the_first_bad_piece_is_named(void **state) {
    (void)state;
    static const uint32_t INDEX[PIECES] = { 1, 3, 4, 9, 15 };
    session *s = new_session();
    for (size_t i = PIECES; i-- > 0;) { /* from the last one on, and all of them stay bad */
        s->signatures[64 * i + 40] ^= 1;
        uint32_t bad = 77;
        assert_int_equal(verify(s, &bad), PBTS_BAD_SIGNATURE);
        assert_int_equal(bad, INDEX[i]);
    }
    free_session(s);
}

static void a_piece_signature_binds_what_the_session_is_for(void **state) {
    (void)state;
    static const size_t FIELDS[] = { offsetof(pbts_receipt, session.id),
                                     offsetof(pbts_receipt, infohash),
                                     offsetof(pbts_receipt, sender) };
    session *s = new_session();
    uint32_t bad;
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        ((uint8_t *)&s->receipt)[FIELDS[i]] ^= 1;
        assert_int_equal(verify(s, &bad), PBTS_BAD_SIGNATURE);
        ((uint8_t *)&s->receipt)[FIELDS[i]] ^= 1;
    }
    s->receipt.epoch--; /* the certificate allows it */
    assert_int_equal(verify(s, &bad), PBTS_BAD_SIGNATURE);
    s->receipt.epoch++;
    s->set[0] ^= 0x60; /* piece 2 instead of 1 */
    assert_int_equal(verify(s, &bad), PBTS_BAD_SIGNATURE);
    assert_int_equal(bad, 2);
    s->set[0] ^= 0x60;
    assert_int_equal(pbts_receipt_session_verify_all(&s->receipt, &bad, numbered(&OTHER_SALT)),
                     PBTS_BAD_SIGNATURE);
    assert_int_equal(verify(s, &bad), PBTS_OK);
    pbts_secp256k1_secret other = { { [31] = 9 } };
    pbts_secp256k1_public_of(s->signer, &s->receipt.session.key, &other);
    assert_int_equal(verify(s, &bad), PBTS_BAD_SIGNATURE);
    free_session(s);
}

static void times_key_and_number_of_signatures_are_checked(void **state) {
    (void)state;
    session *s = new_session();
    uint32_t bad = 77;
    s->receipt.piece_signatures.len -= 64;
    assert_int_equal(verify(s, &bad), PBTS_MALFORMED);
    s->receipt.piece_signatures.len = 1;
    assert_int_equal(verify(s, &bad), PBTS_MALFORMED);
    s->receipt.piece_signatures.len = sizeof s->signatures;
    s->receipt.bitmap.len = 1; /* fewer pieces than signatures */
    assert_int_equal(verify(s, &bad), PBTS_MALFORMED);
    s->receipt.bitmap.len = 2;
    s->receipt.session.key.bytes[0] = 4;
    assert_int_equal(verify(s, &bad), PBTS_MALFORMED);
    s->receipt.session.key.bytes[0] = 0;
    assert_int_equal(verify(s, &bad), PBTS_MALFORMED);
    pbts_secp256k1_public_of(s->signer, &s->receipt.session.key, &s->secret);
    s->receipt.session.expires = 500000 * (uint64_t)3600;
    assert_int_equal(verify(s, &bad), PBTS_STALE);
    s->receipt.session.expires += PBTS_RECEIPT_SESSION_LIFE_S + 1;
    assert_int_equal(verify(s, &bad), PBTS_LIMIT);
    s->receipt.session.expires--;
    assert_int_equal(verify(s, &bad), PBTS_OK);
    assert_int_equal(bad, 77);
    free_session(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_is_over_index_and_hash_of_each_piece_in_order),
        cmocka_unit_test(a_torrents_hashes_are_those_of_the_infohash_that_is_named),
        cmocka_unit_test(a_session_signs_for_the_24_epochs_before_its_end),
        cmocka_unit_test(times_at_the_ends_of_their_range_do_not_wrap),
        cmocka_unit_test(the_latest_end_is_good_for_now_and_a_second_more_is_not),
        cmocka_unit_test(a_piece_digest_is_the_bytes_of_the_design),
        cmocka_unit_test(a_session_verifies_as_a_whole),
        cmocka_unit_test(the_first_bad_piece_is_named),
        cmocka_unit_test(a_piece_signature_binds_what_the_session_is_for),
        cmocka_unit_test(times_key_and_number_of_signatures_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
