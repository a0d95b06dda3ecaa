#include "wire/report_draft.h"

#include <jansson.h>

#include "base/assert.h"
#include "codec/text.h"
#include "wire/runs.h"

void pbts_report_free(pbts_report *report) {
    if (report->mem == NULL) return;
    pbts_release(report->mem, report->statements);
    pbts_release(report->mem, report->owned[PBTS_OWNED_PIECES]);
    json_decref(report->owned[PBTS_OWNED_JSON]);
    *report = (pbts_report){ 0 };
}

void pbts_draft_init(pbts_report_draft *draft, pbts_mem *mem) {
    *draft = (pbts_report_draft){ .report = { .mem = mem } };
}

void pbts_draft_deinit(pbts_report_draft *draft) {
    if (draft->report.mem != NULL) pbts_release(draft->report.mem, draft->sources);
    draft->sources = NULL;
    pbts_report_free(&draft->report);
}

pbts_status pbts_draft_bad(pbts_report_draft *draft, const char *problem) {
    draft->problem = problem;
    return PBTS_MALFORMED;
}

pbts_status pbts_draft_limit(pbts_report_draft *draft, const char *problem) {
    draft->problem = problem;
    return PBTS_LIMIT;
}

pbts_status pbts_draft_no_memory(pbts_report_draft *draft) {
    draft->problem = "out of memory";
    return PBTS_NO_MEMORY;
}

pbts_status pbts_draft_begin(pbts_report_draft *draft, size_t count) {
    pbts_report *report = &draft->report;
    assert(report->statements == NULL);
    if (count == 0) return pbts_draft_bad(draft, "the report has no statements");
    if (count > PBTS_REPORT_STATEMENTS_MAX) {
        return pbts_draft_limit(draft, "the report has more than 10000 statements");
    }
    report->statements = pbts_alloc_array(report->mem, count, sizeof *report->statements);
    draft->sources = pbts_alloc_array(report->mem, count, sizeof *draft->sources);
    if (report->statements == NULL || draft->sources == NULL) return pbts_draft_no_memory(draft);
    report->count = count;
    return PBTS_OK;
}

/* ---- where the pieces are ---- */

static pbts_status expands_too_far(pbts_report_draft *draft) {
    return pbts_draft_limit(draft, "the pieces of all statements take more than 16 MiB");
}

static pbts_status add_source(pbts_report_draft *draft, size_t index, pbts_pieces_source source) {
    size_t bytes = pbts_piece_set_len(source.bits);
    assert(index < draft->report.count && draft->sources[index].form == PBTS_PIECES_NONE);
    if (bytes > PBTS_REPORT_LEN_MAX - draft->expanded_bytes) return expands_too_far(draft);
    draft->sources[index] = source;
    draft->expanded_bytes += bytes;
    return PBTS_OK;
}

static pbts_status too_many_pieces(pbts_report_draft *draft) {
    return pbts_draft_limit(draft, "a statement speaks of more pieces than a torrent can have");
}

pbts_status pbts_draft_pieces_runs(pbts_report_draft *draft, size_t index, pbts_span runs) {
    pbts_pieces_source source = { .form = PBTS_PIECES_RUNS, .source = runs };
    pbts_status status = pbts_runs_measure(&source.bits, runs, PBTS_PIECES_MAX);
    if (status == PBTS_LIMIT) return too_many_pieces(draft);
    if (status != PBTS_OK) return pbts_draft_bad(draft, "the runs of a statement are malformed");
    return add_source(draft, index, source);
}

/* How many bytes a base64 text stands for, if it is one. */
static size_t base64_bytes(pbts_span text) {
    size_t digits = text.len;
    while (digits > 0 && text.data[digits - 1] == '=') digits--;
    return digits / 4 * 3 + digits % 4 * 3 / 4;
}

