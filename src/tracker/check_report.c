/* The expensive half of Report (paper, figure 6): who submits, what each statement means here, and
 * every signature, with as few pairings as there are signers. Nothing changes. */
#include "base/assert.h"
#include "base/epoch.h"
#include "hash/sha.h"
#include "receipt/batch.h"
#include "tracker/checked_report.h"
#include "tracker/number_map.h"
#include "tracker/users.h"

/* Past this many bad signatures in one report the search for more of them stops: each costs
 * several pairings, and somebody who sends hundreds of them is no honest client. */
enum { BAD_SIGNATURES_MAX = 32 };

/* Up to this many statements, and pieces in batches, the submitter's signature is checked together
 * with theirs, in one product. In bigger reports it comes first, so that a stranger cannot make us
 * hash thousands. */
enum { JOINT_STATEMENTS_MAX = 64, JOINT_BATCH_PIECES_MAX = 1024 };

/* All that is needed while one report is checked. */
typedef struct {
    pbts_tracker *tracker;
    pbts_txn *txn;
    pbts_now now;
    pbts_checked_report *out;
    uint32_t submitter_no, submitter_index; /* the number, and the index among the parties */
    bool joint; /* the submitter's signature waits to be checked with the statements' */
    pbts_bls_g1_point submitter_hashed, submitter_signature;
    pbts_number_map party_map;      /* user number -> index in parties */
    pbts_bls_public *party_keys;    /* bytes, for messages */
    pbts_bls_public_point *parties; /* points, for pairings */
    size_t party_count;
    pbts_bls_g1_point *hashed, *signatures; /* per statement */
    uint32_t *order;     /* statements that wait: those with an own signature, then the others */
    size_t own, waiting; /* own <= waiting */
    pbts_receipt_batch *batch;
    size_t bad_found;
} checker;

static void checker_deinit(checker *c) {
    pbts_mem *mem = c->tracker->mem;
    pbts_receipt_batch_free(c->batch);
    pbts_release(mem, c->order);
    pbts_release(mem, c->signatures);
    pbts_release(mem, c->hashed);
    pbts_release(mem, c->parties);
    pbts_release(mem, c->party_keys);
    pbts_number_map_deinit(&c->party_map);
    pbts_txn_abort(c->txn);
}

static pbts_status checker_init(checker *c, pbts_tracker *tracker, size_t count, pbts_now now) {
    pbts_mem *mem = tracker->mem;
    *c = (checker){ .tracker = tracker, .now = now };
    pbts_number_map_init(&c->party_map, mem);
    /* A sender and a receiver for each statement at most. */
    c->party_keys = pbts_alloc_array(mem, 2 * count, sizeof *c->party_keys);
    c->parties = pbts_alloc_array(mem, 2 * count, sizeof *c->parties);
    c->hashed = pbts_alloc_array(mem, count, sizeof *c->hashed);
    c->signatures = pbts_alloc_array(mem, count, sizeof *c->signatures);
    c->order = pbts_alloc_array(mem, count, sizeof *c->order);
    if (!c->party_keys || !c->parties || !c->hashed || !c->signatures || !c->order) {
        return PBTS_NO_MEMORY;
    }
    PBTS_TRY(pbts_receipt_batch_new(&c->batch, mem));
    return pbts_txn_begin(&c->txn, tracker->store, false);
}

/* ---- parties ---- */

/* The index of a user's key among the parties; loads it once. NOT_FOUND: no such user, or no key.
 */
static pbts_status party_of(checker *c, uint32_t *index, uint32_t user_no) {
    pbts_user_row row;
    if (pbts_number_map_find(&c->party_map, index, user_no)) return PBTS_OK;
    PBTS_TRY(pbts_user_row_get(c->txn, &row, user_no));
    if (!row.has_key) return PBTS_NOT_FOUND;
    if (pbts_bls_public_from_raw(&c->parties[c->party_count], row.key_raw) != PBTS_OK) {
        return PBTS_CORRUPT;
    }
    c->party_keys[c->party_count] = row.key;
    PBTS_TRY(pbts_number_map_add(&c->party_map, user_no, (uint32_t)c->party_count));
    *index = (uint32_t)c->party_count++;
    return PBTS_OK;
}

