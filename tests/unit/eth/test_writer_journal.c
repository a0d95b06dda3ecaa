/* Unit tests of eth/writer_journal.c and eth/writer_fees.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "eth/writer_journal.h"
#include "hash/keccak.h"
#include "hash/sha.h"

enum { HASH_AT = 15, BODY_AT = 47 };

/* Three heads, a batch of `rows_len` bytes on the second with `attempts` attempts. */
static pbts_eth_journal sample(pbts_eth_batch_kind kind, pbts_span rows, size_t attempts) {
    pbts_eth_journal journal = { .chain_id = 31337,
                                 .heads_len = 3,
                                 .base = 1,
                                 .base_block = 77,
                                 .left_nonce = 5,
                                 .left_fees = { 8, 7 } };
    memset(journal.contract.bytes, 1, 20);
    memset(journal.sender.bytes, 2, 20);
    for (uint64_t i = 0; i < 3; i++) {
        journal.heads[i].sequence = journal.heads[i].certain = i + 4;
        journal.heads[i].head.bytes[0] = (uint8_t)i;
        journal.heads[i].batch_hash.bytes[0] = (uint8_t)(i + 8);
    }
    journal.heads[2].certain = 1;
    pbts_eth_batch *batch = &journal.batch;
    if (kind == PBTS_ETH_NO_BATCH) return journal;
    *batch = (pbts_eth_batch){ .kind = kind, .sequence = 6, .epoch = 9, .rows = rows };
    batch->head = pbts_reputation_head_next(&journal.heads[1].head, rows);
    if (kind == PBTS_ETH_SEAL) {
        batch->sequence = 5;
        batch->head = journal.heads[1].head;
    }
    batch->call_hash = pbts_eth_batch_call_hash(batch);
    batch->attempts_len = attempts;
    for (size_t i = 0; i < attempts; i++) {
        batch->attempts[i] = (pbts_eth_attempt){ .nonce = i, .gas_limit = 99, .fees = { 4, 3 } };
        memset(batch->attempts[i].hash.bytes, (int)i, 32);
    }
    return journal;
}

static uint8_t *encode(size_t *len, const pbts_eth_journal *journal) {
    uint8_t *bytes = malloc(PBTS_ETH_JOURNAL_LEN_MAX);
    assert_non_null(bytes);
    pbts_writer writer = pbts_writer_over(bytes, PBTS_ETH_JOURNAL_LEN_MAX);
    pbts_eth_journal_encode(&writer, journal);
    assert_false(writer.failed);
    *len = writer.len;
    return bytes;
}

static pbts_status decode(const uint8_t *bytes, size_t len) {
    pbts_eth_journal out;
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, bytes, len);
    pbts_status status = pbts_eth_journal_decode(&out, (pbts_span){ copy, len });
    free(copy);
    return status;
}

static void rehash(uint8_t *bytes, size_t len) {
    pbts_sha256(bytes + HASH_AT, (pbts_span){ bytes + BODY_AT, len - BODY_AT });
}

static const pbts_eth_batch_kind KINDS[] = { PBTS_ETH_NO_BATCH, PBTS_ETH_REGISTER, PBTS_ETH_WRITE,
                                             PBTS_ETH_ADOPT,    PBTS_ETH_ROOT,     PBTS_ETH_SEAL };

static void what_is_written_is_read_for_every_kind(void **state) {
    (void)state;
    static const uint8_t ROWS[2 * PBTS_REPUTATION_REGISTER_ROW_LEN] = { 1, 2, 3 };
    for (size_t k = 0; k < 6; k++) {
        size_t row_len = k == 0 ? 0 : pbts_eth_batch_row_len(KINDS[k]);
        pbts_span rows = { ROWS, KINDS[k] == PBTS_ETH_SEAL ? row_len : 2 * row_len };
        pbts_eth_journal journal = sample(KINDS[k], rows, 3), again;
        size_t len, len_again;
        uint8_t *bytes = encode(&len, &journal);
        assert_int_equal(pbts_eth_journal_decode(&again, (pbts_span){ bytes, len }), PBTS_OK);
        assert_int_equal(again.batch.kind, KINDS[k]);
        assert_int_equal(again.batch.rows.len, rows.len);
        assert_true(again.base == 1 && again.base_block == 77 && again.left_nonce == 5);
        uint8_t *once_more = encode(&len_again, &again);
        assert_int_equal(len, len_again);
        assert_memory_equal(bytes, once_more, len);
        free(bytes);
        free(once_more);
    }
}

