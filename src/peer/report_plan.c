#include "peer/report_plan.h"

#include "base/assert.h"
#include "hash/sha.h"
#include "wire/report_answer.h"
#include "wire/report_join.h"

enum {
    STATEMENT_ROOM = 600, /* of a statement without its set and piece signatures */
    ENVELOPE_ROOM = 1024, /* of a report around its statements */
};

struct pbts_report_plan {
    pbts_mem *mem;
    bool plain;
    size_t count, statement_count;
    uint64_t *numbers; /* in the journal */
    uint32_t *places;  /* which statement says it */
    uint8_t *body;
    size_t body_len;
};

/* ---- what one report takes ---- */

typedef struct {
    size_t bytes, batch_pieces, session_pieces;
} load;

static void add_load(load *sum, const pbts_receipt *receipt) {
    size_t pieces = receipt->form == PBTS_FORM_PIECE ? 1 : pbts_piece_set_count(receipt->bitmap);
    sum->bytes += STATEMENT_ROOM + receipt->bitmap.len + receipt->piece_signatures.len;
    if (receipt->form == PBTS_FORM_BATCH) sum->batch_pieces += pieces;
    if (receipt->form == PBTS_FORM_SESSION) sum->session_pieces += pieces;
}

/* How many of the first fit; at least one. */
static size_t count_that_fit(load *sum, const pbts_journal_item *items, size_t count) {
    size_t fit = 0;
    while (fit < count && fit < PBTS_REPORT_STATEMENTS_MAX) {
        load more = *sum;
        add_load(&more, &items[fit].record.receipt);
        bool is_above = more.bytes > PBTS_REPORT_LEN_MAX - ENVELOPE_ROOM ||
                        more.batch_pieces > PBTS_REPORT_BATCH_PIECES_MAX ||
                        more.session_pieces > PBTS_REPORT_SESSION_PIECES_MAX;
        if (is_above && fit > 0) break;
        *sum = more;
        fit++;
    }
    return fit;
}

/* ---- statements ---- */

/* Without what the report says for all: the instance that is asked, and that we are the sender. */
static pbts_statement statement_of(const pbts_reporter *reporter,
                                   const pbts_receipt_record *record) {
    pbts_statement statement = pbts_statement_of(record);
    const pbts_bls_public *sender = &record->receipt.sender;
    if (memcmp(statement.iid, reporter->iid, sizeof statement.iid) == 0) statement.has_iid = false;
    if (memcmp(sender, &reporter->key, sizeof *sender) == 0) statement.sender = (pbts_party){ 0 };
    return statement;
}

/* One signature for all; false when one of them is no point. */
static bool aggregate(pbts_report *report, pbts_statement *statements, size_t count) {
    pbts_bls_g1_point sum, point;
    pbts_bls_g1_zero(&sum);
    for (size_t i = 0; i < count; i++) {
        if (pbts_bls_signature_decode(&point, &statements[i].signature) != PBTS_OK) return false;
        pbts_bls_g1_add(&sum, &point);
    }
    for (size_t i = 0; i < count; i++) statements[i].has_signature = false;
    pbts_bls_signature_encode(&report->aggregate, &sum);
    report->has_aggregate = true;
    return true;
}

static void sign(pbts_report *report, const pbts_reporter *reporter, pbts_span statements) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_sha256(report->statements_sha256, statements);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_report(&writer, reporter->iid, &reporter->key, report->unix_time,
                        report->statements_sha256);
    pbts_bls_sign(&report->signature, reporter->secret, PBTS_BLS_REPORT, pbts_writer_span(&writer));
    report->has_signature = true;
}

/* ---- the plan ---- */

static pbts_status write_body(pbts_report_plan *plan, const pbts_reporter *reporter,
                              pbts_statement *statements, size_t room, uint64_t unix_time) {
    pbts_report report = { .uid = reporter->uid, .unix_time = unix_time };
    uint8_t *raw = pbts_alloc(plan->mem, room);
    plan->body = pbts_alloc(plan->mem, room + ENVELOPE_ROOM);
    if (raw == NULL || plan->body == NULL) {
        pbts_release(plan->mem, raw);
        return PBTS_NO_MEMORY;
    }
    if (!plan->plain && plan->statement_count > 1) {
        (void)aggregate(&report, statements, plan->statement_count);
    }
    pbts_writer list = pbts_writer_over(raw, room);
    pbts_report_encode_statements(&list, statements, plan->statement_count);
    sign(&report, reporter, pbts_writer_span(&list));
    pbts_writer body = pbts_writer_over(plan->body, room + ENVELOPE_ROOM);
    pbts_report_encode(&body, &report, pbts_writer_span(&list));
    assert(!list.failed && !body.failed);
    plan->body_len = body.len;
    pbts_release(plan->mem, raw);
    return PBTS_OK;
}

