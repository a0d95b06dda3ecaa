/* An answer as a tree, and the part of it that answers one request. Texts may have NUL in them:
 * Anvil puts the arguments of a custom error into its message. jansson parses (strictly, no
 * duplicate names, no trailing text); before it does, the commas and brackets are counted. */
#include <jansson.h>

#include "codec/json_size.h"
#include "codec/text.h"
#include "eth/json_rpc.h"
#include "eth/json_rpc_values.h"

pbts_status pbts_rpc_answer_open(pbts_rpc_answer *out, pbts_span body) {
    json_error_t error;
    if (body.len > PBTS_RPC_ANSWER_LEN_MAX ||
        pbts_json_is_above(body, PBTS_RPC_BRACKETS_MAX, PBTS_RPC_COMMAS_MAX)) {
        return PBTS_LIMIT;
    }
    json_t *root = json_loadb((const char *)body.data, body.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        return json_error_code(&error) == json_error_out_of_memory ? PBTS_NO_MEMORY
                                                                   : PBTS_MALFORMED;
    }
    pbts_status status = PBTS_OK;
    if (!json_is_object(root) && !json_is_array(root)) status = PBTS_MALFORMED;
    if (json_array_size(root) > PBTS_RPC_BATCH_MAX) status = PBTS_LIMIT;
    if (status != PBTS_OK) {
        json_decref(root);
    } else {
        out->json = root;
    }
    return status;
}

void pbts_rpc_answer_close(pbts_rpc_answer *answer) {
    json_decref(answer->json);
    answer->json = NULL;
}

static bool has_id(const json_t *item, uint64_t id) {
    const json_t *value = json_object_get(item, "id");
    return json_is_integer(value) && json_integer_value(value) >= 0 &&
           (uint64_t)json_integer_value(value) == id;
}

/* Data of an error: the returned bytes of a revert, at some servers inside an object. */
static void read_revert_data(pbts_rpc_error *error, const json_t *data) {
    pbts_span digits;
    if (json_is_object(data)) data = json_object_get(data, "data");
    if (pbts_rpc_data_digits(&digits, data) != PBTS_OK) return;
    if (digits.len > 2 * sizeof error->revert_data) digits.len = 2 * sizeof error->revert_data;
    if (pbts_hex_decode(error->revert_data, &error->revert_data_len, sizeof error->revert_data,
                        digits) != PBTS_OK) {
        error->revert_data_len = 0;
    }
}

static pbts_status read_error(pbts_rpc_error *out, const json_t *error) {
    pbts_span message;
    const json_t *code = json_object_get(error, "code");
    if (!json_is_integer(code)) return PBTS_MALFORMED;
    PBTS_TRY(pbts_rpc_text(&message, json_object_get(error, "message")));
    *out = (pbts_rpc_error){ .code = json_integer_value(code) };
    out->class = pbts_rpc_error_classify(out->code, message);
    for (size_t i = 0; i < message.len && i < PBTS_RPC_ERROR_TEXT_MAX; i++) {
        uint8_t c = message.data[i];
        out->text[i] = '?';
        if (c >= ' ' && c <= '~') out->text[i] = (char)c;
    }
    read_revert_data(out, json_object_get(error, "data"));
    return PBTS_DENIED;
}

/* The one answer to `id`; an error without id, alone, answers everything. */
static const json_t *find(const json_t *root, uint64_t id) {
    const json_t *found = NULL;
    if (json_is_object(root)) {
        bool is_for_all = json_is_null(json_object_get(root, "id")) && pbts_rpc_has(root, "error");
        return has_id(root, id) || is_for_all ? root : NULL;
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *item = json_array_get(root, i);
        if (!has_id(item, id)) continue;
        if (found != NULL) return NULL;
        found = item;
    }
    return found;
}

pbts_status pbts_rpc_answer_result(pbts_rpc_result *out, pbts_rpc_error *error,
                                   const pbts_rpc_answer *answer, uint64_t id) {
    const json_t *item = find(answer->json, id);
    const json_t *result = json_object_get(item, "result");
    if (item == NULL) return PBTS_MALFORMED;
    if (pbts_rpc_has(item, "error")) {
        /* Besu sends `"result": null` beside an error. */
        if (pbts_rpc_has(item, "result")) return PBTS_MALFORMED;
        return read_error(error, json_object_get(item, "error"));
    }
    if (result == NULL) return PBTS_MALFORMED;
    *out = result;
    return PBTS_OK;
}
