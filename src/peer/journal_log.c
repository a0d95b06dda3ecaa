/* The journal's log: entries as bytes, reading a whole log, writing it anew.
 *
 * A log is appended to, so an end that never got to the disk is nothing special: fewer bytes than
 * the last entry has, or (after a power cut) a page of zeros in its place. What is wrong in any
 * other way was damaged after it was sound. */
#include "base/assert.h"
#include "hash/sha.h"
#include "peer/journal_parts.h"

#define LENGTH_MARK UINT32_C(0x70627473) /* "pbts" */
enum { CHECK_LEN = 8, BODY_LEN_MAX = PBTS_JOURNAL_ENTRY_MAX - PBTS_JOURNAL_HEAD_LEN };

/* ---- writing ---- */

/* Leave room for an entry's head; its body follows. */
static size_t begin_entry(pbts_writer *writer) {
    size_t at = writer->len;
    (void)pbts_write_reserve(writer, PBTS_JOURNAL_HEAD_LEN);
    return at;
}

static void end_entry(pbts_writer *writer, size_t at) {
    uint8_t digest[PBTS_SHA256_LEN];
    if (writer->failed) return;
    size_t len = writer->len - at - PBTS_JOURNAL_HEAD_LEN;
    assert(len <= BODY_LEN_MAX);
    pbts_sha256(digest, (pbts_span){ writer->data + at + PBTS_JOURNAL_HEAD_LEN, len });
    pbts_writer head = pbts_writer_over(writer->data + at, PBTS_JOURNAL_HEAD_LEN);
    pbts_write_u32(&head, (uint32_t)len);
    pbts_write_u32(&head, (uint32_t)len ^ LENGTH_MARK);
    pbts_write_bytes(&head, (pbts_span){ digest, CHECK_LEN });
}

void pbts_journal_header(pbts_writer *writer) {
    pbts_write_text(writer, PBTS_JOURNAL_MAGIC);
}

void pbts_journal_write_receipt(pbts_writer *writer, const pbts_journal_kept *kept) {
    size_t at = begin_entry(writer);
    pbts_write_u8(writer, PBTS_JOURNAL_KIND_RECEIPT);
    pbts_write_u64(writer, kept->number);
    pbts_write_bytes(writer, (pbts_span){ kept->record, kept->record_len });
    end_entry(writer, at);
}

void pbts_journal_write_outcome(pbts_writer *writer, uint64_t number, pbts_journal_outcome outcome,
                                uint64_t credited_bytes, pbts_span reason) {
    size_t at = begin_entry(writer);
    pbts_write_u8(writer, PBTS_JOURNAL_KIND_OUTCOME);
    pbts_write_u64(writer, number);
    pbts_write_u8(writer, (uint8_t)outcome);
    pbts_write_u64(writer, credited_bytes);
    pbts_write_u8(writer, (uint8_t)reason.len);
    pbts_write_bytes(writer, reason);
    end_entry(writer, at);
}

static void write_counted(pbts_writer *writer, const pbts_journal *journal) {
    size_t at = begin_entry(writer);
    pbts_write_u8(writer, PBTS_JOURNAL_KIND_COUNTED);
    pbts_write_u64(writer, journal->stats.counted);
    pbts_write_u64(writer, journal->stats.credited_bytes);
    pbts_write_u64(writer, journal->last_number);
    end_entry(writer, at);
}

uint64_t pbts_journal_log_bytes(const pbts_journal_kept *kept) {
    uint64_t receipt = PBTS_JOURNAL_HEAD_LEN + 1 + 8 + kept->record_len;
    uint64_t outcome = PBTS_JOURNAL_HEAD_LEN + 1 + 8 + 1 + 8 + 1 + kept->reason_len;
    return kept->outcome == PBTS_OUTCOME_REFUSED ? receipt + outcome : receipt;
}

/* ---- writing it anew ---- */

bool pbts_journal_should_compact(const pbts_journal *journal) {
    enum { WORTH_BYTES = 1 << 20 };
    uint64_t log_bytes = journal->stats.log_bytes;
    return log_bytes > WORTH_BYTES && journal->live_log_bytes < log_bytes / 2;
}

static void write_kept(pbts_writer *writer, const pbts_journal_kept *kept) {
    pbts_journal_write_receipt(writer, kept);
    if (kept->outcome == PBTS_OUTCOME_WAITING) return;
    pbts_span reason = { kept->reason, kept->reason_len };
    pbts_journal_write_outcome(writer, kept->number, kept->outcome, 0, reason);
}

bool pbts_journal_rewrite(pbts_journal *journal, pbts_writer *writer, uint64_t *cursor) {
    size_t before = writer->len;
    assert(writer->capacity - writer->len >= PBTS_JOURNAL_ENTRY_MAX);
    if (*cursor == 0) {
        journal->rewritten_bytes = 0;
        pbts_journal_header(writer);
        write_counted(writer, journal);
        *cursor = 1;
    }
    while (*cursor <= journal->count && writer->capacity - writer->len >= PBTS_JOURNAL_ENTRY_MAX) {
        const pbts_journal_kept *kept = journal->slots[*cursor - 1].kept;
        if (kept != NULL) write_kept(writer, kept);
        *cursor += 1;
    }
    assert(!writer->failed);
    journal->rewritten_bytes += writer->len - before;
    if (writer->len > before) return true;
    journal->stats.log_bytes = journal->rewritten_bytes;
    return false;
}

/* ---- reading ---- */

static bool is_zero(pbts_span bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != 0) return false;
    }
    return true;
}

