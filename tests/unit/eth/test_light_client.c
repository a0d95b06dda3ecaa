/* The light client against chains: mainnet from a trusted root to an execution state root, across
 * the fork to Electra; mainnet in Capella; the official scenarios of the minimal preset. */
#include "eth/light_vectors.h"

/* ---- mainnet, from a trusted root ---- */

typedef struct {
    pbts_span bootstrap, update, optimistic;
    json_t *expected;
} jewel;

static jewel load_jewel(const char *folder) {
    char path[VECTOR_PATH_MAX];
    const char *const names[] = { "bootstrap.ssz", "update.ssz", "optimistic_update.ssz" };
    pbts_span parts[3];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s%s", folder, names[i]);
        parts[i] = load_vector(path);
    }
    (void)snprintf(path, sizeof path, "%sexpected.json", folder);
    return (jewel){ parts[0], parts[1], parts[2], load_json(path) };
}

static void drop_jewel(jewel *vectors) {
    drop(vectors->bootstrap);
    drop(vectors->update);
    drop(vectors->optimistic);
    json_decref(vectors->expected);
}

static void follow_jewel(const char *folder) {
    const pbts_beacon_network *network = &PBTS_BEACON_MAINNET;
    jewel vectors = load_jewel(folder);
    json_t *want = vectors.expected;
    pbts_light_head head;
    uint64_t now_s = at_slot(network, uint_at(want, "optimistic.signature_slot"));
    pbts_light_client *client = new_client(network, chunk_at(want, "trusted_block_root"), 1);
    assert_int_equal(pbts_light_client_finalized(client, &head, now_s), PBTS_NOT_FOUND);
    assert_int_equal(give_bootstrap(client, network, vectors.bootstrap, now_s), PBTS_OK);
    assert_int_equal(pbts_light_client_finalized(client, &head, now_s), PBTS_OK);
    assert_int_equal(head.slot, uint_at(want, "bootstrap.slot"));
    assert_chunk(head.beacon_root, chunk_at(want, "trusted_block_root"));
    assert_int_equal(
        give_update(client, network, PBTS_LIGHT_OPTIMISTIC_UPDATE, vectors.optimistic, now_s),
        PBTS_STALE); /* the committee that signed is not known yet */
    assert_int_equal(give_update(client, network, PBTS_LIGHT_FULL_UPDATE, vectors.update, now_s),
                     PBTS_OK);
    assert_int_equal(pbts_light_client_finalized(client, &head, now_s), PBTS_OK);
    assert_int_equal(head.slot, uint_at(want, "update.finalized_slot"));
    assert_chunk(head.beacon_root, chunk_at(want, "update.finalized_root"));
    assert_int_equal(
        give_update(client, network, PBTS_LIGHT_OPTIMISTIC_UPDATE, vectors.optimistic, now_s),
        PBTS_OK);
    assert_int_equal(pbts_light_client_optimistic(client, &head, now_s), PBTS_OK);
    assert_int_equal(head.slot, uint_at(want, "optimistic.attested_slot"));
    assert_chunk(head.beacon_root, chunk_at(want, "optimistic.attested_root"));
    assert_true(head.has_execution);
    assert_int_equal(head.block_number, uint_at(want, "optimistic.exec_block_number"));
    assert_chunk(head.block_hash, chunk_at(want, "optimistic.exec_block_hash"));
    assert_chunk(head.state_root, chunk_at(want, "optimistic.exec_state_root"));
    assert_true(head.timestamp_s == at_slot(network, head.slot));
    pbts_light_client_free(client);
    drop_jewel(&vectors);
}

static void a_trusted_root_of_deneb_leads_to_a_state_root_of_electra(void **state) {
    (void)state;
    follow_jewel(JEWEL);
    follow_jewel(JEWEL_CALL);
}

/* ---- every byte counts ---- */

typedef pbts_status give(pbts_light_client *client, const pbts_beacon_network *network,
                         pbts_light_container container, pbts_span ssz, uint64_t now_s);

static pbts_status give_as_bootstrap(pbts_light_client *client, const pbts_beacon_network *network,
                                     pbts_light_container container, pbts_span ssz,
                                     uint64_t now_s) {
    (void)container;
    return give_bootstrap(client, network, ssz, now_s);
}

/* Changes one bit of every byte, but of a committee's keys (24,624 bytes from `from` on) only every
 * `stride`-th; returns how many changes were tried. None may be taken. */
