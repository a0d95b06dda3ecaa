/* wire/report_join.h - from receipts at rest to the statements of a report: a record as a
 * statement, and the receipts of one session as one statement.
 *
 * A peer stores each piece of a session by itself, with the certificate; in a report the
 * certificate stands once for up to PBTS_RECEIPT_SESSION_PIECES_MAX pieces of an epoch. That is a
 * third of the bytes, and one hash to the curve instead of a thousand.
 */
#ifndef PBTS_WIRE_REPORT_JOIN_H
#define PBTS_WIRE_REPORT_JOIN_H

#include "receipt/file.h"
#include "wire/report.h"

/* The parties by uid where the record has it, else by key; with its own signature. Spans are the
 * record's. */
pbts_statement pbts_statement_of(const pbts_receipt_record *record);

typedef struct {
    pbts_mem *mem;
    pbts_statement *statements; /* in the order of the first of each */
    size_t count;
    uint32_t *places; /* statement i of those given is in statements[places[i]] */
    uint8_t *room;    /* of the joined ones' sets and signatures */
} pbts_joined;

/* Join `count` <= PBTS_REPORT_STATEMENTS_MAX statements. SESSION statements join when all but
 * pieces is equal; a piece that several name is taken from the first. Others stay as they are, and
 * so does a session that is malformed. Spans of what was not joined are still those of `given`.
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_statements_join(pbts_joined *out, pbts_mem *mem,
                                               const pbts_statement *given, size_t count);
void pbts_joined_free(pbts_joined *joined); /* all zero is a no-op */

#endif
