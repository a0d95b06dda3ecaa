/* The light client on a chain of the tests' own: every fork from Bellatrix to Fulu and the steps
 * between them, thresholds at their limits, messages damaged and cut short. */
#include "eth/light_chain.h"

enum { PERIOD = 64 };

/* Phase 0 to Bellatrix at 0, then a fork in each period: Capella in slot 64, ..., Fulu in 256. */
static pbts_beacon_network forking_network(void) {
    pbts_beacon_network network = minimal_network(PBTS_BEACON_BELLATRIX);
    for (int fork = PBTS_BEACON_CAPELLA; fork <= PBTS_BEACON_FULU; fork++) {
        network.forks[fork].epoch = (uint64_t)(fork - PBTS_BEACON_BELLATRIX) * PERIOD / 8;
    }
    return network;
}

static pbts_status give_chain_update(pbts_light_client *client, const pbts_beacon_network *network,
                                     pbts_light_container kind, const pbts_light_update *update) {
    message m;
    encode_update(&m, network, kind, update);
    uint8_t *copy = malloc(m.len);
    memcpy(copy, m.bytes, m.len);
    pbts_status status = give_update(client, network, kind, (pbts_span){ copy, m.len },
                                     at_slot(network, update->signature_slot));
    free(copy);
    return status;
}

static pbts_light_client *client_at(const pbts_beacon_network *network, uint64_t slot) {
    pbts_light_bootstrap bootstrap;
    message m;
    pbts_light_client *client = new_client(network, chain_root(network, slot), 1);
    chain_bootstrap(&bootstrap, network, slot);
    encode_bootstrap(&m, network, &bootstrap);
    assert_int_equal(give_bootstrap(client, network, span_of_message(&m), at_slot(network, slot)),
                     PBTS_OK);
    return client;
}

static uint64_t finalized_slot(const pbts_light_client *client, uint64_t now_s) {
    pbts_light_head head;
    assert_int_equal(pbts_light_client_finalized(client, &head, now_s), PBTS_OK);
    return head.slot;
}

static void every_fork_is_crossed_in_turn(void **state) {
    (void)state;
    pbts_beacon_network network = forking_network();
    pbts_light_client *client = client_at(&network, 8);
    pbts_light_update update;
    pbts_light_head head;
    for (uint64_t period = 0; period < 7; period++) {
        uint64_t base = period * PERIOD, at_s;
        chain_update(&update, &network, base + 40, base + 16, true, 32);
        at_s = at_slot(&network, update.signature_slot);
        assert_int_equal(give_chain_update(client, &network, PBTS_LIGHT_FULL_UPDATE, &update),
                         PBTS_OK);
        assert_int_equal(finalized_slot(client, at_s), base + 16);
        chain_update(&update, &network, base + 48, base + 24, false, 22);
        at_s = at_slot(&network, update.signature_slot);
        assert_int_equal(give_chain_update(client, &network, PBTS_LIGHT_FINALITY_UPDATE, &update),
                         PBTS_OK);
        assert_int_equal(finalized_slot(client, at_s), base + 24);
        /* The last block of a fork is signed in the first slot of the next: by the next committee,
         * with the old version. */
        chain_update(&update, &network, base + 63, 0, false, 17);
        at_s = at_slot(&network, update.signature_slot);
        assert_int_equal(give_chain_update(client, &network, PBTS_LIGHT_OPTIMISTIC_UPDATE, &update),
                         PBTS_OK);
        assert_int_equal(pbts_light_client_optimistic(client, &head, at_s), PBTS_OK);
        assert_int_equal(head.slot, base + 63);
        assert_int_equal(head.has_execution, period > 0);
        assert_int_equal(head.block_number, period > 0 ? base + 163 : 0);
        assert_int_equal(head.timestamp_s, period > 0 ? at_slot(&network, base + 63) : 0);
    }
    pbts_light_client_free(client);
}

/* The first blocks of a fork finalize blocks of the one before, whose headers come in the newer
 * form with what they did not have as zero. */