static pbts_status number_of(checker *c, uint32_t *user_no, const pbts_party *party) {
    uint8_t hash[PBTS_SHA256_LEN];
    if (!party->has_key) return pbts_user_no_by_uid(c->txn, user_no, party->uid);
    pbts_sha256(hash, PBTS_SPAN_OF(party->key.bytes));
    return pbts_user_no_by_hash(c->txn, user_no, PBTS_TABLE_KEYS, hash);
}

static pbts_refusal resolve(checker *c, uint32_t *user_no, uint32_t *index, const pbts_party *party,
                            pbts_refusal unknown) {
    pbts_status status = number_of(c, user_no, party);
    if (status == PBTS_OK) status = party_of(c, index, *user_no);
    if (status == PBTS_NOT_FOUND) return unknown;
    return pbts_refusal_of_status(status);
}

/* ---- what a statement means ---- */

static pbts_refusal check_instance(const checker *c, const pbts_statement *in,
                                   pbts_checked_statement *out) {
    const pbts_tracker *tracker = c->tracker;
    const pbts_predecessor_state *old = &tracker->predecessor;
    uint64_t now_epoch = pbts_epoch_at(c->now.unix_s);
    bool own = !in->has_iid || memcmp(in->iid, tracker->iid, sizeof in->iid) == 0;
    if (!own && (!old->known || memcmp(in->iid, old->iid, sizeof in->iid) != 0)) {
        return PBTS_REFUSAL_FOREIGN_INSTANCE;
    }
    /* The claims that were lost had the predecessor's receipts in them too. */
    if (tracker->has_floor && in->epoch <= tracker->floor_epoch) {
        return PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS;
    }
    if (own) return PBTS_REFUSAL_NONE;
    if (in->epoch <= old->last_epoch && !old->has_claims) {
        return PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS;
    }
    if (!old->sealed && now_epoch <= old->last_epoch + 24) return PBTS_REFUSAL_PREDECESSOR_ACTIVE;
    out->of_predecessor = true;
    return PBTS_REFUSAL_NONE;
}

static pbts_refusal check_epoch(const checker *c, uint64_t epoch) {
    uint64_t now_epoch = pbts_epoch_at(c->now.unix_s);
    if (epoch > now_epoch) return PBTS_REFUSAL_EPOCH_FUTURE;
    if (!pbts_epoch_in_window(epoch, now_epoch)) return PBTS_REFUSAL_EPOCH_EXPIRED;
    /* Claims of earlier periods were deleted: what is not remembered is not paid. */
    uint32_t kept_from = atomic_load(&c->tracker->claims_from_period);
    return pbts_claim_period(epoch) < kept_from ? PBTS_REFUSAL_EPOCH_EXPIRED : PBTS_REFUSAL_NONE;
}

static pbts_refusal check_parties(checker *c, const pbts_statement *in, pbts_receipt *receipt,
                                  pbts_checked_statement *out, uint32_t *signer) {
    uint32_t sender_index = 0;
    pbts_refusal refusal =
        resolve(c, &out->receiver_no, signer, &in->receiver, PBTS_REFUSAL_UNKNOWN_RECEIVER);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    if (!in->sender.has_key && in->sender.uid.len == 0) {
        if (c->submitter_no == 0) return PBTS_REFUSAL_UNKNOWN_SENDER;
        out->sender_no = c->submitter_no;
        pbts_status status = party_of(c, &sender_index, c->submitter_no);
        if (status != PBTS_OK) return PBTS_REFUSAL_UNKNOWN_SENDER;
    } else {
        refusal =
            resolve(c, &out->sender_no, &sender_index, &in->sender, PBTS_REFUSAL_UNKNOWN_SENDER);
        if (refusal != PBTS_REFUSAL_NONE) return refusal;
    }
    if (out->sender_no == out->receiver_no) return PBTS_REFUSAL_SELF_TRANSFER;
    receipt->receiver = c->party_keys[*signer];
    receipt->sender = c->party_keys[sender_index];
    return PBTS_REFUSAL_NONE;
}