static size_t flip_all(give *hand_in, pbts_light_client *client, const pbts_beacon_network *network,
                       pbts_light_container container, pbts_span ssz, uint64_t now_s, size_t stride,
                       size_t from) {
    uint8_t *copy = malloc(ssz.len);
    size_t tried = 0, step = 1;
    memcpy(copy, ssz.data, ssz.len);
    for (size_t i = 0; i < ssz.len; i += step) {
        uint8_t mask = (uint8_t)(1 << (i * 5 % 8));
        copy[i] ^= mask;
        pbts_status status =
            hand_in(client, network, container, (pbts_span){ copy, ssz.len }, now_s);
        if (status == PBTS_OK) fail_msg("byte %zu may be changed", i);
        copy[i] ^= mask;
        step = i >= from && i + stride < from + 24624 ? stride : 1;
        tried++;
    }
    free(copy);
    return tried;
}

static void no_byte_of_the_mainnet_chain_may_be_another(void **state) {
    (void)state;
    const pbts_beacon_network *network = &PBTS_BEACON_MAINNET;
    jewel vectors = load_jewel(JEWEL);
    json_t *want = vectors.expected;
    /* Later, the slot of the signature could be another without harm: it is not signed. */
    uint64_t then_s = at_slot(network, uint_at(want, "update.signature_slot"));
    uint64_t now_s = at_slot(network, uint_at(want, "optimistic.signature_slot"));
    pbts_light_client *client = new_client(network, chunk_at(want, "trusted_block_root"), 1);
    assert_true(flip_all(give_as_bootstrap, client, network, 0, vectors.bootstrap, then_s, 31, 4) >
                1700);
    assert_int_equal(give_bootstrap(client, network, vectors.bootstrap, then_s), PBTS_OK);
    assert_true(flip_all(give_update, client, network, PBTS_LIGHT_FULL_UPDATE, vectors.update,
                         then_s, 31, 4) > 2900);
    assert_int_equal(give_update(client, network, PBTS_LIGHT_FULL_UPDATE, vectors.update, then_s),
                     PBTS_OK);
    assert_int_equal(flip_all(give_update, client, network, PBTS_LIGHT_OPTIMISTIC_UPDATE,
                              vectors.optimistic, now_s, 1, 0),
                     vectors.optimistic.len);
    assert_int_equal(
        give_update(client, network, PBTS_LIGHT_OPTIMISTIC_UPDATE, vectors.optimistic, now_s),
        PBTS_OK);
    pbts_light_client_free(client);
    drop_jewel(&vectors);
}

/* ---- mainnet in Capella, as JSON, through five periods ---- */

static pbts_status give_json(pbts_light_client *client, pbts_light_container container,
                             pbts_span text, uint64_t now_s) {
    pbts_light_update *update = malloc(sizeof *update);
    pbts_status status =
        pbts_light_update_decode_json(update, &PBTS_BEACON_MAINNET, container, text);
    if (status == PBTS_OK) status = pbts_light_client_update(client, update, now_s);
    free(update);
    return status;
}

typedef struct {
    pbts_light_client *client;
    uint64_t now_s;
    size_t count;
} follower;

static pbts_status follow_one(void *context, const pbts_light_update *update) {
    follower *f = context;
    f->count++;
    return pbts_light_client_update(f->client, update, f->now_s);
}

static void mainnet_of_capella_is_followed_from_json(void **state) {
    (void)state;
    const pbts_beacon_network *network = &PBTS_BEACON_MAINNET;
    pbts_span bootstrap_text = load_vector(CAPELLA "bootstrap.json");
    pbts_span updates = load_vector(CAPELLA "updates.json");
    pbts_span finality = load_vector(CAPELLA "finality.json");
    pbts_span optimistic = load_vector(CAPELLA "optimistic.json");
    pbts_light_bootstrap *bootstrap = malloc(sizeof *bootstrap);
    pbts_light_update *scratch = malloc(sizeof *scratch);
    pbts_light_head head;
    assert_int_equal(pbts_light_bootstrap_decode_json(bootstrap, network, bootstrap_text), PBTS_OK);
    pbts_ssz_chunk root = pbts_beacon_header_root(&bootstrap->header.beacon);
    /* The trusted root as helios' test has it for this file. */
    follower f = { new_client(network, root, 1), at_slot(network, 7109432), 0 };
    assert_int_equal(pbts_light_client_bootstrap(f.client, bootstrap, f.now_s), PBTS_OK);
    assert_int_equal(pbts_light_updates_decode_json(scratch, network, updates, follow_one, &f),
                     PBTS_OK);
    assert_int_equal(f.count, 6);
    assert_int_equal(give_json(f.client, PBTS_LIGHT_FINALITY_UPDATE, finality, f.now_s), PBTS_OK);
    assert_int_equal(give_json(f.client, PBTS_LIGHT_OPTIMISTIC_UPDATE, optimistic, f.now_s),
                     PBTS_OK);
    assert_int_equal(pbts_light_client_finalized(f.client, &head, f.now_s), PBTS_OK);
    assert_int_equal(head.slot, 7109344);
    assert_int_equal(head.block_number, 17923026);
    assert_int_equal(pbts_light_client_optimistic(f.client, &head, f.now_s), PBTS_OK);
    assert_int_equal(head.slot, 7109431);
    assert_int_equal(head.block_number, 17923113);
    pbts_light_client_free(f.client);
    free(bootstrap);
    free(scratch);
    drop(bootstrap_text);
    drop(updates);
    drop(finality);
    drop(optimistic);
}

