/* JSON in and out of the REST API, over jansson. */
#include <stdlib.h>

#include "codec/text.h"
#include "rest_parts.h"

json_t *rest_json_body(struct rest_request *request) {
    json_error_t error;
    json_t *body = json_loadb((const char *)request->body.data, request->body.len,
                              JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(body)) return body;
    json_decref(body);
    if (body != NULL || request->body.len == 0)
        rest_reply_error(request, 400, "MALFORMED", "the body must be a JSON object");
    else
        rest_reply_quoting(request, 400, "MALFORMED", error.text);
    return NULL;
}

bool rest_json_text_at(pbts_span *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return false;
    *out = (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
    return true;
}

bool rest_json_uint_at(uint64_t *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

bool rest_json_base64_at(uint8_t *out, size_t len, const json_t *object, const char *key) {
    pbts_span text;
    return rest_json_text_at(&text, object, key) &&
           pbts_base64_decode_exact(out, len, text) == PBTS_OK;
}

json_t *rest_json_text(pbts_span text) {
    if (text.len == 0) return json_string("");
    json_t *value = json_stringn((const char *)text.data, text.len);
    if (value != NULL) return value;
    char *ascii = malloc(text.len);
    if (ascii == NULL) return NULL;
    memcpy(ascii, text.data, text.len);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80) ascii[i] = '?';
    }
    value = json_stringn(ascii, text.len);
    free(ascii);
    return value;
}

json_t *rest_json_uint(uint64_t value) {
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

enum { ENCODED_MAX = 256 }; /* a 96-byte key in base64 or hex */

json_t *rest_json_address(const uint8_t address[static 20]) {
    char text[2 + 40 + 1] = "0x";
    pbts_writer writer = pbts_writer_over((uint8_t *)text + 2, 40);
    pbts_hex_encode(&writer, (pbts_span){ address, 20 });
    return json_string(text);
}

json_t *rest_json_hex(pbts_span bytes) {
    uint8_t text[ENCODED_MAX];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_hex_encode(&writer, bytes);
    return rest_json_text(pbts_writer_span(&writer));
}

json_t *rest_json_base64(pbts_span bytes) {
    uint8_t text[ENCODED_MAX];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_base64_encode(&writer, bytes);
    return rest_json_text(pbts_writer_span(&writer));
}

json_t *rest_json_ratio(uint64_t up_bytes, uint64_t down_bytes) {
    return down_bytes == 0 ? json_null() : json_real((double)up_bytes / (double)down_bytes);
}

void rest_json_statement_refusal(json_t *item, pbts_refusal refusal, uint32_t bad_piece) {
    json_object_set_new(item, "code", json_string(pbts_refusal_name(refusal)));
    if (refusal != PBTS_REFUSAL_BAD_PIECE_SIGNATURE) {
        json_object_set_new(item, "error", json_string(pbts_refusal_failure(refusal).reason));
        return;
    }
    json_object_set_new(
        item, "error",
        json_sprintf("the session's signature of piece %u does not verify", bad_piece));
    json_object_set_new(item, "piece", rest_json_uint(bad_piece));
}

json_t *rest_json_error(const char *code, const char *sentence) {
    return json_pack("{s:b, s:o, s:s}", "success", 0, "error",
                     rest_json_text(pbts_span_text(sentence)), "code", code);
}

void rest_reply_quoting(struct rest_request *request, unsigned status, const char *code,
                        const char *sentence) {
    rest_reply_json(request, status, rest_json_error(code, sentence));
}
