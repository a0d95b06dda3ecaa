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
    for (size_t i = 0; i < report->count; i++) room += 512 + report->statements[i].bitmap.len;
    return room;
}

/* Values are in range, and the canonical list decodes to what encodes to the same list. Its hash
 * is that of a JSON report. */
static inline void require_stable(const pbts_report *report, bool json) {
    require(report->count > 0 && report->count <= PBTS_REPORT_STATEMENTS_MAX);
    require(pbts_uid_is_valid(report->uid));
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