/* JSON has bytes that mean nothing: white space, the case of hex digits, what names are not ours.
 * A change is harmless when what is decoded is the same; every other one must be refused. */
static void a_change_of_json_is_refused_unless_it_decodes_to_the_same(void **state) {
    (void)state;
    const pbts_beacon_network *network = &PBTS_BEACON_MAINNET;
    pbts_span bootstrap = load_vector(JEWEL "bootstrap.ssz"),
              update = load_vector(JEWEL "update.ssz");
    pbts_span text = load_vector(JEWEL "optimistic_update.json");
    uint64_t now_s = at_slot(network, 11650087);
    pbts_light_update *want = malloc(sizeof *want), *found = malloc(sizeof *found);
    uint8_t *copy = malloc(text.len);
    size_t harmless = 0;
    pbts_light_client *client = new_client(
        network, chunk_of("d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a"), 1);
    assert_int_equal(give_bootstrap(client, network, bootstrap, now_s), PBTS_OK);
    assert_int_equal(give_update(client, network, PBTS_LIGHT_FULL_UPDATE, update, now_s), PBTS_OK);
    assert_int_equal(
        pbts_light_update_decode_json(want, network, PBTS_LIGHT_OPTIMISTIC_UPDATE, text), PBTS_OK);
    memcpy(copy, text.data, text.len);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t mask = (uint8_t)(1 << (i * 3 % 7));
        copy[i] ^= mask;
        pbts_span changed = { copy, text.len };
        pbts_status status =
            pbts_light_update_decode_json(found, network, PBTS_LIGHT_OPTIMISTIC_UPDATE, changed);
        if (status == PBTS_OK && memcmp(found, want, sizeof *want) == 0) {
            harmless++;
        } else if (status == PBTS_OK) {
            assert_int_not_equal(pbts_light_client_update(client, found, now_s), PBTS_OK);
        }
        copy[i] ^= mask;
    }
    print_message("%zu of %zu changes were of bytes that mean nothing\n", harmless, text.len);
    assert_true(harmless < text.len / 4);
    assert_int_equal(pbts_light_client_update(client, want, now_s), PBTS_OK);
    pbts_light_client_free(client);
    free(want);
    free(found);
    free(copy);
    drop(text);
    drop(update);
    drop(bootstrap);
}

/* ---- the official scenarios ---- */

/* The value after `key` from `at` on, before `end`; NULL without it. */
static const char *value_of(const char *at, const char *end, const char *key) {
    const char *found = strstr(at, key);
    if (found == NULL || found >= end) return NULL;
    found += strlen(key);
    return found + strspn(found, " '{");
}

static pbts_ssz_chunk root_after(const char *at, const char *end, const char *key) {
    char hex[65] = { 0 };
    const char *value = value_of(at, end, key);
    assert_non_null(value);
    memcpy(hex, value + 2, 64); /* after 0x */
    return chunk_of(hex);
}

static void check_head(pbts_light_head head, const char *at, const char *end, const char *key) {
    const char *header = value_of(at, end, key);
    assert_non_null(header);
    assert_int_equal(head.slot, strtoull(value_of(header, end, "slot:"), NULL, 10));
    assert_chunk(head.beacon_root, root_after(header, end, "beacon_root:"));
}

typedef struct {
    const char *folder;
    pbts_beacon_network network;
    pbts_light_client *client;
    size_t flipped; /* bytes */
} scenario;

