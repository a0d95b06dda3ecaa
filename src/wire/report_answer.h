/* wire/report_answer.h - what a tracker says to a report: the JSON answer of POST /report
 * (docs/protocol.md, "The answer") as a value. It comes from outside like anything else. */
#ifndef PBTS_WIRE_REPORT_ANSWER_H
#define PBTS_WIRE_REPORT_ANSWER_H

#include "base/mem.h"
#include "wire/report.h"

enum {
    PBTS_ANSWER_LEN_MAX = 8 * 1024 * 1024,
    PBTS_ANSWER_CODE_MAX = 64, /* of [A-Z0-9_] */
};

typedef enum {
    PBTS_ANSWER_CREDITED,
    PBTS_ANSWER_HELD,
    PBTS_ANSWER_DUPLICATE,
    PBTS_ANSWER_REFUSED,
} pbts_answer_verdict;

/* Of one statement; in the order in which they were sent. */
typedef struct {
    pbts_answer_verdict verdict;
    uint64_t credited_bytes, held_bytes;
    uint32_t pieces, duplicates; /* credited or held; counted before */
    pbts_span code;              /* REFUSED: why */
} pbts_answer_statement;

typedef struct {
    pbts_mem *mem;
    bool success;
    pbts_span code; /* not success: why the report as a whole was refused */
    pbts_answer_statement *statements;
    size_t count;
    void *json; /* what spans are borrowed from */
} pbts_report_answer;

/* PBTS_MALFORMED, PBTS_LIMIT, PBTS_NO_MEMORY. Keys that are not known are passed over. The JSON is
 * held by jansson, whose memory does not come from `mem`. */
PBTS_MUST_USE pbts_status pbts_report_answer_decode(pbts_report_answer *out, pbts_mem *mem,
                                                    pbts_span body);
void pbts_report_answer_free(pbts_report_answer *answer); /* all zero is a no-op */

#endif
