#include "attest/tcb_info.h"

#include "attest/tcb_json.h"
#include "base/assert.h"
#include "codec/text.h"

/* ---- statuses ---- */

static const char *const STATUS_TEXTS[] = {
#define X(name, text) text,
    PBTS_TCB_STATUS_MAP(X)
#undef X
};

const char *pbts_tcb_status_text(pbts_tcb_status status) {
    assert(status < PBTS_TCB_STATUS_COUNT);
    return STATUS_TEXTS[status];
}

pbts_status pbts_tcb_status_parse(pbts_tcb_status *out, pbts_span text) {
    for (int i = 0; i < PBTS_TCB_STATUS_COUNT; i++) {
        if (!pbts_span_is(text, STATUS_TEXTS[i])) continue;
        *out = (pbts_tcb_status)i;
        return PBTS_OK;
    }
    return PBTS_NOT_FOUND;
}

/* ---- levels of platforms ---- */

static int compare_components(const uint16_t *a, const uint16_t *b) {
    for (size_t i = 0; i < PBTS_TCB_COMPONENTS; i++) {
        if (a[i] != b[i]) return a[i] > b[i] ? 1 : -1;
    }
    return 0;
}

int pbts_tcb_level_compare(const pbts_tcb_level *a, const pbts_tcb_level *b) {
    int sgx = compare_components(a->sgx_svn, b->sgx_svn);
    int tdx = compare_components(a->tdx_svn, b->tdx_svn);
    if (sgx != 0) return sgx;
    return tdx != 0 ? tdx : (a->pcesvn > b->pcesvn) - (a->pcesvn < b->pcesvn);
}

static pbts_status read_components(uint16_t *out, const json_t *tcb, const char *key) {
    const json_t *list = json_object_get(tcb, key);
    if (!json_is_array(list) || json_array_size(list) != PBTS_TCB_COMPONENTS) return PBTS_MALFORMED;
    for (size_t i = 0; i < PBTS_TCB_COMPONENTS; i++) {
        PBTS_TRY(pbts_tcb_json_svn(&out[i], json_array_get(list, i), "svn"));
    }
    return PBTS_OK;
}

static pbts_status read_level(pbts_tcb_level *out, const json_t *from) {
    const json_t *tcb = json_object_get(from, "tcb");
    PBTS_TRY(read_components(out->sgx_svn, tcb, "sgxtcbcomponents"));
    PBTS_TRY(read_components(out->tdx_svn, tcb, "tdxtcbcomponents"));
    PBTS_TRY(pbts_tcb_json_svn(&out->pcesvn, tcb, "pcesvn"));
    return pbts_tcb_json_verdict(out, from);
}

static pbts_status read_levels(pbts_tcb_info *info) {
    const json_t *list = json_object_get(info->tree, "tcbLevels");
    if (!json_is_array(list) || json_array_size(list) == 0) return PBTS_MALFORMED;
    if (json_array_size(list) > PBTS_TCB_LEVELS_MAX) return PBTS_LIMIT;
    for (size_t i = 0; i < json_array_size(list); i++) {
        pbts_tcb_level level = { 0 };
        size_t at = i;
        PBTS_TRY(read_level(&level, json_array_get(list, i)));
        for (; at > 0 && pbts_tcb_level_compare(&info->levels[at - 1], &level) < 0; at--)
            info->levels[at] = info->levels[at - 1];
        info->levels[at] = level;
    }
    info->levels_len = json_array_size(list);
    return PBTS_OK;
}

/* ---- modules ---- */

static pbts_status read_module_signer(pbts_tdx_module *out, const json_t *from) {
    PBTS_TRY(pbts_tcb_json_hex(out->mrsigner, sizeof out->mrsigner, from, "mrsigner"));
    PBTS_TRY(pbts_tcb_json_hex_u64(&out->attributes, from, "attributes"));
    return pbts_tcb_json_hex_u64(&out->attributes_mask, from, "attributesMask");
}

