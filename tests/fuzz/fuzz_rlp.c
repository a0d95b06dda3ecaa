/* libFuzzer target: RLP that is taken has one form. What the whole check takes, reading item by
 * item takes as well, and writing it again gives the same bytes; a number that is read is written
 * back. */
#include <stdlib.h>

#include "codec/rlp.h"

static void require(bool truth) {
    if (!truth) abort();
}

/* Lists nest at most PBTS_RLP_DEPTH_MAX deep: they passed the check. */
static void copy_item(pbts_writer *writer, pbts_cursor *cursor) {
    pbts_rlp_item item;
    require(pbts_rlp_read(cursor, &item) == PBTS_OK);
    require(item.raw.data + item.raw.len == cursor->next);
    require(item.content.len <= item.raw.len);
    if (item.type == PBTS_RLP_STRING) {
        pbts_rlp_write_string(writer, item.content);
        return;
    }
    pbts_cursor items = pbts_cursor_over(item.content);
    size_t list = pbts_rlp_open_list(writer);
    while (pbts_cursor_left(&items) > 0) copy_item(writer, &items);
    pbts_rlp_close_list(writer, list);
}

static void check_number(pbts_span bytes) {
    pbts_cursor cursor = pbts_cursor_over(bytes);
    uint8_t buffer[PBTS_U256_LEN + 1];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_u256 number;
    uint64_t small = 0, again = 0;
    if (pbts_rlp_read_u256(&cursor, &number) != PBTS_OK) return;
    pbts_rlp_write_u256(&writer, &number);
    require(!writer.failed && writer.len <= bytes.len);
    require(memcmp(buffer, bytes.data, writer.len) == 0);
    cursor = pbts_cursor_over(bytes);
    bool fits = pbts_u256_to_u64(&again, &number) == PBTS_OK;
    require((pbts_rlp_read_u64(&cursor, &small) == PBTS_OK) == fits);
    require(small == again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_span bytes = { data, len };
    check_number(bytes);
    if (pbts_rlp_check(bytes) != PBTS_OK) return 0;
    uint8_t *buffer = malloc(len);
    require(buffer != NULL);
    pbts_writer writer = pbts_writer_over(buffer, len);
    pbts_cursor cursor = pbts_cursor_over(bytes);
    copy_item(&writer, &cursor);
    require(pbts_cursor_left(&cursor) == 0);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
    free(buffer);
    return 0;
}
