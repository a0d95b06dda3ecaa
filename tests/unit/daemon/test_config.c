#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config_value.h"

static struct config config;
static char error[CONFIG_ERROR_MAX];

static bool apply(const char *text) {
    /* An exact-size copy, so that a read past the end is seen. */
    size_t len = strlen(text);
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    config_defaults(&config);
    bool good = config_apply_text(&config, error, "f", (pbts_span){ copy, len });
    free(copy);
    return good;
}

static void the_defaults_are_good_and_the_policys_own(void **state) {
    pbts_policy own = pbts_policy_default();
    config_defaults(&config);
    assert_true(config_finish(&config, error));
    assert_int_equal(config.port, 8000);
    assert_int_equal(config.listen_count, 2);
    assert_true(config.listen_is_default);
    assert_int_equal(config.live.policy.min_ratio_milli, own.min_ratio_milli);
    assert_int_equal(config.live.policy.init_credit_bytes, own.init_credit_bytes);
    assert_int_equal(config.live.policy.overdraft_bytes, own.overdraft_bytes);
    assert_int_equal(config.live.policy.deficit_max_bytes, own.deficit_max_bytes);
    assert_int_equal(config.live.policy.interval_s, own.interval_s);
    assert_int_equal(config.live.policy.peer_lists_per_hour, own.peer_lists_per_hour);
    assert_int_equal(config.live.policy.numwant_max, own.numwant_max);
    assert_int_equal(config.live.policy.open_registration, own.open_registration);
}

static void values_of_every_kind_are_read(void **state) {
    assert_true(apply("# remark\n; remark\n\nport = 9000\nmin_ratio = 0.75\n"
                      "init_credit_bytes = 3G\naccess = open\nproxy_protocol = yes\n"
                      "log_level = warn\nlog_format = json\nlisten = 127.0.0.1, [::1]\n"
                      "trusted_proxies = 10.0.0.0/8,\n   ::1\n"
                      "dht_nodes = 192.0.2.1:6881, [2001:db8::1]:1\n"
                      "client_deny = -XL0012, -A\npublic_url = https://t.example"));
    assert_int_equal(config.port, 9000);
    assert_int_equal(config.live.policy.min_ratio_milli, 750);
    assert_int_equal(config.live.policy.init_credit_bytes, 3ull << 30);
    assert_true(config.live.policy.open_access);
    assert_true(config.proxy_protocol);
    assert_int_equal(config.live.log_level, LOG_WARN);
    assert_true(config.log_json);
    assert_int_equal(config.listen_count, 2);
    assert_false(config.listen_is_default);
    assert_int_equal(config.live.trusted_proxies.count, 2);
    assert_int_equal(config.dht_nodes_count, 2);
    assert_int_equal(config.dht_nodes[1].port, 1);
    assert_int_equal(config.live.policy.client_deny_count, 2);
    assert_int_equal(config.live.policy.client_deny[1].len, 2);
    assert_string_equal(config.public_url, "https://t.example");
}

