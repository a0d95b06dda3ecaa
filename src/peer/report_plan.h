/* peer/report_plan.h - from receipts that wait in the journal to the body of a report, and from the
 * tracker's answer back into the journal. Bytes in, bytes out: the owner sends them.
 *
 * A plan first tries the smallest body: receipts of one session joined, one aggregate signature for
 * all statements. When the tracker refuses that, because one of them is bad, the owner makes a
 * plain plan of the same receipts, in which each stands for itself.
 */
#ifndef PBTS_PEER_REPORT_PLAN_H
#define PBTS_PEER_REPORT_PLAN_H

#include "peer/journal.h"

/* Who reports, and to which instance. Borrowed. */
typedef struct {
    const pbts_bls_secret *secret;
    pbts_bls_public key; /* of that secret */
    pbts_span uid;
    uint8_t iid[PBTS_IID_LEN];
} pbts_reporter;

typedef struct pbts_report_plan pbts_report_plan; /* opaque */

/* A report of the first of `items`, as many as one report takes; count > 0. `plain`: nothing is
 * joined or aggregated. Nothing is borrowed afterwards. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_report_plan_new(pbts_report_plan **out, pbts_mem *mem,
                                               const pbts_reporter *reporter,
                                               const pbts_journal_item *items, size_t count,
                                               bool plain, uint64_t unix_time);
void pbts_report_plan_free(pbts_report_plan *plan); /* NULL is a no-op */
/* application/x-bencode, at most PBTS_REPORT_LEN_MAX. */
pbts_span pbts_report_plan_body(const pbts_report_plan *plan);
/* How many of the items are in it. */
size_t pbts_report_plan_count(const pbts_report_plan *plan);

typedef enum {
    PBTS_REPORT_SETTLED, /* every receipt is decided, or waits for a reason of its own */
    PBTS_REPORT_PLAIN,   /* none of those that were not decided: make a plain plan of them */
    PBTS_REPORT_SPLIT,   /* the body is not understood: report in halves, to find what is not */
    PBTS_REPORT_LATER,   /* the tracker cannot now: try again in a while */
    PBTS_REPORT_DENIED   /* it does not take reports from us: `code` says why */
} pbts_report_next;

typedef struct {
    pbts_report_next next;
    uint32_t counted, refused, waiting; /* receipts: settled so or so; not decided */
    uint64_t credited_bytes, held_bytes;
    char code[PBTS_JOURNAL_REASON_MAX + 1]; /* of the report as a whole; else of one that was
                                               refused or waits; "" when there is none */
} pbts_report_outcome;

/* Settle what the answer decides. `entries` gets what is to be appended to the log and has
 * PBTS_JOURNAL_OUTCOME_MAX free bytes for each receipt of the plan. What is no answer at all
 * counts as "later". Receipts that are gone from the journal meanwhile are passed over.
 * PBTS_NO_SPACE, PBTS_NO_MEMORY: nothing was settled. */
PBTS_MUST_USE pbts_status pbts_report_plan_settle(const pbts_report_plan *plan,
                                                  pbts_journal *journal, pbts_writer *entries,
                                                  pbts_report_outcome *outcome,
                                                  unsigned http_status, pbts_span answer);

#endif