pbts_status pbts_draft_pieces_base64(pbts_report_draft *draft, size_t index, pbts_span text) {
    size_t bytes = base64_bytes(text);
    if (bytes == 0) return pbts_draft_bad(draft, "a bitmap is empty");
    if (bytes > PBTS_PIECES_MAX / 8) return too_many_pieces(draft);
    return add_source(draft, index,
                      (pbts_pieces_source){ .form = PBTS_PIECES_BASE64,
                                            .source = text,
                                            .bits = (uint32_t)bytes * 8 });
}

pbts_status pbts_draft_pieces_ranges(pbts_report_draft *draft, size_t index, pbts_span text,
                                     uint64_t piece_count) {
    if (piece_count == 0) return pbts_draft_bad(draft, "piece_count must be 1 or more");
    if (piece_count > PBTS_PIECES_MAX) return too_many_pieces(draft);
    return add_source(draft, index,
                      (pbts_pieces_source){ .form = PBTS_PIECES_RANGES,
                                            .source = text,
                                            .bits = (uint32_t)piece_count });
}

static pbts_status check_signatures_len(pbts_report_draft *draft, size_t len) {
    if (len == 0 || len % PBTS_SECP256K1_SIGNATURE_LEN != 0) {
        return pbts_draft_bad(draft, "a session's piece signatures are 64 bytes each");
    }
    if (len > (size_t)PBTS_RECEIPT_SESSION_PIECES_MAX * PBTS_SECP256K1_SIGNATURE_LEN) {
        return pbts_draft_limit(draft, "a session statement has more than 1024 pieces");
    }
    return PBTS_OK;
}

pbts_status pbts_draft_signatures(pbts_report_draft *draft, size_t index, pbts_span bytes) {
    PBTS_TRY(check_signatures_len(draft, bytes.len));
    draft->report.statements[index].piece_signatures = bytes;
    return PBTS_OK;
}

pbts_status pbts_draft_signatures_base64(pbts_report_draft *draft, size_t index, pbts_span text) {
    size_t len = base64_bytes(text);
    PBTS_TRY(check_signatures_len(draft, len));
    if (len > PBTS_REPORT_LEN_MAX - draft->expanded_bytes) return expands_too_far(draft);
    draft->sources[index].signatures_text = text;
    draft->sources[index].signatures_len = len;
    draft->expanded_bytes += len;
    return PBTS_OK;
}

/* ---- expanding ---- */

/* Read decimal digits; PBTS_LIMIT at `limit` and above. */
static pbts_status read_index(pbts_cursor *text, uint32_t *out, uint32_t limit) {
    uint32_t value = 0;
    const uint8_t *start = text->next;
    for (; text->next < text->end && *text->next >= '0' && *text->next <= '9'; text->next++) {
        value = value * 10 + (uint32_t)(*text->next - '0');
        if (value >= limit) return PBTS_LIMIT;
    }
    if (text->next == start) return PBTS_MALFORMED;
    *out = value;
    return PBTS_OK;
}

static bool skip(pbts_cursor *text, uint8_t character) {
    if (text->next == text->end || *text->next != character) return false;
    text->next++;
    return true;
}

/* "0-99,120". Unlike those of a person's command line, ranges from the network must ascend, so that
 * the work is bounded by the size of the set and not by the length of the text. */
