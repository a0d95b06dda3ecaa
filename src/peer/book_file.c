/* What of the book outlives the program: what keys were allowed by memberships, and what they took
 * of it. Those live for a month, and whoever was started anew would give the same once more. */
#include "base/cursor.h"
#include "hash/sha.h"
#include "peer/book_parts.h"

enum {
    MAGIC_LEN = 12,
    HEAD_LEN = MAGIC_LEN + PBTS_SHA256_LEN,
    FLAG_BY_MEMBERSHIP = 1, /* else a ticket came later: what remains is the generation */
};
static const char MAGIC[] = "pbts-taken1\n";

/* ---- writing ---- */

static bool is_kept(const pbts_page *page) {
    return page->by_membership || page->generation > 0;
}

static void write_page(pbts_writer *writer, const pbts_page *page) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(page->key.bytes));
    pbts_write_u64(writer, page->ticket_allowance_bytes);
    pbts_write_u64(writer, page->taken_bytes);
    pbts_write_u64(writer, page->ticket_issued);
    pbts_write_u64(writer, page->counted_from_s);
    pbts_write_u32(writer, page->generation);
    pbts_write_u8(writer, page->by_membership ? FLAG_BY_MEMBERSHIP : 0);
}

void pbts_book_encode(pbts_writer *writer, const pbts_book *book) {
    pbts_book_stats stats;
    uint16_t count = 0;
    pbts_book_stats_read(book, &stats);
    for (size_t i = 0; i < stats.peers; i++) count += is_kept(pbts_book_page(book, i));
    pbts_write_text(writer, MAGIC);
    uint8_t *hash = pbts_write_reserve(writer, PBTS_SHA256_LEN);
    size_t start = writer->len;
    pbts_write_u16(writer, count);
    for (size_t i = 0; i < stats.peers; i++) {
        const pbts_page *page = pbts_book_page(book, i);
        if (is_kept(page)) write_page(writer, page);
    }
    if (writer->failed) return;
    pbts_sha256(hash, (pbts_span){ writer->data + start, writer->len - start });
}

/* ---- reading ---- */

static pbts_status read_page(pbts_page *out, pbts_cursor *in) {
    uint8_t flags = 0;
    PBTS_TRY(pbts_read_bytes(in, out->key.bytes, sizeof out->key.bytes));
    PBTS_TRY(pbts_read_u64(in, &out->ticket_allowance_bytes));
    PBTS_TRY(pbts_read_u64(in, &out->taken_bytes));
    PBTS_TRY(pbts_read_u64(in, &out->ticket_issued));
    PBTS_TRY(pbts_read_u64(in, &out->counted_from_s));
    PBTS_TRY(pbts_read_u32(in, &out->generation));
    PBTS_TRY(pbts_read_u8(in, &flags));
    out->has_ticket = true;
    out->by_membership = flags == FLAG_BY_MEMBERSHIP;
    bool is_one = flags <= FLAG_BY_MEMBERSHIP && is_kept(out);
    return is_one ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_pages(pbts_book *book, pbts_cursor *in, uint16_t count, bool keep) {
    for (uint16_t i = 0; i < count; i++) {
        pbts_page read = { .has_ticket = false }, *page;
        PBTS_TRY(read_page(&read, in));
        if (!keep) continue;
        PBTS_TRY(pbts_book_open(book, &page, &read.key));
        read.open = page->open;
        *page = read;
        pbts_book_close(book, page);
    }
    return PBTS_OK;
}

pbts_status pbts_book_decode(pbts_book *book, pbts_span bytes) {
    uint8_t hash[PBTS_SHA256_LEN];
    uint16_t count = 0;
    if (bytes.len > PBTS_BOOK_LEN_MAX) return PBTS_LIMIT;
    if (bytes.len < HEAD_LEN + 2 || memcmp(bytes.data, MAGIC, MAGIC_LEN) != 0) {
        return PBTS_MALFORMED;
    }
    pbts_span body = { bytes.data + HEAD_LEN, bytes.len - HEAD_LEN };
    pbts_sha256(hash, body);
    if (memcmp(hash, bytes.data + MAGIC_LEN, sizeof hash) != 0) return PBTS_MALFORMED;
    pbts_cursor in = pbts_cursor_over(body), again;
    PBTS_TRY(pbts_read_u16(&in, &count));
    if (body.len != 2 + (size_t)count * PBTS_BOOK_ENTRY_LEN) return PBTS_MALFORMED;
    again = in;
    PBTS_TRY(read_pages(book, &again, count, false));
    return read_pages(book, &in, count, true);
}
