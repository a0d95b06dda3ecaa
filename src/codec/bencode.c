/* Source: BEP 3, "bencoding". */
#include "codec/bencode.h"

#include "base/assert.h"

/* Compare as dictionaries order their keys: bytewise, a prefix before what it begins. */
static int compare_keys(pbts_span a, pbts_span b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

static pbts_status peek(const pbts_cursor *cursor, uint8_t *out) {
    if (cursor->next == cursor->end) return PBTS_NEED_MORE;
    *out = *cursor->next;
    return PBTS_OK;
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

/* Read decimal digits in their shortest form up to and over `stop`. */
static pbts_status read_digits(pbts_cursor *cursor, uint64_t *out, uint64_t max, uint8_t stop) {
    uint64_t value = 0;
    uint8_t byte;
    size_t digits = 0;
    for (;; digits++) {
        PBTS_TRY(pbts_read_u8(cursor, &byte));
        if (!is_digit(byte)) break;
        if (digits > 0 && value == 0) return PBTS_MALFORMED;
        uint64_t digit = byte - (uint64_t)'0';
        if (value > max / 10 || value * 10 > max - digit) return PBTS_MALFORMED;
        value = value * 10 + digit;
    }
    if (byte != stop || digits == 0) return PBTS_MALFORMED;
    *out = value;
    return PBTS_OK;
}

static pbts_status read_integer(pbts_cursor *cursor, pbts_bvalue *out) {
    uint8_t byte;
    uint64_t magnitude;
    cursor->next++; /* 'i' */
    PBTS_TRY(peek(cursor, &byte));
    bool negative = byte == '-';
    if (negative) cursor->next++;
    uint64_t max = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    PBTS_TRY(read_digits(cursor, &magnitude, max, 'e'));
    if (negative && magnitude == 0) return PBTS_MALFORMED;
    out->type = PBTS_BINT;
    /* Through magnitude - 1, because -INT64_MIN is no int64. */
    out->integer = negative ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return PBTS_OK;
}

static pbts_status read_string(pbts_cursor *cursor, pbts_span *out) {
    uint64_t len;
    uint8_t byte;
    PBTS_TRY(peek(cursor, &byte));
    if (!is_digit(byte)) return PBTS_MALFORMED;
    PBTS_TRY(read_digits(cursor, &len, INT64_MAX, ':'));
    if (len > pbts_cursor_left(cursor)) return PBTS_NEED_MORE;
    return pbts_read_span(cursor, out, (size_t)len);
}

static pbts_status read_value(pbts_cursor *cursor, pbts_bvalue *out, unsigned depth);

static pbts_status read_list(pbts_cursor *cursor, unsigned depth) {
    for (;;) {
        uint8_t byte;
        pbts_bvalue item;
        PBTS_TRY(peek(cursor, &byte));
        if (byte == 'e') break;
        PBTS_TRY(read_value(cursor, &item, depth));
    }
    cursor->next++;
    return PBTS_OK;
}

static pbts_status read_dict(pbts_cursor *cursor, unsigned depth) {
    pbts_span before = { 0 };
    for (bool first = true;; first = false) {
        uint8_t byte;
        pbts_span key;
        pbts_bvalue value;
        PBTS_TRY(peek(cursor, &byte));
        if (byte == 'e') break;
        PBTS_TRY(read_string(cursor, &key));
        if (!first && compare_keys(before, key) >= 0) return PBTS_MALFORMED;
        PBTS_TRY(read_value(cursor, &value, depth));
        before = key;
    }
    cursor->next++;
    return PBTS_OK;
}

/* Read a list or dictionary; `depth` containers are open around it. */
static pbts_status read_container(pbts_cursor *cursor, pbts_bvalue *out, unsigned depth) {
    if (depth == PBTS_BENCODE_DEPTH_MAX) return PBTS_LIMIT;
    bool dict = *cursor->next == 'd';
    cursor->next++;
    out->type = dict ? PBTS_BDICT : PBTS_BLIST;
    return dict ? read_dict(cursor, depth + 1) : read_list(cursor, depth + 1);
}

static pbts_status read_value(pbts_cursor *cursor, pbts_bvalue *out, unsigned depth) {
    const uint8_t *start = cursor->next;
    pbts_bvalue value = { .type = PBTS_BSTRING };
    uint8_t first;
    PBTS_TRY(peek(cursor, &first));
    switch (first) {
    case 'i': PBTS_TRY(read_integer(cursor, &value)); break;
    case 'l':
    case 'd': PBTS_TRY(read_container(cursor, &value, depth)); break;
    default: PBTS_TRY(read_string(cursor, &value.string)); break;
    }
    value.raw = (pbts_span){ start, (size_t)(cursor->next - start) };
    *out = value;
    return PBTS_OK;
}

pbts_status pbts_bencode_parse_prefix(pbts_bvalue *out, pbts_cursor *cursor) {
    pbts_cursor rest = *cursor;
    PBTS_TRY(read_value(&rest, out, 0));
    *cursor = rest;
    return PBTS_OK;
}

pbts_status pbts_bencode_parse(pbts_bvalue *out, pbts_span bytes) {
    pbts_cursor cursor = pbts_cursor_over(bytes);
    pbts_bvalue value;
    PBTS_TRY(read_value(&cursor, &value, 0));
    if (pbts_cursor_left(&cursor) > 0) return PBTS_MALFORMED;
    *out = value;
    return PBTS_OK;
}

pbts_biter pbts_bvalue_items(const pbts_bvalue *list_or_dict) {
    pbts_span items = { 0 };
    if (list_or_dict->type == PBTS_BLIST || list_or_dict->type == PBTS_BDICT) {
        assert(list_or_dict->raw.len >= 2);
        items = (pbts_span){ list_or_dict->raw.data + 1, list_or_dict->raw.len - 2 };
    }
    return (pbts_biter){ pbts_cursor_over(items) };
}

bool pbts_biter_next(pbts_biter *iter, pbts_bvalue *item) {
    if (pbts_cursor_left(&iter->rest) == 0) return false;
    pbts_status status = read_value(&iter->rest, item, 0);
    assert(status == PBTS_OK);
    return true;
}

bool pbts_biter_next_pair(pbts_biter *iter, pbts_span *key, pbts_bvalue *value) {
    if (pbts_cursor_left(&iter->rest) == 0) return false;
    pbts_status status = read_string(&iter->rest, key);
    assert(status == PBTS_OK);
    status = read_value(&iter->rest, value, 0);
    assert(status == PBTS_OK);
    return true;
}

bool pbts_bdict_find(const pbts_bvalue *dict, const char *key, pbts_bvalue *out) {
    if (dict->type != PBTS_BDICT) return false;
    pbts_biter iter = pbts_bvalue_items(dict);
    pbts_span sought = pbts_span_text(key), found;
    pbts_bvalue value;
    while (pbts_biter_next_pair(&iter, &found, &value)) {
        int order = compare_keys(found, sought);
        if (order > 0) return false; /* keys ascend: it cannot follow */
        if (order < 0) continue;
        *out = value;
        return true;
    }
    return false;
}

bool pbts_bdict_find_typed(const pbts_bvalue *dict, const char *key, pbts_btype type,
                           pbts_bvalue *out) {
    pbts_bvalue value;
    if (!pbts_bdict_find(dict, key, &value) || value.type != type) return false;
    *out = value;
    return true;
}

bool pbts_bdict_find_string(const pbts_bvalue *dict, const char *key, pbts_span *out) {
    pbts_bvalue value;
    if (!pbts_bdict_find_typed(dict, key, PBTS_BSTRING, &value)) return false;
    *out = value.string;
    return true;
}

bool pbts_bdict_find_uint(const pbts_bvalue *dict, const char *key, uint64_t *out) {
    pbts_bvalue value;
    if (!pbts_bdict_find_typed(dict, key, PBTS_BINT, &value) || value.integer < 0) return false;
    *out = (uint64_t)value.integer;
    return true;
}

void pbts_bencode_string(pbts_writer *writer, pbts_span string) {
    pbts_write_decimal(writer, string.len);
    pbts_write_u8(writer, ':');
    pbts_write_bytes(writer, string);
}

void pbts_bencode_text(pbts_writer *writer, const char *text) {
    pbts_bencode_string(writer, pbts_span_text(text));
}

void pbts_bencode_int(pbts_writer *writer, int64_t value) {
    pbts_write_u8(writer, 'i');
    pbts_write_decimal_signed(writer, value);
    pbts_write_u8(writer, 'e');
}

void pbts_bencode_uint(pbts_writer *writer, uint64_t value) {
    pbts_write_u8(writer, 'i');
    pbts_write_decimal(writer, value);
    pbts_write_u8(writer, 'e');
}
