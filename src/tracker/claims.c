/* Claims: rule 3. One bit per (period, receiver, sender, torrent, piece), whatever form the receipt
 * had and whichever infohash of a hybrid it named. */
#include "base/assert.h"
#include "base/epoch.h"
#include "tracker/commit_state.h"

enum { FORGET_ROWS_MAX = 2000 }; /* deletions in one commit */

enum { PART_LEN = 2, CLAIM_KEY_LEN = 16 + PART_LEN, OLD_KEY_LEN = 4 + 32 + 32 + 20 + PART_LEN };

/* Under which keys a statement's claims may lie, each ending in the part. Those of the predecessor,
 * or of this instance before it was restored, are under either infohash of the torrent. */
typedef struct {
    uint8_t own[CLAIM_KEY_LEN];
    uint8_t old[2][OLD_KEY_LEN];
    size_t old_count;
} claim_keys;

static void name_part(uint8_t *key, size_t len, uint16_t number) {
    key[len - 2] = (uint8_t)(number >> 8);
    key[len - 1] = (uint8_t)number;
}

static void own_key(uint8_t out[static 16], const pbts_checked_statement *statement) {
    pbts_writer writer = pbts_writer_over(out, 16);
    pbts_write_u32(&writer, statement->period);
    pbts_write_u32(&writer, statement->receiver_no);
    pbts_write_u32(&writer, statement->sender_no);
    pbts_write_u32(&writer, statement->torrent_no);
}

static pbts_status old_keys(pbts_commit *commit, claim_keys *out,
                            const pbts_checked_statement *statement) {
    size_t receiver, sender;
    pbts_torrent torrent;
    PBTS_TRY(pbts_commit_touch(commit, &receiver, statement->receiver_no));
    PBTS_TRY(pbts_commit_touch(commit, &sender, statement->sender_no));
    PBTS_TRY(pbts_torrent_row_get(commit->txn, &torrent, statement->torrent_no));
    const uint8_t *hashes[2] = { torrent.has_v1 ? torrent.infohash_v1 : NULL,
                                 torrent.has_v2 ? torrent.infohash_v2 : NULL };
    for (size_t i = 0; i < 2; i++) {
        if (hashes[i] == NULL) continue;
        pbts_writer writer = pbts_writer_over(out->old[out->old_count++], OLD_KEY_LEN);
        pbts_write_u32(&writer, statement->period);
        pbts_write_bytes(&writer, PBTS_SPAN_OF(commit->touched[receiver].uid_hash));
        pbts_write_bytes(&writer, PBTS_SPAN_OF(commit->touched[sender].uid_hash));
        pbts_write_bytes(&writer, (pbts_span){ hashes[i], PBTS_INFOHASH_LEN });
    }
    return PBTS_OK;
}

static pbts_status merge(pbts_claim_part *part, pbts_txn *txn, pbts_table table, pbts_span key) {
    pbts_span value;
    pbts_status status = pbts_txn_get(txn, &value, table, key);
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    if (value.len != part->len) return PBTS_CORRUPT;
    for (size_t i = 0; i < part->len; i++) part->claimed[i] |= value.data[i];
    return PBTS_OK;
}

/* What of the part was claimed before. */
static pbts_status read_part(pbts_claim_part *part, pbts_txn *txn, claim_keys *keys) {
    name_part(keys->own, CLAIM_KEY_LEN, part->number);
    PBTS_TRY(merge(part, txn, PBTS_TABLE_CLAIMS, PBTS_SPAN_OF(keys->own)));
    for (size_t i = 0; i < keys->old_count; i++) {
        name_part(keys->old[i], OLD_KEY_LEN, part->number);
        PBTS_TRY(merge(part, txn, PBTS_TABLE_OLD_CLAIMS, PBTS_SPAN_OF(keys->old[i])));
    }
    return PBTS_OK;
}

/* Claim the wanted pieces of one part; it is kept when one of them is fresh. */
static pbts_status claim_part(pbts_commit *commit, pbts_claim *claim, claim_keys *keys,
                              uint16_t number, pbts_span wanted, const pbts_pieces *pieces) {
    uint8_t fresh[PBTS_CLAIMS_BITMAP_MAX];
    pbts_claim_part *part = &claim->parts[claim->part_count];
    *part = (pbts_claim_part){ .number = number, .len = (uint16_t)wanted.len };
    PBTS_TRY(read_part(part, commit->txn, keys));
    for (size_t i = 0; i < wanted.len; i++) {
        fresh[i] = wanted.data[i] & (uint8_t)~part->claimed[i];
        part->claimed[i] |= fresh[i];
    }
    pbts_span bits = { fresh, wanted.len };
    uint32_t fresh_count = pbts_piece_set_count(bits);
    claim->fresh_count += fresh_count;
    claim->duplicate_count += pbts_piece_set_count(wanted) - fresh_count;
    claim->fresh_bytes +=
        pbts_pieces_bytes(pieces, (uint32_t)number * PBTS_CLAIMS_PART_PIECES, bits);
    if (fresh_count > 0) claim->part_count++;
    return PBTS_OK;
}

