/* Unit tests of receipt/batch.c: against one-by-one verification, at its limit, without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "faulty_mem.h"
#include "receipt/batch.h"

enum { SIGNERS = 5, RECEIPTS_MAX = 40 };

/* Receipts of a few signers, as points, with all that is needed to spoil one. */
typedef struct {
    size_t count;
    pbts_bls_public_point keys[RECEIPTS_MAX];
    pbts_bls_g1_point hashed[RECEIPTS_MAX], signatures[RECEIPTS_MAX];
} sheaf;

static sheaf sheaf_of(size_t count, pbts_prng *prng) {
    pbts_bls_secret secrets[SIGNERS];
    pbts_bls_public bytes[SIGNERS];
    pbts_bls_public_point points[SIGNERS];
    sheaf s = { .count = count };
    for (uint8_t i = 0; i < SIGNERS; i++) {
        secrets[i] = (pbts_bls_secret){ { [7] = 9, [31] = (uint8_t)(i + 1) } };
        pbts_bls_public_of(&bytes[i], &secrets[i]);
        assert_int_equal(pbts_bls_public_decode(&points[i], &bytes[i]), PBTS_OK);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t signer = pbts_prng_below(prng, SIGNERS);
        pbts_receipt r = { .form = PBTS_FORM_PIECE, .piece_index = (uint32_t)i, .epoch = 5 };
        r.receiver = bytes[signer];
        pbts_bls_signature signature;
        pbts_receipt_sign(&signature, &r, &secrets[signer]);
        s.keys[i] = points[signer];
        pbts_receipt_hash(&s.hashed[i], &r);
        assert_int_equal(pbts_bls_signature_decode(&s.signatures[i], &signature), PBTS_OK);
    }
    return s;
}

static pbts_status verify_naive(const sheaf *s) {
    for (size_t i = 0; i < s->count; i++)
        if (pbts_bls_verify_sums(&s->keys[i], &s->hashed[i], 1, &s->signatures[i]) != PBTS_OK)
            return PBTS_BAD_SIGNATURE;
    return PBTS_OK;
}

typedef enum { PLAIN, WEIGHED } mode;

static pbts_status add_all(pbts_receipt_batch *batch, const sheaf *s, mode how) {
    pbts_prng weights = pbts_prng_seeded(99);
    for (size_t i = 0; i < s->count; i++) {
        if (how == WEIGHED) {
            PBTS_TRY(pbts_receipt_batch_add_weighed(batch, &s->keys[i], &s->hashed[i],
                                                    &s->signatures[i],
                                                    pbts_prng_next(&weights) | 1));
        } else {
            PBTS_TRY(pbts_receipt_batch_add(batch, &s->keys[i], &s->hashed[i]));
            pbts_receipt_batch_add_signature(batch, &s->signatures[i]);
        }
    }
    return PBTS_OK;
}

static pbts_status verify_batch(const sheaf *s, mode how) {
    pbts_receipt_batch *batch;
    assert_int_equal(pbts_receipt_batch_new(&batch, pbts_mem_system()), PBTS_OK);
    assert_int_equal(add_all(batch, s, how), PBTS_OK);
    assert_true(pbts_receipt_batch_signers(batch) <= SIGNERS);
    pbts_status status = pbts_receipt_batch_verify(batch);
    pbts_receipt_batch_free(batch);
    return status;
}

static void random_batches_agree_with_one_by_one(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(1);
    for (int round = 0; round < 12; round++) {
        sheaf s = sheaf_of(1 + pbts_prng_below(&prng, RECEIPTS_MAX), &prng);
        assert_int_equal(verify_naive(&s), PBTS_OK);
        assert_int_equal(verify_batch(&s, PLAIN), PBTS_OK);
        assert_int_equal(verify_batch(&s, WEIGHED), PBTS_OK);
        uint32_t bad = pbts_prng_below(&prng, (uint32_t)s.count);
        pbts_bls_g1_add(round % 2 ? &s.signatures[bad] : &s.hashed[bad], &s.hashed[0]);
        assert_int_equal(verify_naive(&s), PBTS_BAD_SIGNATURE);
        assert_int_equal(verify_batch(&s, PLAIN), PBTS_BAD_SIGNATURE);
        assert_int_equal(verify_batch(&s, WEIGHED), PBTS_BAD_SIGNATURE);
    }
}

static void swapped_signatures_cancel_unless_weighed(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(2);
    sheaf s = sheaf_of(10, &prng);
    pbts_bls_g1_point third = s.signatures[3];
    s.signatures[3] = s.signatures[7];
    s.signatures[7] = third;
    assert_int_equal(verify_naive(&s), PBTS_BAD_SIGNATURE);
    assert_int_equal(verify_batch(&s, PLAIN), PBTS_OK);
    assert_int_equal(verify_batch(&s, WEIGHED), PBTS_BAD_SIGNATURE);
}

