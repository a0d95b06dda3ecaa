/* libFuzzer target: what comes beside a quote: TCB info, enclave identities, revocation lists,
 * certificates, PCK extensions; and policies. Each input is given to each reader. */
#include <stdlib.h>

#include "attest/json_slice.h"
#include "attest/policy.h"

static void require(bool truth) {
    if (!truth) abort();
}

/* Levels are in order, highest first, and in their bounds. */
static void check_tcb_info(pbts_span json) {
    static pbts_tcb_info info;
    if (pbts_tcb_info_parse(&info, json) != PBTS_ATTEST_ACCEPTED) return;
    require(info.levels_len > 0 && info.levels_len <= PBTS_TCB_LEVELS_MAX);
    require(info.modules_len <= PBTS_TCB_MODULES_MAX);
    for (size_t i = 1; i < info.levels_len; i++) {
        require(pbts_tcb_level_compare(&info.levels[i - 1], &info.levels[i]) >= 0);
    }
    for (size_t i = 0; i < info.modules_len; i++) require(info.modules[i].levels_len > 0);
    pbts_tcb_info_free(&info);
}

static void check_qe_identity(pbts_span json) {
    static pbts_qe_identity identity;
    if (pbts_qe_identity_parse(&identity, json) != PBTS_ATTEST_ACCEPTED) return;
    require(identity.levels_len > 0 && identity.levels_len <= PBTS_QE_LEVELS_MAX);
    for (size_t i = 1; i < identity.levels_len; i++) {
        require(identity.levels[i - 1].isv_svn >= identity.levels[i].isv_svn);
    }
    pbts_qe_identity_free(&identity);
}

/* A slice is inside, without blanks around it, and what it holds is read like a text of its own. */
static void check_slices(pbts_span text) {
    static const char *const KEYS[] = { "tcbInfo", "enclaveIdentity", "signature" };
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        pbts_span slice;
        if (pbts_json_slice(&slice, text, KEYS[i]) != PBTS_OK) continue;
        require(slice.len > 0 && slice.data > text.data);
        require(slice.data + slice.len < text.data + text.len);
        require(slice.data[0] > ' ' && slice.data[slice.len - 1] > ' ');
        check_tcb_info(slice);
        check_qe_identity(slice);
    }
}

static void check_policy(pbts_span text) {
    static pbts_attest_policy policy;
    pbts_policy_mistake mistake;
    if (pbts_attest_policy_parse(&policy, &mistake, text) != PBTS_OK) return;
    require((policy.accepted & 1U << PBTS_TCB_REVOKED) == 0);
    require(policy.measurements_len <= PBTS_POLICY_MEASUREMENTS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_span bytes = { data, len };
    pbts_pck pck;
    (void)!pbts_pck_parse(&pck, bytes);
    check_slices(bytes);
    check_tcb_info(bytes);
    check_qe_identity(bytes);
    check_policy(bytes);
    return 0;
}