/* Take the next entry's body. PBTS_NEED_MORE: here is the torn end. PBTS_CORRUPT. */
static pbts_status read_entry(pbts_span *body, pbts_cursor *cursor) {
    uint32_t len, mark;
    pbts_span check;
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_cursor rest = *cursor;
    PBTS_TRY(pbts_read_u32(&rest, &len));
    PBTS_TRY(pbts_read_u32(&rest, &mark));
    if (mark != (len ^ LENGTH_MARK) || len == 0 || len > BODY_LEN_MAX) {
        return is_zero(pbts_cursor_rest(&rest)) ? PBTS_NEED_MORE : PBTS_CORRUPT;
    }
    PBTS_TRY(pbts_read_span(&rest, &check, CHECK_LEN));
    PBTS_TRY(pbts_read_span(&rest, body, len));
    pbts_sha256(digest, *body);
    if (memcmp(digest, check.data, check.len) != 0) {
        return is_zero(pbts_cursor_rest(&rest)) ? PBTS_NEED_MORE : PBTS_CORRUPT;
    }
    *cursor = rest;
    return PBTS_OK;
}

static pbts_status load_receipt(pbts_journal *journal, pbts_cursor *body) {
    uint64_t number;
    pbts_receipt_record record;
    pbts_journal_kept *kept;
    PBTS_TRY(pbts_read_u64(body, &number));
    PBTS_TRY(pbts_receipt_record_decode(&record, body));
    if (pbts_cursor_left(body) != 0 || number <= journal->last_number) return PBTS_MALFORMED;
    PBTS_TRY(pbts_journal_prepare(journal, &kept, &record, number));
    if (pbts_journal_find_same(journal, kept) == NULL) {
        pbts_journal_put(journal, kept);
        return PBTS_OK;
    }
    pbts_release(journal->mem, kept);
    journal->last_number = number;
    return PBTS_OK;
}

static pbts_status load_outcome(pbts_journal *journal, pbts_cursor *body) {
    uint64_t number, credited_bytes;
    uint8_t outcome, len;
    pbts_span reason;
    PBTS_TRY(pbts_read_u64(body, &number));
    PBTS_TRY(pbts_read_u8(body, &outcome));
    PBTS_TRY(pbts_read_u64(body, &credited_bytes));
    PBTS_TRY(pbts_read_u8(body, &len));
    PBTS_TRY(pbts_read_span(body, &reason, len));
    bool known = outcome == PBTS_OUTCOME_COUNTED || outcome == PBTS_OUTCOME_REFUSED;
    if (!known || len > PBTS_JOURNAL_REASON_MAX || pbts_cursor_left(body) != 0) {
        return PBTS_MALFORMED;
    }
    pbts_journal_kept *kept = pbts_journal_find(journal, number);
    if (kept == NULL) return PBTS_MALFORMED;
    pbts_journal_decide(journal, kept, (pbts_journal_outcome)outcome, credited_bytes, reason);
    return PBTS_OK;
}

static pbts_status load_counted(pbts_journal *journal, pbts_cursor *body) {
    uint64_t counted, credited_bytes, last_number;
    PBTS_TRY(pbts_read_u64(body, &counted));
    PBTS_TRY(pbts_read_u64(body, &credited_bytes));
    PBTS_TRY(pbts_read_u64(body, &last_number));
    bool first = journal->last_number == 0 && journal->reserved_number == 0;
    if (!first || pbts_cursor_left(body) != 0) return PBTS_MALFORMED;
    journal->stats.counted = counted;
    journal->stats.credited_bytes = credited_bytes;
    journal->reserved_number = last_number;
    return PBTS_OK;
}

static pbts_status load_body(pbts_journal *journal, pbts_span bytes) {
    pbts_cursor body = pbts_cursor_over(bytes);
    uint8_t kind = 0;
    PBTS_TRY(pbts_read_u8(&body, &kind));
    switch (kind) {
    case PBTS_JOURNAL_KIND_RECEIPT: return load_receipt(journal, &body);
    case PBTS_JOURNAL_KIND_OUTCOME: return load_outcome(journal, &body);
    case PBTS_JOURNAL_KIND_COUNTED: return load_counted(journal, &body);
    default: return PBTS_MALFORMED;
    }
}

/* What is sound by its checksum and still cannot be read was not written by us. */
static pbts_status as_corrupt(pbts_status status) {
    bool ours = status == PBTS_OK || status == PBTS_NO_MEMORY || status == PBTS_LIMIT;
    return ours ? status : PBTS_CORRUPT;
}

static pbts_status load_header(pbts_cursor *cursor) {
    pbts_span magic = pbts_span_text(PBTS_JOURNAL_MAGIC), found = pbts_cursor_rest(cursor);
    if (found.len > magic.len) found.len = magic.len;
    magic.len = found.len;
    if (!pbts_span_equal(found, magic)) {
        return is_zero(pbts_cursor_rest(cursor)) ? PBTS_NEED_MORE : PBTS_CORRUPT;
    }
    return pbts_read_span(cursor, &found, strlen(PBTS_JOURNAL_MAGIC));
}

pbts_status pbts_journal_load(pbts_journal *journal, size_t *good_len, pbts_span bytes) {
    pbts_cursor cursor = pbts_cursor_over(bytes);
    assert(journal->last_number == 0 && journal->reserved_number == 0);
    pbts_status status = load_header(&cursor);
    while (status == PBTS_OK && pbts_cursor_left(&cursor) > 0) {
        pbts_span body;
        status = read_entry(&body, &cursor);
        if (status == PBTS_OK) status = as_corrupt(load_body(journal, body));
    }
    if (status != PBTS_OK && status != PBTS_NEED_MORE) return status;
    if (journal->last_number < journal->reserved_number) {
        journal->last_number = journal->reserved_number;
    }
    *good_len = (size_t)(cursor.next - bytes.data);
    if (*good_len > 0) journal->stats.log_bytes = *good_len;
    return PBTS_OK;
}
