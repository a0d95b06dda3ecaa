/* Unit tests of chain/chain_preset.c: the networks that are known, and a config.yaml with each line
 * missing, twice, or damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chain/chain_preset.h"

enum { TEXT_MAX = 4096 };

static const char *const LINES[] = {
    "PRESET_BASE: 'minimal'",
    "CONFIG_NAME: testnet # of our own",
    "GENESIS_TIME: 1700000000",
    "GENESIS_VALIDATORS_ROOT: 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "GENESIS_FORK_VERSION: 0x10000038",
    "ALTAIR_FORK_VERSION: 0x20000038",
    "ALTAIR_FORK_EPOCH: 0",
    "BELLATRIX_FORK_VERSION: 0x30000038",
    "BELLATRIX_FORK_EPOCH: 0",
    "CAPELLA_FORK_VERSION: 0x40000038",
    "CAPELLA_FORK_EPOCH: 1",
    "DENEB_FORK_VERSION: 0x50000038",
    "DENEB_FORK_EPOCH: 2   # later",
    "ELECTRA_FORK_VERSION: 0x60000038",
    "ELECTRA_FORK_EPOCH: 300",
    "FULU_FORK_VERSION: 0x70000038",
    "FULU_FORK_EPOCH: 18446744073709551615",
    "SECONDS_PER_SLOT: 6",
    "DEPOSIT_CHAIN_ID: 3151908",
};
enum { LINES_LEN = sizeof LINES / sizeof LINES[0] };

/* LINES with line `at` replaced, where it is one, as an exactly sized copy. */
static pbts_status read_with(pbts_chain_preset *out, const char **problem, size_t at,
                             const char *line) {
    char *text = malloc(TEXT_MAX);
    size_t len = 0;
    assert_non_null(text);
    for (size_t i = 0; i < LINES_LEN; i++) {
        const char *one = i == at ? line : LINES[i];
        assert_true(len + strlen(one) + 1 < TEXT_MAX);
        memcpy(text + len, one, strlen(one));
        len += strlen(one);
        text[len++] = '\n';
    }
    text = realloc(text, len);
    assert_non_null(text);
    pbts_status status =
        pbts_chain_preset_read(out, problem, (pbts_span){ (const uint8_t *)text, len });
    free(text);
    return status;
}

static void known_networks_have_their_names(void **state) {
    (void)state;
    pbts_chain_preset preset;
    assert_int_equal(pbts_chain_preset_find(&preset, "mainnet"), PBTS_OK);
    assert_int_equal(preset.chain_id, 1);
    assert_memory_equal(&preset.network, &PBTS_BEACON_MAINNET, sizeof preset.network);
    assert_int_equal(pbts_chain_preset_find(&preset, "sepolia"), PBTS_OK);
    assert_int_equal(preset.chain_id, 11155111);
    assert_memory_equal(&preset.network, &PBTS_BEACON_SEPOLIA, sizeof preset.network);
    assert_int_equal(pbts_chain_preset_find(&preset, "hoodi"), PBTS_OK);
    assert_int_equal(preset.chain_id, 560048);
    assert_memory_equal(&preset.network, &PBTS_BEACON_HOODI, sizeof preset.network);
    assert_int_equal(pbts_chain_preset_find(&preset, "Mainnet"), PBTS_NOT_FOUND);
    assert_int_equal(pbts_chain_preset_find(&preset, ""), PBTS_NOT_FOUND);
}

static void every_line_of_a_configuration_counts(void **state) {
    (void)state;
    pbts_chain_preset preset;
    const char *problem = NULL;
    assert_int_equal(read_with(&preset, &problem, LINES_LEN, NULL), PBTS_OK);
    assert_null(problem);
    const pbts_beacon_network *network = &preset.network;
    assert_int_equal(preset.chain_id, 3151908);
    assert_int_equal(network->genesis_time_s, 1700000000);
    for (uint8_t i = 0; i < 32; i++) assert_int_equal(network->genesis_validators_root[i], i);
    assert_int_equal(network->seconds_per_slot, 6);
    assert_int_equal(network->slots_per_epoch, 8);
    assert_int_equal(network->epochs_per_period, 8);
    assert_int_equal(network->committee_size, 32);
    static const uint64_t EPOCHS[] = { 0, 0, 0, 1, 2, 300, UINT64_MAX };
    for (uint8_t i = 0; i < PBTS_BEACON_FORKS; i++) {
        const uint8_t version[] = { (uint8_t)(0x10 * (i + 1)), 0, 0, 0x38 };
        assert_int_equal(network->forks[i].epoch, EPOCHS[i]);
        assert_memory_equal(network->forks[i].version, version, sizeof version);
    }
}

