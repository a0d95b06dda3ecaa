#include "attest/json_slice.h"

static void skip_blanks(pbts_cursor *cursor) {
    while (cursor->next < cursor->end && strchr(" \t\r\n", *cursor->next) != NULL &&
           *cursor->next != 0)
        cursor->next++;
}

static bool skip_char(pbts_cursor *cursor, char c) {
    if (cursor->next == cursor->end || *cursor->next != (uint8_t)c) return false;
    cursor->next++;
    return true;
}

/* What is between the quotes, escapes as they stand. */
static pbts_status read_string(pbts_cursor *cursor, pbts_span *inside) {
    if (!skip_char(cursor, '"')) return PBTS_MALFORMED;
    const uint8_t *begin = cursor->next;
    while (cursor->next < cursor->end && *cursor->next != '"') {
        bool escapes = *cursor->next == '\\' && pbts_cursor_left(cursor) > 1;
        cursor->next += escapes ? 2 : 1;
    }
    *inside = (pbts_span){ begin, (size_t)(cursor->next - begin) };
    return skip_char(cursor, '"') ? PBTS_OK : PBTS_MALFORMED;
}

/* Lists and objects: to the bracket that closes the first one, each by its own kind. */
static pbts_status skip_brackets(pbts_cursor *cursor) {
    char closers[PBTS_JSON_SLICE_DEPTH_MAX];
    size_t depth = 0;
    pbts_span inside;
    do {
        if (cursor->next == cursor->end) return PBTS_MALFORMED;
        char c = (char)*cursor->next;
        if (c == '"') {
            PBTS_TRY(read_string(cursor, &inside));
            continue;
        }
        cursor->next++;
        if (c == '{' || c == '[') {
            if (depth == PBTS_JSON_SLICE_DEPTH_MAX) return PBTS_LIMIT;
            closers[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closers[--depth] != c) return PBTS_MALFORMED;
        }
    } while (depth > 0);
    return PBTS_OK;
}

/* A number or a word: to what cannot be part of one. */
static pbts_status skip_plain(pbts_cursor *cursor) {
    const uint8_t *begin = cursor->next;
    while (cursor->next<cursor->end && * cursor->next> ' ' &&
           strchr(",:[]{}\"", *cursor->next) == NULL)
        cursor->next++;
    return cursor->next > begin ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status skip_value(pbts_cursor *cursor) {
    pbts_span inside;
    if (cursor->next == cursor->end) return PBTS_MALFORMED;
    switch (*cursor->next) {
    case '{':
    case '[': return skip_brackets(cursor);
    case '"': return read_string(cursor, &inside);
    default: return skip_plain(cursor);
    }
}

static pbts_status read_member(pbts_cursor *cursor, pbts_span *key, pbts_span *value) {
    skip_blanks(cursor);
    PBTS_TRY(read_string(cursor, key));
    if (key->len > 0 && memchr(key->data, '\\', key->len) != NULL) return PBTS_MALFORMED;
    skip_blanks(cursor);
    if (!skip_char(cursor, ':')) return PBTS_MALFORMED;
    skip_blanks(cursor);
    const uint8_t *begin = cursor->next;
    PBTS_TRY(skip_value(cursor));
    *value = (pbts_span){ begin, (size_t)(cursor->next - begin) };
    skip_blanks(cursor);
    return PBTS_OK;
}

pbts_status pbts_json_slice(pbts_span *out, pbts_span text, const char *key) {
    pbts_cursor cursor = pbts_cursor_over(text);
    pbts_span found = { 0 };
    skip_blanks(&cursor);
    if (!skip_char(&cursor, '{')) return PBTS_MALFORMED;
    skip_blanks(&cursor);
    if (!skip_char(&cursor, '}')) {
        do {
            pbts_span name, value;
            PBTS_TRY(read_member(&cursor, &name, &value));
            if (!pbts_span_is(name, key)) continue;
            if (found.data != NULL) return PBTS_MALFORMED;
            found = value;
        } while (skip_char(&cursor, ','));
        if (!skip_char(&cursor, '}')) return PBTS_MALFORMED;
    }
    skip_blanks(&cursor);
    if (pbts_cursor_left(&cursor) != 0) return PBTS_MALFORMED;
    if (found.data == NULL) return PBTS_NOT_FOUND;
    *out = found;
    return PBTS_OK;
}
