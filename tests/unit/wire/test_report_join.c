/* Unit tests of wire/report_join.c: joined statements say exactly what those given said. */
#include "receipt/faulty_mem.h"
#include "wire/report_join.h"
#include "wire/report_kit.h"

enum { SET_LEN = 40, PIECES = SET_LEN * 8, GIVEN_MAX = 400 };

/* Room for what the statements of one test borrow. */
typedef struct {
    pbts_statement given[GIVEN_MAX];
    uint8_t sets[GIVEN_MAX][SET_LEN], signatures[GIVEN_MAX][64 * 8];
    size_t count;
} gift;

/* The signature of a piece in session `id` as its bytes could be: all of it depends on both. */
static void fake_signature(uint8_t out[static 64], uint8_t id, uint32_t piece) {
    memset(out, id, 64);
    memcpy(out + 10, &piece, sizeof piece);
}

static pbts_statement *add(gift *g, uint8_t id, const uint32_t *pieces, size_t count) {
    pbts_statement *s = &g->given[g->count];
    uint8_t *set = g->sets[g->count], *end = g->signatures[g->count];
    memset(set, 0, SET_LEN);
    for (size_t i = 0; i < count; i++) pbts_piece_set_add(set, pieces[i]);
    *s = (pbts_statement){ .form = PBTS_FORM_SESSION, .epoch = 5, .has_signature = true };
    s->receiver.uid = pbts_span_text("bob");
    memset(s->session.id, id, sizeof s->session.id);
    s->bitmap = (pbts_span){ set, SET_LEN };
    for (uint32_t i = 0; pbts_piece_set_next(s->bitmap, &i); i++, end += 64) {
        fake_signature(end, id, i);
    }
    s->piece_signatures = (pbts_span){ g->signatures[g->count++], count * 64 };
    return s;
}

static pbts_joined join(const gift *g) {
    pbts_joined joined;
    assert_int_equal(pbts_statements_join(&joined, pbts_mem_system(), g->given, g->count), PBTS_OK);
    return joined;
}

/* Every piece of every given statement is in the statement of its place with its signature, and
 * there is nothing else. */
static void assert_says_the_same(const gift *g, const pbts_joined *joined) {
    size_t in_all = 0;
    for (size_t i = 0; i < joined->count; i++) {
        const pbts_statement *s = &joined->statements[i];
        const uint8_t *signature = s->piece_signatures.data;
        for (uint32_t piece = 0; pbts_piece_set_next(s->bitmap, &piece); piece++, in_all++) {
            uint8_t want[64];
            fake_signature(want, s->session.id[0], piece);
            assert_memory_equal(signature, want, sizeof want);
            signature += 64;
            bool given = false;
            for (size_t k = 0; k < g->count; k++) {
                given |= joined->places[k] == i && pbts_piece_set_has(g->sets[k], piece);
            }
            assert_true(given);
        }
        assert_int_equal(signature - s->piece_signatures.data, s->piece_signatures.len);
    }
    for (size_t k = 0; k < g->count; k++) {
        const pbts_statement *s = &joined->statements[joined->places[k]];
        for (uint32_t piece = 0; pbts_piece_set_next(g->given[k].bitmap, &piece); piece++) {
            assert_true(pbts_piece_set_has(s->bitmap.data, piece));
        }
        assert_memory_equal(s->session.id, g->given[k].session.id, sizeof s->session.id);
        assert_true(s->epoch == g->given[k].epoch);
    }
}

static void single_pieces_of_a_session_become_one_statement(void **state) {
    (void)state;
    gift *g = calloc(1, sizeof *g);
    assert_non_null(g);
    for (uint32_t i = 0; i < PIECES; i++) { /* in an order that is none */
        uint32_t piece = i * 77 % PIECES;
        (void)add(g, 1, &piece, 1);
    }
    pbts_joined joined = join(g);
    assert_int_equal(joined.count, 1);
    assert_int_equal(joined.statements[0].piece_signatures.len, PIECES * 64);
    assert_says_the_same(g, &joined);
    pbts_joined_free(&joined);
    pbts_joined_free(&joined);
    free(g);
}

