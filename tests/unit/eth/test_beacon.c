/* Unit tests of beacon_network.c and beacon_roots.c: published roots, forks, clocks. */
#include "eth/light_vectors.h"

static pbts_beacon_header header_at(json_t *json) {
    return (pbts_beacon_header){ uint_at(json, "slot"), uint_at(json, "proposer_index"),
                                 chunk_at(json, "parent_root"), chunk_at(json, "state_root"),
                                 chunk_at(json, "body_root") };
}

static size_t committee_at(pbts_beacon_committee *out, json_t *json) {
    json_t *keys = json_at(json, "pubkeys"), *key;
    size_t i;
    json_array_foreach(keys, i, key) {
        unhex(out->keys + i * PBTS_BLS_MEMBER_KEY_LEN, PBTS_BLS_MEMBER_KEY_LEN,
              json_string_value(key));
    }
    unhex(out->aggregate, sizeof out->aggregate,
          json_string_value(json_at(json, "aggregate_pubkey")));
    return json_array_size(keys);
}

static void branch_at(pbts_ssz_chunk *out, size_t len, const json_t *list) {
    assert_int_equal(json_array_size(list), len);
    for (size_t i = 0; i < len; i++) out[i] = chunk_of(json_string_value(json_array_get(list, i)));
}

static void signing_roots_of_mainnet_are_as_published(void **state) {
    (void)state;
    const char *const files[] = { JEWEL "expected.json", JEWEL_CALL "expected.json" };
    const char *const parts[] = { "update", "optimistic" };
    for (size_t f = 0; f < 2; f++) {
        json_t *expected = load_json(files[f]);
        for (size_t p = 0; p < 2; p++) {
            json_t *part = json_at(expected, parts[p]);
            pbts_ssz_chunk block = chunk_at(part, "attested_root");
            assert_chunk(pbts_beacon_signing_root(&PBTS_BEACON_MAINNET, &block,
                                                  uint_at(part, "signature_slot")),
                         chunk_at(part, "signing_root"));
        }
        json_decref(expected);
    }
}

/* An update of Bellatrix: its branches, the signing root, the signature by the committee. */
static void an_update_of_bellatrix_verifies_part_by_part(void **state) {
    (void)state;
    json_t *update = load_json(BELLATRIX "mainnet_light_client_update_slot_5841038.json");
    json_t *signing_root = load_json(BELLATRIX "mainnet_signing_root_slot_5841037.json");
    json_t *members = load_json(BELLATRIX "mainnet_sync_committee_period_713.json");
    pbts_beacon_committee *committee = calloc(1, sizeof *committee);
    pbts_bls_committee *points = malloc(sizeof *points);
    uint8_t bits[PBTS_BEACON_BITS_LEN], signature[PBTS_BLS_MEMBER_SIGNATURE_LEN];
    pbts_beacon_header attested = header_at(json_at(update, "attested_header"));
    json_t *next = json_at(update, "next_sync_committee");
    json_t *finalized = json_at(update, "finalized_header");
    pbts_ssz_chunk branch[6], root;

    pbts_beacon_header final_header = header_at(json_array_get(finalized, 0));
    root = pbts_beacon_header_root(&final_header);
    branch_at(branch, 6, json_array_get(finalized, 1));
    assert_int_equal(pbts_ssz_check_branch(&attested.state_root, &root, 105, branch, 6), PBTS_OK);
    assert_int_equal(committee_at(committee, json_array_get(next, 0)), 512);
    root = pbts_beacon_committee_root(committee, 512);
    branch_at(branch, 5, json_array_get(next, 1));
    assert_int_equal(pbts_ssz_check_branch(&attested.state_root, &root, 55, branch, 5), PBTS_OK);
    assert_int_equal(pbts_ssz_check_branch(&attested.state_root, &root, 54, branch, 5),
                     PBTS_MALFORMED);

    pbts_ssz_chunk block = pbts_beacon_header_root(&attested);
    pbts_ssz_chunk message = pbts_beacon_signing_root(&PBTS_BEACON_MAINNET, &block, 5841038);
    assert_chunk(message, chunk_of(json_string_value(signing_root)));
    assert_int_equal(committee_at(committee, members), 512);
    assert_int_equal(pbts_bls_committee_decode(points, PBTS_SPAN_OF(committee->keys)), PBTS_OK);
    unhex(bits, sizeof bits,
          json_string_value(json_at(update, "sync_aggregate.sync_committee_bits")));
    unhex(signature, sizeof signature,
          json_string_value(json_at(update, "sync_aggregate.sync_committee_signature")));
    assert_int_equal(pbts_bls_committee_verify(points, PBTS_SPAN_OF(bits),
                                               PBTS_SPAN_OF(message.bytes), signature),
                     PBTS_OK);
    message.bytes[0] ^= 1;
    assert_int_equal(pbts_bls_committee_verify(points, PBTS_SPAN_OF(bits),
                                               PBTS_SPAN_OF(message.bytes), signature),
                     PBTS_BAD_SIGNATURE);
    free(committee);
    free(points);
    json_decref(update);
    json_decref(signing_root);
    json_decref(members);
}

