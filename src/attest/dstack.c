#include "attest/dstack.h"

#include <jansson.h>

#include "base/secret.h"
#include "codec/json_size.h"
#include "codec/text.h"

/* Of an answer's JSON; the event log is one string in it. */
enum { BRACKETS_MAX = 4096, COMMAS_MAX = 16384, BODY_MAX = 512 };

/* ---- requests ---- */

static void write_request(pbts_writer *out, const char *target, pbts_span body) {
    pbts_write_text(out, "POST ");
    pbts_write_text(out, target);
    pbts_write_text(out, " HTTP/1.1\r\nHost: dstack\r\nContent-Type: application/json\r\n"
                         "Connection: close\r\nContent-Length: ");
    pbts_write_decimal(out, body.len);
    pbts_write_text(out, "\r\n\r\n");
    pbts_write_bytes(out, body);
}

void pbts_dstack_ask_quote(pbts_writer *out, pbts_dstack_api api,
                           const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    uint8_t bytes[BODY_MAX];
    pbts_writer body = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_text(&body, "{\"report_data\":\"");
    pbts_hex_encode(&body, (pbts_span){ report_data, PBTS_REPORT_DATA_LEN });
    pbts_write_text(&body, "\"}");
    write_request(out, api == PBTS_DSTACK_TAPPD ? "/prpc/Tappd.RawQuote?json" : "/GetQuote",
                  pbts_writer_span(&body));
}

void pbts_dstack_ask_info(pbts_writer *out, pbts_dstack_api api) {
    write_request(out, api == PBTS_DSTACK_TAPPD ? "/prpc/Tappd.Info?json" : "/Info",
                  pbts_span_text("{}"));
}

/* Nothing that JSON would have to escape. */
static bool is_plain(const char *name) {
    static const char ALLOWED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-/";
    size_t len = strlen(name);
    return len > 0 && len <= PBTS_DSTACK_PATH_MAX && strspn(name, ALLOWED) == len;
}

pbts_status pbts_dstack_ask_key(pbts_writer *out, pbts_dstack_api api, const char *path,
                                const char *purpose) {
    uint8_t bytes[BODY_MAX];
    pbts_writer body = pbts_writer_over(bytes, sizeof bytes);
    if (!is_plain(path) || !is_plain(purpose)) return PBTS_MALFORMED;
    pbts_write_text(&body, "{\"path\":\"");
    pbts_write_text(&body, path);
    pbts_write_text(&body, "\",\"purpose\":\"");
    pbts_write_text(&body, purpose);
    pbts_write_text(&body, "\"}");
    write_request(out, api == PBTS_DSTACK_TAPPD ? "/prpc/Tappd.DeriveK256Key?json" : "/GetKey",
                  pbts_writer_span(&body));
    return pbts_writer_status(out);
}

/* ---- the HTTP answer ---- */

typedef struct {
    unsigned status;
    bool has_length, chunked;
    size_t length;
} answer_head;

static uint8_t lower(uint8_t letter) {
    return letter >= 'A' && letter <= 'Z' ? (uint8_t)(letter + 32) : letter;
}

static bool same_letters(pbts_span text, const char *wanted) {
    if (text.len != strlen(wanted)) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (lower(text.data[i]) != (uint8_t)wanted[i]) return false;
    }
    return true;
}

static pbts_span trimmed(pbts_span text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) text.data++, text.len--;
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Digits of a base, at most PBTS_DSTACK_ANSWER_MAX. PBTS_MALFORMED, PBTS_LIMIT. */
static pbts_status read_number(size_t *out, pbts_span text, unsigned base) {
    size_t value = 0;
    if (text.len == 0) return PBTS_MALFORMED;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = lower(text.data[i]);
        unsigned digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (digit >= base) return PBTS_MALFORMED;
        value = value * base + digit;
        if (value > PBTS_DSTACK_ANSWER_MAX) return PBTS_LIMIT;
    }
    *out = value;
    return PBTS_OK;
}

/* A line without its CRLF; false: it has no end yet. */
static bool next_line(pbts_span *line, pbts_cursor *cursor) {
    pbts_span rest = pbts_cursor_rest(cursor), ignored;
    const uint8_t *end = rest.len > 0 ? memchr(rest.data, '\n', rest.len) : NULL;
    if (end == NULL) return false;
    size_t len = (size_t)(end - rest.data);
    if (pbts_read_span(cursor, &ignored, len + 1) != PBTS_OK) return false;
    *line = (pbts_span){ rest.data, len > 0 && rest.data[len - 1] == '\r' ? len - 1 : len };
    return true;
}