static void a_bad_line_is_named_and_nothing_of_the_file_counts(void **state) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "port = 1\nport = 65536\n",
          "f, line 2: port = \"65536\" is not a number from 0 to 65535" },
        { "prot = 1\n", "f, line 1: unknown key \"prot\"" },
        { "port = 1\nhello\n", "f, line 2: expected key = value" },
        { "[section]\nport = 1\n", "f, line 2: sections like [this] are not used here" },
        { "port = 1\n  2\n", "f, line 2: the line begins with a space" },
        { "port = -1\n", "f, line 1: port" },
        { "port = 1x\n", "f, line 1: port" },
        { "port =\n", "f, line 1: port = \"\"" },
        { "dht_nodes = 192.0.2.1\n", "f, line 1: dht_nodes" },
        { "dht_nodes = 192.0.2.1:0\n", "f, line 1: dht_nodes" },
        { "dht_nodes = a.example:1\n", "f, line 1: dht_nodes" },
        { "min_ratio = 1000.001\n", "f, line 1: min_ratio" },
        { "min_ratio = 0.5000\n", "f, line 1: min_ratio" },
        { "min_ratio = .5\n", "f, line 1: min_ratio" },
        { "min_ratio = 1e3\n", "f, line 1: min_ratio" },
        { "init_credit_bytes = 1P\n", "f, line 1: init_credit_bytes" },
        { "init_credit_bytes = 99999999999T\n", "f, line 1: init_credit_bytes" },
        { "init_credit_bytes = 18446744073709551616\n", "f, line 1: init_credit_bytes" },
        { "init_credit_bytes = 1GG\n", "f, line 1: init_credit_bytes" },
        { "access = maybe\n", "is not private or open" },
        { "log_level = loud\n", "is not debug, info, warn or error" },
        { "proxy_protocol = true\n", "is not yes or no" },
        { "trusted_proxies = 10.0.0.0/33\n", "f, line 1: trusted_proxies" },
        { "port = 1\ntrusted_proxies = 1.1.1.1,\n  nonsense\nport = 2\n",
          "f, line 2: trusted_prox" },
        { "listen =\n", "f, line 1: listen" },
        { "listen = localhost\n", "f, line 1: listen" },
        { "client_deny = -TOOLONG99\n", "f, line 1: client_deny" },
        { "public_url = tracker.example\n", "is not http://... or https://..." },
        { "workers = 65\n", "f, line 1: workers" },
        { "store_max_bytes = 1023K\n", "f, line 1: store_max_bytes" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct config before;
        config_defaults(&before);
        if (apply(rows[i].text)) fail_msg("taken: %s", rows[i].text);
        if (strstr(error, rows[i].message) == NULL) fail_msg("%s: %s", rows[i].text, error);
        assert_memory_equal(&config, &before, sizeof config);
    }
}

static void a_line_at_the_limit_is_read_and_one_past_it_is_refused(void **state) {
    char text[400];
    for (int len = 190; len < 210; len++) {
        int head = snprintf(text, sizeof text, "data = ");
        memset(text + head, 'x', (size_t)(len - head));
        text[len] = '\n';
        text[len + 1] = '\0';
        bool good = apply(text);
        assert_int_equal(good, len + 1 <= 199);
        if (!good) assert_non_null(strstr(error, "f, line 1: the line is too long"));
    }
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state) {
    char text[] = "port = 1\ndata = abc\n";
    size_t len = sizeof text - 1;
    for (size_t i = 0; i < len; i++) {
        char damaged[sizeof text];
        memcpy(damaged, text, sizeof text);
        damaged[i] = '\0';
        config_defaults(&config);
        assert_false(
            config_apply_text(&config, error, "f", (pbts_span){ (uint8_t *)damaged, len }));
    }
}

static void every_truncation_of_a_file_is_read_or_refused_whole(void **state) {
    static const char text[] = "port = 9000\ntrusted_proxies = 10.0.0.0/8,\n  ::1\nmin_ratio = 2\n";
    for (size_t len = 0; len < sizeof text; len++) {
        uint8_t *copy = malloc(len > 0 ? len : 1);
        memcpy(copy, text, len);
        config_defaults(&config);
        if (!config_apply_text(&config, error, "f", (pbts_span){ copy, len }))
            assert_memory_equal(error, "f, line ", 8);
        free(copy);
    }
}

static void a_list_may_be_longer_than_a_line_but_not_than_its_limit(void **state) {
    char text[8192];
    for (unsigned count = 60; count < 70; count++) {
        size_t len = (size_t)snprintf(text, sizeof text, "trusted_proxies = 10.0.0.0");
        for (unsigned i = 1; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, ",\n  10.0.%u.0", i);
        snprintf(text + len, sizeof text - len, "\nport = 7\n");
        assert_int_equal(apply(text), count <= CONFIG_RANGES_MAX);
        if (count <= CONFIG_RANGES_MAX) assert_int_equal(config.live.trusted_proxies.count, count);
    }
}

