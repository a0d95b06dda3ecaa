/* ledger/ledger.c - SC.Init, SC.Read, SC.Write over the store (paper, figure 9).
 *
 * The head is always computed from the last entry: there is no second copy that could disagree.
 */
#include "ledger/ledger.h"

#include "base/epoch.h"
#include "ledger/entry.h"

static pbts_span sequence_key(uint8_t out[static 8], uint64_t sequence) {
    pbts_writer writer = pbts_writer_over(out, 8);
    pbts_write_u64(&writer, sequence);
    return pbts_writer_span(&writer);
}

/* A stored entry that does not decode, or lies at another's place, is damage and not bad input. */
static pbts_status stored_decode(pbts_ledger_entry *out, pbts_span key, pbts_span bytes) {
    uint8_t want[8];
    pbts_ledger_entry entry;
    if (pbts_ledger_entry_decode(&entry, NULL, bytes) != PBTS_OK) return PBTS_CORRUPT;
    if (!pbts_span_equal(key, sequence_key(want, entry.sequence))) return PBTS_CORRUPT;
    *out = entry;
    return PBTS_OK;
}

pbts_status pbts_ledger_params_read(pbts_txn *txn, pbts_ledger_params *out) {
    uint8_t key_bytes[8];
    pbts_span key = sequence_key(key_bytes, 0), bytes;
    pbts_ledger_entry entry;
    PBTS_TRY(pbts_txn_get(txn, &bytes, PBTS_TABLE_LEDGER, key));
    PBTS_TRY(stored_decode(&entry, key, bytes));
    *out = entry.params;
    return PBTS_OK;
}

pbts_status pbts_ledger_head_read(pbts_txn *txn, pbts_ledger_head *out) {
    pbts_span key, bytes;
    pbts_ledger_entry entry;
    PBTS_TRY(pbts_txn_last(txn, PBTS_TABLE_LEDGER, &key, &bytes));
    PBTS_TRY(stored_decode(&entry, key, bytes));
    out->sequence = entry.sequence;
    out->unix_time = entry.unix_time;
    out->epoch = entry.epoch;
    out->sealed = entry.kind == PBTS_LEDGER_SEAL;
    memcpy(out->successor_iid, entry.successor_iid, sizeof out->successor_iid);
    pbts_ledger_entry_hash(out->head_hash, bytes);
    return PBTS_OK;
}

static bool is_owner(const pbts_bls_public *owner, const pbts_bls_secret *secret) {
    pbts_bls_public own;
    pbts_bls_public_of(&own, secret);
    return memcmp(own.bytes, owner->bytes, sizeof own.bytes) == 0;
}

static pbts_status entry_put(pbts_txn *txn, const pbts_ledger_entry *entry,
                             const pbts_ledger_account *rows, const pbts_bls_secret *secret) {
    pbts_mem *mem = pbts_mem_system();
    uint8_t *bytes, key[8];
    size_t len;
    PBTS_TRY(pbts_ledger_entry_build(&bytes, &len, mem, entry, rows, secret));
    pbts_status status = pbts_txn_put(txn, PBTS_TABLE_LEDGER, sequence_key(key, entry->sequence),
                                      (pbts_span){ bytes, len });
    pbts_release(mem, bytes);
    return status;
}

pbts_status pbts_ledger_init(pbts_txn *txn, const pbts_ledger_params *params,
                             const pbts_bls_secret *owner_secret, uint64_t unix_time) {
    pbts_span key, value;
    if (params->attestation.len > PBTS_LEDGER_ATTESTATION_MAX) return PBTS_LIMIT;
    if (params->has_referrer && memcmp(params->referrer_iid, params->iid, 32) == 0)
        return PBTS_MALFORMED;
    if (!is_owner(&params->owner, owner_secret)) return PBTS_DENIED;
    pbts_status status = pbts_txn_last(txn, PBTS_TABLE_LEDGER, &key, &value);
    if (status == PBTS_OK) return PBTS_EXISTS;
    if (status != PBTS_NOT_FOUND) return status;
    pbts_ledger_entry entry = { .kind = PBTS_LEDGER_INIT, .unix_time = unix_time };
    memcpy(entry.iid, params->iid, sizeof entry.iid);
    entry.params = *params;
    return entry_put(txn, &entry, NULL, owner_secret);
}

/* What the next entry starts with: after the owner check, and not on a sealed ledger. */
static pbts_status entry_begin(pbts_ledger_entry *out, pbts_txn *txn, pbts_ledger_kind kind,
                               const pbts_bls_secret *secret, uint64_t unix_time) {
    pbts_ledger_params params;
    pbts_ledger_head head;
    PBTS_TRY(pbts_ledger_params_read(txn, &params));
    if (!is_owner(&params.owner, secret)) return PBTS_DENIED;
    PBTS_TRY(pbts_ledger_head_read(txn, &head));
    if (head.sealed) return PBTS_DENIED;
    *out = (pbts_ledger_entry){ .kind = kind, .sequence = head.sequence + 1 };
    out->unix_time = unix_time > head.unix_time ? unix_time : head.unix_time;
    memcpy(out->previous_hash, head.head_hash, sizeof out->previous_hash);
    memcpy(out->iid, params.iid, sizeof out->iid);
    return PBTS_OK;
}