static void random_gifts_say_the_same_when_joined(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(3);
    gift *g = calloc(1, sizeof *g);
    assert_non_null(g);
    for (int round = 0; round < 60; round++) {
        g->count = 0;
        uint32_t count = 1 + pbts_prng_below(&prng, 100), sessions = 1 + pbts_prng_below(&prng, 5);
        bool seen[6] = { false };
        size_t distinct = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t pieces[8], n = 1 + pbts_prng_below(&prng, 8);
            uint8_t id = (uint8_t)(1 + pbts_prng_below(&prng, sessions));
            uint32_t piece = pbts_prng_below(&prng, PIECES - 24); /* pieces come twice, too */
            for (uint32_t k = 0; k < n; k++) {
                pieces[k] = piece;
                piece += 1 + pbts_prng_below(&prng, 3);
            }
            (void)add(g, id, pieces, n);
            distinct += !seen[id];
            seen[id] = true;
        }
        pbts_joined joined = join(g);
        assert_int_equal(joined.count, distinct);
        assert_says_the_same(g, &joined);
        pbts_joined_free(&joined);
    }
    free(g);
}

static void what_differs_in_anything_but_pieces_stays_apart(void **state) {
    (void)state;
    static const uint32_t ONE = 1, TWO = 2;
    for (int change = 0; change < 14; change++) {
        gift *g = calloc(1, sizeof *g);
        assert_non_null(g);
        pbts_statement *a = add(g, 1, &ONE, 1), *b = add(g, 1, &TWO, 1);
        a->has_iid = b->has_iid = true;
        switch (change) {
        case 0: b->session.id[31] ^= 1; break;
        case 1: b->session.key.bytes[32] ^= 1; break;
        case 2: b->session.expires++; break;
        case 3: b->epoch++; break;
        case 4: b->infohash[19] ^= 1; break;
        case 5: b->iid[31] ^= 1; break;
        case 6: b->has_iid = false; break;
        case 7: b->receiver.uid = pbts_span_text("bo"); break;
        case 8: b->sender.uid = pbts_span_text("alice"); break;
        case 9: b->sender.has_key = true; break;
        case 10: b->signature.bytes[47] ^= 1; break;
        case 11: b->has_signature = false; break;
        case 12: b->bitmap.len--; break;
        default: b->form = PBTS_FORM_BATCH; break;
        }
        pbts_joined joined = join(g);
        assert_int_equal(joined.count, 2);
        assert_memory_equal(&joined.statements[0], a, sizeof *a);
        assert_memory_equal(&joined.statements[1], b, sizeof *b);
        assert_true(joined.places[0] == 0 && joined.places[1] == 1);
        pbts_joined_free(&joined);
        free(g);
    }
}

static void other_forms_and_malformed_sessions_are_left_alone(void **state) {
    (void)state;
    static const uint32_t PIECES_OF[3] = { 4, 5, 6 };
    gift *g = calloc(1, sizeof *g);
    assert_non_null(g);
    for (int i = 0; i < 2; i++) {
        add(g, 1, PIECES_OF, 3)->form = PBTS_FORM_CUMULATIVE;
        add(g, 2, PIECES_OF, 3)->piece_signatures.len -= 64; /* one too few */
        add(g, 3, PIECES_OF, 0)->piece_signatures.len = 0;
        add(g, 4, PIECES_OF, 3)->form = PBTS_FORM_PIECE;
    }
    pbts_joined joined = join(g);
    assert_int_equal(joined.count, 8);
    assert_memory_equal(joined.statements, g->given, 8 * sizeof *g->given);
    pbts_joined_free(&joined);
    free(g);
}

static void a_good_session_does_not_join_a_bad_one_of_its_certificate(void **state) {
    (void)state;
    static const uint32_t PIECES_OF[3] = { 4, 5, 6 };
    gift *g = calloc(1, sizeof *g);
    assert_non_null(g);
    add(g, 1, PIECES_OF, 3)->piece_signatures.len -= 64;
    (void)add(g, 1, PIECES_OF, 3);
    (void)add(g, 1, PIECES_OF, 0); /* of no pieces: to be refused by itself */
    (void)add(g, 1, PIECES_OF, 1);
    pbts_joined joined = join(g);
    static const uint32_t WANT[4] = { 0, 1, 2, 1 };
    assert_int_equal(joined.count, 3);
    assert_memory_equal(joined.places, WANT, sizeof WANT);
    assert_memory_equal(&joined.statements[0], &g->given[0], sizeof *g->given);
    pbts_joined_free(&joined);
    free(g);
}

static void a_piece_of_several_is_taken_from_the_first(void **state) {
    (void)state;
    static const uint32_t PIECES_OF[3] = { 4, 5, 6 };
    gift *g = calloc(1, sizeof *g);
    assert_non_null(g);
    (void)add(g, 1, PIECES_OF, 3);
    (void)add(g, 1, PIECES_OF + 1, 1);
    memset(g->signatures[1], 0xEE, 64); /* another signature of piece 5 */
    pbts_joined joined = join(g);
    assert_int_equal(joined.count, 1);
    assert_int_equal(joined.statements[0].piece_signatures.len, 3 * 64);
    assert_memory_equal(joined.statements[0].piece_signatures.data, g->signatures[0], 3 * 64);
    pbts_joined_free(&joined);
    free(g);
}