static void keys_are_checked_against_each_other(void **state) {
    assert_true(apply("https_port = 443\n"));
    assert_true(config_finish(&config, error));
    assert_true(apply("https_port = 443\ntls_cert = a\n"));
    assert_false(config_finish(&config, error));
    assert_non_null(strstr(error, "tls_cert"));
    assert_true(apply("tls_key = a\n"));
    assert_false(config_finish(&config, error));
    assert_true(apply("key_source = nowhere\n"));
    assert_false(config_finish(&config, error));
    assert_non_null(strstr(error, "key_source"));
    assert_true(apply("admin_token_hash = 1234\n"));
    assert_false(config_finish(&config, error));
    assert_non_null(strstr(error, "admin_token_hash"));
    assert_true(apply("admin_token_hash = "
                      "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"));
    assert_true(config_finish(&config, error));
    assert_true(apply("https_port = 8000\ntls_cert = a\ntls_key = b\n"));
    assert_false(config_finish(&config, error));
    assert_true(apply("numwant_max = 20\npublic_url = http://t/\n"));
    assert_true(config_finish(&config, error));
    assert_int_equal(config.live.policy.numwant_default, 20);
    assert_string_equal(config.public_url, "http://t");
}

static void the_least_interval_follows_the_usual_one(void **state) {
    static const struct {
        const char *text;
        uint32_t least_s; /* 0: refused */
    } CASES[] = {
        { "interval_s = 10\n", 5 },     { "interval_s = 20\n", 10 },
        { "interval_s = 1799\n", 899 }, { "interval_s = 1800\n", 900 },
        { "interval_s = 3600\n", 900 }, { "interval_s = 20\nmin_interval_s = 20\n", 20 },
        { "min_interval_s = 7\n", 7 },  { "min_interval_s = 21\ninterval_s = 20\n", 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_true(apply(CASES[i].text));
        assert_int_equal(config_finish(&config, error), CASES[i].least_s > 0);
        if (CASES[i].least_s > 0)
            assert_int_equal(config.live.policy.min_interval_s, CASES[i].least_s);
    }
    assert_string_equal(error, "configuration: min_interval_s = 21 is more than interval_s = 20: "
                               "lower it, or leave it out, then it is half of interval_s");
    /* What was given stays, whatever is set besides. */
    assert_true(apply("interval_s = 20\n"));
    assert_true(config_set(&config, error, "t", "min_interval_s", "3"));
    assert_true(config_finish(&config, error));
    assert_true(config_set(&config, error, "t", "min_ratio", "1"));
    assert_true(config_finish(&config, error));
    assert_int_equal(config.live.policy.min_interval_s, 3);
}

#define LINEAGE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KMS                                                                        \
    "key_source = kms\nkms_members = m\nkms_threshold = 3\nkms_lineage = " LINEAGE \
    "\nkms_public = " LINEAGE "\n " LINEAGE "\n\t" LINEAGE "\n"

/* Each adds a line to a good configuration, which wins over the one before. */
static void a_key_service_needs_its_group_and_evidence(void **state) {
    static const struct {
        const char *text, *problem;
    } CASES[] = {
        { KMS "tee = simulator\n", NULL },
        { KMS "tee = tdx\ntee_collateral = c\ntee_policy = p\n", NULL },
        { KMS "tee = dstack\ntee_collateral = c\ntee_policy = p\nkms_mode = pinned\n", NULL },
        { KMS, "needs tee:" },
        { KMS "tee = sev\ntee_collateral = c\ntee_policy = p\n", "SEV-SNP" },
        { KMS "tee = tdx\n", "needs tee_collateral" },
        { KMS "tee = simulator\nkms_members =\n", "kms_members" },
        { KMS "tee = simulator\nkms_threshold = 0\n", "kms_threshold" },
        { KMS "tee = simulator\nkms_lineage =\n", "kms_lineage" },
        { KMS "tee = simulator\nkms_public =\n", "kms_public" },
        { "tee = simulator\nkms_lineage = " LINEAGE "\n", NULL }, /* not used */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_true(apply(CASES[i].text));
        assert_int_equal(config_finish(&config, error), CASES[i].problem == NULL);
        if (CASES[i].problem != NULL) assert_non_null(strstr(error, CASES[i].problem));
    }
    assert_true(apply(KMS));
    assert_string_equal(config.kms_public, LINEAGE LINEAGE LINEAGE);
    assert_false(apply("kms_lineage = " LINEAGE "0\n"));
    assert_non_null(strstr(error, "64 hexadecimal digits"));
    assert_false(apply("kms_lineage = " LINEAGE "\n  0\n"));
    assert_false(apply("kms_lineage = " LINEAGE ",\n"));
    assert_false(apply("kms_lineage = 0011\n"));
    assert_false(apply("kms_lineage = g" LINEAGE "\n"));
    assert_false(
        apply("kms_lineage = 0011223344556677_899aabbccddeeff00112233445566778899aabbccddeeff"
              "\n"));
    assert_false(apply("key_source = kms\n  x\n"));
    assert_true(apply("kms_threshold = 16\nkms_timeout_s = 60\n"));
    assert_false(apply("kms_threshold = 17\n"));
    assert_false(apply("kms_timeout_s = 61\n"));
    assert_false(apply("kms_timeout_s = 0\n"));
    assert_false(apply("kms_mode = open\n"));
}

static void values_are_shown_as_they_can_be_read_again(void **state) {
    const char *key, *unit;
    char value[CONFIG_TEXT_MAX], again[CONFIG_TEXT_MAX];
    bool may_change;
    assert_true(apply("trusted_proxies = 10.1.0.0/16, ::1\nclient_deny = -AB, -CD12345\n"
                      "min_ratio = 1.25\nlisten = ::1, 127.0.0.1\naccess = open\n"));
    struct config copy = config;
    for (size_t i = 0; config_key_at(&config, i, &key, &unit, &may_change, value); i++) {
        assert_true(config_set(&copy, error, "t", key, value));
        assert_true(config_key_at(&copy, i, &key, &unit, &may_change, again));
        assert_string_equal(value, again);
    }
}

static void ranges_hold_their_addresses(void **state) {
    pbts_addr inside, outside;
    assert_int_equal(pbts_addr_parse(&inside, pbts_span_text("10.1.2.3")), PBTS_OK);
    assert_int_equal(pbts_addr_parse(&outside, pbts_span_text("11.1.2.3")), PBTS_OK);
    assert_true(apply("trusted_proxies = ::1, 10.0.0.0/8\n"));
    assert_true(config_ranges_contain(&config.live.trusted_proxies, &inside));
    assert_false(config_ranges_contain(&config.live.trusted_proxies, &outside));
    assert_false(config_ranges_contain(&config.live.metrics_allow, &inside));
}

/* ---- the table's ranges are the policy's ---- */

/* Where a key of numbers keeps its value: one of the two, or false. */
static bool number_of(const struct config_key *key, uint64_t **wide, uint32_t **narrow) {
    uint8_t *field = (uint8_t *)&config + key->offset;
    *wide = key->type == CONFIG_SIZE ? (uint64_t *)(void *)field : NULL;
    bool is_narrow = key->type == CONFIG_NUMBER || key->type == CONFIG_MILLI;
    *narrow = is_narrow ? (uint32_t *)(void *)field : NULL;
    return *wide != NULL || is_narrow;
}

static bool is_policys(const struct config_key *key) {
    size_t from = offsetof(struct config, live.policy);
    return key->offset >= from && key->offset < from + sizeof(pbts_policy);
}

/* Defaults in which no key stands in another's way. */
static void begin_wide(void) {
    config_defaults(&config);
    assert_true(config_set(&config, error, "t", "interval_s", "28800"));
    assert_true(config_set(&config, error, "t", "min_interval_s", "1"));
    assert_true(config_set(&config, error, "t", "numwant_default", "0"));
}

static bool set_number(const struct config_key *key, uint64_t value) {
    char text[32];
    if (key->type == CONFIG_MILLI)
        (void)snprintf(text, sizeof text, "%u.%03u", (unsigned)(value / 1000),
                       (unsigned)(value % 1000));
    else
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return config_set(&config, error, "t", key->key, text);
}

static void every_number_is_taken_at_its_ends_and_refused_past_them(void **state) {
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_key *key = &CONFIG_KEYS[i];
        uint64_t ends[2] = { key->min, key->max }, *wide;
        uint32_t *narrow;
        begin_wide();
        if (key->type != CONFIG_PORT && !number_of(key, &wide, &narrow)) continue;
        for (size_t k = 0; k < 2; k++) {
            begin_wide();
            if (!set_number(key, ends[k])) fail_msg("%s: %s", key->key, error);
            bool https = strcmp(key->key, "https_port") == 0;
            if (!https && !config_finish(&config, error)) fail_msg("%s: %s", key->key, error);
            if (pbts_policy_check(&config.live.policy, NULL) != PBTS_OK) fail_msg("%s", key->key);
        }
        if (set_number(key, key->max + 1)) fail_msg("%s is taken past its end", key->key);
        if (key->min > 0 && set_number(key, key->min - 1)) fail_msg("%s: below", key->key);
    }
}

