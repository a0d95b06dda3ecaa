#include "wire/peer_dict.h"

/* A message has arrived whole, so a value that is cut short is a bad one. */
pbts_status pbts_peer_dict_parse_prefix(pbts_bvalue *out, pbts_cursor *cursor) {
    pbts_bvalue value;
    pbts_cursor rest = *cursor;
    pbts_status status = pbts_bencode_parse_prefix(&value, &rest);
    if (status == PBTS_NEED_MORE) return PBTS_MALFORMED;
    if (status != PBTS_OK) return status;
    if (value.type != PBTS_BDICT) return PBTS_MALFORMED;
    *out = value;
    *cursor = rest;
    return PBTS_OK;
}

pbts_status pbts_peer_dict_parse(pbts_bvalue *out, pbts_span bytes) {
    pbts_cursor cursor = pbts_cursor_over(bytes);
    pbts_bvalue value;
    PBTS_TRY(pbts_peer_dict_parse_prefix(&value, &cursor));
    if (pbts_cursor_left(&cursor) > 0) return PBTS_MALFORMED;
    *out = value;
    return PBTS_OK;
}

pbts_status pbts_peer_dict_maybe(pbts_bvalue *out, bool *found, const pbts_bvalue *dict,
                                 const char *key, pbts_btype type) {
    pbts_bvalue value;
    bool there = pbts_bdict_find(dict, key, &value);
    if (there && value.type != type) return PBTS_MALFORMED;
    if (there) *out = value;
    if (found != NULL) *found = there;
    return PBTS_OK;
}

pbts_status pbts_peer_dict_maybe_uint(uint64_t *out, bool *found, const pbts_bvalue *dict,
                                      const char *key) {
    pbts_bvalue value;
    bool there = false;
    PBTS_TRY(pbts_peer_dict_maybe(&value, &there, dict, key, PBTS_BINT));
    if (there && value.integer < 0) return PBTS_MALFORMED;
    if (there) *out = (uint64_t)value.integer;
    if (found != NULL) *found = there;
    return PBTS_OK;
}

pbts_status pbts_peer_dict_uint(uint64_t *out, const pbts_bvalue *dict, const char *key) {
    return pbts_bdict_find_uint(dict, key, out) ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_peer_dict_array(uint8_t *out, size_t len, const pbts_bvalue *dict,
                                 const char *key) {
    pbts_span bytes;
    if (!pbts_bdict_find_string(dict, key, &bytes) || bytes.len != len) return PBTS_MALFORMED;
    memcpy(out, bytes.data, len);
    return PBTS_OK;
}

size_t pbts_peer_dict_pairs(const pbts_bvalue *dict) {
    pbts_biter pairs = pbts_bvalue_items(dict);
    pbts_span key;
    pbts_bvalue value;
    size_t count = 0;
    while (pbts_biter_next_pair(&pairs, &key, &value)) count++;
    return count;
}

void pbts_peer_dict_write_uint(pbts_writer *writer, const char *key, uint64_t value) {
    pbts_bencode_text(writer, key);
    pbts_bencode_uint(writer, value);
}

void pbts_peer_dict_write_string(pbts_writer *writer, const char *key, pbts_span value) {
    pbts_bencode_text(writer, key);
    pbts_bencode_string(writer, value);
}
