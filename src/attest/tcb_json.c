#include "attest/tcb_json.h"

#include "attest/calendar.h"
#include "attest/little.h"
#include "codec/json_size.h"
#include "codec/text.h"

enum { BRACKETS_MAX = 8192, COMMAS_MAX = 32768 };

json_t *pbts_tcb_json_load(pbts_span text) {
    json_error_t error;
    if (text.len > PBTS_COLLATERAL_JSON_MAX) return NULL;
    if (pbts_json_is_above(text, BRACKETS_MAX, COMMAS_MAX)) return NULL;
    json_t *tree = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (tree != NULL && !json_is_object(tree)) {
        json_decref(tree);
        return NULL;
    }
    return tree;
}

pbts_span pbts_tcb_json_text(const json_t *value) {
    if (!json_is_string(value)) return (pbts_span){ 0 };
    return (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
}

pbts_status pbts_tcb_json_hex(uint8_t *out, size_t len, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return PBTS_MALFORMED;
    return pbts_hex_decode_exact(out, len, pbts_tcb_json_text(value));
}

pbts_status pbts_tcb_json_hex_u64(uint64_t *out, const json_t *object, const char *key) {
    uint8_t bytes[8];
    PBTS_TRY(pbts_tcb_json_hex(bytes, sizeof bytes, object, key));
    *out = pbts_little_u64(bytes);
    return PBTS_OK;
}

pbts_status pbts_tcb_json_number(uint64_t *out, const json_t *object, const char *key,
                                 uint64_t max) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return PBTS_MALFORMED;
    uint64_t number = (uint64_t)json_integer_value(value);
    if (number > max) return PBTS_LIMIT;
    *out = number;
    return PBTS_OK;
}

pbts_status pbts_tcb_json_svn(uint16_t *out, const json_t *object, const char *key) {
    uint64_t number;
    PBTS_TRY(pbts_tcb_json_number(&number, object, key, UINT16_MAX));
    *out = (uint16_t)number;
    return PBTS_OK;
}

pbts_status pbts_tcb_json_dates(uint64_t *issued_s, uint64_t *next_s, const json_t *object) {
    pbts_span issued = pbts_tcb_json_text(json_object_get(object, "issueDate"));
    pbts_span next = pbts_tcb_json_text(json_object_get(object, "nextUpdate"));
    PBTS_TRY(pbts_iso8601_to_unix(issued_s, issued));
    return pbts_iso8601_to_unix(next_s, next);
}

static pbts_status check_advisories(const json_t *list) {
    if (!json_is_array(list)) return PBTS_MALFORMED;
    if (json_array_size(list) > PBTS_ADVISORIES_MAX) return PBTS_LIMIT;
    for (size_t i = 0; i < json_array_size(list); i++) {
        pbts_span id = pbts_tcb_json_text(json_array_get(list, i));
        if (id.len == 0) return PBTS_MALFORMED;
        if (id.len > PBTS_ADVISORY_LEN_MAX) return PBTS_LIMIT;
    }
    return PBTS_OK;
}

pbts_status pbts_tcb_json_verdict(pbts_tcb_level *out, const json_t *level) {
    pbts_span status = pbts_tcb_json_text(json_object_get(level, "tcbStatus"));
    const json_t *advisories = json_object_get(level, "advisoryIDs");
    PBTS_TRY(pbts_tcb_status_parse(&out->status, status));
    if (out->status >= PBTS_TCB_TD_RELAUNCH_ADVISED) return PBTS_MALFORMED;
    if (advisories != NULL) PBTS_TRY(check_advisories(advisories));
    out->advisories = advisories;
    return PBTS_OK;
}

pbts_status pbts_tcb_json_isv_levels(pbts_tcb_level *out, size_t *len, size_t capacity,
                                     const json_t *list) {
    if (!json_is_array(list) || json_array_size(list) == 0) return PBTS_MALFORMED;
    if (json_array_size(list) > capacity) return PBTS_LIMIT;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *from = json_array_get(list, i);
        pbts_tcb_level level = { 0 };
        size_t at = i;
        PBTS_TRY(pbts_tcb_json_svn(&level.isv_svn, json_object_get(from, "tcb"), "isvsvn"));
        PBTS_TRY(pbts_tcb_json_verdict(&level, from));
        for (; at > 0 && out[at - 1].isv_svn < level.isv_svn; at--) out[at] = out[at - 1];
        out[at] = level;
    }
    *len = json_array_size(list);
    return PBTS_OK;
}
