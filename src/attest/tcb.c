#include "attest/tcb.h"

/* ---- step 7 ---- */

static bool reaches(const uint8_t *svn, const uint16_t *wanted, size_t from) {
    for (size_t i = from; i < PBTS_TCB_COMPONENTS; i++) {
        if (svn[i] < wanted[i]) return false;
    }
    return true;
}

pbts_attest_reason pbts_tcb_match(pbts_tcb_result *out, const pbts_tcb_info *info,
                                  const pbts_pck *pck, const pbts_td_report *td) {
    const pbts_tcb_level *first = NULL;
    size_t tdx_from = td->tee_tcb_svn[1] > 0 ? 2 : 0;
    for (size_t i = 0; i < info->levels_len; i++) {
        const pbts_tcb_level *level = &info->levels[i];
        if (!reaches(pck->sgx_svn, level->sgx_svn, 0) || pck->pcesvn < level->pcesvn) continue;
        if (first == NULL) first = level;
        if (!reaches(td->tee_tcb_svn, level->tdx_svn, tdx_from)) continue;
        *out = (pbts_tcb_result){
            .status = level->status, .platform = level->status, .sgx = first->status, .level = level
        };
        return PBTS_ATTEST_ACCEPTED;
    }
    return PBTS_ATTEST_TCB_NOT_SUPPORTED;
}

/* ---- step 8 ---- */

static const pbts_tdx_module *find_module(const pbts_tcb_info *info, uint8_t version) {
    if (version == 0) return &info->module_0;
    for (size_t i = 0; i < info->modules_len; i++) {
        if (info->modules[i].version == version) return &info->modules[i];
    }
    return NULL;
}

static const pbts_tcb_level *find_isv_level(const pbts_tcb_level *levels, size_t len,
                                            uint16_t isv_svn) {
    for (size_t i = 0; i < len; i++) {
        if (levels[i].isv_svn <= isv_svn) return &levels[i];
    }
    return NULL;
}

static bool is_module(const pbts_tdx_module *module, const pbts_td_report *td) {
    return memcmp(module->mrsigner, td->mrsignerseam, sizeof module->mrsigner) == 0 &&
           (td->seam_attributes & module->attributes_mask) == module->attributes;
}

static pbts_attest_reason judge_module(pbts_tcb_result *out, const pbts_tcb_info *info,
                                       const pbts_td_report *td) {
    uint8_t version = td->tee_tcb_svn[1];
    const pbts_tdx_module *module = find_module(info, version);
    if (module == NULL || !is_module(module, td)) return PBTS_ATTEST_MODULE_MISMATCH;
    out->tdx_module = PBTS_TCB_UP_TO_DATE;
    if (version == 0) return PBTS_ATTEST_ACCEPTED;
    out->module_level = find_isv_level(module->levels, module->levels_len, td->tee_tcb_svn[0]);
    if (out->module_level == NULL) return PBTS_ATTEST_MODULE_NOT_SUPPORTED;
    out->tdx_module = out->module_level->status;
    return PBTS_ATTEST_ACCEPTED;
}

/* What is neither good nor revoked is out of date. */
static pbts_attest_reason judge_qe(pbts_tcb_result *out, const pbts_qe_identity *identity,
                                   const pbts_enclave_report *qe) {
    out->qe_level = find_isv_level(identity->levels, identity->levels_len, qe->isv_svn);
    if (out->qe_level == NULL) return PBTS_ATTEST_QE_NOT_SUPPORTED;
    pbts_tcb_status status = out->qe_level->status;
    bool plain = status == PBTS_TCB_UP_TO_DATE || status == PBTS_TCB_REVOKED;
    out->qe = plain ? status : PBTS_TCB_OUT_OF_DATE;
    return PBTS_ATTEST_ACCEPTED;
}

pbts_tcb_status pbts_tcb_status_join(pbts_tcb_status platform, pbts_tcb_status of_part) {
    if (of_part == PBTS_TCB_REVOKED) return PBTS_TCB_REVOKED;
    if (of_part != PBTS_TCB_OUT_OF_DATE) return platform;
    switch (platform) {
    case PBTS_TCB_UP_TO_DATE:
    case PBTS_TCB_SW_HARDENING_NEEDED: return PBTS_TCB_OUT_OF_DATE;
    case PBTS_TCB_CONFIGURATION_NEEDED:
    case PBTS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return PBTS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    default: return platform;
    }
}

/* ---- relaunch ---- */

static bool needs_configuration(pbts_tcb_status status) {
    return status == PBTS_TCB_CONFIGURATION_NEEDED ||
           status == PBTS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           status == PBTS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

static bool is_out_of_date(pbts_tcb_status status) {
    return status == PBTS_TCB_OUT_OF_DATE || status == PBTS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

/* Whether what is wrong is only that the guest started under an old module: the platform itself is
 * good, and so is the enclave. */
static bool may_relaunch_help(const pbts_tcb_result *result) {
    return result->qe == PBTS_TCB_UP_TO_DATE && !is_out_of_date(result->sgx) &&
           result->sgx != PBTS_TCB_REVOKED && is_out_of_date(result->status) &&
           result->tdx_module == PBTS_TCB_OUT_OF_DATE;
}

/* A module updated under a running guest: tee_tcb_svn is from its start, tee_tcb_svn2 of now. */
static pbts_attest_reason judge_relaunch(pbts_tcb_result *out, const pbts_tcb_info *info,
                                         const pbts_td_report *td) {
    const uint8_t *now = td->tee_tcb_svn2;
    const uint16_t *newest = info->levels[0].tdx_svn;
    uint16_t isv_svn_wanted = newest[0];
    if (!td->is_1_5 || !may_relaunch_help(out)) return PBTS_ATTEST_ACCEPTED;
    if (now[1] > 0) {
        const pbts_tdx_module *module = find_module(info, now[1]);
        if (module == NULL) return PBTS_ATTEST_MODULE_MISMATCH;
        isv_svn_wanted = module->levels[0].isv_svn;
    }
    if (now[0] < isv_svn_wanted || now[2] < newest[2]) return PBTS_ATTEST_ACCEPTED;
    bool configure = needs_configuration(out->sgx) || needs_configuration(out->status);
    out->status = configure ? PBTS_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                            : PBTS_TCB_TD_RELAUNCH_ADVISED;
    return PBTS_ATTEST_ACCEPTED;
}

pbts_attest_reason pbts_tcb_converge(pbts_tcb_result *out, const pbts_tcb_info *info,
                                     const pbts_qe_identity *identity, const pbts_td_report *td,
                                     const pbts_enclave_report *qe) {
    pbts_attest_reason reason = judge_module(out, info, td);
    if (reason == PBTS_ATTEST_ACCEPTED) reason = judge_qe(out, identity, qe);
    if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    out->status = pbts_tcb_status_join(out->platform, out->tdx_module);
    reason = judge_relaunch(out, info, td);
    out->status = pbts_tcb_status_join(out->status, out->qe);
    return reason;
}