static void a_finalized_header_may_be_of_the_fork_before(void **state) {
    (void)state;
    pbts_beacon_network network = forking_network();
    for (uint64_t period = 1; period <= 4; period++) {
        uint64_t base = period * PERIOD;
        pbts_light_client *client = client_at(&network, base - 40);
        pbts_light_update update;
        chain_update(&update, &network, base - 20, base - 32, true, 32);
        assert_int_equal(give_chain_update(client, &network, PBTS_LIGHT_FULL_UPDATE, &update),
                         PBTS_OK);
        chain_update(&update, &network, base + 2, base - 8, true, 32);
        assert_int_equal(give_chain_update(client, &network, PBTS_LIGHT_FULL_UPDATE, &update),
                         PBTS_OK);
        assert_int_equal(finalized_slot(client, at_slot(&network, base + 3)), base - 8);
        if (period <= 2) { /* there, a field exists that must be zero */
            chain_update(&update, &network, base + 3, base - 7, true, 32);
            if (period == 1) update.finalized.execution.gas_used = 1;
            if (period == 2) update.finalized.execution.blob_gas_used = 1;
            assert_int_equal(give_chain_update(client, &network, PBTS_LIGHT_FULL_UPDATE, &update),
                             PBTS_MALFORMED);
        }
        pbts_light_client_free(client);
    }
}

static void no_byte_of_an_electra_update_may_be_another(void **state) {
    (void)state;
    pbts_beacon_network network = forking_network();
    pbts_light_client *client = client_at(&network, 4 * PERIOD + 8);
    pbts_light_update update;
    message m;
    chain_update(&update, &network, 4 * PERIOD + 40, 4 * PERIOD + 16, true, 32);
    encode_update(&m, &network, PBTS_LIGHT_FULL_UPDATE, &update);
    uint64_t now_s = at_slot(&network, update.signature_slot);
    for (size_t i = 0; i < m.len; i++) {
        uint8_t mask = (uint8_t)(1 << (i * 5 % 8));
        m.bytes[i] ^= mask;
        pbts_status status =
            give_update(client, &network, PBTS_LIGHT_FULL_UPDATE, span_of_message(&m), now_s);
        if (status == PBTS_OK) fail_msg("byte %zu may be changed", i);
        m.bytes[i] ^= mask;
    }
    assert_int_equal(
        give_update(client, &network, PBTS_LIGHT_FULL_UPDATE, span_of_message(&m), now_s), PBTS_OK);
    pbts_light_client_free(client);
}

static void a_message_cut_short_or_with_more_behind_it_is_refused(void **state) {
    (void)state;
    pbts_beacon_network network = forking_network();
    static const pbts_light_container KINDS[] = { PBTS_LIGHT_FULL_UPDATE,
                                                  PBTS_LIGHT_FINALITY_UPDATE,
                                                  PBTS_LIGHT_OPTIMISTIC_UPDATE };
    pbts_light_update update, found;
    pbts_light_bootstrap bootstrap, bootstrap_found;
    message m;
    for (uint64_t period = 0; period < 5; period++) {
        for (size_t k = 0; k < 3; k++) {
            bool has_finality = KINDS[k] != PBTS_LIGHT_OPTIMISTIC_UPDATE;
            chain_update(&update, &network, period * PERIOD + 40,
                         has_finality ? period * PERIOD + 16 : 0, k == 0, 32);
            encode_update(&m, &network, KINDS[k], &update);
            for (size_t len = 0; len < m.len; len++) {
                uint8_t *copy = malloc(len + 1);
                memcpy(copy, m.bytes, len);
                pbts_span cut = { copy, len };
                pbts_status status = pbts_light_update_decode_ssz(&found, &network, KINDS[k], cut);
                /* The last bytes are extra data, as many as there are. */
                bool may_be = status == PBTS_OK && period > 0 && m.len - len <= 5;
                assert_true(status == PBTS_MALFORMED || may_be);
                free(copy);
            }
            assert_int_equal(
                pbts_light_update_decode_ssz(&found, &network, KINDS[k], span_of_message(&m)),
                PBTS_OK);
            assert_memory_equal(&found, &update, sizeof found);
            memset(m.bytes + m.len, 0, 33);
            m.len += 33;
            assert_int_equal(
                pbts_light_update_decode_ssz(&found, &network, KINDS[k], span_of_message(&m)),
                PBTS_MALFORMED);
        }
        chain_bootstrap(&bootstrap, &network, period * PERIOD + 8);
        encode_bootstrap(&m, &network, &bootstrap);
        assert_int_equal(
            pbts_light_bootstrap_decode_ssz(&bootstrap_found, &network, span_of_message(&m)),
            PBTS_OK);
        assert_memory_equal(&bootstrap_found, &bootstrap, sizeof bootstrap);
    }
}

