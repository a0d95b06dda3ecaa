/* What the benchmarks write to a tracker is what our own checks take, and what they read from it is
 * what it said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pbts/bench/bench_tracker.c"

static void a_metric_is_read_by_its_whole_name(void **state) {
    const char *text = "# HELP pbts_commits_total Group commits.\n"
                       "# TYPE pbts_commits_total counter\n"
                       "pbts_commits_total_of_all 7\n"
                       "pbts_commits_total 42\n"
                       "pbts_rest{endpoint=\"report\"} 9\n"
                       "pbts_bad x\n"
                       "pbts_commit_seconds_sum 1.500000";
    double value = -1;
    assert_true(pbts_bench_read_metric(&value, text, "pbts_commits_total"));
    assert_float_equal(value, 42, 0);
    assert_true(pbts_bench_read_metric(&value, text, "pbts_commit_seconds_sum"));
    assert_float_equal(value, 1.5, 1e-9);
    assert_false(pbts_bench_read_metric(&value, text, "pbts_commits"));
    assert_false(pbts_bench_read_metric(&value, text, "pbts_rest"));
    assert_false(pbts_bench_read_metric(&value, text, "pbts_bad"));
    assert_false(pbts_bench_read_metric(&value, "", "pbts_bad"));
    assert_float_equal(value, 1.5, 1e-9);
}

static bool read_iid(uint8_t iid[static PBTS_IID_LEN], const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    bool ok = pbts_bench_read_iid(iid, json);
    json_decref(json);
    return ok;
}

static void an_iid_is_read_in_hex_and_in_base64(void **state) {
    uint8_t iid[PBTS_IID_LEN], wanted[PBTS_IID_LEN];
    memset(wanted, 0xA5, sizeof wanted);
    assert_true(read_iid(
        iid, "{\"iid\":\"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\"}"));
    assert_memory_equal(iid, wanted, sizeof iid);
    memset(iid, 0, sizeof iid);
    assert_true(read_iid(iid, "{\"iid\":\"paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\"}"));
    assert_memory_equal(iid, wanted, sizeof iid);
    assert_false(read_iid(iid, "{\"iid\":\"a5a5\"}"));
    assert_false(read_iid(iid, "{\"iid\":5}"));
    assert_false(read_iid(iid, "{}"));
    assert_false(read_iid(iid, "[]"));
}

static void a_passkey_is_read_only_at_its_full_length(void **state) {
    char passkey[PBTS_PASSKEY_LEN + 1] = "", good[PBTS_PASSKEY_LEN + 1], text[128];
    memset(good, 'a', PBTS_PASSKEY_LEN);
    good[PBTS_PASSKEY_LEN] = 0;
    snprintf(text, sizeof text, "{\"success\":true,\"passkey\":\"%s\"}", good);
    assert_true(pbts_bench_read_passkey(passkey, pbts_span_text(text)));
    assert_string_equal(passkey, good);
    snprintf(text, sizeof text, "{\"passkey\":\"%sb\"}", good);
    assert_false(pbts_bench_read_passkey(passkey, pbts_span_text(text)));
    assert_false(pbts_bench_read_passkey(passkey, pbts_span_text("{\"passkey\":\"\"}")));
    assert_false(pbts_bench_read_passkey(passkey, pbts_span_text("{}")));
    assert_false(pbts_bench_read_passkey(passkey, pbts_span_text("nothing")));
}

static void a_token_becomes_a_header_line(void **state) {
    char path[] = "/tmp/pbts-token-XXXXXX", header[PBTS_BENCH_AUTHORIZATION_LEN];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123abcd\n", 9), 9);
    close(fd);
    assert_true(pbts_bench_read_token(header, path));
    assert_string_equal(header, "Authorization: Bearer 0123abcd");
    assert_int_equal(truncate(path, 0), 0);
    assert_false(pbts_bench_read_token(header, path));
    unlink(path);
    assert_false(pbts_bench_read_token(header, path));
}

static void decode_base64_at(uint8_t *out, size_t len, const json_t *json, const char *key) {
    const char *text = json_string_value(json_object_get(json, key));
    assert_non_null(text);
    assert_int_equal(pbts_base64_decode_exact(out, len, pbts_span_text(text)), PBTS_OK);
}

static void a_registration_proves_that_its_key_is_possessed(void **state) {
    static const uint8_t iid[PBTS_IID_LEN] = { 1, 2, 3 };
    pbts_bls_secret secret;
    pbts_bls_public key, read_key;
    pbts_bls_public_point point;
    pbts_bls_signature signature;
    pbts_bls_g1_point signed_point;
    assert_int_equal(pbts_bls_generate(&secret, pbts_random_system()), PBTS_OK);
    pbts_bls_public_of(&key, &secret);
    uint8_t bytes[1024], message_bytes[PBTS_MESSAGE_MAX];
    pbts_writer body = pbts_writer_over(bytes, sizeof bytes);
    pbts_bench_write_registration(&body, iid, "bench-1", &key, &secret);
    assert_int_equal(pbts_writer_status(&body), PBTS_OK);

    json_t *json = json_loadb((const char *)bytes, body.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "user_id")), "bench-1");
    decode_base64_at(read_key.bytes, sizeof read_key.bytes, json, "public_key");
    decode_base64_at(signature.bytes, sizeof signature.bytes, json, "signature");
    json_decref(json);
    assert_memory_equal(read_key.bytes, key.bytes, sizeof key.bytes);
    assert_int_equal(pbts_bls_public_decode(&point, &read_key), PBTS_OK);
    assert_int_equal(pbts_bls_signature_decode(&signed_point, &signature), PBTS_OK);
    pbts_writer message = pbts_writer_over(message_bytes, sizeof message_bytes);
    pbts_message_register(&message, iid, &key, pbts_span_text("bench-1"));
    assert_int_equal(
        pbts_bls_verify(&point, PBTS_BLS_REGISTER, pbts_writer_span(&message), &signed_point),
        PBTS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_metric_is_read_by_its_whole_name),
        cmocka_unit_test(an_iid_is_read_in_hex_and_in_base64),
        cmocka_unit_test(a_passkey_is_read_only_at_its_full_length),
        cmocka_unit_test(a_token_becomes_a_header_line),
        cmocka_unit_test(a_registration_proves_that_its_key_is_possessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