static pbts_status account_put(pbts_txn *txn, pbts_table table, const pbts_ledger_account *row) {
    uint8_t bytes[PBTS_LEDGER_ROW_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_ledger_row_encode(&writer, row);
    return pbts_txn_put(txn, table, PBTS_SPAN_OF(row->uid_hash), pbts_writer_span(&writer));
}

pbts_status pbts_ledger_write(pbts_txn *txn, const pbts_ledger_account *rows, size_t count,
                              const pbts_bls_secret *owner_secret, uint64_t unix_time) {
    pbts_ledger_entry entry;
    if (count == 0 || count > PBTS_LEDGER_ROWS_MAX) return PBTS_LIMIT;
    PBTS_TRY(entry_begin(&entry, txn, PBTS_LEDGER_WRITE, owner_secret, unix_time));
    entry.row_count = (uint32_t)count;
    PBTS_TRY(entry_put(txn, &entry, rows, owner_secret));
    for (size_t i = 0; i < count; i++) PBTS_TRY(account_put(txn, PBTS_TABLE_ACCOUNTS, &rows[i]));
    return PBTS_OK;
}

pbts_status pbts_ledger_seal(pbts_txn *txn, const uint8_t successor_iid[static 32],
                             const pbts_bls_secret *owner_secret, uint64_t unix_time) {
    pbts_ledger_entry entry;
    PBTS_TRY(entry_begin(&entry, txn, PBTS_LEDGER_SEAL, owner_secret, unix_time));
    memcpy(entry.successor_iid, successor_iid, sizeof entry.successor_iid);
    return entry_put(txn, &entry, NULL, owner_secret);
}

/* Whether the entry is the one that comes next; the first follows nothing. */
static pbts_status follows(pbts_txn *txn, const pbts_ledger_entry *entry) {
    pbts_ledger_head head;
    pbts_status status = pbts_ledger_head_read(txn, &head);
    if (status == PBTS_NOT_FOUND) return entry->sequence == 0 ? PBTS_OK : PBTS_MALFORMED;
    PBTS_TRY(status);
    bool next = entry->sequence == head.sequence + 1 &&
                memcmp(entry->previous_hash, head.head_hash, sizeof head.head_hash) == 0;
    return next ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_ledger_restore(pbts_txn *txn, pbts_span bytes) {
    uint8_t key[8];
    pbts_ledger_entry entry;
    pbts_ledger_account row;
    PBTS_TRY(pbts_ledger_entry_decode(&entry, NULL, bytes));
    PBTS_TRY(follows(txn, &entry));
    PBTS_TRY(pbts_txn_put(txn, PBTS_TABLE_LEDGER, sequence_key(key, entry.sequence), bytes));
    pbts_cursor rows = pbts_cursor_over(entry.rows);
    for (uint32_t i = 0; i < entry.row_count; i++) {
        PBTS_TRY(pbts_ledger_row_decode(&row, &rows));
        PBTS_TRY(account_put(txn, PBTS_TABLE_ACCOUNTS, &row));
    }
    return PBTS_OK;
}

static pbts_status account_get(pbts_txn *txn, pbts_ledger_account *out, pbts_table table,
                               const uint8_t uid_hash[static 32]) {
    pbts_span value;
    pbts_ledger_account row;
    PBTS_TRY(pbts_txn_get(txn, &value, table, (pbts_span){ uid_hash, 32 }));
    pbts_cursor cursor = pbts_cursor_over(value);
    if (value.len != PBTS_LEDGER_ROW_LEN) return PBTS_CORRUPT;
    PBTS_TRY(pbts_ledger_row_decode(&row, &cursor));
    if (memcmp(row.uid_hash, uid_hash, 32) != 0) return PBTS_CORRUPT;
    *out = row;
    return PBTS_OK;
}

/* The referrer's table holds only the predecessor's own rows, so there is no second hop. */
pbts_status pbts_ledger_read(pbts_txn *txn, pbts_ledger_account *out, bool *from_referrer,
                             const uint8_t uid_hash[static 32]) {
    pbts_status status = account_get(txn, out, PBTS_TABLE_ACCOUNTS, uid_hash);
    bool asked = status == PBTS_NOT_FOUND;
    if (asked) status = account_get(txn, out, PBTS_TABLE_REFERRER, uid_hash);
    if (status == PBTS_OK) *from_referrer = asked;
    return status;
}

/* Beside the accounts, under keys that are longer than theirs: whose a key is. */
enum { NAME_KEY_LEN = 1 + 32 };

static pbts_span name_key(uint8_t out[static NAME_KEY_LEN], const uint8_t key_hash[static 32]) {
    out[0] = 'k';
    memcpy(out + 1, key_hash, 32);
    return (pbts_span){ out, NAME_KEY_LEN };
}

pbts_status pbts_ledger_referrer_name(pbts_txn *txn, uint8_t uid_hash[static 32],
                                      const uint8_t key_hash[static 32]) {
    uint8_t key[NAME_KEY_LEN];
    pbts_span value;
    PBTS_TRY(pbts_txn_get(txn, &value, PBTS_TABLE_REFERRER, name_key(key, key_hash)));
    if (value.len != 32) return PBTS_CORRUPT;
    memcpy(uid_hash, value.data, 32);
    return PBTS_OK;
}

pbts_status pbts_ledger_referrer_put(pbts_txn *txn, const pbts_ledger_account *row) {
    pbts_ledger_params params;
    PBTS_TRY(pbts_ledger_params_read(txn, &params));
    if (!params.has_referrer) return PBTS_DENIED;
    uint8_t key[NAME_KEY_LEN];
    PBTS_TRY(pbts_txn_put(txn, PBTS_TABLE_REFERRER, name_key(key, row->key_hash),
                          PBTS_SPAN_OF(row->uid_hash)));
    return account_put(txn, PBTS_TABLE_REFERRER, row);
}
