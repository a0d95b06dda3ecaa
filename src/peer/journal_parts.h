/* peer/journal_parts.h - the journal's memory and the entries of its log. Private to peer/.
 *
 * Records are kept in the order of their numbers; one that matters no more leaves a hole, and holes
 * are squeezed out when they are many. Waiting records are also found by what they speak of.
 */
#ifndef PBTS_PEER_JOURNAL_PARTS_H
#define PBTS_PEER_JOURNAL_PARTS_H

#include "peer/journal.h"

#define PBTS_JOURNAL_MAGIC "pbts-journal1\n"

enum {
    PBTS_JOURNAL_HEAD_LEN = 4 + 4 + 8, /* of an entry, before its body */
    PBTS_JOURNAL_KIND_RECEIPT = 1,
    PBTS_JOURNAL_KIND_OUTCOME = 2,
    PBTS_JOURNAL_KIND_COUNTED = 3,
};

typedef struct pbts_journal_kept {
    struct pbts_journal_kept *next; /* in its bucket; of waiting ones only */
    uint64_t number;
    uint64_t key;                 /* of what it speaks of */
    pbts_journal_outcome outcome; /* WAITING or REFUSED */
    uint8_t reason_len;
    uint8_t reason[PBTS_JOURNAL_REASON_MAX]; /* REFUSED */
    uint32_t record_len;
    uint8_t record[]; /* encoded */
} pbts_journal_kept;

/* Invariant: slots[i].number ascends, the last of them is at most last_number; `live` of them are
 * no holes; the waiting ones, and no others, are each in the bucket of their key. */
struct pbts_journal {
    pbts_mem *mem;
    struct {
        uint64_t number;
        pbts_journal_kept *kept; /* NULL: a hole */
    } * slots;
    size_t count, capacity, live;
    pbts_journal_kept **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    uint64_t last_number;
    uint64_t reserved_number;      /* while reading: the last one ever given, when rewritten */
    uint64_t waiting_record_bytes; /* in memory */
    uint64_t refused_record_bytes; /* likewise */
    uint64_t live_log_bytes;       /* of waiting and refused ones */
    uint64_t rewritten_bytes;      /* while a rewrite goes on */
    pbts_journal_stats stats;
};

/* Copy a record under a number above all before. `*out` belongs to the caller until it is put in.
 * PBTS_LIMIT (too many wait), PBTS_NO_MEMORY (room for it is made, too). */
PBTS_MUST_USE pbts_status pbts_journal_prepare(pbts_journal *journal, pbts_journal_kept **out,
                                               const pbts_receipt_record *record, uint64_t number);
/* Put a prepared one in; those that it replaces are released. */
void pbts_journal_put(pbts_journal *journal, pbts_journal_kept *kept);
/* The waiting one that says as much as `kept` already, or NULL. */
const pbts_journal_kept *pbts_journal_find_same(const pbts_journal *journal,
                                                const pbts_journal_kept *kept);
/* The waiting one of this number, or NULL. */
pbts_journal_kept *pbts_journal_find(const pbts_journal *journal, uint64_t number);
/* It no longer waits; a counted one is released. */
void pbts_journal_decide(pbts_journal *journal, pbts_journal_kept *kept,
                         pbts_journal_outcome outcome, uint64_t credited_bytes, pbts_span reason);
pbts_receipt_record pbts_journal_record_of(const pbts_journal_kept *kept);

/* ---- the log's entries (journal_log.c) ---- */

/* How long the entries of one are: the receipt, and the outcome when it has one. */
uint64_t pbts_journal_log_bytes(const pbts_journal_kept *kept);
void pbts_journal_write_receipt(pbts_writer *writer, const pbts_journal_kept *kept);
void pbts_journal_write_outcome(pbts_writer *writer, uint64_t number, pbts_journal_outcome outcome,
                                uint64_t credited_bytes, pbts_span reason);

#endif
