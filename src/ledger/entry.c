/* ledger/entry.c - one ledger entry as bytes, and the export file around entries. No store. */
#include "ledger/entry.h"

#include "base/assert.h"
#include "base/epoch.h"
#include "hash/sha.h"

enum {
    ENTRY_LEN_MIN = PBTS_LEDGER_HEADER_LEN + PBTS_LEDGER_SEAL_BODY_LEN + PBTS_BLS_SIGNATURE_LEN,
};

/* --- decode ------------------------------------------------------------------------------ */

static pbts_status read_header(pbts_ledger_entry *out, uint8_t *kind, pbts_cursor *bytes) {
    PBTS_TRY(pbts_read_u64(bytes, &out->sequence));
    PBTS_TRY(pbts_read_bytes(bytes, out->previous_hash, sizeof out->previous_hash));
    PBTS_TRY(pbts_read_u64(bytes, &out->unix_time));
    PBTS_TRY(pbts_read_bytes(bytes, out->iid, sizeof out->iid));
    PBTS_TRY(pbts_read_u64(bytes, &out->epoch));
    PBTS_TRY(pbts_read_u8(bytes, kind));
    return pbts_read_u32(bytes, &out->row_count);
}

static bool all_zero(const uint8_t *bytes, size_t len) {
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) any |= bytes[i];
    return any == 0;
}

static const char *header_problem(const pbts_ledger_entry *entry, uint8_t kind) {
    bool first = kind == PBTS_LEDGER_INIT;
    if (kind < PBTS_LEDGER_INIT || kind > PBTS_LEDGER_SEAL) return "unknown kind of entry";
    if (entry->epoch != pbts_epoch_at(entry->unix_time)) return "epoch is not that of the time";
    if (first != (entry->sequence == 0)) return "INIT is entry 0 and no other entry is";
    if (first && !all_zero(entry->previous_hash, sizeof entry->previous_hash))
        return "INIT names an entry before it";
    if (kind == PBTS_LEDGER_WRITE) {
        if (entry->row_count == 0) return "WRITE without rows";
        if (entry->row_count > PBTS_LEDGER_ROWS_MAX) return "too many rows";
    } else if (entry->row_count != 0) {
        return "rows in an entry that is not WRITE";
    }
    return NULL;
}

static pbts_status read_init(pbts_ledger_params *out, uint8_t *has_referrer, pbts_cursor *bytes) {
    uint16_t attestation_len;
    PBTS_TRY(pbts_read_bytes(bytes, out->owner.bytes, sizeof out->owner.bytes));
    PBTS_TRY(pbts_read_u8(bytes, has_referrer));
    PBTS_TRY(pbts_read_bytes(bytes, out->referrer_iid, sizeof out->referrer_iid));
    PBTS_TRY(pbts_read_u64(bytes, &out->referrer_last_epoch));
    PBTS_TRY(pbts_read_u16(bytes, &attestation_len));
    return pbts_read_span(bytes, &out->attestation, attestation_len);
}

static const char *init_problem(pbts_ledger_params *params, uint8_t has_referrer) {
    if (has_referrer > 1) return "referrer flag is neither 0 nor 1";
    params->has_referrer = has_referrer == 1;
    bool empty = all_zero(params->referrer_iid, 32) && params->referrer_last_epoch == 0;
    if (!params->has_referrer && !empty) return "a referrer without its flag";
    if (params->has_referrer && memcmp(params->referrer_iid, params->iid, 32) == 0)
        return "the ledger is its own referrer";
    return NULL;
}

/* The body by kind; NULL, or what is wrong with it. */
static const char *read_body(pbts_ledger_entry *out, pbts_cursor *bytes) {
    static const char CUT[] = "entry is cut short";
    if (out->kind == PBTS_LEDGER_WRITE) {
        size_t len = (size_t)out->row_count * PBTS_LEDGER_ROW_LEN;
        return pbts_read_span(bytes, &out->rows, len) == PBTS_OK ? NULL : CUT;
    }
    if (out->kind == PBTS_LEDGER_SEAL)
        return pbts_read_bytes(bytes, out->successor_iid, 32) == PBTS_OK ? NULL : CUT;
    uint8_t has_referrer;
    if (read_init(&out->params, &has_referrer, bytes) != PBTS_OK) return CUT;
    memcpy(out->params.iid, out->iid, sizeof out->iid);
    return init_problem(&out->params, has_referrer);
}

