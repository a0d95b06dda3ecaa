/* wire/report_draft.h - a report while it is being decoded, the same for both encodings. Private to
 * the module.
 *
 * A decoder begins with the number of statements, fills draft.report, and names for each statement
 * with a set where its pieces are. Finishing gives all of these one buffer, whose size is then
 * known and within its limit, expands them, and counts what they will cost.
 */
#ifndef PBTS_WIRE_REPORT_DRAFT_H
#define PBTS_WIRE_REPORT_DRAFT_H

#include "wire/report.h"

enum { PBTS_OWNED_PIECES, PBTS_OWNED_JSON }; /* of pbts_report.owned */

typedef enum {
    PBTS_PIECES_NONE,
    PBTS_PIECES_RUNS,
    PBTS_PIECES_BASE64,
    PBTS_PIECES_RANGES
} pbts_pieces_form;

typedef struct {
    pbts_pieces_form form;
    pbts_span source;
    uint32_t bits;             /* of the expanded set; a multiple of 8 for base64 */
    pbts_span signatures_text; /* a session's, in base64, and how many bytes they are */
    size_t signatures_len;
} pbts_pieces_source;

typedef struct {
    pbts_report report;
    const char *problem;         /* set with every failure */
    pbts_pieces_source *sources; /* one for each statement */
    size_t expanded_bytes;       /* of all sources */
} pbts_report_draft;

void pbts_draft_init(pbts_report_draft *draft, pbts_mem *mem);
void pbts_draft_deinit(pbts_report_draft *draft); /* what was not finished is released */

/* Give a reason and its status. */
pbts_status pbts_draft_bad(pbts_report_draft *draft, const char *problem);
pbts_status pbts_draft_limit(pbts_report_draft *draft, const char *problem);
pbts_status pbts_draft_no_memory(pbts_report_draft *draft);

/* PBTS_MALFORMED for none, PBTS_LIMIT, PBTS_NO_MEMORY. Call once. */
PBTS_MUST_USE pbts_status pbts_draft_begin(pbts_report_draft *draft, size_t count);
/* The pieces of statement `index`. PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_draft_pieces_runs(pbts_report_draft *draft, size_t index,
                                                 pbts_span runs);
PBTS_MUST_USE pbts_status pbts_draft_pieces_base64(pbts_report_draft *draft, size_t index,
                                                   pbts_span text);
PBTS_MUST_USE pbts_status pbts_draft_pieces_ranges(pbts_report_draft *draft, size_t index,
                                                   pbts_span text, uint64_t piece_count);
/* The piece signatures of a session. PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_draft_signatures(pbts_report_draft *draft, size_t index,
                                                pbts_span bytes);
PBTS_MUST_USE pbts_status pbts_draft_signatures_base64(pbts_report_draft *draft, size_t index,
                                                       pbts_span text);
/* Expand everything, and check counts: a signature for each piece of a session, and the limits of
 * batches and sessions. PBTS_MALFORMED, PBTS_LIMIT, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_draft_expand(pbts_report_draft *draft);
/* One statement of the canonical list; at most PBTS_STATEMENT_ROOM bytes, its bitmap and its piece
 * signatures. */
enum { PBTS_STATEMENT_ROOM = 512 };
void pbts_statement_encode(pbts_writer *writer, const pbts_statement *statement);
/* Move the report out. */
void pbts_draft_take(pbts_report_draft *draft, pbts_report *out);

#endif