/* Neither is stricter than the other: what the table refuses, the policy would refuse too. */
static void the_policy_refuses_what_lies_past_the_tables_ends(void **state) {
    unsigned checked = 0;
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_key *key = &CONFIG_KEYS[i];
        uint64_t *wide;
        uint32_t *narrow;
        if (!is_policys(key) || !number_of(key, &wide, &narrow)) continue;
        for (unsigned k = 0; k < 2; k++) {
            uint64_t past = k == 0 ? key->max + 1 : key->min - 1;
            if (k == 0 ? narrow != NULL && key->max == UINT32_MAX : key->min == 0) continue;
            begin_wide();
            if (wide != NULL)
                *wide = past;
            else
                *narrow = (uint32_t)past;
            if (pbts_policy_check(&config.live.policy, NULL) == PBTS_OK)
                fail_msg("the policy takes %s = %llu", key->key, (unsigned long long)past);
            checked++;
        }
    }
    assert_true(checked >= 13);
}

static void variables_that_name_no_key_are_told_without_their_values(void **state) {
    static char entries[][120] = {
        "PBTS_PORT=1", "PATH=/bin",        "PBTS_PROT=secret", "PBTS_CONFIG=x", "PBTS_BIN=x",
        "PBTS_=y",     "PBTS_min_ratio=1", "PBTS_NOVALUE",     "XPBTS_PROT=80", "PBTS_"
    };
    enum { COUNT = sizeof entries / sizeof entries[0] };
    char *environment[COUNT + 1] = { NULL };
    for (size_t i = 0; i < COUNT; i++) environment[i] = entries[i];
    memset(entries[COUNT - 1] + 5, 'X', 100);
    memcpy(entries[COUNT - 1] + 105, "=1", 3);
    static const char *const expected[] = { "PBTS_PROT", "PBTS_", "PBTS_NOVALUE" };
    pbts_span name;
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_true(config_unknown_variable(&name, &at, environment));
        assert_true(pbts_span_is(name, expected[i]));
    }
    assert_true(config_unknown_variable(&name, &at, environment));
    assert_int_equal(name.len, 105);
    assert_false(config_unknown_variable(&name, &at, environment));
    assert_false(config_unknown_variable(&name, &at, environment));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_good_and_the_policys_own),
        cmocka_unit_test(values_of_every_kind_are_read),
        cmocka_unit_test(a_bad_line_is_named_and_nothing_of_the_file_counts),
        cmocka_unit_test(a_line_at_the_limit_is_read_and_one_past_it_is_refused),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(every_truncation_of_a_file_is_read_or_refused_whole),
        cmocka_unit_test(a_list_may_be_longer_than_a_line_but_not_than_its_limit),
        cmocka_unit_test(keys_are_checked_against_each_other),
        cmocka_unit_test(the_least_interval_follows_the_usual_one),
        cmocka_unit_test(a_key_service_needs_its_group_and_evidence),
        cmocka_unit_test(values_are_shown_as_they_can_be_read_again),
        cmocka_unit_test(ranges_hold_their_addresses),
        cmocka_unit_test(variables_that_name_no_key_are_told_without_their_values),
        cmocka_unit_test(every_number_is_taken_at_its_ends_and_refused_past_them),
        cmocka_unit_test(the_policy_refuses_what_lies_past_the_tables_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
