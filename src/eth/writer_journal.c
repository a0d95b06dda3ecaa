#include "eth/writer_journal.h"

#include "base/assert.h"
#include "hash/keccak.h"
#include "hash/sha.h"

static const char MAGIC[] = "pbts-ethwrite1\n";
enum { MAGIC_LEN = sizeof MAGIC - 1, BODY_AT = MAGIC_LEN + PBTS_SHA256_LEN };

size_t pbts_eth_batch_row_len(pbts_eth_batch_kind kind) {
    switch (kind) {
    case PBTS_ETH_REGISTER: return PBTS_REPUTATION_REGISTER_ROW_LEN;
    case PBTS_ETH_WRITE: return PBTS_REPUTATION_WRITE_ROW_LEN;
    case PBTS_ETH_ADOPT: return PBTS_REPUTATION_ADOPT_ROW_LEN;
    case PBTS_ETH_ROOT: return 1;
    case PBTS_ETH_SEAL: return PBTS_ETH_ADDRESS_LEN;
    case PBTS_ETH_NO_BATCH: break;
    }
    assert(false);
    return 1;
}

void pbts_eth_batch_call(pbts_writer *writer, const pbts_eth_batch *batch) {
    pbts_eth_address successor;
    switch (batch->kind) {
    case PBTS_ETH_REGISTER:
        pbts_reputation_call_register(writer, batch->sequence, batch->epoch, batch->rows);
        return;
    case PBTS_ETH_WRITE:
        pbts_reputation_call_write(writer, batch->sequence, batch->epoch, batch->rows);
        return;
    case PBTS_ETH_ADOPT:
        pbts_reputation_call_adopt(writer, batch->sequence, batch->epoch, batch->rows);
        return;
    case PBTS_ETH_ROOT:
        pbts_reputation_call_write_root(writer, batch->sequence, batch->epoch, batch->user_count,
                                        batch->root, batch->rows);
        return;
    case PBTS_ETH_SEAL:
        assert(batch->rows.len == sizeof successor.bytes);
        memcpy(successor.bytes, batch->rows.data, sizeof successor.bytes);
        pbts_reputation_call_seal(writer, &successor);
        return;
    case PBTS_ETH_NO_BATCH: break;
    }
    assert(false);
}

/* The rows are hashed where they are, between what stands before and after them in the call. */
pbts_eth_hash pbts_eth_batch_call_hash(const pbts_eth_batch *batch) {
    static const uint8_t ZEROS[32] = { 0 };
    uint8_t head[PBTS_REPUTATION_CALL_OVERHEAD_MAX];
    pbts_eth_batch empty = *batch;
    pbts_eth_hash out = { 0 };
    pbts_keccak256_state state;
    pbts_writer writer = pbts_writer_over(head, sizeof head);
    if (batch->kind != PBTS_ETH_SEAL) empty.rows = (pbts_span){ 0 };
    pbts_eth_batch_call(&writer, &empty);
    assert(!writer.failed);
    pbts_keccak256_init(&state);
    if (batch->kind == PBTS_ETH_SEAL) {
        pbts_keccak256_update(&state, pbts_writer_span(&writer));
    } else {
        /* The last word is the length of no rows; in its place comes that of these. */
        writer.len -= 4;
        pbts_write_u32(&writer, (uint32_t)batch->rows.len);
        pbts_keccak256_update(&state, pbts_writer_span(&writer));
        pbts_keccak256_update(&state, batch->rows);
        pbts_keccak256_update(&state, (pbts_span){ ZEROS, (32 - batch->rows.len % 32) % 32 });
    }
    pbts_keccak256_final(&state, out.bytes);
    return out;
}

/* ---- encoding ---- */

static void write_hash(pbts_writer *writer, const pbts_eth_hash *hash) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(hash->bytes));
}

static void write_fees(pbts_writer *writer, const pbts_eth_fees *fees) {
    pbts_write_u64(writer, fees->max_fee_wei);
    pbts_write_u64(writer, fees->max_priority_fee_wei);
}

static void write_heads(pbts_writer *writer, const pbts_eth_journal *journal) {
    pbts_write_u8(writer, (uint8_t)journal->heads_len);
    for (size_t i = 0; i < journal->heads_len; i++) {
        pbts_write_u64(writer, journal->heads[i].sequence);
        write_hash(writer, &journal->heads[i].head);
        write_hash(writer, &journal->heads[i].batch_hash);
        pbts_write_u64(writer, journal->heads[i].certain);
    }
    pbts_write_u8(writer, (uint8_t)journal->base);
    pbts_write_u64(writer, journal->base_block);
}