static const char *decode(pbts_ledger_entry *out, pbts_span bytes) {
    pbts_cursor cursor = pbts_cursor_over(bytes);
    uint8_t kind;
    if (bytes.len < ENTRY_LEN_MIN) return "entry is cut short";
    if (read_header(out, &kind, &cursor) != PBTS_OK) return "entry is cut short";
    const char *problem = header_problem(out, kind);
    if (problem != NULL) return problem;
    out->kind = (pbts_ledger_kind)kind;
    problem = read_body(out, &cursor);
    if (problem != NULL) return problem;
    out->message = (pbts_span){ bytes.data, bytes.len - pbts_cursor_left(&cursor) };
    if (pbts_read_bytes(&cursor, out->signature.bytes, sizeof out->signature.bytes) != PBTS_OK)
        return "entry is cut short";
    return pbts_cursor_left(&cursor) == 0 ? NULL : "bytes after the signature";
}

pbts_status pbts_ledger_entry_decode(pbts_ledger_entry *out, const char **problem,
                                     pbts_span bytes) {
    pbts_ledger_entry entry = { 0 };
    const char *found = decode(&entry, bytes);
    if (found == NULL) {
        *out = entry;
        return PBTS_OK;
    }
    if (problem != NULL) *problem = found;
    return PBTS_MALFORMED;
}

void pbts_ledger_entry_hash(uint8_t out[static 32], pbts_span bytes) {
    pbts_sha256(out, bytes);
}

pbts_status pbts_ledger_entry_rows(pbts_span entry, pbts_cursor *rows, uint32_t *count) {
    pbts_ledger_entry decoded;
    PBTS_TRY(pbts_ledger_entry_decode(&decoded, NULL, entry));
    *rows = pbts_cursor_over(decoded.rows);
    *count = decoded.row_count;
    return PBTS_OK;
}

static pbts_status read_row(pbts_ledger_account *out, pbts_cursor *rows) {
    PBTS_TRY(pbts_read_bytes(rows, out->uid_hash, sizeof out->uid_hash));
    PBTS_TRY(pbts_read_bytes(rows, out->key_hash, sizeof out->key_hash));
    PBTS_TRY(pbts_read_u64(rows, &out->up_bytes));
    PBTS_TRY(pbts_read_u64(rows, &out->down_bytes));
    PBTS_TRY(pbts_read_u32(rows, &out->generation));
    return pbts_read_u32(rows, &out->user_no);
}

pbts_status pbts_ledger_row_decode(pbts_ledger_account *out, pbts_cursor *rows) {
    pbts_ledger_account row;
    pbts_cursor next = *rows;
    PBTS_TRY(read_row(&row, &next));
    *out = row;
    *rows = next;
    return PBTS_OK;
}

/* --- encode ------------------------------------------------------------------------------ */

void pbts_ledger_row_encode(pbts_writer *writer, const pbts_ledger_account *row) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(row->uid_hash));
    pbts_write_bytes(writer, PBTS_SPAN_OF(row->key_hash));
    pbts_write_u64(writer, row->up_bytes);
    pbts_write_u64(writer, row->down_bytes);
    pbts_write_u32(writer, row->generation);
    pbts_write_u32(writer, row->user_no);
}

static void write_init(pbts_writer *writer, const pbts_ledger_params *params) {
    static const uint8_t none[32] = { 0 };
    bool has = params->has_referrer;
    pbts_write_bytes(writer, PBTS_SPAN_OF(params->owner.bytes));
    pbts_write_u8(writer, has ? 1 : 0);
    pbts_write_bytes(writer, (pbts_span){ has ? params->referrer_iid : none, 32 });
    pbts_write_u64(writer, has ? params->referrer_last_epoch : 0);
    pbts_write_u16(writer, (uint16_t)params->attestation.len);
    pbts_write_bytes(writer, params->attestation);
}

