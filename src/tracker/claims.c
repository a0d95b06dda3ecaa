/* Claims: rule 3. One bit per (period, receiver, sender, torrent, piece), whatever form the receipt
 * had and whichever infohash of a hybrid it named. */
#include "base/assert.h"
#include "base/epoch.h"
#include "tracker/commit_state.h"

enum { FORGET_ROWS_MAX = 2000 }; /* deletions in one commit */

static void claim_key(uint8_t out[static 16], const pbts_checked_statement *statement) {
    pbts_writer writer = pbts_writer_over(out, 16);
    pbts_write_u32(&writer, statement->period);
    pbts_write_u32(&writer, statement->receiver_no);
    pbts_write_u32(&writer, statement->sender_no);
    pbts_write_u32(&writer, statement->torrent_no);
}

static pbts_status merge(uint8_t *bits, size_t len, pbts_txn *txn, pbts_table table,
                         pbts_span key) {
    pbts_span value;
    pbts_status status = pbts_txn_get(txn, &value, table, key);
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    if (value.len != len) return PBTS_CORRUPT;
    for (size_t i = 0; i < len; i++) bits[i] |= value.data[i];
    return PBTS_OK;
}

/* What the predecessor, or this instance before it was restored, counted already, under either
 * infohash of the torrent. */
static pbts_status merge_old(pbts_commit *commit, uint8_t *bits, size_t len,
                             const pbts_checked_statement *statement) {
    uint8_t key[4 + 32 + 32 + 20];
    size_t receiver, sender;
    pbts_torrent torrent;
    PBTS_TRY(pbts_commit_touch(commit, &receiver, statement->receiver_no));
    PBTS_TRY(pbts_commit_touch(commit, &sender, statement->sender_no));
    PBTS_TRY(pbts_torrent_row_get(commit->txn, &torrent, statement->torrent_no));
    const uint8_t *hashes[2] = { torrent.has_v1 ? torrent.infohash_v1 : NULL,
                                 torrent.has_v2 ? torrent.infohash_v2 : NULL };
    for (size_t i = 0; i < 2; i++) {
        if (hashes[i] == NULL) continue;
        pbts_writer writer = pbts_writer_over(key, sizeof key);
        pbts_write_u32(&writer, statement->period);
        pbts_write_bytes(&writer, PBTS_SPAN_OF(commit->touched[receiver].uid_hash));
        pbts_write_bytes(&writer, PBTS_SPAN_OF(commit->touched[sender].uid_hash));
        pbts_write_bytes(&writer, (pbts_span){ hashes[i], PBTS_INFOHASH_LEN });
        PBTS_TRY(merge(bits, len, commit->txn, PBTS_TABLE_OLD_CLAIMS, pbts_writer_span(&writer)));
    }
    return PBTS_OK;
}

static void wanted_pieces(uint8_t *bits, const pbts_checked_report *report,
                          const pbts_checked_statement *statement) {
    if (statement->form == PBTS_FORM_PIECE) {
        pbts_piece_set_add(bits, statement->piece_index);
    } else {
        memcpy(bits, report->blob + statement->bitmap_at, statement->bitmap_len);
    }
}