/* The sum of those who signed is what another implementation found. */
static void sums_of_signers_are_as_published(void **state) {
    (void)state;
    json_t *expected = load_json(JEWEL "expected.json");
    json_t *update = load_json(JEWEL "update.json");
    json_t *bootstrap = load_json(JEWEL "bootstrap.json");
    pbts_beacon_committee *committee = calloc(1, sizeof *committee);
    pbts_bls_committee *points = malloc(sizeof *points);
    uint8_t bits[PBTS_BEACON_BITS_LEN], sum[48], want[48];
    json_t *aggregate = json_at(json_array_get(update, 0), "data.sync_aggregate");
    assert_int_equal(committee_at(committee, json_at(bootstrap, "data.current_sync_committee")),
                     512);
    assert_int_equal(pbts_bls_committee_decode(points, PBTS_SPAN_OF(committee->keys)), PBTS_OK);
    unhex(bits, sizeof bits, json_string_value(json_at(aggregate, "sync_committee_bits")));
    unhex(want, sizeof want, json_string_value(json_at(expected, "update.agg_pubkey")));
    assert_int_equal(pbts_bls_committee_sum(sum, points, PBTS_SPAN_OF(bits)), PBTS_OK);
    assert_memory_equal(sum, want, sizeof want);
    memset(bits, 0xFF, sizeof bits);
    assert_int_equal(pbts_bls_committee_sum(sum, points, PBTS_SPAN_OF(bits)), PBTS_OK);
    assert_memory_equal(sum, committee->aggregate, sizeof sum); /* as the state has it */
    free(committee);
    free(points);
    json_decref(expected);
    json_decref(update);
    json_decref(bootstrap);
}

static void the_execution_header_has_14_15_or_17_fields(void **state) {
    (void)state;
    pbts_beacon_execution execution;
    memset(&execution, 0, sizeof execution);
    execution.block_number = 5;
    execution.extra_data_len = 3;
    memcpy(execution.extra_data, "abc", 3);
    pbts_ssz_chunk bellatrix = pbts_beacon_execution_root(&execution, PBTS_BEACON_BELLATRIX);
    pbts_ssz_chunk capella = pbts_beacon_execution_root(&execution, PBTS_BEACON_CAPELLA);
    pbts_ssz_chunk deneb = pbts_beacon_execution_root(&execution, PBTS_BEACON_DENEB);
    assert_chunk(capella, bellatrix); /* both of 16 leaves; a withdrawals root of zero is padding */
    assert_false(pbts_ssz_chunk_equal(&deneb, &capella));
    assert_chunk(pbts_beacon_execution_root(&execution, PBTS_BEACON_FULU), deneb);
    execution.withdrawals_root.bytes[0] = 1;
    assert_chunk(pbts_beacon_execution_root(&execution, PBTS_BEACON_BELLATRIX), bellatrix);
    pbts_ssz_chunk changed = pbts_beacon_execution_root(&execution, PBTS_BEACON_CAPELLA);
    assert_false(pbts_ssz_chunk_equal(&changed, &capella));
    execution.excess_blob_gas = 1;
    assert_chunk(pbts_beacon_execution_root(&execution, PBTS_BEACON_CAPELLA), changed);
}

