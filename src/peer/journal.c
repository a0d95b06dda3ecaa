/* Receipts that wait: in the order of their numbers for reports, and in buckets by what they speak
 * of, so that one that says more takes the place of those that say less. */
#include "peer/journal.h"

#include "base/assert.h"
#include "base/epoch.h"
#include "hash/sha.h"
#include "peer/journal_parts.h"

enum { SLOTS_MIN = 64 };

/* ---- what records speak of ---- */

pbts_receipt_record pbts_journal_record_of(const pbts_journal_kept *kept) {
    pbts_receipt_record record;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ kept->record, kept->record_len });
    pbts_status status = pbts_receipt_record_decode(&record, &cursor);
    assert(status == PBTS_OK && pbts_cursor_left(&cursor) == 0);
    return record;
}

/* Cumulative receipts of the same parties, torrent and epoch have one key, whatever their pieces;
 * others have one only when they say exactly the same. */
static uint64_t key_of(const pbts_receipt *receipt) {
    uint8_t numbers[1 + 8 + 4], digest[PBTS_SHA256_LEN];
    uint64_t key;
    pbts_sha256_state state;
    pbts_writer writer = pbts_writer_over(numbers, sizeof numbers);
    pbts_write_u8(&writer, (uint8_t)receipt->form);
    pbts_write_u64(&writer, receipt->epoch);
    pbts_write_u32(&writer, receipt->form == PBTS_FORM_PIECE ? receipt->piece_index : 0);
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_writer_span(&writer));
    pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->iid));
    pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->infohash));
    pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->sender.bytes));
    pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->receiver.bytes));
    if (receipt->form == PBTS_FORM_BATCH || receipt->form == PBTS_FORM_SESSION) {
        pbts_sha256_update(&state, receipt->bitmap);
    }
    if (receipt->form == PBTS_FORM_SESSION) {
        pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->session.id));
    }
    pbts_sha256_final(&state, digest);
    memcpy(&key, digest, sizeof key);
    return key;
}

static bool is_subset(pbts_span inner, pbts_span outer) {
    if (inner.len != outer.len) return false;
    for (size_t i = 0; i < inner.len; i++) {
        if ((inner.data[i] & ~outer.data[i]) != 0) return false;
    }
    return true;
}

/* Whether `more` says all that `less` does. Keys are cut digests: what they stand for is compared
 * too where a mistake would lose a receipt. */
static bool says_as_much(const pbts_journal_kept *more, const pbts_journal_kept *less) {
    if (more->key != less->key) return false;
    pbts_receipt a = pbts_journal_record_of(more).receipt;
    pbts_receipt b = pbts_journal_record_of(less).receipt;
    if (a.form != b.form || a.epoch != b.epoch || a.piece_index != b.piece_index) return false;
    if (memcmp(a.iid, b.iid, sizeof a.iid) != 0) return false;
    if (memcmp(a.infohash, b.infohash, sizeof a.infohash) != 0) return false;
    if (memcmp(&a.sender, &b.sender, sizeof a.sender) != 0) return false;
    if (memcmp(&a.receiver, &b.receiver, sizeof a.receiver) != 0) return false;
    if (memcmp(a.session.id, b.session.id, sizeof a.session.id) != 0) return false;
    return a.form == PBTS_FORM_CUMULATIVE ? is_subset(b.bitmap, a.bitmap)
                                          : pbts_span_equal(a.bitmap, b.bitmap);
}

/* ---- buckets: the waiting ones ---- */

static pbts_journal_kept **bucket_of(const pbts_journal *journal, uint64_t key) {
    return &journal->buckets[key & (journal->bucket_count - 1)];
}

static void buckets_add(pbts_journal *journal, pbts_journal_kept *kept) {
    pbts_journal_kept **bucket = bucket_of(journal, kept->key);
    kept->next = *bucket;
    *bucket = kept;
}

static void buckets_remove(pbts_journal *journal, pbts_journal_kept *kept) {
    pbts_journal_kept **link = bucket_of(journal, kept->key);
    while (*link != kept) link = &(*link)->next;
    *link = kept->next;
    kept->next = NULL;
}

static pbts_status buckets_reserve(pbts_journal *journal, size_t count) {
    if (count <= journal->bucket_count) return PBTS_OK;
    size_t wanted = journal->bucket_count ? 2 * journal->bucket_count : SLOTS_MIN;
    pbts_journal_kept **buckets =
        pbts_alloc_array(journal->mem, wanted, sizeof(pbts_journal_kept *));
    if (buckets == NULL) return PBTS_NO_MEMORY;
    pbts_release(journal->mem, journal->buckets);
    journal->buckets = buckets;
    journal->bucket_count = wanted;
    for (size_t i = 0; i < journal->count; i++) {
        pbts_journal_kept *kept = journal->slots[i].kept;
        if (kept != NULL && kept->outcome == PBTS_OUTCOME_WAITING) buckets_add(journal, kept);
    }
    return PBTS_OK;
}