static void the_call_hash_is_that_of_the_calls_data(void **state) {
    (void)state;
    static uint8_t rows[66 * PBTS_REPUTATION_REGISTER_ROW_LEN], call[16384];
    for (size_t i = 0; i < sizeof rows; i++) rows[i] = (uint8_t)(i * 7);
    for (size_t k = 1; k < 6; k++) {
        size_t row_len = pbts_eth_batch_row_len(KINDS[k]);
        for (size_t count = 1; count < 66; count++) {
            pbts_eth_batch batch = { .kind = KINDS[k], .sequence = 1, .epoch = 2 };
            uint8_t expected[32];
            batch.rows = (pbts_span){ rows, KINDS[k] == PBTS_ETH_SEAL ? 20 : count * row_len };
            pbts_writer writer = pbts_writer_over(call, sizeof call);
            pbts_eth_batch_call(&writer, &batch);
            assert_false(writer.failed);
            pbts_keccak256(expected, pbts_writer_span(&writer));
            assert_memory_equal(pbts_eth_batch_call_hash(&batch).bytes, expected, 32);
        }
    }
}

static void every_truncation_and_every_changed_byte_is_found(void **state) {
    (void)state;
    static const uint8_t ROWS[PBTS_REPUTATION_WRITE_ROW_LEN] = { 1 };
    pbts_eth_journal journal = sample(PBTS_ETH_WRITE, PBTS_SPAN_OF(ROWS), 2);
    size_t len;
    uint8_t *bytes = encode(&len, &journal);
    for (size_t cut = 0; cut < len; cut++) assert_int_equal(decode(bytes, cut), PBTS_MALFORMED);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x20;
        assert_int_equal(decode(bytes, len), PBTS_MALFORMED);
        bytes[i] ^= 0x20;
    }
    for (size_t cut = BODY_AT; cut < len; cut++) { /* under a right hash too */
        uint8_t *copy = malloc(cut);
        memcpy(copy, bytes, cut);
        rehash(copy, cut);
        assert_int_equal(decode(copy, cut), PBTS_MALFORMED);
        free(copy);
    }
    free(bytes);
}

static void broken_bounds_are_malformed(void **state) {
    (void)state;
    static const uint8_t ROWS[PBTS_REPUTATION_WRITE_ROW_LEN + 1] = { 1 };
    pbts_span one = { ROWS, PBTS_REPUTATION_WRITE_ROW_LEN };
    for (int which = 0; which < 17; which++) {
        pbts_eth_journal journal = sample(PBTS_ETH_WRITE, one, 2);
        pbts_eth_batch *batch = &journal.batch;
        if (which == 1) journal.heads_len = 0;
        if (which == 2) journal.base = 3;
        if (which == 3) journal.heads[2] = journal.heads[0];
        if (which == 4) journal.heads[0].certain = journal.heads[0].sequence + 1;
        if (which == 5) journal.heads[1].certain = 0; /* the base's */
        if (which == 6) journal.heads[2].sequence = PBTS_REPUTATION_U48_MAX + 1;
        if (which == 7) journal.left_fees.max_fee_wei = 1;
        if (which == 8) batch->kind = (pbts_eth_batch_kind)6;
        if (which == 9) batch->sequence++;
        if (which == 10) batch->epoch++; /* the call hash is another then */
        if (which == 11) batch->head.bytes[0] ^= 1;
        if (which == 12) batch->call_hash.bytes[0] ^= 1;
        if (which == 13) batch->attempts_len = 0;
        if (which == 14) batch->attempts[1].nonce = UINT64_MAX;
        if (which == 15) batch->attempts[1].fees.max_priority_fee_wei = 5;
        if (which == 16) batch->rows.len++;
        size_t len;
        uint8_t *bytes = encode(&len, &journal);
        if (decode(bytes, len) != (which == 0 ? PBTS_OK : PBTS_MALFORMED)) {
            fail_msg("case %d", which);
        }
        free(bytes);
    }
}