/* The place of state_root and block_number in Bellatrix' execution header, by real branches. */
static void fields_of_a_bellatrix_execution_header_are_where_they_should_be(void **state) {
    (void)state;
    json_t *file = load_json(LCP "light_client_update_period_5.json");
    json_t *update = json_array_get(file, 0), *fields = json_array_get(file, 1);
    pbts_ssz_chunk root = chunk_at(update, "finalized_execution_root"), branch[4];
    json_t *final_header =
        json_array_get(json_at(update, "light_client_update.finalized_header"), 0);
    pbts_ssz_chunk body = chunk_at(final_header, "body_root"), leaf;
    branch_at(branch, 4, json_at(update, "finalized_execution_branch"));
    assert_int_equal(pbts_ssz_check_branch(&body, &root, PBTS_BEACON_EXECUTION_GINDEX, branch, 4),
                     PBTS_OK);
    leaf = chunk_at(fields, "state_root");
    branch_at(branch, 4, json_at(fields, "state_root_branch"));
    assert_int_equal(pbts_ssz_check_branch(&root, &leaf, 16 + 2, branch, 4), PBTS_OK);
    leaf = pbts_ssz_chunk_u64(uint_at(fields, "block_number"));
    branch_at(branch, 4, json_at(fields, "block_number_branch"));
    assert_int_equal(pbts_ssz_check_branch(&root, &leaf, 16 + 6, branch, 4), PBTS_OK);
    json_decref(file);
}

static void networks_are_checked(void **state) {
    (void)state;
    assert_int_equal(pbts_beacon_network_check(&PBTS_BEACON_MAINNET), PBTS_OK);
    assert_int_equal(pbts_beacon_network_check(&PBTS_BEACON_SEPOLIA), PBTS_OK);
    assert_int_equal(pbts_beacon_network_check(&PBTS_BEACON_HOODI), PBTS_OK);
    pbts_beacon_network good = minimal_network(PBTS_BEACON_FULU), bad;
    assert_int_equal(pbts_beacon_network_check(&good), PBTS_OK);
    const struct {
        size_t offset;
        uint32_t value;
    } TABLE[] = {
        { offsetof(pbts_beacon_network, seconds_per_slot), 0 },
        { offsetof(pbts_beacon_network, seconds_per_slot), 3601 },
        { offsetof(pbts_beacon_network, slots_per_epoch), 0 },
        { offsetof(pbts_beacon_network, slots_per_epoch), 1025 },
        { offsetof(pbts_beacon_network, epochs_per_period), 0 },
        { offsetof(pbts_beacon_network, epochs_per_period), 65537 },
        { offsetof(pbts_beacon_network, committee_size), 0 },
        { offsetof(pbts_beacon_network, committee_size), 33 },
        { offsetof(pbts_beacon_network, committee_size), 520 },
    };
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        bad = good;
        memcpy((uint8_t *)&bad + TABLE[i].offset, &TABLE[i].value, sizeof TABLE[i].value);
        assert_int_equal(pbts_beacon_network_check(&bad), PBTS_MALFORMED);
    }
    bad = good;
    bad.forks[PBTS_BEACON_DENEB].epoch = 1; /* Electra at 0 would come before */
    assert_int_equal(pbts_beacon_network_check(&bad), PBTS_MALFORMED);
    bad = good;
    for (int i = 0; i < PBTS_BEACON_FORKS; i++) bad.forks[i].epoch = 1;
    assert_int_equal(pbts_beacon_network_check(&bad), PBTS_MALFORMED);
}

