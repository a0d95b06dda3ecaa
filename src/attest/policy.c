#include "attest/policy.h"

#include "base/secret.h"

static pbts_attest_policy_values only_zeros(void) {
    return (pbts_attest_policy_values){ .len = 1 };
}

void pbts_attest_policy_init(pbts_attest_policy *out) {
    *out = (pbts_attest_policy){
        .accepted = 1U << PBTS_TCB_UP_TO_DATE,
        .mrseam = { .any = true },
        .mrconfigid = only_zeros(),
        .mrowner = only_zeros(),
        .mrownerconfig = only_zeros(),
        .mrservicetd = only_zeros(),
        .td_attributes_allowed = PBTS_TD_SEPT_VE_DISABLE,
        .xfam_allowed = PBTS_XFAM_OFFERED,
    };
}

bool pbts_attest_policy_values_have(const pbts_attest_policy_values *values,
                                    const uint8_t value[static PBTS_MEASUREMENT_LEN]) {
    if (values->any) return true;
    for (size_t i = 0; i < values->len; i++) {
        if (memcmp(values->values[i].bytes, value, PBTS_MEASUREMENT_LEN) == 0) return true;
    }
    return false;
}

static bool is_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

static bool fits(const pbts_attest_policy_measurement *wanted, const pbts_td_report *td) {
    for (size_t i = 0; i < PBTS_POLICY_REGISTERS; i++) {
        const uint8_t *found = i == 0 ? td->mrtd : td->rtmr[i - 1];
        if (wanted->any[i]) continue;
        if (memcmp(wanted->registers[i].bytes, found, PBTS_MEASUREMENT_LEN) != 0) return false;
    }
    return true;
}

static bool is_measured(const pbts_attest_policy *policy, const pbts_td_report *td) {
    if (!pbts_attest_policy_values_have(&policy->mrseam, td->mrseam)) return false;
    for (size_t i = 0; i < policy->measurements_len; i++) {
        if (fits(&policy->measurements[i], td)) return true;
    }
    return false;
}

static pbts_attest_reason check_attributes(const pbts_attest_policy *policy,
                                           const pbts_td_report *td) {
    uint64_t attributes = td->td_attributes;
    uint64_t judged = PBTS_TD_DEBUG | PBTS_TD_SEPT_VE_DISABLE;
    if ((attributes & PBTS_TD_DEBUG) != 0 && !policy->allow_debug) return PBTS_ATTEST_POLICY_DEBUG;
    if ((attributes & ~PBTS_TD_KNOWN) != 0) return PBTS_ATTEST_POLICY_RESERVED;
    if ((attributes & PBTS_TD_SEPT_VE_DISABLE) == 0 && !policy->allow_sept_ve)
        return PBTS_ATTEST_POLICY_SEPT_VE;
    if ((attributes & ~policy->td_attributes_allowed & ~judged) != 0)
        return PBTS_ATTEST_POLICY_ATTRIBUTES;
    if ((td->xfam & PBTS_XFAM_REQUIRED) != PBTS_XFAM_REQUIRED) return PBTS_ATTEST_POLICY_XFAM;
    if ((td->xfam & ~policy->xfam_allowed) != 0) return PBTS_ATTEST_POLICY_XFAM;
    if (!is_zero(td->mrsignerseam, sizeof td->mrsignerseam)) return PBTS_ATTEST_POLICY_SEAM_SIGNER;
    return td->seam_attributes == 0 ? PBTS_ATTEST_ACCEPTED : PBTS_ATTEST_POLICY_SEAM_ATTRIBUTES;
}

static pbts_attest_reason check_registers(const pbts_attest_policy *policy,
                                          const pbts_td_report *td) {
    if (!pbts_attest_policy_values_have(&policy->mrservicetd, td->mrservicetd))
        return PBTS_ATTEST_POLICY_SERVICE_TD;
    if (!pbts_attest_policy_values_have(&policy->mrconfigid, td->mrconfigid))
        return PBTS_ATTEST_POLICY_CONFIG_ID;
    if (!pbts_attest_policy_values_have(&policy->mrowner, td->mrowner))
        return PBTS_ATTEST_POLICY_OWNER;
    if (!pbts_attest_policy_values_have(&policy->mrownerconfig, td->mrownerconfig))
        return PBTS_ATTEST_POLICY_OWNER_CONFIG;
    return is_measured(policy, td) ? PBTS_ATTEST_ACCEPTED : PBTS_ATTEST_POLICY_MEASUREMENT;
}

pbts_attest_reason pbts_attest_policy_check(const pbts_attest_policy *policy,
                                            const pbts_td_report *td, pbts_tcb_status status,
                                            uint32_t evaluation) {
    pbts_attest_reason reason = check_attributes(policy, td);
    if (reason == PBTS_ATTEST_ACCEPTED) reason = check_registers(policy, td);
    if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    if (status == PBTS_TCB_REVOKED || (policy->accepted & 1U << status) == 0)
        return PBTS_ATTEST_POLICY_TCB_STATUS;
    if (evaluation < policy->tcb_evaluation_min) return PBTS_ATTEST_POLICY_TCB_EVALUATION;
    if (policy->has_report_data &&
        !pbts_equal_ct(policy->report_data, td->report_data, sizeof td->report_data))
        return PBTS_ATTEST_POLICY_REPORT_DATA;
    return PBTS_ATTEST_ACCEPTED;
}