static void the_longest_record_is_read_and_no_longer_one(void **state) {
    (void)state;
    static uint8_t rows[PBTS_ETH_BATCH_LEN_MAX + 1];
    pbts_eth_journal journal =
        sample(PBTS_ETH_ROOT, (pbts_span){ rows, PBTS_ETH_BATCH_LEN_MAX }, PBTS_ETH_ATTEMPTS_MAX);
    for (size_t i = 3; i < PBTS_ETH_HEADS_MAX; i++) journal.heads[i].sequence = 100 + i;
    journal.heads_len = PBTS_ETH_HEADS_MAX;
    size_t len;
    uint8_t *bytes = encode(&len, &journal);
    assert_int_equal(len, PBTS_ETH_JOURNAL_LEN_MAX);
    assert_int_equal(decode(bytes, len), PBTS_OK);
    pbts_writer narrow = pbts_writer_over(bytes, len - 1);
    pbts_eth_journal_encode(&narrow, &journal);
    assert_true(narrow.failed);
    free(bytes);
    bytes = calloc(1, len + 1);
    assert_int_equal(decode(bytes, len + 1), PBTS_LIMIT);
    free(bytes);
    /* One head, one attempt, one byte of rows too many. */
    for (int which = 0; which < 3; which++) {
        static uint8_t longer[PBTS_ETH_JOURNAL_LEN_MAX + 128];
        static const uint8_t ROWS[64] = { 1 };
        pbts_eth_journal small = sample(PBTS_ETH_WRITE, PBTS_SPAN_OF(ROWS), 1);
        pbts_writer writer = pbts_writer_over(longer, sizeof longer);
        pbts_eth_journal_encode(&writer, &small);
        size_t heads_at = BODY_AT + 48, attempts_at = heads_at + 1 + 3 * 80 + 9 + 24 + 1 + 116;
        if (which == 0) longer[heads_at] = PBTS_ETH_HEADS_MAX + 1;
        if (which == 1) longer[attempts_at] = PBTS_ETH_ATTEMPTS_MAX + 1;
        if (which == 2) memcpy(longer + attempts_at + 65, "\x00\x01\xF8\x40", 4);
        rehash(longer, sizeof longer - 128);
        assert_int_equal(decode(longer, sizeof longer - 128), PBTS_MALFORMED);
    }
}

/* ---- fees ---- */

#define GWEI UINT64_C(1000000000)
static const pbts_eth_fees CAP = { 100 * GWEI, 4 * GWEI };

static void the_first_offer_has_room_to_rise(void **state) {
    (void)state;
    static const struct {
        pbts_eth_network_fees network;
        pbts_status status;
        pbts_eth_fees fees;
    } CASES[] = {
        { { 10 * GWEI, GWEI / 2 }, PBTS_OK, { 20 * GWEI + GWEI / 2, GWEI / 2 } },
        { { 10 * GWEI, 9 * GWEI }, PBTS_OK, { 29 * GWEI, GWEI } },
        { { 40 * GWEI, 1 }, PBTS_OK, { 50 * GWEI, 1 } },
        { { 70 * GWEI, 1 }, PBTS_OK, { 70 * GWEI + 1, 1 } },
        { { 100 * GWEI, 1 }, PBTS_OK, { 100 * GWEI, 1 } },
        { { 100 * GWEI + 1, 1 }, PBTS_LIMIT, { 0, 0 } },
        { { UINT64_MAX, UINT64_MAX }, PBTS_LIMIT, { 0, 0 } },
        { { 0, UINT64_MAX }, PBTS_OK, { 50 * GWEI, GWEI } },
        { { 0, 0 }, PBTS_OK, { 0, 0 } },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_eth_fees fees = { 0, 0 };
        assert_int_equal(pbts_eth_fees_first(&fees, &CASES[i].network, &CAP), CASES[i].status);
        assert_true(fees.max_fee_wei == CASES[i].fees.max_fee_wei);
        assert_true(fees.max_priority_fee_wei == CASES[i].fees.max_priority_fee_wei);
    }
}

