/* peer/journal.h - receipts that a sender holds until the tracker has counted them: the log's
 * bytes, and what of it goes into the next report. No I/O: the owner appends, syncs and renames.
 *
 * The log is "pbts-journal1\n" and then entries, each
 *   u32 length of body | u32 length ^ "pbts" | SHA-256(body)[0:8] | body: u8 kind, then
 *     1 RECEIPT   u64 number, a receipt record (receipt/file.h)
 *     2 OUTCOME   u64 number, u8 outcome, u64 credited_bytes, u8 len, refusal code text
 *     3 COUNTED   u64 receipts, u64 credited_bytes, u64 last number: what a rewrite left out
 * Numbers ascend. A torn end (kill -9, a full disk, pages that never got to the disk) is cut off at
 * the last whole entry; anything else that is damaged is PBTS_CORRUPT, because cutting there would
 * lose receipts. Cumulative receipts of one (iid, sender, receiver, infohash, epoch) replace each
 * other when the newer has all pieces of the older. Compaction writes what still matters.
 */
#ifndef PBTS_PEER_JOURNAL_H
#define PBTS_PEER_JOURNAL_H

#include "base/mem.h"
#include "receipt/file.h"

typedef struct pbts_journal pbts_journal; /* opaque; owns copies of all records that it keeps */

typedef enum {
    PBTS_OUTCOME_WAITING, /* not answered yet */
    PBTS_OUTCOME_COUNTED, /* credited, held or a duplicate: done */
    PBTS_OUTCOME_REFUSED  /* kept with the tracker's reason, not sent again */
} pbts_journal_outcome;

enum {
    PBTS_JOURNAL_WAITING_MAX = 1 << 20,
    PBTS_JOURNAL_WAITING_BYTES_MAX = 512 << 20, /* of records: they are in memory */
    PBTS_JOURNAL_REFUSED_MAX = 10000,           /* the oldest are forgotten */
    PBTS_JOURNAL_REFUSED_BYTES_MAX = 64 << 20,  /* of records; as well */
    PBTS_JOURNAL_REASON_MAX = 64,
};

PBTS_MUST_USE pbts_status pbts_journal_new(pbts_journal **out, pbts_mem *mem);
void pbts_journal_free(pbts_journal *journal); /* NULL is a no-op */

/* Read a whole log into a new journal. `*good_len`: how far it is sound; cut the file there before
 * appending (0: it has not even its header yet; write that). The journal is of use only on PBTS_OK.
 * PBTS_CORRUPT (not a journal, or damaged before its end), PBTS_LIMIT, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_journal_load(pbts_journal *journal, size_t *good_len,
                                            pbts_span bytes);
void pbts_journal_header(pbts_writer *writer);
/* Note a receipt and append its entry's bytes for the file; nothing is noted when it does not fit.
 * PBTS_LIMIT (too many wait), PBTS_NO_SPACE, PBTS_NO_MEMORY. `*number` names it. One that says no
 * more than one that waits already adds nothing, and `*number` is that one's. */
PBTS_MUST_USE pbts_status pbts_journal_add(pbts_journal *journal, pbts_writer *entry,
                                           uint64_t *number, const pbts_receipt_record *record);
/* Note what the tracker said (COUNTED or REFUSED) and append the entry, at most
 * PBTS_JOURNAL_OUTCOME_MAX bytes. PBTS_NOT_FOUND (nothing of that number waits: it may have been
 * replaced meanwhile), PBTS_NO_SPACE. A longer reason is cut. */
enum { PBTS_JOURNAL_OUTCOME_MAX = 128 };
PBTS_MUST_USE pbts_status pbts_journal_settle(pbts_journal *journal, pbts_writer *entry,
                                              uint64_t number, pbts_journal_outcome outcome,
                                              uint64_t credited_bytes, pbts_span reason);

/* The oldest waiting records of one instance for one report. Replaced cumulative receipts are not
 * among them. A cumulative one whose epoch is not over may still grow: left out unless `all`. To go
 * on behind those that the tracker did not decide, give the last number as `after`. */
typedef struct {
    const uint8_t *iid; /* PBTS_IID_LEN bytes; NULL: that of the oldest */
    uint64_t after;     /* only numbers above this */
    size_t items_max;   /* room in `out` */
    size_t bytes_max;   /* of records; at least one is given whatever it says */
    bool all;
    uint64_t epoch_now;
} pbts_journal_query;
typedef struct {
    uint64_t number;
    pbts_receipt_record record; /* borrowed until the journal changes */
} pbts_journal_item;
size_t pbts_journal_pick(const pbts_journal *journal, pbts_journal_item *out,
                         const pbts_journal_query *query);
/* The instances that receipts wait for, each once, at most `max`; returns how many. */
size_t pbts_journal_instances(const pbts_journal *journal, uint8_t (*out)[PBTS_IID_LEN],
                              size_t max);
/* Whether a rewrite pays: more than half of the log's bytes matter no more, and they are many. */
bool pbts_journal_should_compact(const pbts_journal *journal);
/* The whole log anew, header first, in parts: call until false; each part fits `writer`, which has
 * at least PBTS_JOURNAL_ENTRY_MAX bytes free. `*cursor` starts at 0; the journal must not change in
 * between. After the last part the log counts as rewritten. */
enum { PBTS_JOURNAL_ENTRY_MAX = PBTS_RECEIPT_RECORD_LEN_MAX + 256 };
bool pbts_journal_rewrite(pbts_journal *journal, pbts_writer *writer, uint64_t *cursor);

typedef struct {
    uint64_t waiting, refused, counted;
    uint64_t waiting_bytes;  /* of log */
    uint64_t log_bytes;      /* of the whole log as it is on disk */
    uint64_t credited_bytes; /* as the tracker said */
} pbts_journal_stats;
void pbts_journal_stats_read(const pbts_journal *journal, pbts_journal_stats *out);
/* Walk the refused and the waiting, oldest first: the first with a number above `after`.
 * PBTS_NOT_FOUND at the end. `reason` is borrowed, and empty unless it was refused. */
PBTS_MUST_USE pbts_status pbts_journal_next(const pbts_journal *journal, pbts_journal_item *item,
                                            pbts_journal_outcome *outcome, pbts_span *reason,
                                            uint64_t after);

#endif
