/* The report as JSON, ours and the prototype's. jansson parses (strictly, no duplicate keys, no
 * trailing text, at most 2,048 levels deep, which is its own limit); before it does, the commas and
 * brackets are counted. */
#include <jansson.h>

#include "base/assert.h"
#include "base/epoch.h"
#include "codec/json_size.h"
#include "codec/text.h"
#include "hash/sha.h"
#include "wire/report_draft.h"

/* Values a statement can have at most (the prototype's may have more than it needs), and a report
 * around them. */
enum { STATEMENT_VALUES_MAX = 16, REPORT_VALUES_MAX = 64, BRACKETS_MAX = 64 };

static bool has_too_many_values(pbts_span body) {
    return pbts_json_is_above(body, PBTS_REPORT_STATEMENTS_MAX + BRACKETS_MAX,
                              PBTS_REPORT_STATEMENTS_MAX * STATEMENT_VALUES_MAX +
                                  REPORT_VALUES_MAX);
}

/* ---- single values; a JSON string has no NUL byte inside ---- */

static bool read_text(pbts_span *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return false;
    *out = (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
    return true;
}

static bool read_uint(uint64_t *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool has(const json_t *object, const char *key) {
    return json_object_get(object, key) != NULL;
}

static bool read_hex(uint8_t *out, size_t len, const json_t *object, const char *key) {
    pbts_span text;
    return read_text(&text, object, key) && pbts_hex_decode_exact(out, len, text) == PBTS_OK;
}

static bool read_base64(uint8_t *out, size_t len, const json_t *object, const char *key) {
    pbts_span text;
    return read_text(&text, object, key) && pbts_base64_decode_exact(out, len, text) == PBTS_OK;
}

static bool read_party(pbts_party *out, const json_t *object, const char *key) {
    pbts_span text;
    if (!read_text(&text, object, key)) return false;
    if (pbts_uid_is_valid(text)) {
        out->uid = text;
        return true;
    }
    out->has_key = true;
    return pbts_base64_decode_exact(out->key.bytes, sizeof out->key.bytes, text) == PBTS_OK;
}

/* Whether every key of `object` is in `allowed`, which ends with NULL. */
static bool has_only(json_t *object, const char *const *allowed) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (allowed[i] != NULL && strcmp(key, allowed[i]) != 0) i++;
        if (allowed[i] == NULL) return false;
    }
    return true;
}

/* ---- one statement ---- */

static pbts_status read_index(pbts_report_draft *draft, pbts_statement *out, const json_t *item,
                              const char *key) {
    uint64_t index;
    if (!read_uint(&index, item, key) || index >= PBTS_PIECES_MAX) {
        return pbts_draft_bad(draft, "a statement's piece index is no piece's");
    }
    out->form = PBTS_FORM_PIECE;
    out->piece_index = (uint32_t)index;
    return PBTS_OK;
}

static pbts_status read_pieces(pbts_report_draft *draft, size_t at, const json_t *item) {
    pbts_span text;
    uint64_t piece_count;
    if (has(item, "bitmap") + has(item, "pieces") + has(item, "index") != 1) {
        return pbts_draft_bad(draft, "a statement needs one of \"bitmap\", \"pieces\", \"index\"");
    }
    if (has(item, "index")) {
        return read_index(draft, &draft->report.statements[at], item, "index");
    }
    if (read_text(&text, item, "bitmap")) return pbts_draft_pieces_base64(draft, at, text);
    if (!read_text(&text, item, "pieces")) {
        return pbts_draft_bad(draft, "\"bitmap\" and \"pieces\" must be texts");
    }
    if (!read_uint(&piece_count, item, "piece_count")) {
        return pbts_draft_bad(draft, "\"pieces\" needs \"piece_count\", the torrent's");
    }
    return pbts_draft_pieces_ranges(draft, at, text, piece_count);
}