static void both_fees_rise_by_an_eighth_or_not_at_all(void **state) {
    (void)state;
    static const pbts_eth_network_fees QUIET = { 1, 1 }, BUSY = { 30 * GWEI, 2 * GWEI },
                                       ABOVE = { 101 * GWEI, 0 };
    pbts_eth_fees fees = { 0, 0 }, last = { 801, 7 };
    assert_int_equal(pbts_eth_fees_bump(&fees, &last, &QUIET, &CAP), PBTS_OK);
    assert_true(fees.max_fee_wei == 902 && fees.max_priority_fee_wei == 8);
    assert_int_equal(pbts_eth_fees_bump(&fees, &last, &BUSY, &CAP), PBTS_OK);
    assert_true(fees.max_fee_wei == 62 * GWEI / 8 * 9);
    assert_true(fees.max_priority_fee_wei == 2 * GWEI / 8 * 9);
    last = (pbts_eth_fees){ 0, 0 };
    assert_int_equal(pbts_eth_fees_bump(&fees, &last, &(pbts_eth_network_fees){ 0, 0 }, &CAP),
                     PBTS_OK);
    assert_true(fees.max_fee_wei == 1 && fees.max_priority_fee_wei == 1);
    assert_int_equal(pbts_eth_fees_bump(&fees, &last, &ABOVE, &CAP), PBTS_LIMIT);
    last = (pbts_eth_fees){ 88 * GWEI, 1 }; /* to 99 */
    assert_int_equal(pbts_eth_fees_bump(&fees, &last, &QUIET, &CAP), PBTS_OK);
    last = (pbts_eth_fees){ 89 * GWEI, 1 };
    assert_int_equal(pbts_eth_fees_bump(&fees, &last, &QUIET, &CAP), PBTS_LIMIT);
    assert_int_equal(pbts_eth_fees_bump_capped(&fees, &last, &QUIET, &CAP), PBTS_OK);
    assert_true(fees.max_fee_wei == 100 * GWEI && fees.max_priority_fee_wei == 2);
    last = (pbts_eth_fees){ 8 * GWEI, 4 * GWEI };
    assert_int_equal(pbts_eth_fees_bump(&fees, &last, &QUIET, &CAP), PBTS_LIMIT);
    last = CAP;
    assert_int_equal(pbts_eth_fees_bump_capped(&fees, &last, &QUIET, &CAP), PBTS_LIMIT);
}

static void what_is_affordable_is_gas_times_fee_to_the_wei(void **state) {
    (void)state;
    pbts_eth_fees fees = { UINT64_MAX, 0 };
    pbts_u256 balance = pbts_u256_from_u64(UINT64_MAX);
    assert_true(pbts_eth_fees_affordable(&balance, &fees, 1));
    assert_false(pbts_eth_fees_affordable(&balance, &fees, 2));
    fees.max_fee_wei = 1000;
    balance = pbts_u256_from_u64(20999999);
    assert_false(pbts_eth_fees_affordable(&balance, &fees, 21000));
    balance = pbts_u256_from_u64(21000000);
    assert_true(pbts_eth_fees_affordable(&balance, &fees, 21000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_for_every_kind),
        cmocka_unit_test(the_call_hash_is_that_of_the_calls_data),
        cmocka_unit_test(every_truncation_and_every_changed_byte_is_found),
        cmocka_unit_test(broken_bounds_are_malformed),
        cmocka_unit_test(the_longest_record_is_read_and_no_longer_one),
        cmocka_unit_test(the_first_offer_has_room_to_rise),
        cmocka_unit_test(both_fees_rise_by_an_eighth_or_not_at_all),
        cmocka_unit_test(what_is_affordable_is_gas_times_fee_to_the_wei),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