/* "TDX_" and two hexadecimal digits. */
static pbts_status read_module_version(uint8_t *out, const json_t *from) {
    pbts_span id = pbts_tcb_json_text(json_object_get(from, "id"));
    if (id.len != 6 || memcmp(id.data, "TDX_", 4) != 0) return PBTS_MALFORMED;
    return pbts_hex_decode_exact(out, 1, (pbts_span){ id.data + 4, 2 });
}

static pbts_status read_module(pbts_tdx_module *out, const json_t *from) {
    PBTS_TRY(read_module_version(&out->version, from));
    PBTS_TRY(read_module_signer(out, from));
    PBTS_TRY(pbts_tcb_json_isv_levels(out->levels, &out->levels_len, PBTS_TCB_MODULE_LEVELS_MAX,
                                      json_object_get(from, "tcbLevels")));
    for (size_t i = 0; i < out->levels_len; i++) {
        pbts_tcb_status status = out->levels[i].status;
        if (status != PBTS_TCB_UP_TO_DATE && status != PBTS_TCB_OUT_OF_DATE &&
            status != PBTS_TCB_REVOKED)
            return PBTS_MALFORMED;
    }
    return PBTS_OK;
}

/* Information of before June 2023 has no list of modules: there was only version 0. */
static pbts_status read_modules(pbts_tcb_info *info) {
    const json_t *list = json_object_get(info->tree, "tdxModuleIdentities");
    PBTS_TRY(read_module_signer(&info->module_0, json_object_get(info->tree, "tdxModule")));
    if (list == NULL) return PBTS_OK;
    if (!json_is_array(list)) return PBTS_MALFORMED;
    if (json_array_size(list) > PBTS_TCB_MODULES_MAX) return PBTS_LIMIT;
    for (size_t i = 0; i < json_array_size(list); i++) {
        PBTS_TRY(read_module(&info->modules[i], json_array_get(list, i)));
        for (size_t k = 0; k < i; k++) {
            if (info->modules[k].version == info->modules[i].version) return PBTS_MALFORMED;
        }
    }
    info->modules_len = json_array_size(list);
    return PBTS_OK;
}

/* ---- the whole ---- */

static bool is_for_tdx(const json_t *tree) {
    uint64_t version = 0;
    return pbts_span_is(pbts_tcb_json_text(json_object_get(tree, "id")), "TDX") &&
           pbts_tcb_json_number(&version, tree, "version", UINT16_MAX) == PBTS_OK && version == 3;
}

static pbts_status read_all(pbts_tcb_info *info) {
    uint64_t type, evaluation;
    PBTS_TRY(pbts_tcb_json_dates(&info->issued_s, &info->next_s, info->tree));
    PBTS_TRY(pbts_tcb_json_hex(info->fmspc, sizeof info->fmspc, info->tree, "fmspc"));
    PBTS_TRY(pbts_tcb_json_hex(info->pceid, sizeof info->pceid, info->tree, "pceId"));
    PBTS_TRY(pbts_tcb_json_number(&type, info->tree, "tcbType", 0)); /* how levels compare */
    PBTS_TRY(pbts_tcb_json_number(&evaluation, info->tree, "tcbEvaluationDataNumber", UINT32_MAX));
    info->evaluation = (uint32_t)evaluation;
    PBTS_TRY(read_modules(info));
    return read_levels(info);
}

pbts_attest_reason pbts_tcb_info_parse(pbts_tcb_info *out, pbts_span json) {
    pbts_attest_reason reason = PBTS_ATTEST_TCB_INFO_FORMAT;
    memset(out, 0, sizeof *out);
    out->tree = pbts_tcb_json_load(json);
    if (out->tree == NULL) return reason;
    if (!is_for_tdx(out->tree)) {
        reason = PBTS_ATTEST_TCB_INFO_ID;
    } else if (read_all(out) == PBTS_OK) {
        return PBTS_ATTEST_ACCEPTED;
    }
    pbts_tcb_info_free(out);
    return reason;
}

void pbts_tcb_info_free(pbts_tcb_info *info) {
    json_decref(info->tree);
    memset(info, 0, sizeof *info);
}
