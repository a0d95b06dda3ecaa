/* Unit tests of chain/chain.c: what pbts_chain_open takes, at each limit and beyond it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chain/chain.h"

static pbts_status open_and_close(const pbts_chain_config *config) {
    pbts_chain *chain = NULL;
    pbts_status status = pbts_chain_open(&chain, config);
    pbts_chain_close(chain);
    return status;
}

static void a_quorum_is_one_to_all_of_the_servers(void **state) {
    (void)state;
    pbts_chain_config config = { .urls = { "http://a", "http://b" }, .urls_len = 2 };
    for (uint32_t quorum = 0; quorum <= 3; quorum++) {
        config.quorum = quorum;
        assert_int_equal(open_and_close(&config),
                         quorum == 1 || quorum == 2 ? PBTS_OK : PBTS_LIMIT);
    }
    config.urls_len = 0;
    assert_int_equal(open_and_close(&config), PBTS_LIMIT);
}

static void with_a_light_client_no_quorum_is_needed(void **state) {
    (void)state;
    pbts_chain_config config = { .urls = { "http://a" }, .urls_len = 1 };
    config.beacon.network = PBTS_BEACON_MAINNET;
    for (uint32_t i = 0; i < PBTS_LIGHT_SERVERS_MAX; i++) config.beacon.urls[i] = "http://b///";
    config.beacon.urls_len = PBTS_LIGHT_SERVERS_MAX;
    assert_int_equal(open_and_close(&config), PBTS_OK);
    config.beacon.urls_len++;
    assert_int_equal(open_and_close(&config), PBTS_LIMIT);
    config.beacon.urls_len = 1;
    config.beacon.network.seconds_per_slot = 0;
    assert_int_equal(open_and_close(&config), PBTS_MALFORMED);
}

static void a_url_has_a_greatest_length(void **state) {
    (void)state;
    pbts_chain_config config = { .urls = { "http://a" }, .urls_len = 1 };
    config.beacon.network = PBTS_BEACON_MAINNET;
    char *url = calloc(1, PBTS_CHAIN_BEACON_URL_MAX + 3);
    assert_non_null(url);
    memset(url, 'a', PBTS_CHAIN_BEACON_URL_MAX);
    url[PBTS_CHAIN_BEACON_URL_MAX] = '/'; /* does not count */
    config.beacon.urls[0] = url;
    config.beacon.urls_len = 1;
    assert_int_equal(open_and_close(&config), PBTS_OK);
    url[PBTS_CHAIN_BEACON_URL_MAX] = 'a';
    assert_int_equal(open_and_close(&config), PBTS_LIMIT);
    free(url);
}

/* What is kept may be anything: it is not used, and nothing is written over the end. */

static pbts_status load_too_much(void *host, pbts_writer *out) {
    bool *was_asked = host;
    static const uint8_t BYTES[1000];
    *was_asked = true;
    for (size_t i = 0; i < 1 + PBTS_LIGHT_STATE_LEN_MAX / sizeof BYTES; i++)
        pbts_write_bytes(out, PBTS_SPAN_OF(BYTES));
    return PBTS_OK;
}

static void what_was_kept_is_not_believed(void **state) {
    (void)state;
    bool was_asked = false;
    pbts_chain_config config = { .urls = { "http://a" }, .urls_len = 1 };
    config.beacon.network = PBTS_BEACON_MAINNET;
    config.beacon.urls[0] = "http://b";
    config.beacon.urls_len = 1;
    config.beacon.keep = (pbts_chain_keep){ &was_asked, load_too_much, NULL };
    assert_int_equal(open_and_close(&config), PBTS_OK);
    assert_true(was_asked);
}

/* Of a server that cannot be reached: nobody listens at port 1. */
static void a_problem_names_the_server_without_the_key_in_its_url(void **state) {
    (void)state;
    static const char *const URLS[] = { "http://127.0.0.1:1/v1/SECRET",
                                        "http://127.0.0.1:1?k=SECRET",
                                        "http://SECRET:SECRET@127.0.0.1:1/@SECRET",
                                        "http://127.0.0.1:1#SECRET" };
    for (size_t i = 0; i < sizeof URLS / sizeof URLS[0]; i++) {
        pbts_chain *chain;
        uint64_t tip_wei;
        pbts_chain_config config = {
            .urls = { URLS[i] }, .urls_len = 1, .quorum = 1, .patience_ms = 5000
        };
        assert_int_equal(pbts_chain_open(&chain, &config), PBTS_OK);
        assert_int_equal(pbts_chain_tip(chain, &tip_wei), PBTS_IO);
        assert_memory_equal(pbts_chain_problem(chain), "http://127.0.0.1:1: ", 20);
        assert_null(strstr(pbts_chain_problem(chain), "SECRET"));
        pbts_chain_close(chain);
    }
}

static void who_was_told_to_stop_asks_nobody(void **state) {
    (void)state;
    pbts_chain *chain;
    pbts_trusted_block block;
    pbts_chain_config config = { .urls = { "http://127.0.0.1:1" }, .urls_len = 1, .quorum = 1 };
    for (uint32_t beacons = 0; beacons <= 1; beacons++) {
        config.beacon.network = PBTS_BEACON_MAINNET;
        config.beacon.urls[0] = "http://127.0.0.1:1";
        config.beacon.urls_len = beacons;
        assert_int_equal(pbts_chain_open(&chain, &config), PBTS_OK);
        pbts_chain_stop(chain);
        assert_int_equal(pbts_chain_block(chain, &block, 0), PBTS_BUSY);
        pbts_chain_close(chain);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quorum_is_one_to_all_of_the_servers),
        cmocka_unit_test(with_a_light_client_no_quorum_is_needed),
        cmocka_unit_test(a_url_has_a_greatest_length),
        cmocka_unit_test(what_was_kept_is_not_believed),
        cmocka_unit_test(a_problem_names_the_server_without_the_key_in_its_url),
        cmocka_unit_test(who_was_told_to_stop_asks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
