#include "attest/tcb_info.h"
#include "attest/tcb_json.h"

static bool is_td_qe(const json_t *tree) {
    uint64_t version = 0;
    return pbts_span_is(pbts_tcb_json_text(json_object_get(tree, "id")), "TD_QE") &&
           pbts_tcb_json_number(&version, tree, "version", UINT16_MAX) == PBTS_OK && version == 2;
}

/* Four bytes of hex, the highest first. */
static pbts_status read_miscselect(uint32_t *out, const json_t *tree, const char *key) {
    uint8_t bytes[4];
    PBTS_TRY(pbts_tcb_json_hex(bytes, sizeof bytes, tree, key));
    *out = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return PBTS_OK;
}

static pbts_status read_all(pbts_qe_identity *identity) {
    const json_t *tree = identity->tree;
    uint64_t evaluation;
    PBTS_TRY(pbts_tcb_json_dates(&identity->issued_s, &identity->next_s, tree));
    PBTS_TRY(pbts_tcb_json_number(&evaluation, tree, "tcbEvaluationDataNumber", UINT32_MAX));
    identity->evaluation = (uint32_t)evaluation;
    PBTS_TRY(read_miscselect(&identity->miscselect, tree, "miscselect"));
    PBTS_TRY(read_miscselect(&identity->miscselect_mask, tree, "miscselectMask"));
    PBTS_TRY(
        pbts_tcb_json_hex(identity->attributes, sizeof identity->attributes, tree, "attributes"));
    PBTS_TRY(pbts_tcb_json_hex(identity->attributes_mask, sizeof identity->attributes_mask, tree,
                               "attributesMask"));
    PBTS_TRY(pbts_tcb_json_hex(identity->mrsigner, sizeof identity->mrsigner, tree, "mrsigner"));
    PBTS_TRY(pbts_tcb_json_svn(&identity->isv_prod_id, tree, "isvprodid"));
    return pbts_tcb_json_isv_levels(identity->levels, &identity->levels_len, PBTS_QE_LEVELS_MAX,
                                    json_object_get(tree, "tcbLevels"));
}

pbts_attest_reason pbts_qe_identity_parse(pbts_qe_identity *out, pbts_span json) {
    pbts_attest_reason reason = PBTS_ATTEST_QE_IDENTITY_FORMAT;
    memset(out, 0, sizeof *out);
    out->tree = pbts_tcb_json_load(json);
    if (out->tree == NULL) return reason;
    if (!is_td_qe(out->tree)) {
        reason = PBTS_ATTEST_QE_IDENTITY_ID;
    } else if (read_all(out) == PBTS_OK) {
        return PBTS_ATTEST_ACCEPTED;
    }
    pbts_qe_identity_free(out);
    return reason;
}

void pbts_qe_identity_free(pbts_qe_identity *identity) {
    json_decref(identity->tree);
    memset(identity, 0, sizeof *identity);
}