static void forks_without_a_date_never_come(void **state) {
    (void)state;
    pbts_chain_preset preset;
    const char *problem = NULL;
    assert_int_equal(read_with(&preset, &problem, 14, ""), PBTS_OK);
    assert_int_equal(preset.network.forks[PBTS_BEACON_ELECTRA].epoch, PBTS_BEACON_NEVER);
    assert_int_equal(read_with(&preset, &problem, 0, ""), PBTS_OK); /* mainnet's preset */
    assert_int_equal(preset.network.committee_size, 512);
    assert_int_equal(preset.network.slots_per_epoch, 32);
    assert_int_equal(preset.network.epochs_per_period, 256);
}

static void what_is_missing_or_wrong_is_named(void **state) {
    (void)state;
    static const struct {
        size_t at;
        const char *line, *problem;
    } WRONG[] = {
        { 2, "", "GENESIS_TIME" },
        { 3, "", "GENESIS_VALIDATORS_ROOT" },
        { 4, "", "GENESIS_FORK_VERSION" },
        { 17, "", "SECONDS_PER_SLOT" },
        { 18, "", "DEPOSIT_CHAIN_ID" },
        { 0, "PRESET_BASE: gnosis", "PRESET_BASE" },
        { 2, "GENESIS_TIME: 17x", "GENESIS_TIME" },
        { 2, "GENESIS_TIME:", "GENESIS_TIME" },
        { 2, "GENESIS_TIME: 18446744073709551616", "GENESIS_TIME" },
        { 2, "GENESIS_TIME: 1\nGENESIS_TIME: 2", "GENESIS_TIME" },
        { 3, "GENESIS_VALIDATORS_ROOT: 0x0001", "GENESIS_VALIDATORS_ROOT" },
        { 4, "GENESIS_FORK_VERSION: 10000038", "GENESIS_FORK_VERSION" },
        { 4, "GENESIS_FORK_VERSION: 0x1000003800", "GENESIS_FORK_VERSION" },
        { 10, "CAPELLA_FORK_EPOCH: -1", "CAPELLA_FORK_EPOCH" },
        { 10, "CAPELLA_FORK_EPOCH: 3", "the order of the forks, or SECONDS_PER_SLOT" },
        { 17, "SECONDS_PER_SLOT: 0", "the order of the forks, or SECONDS_PER_SLOT" },
        { 17, "SECONDS_PER_SLOT: 4294967302", "the order of the forks, or SECONDS_PER_SLOT" },
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        pbts_chain_preset preset;
        const char *problem = NULL;
        assert_int_equal(read_with(&preset, &problem, WRONG[i].at, WRONG[i].line), PBTS_MALFORMED);
        assert_string_equal(problem, WRONG[i].problem);
    }
}

static void nothing_and_noise_are_no_configuration(void **state) {
    (void)state;
    pbts_chain_preset preset;
    const char *problem;
    assert_int_equal(pbts_chain_preset_read(&preset, &problem, (pbts_span){ NULL, 0 }),
                     PBTS_MALFORMED);
    assert_int_equal(pbts_chain_preset_read(&preset, &problem, pbts_span_text("\n#\n:\n: :\n\xFF")),
                     PBTS_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_networks_have_their_names),
        cmocka_unit_test(every_line_of_a_configuration_counts),
        cmocka_unit_test(forks_without_a_date_never_come),
        cmocka_unit_test(what_is_missing_or_wrong_is_named),
        cmocka_unit_test(nothing_and_noise_are_no_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