static void a_receipt_counted_twice_needs_its_signature_twice(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(3);
    sheaf s = sheaf_of(4, &prng);
    pbts_receipt_batch *batch;
    assert_int_equal(pbts_receipt_batch_new(&batch, pbts_mem_system()), PBTS_OK);
    assert_int_equal(add_all(batch, &s, PLAIN), PBTS_OK);
    assert_int_equal(pbts_receipt_batch_add(batch, &s.keys[0], &s.hashed[0]), PBTS_OK);
    assert_int_equal(pbts_receipt_batch_verify(batch), PBTS_BAD_SIGNATURE);
    pbts_receipt_batch_add_signature(batch, &s.signatures[0]);
    assert_int_equal(pbts_receipt_batch_verify(batch), PBTS_OK);
    pbts_receipt_batch_free(batch);
}

static void a_cleared_batch_remembers_nothing(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(4);
    sheaf bad = sheaf_of(6, &prng), good = sheaf_of(9, &prng);
    pbts_bls_g1_add(&bad.signatures[1], &bad.hashed[0]);
    pbts_receipt_batch *batch;
    assert_int_equal(pbts_receipt_batch_new(&batch, pbts_mem_system()), PBTS_OK);
    pbts_receipt_batch_clear(batch); /* of an empty one */
    assert_int_equal(pbts_receipt_batch_verify(batch), PBTS_OK);
    assert_int_equal(add_all(batch, &bad, PLAIN), PBTS_OK);
    assert_int_equal(pbts_receipt_batch_verify(batch), PBTS_BAD_SIGNATURE);
    pbts_receipt_batch_clear(batch);
    assert_int_equal(pbts_receipt_batch_signers(batch), 0);
    assert_int_equal(add_all(batch, &good, PLAIN), PBTS_OK);
    assert_int_equal(pbts_receipt_batch_verify(batch), PBTS_OK);
    pbts_receipt_batch_free(batch);
}

/* A key that is only ever compared. */
static pbts_bls_public_point numbered_key(uint32_t number) {
    pbts_bls_public_point key;
    memset(&key, 0, sizeof key);
    memcpy(key.opaque + 100, &number, sizeof number);
    return key;
}

static void signers_are_found_again_up_to_the_limit_and_not_past_it(void **state) {
    (void)state;
    pbts_bls_g1_point hashed;
    pbts_bls_hash(&hashed, PBTS_BLS_PIECE, pbts_span_text("x"));
    pbts_receipt_batch *batch;
    assert_int_equal(pbts_receipt_batch_new(&batch, pbts_mem_system()), PBTS_OK);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < PBTS_BATCH_SIGNERS_MAX; i++) {
            pbts_bls_public_point key = numbered_key(i);
            assert_int_equal(pbts_receipt_batch_add(batch, &key, &hashed), PBTS_OK);
            assert_int_equal(pbts_receipt_batch_signers(batch),
                             round == 0 ? i + 1 : PBTS_BATCH_SIGNERS_MAX);
        }
    }
    pbts_bls_public_point one_more = numbered_key(PBTS_BATCH_SIGNERS_MAX);
    assert_int_equal(pbts_receipt_batch_add(batch, &one_more, &hashed), PBTS_LIMIT);
    assert_int_equal(pbts_receipt_batch_add_weighed(batch, &one_more, &hashed, &hashed, 3),
                     PBTS_LIMIT);
    assert_int_equal(pbts_receipt_batch_signers(batch), PBTS_BATCH_SIGNERS_MAX);
    pbts_receipt_batch_free(batch);
}

/* Enough signers to grow twice. */
static pbts_status fill(pbts_receipt_batch *batch, const pbts_bls_g1_point *hashed, uint32_t *at) {
    for (; *at < 20; ++*at) {
        pbts_bls_public_point key = numbered_key(*at);
        PBTS_TRY(pbts_receipt_batch_add(batch, &key, hashed));
    }
    return PBTS_OK;
}

static void every_failing_allocation_is_reported_and_can_be_retried(void **state) {
    (void)state;
    pbts_bls_g1_point hashed;
    pbts_bls_hash(&hashed, PBTS_BLS_PIECE, pbts_span_text("x"));
    size_t faults = 0;
    for (size_t n = 0;; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_receipt_batch *batch = NULL;
        uint32_t at = 0;
        pbts_status status = pbts_receipt_batch_new(&batch, &mem.mem);
        if (status == PBTS_OK) {
            status = fill(batch, &hashed, &at);
            assert_int_equal(pbts_receipt_batch_signers(batch), at);
            if (status != PBTS_OK) assert_int_equal(fill(batch, &hashed, &at), PBTS_OK);
            assert_int_equal(pbts_receipt_batch_signers(batch), 20);
        } else {
            assert_null(batch);
        }
        pbts_receipt_batch_free(batch);
        assert_int_equal(mem.live, 0);
        if (mem.asked <= n) break; /* no fault was hit: all were */
        assert_int_equal(status, PBTS_NO_MEMORY);
        faults++;
    }
    assert_true(faults >= 1 + 3 * 4); /* the batch, and four arrays three times */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_batches_agree_with_one_by_one),
        cmocka_unit_test(swapped_signatures_cancel_unless_weighed),
        cmocka_unit_test(a_receipt_counted_twice_needs_its_signature_twice),
        cmocka_unit_test(a_cleared_batch_remembers_nothing),
        cmocka_unit_test(signers_are_found_again_up_to_the_limit_and_not_past_it),
        cmocka_unit_test(every_failing_allocation_is_reported_and_can_be_retried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