/* 2,100 pieces of a session of 2,200, one each: 1024, 1024 and 52. */
static void a_joined_statement_keeps_its_limit(void **state) {
    (void)state;
    enum { COUNT = 2100, LEN = 275 };
    pbts_statement *given = calloc(COUNT, sizeof *given);
    uint8_t *sets = calloc(COUNT, LEN), signature[64] = { 7 };
    assert_true(given != NULL && sets != NULL);
    for (uint32_t i = 0; i < COUNT; i++) {
        given[i] = (pbts_statement){ .form = PBTS_FORM_SESSION };
        given[i].bitmap = (pbts_span){ sets + (size_t)i * LEN, LEN };
        pbts_piece_set_add(sets + (size_t)i * LEN, i);
        given[i].piece_signatures = PBTS_SPAN_OF(signature);
    }
    pbts_joined joined;
    assert_int_equal(pbts_statements_join(&joined, pbts_mem_system(), given, COUNT), PBTS_OK);
    assert_int_equal(joined.count, 3);
    static const size_t WANT[3] = { 1024, 1024, 52 };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pbts_piece_set_count(joined.statements[i].bitmap), WANT[i]);
        assert_int_equal(joined.statements[i].piece_signatures.len, WANT[i] * 64);
    }
    pbts_joined_free(&joined);
    free(given);
    free(sets);
}

static void every_failing_allocation_is_reported(void **state) {
    (void)state;
    static const uint32_t ONE = 1, TWO = 2;
    gift *g = calloc(1, sizeof *g);
    assert_non_null(g);
    (void)add(g, 1, &ONE, 1);
    (void)add(g, 1, &TWO, 1);
    size_t fail_at = 0;
    for (bool failed = true; failed; fail_at++) {
        faulty_mem mem = mem_failing_at(fail_at);
        pbts_joined joined = { 0 };
        pbts_status status = pbts_statements_join(&joined, &mem.mem, g->given, g->count);
        failed = status != PBTS_OK;
        if (failed) assert_int_equal(status, PBTS_NO_MEMORY);
        pbts_joined_free(&joined);
        assert_int_equal(mem.live, 0);
    }
    assert_int_equal(fail_at, 7);
    free(g);
}

static void a_record_becomes_the_statement_of_its_receipt(void **state) {
    (void)state;
    uint8_t set[2] = { 0xF0, 0x80 }, signatures[5 * 64] = { 1 };
    pbts_receipt_record record = { .piece_count = 10 };
    pbts_receipt *r = &record.receipt;
    r->form = PBTS_FORM_SESSION;
    r->epoch = 77;
    r->piece_index = 3;
    r->bitmap = PBTS_SPAN_OF(set);
    r->piece_signatures = PBTS_SPAN_OF(signatures);
    r->session.expires = 99;
    memset(r->iid, 1, sizeof r->iid);
    memset(r->infohash, 2, sizeof r->infohash);
    memset(&r->sender, 3, sizeof r->sender);
    memset(&r->receiver, 4, sizeof r->receiver);
    memset(&record.signature, 5, sizeof record.signature);
    record.receiver_uid = pbts_span_text("bob");
    pbts_statement s = pbts_statement_of(&record);
    assert_true(s.form == PBTS_FORM_SESSION && s.epoch == 77 && s.piece_index == 3);
    assert_true(s.has_iid && s.iid[0] == 1 && s.infohash[19] == 2 && s.session.expires == 99);
    assert_true(s.has_signature && s.signature.bytes[47] == 5);
    assert_true(!s.receiver.has_key && s.sender.has_key && s.sender.key.bytes[95] == 3);
    assert_span_is(s.receiver.uid, "bob");
    assert_true(s.bitmap.data == set && s.piece_signatures.data == signatures);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_pieces_of_a_session_become_one_statement),
        cmocka_unit_test(random_gifts_say_the_same_when_joined),
        cmocka_unit_test(what_differs_in_anything_but_pieces_stays_apart),
        cmocka_unit_test(other_forms_and_malformed_sessions_are_left_alone),
        cmocka_unit_test(a_good_session_does_not_join_a_bad_one_of_its_certificate),
        cmocka_unit_test(a_piece_of_several_is_taken_from_the_first),
        cmocka_unit_test(a_joined_statement_keeps_its_limit),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(a_record_becomes_the_statement_of_its_receipt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
