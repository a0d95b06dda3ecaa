/* Unit tests of attest/: what a tracker's evidence is bound to. */
#include <openssl/evp.h>

#include "attest/binding.h"
#include "attest/snp.h"
#include "evidence.h"

static pbts_binding example(void) {
    pbts_binding binding;
    memset(binding.iid, 0x11, sizeof binding.iid);
    memset(binding.owner, 0x22, sizeof binding.owner);
    memset(binding.tracker_key, 0x33, sizeof binding.tracker_key);
    memset(binding.nonce, 0x44, sizeof binding.nonce);
    return binding;
}

/* The formula of docs/tee.md, byte by byte. */
static void report_data_is_sha_512_of_tag_and_parts(void **state) {
    (void)state;
    uint8_t bytes[15 + 32 + 20 + 96 + 32], wanted[64], found[64];
    pbts_binding binding = example();
    memcpy(bytes, "pbts-tracker-v1", 15);
    memset(bytes + 15, 0x11, 32);
    memset(bytes + 47, 0x22, 20);
    memset(bytes + 67, 0x33, 96);
    memset(bytes + 163, 0x44, 32);
    assert_int_equal(EVP_Digest(bytes, sizeof bytes, wanted, NULL, EVP_sha512(), NULL), 1);
    pbts_binding_report_data(found, &binding);
    assert_memory_equal(found, wanted, sizeof wanted);
}

static void every_byte_of_every_part_counts(void **state) {
    (void)state;
    uint8_t before[64], after[64];
    pbts_binding binding = example();
    pbts_binding_report_data(before, &binding);
    for (size_t i = 0; i < sizeof binding; i++) {
        ((uint8_t *)&binding)[i] ^= 1;
        pbts_binding_report_data(after, &binding);
        assert_memory_not_equal(before, after, sizeof before);
        ((uint8_t *)&binding)[i] ^= 1;
    }
}

static void evidence_of_both_kinds_shows_its_report_data(void **state) {
    (void)state;
    uint8_t snp[PBTS_SNP_REPORT_LEN] = { 0 }, found[64] = { 0 }, wanted[64];
    memset(wanted, 0x5c, sizeof wanted);
    memcpy(snp + 0x50, wanted, sizeof wanted);
    assert_int_equal(pbts_evidence_report_data(found, PBTS_SPAN_OF(snp)), PBTS_OK);
    assert_memory_equal(found, wanted, sizeof wanted);
    pbts_span short_one = { snp, sizeof snp - 1 };
    assert_int_equal(pbts_evidence_report_data(found, short_one), PBTS_MALFORMED);
    assert_int_equal(pbts_evidence_report_data(found, (pbts_span){ NULL, 0 }), PBTS_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_data_is_sha_512_of_tag_and_parts),
        cmocka_unit_test(every_byte_of_every_part_counts),
        cmocka_unit_test(evidence_of_both_kinds_shows_its_report_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