static pbts_status write_joined(pbts_report_plan *plan, const pbts_reporter *reporter,
                                const pbts_statement *given, size_t room, uint64_t unix_time) {
    pbts_joined joined;
    PBTS_TRY(pbts_statements_join(&joined, plan->mem, given, plan->count));
    plan->statement_count = joined.count;
    memcpy(plan->places, joined.places, plan->count * sizeof *plan->places);
    pbts_status status = write_body(plan, reporter, joined.statements, room, unix_time);
    pbts_joined_free(&joined);
    return status;
}

static pbts_status fill(pbts_report_plan *plan, const pbts_reporter *reporter,
                        const pbts_journal_item *items, size_t room, uint64_t unix_time) {
    pbts_statement *given = pbts_alloc_array(plan->mem, plan->count, sizeof *given);
    if (given == NULL) return PBTS_NO_MEMORY;
    for (size_t i = 0; i < plan->count; i++) {
        given[i] = statement_of(reporter, &items[i].record);
        plan->numbers[i] = items[i].number;
        plan->places[i] = (uint32_t)i;
    }
    plan->statement_count = plan->count;
    pbts_status status = plan->plain ? write_body(plan, reporter, given, room, unix_time)
                                     : write_joined(plan, reporter, given, room, unix_time);
    pbts_release(plan->mem, given);
    return status;
}

pbts_status pbts_report_plan_new(pbts_report_plan **out, pbts_mem *mem,
                                 const pbts_reporter *reporter, const pbts_journal_item *items,
                                 size_t count, bool plain, uint64_t unix_time) {
    load sum = { 0 };
    assert(count > 0 && pbts_uid_is_valid(reporter->uid));
    pbts_report_plan *plan = pbts_alloc(mem, sizeof *plan);
    if (plan == NULL) return PBTS_NO_MEMORY;
    *plan = (pbts_report_plan){ .mem = mem,
                                .plain = plain,
                                .count = count_that_fit(&sum, items, count) };
    plan->numbers = pbts_alloc_array(mem, plan->count, sizeof *plan->numbers);
    plan->places = pbts_alloc_array(mem, plan->count, sizeof *plan->places);
    pbts_status status = PBTS_NO_MEMORY;
    if (plan->numbers != NULL && plan->places != NULL) {
        status = fill(plan, reporter, items, sum.bytes + STATEMENT_ROOM, unix_time);
    }
    if (status == PBTS_OK) {
        *out = plan;
    } else {
        pbts_report_plan_free(plan);
    }
    return status;
}

void pbts_report_plan_free(pbts_report_plan *plan) {
    if (plan == NULL) return;
    pbts_release(plan->mem, plan->numbers);
    pbts_release(plan->mem, plan->places);
    pbts_release(plan->mem, plan->body);
    pbts_release(plan->mem, plan);
}

pbts_span pbts_report_plan_body(const pbts_report_plan *plan) {
    return (pbts_span){ plan->body, plan->body_len };
}

size_t pbts_report_plan_count(const pbts_report_plan *plan) {
    return plan->count;
}

/* ---- the answer ---- */

static bool is_one_of(pbts_span code, const char *const *words) {
    while (*words != NULL) {
        if (pbts_span_is(code, *words++)) return true;
    }
    return false;
}

/* What will not be otherwise tomorrow. A code that we do not know is not among them, nor is that a
 * user or a torrent is unknown: after a restore they come back one by one. Such a receipt waits
 * until it is EPOCH_EXPIRED. */
static bool is_final(pbts_span code) {
    static const char *const words[] = {
        "BAD_SIGNATURE",
        "BAD_PIECE_SIGNATURE",
        "BAD_PIECES",
        "PIECE_HASH_WRONG",
        "SELF_TRANSFER",
        "NO_PIECES",
        "EPOCH_EXPIRED",
        "EPOCH_UNKNOWN_CLAIMS",
        "SESSION_KEY_INVALID",
        "SESSION_EXPIRED",
        "TOTALS_FULL",
        "SESSION_TOO_LONG",
        NULL,
    };
    return is_one_of(code, words);
}

/* Whether the statement's fault may be that of another receipt in the same plan. */
static bool may_be_anothers(const pbts_report_plan *plan, pbts_span code) {
    static const char *const words[] = { "BAD_SIGNATURE", "BAD_PIECE_SIGNATURE", NULL };
    return !plan->plain && plan->count > 1 && is_one_of(code, words);
}

static void set_code(pbts_report_outcome *outcome, pbts_span code) {
    assert(code.len < sizeof outcome->code);
    memset(outcome->code, 0, sizeof outcome->code);
    memcpy(outcome->code, code.data, code.len);
}