static pbts_status read_session(pbts_report_draft *draft, size_t at, const json_t *item) {
    pbts_receipt_session *session = &draft->report.statements[at].session;
    pbts_span text;
    if (!read_base64(session->id, sizeof session->id, item, "session_id")) {
        return pbts_draft_bad(draft, "a session needs \"session_id\", 32 bytes in base64");
    }
    if (!read_base64(session->key.bytes, sizeof session->key.bytes, item, "session_key")) {
        return pbts_draft_bad(draft, "a session needs \"session_key\", 33 bytes in base64");
    }
    if (!read_uint(&session->expires, item, "expires")) {
        return pbts_draft_bad(draft, "a session needs \"expires\", unix seconds");
    }
    if (!read_text(&text, item, "piece_signatures")) {
        return pbts_draft_bad(draft, "a session needs \"piece_signatures\" in base64");
    }
    return pbts_draft_signatures_base64(draft, at, text);
}

static bool has_session(const json_t *item) {
    return has(item, "session_id") || has(item, "session_key") || has(item, "expires") ||
           has(item, "piece_signatures");
}

/* `form` names what is there. */
static pbts_status read_form(pbts_report_draft *draft, size_t at, const json_t *item) {
    static const char *const NAMES[] = { [PBTS_FORM_PIECE] = "piece",
                                         [PBTS_FORM_CUMULATIVE] = "cumulative",
                                         [PBTS_FORM_BATCH] = "batch",
                                         [PBTS_FORM_SESSION] = "session" };
    pbts_span text = { 0 };
    int form = PBTS_FORM_PIECE;
    if (!read_text(&text, item, "form")) text = (pbts_span){ 0 };
    while (form <= PBTS_FORM_SESSION && !pbts_span_is(text, NAMES[form])) form++;
    bool is_piece = form == PBTS_FORM_PIECE, is_session = form == PBTS_FORM_SESSION;
    if (form > PBTS_FORM_SESSION || is_piece != has(item, "index") ||
        is_session != has_session(item)) {
        return pbts_draft_bad(draft, "a statement needs \"form\": \"cumulative\" or \"batch\" with "
                                     "a bitmap or pieces, \"session\" with these and its session, "
                                     "or \"piece\" with an index");
    }
    draft->report.statements[at].form = (pbts_receipt_form)form;
    return is_session ? read_session(draft, at, item) : PBTS_OK;
}

static pbts_status read_statement(pbts_report_draft *draft, size_t at, json_t *item) {
    static const char *const ALLOWED[] = { "form",        "infohash",    "epoch",
                                           "receiver",    "sender",      "bitmap",
                                           "pieces",      "piece_count", "index",
                                           "iid",         "signature",   "session_id",
                                           "session_key", "expires",     "piece_signatures",
                                           NULL };
    pbts_statement *out = &draft->report.statements[at];
    if (!json_is_object(item) || !has_only(item, ALLOWED)) {
        return pbts_draft_bad(draft, "a statement must be an object of known names");
    }
    if (!read_hex(out->infohash, sizeof out->infohash, item, "infohash")) {
        return pbts_draft_bad(draft, "a statement needs \"infohash\", 40 hexadecimal digits");
    }
    if (!read_uint(&out->epoch, item, "epoch")) {
        return pbts_draft_bad(draft, "a statement needs \"epoch\", hours since 1970");
    }
    if (!read_party(&out->receiver, item, "receiver")) {
        return pbts_draft_bad(draft, "a statement needs \"receiver\", a user_id or base64 key");
    }
    if (has(item, "sender") && !read_party(&out->sender, item, "sender")) {
        return pbts_draft_bad(draft, "\"sender\" must be a user_id or base64 key");
    }
    out->has_iid = has(item, "iid");
    if (out->has_iid && !read_hex(out->iid, sizeof out->iid, item, "iid")) {
        return pbts_draft_bad(draft, "\"iid\" must be 64 hexadecimal digits");
    }
    out->has_signature = has(item, "signature");
    if (out->has_signature &&
        !read_base64(out->signature.bytes, sizeof out->signature.bytes, item, "signature")) {
        return pbts_draft_bad(draft, "a statement's \"signature\" must be 48 bytes in base64");
    }
    PBTS_TRY(read_pieces(draft, at, item));
    return read_form(draft, at, item);
}