/* Resolve one statement and hash its message; `signer` indexes the receiver among the parties. */
static pbts_refusal read_statement(checker *c, const pbts_statement *in,
                                   pbts_checked_statement *out, pbts_bls_g1_point *hashed,
                                   uint32_t *signer) {
    pbts_receipt receipt = { .form = in->form, .epoch = in->epoch };
    pbts_refusal refusal = check_instance(c, in, out);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    refusal = check_epoch(c, in->epoch);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    refusal = check_parties(c, in, &receipt, out, signer);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    refusal = pbts_check_pieces(c->txn, &receipt, out, in);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    out->form = in->form;
    out->epoch = in->epoch;
    out->period = (uint32_t)pbts_claim_period(in->epoch);
    memcpy(out->infohash, in->infohash, sizeof out->infohash);
    memcpy(receipt.infohash, in->infohash, sizeof receipt.infohash);
    memcpy(receipt.iid, out->of_predecessor ? c->tracker->predecessor.iid : c->tracker->iid,
           sizeof receipt.iid);
    pbts_receipt_hash(hashed, &receipt);
    return PBTS_REFUSAL_NONE;
}

/* ---- signatures ---- */

static uint32_t party_index(const checker *c, uint32_t user_no) {
    uint32_t index = 0;
    bool found = pbts_number_map_find(&c->party_map, &index, user_no);
    assert(found);
    return index;
}

/* Begin a product with order[from, from+count), and the own signatures among them. */
static pbts_status batch_range(checker *c, size_t from, size_t count) {
    pbts_receipt_batch_clear(c->batch);
    for (size_t i = from; i < from + count; i++) {
        uint32_t at = c->order[i];
        uint32_t signer = party_index(c, c->out->statements[at].receiver_no);
        PBTS_TRY(pbts_receipt_batch_add(c->batch, &c->parties[signer], &c->hashed[at]));
        if (i < c->own) pbts_receipt_batch_add_signature(c->batch, &c->signatures[at]);
    }
    return PBTS_OK;
}

static void refuse_range(checker *c, size_t from, size_t count, pbts_refusal refusal) {
    for (size_t i = from; i < from + count; i++) {
        c->out->statements[c->order[i]].verdict.refusal = refusal;
    }
}

/* Find the bad ones by halving. Ranges wait on a stack; halving keeps it short. */
static pbts_status verify_own(checker *c) {
    struct {
        size_t from, count;
    } stack[64];
    size_t depth = 0;
    if (c->own > 0) {
        stack[depth].from = 0;
        stack[depth++].count = c->own;
    }
    while (depth > 0) {
        size_t from = stack[--depth].from, count = stack[depth].count;
        if (c->bad_found >= BAD_SIGNATURES_MAX) {
            refuse_range(c, from, count, PBTS_REFUSAL_UNCHECKED);
            continue;
        }
        pbts_status status = batch_range(c, from, count);
        if (status == PBTS_OK) status = pbts_receipt_batch_verify(c->batch);
        if (status == PBTS_OK) continue;
        if (status != PBTS_BAD_SIGNATURE) return status;
        if (count == 1) {
            c->bad_found++;
            refuse_range(c, from, 1, PBTS_REFUSAL_BAD_SIGNATURE);
            continue;
        }
        assert(depth + 2 <= sizeof stack / sizeof stack[0]);
        stack[depth].from = from + count / 2;
        stack[depth++].count = count - count / 2;
        stack[depth].from = from;
        stack[depth++].count = count / 2;
    }
    return PBTS_OK;
}