const pbts_journal_kept *pbts_journal_find_same(const pbts_journal *journal,
                                                const pbts_journal_kept *kept) {
    const pbts_journal_kept *other = journal->bucket_count ? *bucket_of(journal, kept->key) : NULL;
    while (other != NULL && !says_as_much(other, kept)) other = other->next;
    return other;
}

/* ---- slots: all that are kept ---- */

/* The first slot whose number is at least this. */
static size_t slot_from(const pbts_journal *journal, uint64_t number) {
    size_t low = 0, high = journal->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (journal->slots[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static pbts_journal_kept *at_number(const pbts_journal *journal, uint64_t number) {
    size_t at = slot_from(journal, number);
    if (at == journal->count || journal->slots[at].number != number) return NULL;
    return journal->slots[at].kept;
}

pbts_journal_kept *pbts_journal_find(const pbts_journal *journal, uint64_t number) {
    pbts_journal_kept *kept = at_number(journal, number);
    return kept != NULL && kept->outcome == PBTS_OUTCOME_WAITING ? kept : NULL;
}

static void squeeze(pbts_journal *journal) {
    size_t to = 0;
    for (size_t from = 0; from < journal->count; from++) {
        if (journal->slots[from].kept != NULL) journal->slots[to++] = journal->slots[from];
    }
    journal->count = to;
}

static pbts_status slots_reserve(pbts_journal *journal) {
    if (journal->count < journal->capacity) return PBTS_OK;
    if (2 * journal->live < journal->count) {
        squeeze(journal);
        return PBTS_OK;
    }
    size_t wanted = journal->capacity ? 2 * journal->capacity : SLOTS_MIN;
    void *slots = pbts_resize_array(journal->mem, journal->slots, wanted, sizeof *journal->slots);
    if (slots == NULL) return PBTS_NO_MEMORY;
    journal->slots = slots;
    journal->capacity = wanted;
    return PBTS_OK;
}

/* Forget one that waits or was refused. */
static void drop(pbts_journal *journal, pbts_journal_kept *kept) {
    size_t at = slot_from(journal, kept->number);
    assert(at < journal->count && journal->slots[at].kept == kept);
    uint64_t log_bytes = pbts_journal_log_bytes(kept);
    journal->slots[at].kept = NULL;
    journal->live--;
    journal->live_log_bytes -= log_bytes;
    if (kept->outcome == PBTS_OUTCOME_WAITING) {
        buckets_remove(journal, kept);
        journal->waiting_record_bytes -= kept->record_len;
        journal->stats.waiting--;
        journal->stats.waiting_bytes -= log_bytes;
    } else {
        journal->refused_record_bytes -= kept->record_len;
        journal->stats.refused--;
    }
    pbts_release(journal->mem, kept);
}

/* ---- receipts that come ---- */

static pbts_status copy_record(pbts_journal_kept **out, pbts_mem *mem,
                               const pbts_receipt_record *record) {
    size_t room = PBTS_RECEIPT_RECORD_ROOM + record->receipt.bitmap.len +
                  record->receipt.piece_signatures.len + record->piece_hashes.len;
    pbts_journal_kept *kept = pbts_alloc(mem, sizeof *kept + room);
    if (kept == NULL) return PBTS_NO_MEMORY;
    pbts_writer writer = pbts_writer_over(kept->record, room);
    pbts_receipt_record_encode(&writer, record);
    assert(!writer.failed);
    kept->record_len = (uint32_t)writer.len;
    /* Shrinking may fail; then it stays as it is. */
    pbts_journal_kept *shrunk = pbts_resize_array(mem, kept, 1, sizeof *kept + writer.len);
    *out = shrunk != NULL ? shrunk : kept;
    return PBTS_OK;
}

pbts_status pbts_journal_prepare(pbts_journal *journal, pbts_journal_kept **out,
                                 const pbts_receipt_record *record, uint64_t number) {
    assert(number > journal->last_number);
    if (journal->stats.waiting >= PBTS_JOURNAL_WAITING_MAX) return PBTS_LIMIT;
    if (journal->waiting_record_bytes >= PBTS_JOURNAL_WAITING_BYTES_MAX) return PBTS_LIMIT;
    PBTS_TRY(buckets_reserve(journal, (size_t)journal->stats.waiting + 1));
    PBTS_TRY(slots_reserve(journal));
    pbts_journal_kept *kept;
    PBTS_TRY(copy_record(&kept, journal->mem, record));
    kept->number = number;
    kept->key = key_of(&record->receipt);
    *out = kept;
    return PBTS_OK;
}

static void drop_replaced(pbts_journal *journal, const pbts_journal_kept *by) {
    pbts_journal_kept *next, *kept = *bucket_of(journal, by->key);
    for (; kept != NULL; kept = next) {
        next = kept->next;
        if (says_as_much(by, kept)) drop(journal, kept);
    }
}

void pbts_journal_put(pbts_journal *journal, pbts_journal_kept *kept) {
    uint64_t log_bytes = pbts_journal_log_bytes(kept);
    drop_replaced(journal, kept);
    buckets_add(journal, kept);
    journal->slots[journal->count].number = kept->number;
    journal->slots[journal->count++].kept = kept;
    journal->live++;
    journal->last_number = kept->number;
    journal->waiting_record_bytes += kept->record_len;
    journal->live_log_bytes += log_bytes;
    journal->stats.waiting++;
    journal->stats.waiting_bytes += log_bytes;
}

pbts_status pbts_journal_add(pbts_journal *journal, pbts_writer *entry, uint64_t *number,
                             const pbts_receipt_record *record) {
    pbts_journal_kept *kept;
    pbts_writer written = *entry;
    PBTS_TRY(pbts_journal_prepare(journal, &kept, record, journal->last_number + 1));
    const pbts_journal_kept *same = pbts_journal_find_same(journal, kept);
    if (same != NULL) {
        *number = same->number;
        pbts_release(journal->mem, kept);
        return PBTS_OK;
    }
    pbts_journal_write_receipt(&written, kept);
    if (written.failed) {
        pbts_release(journal->mem, kept);
        return PBTS_NO_SPACE;
    }
    journal->stats.log_bytes += written.len - entry->len;
    *entry = written;
    *number = kept->number;
    pbts_journal_put(journal, kept);
    return PBTS_OK;
}

/* ---- receipts that are decided ---- */

static void drop_oldest_refused(pbts_journal *journal) {
    for (size_t i = 0; i < journal->count; i++) {
        pbts_journal_kept *kept = journal->slots[i].kept;
        if (kept == NULL || kept->outcome != PBTS_OUTCOME_REFUSED) continue;
        drop(journal, kept);
        return;
    }
}

static bool has_room_for_refused(const pbts_journal *journal, const pbts_journal_kept *kept) {
    return journal->stats.refused < PBTS_JOURNAL_REFUSED_MAX &&
           journal->refused_record_bytes + kept->record_len <= PBTS_JOURNAL_REFUSED_BYTES_MAX;
}

static void refuse(pbts_journal *journal, pbts_journal_kept *kept, pbts_span reason) {
    uint64_t log_bytes = pbts_journal_log_bytes(kept);
    while (!has_room_for_refused(journal, kept)) drop_oldest_refused(journal);
    buckets_remove(journal, kept);
    journal->waiting_record_bytes -= kept->record_len;
    journal->refused_record_bytes += kept->record_len;
    journal->stats.waiting--;
    journal->stats.waiting_bytes -= log_bytes;
    journal->stats.refused++;
    kept->outcome = PBTS_OUTCOME_REFUSED;
    kept->reason_len = (uint8_t)reason.len;
    if (reason.len > 0) memcpy(kept->reason, reason.data, reason.len);
    journal->live_log_bytes += pbts_journal_log_bytes(kept) - log_bytes;
}

void pbts_journal_decide(pbts_journal *journal, pbts_journal_kept *kept,
                         pbts_journal_outcome outcome, uint64_t credited_bytes, pbts_span reason) {
    assert(kept->outcome == PBTS_OUTCOME_WAITING && outcome != PBTS_OUTCOME_WAITING);
    if (outcome == PBTS_OUTCOME_REFUSED) {
        refuse(journal, kept, reason);
        return;
    }
    drop(journal, kept);
    journal->stats.counted++;
    journal->stats.credited_bytes += credited_bytes;
}

pbts_status pbts_journal_settle(pbts_journal *journal, pbts_writer *entry, uint64_t number,
                                pbts_journal_outcome outcome, uint64_t credited_bytes,
                                pbts_span reason) {
    pbts_journal_kept *kept = pbts_journal_find(journal, number);
    pbts_writer written = *entry;
    if (kept == NULL) return PBTS_NOT_FOUND;
    if (reason.len > PBTS_JOURNAL_REASON_MAX) reason.len = PBTS_JOURNAL_REASON_MAX;
    pbts_journal_write_outcome(&written, number, outcome, credited_bytes, reason);
    if (written.failed) return PBTS_NO_SPACE;
    journal->stats.log_bytes += written.len - entry->len;
    *entry = written;
    pbts_journal_decide(journal, kept, outcome, credited_bytes, reason);
    return PBTS_OK;
}

/* ---- what goes into a report ---- */

static bool may_grow(const pbts_receipt *receipt, uint64_t epoch_now) {
    return receipt->form == PBTS_FORM_CUMULATIVE && receipt->epoch >= epoch_now;
}

/* Whether the query asks for this one. The first that it could be decides whose are picked. */
static bool is_asked(const pbts_journal_query *query, uint8_t iid[static PBTS_IID_LEN],
                     bool *iid_known, const pbts_receipt *receipt) {
    if (!query->all && may_grow(receipt, query->epoch_now)) return false;
    if (!*iid_known) memcpy(iid, receipt->iid, PBTS_IID_LEN);
    *iid_known = true;
    return memcmp(iid, receipt->iid, PBTS_IID_LEN) == 0;
}

size_t pbts_journal_pick(const pbts_journal *journal, pbts_journal_item *out,
                         const pbts_journal_query *query) {
    uint8_t iid[PBTS_IID_LEN];
    bool iid_known = query->iid != NULL;
    size_t count = 0, bytes = 0;
    if (iid_known) memcpy(iid, query->iid, sizeof iid);
    if (query->after == UINT64_MAX) return 0;
    for (size_t i = slot_from(journal, query->after + 1); i < journal->count; i++) {
        const pbts_journal_kept *kept = journal->slots[i].kept;
        if (kept == NULL || kept->outcome != PBTS_OUTCOME_WAITING) continue;
        if (count == query->items_max) break;
        pbts_receipt_record record = pbts_journal_record_of(kept);
        if (!is_asked(query, iid, &iid_known, &record.receipt)) continue;
        bytes += kept->record_len;
        if (count > 0 && bytes > query->bytes_max) break;
        out[count++] = (pbts_journal_item){ .number = kept->number, .record = record };
    }
    return count;
}

static bool has_iid(const uint8_t (*list)[PBTS_IID_LEN], size_t count, const uint8_t *iid) {
    for (size_t i = 0; i < count; i++) {
        if (memcmp(list[i], iid, PBTS_IID_LEN) == 0) return true;
    }
    return false;
}

size_t pbts_journal_instances(const pbts_journal *journal, uint8_t (*out)[PBTS_IID_LEN],
                              size_t max) {
    size_t count = 0;
    for (size_t i = 0; i < journal->count && count < max; i++) {
        const pbts_journal_kept *kept = journal->slots[i].kept;
        if (kept == NULL || kept->outcome != PBTS_OUTCOME_WAITING) continue;
        pbts_receipt_record record = pbts_journal_record_of(kept);
        if (has_iid((const uint8_t(*)[PBTS_IID_LEN])out, count, record.receipt.iid)) continue;
        memcpy(out[count++], record.receipt.iid, PBTS_IID_LEN);
    }
    return count;
}

pbts_status pbts_journal_next(const pbts_journal *journal, pbts_journal_item *item,
                              pbts_journal_outcome *outcome, pbts_span *reason, uint64_t after) {
    if (after == UINT64_MAX) return PBTS_NOT_FOUND;
    for (size_t i = slot_from(journal, after + 1); i < journal->count; i++) {
        const pbts_journal_kept *kept = journal->slots[i].kept;
        if (kept == NULL) continue;
        *item = (pbts_journal_item){ kept->number, pbts_journal_record_of(kept) };
        *outcome = kept->outcome;
        *reason = (pbts_span){ kept->reason, kept->reason_len };
        return PBTS_OK;
    }
    return PBTS_NOT_FOUND;
}

/* ---- the whole ---- */

pbts_status pbts_journal_new(pbts_journal **out, pbts_mem *mem) {
    pbts_journal *journal = pbts_alloc(mem, sizeof *journal);
    if (journal == NULL) return PBTS_NO_MEMORY;
    journal->mem = mem;
    journal->stats.log_bytes = sizeof PBTS_JOURNAL_MAGIC - 1;
    *out = journal;
    return PBTS_OK;
}

void pbts_journal_free(pbts_journal *journal) {
    if (journal == NULL) return;
    for (size_t i = 0; i < journal->count; i++) {
        pbts_release(journal->mem, journal->slots[i].kept);
    }
    pbts_release(journal->mem, journal->slots);
    pbts_release(journal->mem, journal->buckets);
    pbts_release(journal->mem, journal);
}

void pbts_journal_stats_read(const pbts_journal *journal, pbts_journal_stats *out) {
    *out = journal->stats;
}