static void write_attempt(pbts_writer *writer, const pbts_eth_attempt *attempt) {
    pbts_write_u64(writer, attempt->nonce);
    pbts_write_u64(writer, attempt->gas_limit);
    write_fees(writer, &attempt->fees);
    write_hash(writer, &attempt->hash);
}

static void write_batch(pbts_writer *writer, const pbts_eth_batch *batch) {
    pbts_write_u8(writer, (uint8_t)batch->kind);
    if (batch->kind == PBTS_ETH_NO_BATCH) return;
    pbts_write_u64(writer, batch->sequence);
    pbts_write_u64(writer, batch->epoch);
    pbts_write_u32(writer, batch->user_count);
    pbts_write_bytes(writer, PBTS_SPAN_OF(batch->root));
    write_hash(writer, &batch->head);
    write_hash(writer, &batch->call_hash);
    pbts_write_u8(writer, (uint8_t)batch->attempts_len);
    for (size_t i = 0; i < batch->attempts_len; i++) write_attempt(writer, &batch->attempts[i]);
    pbts_write_u32(writer, (uint32_t)batch->rows.len);
    pbts_write_bytes(writer, batch->rows);
}

void pbts_eth_journal_encode(pbts_writer *writer, const pbts_eth_journal *journal) {
    pbts_write_text(writer, MAGIC);
    uint8_t *hash = pbts_write_reserve(writer, PBTS_SHA256_LEN);
    size_t start = writer->len;
    pbts_write_u64(writer, journal->chain_id);
    pbts_write_bytes(writer, PBTS_SPAN_OF(journal->contract.bytes));
    pbts_write_bytes(writer, PBTS_SPAN_OF(journal->sender.bytes));
    write_heads(writer, journal);
    pbts_write_u64(writer, journal->left_nonce);
    write_fees(writer, &journal->left_fees);
    write_batch(writer, &journal->batch);
    if (writer->failed) return;
    pbts_sha256(hash, (pbts_span){ writer->data + start, writer->len - start });
}

/* ---- decoding ---- */

static pbts_status read_hash(pbts_cursor *cursor, pbts_eth_hash *out) {
    return pbts_read_bytes(cursor, out->bytes, sizeof out->bytes);
}

static bool has_head(const pbts_eth_journal *journal, const pbts_eth_known_head *wanted) {
    for (size_t i = 0; i < journal->heads_len; i++) {
        const pbts_eth_known_head *known = &journal->heads[i];
        if (known->sequence == wanted->sequence &&
            pbts_eth_hash_equal(&known->head, &wanted->head)) {
            return true;
        }
    }
    return false;
}

static pbts_status read_heads(pbts_cursor *cursor, pbts_eth_journal *out) {
    uint8_t count, base;
    PBTS_TRY(pbts_read_u8(cursor, &count));
    if (count == 0 || count > PBTS_ETH_HEADS_MAX) return PBTS_MALFORMED;
    for (out->heads_len = 0; out->heads_len < count; out->heads_len++) {
        pbts_eth_known_head known;
        PBTS_TRY(pbts_read_u64(cursor, &known.sequence));
        PBTS_TRY(read_hash(cursor, &known.head));
        PBTS_TRY(read_hash(cursor, &known.batch_hash));
        PBTS_TRY(pbts_read_u64(cursor, &known.certain));
        if (known.sequence > PBTS_REPUTATION_U48_MAX) return PBTS_MALFORMED;
        if (known.certain > known.sequence) return PBTS_MALFORMED;
        if (has_head(out, &known)) return PBTS_MALFORMED;
        out->heads[out->heads_len] = known;
    }
    PBTS_TRY(pbts_read_u8(cursor, &base));
    if (base >= count) return PBTS_MALFORMED;
    if (out->heads[base].certain != out->heads[base].sequence) return PBTS_MALFORMED;
    out->base = base;
    return pbts_read_u64(cursor, &out->base_block);
}