static pbts_status batch_aggregate(checker *c, const pbts_report *report) {
    pbts_bls_g1_point aggregate;
    if (!report->has_aggregate ||
        pbts_bls_signature_decode(&aggregate, &report->aggregate) != PBTS_OK) {
        return PBTS_BAD_SIGNATURE;
    }
    pbts_receipt_batch_add_signature(c->batch, &aggregate);
    return PBTS_OK;
}

/* One signature over everything that has none of its own: all or nothing. */
static pbts_status verify_aggregate(checker *c, const pbts_report *report) {
    if (c->own == c->waiting) return PBTS_OK;
    pbts_status status = batch_range(c, c->own, c->waiting - c->own);
    if (status == PBTS_OK) status = batch_aggregate(c, report);
    if (status == PBTS_OK) status = pbts_receipt_batch_verify(c->batch);
    if (status == PBTS_BAD_SIGNATURE) {
        refuse_range(c, c->own, c->waiting - c->own, PBTS_REFUSAL_BAD_SIGNATURE);
        status = PBTS_OK;
    }
    return status;
}

static pbts_status verify_submitter(const checker *c) {
    return pbts_bls_verify_sums(&c->parties[c->submitter_index], &c->submitter_hashed, 1,
                                &c->submitter_signature);
}

/* Everything in one product. The statements' own signatures and the aggregate make one aggregate
 * signature, which proves that each message was signed by its receiver. The submitter's has a
 * random weight, so that no error of theirs can cancel one of his. */
static pbts_status verify_joint(checker *c, const pbts_report *report) {
    uint64_t weight = 0;
    PBTS_TRY(pbts_random_fill(c->tracker->random, (uint8_t *)&weight, sizeof weight));
    PBTS_TRY(batch_range(c, 0, c->waiting));
    if (c->own < c->waiting) PBTS_TRY(batch_aggregate(c, report));
    PBTS_TRY(pbts_receipt_batch_add_weighed(c->batch, &c->parties[c->submitter_index],
                                            &c->submitter_hashed, &c->submitter_signature,
                                            weight | 1)); /* zero would be no check */
    return pbts_receipt_batch_verify(c->batch);
}

static bool is_resource(pbts_refusal refusal) {
    return refusal == PBTS_REFUSAL_STORE_FULL || refusal == PBTS_REFUSAL_OVERLOADED ||
           refusal == PBTS_REFUSAL_INTERNAL;
}

/* Read all statements; those with (own) or without their own signature wait for its check. */
static pbts_refusal read_statements(checker *c, const pbts_report *report, bool own) {
    for (size_t i = 0; i < report->count; i++) {
        const pbts_statement *in = &report->statements[i];
        pbts_checked_statement *out = &c->out->statements[i];
        uint32_t signer = 0;
        if (in->has_signature != own) continue;
        out->verdict.refusal = read_statement(c, in, out, &c->hashed[i], &signer);
        if (is_resource(out->verdict.refusal)) return out->verdict.refusal;
        if (out->verdict.refusal != PBTS_REFUSAL_NONE) continue;
        if (own && pbts_bls_signature_decode(&c->signatures[i], &in->signature) != PBTS_OK) {
            out->verdict.refusal = PBTS_REFUSAL_BAD_SIGNATURE;
            continue;
        }
        c->order[c->waiting++] = (uint32_t)i;
    }
    return PBTS_REFUSAL_NONE;
}

static pbts_status verify_statements(checker *c, const pbts_report *report) {
    PBTS_TRY(verify_own(c));
    return verify_aggregate(c, report);
}

static bool may_be_joint(const pbts_report *report) {
    size_t batch_pieces = 0;
    if (report->legacy || report->count > JOINT_STATEMENTS_MAX) return false;
    for (size_t i = 0; i < report->count; i++) {
        const pbts_statement *statement = &report->statements[i];
        if (statement->form != PBTS_FORM_BATCH) continue;
        batch_pieces += pbts_piece_set_count(statement->bitmap);
    }
    return batch_pieces <= JOINT_BATCH_PIECES_MAX;
}

/* The pieces of sessions, one signature after the other: only now, when their certificates and the
 * submitter's signature hold. */
