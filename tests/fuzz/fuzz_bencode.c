/* libFuzzer target: a checked value can be walked whole, and its views stay inside the input. */
#include <stdlib.h>

#include "codec/bencode.h"

static void require(bool truth) {
    if (!truth) abort();
}

static size_t walk(const pbts_bvalue *value) {
    size_t bytes = 0;
    pbts_biter iter = pbts_bvalue_items(value);
    pbts_bvalue item;
    pbts_span key;
    if (value->type == PBTS_BLIST) {
        while (pbts_biter_next(&iter, &item)) bytes += walk(&item);
        require(bytes + 2 == value->raw.len);
    }
    if (value->type == PBTS_BDICT) {
        while (pbts_biter_next_pair(&iter, &key, &item)) {
            bytes = (size_t)(item.raw.data + item.raw.len - value->raw.data) - 1;
            require(key.data > value->raw.data && key.data + key.len == item.raw.data);
            (void)walk(&item);
        }
        require(bytes + 2 == value->raw.len);
    }
    return value->raw.len;
}

/* Integers and strings have one form only: writing them again gives the same bytes. */
static void check_scalar(const pbts_bvalue *value) {
    uint8_t buffer[4096];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    if (value->type == PBTS_BINT) pbts_bencode_int(&writer, value->integer);
    if (value->type == PBTS_BSTRING) pbts_bencode_string(&writer, value->string);
    if (writer.len == 0 || writer.failed) return;
    require(pbts_span_equal(pbts_writer_span(&writer), value->raw));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_bvalue value, item;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ data, len });
    pbts_status status = pbts_bencode_parse(&value, (pbts_span){ data, len });
    while (pbts_bencode_parse_prefix(&item, &cursor) == PBTS_OK) {
        require(item.raw.len > 0 && item.raw.data + item.raw.len == cursor.next);
        require(walk(&item) == item.raw.len);
        check_scalar(&item);
    }
    if (status == PBTS_OK) require(value.raw.data == data && value.raw.len == len);
    return 0;
}