static size_t body_len(const pbts_ledger_entry *entry) {
    if (entry->kind == PBTS_LEDGER_WRITE) return (size_t)entry->row_count * PBTS_LEDGER_ROW_LEN;
    if (entry->kind == PBTS_LEDGER_SEAL) return PBTS_LEDGER_SEAL_BODY_LEN;
    return PBTS_LEDGER_INIT_BODY_LEN + entry->params.attestation.len;
}

static void write_entry(pbts_writer *writer, const pbts_ledger_entry *entry,
                        const pbts_ledger_account *rows) {
    pbts_write_u64(writer, entry->sequence);
    pbts_write_bytes(writer, PBTS_SPAN_OF(entry->previous_hash));
    pbts_write_u64(writer, entry->unix_time);
    pbts_write_bytes(writer, PBTS_SPAN_OF(entry->iid));
    pbts_write_u64(writer, pbts_epoch_at(entry->unix_time));
    pbts_write_u8(writer, (uint8_t)entry->kind);
    pbts_write_u32(writer, entry->row_count);
    for (uint32_t i = 0; i < entry->row_count; i++) pbts_ledger_row_encode(writer, &rows[i]);
    if (entry->kind == PBTS_LEDGER_INIT) write_init(writer, &entry->params);
    if (entry->kind == PBTS_LEDGER_SEAL)
        pbts_write_bytes(writer, PBTS_SPAN_OF(entry->successor_iid));
}

pbts_status pbts_ledger_entry_build(uint8_t **out, size_t *out_len, pbts_mem *mem,
                                    const pbts_ledger_entry *entry, const pbts_ledger_account *rows,
                                    const pbts_bls_secret *secret) {
    assert((entry->kind == PBTS_LEDGER_WRITE) == (entry->row_count > 0));
    assert(entry->row_count <= PBTS_LEDGER_ROWS_MAX);
    size_t len = PBTS_LEDGER_HEADER_LEN + body_len(entry) + PBTS_BLS_SIGNATURE_LEN;
    uint8_t *bytes = pbts_alloc(mem, len);
    if (bytes == NULL) return PBTS_NO_MEMORY;
    pbts_writer writer = pbts_writer_over(bytes, len);
    write_entry(&writer, entry, rows);
    pbts_bls_signature signature;
    pbts_bls_sign(&signature, secret, PBTS_BLS_LEDGER, pbts_writer_span(&writer));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(signature.bytes));
    assert(pbts_writer_status(&writer) == PBTS_OK && writer.len == len);
    *out = bytes;
    *out_len = len;
    return PBTS_OK;
}

/* --- the export file --------------------------------------------------------------------- */

pbts_status pbts_ledger_file_open(pbts_cursor *out, pbts_span file) {
    pbts_cursor cursor = pbts_cursor_over(file);
    pbts_span magic;
    if (pbts_read_span(&cursor, &magic, sizeof PBTS_LEDGER_FILE_MAGIC - 1) != PBTS_OK ||
        !pbts_span_is(magic, PBTS_LEDGER_FILE_MAGIC))
        return PBTS_MALFORMED;
    *out = cursor;
    return PBTS_OK;
}

pbts_status pbts_ledger_file_next(pbts_cursor *file, pbts_span *entry) {
    pbts_cursor next = *file;
    uint32_t len;
    if (pbts_cursor_left(&next) == 0) return PBTS_NOT_FOUND;
    PBTS_TRY(pbts_read_u32(&next, &len));
    if (len < ENTRY_LEN_MIN || len > PBTS_LEDGER_ENTRY_MAX) return PBTS_MALFORMED;
    PBTS_TRY(pbts_read_span(&next, entry, len));
    *file = next;
    return PBTS_OK;
}