/* Bytes of a part's bitmap, of a torrent whose set has `set_len`. */
static size_t part_len(size_t set_len, size_t number) {
    size_t left = set_len - number * PBTS_CLAIMS_BITMAP_MAX;
    return left < PBTS_CLAIMS_BITMAP_MAX ? left : PBTS_CLAIMS_BITMAP_MAX;
}

static pbts_status claim_piece(pbts_commit *commit, pbts_claim *claim, claim_keys *keys,
                               uint32_t index, const pbts_pieces *pieces) {
    uint8_t bits[PBTS_CLAIMS_BITMAP_MAX] = { 0 };
    uint16_t number = (uint16_t)(index / PBTS_CLAIMS_PART_PIECES);
    size_t len = part_len(pbts_piece_set_len(pieces->piece_count), number);
    pbts_piece_set_add(bits, index % PBTS_CLAIMS_PART_PIECES);
    return claim_part(commit, claim, keys, number, (pbts_span){ bits, len }, pieces);
}

static pbts_status claim_set(pbts_commit *commit, pbts_claim *claim, claim_keys *keys,
                             pbts_span set, const pbts_pieces *pieces) {
    for (size_t i = 0; i * PBTS_CLAIMS_BITMAP_MAX < set.len; i++) {
        pbts_span wanted = { set.data + i * PBTS_CLAIMS_BITMAP_MAX, part_len(set.len, i) };
        if (pbts_piece_set_count(wanted) == 0) continue;
        PBTS_TRY(claim_part(commit, claim, keys, (uint16_t)i, wanted, pieces));
    }
    return PBTS_OK;
}

pbts_status pbts_commit_claim(pbts_commit *commit, pbts_claim *out,
                              const pbts_checked_report *report,
                              const pbts_checked_statement *statement, const pbts_pieces *pieces) {
    size_t set_len = pbts_piece_set_len(pieces->piece_count), parts = 1;
    pbts_claim claim = { .part_count = 0 };
    claim_keys keys = { .old_count = 0 };
    bool is_piece = statement->form == PBTS_FORM_PIECE;
    if (is_piece ? statement->piece_index >= pieces->piece_count
                 : statement->bitmap_len != set_len) {
        return PBTS_CORRUPT;
    }
    own_key(claim.key, statement);
    memcpy(keys.own, claim.key, sizeof claim.key);
    if (commit->tracker->has_old_claims) PBTS_TRY(old_keys(commit, &keys, statement));
    if (!is_piece) parts = (set_len + PBTS_CLAIMS_BITMAP_MAX - 1) / PBTS_CLAIMS_BITMAP_MAX;
    claim.parts = pbts_alloc_array(commit->tracker->mem, parts, sizeof *claim.parts);
    if (claim.parts == NULL) return PBTS_NO_MEMORY;
    pbts_span set = { report->blob + statement->bitmap_at, statement->bitmap_len };
    pbts_status status = is_piece
                             ? claim_piece(commit, &claim, &keys, statement->piece_index, pieces)
                             : claim_set(commit, &claim, &keys, set, pieces);
    if (status == PBTS_OK)
        *out = claim;
    else
        pbts_claim_deinit(commit, &claim);
    return status;
}

pbts_status pbts_commit_claim_put(pbts_commit *commit, const pbts_claim *claim) {
    uint8_t key[CLAIM_KEY_LEN];
    memcpy(key, claim->key, sizeof claim->key);
    for (size_t i = 0; i < claim->part_count; i++) {
        const pbts_claim_part *part = &claim->parts[i];
        name_part(key, sizeof key, part->number);
        PBTS_TRY(pbts_txn_put(commit->txn, PBTS_TABLE_CLAIMS, PBTS_SPAN_OF(key),
                              (pbts_span){ part->claimed, part->len }));
    }
    return PBTS_OK;
}

void pbts_claim_deinit(pbts_commit *commit, pbts_claim *claim) {
    pbts_release(commit->tracker->mem, claim->parts);
    claim->parts = NULL;
}

/* Delete the first row of a table if its period is before `from`; `*more` says whether it was. */
static pbts_status forget_one(pbts_txn *txn, bool *more, pbts_table table, uint32_t from) {
    pbts_rows *rows;
    pbts_span key, value;
    uint8_t copy[OLD_KEY_LEN];
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

/* Of the clock and what was counted the earlier decides: what is forgotten is not paid any more, so
 * a clock that is far ahead for a moment must not end this and all periods until then. New claims
 * come with new epochs, so nothing piles up. */
pbts_status pbts_commit_forget_claims(pbts_commit *commit) {
    uint64_t oldest_epoch = pbts_epoch_at(commit->now.unix_s);
    if (oldest_epoch > commit->counted_epoch) oldest_epoch = commit->counted_epoch;
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