static pbts_refusal verify_sessions(checker *c, const pbts_report *report) {
    for (size_t i = 0; i < c->waiting; i++) {
        uint32_t at = c->order[i];
        pbts_checked_statement *out = &c->out->statements[at];
        const pbts_statement *in = &report->statements[at];
        if (out->form != PBTS_FORM_SESSION || out->verdict.refusal != PBTS_REFUSAL_NONE) continue;
        uint32_t sender = party_index(c, out->sender_no);
        out->verdict.refusal = pbts_check_session(c->txn, out, in, &c->party_keys[sender]);
        if (is_resource(out->verdict.refusal)) return out->verdict.refusal;
    }
    return PBTS_REFUSAL_NONE;
}

static pbts_refusal verify_signatures(checker *c, const pbts_report *report) {
    if (c->joint && c->waiting > 0 && verify_joint(c, report) == PBTS_OK) {
        return verify_sessions(c, report);
    }
    /* Somebody's is bad (or there was no memory, which will show again): find out whose. */
    if (c->joint && verify_submitter(c) != PBTS_OK) return PBTS_REFUSAL_BAD_SIGNATURE;
    pbts_refusal refusal = pbts_refusal_of_status(verify_statements(c, report));
    return refusal == PBTS_REFUSAL_NONE ? verify_sessions(c, report) : refusal;
}

static pbts_refusal check_statements(checker *c, const pbts_report *report) {
    pbts_refusal refusal = read_statements(c, report, true);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    c->own = c->waiting;
    refusal = read_statements(c, report, false);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    return verify_signatures(c, report);
}

/* ---- the submitter ---- */

static pbts_refusal check_submitter(checker *c, const pbts_report *report) {
    uint8_t message[PBTS_MESSAGE_MAX];
    const pbts_party submitter = { .uid = report->uid };
    if (!report->legacy && !pbts_signed_time_is_near(report->unix_time, c->now)) {
        return PBTS_REFUSAL_STALE_TIME;
    }
    pbts_refusal refusal =
        resolve(c, &c->submitter_no, &c->submitter_index, &submitter, PBTS_REFUSAL_UNKNOWN_USER);
    if (refusal != PBTS_REFUSAL_NONE || report->legacy) return refusal;
    if (!report->has_signature ||
        pbts_bls_signature_decode(&c->submitter_signature, &report->signature) != PBTS_OK) {
        return PBTS_REFUSAL_BAD_SIGNATURE;
    }
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_report(&writer, c->tracker->iid, &c->party_keys[c->submitter_index],
                        report->unix_time, report->statements_sha256);
    pbts_bls_hash(&c->submitter_hashed, PBTS_BLS_REPORT, pbts_writer_span(&writer));
    return c->joint ? PBTS_REFUSAL_NONE : pbts_refusal_of_status(verify_submitter(c));
}

/* ---- the result ---- */

static pbts_status new_result(pbts_checked_report **out, pbts_mem *mem, const pbts_report *report) {
    size_t blob_len = 0;
    for (size_t i = 0; i < report->count; i++) blob_len += report->statements[i].bitmap.len;
    if (blob_len > UINT32_MAX) return PBTS_LIMIT;
    pbts_checked_report *result = pbts_alloc(mem, sizeof *result);
    if (result == NULL) return PBTS_NO_MEMORY;
    *result = (pbts_checked_report){ .mem = mem, .count = report->count };
    result->statements = pbts_alloc_array(mem, report->count, sizeof *result->statements);
    result->blob = pbts_alloc(mem, blob_len);
    if (result->statements == NULL || result->blob == NULL) {
        pbts_checked_report_free(result);
        return PBTS_NO_MEMORY;
    }
    uint32_t at = 0;
    for (size_t i = 0; i < report->count; i++) {
        pbts_span bitmap = report->statements[i].bitmap;
        if (bitmap.len > 0) memcpy(result->blob + at, bitmap.data, bitmap.len);
        result->statements[i].bitmap_at = at;
        result->statements[i].bitmap_len = (uint32_t)bitmap.len;
        at += (uint32_t)bitmap.len;
    }
    *out = result;
    return PBTS_OK;
}