static void a_fork_begins_with_its_epoch_and_signs_one_slot_later(void **state) {
    (void)state;
    const pbts_beacon_network *mainnet = &PBTS_BEACON_MAINNET;
    const uint64_t electra = UINT64_C(364032) * 32;
    assert_int_equal(pbts_beacon_fork_at(mainnet, 0), PBTS_BEACON_PHASE0);
    assert_int_equal(pbts_beacon_fork_at(mainnet, electra - 1), PBTS_BEACON_DENEB);
    assert_int_equal(pbts_beacon_fork_at(mainnet, electra), PBTS_BEACON_ELECTRA);
    assert_int_equal(pbts_beacon_fork_at(mainnet, UINT64_MAX), PBTS_BEACON_FULU);
    assert_string_equal(pbts_beacon_fork_name(PBTS_BEACON_CAPELLA), "capella");
    pbts_ssz_chunk block = { { 1 } };
    pbts_ssz_chunk before = pbts_beacon_signing_root(mainnet, &block, electra - 1);
    pbts_ssz_chunk first = pbts_beacon_signing_root(mainnet, &block, electra);
    pbts_ssz_chunk second = pbts_beacon_signing_root(mainnet, &block, electra + 1);
    assert_chunk(first, before); /* signed in Electra's first slot for Deneb's last */
    assert_false(pbts_ssz_chunk_equal(&second, &first));
    assert_chunk(pbts_beacon_signing_root(mainnet, &block, 0),
                 pbts_beacon_signing_root(mainnet, &block, 1));
}

static void generalized_indices_change_with_electra(void **state) {
    (void)state;
    pbts_beacon_gindices deneb = pbts_beacon_gindices_of(PBTS_BEACON_DENEB);
    pbts_beacon_gindices electra = pbts_beacon_gindices_of(PBTS_BEACON_ELECTRA);
    assert_true(deneb.finalized_root == 105 && deneb.current_committee == 54 &&
                deneb.next_committee == 55);
    assert_true(electra.finalized_root == 169 && electra.current_committee == 86 &&
                electra.next_committee == 87);
    /* Field 20 (finalized checkpoint, its root), 22 and 23 of a state of 32 leaves, then of 64. */
    assert_int_equal(deneb.finalized_root, (32 + 20) * 2 + 1);
    assert_int_equal(electra.finalized_root, (64 + 20) * 2 + 1);
    assert_int_equal(electra.current_committee, 64 + 22);
    assert_int_equal(electra.next_committee, 64 + 23);
}

static void slots_and_times_are_each_others_inverse(void **state) {
    (void)state;
    const pbts_beacon_network *mainnet = &PBTS_BEACON_MAINNET;
    assert_int_equal(pbts_beacon_slot_at(mainnet, 0), 0);
    assert_int_equal(pbts_beacon_slot_at(mainnet, mainnet->genesis_time_s + 11), 0);
    assert_int_equal(pbts_beacon_slot_at(mainnet, mainnet->genesis_time_s + 12), 1);
    assert_int_equal(pbts_beacon_slot_at(mainnet, 1746625055), 11650086); /* the jewel's block */
    assert_int_equal(pbts_beacon_slot_time_s(mainnet, 11650086), 1746625055);
    assert_true(pbts_beacon_slot_time_s(mainnet, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(pbts_beacon_period(mainnet, 8191), 0);
    assert_int_equal(pbts_beacon_period(mainnet, 8192), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signing_roots_of_mainnet_are_as_published),
        cmocka_unit_test(an_update_of_bellatrix_verifies_part_by_part),
        cmocka_unit_test(sums_of_signers_are_as_published),
        cmocka_unit_test(the_execution_header_has_14_15_or_17_fields),
        cmocka_unit_test(fields_of_a_bellatrix_execution_header_are_where_they_should_be),
        cmocka_unit_test(networks_are_checked),
        cmocka_unit_test(a_fork_begins_with_its_epoch_and_signs_one_slot_later),
        cmocka_unit_test(generalized_indices_change_with_electra),
        cmocka_unit_test(slots_and_times_are_each_others_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