static void process(scenario *s, const char *step, const char *end, uint64_t now_s) {
    char name[100] = { 0 };
    const char *file = value_of(step, end, " update:");
    assert_non_null(file);
    memcpy(name, file, strcspn(file, "\n"));
    pbts_span ssz = load_snappy(s->folder, name);
    s->flipped +=
        flip_all(give_update, s->client, &s->network, PBTS_LIGHT_FULL_UPDATE, ssz, now_s, 1, 0);
    assert_int_equal(give_update(s->client, &s->network, PBTS_LIGHT_FULL_UPDATE, ssz, now_s),
                     PBTS_OK);
    drop(ssz);
}

static size_t run_steps(scenario *s, const char *steps) {
    size_t count = 0;
    for (const char *step = strstr(steps, "- "); step != NULL; count++) {
        const char *next = strstr(step + 1, "\n- ");
        const char *end = next != NULL ? next : step + strlen(step);
        const char *slot = value_of(step, end, "current_slot:");
        assert_non_null(slot);
        uint64_t now_s = at_slot(&s->network, strtoull(slot, NULL, 10));
        bool forces = strncmp(step, "- force_update", 14) == 0;
        if (forces) {
            assert_int_equal(pbts_light_client_force_update(s->client, now_s), PBTS_OK);
        } else {
            process(s, step, end, now_s);
        }
        assert_true(pbts_light_client_is_forced(s->client) || !forces);
        pbts_light_head head;
        assert_int_equal(pbts_light_client_finalized(s->client, &head, now_s), PBTS_OK);
        check_head(head, step, end, "finalized_header:");
        assert_int_equal(pbts_light_client_optimistic(s->client, &head, now_s), PBTS_OK);
        check_head(head, step, end, "optimistic_header:");
        step = next != NULL ? next + 1 : NULL;
    }
    return count;
}

static char *load_text(const char *folder, const char *name) {
    char path[VECTOR_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s%s", folder, name);
    pbts_span bytes = load_vector(path);
    char *text = malloc(bytes.len + 1);
    memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = '\0';
    drop(bytes);
    return text;
}

static void run_scenario(const char *folder, size_t steps_want) {
    scenario s = { .folder = folder, .network = minimal_network(PBTS_BEACON_DENEB) };
    char *meta = load_text(folder, "meta.yaml"), *steps = load_text(folder, "steps.yaml");
    const char *meta_end = meta + strlen(meta);
    pbts_ssz_chunk genesis = root_after(meta, meta_end, "genesis_validators_root:");
    memcpy(s.network.genesis_validators_root, genesis.bytes, sizeof genesis.bytes);
    s.client = new_client(&s.network, root_after(meta, meta_end, "trusted_block_root:"), 1);
    pbts_span bootstrap = load_snappy(folder, "bootstrap");
    uint64_t now_s = at_slot(&s.network, 1);
    assert_int_equal(flip_all(give_as_bootstrap, s.client, &s.network, 0, bootstrap, now_s, 1, 0),
                     bootstrap.len);
    assert_int_equal(give_bootstrap(s.client, &s.network, bootstrap, now_s), PBTS_OK);
    assert_int_equal(run_steps(&s, steps), steps_want);
    print_message("%zu bytes of updates flipped\n", s.flipped);
    pbts_light_client_free(s.client);
    drop(bootstrap);
    free(meta);
    free(steps);
}

static void the_official_scenario_of_a_sync_comes_out(void **state) {
    (void)state;
    run_scenario(SPEC "light_client_sync/", 10);
}

static void the_official_scenario_of_finality_without_a_committee_comes_out(void **state) {
    (void)state;
    run_scenario(SPEC "advance_finality_without_sync_committee/", 5);
}

static void the_official_scenario_of_a_committee_from_a_past_update_comes_out(void **state) {
    (void)state;
    run_scenario(SPEC "supply_sync_committee_from_past_update/", 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trusted_root_of_deneb_leads_to_a_state_root_of_electra),
        cmocka_unit_test(no_byte_of_the_mainnet_chain_may_be_another),
        cmocka_unit_test(mainnet_of_capella_is_followed_from_json),
        cmocka_unit_test(a_change_of_json_is_refused_unless_it_decodes_to_the_same),
        cmocka_unit_test(the_official_scenario_of_a_sync_comes_out),
        cmocka_unit_test(the_official_scenario_of_finality_without_a_committee_comes_out),
        cmocka_unit_test(the_official_scenario_of_a_committee_from_a_past_update_comes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