pbts_status pbts_commit_claim(pbts_commit *commit, pbts_claim *out,
                              const pbts_checked_report *report,
                              const pbts_checked_statement *statement, const pbts_pieces *pieces) {
    size_t len = pbts_piece_set_len(pieces->piece_count);
    pbts_mem *mem = commit->tracker->mem;
    if (statement->form != PBTS_FORM_PIECE && statement->bitmap_len != len) {
        return PBTS_CORRUPT;
    }
    pbts_claim claim = { .len = len };
    claim.claimed = pbts_alloc(mem, len);
    claim.fresh = pbts_alloc(mem, len);
    pbts_status status = PBTS_NO_MEMORY;
    if (claim.claimed == NULL || claim.fresh == NULL) goto out;
    claim_key(claim.key, statement);
    status = merge(claim.claimed, len, commit->txn, PBTS_TABLE_CLAIMS, PBTS_SPAN_OF(claim.key));
    if (status == PBTS_OK && commit->tracker->has_old_claims) {
        status = merge_old(commit, claim.claimed, len, statement);
    }
    if (status != PBTS_OK) goto out;
    wanted_pieces(claim.fresh, report, statement);
    uint32_t asked = pbts_piece_set_count((pbts_span){ claim.fresh, len });
    for (size_t i = 0; i < len; i++) {
        claim.fresh[i] &= (uint8_t)~claim.claimed[i];
        claim.claimed[i] |= claim.fresh[i];
    }
    claim.fresh_count = pbts_piece_set_count((pbts_span){ claim.fresh, len });
    claim.duplicate_count = asked - claim.fresh_count;
    *out = claim;
    return PBTS_OK;
out:
    pbts_claim_deinit(commit, &claim);
    return status;
}

pbts_status pbts_commit_claim_put(pbts_commit *commit, const pbts_claim *claim) {
    return pbts_txn_put(commit->txn, PBTS_TABLE_CLAIMS, PBTS_SPAN_OF(claim->key),
                        (pbts_span){ claim->claimed, claim->len });
}

void pbts_claim_deinit(pbts_commit *commit, pbts_claim *claim) {
    pbts_release(commit->tracker->mem, claim->claimed);
    pbts_release(commit->tracker->mem, claim->fresh);
    claim->claimed = claim->fresh = NULL;
}

/* Delete the first row of a table if its period is before `from`; `*more` says whether it was. */
static pbts_status forget_one(pbts_txn *txn, bool *more, pbts_table table, uint32_t from) {
    pbts_rows *rows;
    pbts_span key, value;
    uint8_t copy[4 + 32 + 32 + 20];
    uint32_t period = 0;
    *more = false;
    PBTS_TRY(pbts_rows_open(&rows, txn, table, (pbts_span){ 0 }, (pbts_span){ 0 }));
    if (pbts_rows_next(rows, &key, &value)) {
        *more =
            pbts_number_decode(&period, key) == PBTS_OK && period < from && key.len <= sizeof copy;
        if (*more) memcpy(copy, key.data, key.len);
    }
    pbts_status status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    PBTS_TRY(status);
    return *more ? pbts_txn_delete(txn, table, (pbts_span){ copy, key.len }) : PBTS_OK;
}

static pbts_status forget_rows(pbts_txn *txn, pbts_table table, uint32_t from) {
    bool more = true;
    for (size_t i = 0; more && i < FORGET_ROWS_MAX; i++) {
        PBTS_TRY(forget_one(txn, &more, table, from));
    }
    return PBTS_OK;
}

pbts_status pbts_commit_forget_claims(pbts_commit *commit) {
    uint64_t oldest_epoch = pbts_epoch_at(commit->now.unix_s);
    oldest_epoch = oldest_epoch > PBTS_WINDOW_EPOCHS ? oldest_epoch - PBTS_WINDOW_EPOCHS : 0;
    uint32_t from = (uint32_t)pbts_claim_period(oldest_epoch);
    uint32_t known = atomic_load(&commit->tracker->claims_from_period);
    if (from > known) {
        uint8_t value[4];
        pbts_key_u32(value, from);
        PBTS_TRY(pbts_txn_put(commit->txn, PBTS_TABLE_META, pbts_span_text(PBTS_META_CLAIMS_FROM),
                              PBTS_SPAN_OF(value)));
        commit->claims_from_period = from;
    } else {
        commit->claims_from_period = from = known;
    }
    PBTS_TRY(forget_rows(commit->txn, PBTS_TABLE_CLAIMS, from));
    return forget_rows(commit->txn, PBTS_TABLE_OLD_CLAIMS, from);
}