/* Bytes that nobody reads would be bytes that anybody may change. */
static void a_gap_before_what_an_offset_points_at_is_refused(void **state) {
    (void)state;
    enum { EXTRA_DATA = 5, GAP = 4 };
    pbts_beacon_network network = minimal_network(PBTS_BEACON_FULU);
    pbts_light_update update, found;
    message m;
    chain_update(&update, &network, 40, 0, false, 32);
    encode_update(&m, &network, PBTS_LIGHT_OPTIMISTIC_UPDATE, &update);
    uint8_t *end = m.bytes + m.len, *execution = end - EXTRA_DATA - 584;
    uint8_t *offset = execution + 436;
    assert_true(offset[0] == (584 & 0xFF) && offset[1] == 584 >> 8);
    memmove(end - EXTRA_DATA + GAP, end - EXTRA_DATA, EXTRA_DATA);
    memset(end - EXTRA_DATA, 0, GAP);
    offset[0] = (uint8_t)(offset[0] + GAP);
    m.len += GAP;
    assert_int_equal(pbts_light_update_decode_ssz(&found, &network, PBTS_LIGHT_OPTIMISTIC_UPDATE,
                                                  span_of_message(&m)),
                     PBTS_MALFORMED);
}

/* A finality update moves on to the next period and brings no committee for the one after. */
static void a_period_begun_by_a_finality_update_has_no_next_committee(void **state) {
    (void)state;
    pbts_beacon_network network = minimal_network(PBTS_BEACON_FULU);
    pbts_light_client *client = client_at(&network, 8);
    pbts_light_update update;
    uint64_t now_s = at_slot(&network, 3 * PERIOD);
    chain_update(&update, &network, 40, 16, true, 32);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
    chain_update(&update, &network, PERIOD + 30, PERIOD + 8, false, 32);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
    assert_int_equal(finalized_slot(client, now_s), PERIOD + 8);
    chain_update(&update, &network, 2 * PERIOD + 8, PERIOD + 32, false, 32);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_STALE);
    chain_update(&update, &network, PERIOD + 40, PERIOD + 8, true, 32);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
    chain_update(&update, &network, 2 * PERIOD + 8, PERIOD + 32, false, 32);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
    assert_int_equal(finalized_slot(client, now_s), PERIOD + 32);
    pbts_light_client_free(client);
}

/* ---- thresholds ---- */

static void two_thirds_finalize_and_one_less_does_not(void **state) {
    (void)state;
    pbts_beacon_network network = minimal_network(PBTS_BEACON_FULU);
    pbts_light_client *client = client_at(&network, 8);
    pbts_light_update update;
    uint64_t now_s = at_slot(&network, 60);
    chain_update(&update, &network, 40, 16, true, 21); /* 21 * 3 < 32 * 2 */
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
    assert_int_equal(finalized_slot(client, now_s), 8);
    chain_update(&update, &network, 40, 16, true, 22);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
    assert_int_equal(finalized_slot(client, now_s), 16);
    chain_update(&update, &network, 41, 17, true, 0);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_MALFORMED);
    pbts_light_client_free(client);
}

static uint64_t optimistic_slot(const pbts_light_client *client, uint64_t now_s) {
    pbts_light_head head;
    assert_int_equal(pbts_light_client_optimistic(client, &head, now_s), PBTS_OK);
    return head.slot;
}

static void the_optimistic_head_needs_the_minimum_and_half_of_the_most(void **state) {
    (void)state;
    pbts_beacon_network network = minimal_network(PBTS_BEACON_FULU);
    pbts_light_config config = { .mem = pbts_mem_system(),
                                 .network = &network,
                                 .age_max_s = 100000,
                                 .optimistic_min = 10,
                                 .server_count = 1,
                                 .poll_s = 6 };
    pbts_ssz_chunk root = chain_root(&network, 8);
    pbts_light_bootstrap bootstrap;
    pbts_light_update update;
    pbts_light_client *client;
    uint64_t now_s = at_slot(&network, 60);
    memcpy(config.trusted_root, root.bytes, sizeof root.bytes);
    assert_int_equal(pbts_light_client_new(&client, &config), PBTS_OK);
    chain_bootstrap(&bootstrap, &network, 8);
    assert_int_equal(pbts_light_client_bootstrap(client, &bootstrap, now_s), PBTS_OK);
    const struct {
        uint64_t slot;
        uint32_t members;
        uint64_t head;
    } STEPS[] = { { 20, 9, 8 },   { 21, 10, 21 }, { 22, 30, 22 }, { 23, 15, 22 },
                  { 24, 16, 24 }, { 19, 32, 24 }, { 25, 17, 25 } };
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        chain_update(&update, &network, STEPS[i].slot, 0, false, STEPS[i].members);
        assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
        assert_int_equal(optimistic_slot(client, now_s), STEPS[i].head);
    }
    pbts_light_client_free(client);
}