pbts_refusal pbts_check_report(pbts_tracker *tracker, pbts_checked_report **out,
                               const pbts_report *report, pbts_now now) {
    checker c;
    pbts_checked_report *result = NULL;
    if (report->count > PBTS_REPORT_STATEMENTS_MAX) return PBTS_REFUSAL_MALFORMED;
    if (atomic_load(&tracker->sealed)) return PBTS_REFUSAL_SEALED;
    /* One more party than statements name: the submitter. */
    pbts_refusal refusal =
        pbts_refusal_of_status(checker_init(&c, tracker, report->count + 1, now));
    c.joint = may_be_joint(report);
    if (refusal == PBTS_REFUSAL_NONE) refusal = check_submitter(&c, report);
    if (refusal == PBTS_REFUSAL_NONE) {
        refusal = pbts_refusal_of_status(new_result(&result, tracker->mem, report));
    }
    if (refusal == PBTS_REFUSAL_NONE) {
        assert(result != NULL);
        result->user_no = c.submitter_no;
        c.out = result;
        refusal = check_statements(&c, report);
    }
    checker_deinit(&c);
    if (refusal == PBTS_REFUSAL_NONE) {
        for (size_t i = 0; i < result->count; i++) {
            pbts_checked_statement *statement = &result->statements[i];
            statement->is_refused = statement->verdict.refusal != PBTS_REFUSAL_NONE;
        }
        *out = result;
    } else {
        pbts_checked_report_free(result);
    }
    return refusal;
}

pbts_refusal pbts_check_statement(pbts_tracker *tracker, uint32_t *bad_piece,
                                  const pbts_statement *statement, pbts_span submitter_uid,
                                  pbts_now now) {
    checker c;
    pbts_checked_statement out = { 0 };
    uint32_t signer = 0;
    pbts_bls_g1_point signature;
    pbts_status status = checker_init(&c, tracker, 2, now);
    pbts_refusal refusal = pbts_refusal_of_status(status);
    if (refusal == PBTS_REFUSAL_NONE && submitter_uid.len > 0 &&
        pbts_user_no_by_uid(c.txn, &c.submitter_no, submitter_uid) != PBTS_OK) {
        refusal = PBTS_REFUSAL_UNKNOWN_SENDER;
    }
    if (refusal == PBTS_REFUSAL_NONE) {
        refusal = read_statement(&c, statement, &out, &c.hashed[0], &signer);
    }
    if (refusal == PBTS_REFUSAL_NONE) {
        bool decoded = statement->has_signature &&
                       pbts_bls_signature_decode(&signature, &statement->signature) == PBTS_OK;
        status = decoded ? pbts_bls_verify_sums(&c.parties[signer], &c.hashed[0], 1, &signature)
                         : PBTS_BAD_SIGNATURE;
        refusal = pbts_refusal_of_status(status);
    }
    if (refusal == PBTS_REFUSAL_NONE && statement->form == PBTS_FORM_SESSION) {
        uint32_t sender = party_index(&c, out.sender_no);
        refusal = pbts_check_session(c.txn, &out, statement, &c.party_keys[sender]);
        *bad_piece = out.verdict.bad_piece;
    }
    checker_deinit(&c);
    return refusal;
}

size_t pbts_checked_report_count(const pbts_checked_report *report) {
    return report->count;
}

pbts_verdict pbts_checked_report_verdict(const pbts_checked_report *report, size_t index) {
    assert(index < report->count);
    return report->statements[index].verdict;
}

uint32_t pbts_checked_report_user(const pbts_checked_report *report) {
    return report->user_no;
}

void pbts_checked_report_free(pbts_checked_report *report) {
    if (report == NULL) return;
    pbts_release(report->mem, report->blob);
    pbts_release(report->mem, report->statements);
    pbts_release(report->mem, report);
}