typedef struct {
    const pbts_report_plan *plan;
    pbts_journal *journal;
    pbts_writer *entries;
    pbts_report_outcome *outcome;
} settling;

/* There is room for the entry; what is not found was replaced by a receipt that says more. */
static void settle_as(settling *s, size_t item, pbts_journal_outcome outcome, uint64_t bytes,
                      pbts_span code) {
    pbts_status status =
        pbts_journal_settle(s->journal, s->entries, s->plan->numbers[item], outcome, bytes, code);
    assert(status == PBTS_OK || status == PBTS_NOT_FOUND);
    if (outcome == PBTS_OUTCOME_COUNTED) {
        s->outcome->counted++;
    } else {
        s->outcome->refused++;
        set_code(s->outcome, code);
    }
}

static void settle_item(settling *s, size_t item, const pbts_answer_statement *said, bool first) {
    if (said->verdict != PBTS_ANSWER_REFUSED) {
        uint64_t bytes = first ? said->credited_bytes : 0; /* of several joined ones: once */
        settle_as(s, item, PBTS_OUTCOME_COUNTED, bytes, (pbts_span){ 0 });
        return;
    }
    if (may_be_anothers(s->plan, said->code)) {
        s->outcome->next = PBTS_REPORT_PLAIN;
    } else if (is_final(said->code)) {
        settle_as(s, item, PBTS_OUTCOME_REFUSED, 0, said->code);
        return;
    }
    s->outcome->waiting++;
    set_code(s->outcome, said->code);
}

static pbts_status settle_statements(settling *s, const pbts_report_answer *answer) {
    const pbts_report_plan *plan = s->plan;
    bool *seen = pbts_alloc_array(plan->mem, plan->statement_count, sizeof *seen);
    if (seen == NULL) return PBTS_NO_MEMORY;
    for (size_t i = 0; i < plan->count; i++) {
        uint32_t at = plan->places[i];
        settle_item(s, i, &answer->statements[at], !seen[at]);
        seen[at] = true;
    }
    for (size_t i = 0; i < answer->count; i++) {
        s->outcome->credited_bytes += answer->statements[i].credited_bytes;
        s->outcome->held_bytes += answer->statements[i].held_bytes;
    }
    pbts_release(plan->mem, seen);
    return PBTS_OK;
}

/* The report as a whole was not processed: is it the tracker, we, or what is in it? */
static void settle_failure(settling *s, pbts_span code, unsigned http_status) {
    static const char *const ours[] = { "BAD_SIGNATURE", "STALE_TIME", "UNKNOWN_USER", NULL };
    bool is_content = http_status == 400 || http_status == 413;
    set_code(s->outcome, code);
    s->outcome->waiting = (uint32_t)s->plan->count;
    if (is_content && s->plan->count > 1) {
        s->outcome->next = PBTS_REPORT_SPLIT;
    } else if (is_content) {
        s->outcome->waiting = 0;
        s->outcome->next = PBTS_REPORT_SETTLED;
        settle_as(s, 0, PBTS_OUTCOME_REFUSED, 0, code);
    } else {
        bool denied = http_status < 500 && is_one_of(code, ours);
        s->outcome->next = denied ? PBTS_REPORT_DENIED : PBTS_REPORT_LATER;
    }
}

static pbts_status settle_answer(settling *s, unsigned http_status,
                                 const pbts_report_answer *answer) {
    if (!answer->success) {
        settle_failure(s, answer->code, http_status);
        return PBTS_OK;
    }
    bool is_ours = http_status == 200 && answer->count == s->plan->statement_count;
    if (is_ours) return settle_statements(s, answer);
    s->outcome->next = PBTS_REPORT_LATER;
    s->outcome->waiting = (uint32_t)s->plan->count;
    return PBTS_OK;
}

pbts_status pbts_report_plan_settle(const pbts_report_plan *plan, pbts_journal *journal,
                                    pbts_writer *entries, pbts_report_outcome *outcome,
                                    unsigned http_status, pbts_span body) {
    pbts_report_answer answer;
    pbts_report_outcome result = { .next = PBTS_REPORT_SETTLED };
    settling s = { plan, journal, entries, &result };
    size_t room = entries->failed ? 0 : entries->capacity - entries->len;
    if (room < plan->count * PBTS_JOURNAL_OUTCOME_MAX) return PBTS_NO_SPACE;
    pbts_status status = pbts_report_answer_decode(&answer, plan->mem, body);
    if (status == PBTS_NO_MEMORY) return status;
    if (status == PBTS_OK) {
        status = settle_answer(&s, http_status, &answer);
        pbts_report_answer_free(&answer);
        if (status != PBTS_OK) return status;
    } else {
        result.next = PBTS_REPORT_LATER;
        result.waiting = (uint32_t)plan->count;
    }
    *outcome = result;
    return PBTS_OK;
}