/* ---- one receipt of the prototype's shape ---- */

/* SHA-1 or SHA-256, in hex or base64. */
static bool read_piece_hash(uint8_t out[static PBTS_PIECE_HASH_LEN], const json_t *item) {
    pbts_span text;
    size_t len;
    memset(out, 0, PBTS_PIECE_HASH_LEN);
    if (!read_text(&text, item, "piece_hash")) return false;
    pbts_status status = text.len == 2 * PBTS_SHA1_LEN || text.len == 2 * PBTS_SHA256_LEN
                             ? pbts_hex_decode(out, &len, PBTS_PIECE_HASH_LEN, text)
                             : pbts_base64_decode(out, &len, PBTS_PIECE_HASH_LEN, text);
    return status == PBTS_OK && (len == PBTS_SHA1_LEN || len == PBTS_SHA256_LEN);
}

static pbts_status read_legacy_receipt(pbts_report_draft *draft, size_t at, json_t *item) {
    pbts_statement *out = &draft->report.statements[at];
    uint64_t unix_time;
    if (!json_is_object(item)) return pbts_draft_bad(draft, "a receipt must be an object");
    if (!read_hex(out->infohash, sizeof out->infohash, item, "infohash")) {
        return pbts_draft_bad(draft, "a receipt needs \"infohash\", 40 hexadecimal digits");
    }
    if (!read_uint(&unix_time, item, "timestamp")) {
        return pbts_draft_bad(draft, "a receipt needs \"timestamp\", unix seconds");
    }
    out->epoch = pbts_epoch_at(unix_time);
    if (!read_party(&out->receiver, item, "receiver_public_key") || !out->receiver.has_key) {
        return pbts_draft_bad(draft, "a receipt needs \"receiver_public_key\" in base64");
    }
    if (!read_party(&out->sender, item, "sender_pk") || !out->sender.has_key) {
        return pbts_draft_bad(draft, "a receipt needs \"sender_pk\" in base64");
    }
    out->has_signature = true;
    if (!read_base64(out->signature.bytes, sizeof out->signature.bytes, item, "signature")) {
        return pbts_draft_bad(draft, "a receipt needs \"signature\", 48 bytes in base64");
    }
    out->has_piece_hash = true;
    if (!read_piece_hash(out->piece_hash, item)) {
        return pbts_draft_bad(draft, "a receipt needs \"piece_hash\" in hexadecimal or base64");
    }
    return read_index(draft, out, item, "piece_index");
}

/* ---- the report ---- */

typedef pbts_status read_item(pbts_report_draft *draft, size_t at, json_t *item);

static pbts_status read_items(pbts_report_draft *draft, const json_t *array, read_item *read) {
    PBTS_TRY(pbts_draft_begin(draft, json_array_size(array)));
    for (size_t i = 0; i < draft->report.count; i++) {
        PBTS_TRY(read(draft, i, json_array_get(array, i)));
    }
    return pbts_draft_expand(draft);
}

