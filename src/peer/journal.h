/* peer/journal.h - receipts that a sender holds until the tracker has counted them: the log's
 * bytes, and what of it goes into the next report. No I/O: the owner appends, syncs and renames.
 *
 * The log is "pbts-journal1\n" and then entries, each
 *   u32 length of body | SHA-256(body)[0:8] | body: u8 kind, then
 *     1 RECEIPT   u64 number, a receipt record (receipt/file.h)
 *     2 OUTCOME   u64 number, u8 outcome, u64 credited_bytes, u8 len, refusal code text
 * A torn end (kill -9, a full disk) is cut off at the last whole entry; anything else that is
 * damaged is PBTS_CORRUPT. Cumulative receipts of one (iid, receiver, infohash, epoch) replace each
 * other: the one with the most pieces counts. Compaction writes what still matters.
 */
#ifndef PBTS_PEER_JOURNAL_H
#define PBTS_PEER_JOURNAL_H

#include "receipt/file.h"

typedef struct pbts_journal pbts_journal; /* opaque; owns copies of all waiting records */

typedef enum {
    PBTS_OUTCOME_WAITING, /* not answered yet */
    PBTS_OUTCOME_COUNTED, /* credited, held or a duplicate: done */
    PBTS_OUTCOME_REFUSED  /* kept with the tracker's reason, not sent again */
} pbts_journal_outcome;

enum {
    PBTS_JOURNAL_WAITING_MAX = 1 << 20,
    PBTS_JOURNAL_REFUSED_MAX = 10000, /* the oldest are forgotten */
    PBTS_JOURNAL_REASON_MAX = 64,
};

PBTS_MUST_USE pbts_status pbts_journal_new(pbts_journal **out, pbts_mem *mem);
void pbts_journal_free(pbts_journal *journal); /* NULL is a no-op */

/* Read a whole log. `*good_len`: how far it is sound; cut the file there before appending.
 * PBTS_CORRUPT (not a journal, or damaged before its end), PBTS_LIMIT, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_journal_load(pbts_journal *journal, size_t *good_len,
                                            pbts_span bytes);
void pbts_journal_header(pbts_writer *writer);
/* Note a receipt and append its entry's bytes for the file; nothing is noted when it does not fit.
 * PBTS_LIMIT (too many wait), PBTS_NO_SPACE, PBTS_NO_MEMORY. `*number` names it. */
PBTS_MUST_USE pbts_status pbts_journal_add(pbts_journal *journal, pbts_writer *entry,
                                           uint64_t *number, const pbts_receipt_record *record);
/* Note what the tracker said and append the entry. PBTS_NOT_FOUND, PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_journal_settle(pbts_journal *journal, pbts_writer *entry,
                                              uint64_t number, pbts_journal_outcome outcome,
                                              uint64_t credited_bytes, pbts_span reason);

/* The oldest waiting records of one instance for one report: at most `max` statements and about
 * `bytes_max` of them; gives their numbers. Replaced cumulative receipts are not among them. A
 * cumulative one whose epoch is not over may still grow: left out unless `all`. */
typedef struct {
    uint64_t number;
    pbts_receipt_record record; /* borrowed until the journal changes */
} pbts_journal_item;
size_t pbts_journal_pick(const pbts_journal *journal, pbts_journal_item *out, size_t max,
                         size_t bytes_max, bool all, uint64_t epoch_now);
/* Whether a rewrite pays: more than half of the log's bytes matter no more, and they are many. */
bool pbts_journal_should_compact(const pbts_journal *journal);
/* The whole log anew, in parts: call until false; each part fits `writer` of at least
 * PBTS_JOURNAL_ENTRY_MAX bytes. `*cursor` starts at 0. */
enum { PBTS_JOURNAL_ENTRY_MAX = PBTS_RECEIPT_RECORD_LEN_MAX + 64 };
bool pbts_journal_rewrite(pbts_journal *journal, pbts_writer *writer, uint64_t *cursor);

typedef struct {
    uint64_t waiting, refused, counted;
    uint64_t waiting_bytes; /* of log */
} pbts_journal_stats;
void pbts_journal_stats_read(const pbts_journal *journal, pbts_journal_stats *out);
/* Walk the refused (and the waiting): i from 0; PBTS_NOT_FOUND at the end. */
PBTS_MUST_USE pbts_status pbts_journal_item_at(const pbts_journal *journal, size_t i,
                                               pbts_journal_item *item,
                                               pbts_journal_outcome *outcome, pbts_span *reason);

#endif