static void time_decides_what_is_too_early_and_too_old(void **state) {
    (void)state;
    pbts_beacon_network network = minimal_network(PBTS_BEACON_FULU);
    pbts_light_client *client = new_client(&network, chain_root(&network, 8), 1);
    pbts_light_bootstrap bootstrap;
    pbts_light_update update;
    pbts_light_head head;
    uint64_t last_s = at_slot(&network, 8) + PBTS_LIGHT_AGE_MAX_S;
    chain_bootstrap(&bootstrap, &network, 8);
    assert_int_equal(pbts_light_client_bootstrap(client, &bootstrap, last_s + 1), PBTS_STALE);
    assert_int_equal(pbts_light_client_finalized(client, &head, last_s), PBTS_NOT_FOUND);
    assert_int_equal(pbts_light_client_bootstrap(client, &bootstrap, last_s), PBTS_OK);
    assert_int_equal(pbts_light_client_finalized(client, &head, last_s), PBTS_OK);
    assert_int_equal(pbts_light_client_finalized(client, &head, last_s + 1), PBTS_STALE);
    assert_int_equal(pbts_light_client_optimistic(client, &head, last_s + 1), PBTS_STALE);
    chain_update(&update, &network, 40, 16, true, 32);
    assert_int_equal(pbts_light_client_update(client, &update, at_slot(&network, 41) - 1),
                     PBTS_STALE); /* signed in a slot to come */
    assert_int_equal(pbts_light_client_update(client, &update, last_s + 1), PBTS_STALE);
    assert_int_equal(pbts_light_client_update(client, &update, at_slot(&network, 41)), PBTS_OK);
    assert_int_equal(pbts_light_client_force_update(client, last_s), PBTS_NOT_FOUND);
    pbts_light_client_free(client);
}

static void slots_out_of_order_are_refused(void **state) {
    (void)state;
    pbts_beacon_network network = minimal_network(PBTS_BEACON_FULU);
    pbts_light_client *client = client_at(&network, 8);
    pbts_light_update update;
    uint64_t now_s = at_slot(&network, 500);
    chain_update(&update, &network, 40, 41, true, 32); /* finalized after attested */
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_MALFORMED);
    chain_update(&update, &network, 40, 16, true, 32);
    update.signature_slot = 40;
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_MALFORMED);
    chain_update(&update, &network, 100, 70, true, 32); /* a period whose members are unknown */
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_STALE);
    chain_update(&update, &network, 8, 0, false, 32); /* not newer */
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_STALE);
    chain_update(&update, &network, 40, 16, true, 32);
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_OK);
    chain_update(&update, &network, 50, 18, true, 32);
    update.next.aggregate[5] ^= 1; /* another committee than the one that is known */
    assert_int_equal(pbts_light_client_update(client, &update, now_s), PBTS_MALFORMED);
    pbts_light_client_free(client);
}

static void configurations_are_checked(void **state) {
    (void)state;
    pbts_beacon_network network = minimal_network(PBTS_BEACON_FULU);
    const pbts_light_config good = { .mem = pbts_mem_system(),
                                     .network = &network,
                                     .age_max_s = 1,
                                     .optimistic_min = 32,
                                     .server_count = 32,
                                     .poll_s = 1 };
    pbts_light_client *client;
    assert_int_equal(pbts_light_client_new(&client, &good), PBTS_OK);
    pbts_light_client_free(client);
    pbts_light_client_free(NULL);
    pbts_light_config bad[6] = { good, good, good, good, good, good };
    bad[0].age_max_s = 0;
    bad[1].optimistic_min = 0;
    bad[2].optimistic_min = 33;
    bad[3].server_count = 0;
    bad[4].server_count = 33;
    bad[5].poll_s = 0;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pbts_light_client_new(&client, &bad[i]), PBTS_MALFORMED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fork_is_crossed_in_turn),
        cmocka_unit_test(a_finalized_header_may_be_of_the_fork_before),
        cmocka_unit_test(no_byte_of_an_electra_update_may_be_another),
        cmocka_unit_test(a_message_cut_short_or_with_more_behind_it_is_refused),
        cmocka_unit_test(a_gap_before_what_an_offset_points_at_is_refused),
        cmocka_unit_test(a_period_begun_by_a_finality_update_has_no_next_committee),
        cmocka_unit_test(two_thirds_finalize_and_one_less_does_not),
        cmocka_unit_test(the_optimistic_head_needs_the_minimum_and_half_of_the_most),
        cmocka_unit_test(time_decides_what_is_too_early_and_too_old),
        cmocka_unit_test(slots_out_of_order_are_refused),
        cmocka_unit_test(configurations_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