static pbts_status expand_ranges(uint8_t *set, pbts_span text, uint32_t piece_count) {
    pbts_cursor rest = pbts_cursor_over(text);
    uint32_t from = 0, first, last;
    do {
        PBTS_TRY(read_index(&rest, &first, piece_count));
        last = first;
        if (skip(&rest, '-')) PBTS_TRY(read_index(&rest, &last, piece_count));
        if (first < from || last < first) return PBTS_MALFORMED;
        pbts_piece_range_add(set, first, last);
        from = last + 1;
    } while (skip(&rest, ','));
    return pbts_cursor_left(&rest) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status expand(pbts_report_draft *draft, uint8_t *set,
                          const pbts_pieces_source *source) {
    if (source->form == PBTS_PIECES_RUNS) {
        pbts_runs_expand(set, source->source);
        return PBTS_OK;
    }
    if (source->form == PBTS_PIECES_BASE64) {
        if (pbts_base64_decode_exact(set, source->bits / 8, source->source) == PBTS_OK) {
            return PBTS_OK;
        }
        return pbts_draft_bad(draft, "a bitmap is not base64");
    }
    if (pbts_span_is(source->source, "all")) {
        pbts_piece_range_add(set, 0, source->bits - 1);
        return PBTS_OK;
    }
    pbts_status status = expand_ranges(set, source->source, source->bits);
    if (status == PBTS_LIMIT) {
        return pbts_draft_limit(draft, "pieces names a piece past piece_count");
    }
    if (status == PBTS_OK) return PBTS_OK;
    return pbts_draft_bad(draft, "pieces must be \"all\" or ascending, such as \"0-99,120\"");
}

static pbts_status expand_all(pbts_report_draft *draft) {
    pbts_report *report = &draft->report;
    uint8_t *room = pbts_alloc(report->mem, draft->expanded_bytes);
    if (room == NULL) return pbts_draft_no_memory(draft);
    report->owned[PBTS_OWNED_PIECES] = room;
    for (size_t i = 0; i < report->count; i++) {
        const pbts_pieces_source *source = &draft->sources[i];
        size_t len = pbts_piece_set_len(source->bits);
        if (source->form != PBTS_PIECES_NONE) {
            PBTS_TRY(expand(draft, room, source));
            report->statements[i].bitmap = (pbts_span){ room, len };
            room += len;
        }
        len = source->signatures_len;
        if (len == 0) continue;
        if (pbts_base64_decode_exact(room, len, source->signatures_text) != PBTS_OK) {
            return pbts_draft_bad(draft, "a session's piece signatures are not base64");
        }
        report->statements[i].piece_signatures = (pbts_span){ room, len };
        room += len;
    }
    return PBTS_OK;
}

static pbts_status count_batch(pbts_report_draft *draft, size_t *total,
                               const pbts_statement *statement) {
    size_t count = pbts_piece_set_count(statement->bitmap);
    if (count > PBTS_RECEIPT_BATCH_PIECES_MAX) {
        return pbts_draft_limit(draft, "a batch statement has more than 4096 pieces");
    }
    *total += count;
    return PBTS_OK;
}

static pbts_status count_session(pbts_report_draft *draft, size_t *total,
                                 const pbts_statement *statement) {
    size_t count = pbts_piece_set_count(statement->bitmap);
    if (statement->piece_signatures.len != count * PBTS_SECP256K1_SIGNATURE_LEN) {
        return pbts_draft_bad(draft, "a session needs one signature for each of its pieces");
    }
    *total += count;
    return PBTS_OK;
}

static pbts_status check_counts(pbts_report_draft *draft) {
    size_t batch_pieces = 0, session_pieces = 0;
    for (size_t i = 0; i < draft->report.count; i++) {
        const pbts_statement *statement = &draft->report.statements[i];
        if (statement->form == PBTS_FORM_BATCH) {
            PBTS_TRY(count_batch(draft, &batch_pieces, statement));
        }
        if (statement->form == PBTS_FORM_SESSION) {
            PBTS_TRY(count_session(draft, &session_pieces, statement));
        }
    }
    if (batch_pieces > PBTS_REPORT_BATCH_PIECES_MAX) {
        return pbts_draft_limit(draft, "the batches of a report have more than 1048576 pieces");
    }
    if (session_pieces > PBTS_REPORT_SESSION_PIECES_MAX) {
        return pbts_draft_limit(draft, "the sessions of a report have more than 65536 pieces");
    }
    return PBTS_OK;
}

pbts_status pbts_draft_expand(pbts_report_draft *draft) {
    if (draft->expanded_bytes > 0) PBTS_TRY(expand_all(draft));
    return check_counts(draft);
}

void pbts_draft_take(pbts_report_draft *draft, pbts_report *out) {
    *out = draft->report;
    draft->report = (pbts_report){ .mem = out->mem };
}