static pbts_status read_status(answer_head *head, pbts_span line) {
    static const char START[] = "HTTP/1.";
    size_t status;
    if (line.len < sizeof START + 4 || memcmp(line.data, START, sizeof START - 1) != 0)
        return PBTS_MALFORMED;
    if (line.data[8] != ' ') return PBTS_MALFORMED;
    PBTS_TRY(read_number(&status, (pbts_span){ line.data + 9, 3 }, 10));
    head->status = (unsigned)status;
    return PBTS_OK;
}

static pbts_status read_field(answer_head *head, pbts_span line) {
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (colon == NULL) return PBTS_MALFORMED;
    pbts_span name = { line.data, (size_t)(colon - line.data) };
    pbts_span value = trimmed((pbts_span){ colon + 1, line.len - name.len - 1 });
    if (same_letters(name, "content-length")) {
        if (head->has_length) return PBTS_MALFORMED;
        head->has_length = true;
        return read_number(&head->length, value, 10);
    }
    if (same_letters(name, "transfer-encoding")) {
        if (head->chunked || !same_letters(value, "chunked")) return PBTS_MALFORMED;
        head->chunked = true;
    }
    return PBTS_OK;
}

static pbts_status read_head(answer_head *head, pbts_cursor *cursor) {
    pbts_span line;
    size_t all = pbts_cursor_left(cursor);
    pbts_status unfinished = all > PBTS_DSTACK_HEAD_MAX ? PBTS_LIMIT : PBTS_NEED_MORE;
    if (!next_line(&line, cursor)) return unfinished;
    PBTS_TRY(read_status(head, line));
    for (;;) {
        if (!next_line(&line, cursor)) return unfinished;
        if (all - pbts_cursor_left(cursor) > PBTS_DSTACK_HEAD_MAX) return PBTS_LIMIT;
        if (line.len == 0) break;
        PBTS_TRY(read_field(head, line));
    }
    return head->has_length && head->chunked ? PBTS_MALFORMED : PBTS_OK;
}

/* Chunks, moved together at `out`, which is where they begin. */
static pbts_status join_chunks(pbts_span *body, uint8_t *out, pbts_cursor *cursor) {
    size_t len = 0, chunk;
    pbts_span line, bytes;
    for (;;) {
        if (!next_line(&line, cursor)) return PBTS_NEED_MORE;
        const uint8_t *extension = line.len > 0 ? memchr(line.data, ';', line.len) : NULL;
        if (extension != NULL) line.len = (size_t)(extension - line.data);
        PBTS_TRY(read_number(&chunk, trimmed(line), 16));
        if (chunk == 0) break;
        PBTS_TRY(pbts_read_span(cursor, &bytes, chunk));
        if (!next_line(&line, cursor)) return PBTS_NEED_MORE;
        if (line.len != 0) return PBTS_MALFORMED;
        memmove(out + len, bytes.data, bytes.len);
        len += bytes.len;
    }
    *body = (pbts_span){ out, len };
    return PBTS_OK;
}

/* Whether the chunks are all there; nothing is moved before. */
static pbts_status has_all_chunks(pbts_cursor cursor) {
    size_t chunk;
    pbts_span line, bytes;
    do {
        if (!next_line(&line, &cursor)) return PBTS_NEED_MORE;
        const uint8_t *extension = line.len > 0 ? memchr(line.data, ';', line.len) : NULL;
        if (extension != NULL) line.len = (size_t)(extension - line.data);
        PBTS_TRY(read_number(&chunk, trimmed(line), 16));
        PBTS_TRY(pbts_read_span(&cursor, &bytes, chunk));
        if (!next_line(&line, &cursor)) return PBTS_NEED_MORE;
    } while (chunk > 0);
    return PBTS_OK;
}

static pbts_status read_body(pbts_span *body, const answer_head *head, uint8_t *bytes,
                             pbts_cursor *cursor, bool ended) {
    size_t left = pbts_cursor_left(cursor);
    if (head->chunked) {
        PBTS_TRY(has_all_chunks(*cursor));
        uint8_t *start = bytes + (pbts_cursor_rest(cursor).data - bytes);
        return join_chunks(body, start, cursor);
    }
    if (head->has_length) return pbts_read_span(cursor, body, head->length);
    if (!ended) return PBTS_NEED_MORE;
    return pbts_read_span(cursor, body, left);
}

