/* The light client's state in the tracker's store: kept, replaced, found again; and what the
 * configuration says of the light client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ftw.h>
#include <unistd.h>

#include "app.h"
#include "data_dir.h"
#include "ethereum/ethereum_parts.h"

#define ROOT "0xd9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a"
#define CONTRACT "0x0123456789abcdef0123456789abcdef01234567"

struct fixture {
    struct app app;
    char directory[64];
};

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw) {
    (void)stat;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static struct fixture *begin(void) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct config *config = calloc(1, sizeof *config);
    assert_non_null(fixture);
    assert_non_null(config);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/pbts-light-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    config_defaults(config);
    (void)snprintf(config->data, sizeof config->data, "%s/d", fixture->directory);
    config->live.log_level = LOG_ERROR;
    (void)snprintf(config->chain_rpc, sizeof config->chain_rpc, "http://127.0.0.1:1");
    (void)snprintf(config->chain_contract, sizeof config->chain_contract, CONTRACT);
    app_init(&fixture->app, config);
    free(config);
    return fixture;
}

static void end(struct fixture *fixture) {
    nftw(fixture->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
}

static void assert_kept(const pbts_chain_keep *keep, pbts_span want) {
    uint8_t *bytes = malloc(PBTS_LIGHT_STATE_LEN_MAX);
    pbts_writer writer = pbts_writer_over(bytes, PBTS_LIGHT_STATE_LEN_MAX);
    assert_int_equal(keep->load(keep->host, &writer), PBTS_OK);
    assert_true(pbts_span_equal(pbts_writer_span(&writer), want));
    free(bytes);
}

static void what_the_client_knows_outlives_the_tracker(void **state) {
    (void)state;
    struct fixture *fixture = begin();
    uint8_t *bytes = malloc(PBTS_LIGHT_STATE_LEN_MAX);
    for (size_t i = 0; i < PBTS_LIGHT_STATE_LEN_MAX; i++) bytes[i] = (uint8_t)(i * 7);
    pbts_span whole = { bytes, PBTS_LIGHT_STATE_LEN_MAX }, part = { bytes + 1, 1000 };
    assert_int_equal(data_dir_open(&fixture->app), PBTS_OK);
    pbts_chain_keep keep = ethereum_light_keep(&fixture->app);
    pbts_writer nothing = pbts_writer_over(NULL, 0);
    assert_int_equal(keep.load(keep.host, &nothing), PBTS_NOT_FOUND);
    assert_int_equal(keep.save(keep.host, part), PBTS_OK);
    assert_kept(&keep, part);
    assert_int_equal(keep.save(keep.host, whole), PBTS_OK);
    data_dir_close(&fixture->app);
    assert_int_equal(data_dir_open(&fixture->app), PBTS_OK);
    keep = ethereum_light_keep(&fixture->app);
    assert_kept(&keep, whole);
    data_dir_close(&fixture->app);
    free(bytes);
    end(fixture);
}

/* ---- the configuration ---- */

static bool reads(struct fixture *fixture, struct ethereum_config *out, const char *beacon,
                  const char *root, const char *preset) {
    struct config *config = &fixture->app.config;
    (void)snprintf(config->chain_beacon, sizeof config->chain_beacon, "%s", beacon);
    (void)snprintf(config->chain_trusted_root, sizeof config->chain_trusted_root, "%s", root);
    (void)snprintf(config->chain_preset, sizeof config->chain_preset, "%s", preset);
    return ethereum_config_read(out, &fixture->app);
}

static void without_nodes_a_quorum_decides(void **state) {
    (void)state;
    struct fixture *fixture = begin();
    struct ethereum_config config;
    assert_true(reads(fixture, &config, "", "", "mainnet"));
    assert_int_equal(config.chain.beacon.urls_len, 0);
    assert_int_equal(config.chain.quorum, 1);
    assert_false(reads(fixture, &config, "", ROOT, "mainnet")); /* it would not be looked at */
    assert_false(reads(fixture, &config, ", ,", ROOT, "mainnet"));
    end(fixture);
}

static void nodes_root_and_network_are_read(void **state) {
    (void)state;
    struct fixture *fixture = begin();
    struct ethereum_config config;
    assert_true(reads(fixture, &config, "http://a, http://b/ ,http://c", ROOT, "mainnet"));
    const pbts_chain_beacon_config *beacon = &config.chain.beacon;
    assert_int_equal(beacon->urls_len, 3);
    assert_string_equal(beacon->urls[1], "http://b/");
    assert_string_equal(beacon->urls[2], "http://c");
    assert_int_equal(beacon->trusted_root[0], 0xd9);
    assert_int_equal(beacon->trusted_root[31], 0x6a);
    assert_memory_equal(&beacon->network, &PBTS_BEACON_MAINNET, sizeof beacon->network);
    assert_true(beacon->recorded_unix_s == 0 && !beacon->skip_headers);
    assert_ptr_equal(beacon->keep.host, &fixture->app);
    fixture->app.config.chain_id = 11155111;
    assert_false(reads(fixture, &config, "http://a", ROOT, "mainnet")); /* another chain */
    assert_true(reads(fixture, &config, "http://a", ROOT, "sepolia"));
    end(fixture);
}

static void what_is_wrong_is_refused(void **state) {
    (void)state;
    struct fixture *fixture = begin();
    struct ethereum_config config;
    char many[CONFIG_TEXT_MAX];
    fixture->app.config.live.log_level = LOG_ERROR;
    assert_false(reads(fixture, &config, "http://a", "", "mainnet"));
    assert_false(reads(fixture, &config, "http://a", ROOT "00", "mainnet"));
    assert_false(reads(fixture, &config, "http://a", "0x", "mainnet"));
    assert_false(reads(fixture, &config, "http://a", ROOT, "ropsten"));
    assert_false(reads(fixture, &config, "http://a", ROOT, "/nonexistent/config.yaml"));
    assert_false(reads(fixture, &config, "http://a", ROOT, "/dev/null"));
    assert_false(reads(fixture, &config, "http://a", ROOT, "/dev/zero")); /* longer than may be */
    for (size_t i = 0; i < PBTS_LIGHT_SERVERS_MAX; i++) memcpy(many + 9 * i, "http://a,", 10);
    assert_true(reads(fixture, &config, many, ROOT, "mainnet"));
    assert_int_equal(config.chain.beacon.urls_len, PBTS_LIGHT_SERVERS_MAX);
    memcpy(many + (size_t)9 * PBTS_LIGHT_SERVERS_MAX, "http://a", 9);
    assert_false(reads(fixture, &config, many, ROOT, "mainnet"));
    end(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_client_knows_outlives_the_tracker),
        cmocka_unit_test(without_nodes_a_quorum_decides),
        cmocka_unit_test(nodes_root_and_network_are_read),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
