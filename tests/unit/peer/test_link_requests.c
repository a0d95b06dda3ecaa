/* Unit tests of requests for receipts that cross receipts on their way (peer/link_give.c). */
#include "link_kit.h"

enum { ROUNDS = 100, AT_ONCE = 4 };

/* The sender asks the receiver. */
static void ask(kit *k) {
    uint8_t buffer[64];
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT };
    message.request.form = PBTS_FORM_PIECE;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_pbts_encode(&writer, &message);
    kit_push(&k->ends[0], pbts_writer_span(&writer));
    assert_true(kit_hear(k, 0));
}

static kit *with_piece_receipts(void) {
    kit *k = kit_new(ROUNDS * AT_ONCE + 1);
    k->members[1].terms.form_given = PBTS_FORM_PIECE;
    kit_connect(k);
    return k;
}

static void each_receipt_on_its_way_may_meet_a_request(void **state) {
    (void)state;
    kit *k = with_piece_receipts();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        kit_transfer(k, round * AT_ONCE, (round + 1) * AT_ONCE);
        pbts_link_sign_all(kit_link(k, 1));
        kit_settle(k);
        assert_int_equal(kit_stats(k, 1).receipts_given, (round + 1) * AT_ONCE);
        for (int i = 0; i < AT_ONCE; i++) ask(k);
        kit_assert_ready(k);
    }
    kit_free(k);
}

static void more_requests_than_receipts_are_a_flood_in_the_end(void **state) {
    (void)state;
    kit *k = with_piece_receipts();
    kit_transfer(k, 0, AT_ONCE);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    uint32_t given = kit_stats(k, 1).receipts_given;
    for (uint32_t i = 0; i < given + 64; i++) ask(k);
    kit_assert_ready(k);
    ask(k);
    kit_assert_refused(k, 1, PBTS_LINK_REFUSAL_FLOOD);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_receipt_on_its_way_may_meet_a_request),
        cmocka_unit_test(more_requests_than_receipts_are_a_flood_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
