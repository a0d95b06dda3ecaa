/* What every decoded report must satisfy, for the two fuzz targets. */
#ifndef PBTS_TESTS_FUZZ_REPORT_STABLE_H
#define PBTS_TESTS_FUZZ_REPORT_STABLE_H

#include <stdlib.h>

#include "hash/sha.h"
#include "wire/report.h"

static inline void require(bool truth) {
    if (!truth) abort();
}

static inline size_t encode_list(uint8_t *out, size_t room, const pbts_report *report) {
    pbts_writer writer = pbts_writer_over(out, room);
    pbts_report_encode_statements(&writer, report->statements, report->count);
    require(pbts_writer_status(&writer) == PBTS_OK);
    return writer.len;
}

static inline size_t room_for(const pbts_report *report) {
    size_t room = 1024;
    for (size_t i = 0; i < report->count; i++) {
        const pbts_statement *statement = &report->statements[i];
        room += 512 + statement->bitmap.len + statement->piece_signatures.len;
    }
    return room;
}

/* What the forms promise, and the limits of what they cost. */
static inline void require_forms(const pbts_report *report) {
    size_t batch_pieces = 0, session_pieces = 0;
    for (size_t i = 0; i < report->count; i++) {
        const pbts_statement *statement = &report->statements[i];
        size_t count = pbts_piece_set_count(statement->bitmap);
        bool is_session = statement->form == PBTS_FORM_SESSION;
        require(statement->form >= PBTS_FORM_PIECE && statement->form <= PBTS_FORM_SESSION);
        require((statement->bitmap.len == 0) == (statement->form == PBTS_FORM_PIECE));
        require(statement->piece_signatures.len == (is_session ? 64 * count : 0));
        if (is_session) session_pieces += count;
        if (statement->form == PBTS_FORM_BATCH) batch_pieces += count;
        require(!is_session || count <= PBTS_RECEIPT_SESSION_PIECES_MAX);
        require(statement->form != PBTS_FORM_BATCH || count <= PBTS_RECEIPT_BATCH_PIECES_MAX);
    }
    require(batch_pieces <= PBTS_REPORT_BATCH_PIECES_MAX);
    require(session_pieces <= PBTS_REPORT_SESSION_PIECES_MAX);
}

/* Values are in range, and the canonical list decodes to what encodes to the same list. Its hash
 * is that of a JSON report. */
static inline void require_stable(const pbts_report *report, bool json) {
    require(report->count > 0 && report->count <= PBTS_REPORT_STATEMENTS_MAX);
    require(pbts_uid_is_valid(report->uid));
    require_forms(report);
    size_t room = room_for(report);
    uint8_t *list = malloc(room), *body = malloc(room), *again = malloc(room);
    require(list != NULL && body != NULL && again != NULL);
    size_t len = encode_list(list, room, report);
    if (json && !report->legacy) {
        uint8_t hash[PBTS_SHA256_LEN];
        pbts_sha256(hash, (pbts_span){ list, len });
        require(memcmp(hash, report->statements_sha256, sizeof hash) == 0);
    }
    pbts_report envelope = *report, back;
    const char *problem = NULL;
    envelope.legacy = false;
    envelope.has_signature = true;
    pbts_writer writer = pbts_writer_over(body, room);
    pbts_report_encode(&writer, &envelope, (pbts_span){ list, len });
    require(pbts_writer_status(&writer) == PBTS_OK);
    require(pbts_report_decode_bencode(&back, &problem, pbts_mem_system(),
                                       pbts_writer_span(&writer)) == PBTS_OK);
    require(back.count == report->count && encode_list(again, room, &back) == len);
    require(memcmp(list, again, len) == 0);
    pbts_report_free(&back);
    free(list);
    free(body);
    free(again);
}

#endif