pbts_status pbts_dstack_answer(pbts_span *body, uint8_t *bytes, size_t len, bool ended) {
    answer_head head = { 0 };
    pbts_span found;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ bytes, len });
    if (len > PBTS_DSTACK_ANSWER_MAX) return PBTS_LIMIT;
    pbts_status status = read_head(&head, &cursor);
    if (status == PBTS_OK) status = read_body(&found, &head, bytes, &cursor, ended);
    if (status == PBTS_NEED_MORE && ended) return PBTS_MALFORMED;
    if (status == PBTS_NEED_MORE && len == PBTS_DSTACK_ANSWER_MAX) return PBTS_LIMIT;
    if (status != PBTS_OK) return status;
    if (head.status == 404) return PBTS_NOT_FOUND;
    if (head.status != 200) return PBTS_DENIED;
    *body = found;
    return PBTS_OK;
}

/* ---- what it says ---- */

static json_t *load(pbts_span body) {
    json_error_t error;
    if (body.len == 0 || body.len > PBTS_DSTACK_ANSWER_MAX) return NULL;
    if (pbts_json_is_above(body, BRACKETS_MAX, COMMAS_MAX)) return NULL;
    json_t *tree = json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(tree)) return tree;
    json_decref(tree);
    return NULL;
}

static pbts_span text_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return (pbts_span){ NULL, 0 };
    return (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
}

/* Some versions begin with 0x. */
static pbts_span hex_at(const json_t *object, const char *key) {
    pbts_span text = text_at(object, key);
    if (text.len >= 2 && text.data[0] == '0' && text.data[1] == 'x') text.data += 2, text.len -= 2;
    return text;
}

static pbts_status read_quote(pbts_writer *quote, pbts_writer *event_log, const json_t *tree) {
    pbts_span hex = hex_at(tree, "quote"), log = text_at(tree, "event_log");
    size_t len;
    if (hex.len == 0) return PBTS_MALFORMED;
    if (hex.len / 2 > PBTS_QUOTE_LEN_MAX) return PBTS_LIMIT;
    if (log.len > event_log->capacity - event_log->len) return PBTS_NO_SPACE;
    PBTS_TRY(pbts_hex_decode(quote->data + quote->len, &len, quote->capacity - quote->len, hex));
    quote->len += len;
    pbts_write_bytes(event_log, log);
    return PBTS_OK;
}

pbts_status pbts_dstack_read_quote(pbts_writer *quote, pbts_writer *event_log, pbts_span body) {
    json_t *tree = load(body);
    if (tree == NULL) return PBTS_MALFORMED;
    pbts_status status = read_quote(quote, event_log, tree);
    json_decref(tree);
    return status;
}

pbts_status pbts_dstack_read_key(uint8_t key[static PBTS_DSTACK_KEY_LEN], pbts_span body) {
    uint8_t found[PBTS_DSTACK_KEY_LEN];
    json_t *tree = load(body);
    if (tree == NULL) return PBTS_MALFORMED;
    pbts_span hex = hex_at(tree, json_object_get(tree, "key") != NULL ? "key" : "k256_key");
    pbts_status status = pbts_hex_decode_exact(found, sizeof found, hex);
    if (status == PBTS_OK) memcpy(key, found, sizeof found);
    pbts_wipe(found, sizeof found);
    if (hex.len > 0) pbts_wipe((void *)(uintptr_t)hex.data, hex.len); /* the tree's own copy */
    json_decref(tree);
    return status;
}

static pbts_status read_id(uint8_t *out, size_t *len, const json_t *tree, const char *key) {
    pbts_span hex = hex_at(tree, key);
    *len = 0;
    if (json_object_get(tree, key) == NULL) return PBTS_OK;
    if (hex.len / 2 > PBTS_DSTACK_ID_MAX) return PBTS_LIMIT;
    return pbts_hex_decode(out, len, PBTS_DSTACK_ID_MAX, hex);
}

pbts_status pbts_dstack_read_info(pbts_dstack_info *out, pbts_span body) {
    pbts_dstack_info info = { .app_id_len = 0 };
    json_t *tree = load(body);
    if (tree == NULL) return PBTS_MALFORMED;
    pbts_status status = read_id(info.app_id, &info.app_id_len, tree, "app_id");
    if (status == PBTS_OK)
        status = read_id(info.instance_id, &info.instance_id_len, tree, "instance_id");
    if (status == PBTS_OK)
        status = read_id(info.compose_hash, &info.compose_hash_len, tree, "compose_hash");
    json_decref(tree);
    if (status == PBTS_OK) *out = info;
    return status;
}
