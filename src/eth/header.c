#include "eth/header.h"

#include "codec/rlp.h"

static bool is_form(uint64_t fields) {
    return fields == PBTS_ETH_HEADER_FRONTIER || fields == PBTS_ETH_HEADER_LONDON ||
           fields == PBTS_ETH_HEADER_SHANGHAI || fields == PBTS_ETH_HEADER_CANCUN ||
           fields == PBTS_ETH_HEADER_PRAGUE;
}

/* ---- decoding ---- */

static pbts_status read_hash(pbts_cursor *fields, pbts_eth_hash *out) {
    return pbts_rlp_read_bytes(fields, out->bytes, sizeof out->bytes);
}

/* The 15 fields that every header has. */
static pbts_status read_frontier(pbts_cursor *fields, pbts_eth_header *out) {
    PBTS_TRY(read_hash(fields, &out->parent_hash));
    PBTS_TRY(read_hash(fields, &out->ommers_hash));
    PBTS_TRY(pbts_rlp_read_bytes(fields, out->beneficiary.bytes, sizeof out->beneficiary.bytes));
    PBTS_TRY(read_hash(fields, &out->state_root));
    PBTS_TRY(read_hash(fields, &out->transactions_root));
    PBTS_TRY(read_hash(fields, &out->receipts_root));
    PBTS_TRY(pbts_rlp_read_bytes(fields, out->logs_bloom, sizeof out->logs_bloom));
    PBTS_TRY(pbts_rlp_read_u256(fields, &out->difficulty));
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->number));
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->gas_limit));
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->gas_used));
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->timestamp_s));
    PBTS_TRY(pbts_rlp_read_string(fields, &out->extra_data));
    if (out->extra_data.len > PBTS_ETH_EXTRA_DATA_MAX) return PBTS_LIMIT;
    PBTS_TRY(read_hash(fields, &out->mix_hash));
    return pbts_rlp_read_bytes(fields, out->nonce, sizeof out->nonce);
}

/* What forks appended, as far as there is more. */
static pbts_status read_forks(pbts_cursor *fields, pbts_eth_header *out) {
    out->form = PBTS_ETH_HEADER_FRONTIER;
    if (pbts_cursor_left(fields) == 0) return PBTS_OK;
    PBTS_TRY(pbts_rlp_read_u256(fields, &out->base_fee_wei));
    out->form = PBTS_ETH_HEADER_LONDON;
    if (pbts_cursor_left(fields) == 0) return PBTS_OK;
    PBTS_TRY(read_hash(fields, &out->withdrawals_root));
    out->form = PBTS_ETH_HEADER_SHANGHAI;
    if (pbts_cursor_left(fields) == 0) return PBTS_OK;
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->blob_gas_used));
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->excess_blob_gas));
    PBTS_TRY(read_hash(fields, &out->parent_beacon_root));
    out->form = PBTS_ETH_HEADER_CANCUN;
    if (pbts_cursor_left(fields) == 0) return PBTS_OK;
    PBTS_TRY(read_hash(fields, &out->requests_hash));
    out->form = PBTS_ETH_HEADER_PRAGUE;
    return pbts_rlp_end(fields);
}

pbts_status pbts_eth_header_decode(pbts_eth_header *out, pbts_span bytes) {
    pbts_eth_header header = { 0 };
    pbts_cursor cursor = pbts_cursor_over(bytes), fields;
    if (bytes.len > PBTS_ETH_HEADER_LEN_MAX) return PBTS_LIMIT;
    PBTS_TRY(pbts_rlp_read_list(&cursor, &fields));
    PBTS_TRY(pbts_rlp_end(&cursor));
    PBTS_TRY(read_frontier(&fields, &header));
    PBTS_TRY(read_forks(&fields, &header));
    *out = header;
    return PBTS_OK;
}

/* ---- encoding ---- */

static void write_hash(pbts_writer *writer, const pbts_eth_hash *hash) {
    pbts_rlp_write_string(writer, PBTS_SPAN_OF(hash->bytes));
}

static void write_frontier(pbts_writer *writer, const pbts_eth_header *header) {
    write_hash(writer, &header->parent_hash);
    write_hash(writer, &header->ommers_hash);
    pbts_rlp_write_string(writer, PBTS_SPAN_OF(header->beneficiary.bytes));
    write_hash(writer, &header->state_root);
    write_hash(writer, &header->transactions_root);
    write_hash(writer, &header->receipts_root);
    pbts_rlp_write_string(writer, PBTS_SPAN_OF(header->logs_bloom));
    pbts_rlp_write_u256(writer, &header->difficulty);
    pbts_rlp_write_u64(writer, header->number);
    pbts_rlp_write_u64(writer, header->gas_limit);
    pbts_rlp_write_u64(writer, header->gas_used);
    pbts_rlp_write_u64(writer, header->timestamp_s);
    pbts_rlp_write_string(writer, header->extra_data);
    write_hash(writer, &header->mix_hash);
    pbts_rlp_write_string(writer, PBTS_SPAN_OF(header->nonce));
}

static void write_forks(pbts_writer *writer, const pbts_eth_header *header) {
    if (header->form >= PBTS_ETH_HEADER_LONDON) {
        pbts_rlp_write_u256(writer, &header->base_fee_wei);
    }
    if (header->form >= PBTS_ETH_HEADER_SHANGHAI) write_hash(writer, &header->withdrawals_root);
    if (header->form >= PBTS_ETH_HEADER_CANCUN) {
        pbts_rlp_write_u64(writer, header->blob_gas_used);
        pbts_rlp_write_u64(writer, header->excess_blob_gas);
        write_hash(writer, &header->parent_beacon_root);
    }
    if (header->form >= PBTS_ETH_HEADER_PRAGUE) write_hash(writer, &header->requests_hash);
}

pbts_status pbts_eth_header_encode(pbts_writer *writer, const pbts_eth_header *header) {
    if (!is_form(header->form)) return PBTS_MALFORMED;
    if (header->extra_data.len > PBTS_ETH_EXTRA_DATA_MAX) return PBTS_LIMIT;
    size_t list = pbts_rlp_open_list(writer);
    write_frontier(writer, header);
    write_forks(writer, header);
    pbts_rlp_close_list(writer, list);
    return pbts_writer_status(writer);
}

pbts_status pbts_eth_header_hash(pbts_eth_hash *out, const pbts_eth_header *header) {
    uint8_t buffer[PBTS_ETH_HEADER_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    PBTS_TRY(pbts_eth_header_encode(&writer, header));
    *out = pbts_eth_hash_of(pbts_writer_span(&writer));
    return PBTS_OK;
}