static pbts_status read_fees(pbts_cursor *cursor, pbts_eth_fees *out) {
    PBTS_TRY(pbts_read_u64(cursor, &out->max_fee_wei));
    PBTS_TRY(pbts_read_u64(cursor, &out->max_priority_fee_wei));
    return out->max_priority_fee_wei <= out->max_fee_wei ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_attempt(pbts_cursor *cursor, pbts_eth_attempt *out) {
    PBTS_TRY(pbts_read_u64(cursor, &out->nonce));
    PBTS_TRY(pbts_read_u64(cursor, &out->gas_limit));
    PBTS_TRY(read_fees(cursor, &out->fees));
    if (out->nonce == UINT64_MAX) return PBTS_MALFORMED;
    return read_hash(cursor, &out->hash);
}

static pbts_status read_attempts(pbts_cursor *cursor, pbts_eth_batch *out) {
    uint8_t count;
    PBTS_TRY(pbts_read_u8(cursor, &count));
    if (count == 0 || count > PBTS_ETH_ATTEMPTS_MAX) return PBTS_MALFORMED;
    for (size_t i = 0; i < count; i++) PBTS_TRY(read_attempt(cursor, &out->attempts[i]));
    out->attempts_len = count;
    return PBTS_OK;
}

static pbts_status read_rows(pbts_cursor *cursor, pbts_eth_batch *out) {
    uint32_t len;
    PBTS_TRY(pbts_read_u32(cursor, &len));
    if (len == 0 || len > PBTS_ETH_BATCH_LEN_MAX) return PBTS_MALFORMED;
    if (len % pbts_eth_batch_row_len(out->kind) != 0) return PBTS_MALFORMED;
    if (out->kind == PBTS_ETH_SEAL && len != PBTS_ETH_ADDRESS_LEN) return PBTS_MALFORMED;
    return pbts_read_span(cursor, &out->rows, len);
}

static pbts_status read_batch(pbts_cursor *cursor, pbts_eth_batch *out) {
    uint8_t kind;
    PBTS_TRY(pbts_read_u8(cursor, &kind));
    if (kind > PBTS_ETH_SEAL) return PBTS_MALFORMED;
    out->kind = (pbts_eth_batch_kind)kind;
    if (out->kind == PBTS_ETH_NO_BATCH) return PBTS_OK;
    PBTS_TRY(pbts_read_u64(cursor, &out->sequence));
    PBTS_TRY(pbts_read_u64(cursor, &out->epoch));
    if (out->sequence > PBTS_REPUTATION_U48_MAX || out->epoch > PBTS_REPUTATION_U48_MAX) {
        return PBTS_MALFORMED;
    }
    PBTS_TRY(pbts_read_u32(cursor, &out->user_count));
    PBTS_TRY(pbts_read_bytes(cursor, out->root, sizeof out->root));
    PBTS_TRY(read_hash(cursor, &out->head));
    PBTS_TRY(read_hash(cursor, &out->call_hash));
    PBTS_TRY(read_attempts(cursor, out));
    return read_rows(cursor, out);
}

/* The batch is the one that follows its base. */
static bool follows(const pbts_eth_batch *batch, const pbts_eth_known_head *base) {
    pbts_eth_hash call_hash = pbts_eth_batch_call_hash(batch), head = base->head;
    uint64_t sequence = base->sequence;
    if (batch->kind != PBTS_ETH_SEAL) {
        head = pbts_reputation_head_next(&base->head, batch->rows);
        sequence++;
    }
    return batch->sequence == sequence && pbts_eth_hash_equal(&batch->head, &head) &&
           pbts_eth_hash_equal(&batch->call_hash, &call_hash);
}

static pbts_status read_body(pbts_cursor *cursor, pbts_eth_journal *out) {
    PBTS_TRY(pbts_read_u64(cursor, &out->chain_id));
    PBTS_TRY(pbts_read_bytes(cursor, out->contract.bytes, sizeof out->contract.bytes));
    PBTS_TRY(pbts_read_bytes(cursor, out->sender.bytes, sizeof out->sender.bytes));
    PBTS_TRY(read_heads(cursor, out));
    PBTS_TRY(pbts_read_u64(cursor, &out->left_nonce));
    PBTS_TRY(read_fees(cursor, &out->left_fees));
    PBTS_TRY(read_batch(cursor, &out->batch));
    if (pbts_cursor_left(cursor) > 0) return PBTS_MALFORMED;
    if (out->batch.kind == PBTS_ETH_NO_BATCH) return PBTS_OK;
    return follows(&out->batch, &out->heads[out->base]) ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_eth_journal_decode(pbts_eth_journal *out, pbts_span record) {
    pbts_eth_journal journal = { 0 };
    uint8_t hash[PBTS_SHA256_LEN];
    if (record.len > PBTS_ETH_JOURNAL_LEN_MAX) return PBTS_LIMIT;
    if (record.len < BODY_AT || memcmp(record.data, MAGIC, MAGIC_LEN) != 0) return PBTS_MALFORMED;
    pbts_span body = { record.data + BODY_AT, record.len - BODY_AT };
    pbts_sha256(hash, body);
    if (memcmp(hash, record.data + MAGIC_LEN, sizeof hash) != 0) return PBTS_MALFORMED;
    pbts_cursor cursor = pbts_cursor_over(body);
    if (read_body(&cursor, &journal) != PBTS_OK) return PBTS_MALFORMED;
    *out = journal;
    return PBTS_OK;
}