/* The canonical list, one statement at a time, so that no copy of the whole is needed. */
static pbts_status hash_statements(pbts_report_draft *draft) {
    pbts_report *report = &draft->report;
    pbts_sha256_state state;
    size_t len_max = 0;
    for (size_t i = 0; i < report->count; i++) {
        const pbts_statement *statement = &report->statements[i];
        size_t len = statement->bitmap.len + statement->piece_signatures.len;
        if (len > len_max) len_max = len;
    }
    size_t room = len_max + PBTS_STATEMENT_ROOM;
    uint8_t *buffer = pbts_alloc(report->mem, room);
    if (buffer == NULL) return pbts_draft_no_memory(draft);
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("l"));
    for (size_t i = 0; i < report->count; i++) {
        pbts_writer writer = pbts_writer_over(buffer, room);
        pbts_statement_encode(&writer, &report->statements[i]);
        assert(pbts_writer_status(&writer) == PBTS_OK);
        pbts_sha256_update(&state, pbts_writer_span(&writer));
    }
    pbts_sha256_update(&state, pbts_span_text("e"));
    pbts_sha256_final(&state, report->statements_sha256);
    pbts_release(report->mem, buffer);
    return PBTS_OK;
}

static pbts_status read_legacy(pbts_report_draft *draft, const json_t *root) {
    draft->report.legacy = true;
    return read_items(draft, json_object_get(root, "receipts"), read_legacy_receipt);
}

static pbts_status read_signed(pbts_report_draft *draft, json_t *root) {
    static const char *const ALLOWED[] = { "user_id",   "time",      "statements",
                                           "aggregate", "signature", NULL };
    pbts_report *report = &draft->report;
    if (!has_only(root, ALLOWED)) {
        return pbts_draft_bad(draft, "the report has an unknown name; known are user_id, time, "
                                     "statements, aggregate, signature");
    }
    if (!json_is_array(json_object_get(root, "statements"))) {
        return pbts_draft_bad(draft, "the report needs \"statements\", a list");
    }
    if (!read_uint(&report->unix_time, root, "time")) {
        return pbts_draft_bad(draft, "the report needs \"time\", unix seconds");
    }
    report->has_signature = true;
    if (!read_base64(report->signature.bytes, sizeof report->signature.bytes, root, "signature")) {
        return pbts_draft_bad(draft, "the report needs \"signature\", 48 bytes in base64");
    }
    report->has_aggregate = has(root, "aggregate");
    if (report->has_aggregate &&
        !read_base64(report->aggregate.bytes, sizeof report->aggregate.bytes, root, "aggregate")) {
        return pbts_draft_bad(draft, "\"aggregate\" must be 48 bytes in base64");
    }
    PBTS_TRY(read_items(draft, json_object_get(root, "statements"), read_statement));
    return hash_statements(draft);
}

static pbts_status read_report(pbts_report_draft *draft, pbts_span body) {
    json_error_t error;
    if (body.len > PBTS_REPORT_LEN_MAX) {
        return pbts_draft_limit(draft, "the report is longer than 16 MiB");
    }
    if (has_too_many_values(body)) {
        return pbts_draft_limit(draft, "the report has more values than 10000 statements need");
    }
    json_t *root = json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        if (json_error_code(&error) == json_error_out_of_memory) return pbts_draft_no_memory(draft);
        return pbts_draft_bad(draft, "the body is not strict JSON");
    }
    draft->report.owned[PBTS_OWNED_JSON] = root;
    if (!json_is_object(root)) return pbts_draft_bad(draft, "the report must be an object");
    if (!read_text(&draft->report.uid, root, "user_id") || !pbts_uid_is_valid(draft->report.uid)) {
        return pbts_draft_bad(draft, "the report needs \"user_id\", the uid of its submitter");
    }
    bool is_legacy = json_is_array(json_object_get(root, "receipts")) && !has(root, "statements");
    return is_legacy ? read_legacy(draft, root) : read_signed(draft, root);
}

pbts_status pbts_report_decode_json(pbts_report *out, const char **problem, pbts_mem *mem,
                                    pbts_span body) {
    pbts_report_draft draft;
    pbts_draft_init(&draft, mem);
    pbts_status status = read_report(&draft, body);
    if (status == PBTS_OK) {
        pbts_draft_take(&draft, out);
    } else {
        *problem = draft.problem;
    }
    pbts_draft_deinit(&draft);
    return status;
}
