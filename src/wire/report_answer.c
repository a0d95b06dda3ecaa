#include "wire/report_answer.h"

#include <jansson.h>

#include "codec/json_size.h"

/* An object for each statement and a few around them; at most so many values in each. */
enum { VALUES_MAX = 16, AROUND_MAX = 64 };

static bool read_uint(uint64_t *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_u32(uint32_t *out, const json_t *object, const char *key) {
    uint64_t value;
    if (!read_uint(&value, object, key) || value > UINT32_MAX) return false;
    *out = (uint32_t)value;
    return true;
}

static bool read_text(pbts_span *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return false;
    *out = (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
    return true;
}

static bool is_word(pbts_span text) {
    if (text.len == 0 || text.len > PBTS_ANSWER_CODE_MAX) return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool fits = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!fits) return false;
    }
    return true;
}

static bool read_code(pbts_span *out, const json_t *object) {
    return read_text(out, object, "code") && is_word(*out);
}

static bool read_verdict(pbts_answer_verdict *out, const json_t *object) {
    static const char *const names[] = { [PBTS_ANSWER_CREDITED] = "credited",
                                         [PBTS_ANSWER_HELD] = "held",
                                         [PBTS_ANSWER_DUPLICATE] = "duplicate",
                                         [PBTS_ANSWER_REFUSED] = "refused" };
    pbts_span name;
    if (!read_text(&name, object, "status")) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!pbts_span_is(name, names[i])) continue;
        *out = (pbts_answer_verdict)i;
        return true;
    }
    return false;
}

static bool read_statement(pbts_answer_statement *out, const json_t *object, size_t index) {
    uint64_t number;
    if (!read_uint(&number, object, "index") || number != index) return false;
    if (!read_verdict(&out->verdict, object)) return false;
    if (!read_uint(&out->credited_bytes, object, "credited_bytes")) return false;
    if (!read_uint(&out->held_bytes, object, "held_bytes")) return false;
    if (!read_u32(&out->pieces, object, "pieces")) return false;
    if (!read_u32(&out->duplicates, object, "duplicates")) return false;
    return out->verdict != PBTS_ANSWER_REFUSED || read_code(&out->code, object);
}

static pbts_status read_statements(pbts_report_answer *out, const json_t *root) {
    const json_t *list = json_object_get(root, "statements");
    if (!json_is_array(list)) return PBTS_MALFORMED;
    size_t count = json_array_size(list);
    if (count > PBTS_REPORT_STATEMENTS_MAX) return PBTS_LIMIT;
    out->statements = pbts_alloc_array(out->mem, count, sizeof *out->statements);
    if (out->statements == NULL) return PBTS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (!read_statement(&out->statements[i], json_array_get(list, i), i)) return PBTS_MALFORMED;
    }
    out->count = count;
    return PBTS_OK;
}

static pbts_status read_answer(pbts_report_answer *out, const json_t *root) {
    const json_t *success = json_object_get(root, "success");
    if (!json_is_boolean(success)) return PBTS_MALFORMED;
    out->success = json_is_true(success);
    if (out->success) return read_statements(out, root);
    return read_code(&out->code, root) ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_report_answer_decode(pbts_report_answer *out, pbts_mem *mem, pbts_span body) {
    pbts_report_answer answer = { .mem = mem };
    if (body.len > PBTS_ANSWER_LEN_MAX) return PBTS_LIMIT;
    if (pbts_json_is_above(body, PBTS_REPORT_STATEMENTS_MAX + AROUND_MAX,
                           PBTS_REPORT_STATEMENTS_MAX * VALUES_MAX + AROUND_MAX)) {
        return PBTS_LIMIT;
    }
    if (body.len == 0) return PBTS_MALFORMED;
    answer.json = json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
    if (answer.json == NULL) return PBTS_MALFORMED;
    pbts_status status = read_answer(&answer, answer.json);
    if (status == PBTS_OK) {
        *out = answer;
    } else {
        pbts_report_answer_free(&answer);
    }
    return status;
}

void pbts_report_answer_free(pbts_report_answer *answer) {
    if (answer->mem == NULL) return;
    pbts_release(answer->mem, answer->statements);
    json_decref(answer->json);
    *answer = (pbts_report_answer){ 0 };
}
