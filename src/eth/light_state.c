/* What a light client keeps: "PBTSLC01", the network's genesis_validators_root, the trusted root,
 * the store, SHA-256 of all that. Integers are little-endian, as in SSZ. */
#include "eth/light_client_parts.h"
#include "hash/sha.h"

#define MAGIC "PBTSLC01"
enum { MAGIC_LEN = 8, HAS_NEXT = 1, IS_FORCED = 2 };

static pbts_status read_chunk(pbts_cursor *cursor, pbts_ssz_chunk *out) {
    return pbts_read_bytes(cursor, out->bytes, sizeof out->bytes);
}

static void write_chunk(pbts_writer *writer, const pbts_ssz_chunk *chunk) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(chunk->bytes));
}

/* ---- headers ---- */

static void write_header(pbts_writer *writer, const pbts_light_header *header) {
    const pbts_beacon_header *beacon = &header->beacon;
    const pbts_beacon_execution *execution = &header->execution;
    pbts_ssz_write_u64(writer, beacon->slot);
    pbts_ssz_write_u64(writer, beacon->proposer_index);
    write_chunk(writer, &beacon->parent_root);
    write_chunk(writer, &beacon->state_root);
    write_chunk(writer, &beacon->body_root);
    write_chunk(writer, &execution->parent_hash);
    pbts_write_bytes(writer, PBTS_SPAN_OF(execution->fee_recipient));
    write_chunk(writer, &execution->state_root);
    write_chunk(writer, &execution->receipts_root);
    pbts_write_bytes(writer, PBTS_SPAN_OF(execution->logs_bloom));
    write_chunk(writer, &execution->prev_randao);
    pbts_ssz_write_u64(writer, execution->block_number);
    pbts_ssz_write_u64(writer, execution->gas_limit);
    pbts_ssz_write_u64(writer, execution->gas_used);
    pbts_ssz_write_u64(writer, execution->timestamp_s);
    pbts_write_u8(writer, execution->extra_data_len);
    pbts_write_bytes(writer, PBTS_SPAN_OF(execution->extra_data));
    write_chunk(writer, &execution->base_fee_wei);
    write_chunk(writer, &execution->block_hash);
    write_chunk(writer, &execution->transactions_root);
    write_chunk(writer, &execution->withdrawals_root);
    pbts_ssz_write_u64(writer, execution->blob_gas_used);
    pbts_ssz_write_u64(writer, execution->excess_blob_gas);
    pbts_write_bytes(writer, PBTS_SPAN_OF(header->execution_branch));
}

static pbts_status read_execution(pbts_cursor *cursor, pbts_beacon_execution *out) {
    PBTS_TRY(read_chunk(cursor, &out->parent_hash));
    PBTS_TRY(pbts_read_bytes(cursor, out->fee_recipient, sizeof out->fee_recipient));
    PBTS_TRY(read_chunk(cursor, &out->state_root));
    PBTS_TRY(read_chunk(cursor, &out->receipts_root));
    PBTS_TRY(pbts_read_bytes(cursor, out->logs_bloom, sizeof out->logs_bloom));
    PBTS_TRY(read_chunk(cursor, &out->prev_randao));
    PBTS_TRY(pbts_ssz_read_u64(cursor, &out->block_number));
    PBTS_TRY(pbts_ssz_read_u64(cursor, &out->gas_limit));
    PBTS_TRY(pbts_ssz_read_u64(cursor, &out->gas_used));
    PBTS_TRY(pbts_ssz_read_u64(cursor, &out->timestamp_s));
    PBTS_TRY(pbts_read_u8(cursor, &out->extra_data_len));
    if (out->extra_data_len > sizeof out->extra_data) return PBTS_MALFORMED;
    PBTS_TRY(pbts_read_bytes(cursor, out->extra_data, sizeof out->extra_data));
    PBTS_TRY(read_chunk(cursor, &out->base_fee_wei));
    PBTS_TRY(read_chunk(cursor, &out->block_hash));
    PBTS_TRY(read_chunk(cursor, &out->transactions_root));
    PBTS_TRY(read_chunk(cursor, &out->withdrawals_root));
    PBTS_TRY(pbts_ssz_read_u64(cursor, &out->blob_gas_used));
    return pbts_ssz_read_u64(cursor, &out->excess_blob_gas);
}

static pbts_status read_header(pbts_cursor *cursor, const pbts_beacon_network *network,
                               pbts_light_header *out) {
    pbts_beacon_header *beacon = &out->beacon;
    PBTS_TRY(pbts_ssz_read_u64(cursor, &beacon->slot));
    PBTS_TRY(pbts_ssz_read_u64(cursor, &beacon->proposer_index));
    PBTS_TRY(read_chunk(cursor, &beacon->parent_root));
    PBTS_TRY(read_chunk(cursor, &beacon->state_root));
    PBTS_TRY(read_chunk(cursor, &beacon->body_root));
    PBTS_TRY(read_execution(cursor, &out->execution));
    for (size_t i = 0; i < PBTS_BEACON_EXECUTION_BRANCH_LEN; i++) {
        PBTS_TRY(read_chunk(cursor, &out->execution_branch[i]));
    }
    return pbts_light_header_check(network, out);
}

/* ---- the store ---- */

static void write_committee(pbts_writer *writer, const pbts_beacon_network *network,
                            const pbts_beacon_committee *committee) {
    size_t keys_len = (size_t)network->committee_size * PBTS_BLS_MEMBER_KEY_LEN;
    pbts_write_bytes(writer, (pbts_span){ committee->keys, keys_len });
    pbts_write_bytes(writer, PBTS_SPAN_OF(committee->aggregate));
}

static pbts_status read_committee(pbts_cursor *cursor, const pbts_beacon_network *network,
                                  pbts_light_committee *out) {
    size_t keys_len = (size_t)network->committee_size * PBTS_BLS_MEMBER_KEY_LEN;
    pbts_span keys;
    PBTS_TRY(pbts_read_span(cursor, &keys, keys_len));
    memset(&out->bytes, 0, sizeof out->bytes);
    memcpy(out->bytes.keys, keys.data, keys.len);
    PBTS_TRY(pbts_read_bytes(cursor, out->bytes.aggregate, sizeof out->bytes.aggregate));
    PBTS_TRY(pbts_bls_committee_decode(&out->points, keys));
    out->root = pbts_beacon_committee_root(&out->bytes, network->committee_size);
    return PBTS_OK;
}

void pbts_light_store_write(const pbts_light_store *store, pbts_writer *writer) {
    int flags = (store->has_next ? HAS_NEXT : 0) | (store->is_forced ? IS_FORCED : 0);
    pbts_write_u8(writer, (uint8_t)flags);
    pbts_ssz_write_u32(writer, store->previous_max);
    pbts_ssz_write_u32(writer, store->current_max);
    write_header(writer, &store->finalized);
    write_header(writer, &store->optimistic);
    write_committee(writer, &store->network, &store->current->bytes);
    if (store->has_next) write_committee(writer, &store->network, &store->next->bytes);
}

pbts_status pbts_light_store_read(pbts_light_store *store, pbts_cursor *cursor) {
    const pbts_beacon_network *network = &store->network;
    uint8_t flags;
    store->is_bootstrapped = false;
    PBTS_TRY(pbts_read_u8(cursor, &flags));
    PBTS_TRY(pbts_ssz_read_u32(cursor, &store->previous_max));
    PBTS_TRY(pbts_ssz_read_u32(cursor, &store->current_max));
    PBTS_TRY(read_header(cursor, network, &store->finalized));
    PBTS_TRY(read_header(cursor, network, &store->optimistic));
    if ((flags & ~(HAS_NEXT | IS_FORCED)) != 0) return PBTS_MALFORMED;
    if (store->optimistic.beacon.slot < store->finalized.beacon.slot) return PBTS_MALFORMED;
    if (store->previous_max > network->committee_size ||
        store->current_max > network->committee_size) {
        return PBTS_MALFORMED;
    }
    store->has_next = (flags & HAS_NEXT) != 0;
    store->is_forced = (flags & IS_FORCED) != 0;
    PBTS_TRY(read_committee(cursor, network, store->current));
    if (store->has_next) PBTS_TRY(read_committee(cursor, network, store->next));
    if (pbts_cursor_left(cursor) != 0) return PBTS_MALFORMED;
    store->has_best = false;
    store->is_bootstrapped = true;
    return PBTS_OK;
}

/* ---- the whole ---- */

pbts_status pbts_light_client_save(const pbts_light_client *client, pbts_writer *writer) {
    uint8_t sum[PBTS_SHA256_LEN];
    if (!client->store.is_bootstrapped) return PBTS_NOT_FOUND;
    size_t begin = writer->len;
    pbts_write_text(writer, MAGIC);
    pbts_write_bytes(writer, PBTS_SPAN_OF(client->store.network.genesis_validators_root));
    pbts_write_bytes(writer, PBTS_SPAN_OF(client->config.trusted_root));
    pbts_light_store_write(&client->store, writer);
    PBTS_TRY(pbts_writer_status(writer));
    pbts_sha256(sum, (pbts_span){ writer->data + begin, writer->len - begin });
    pbts_write_bytes(writer, PBTS_SPAN_OF(sum));
    return pbts_writer_status(writer);
}

/* Whether the bytes begin and end as those of save. */
static bool is_whole(pbts_span bytes) {
    uint8_t sum[PBTS_SHA256_LEN];
    if (bytes.len < MAGIC_LEN + PBTS_SHA256_LEN) return false;
    size_t content_len = bytes.len - PBTS_SHA256_LEN;
    pbts_sha256(sum, (pbts_span){ bytes.data, content_len });
    return memcmp(bytes.data, MAGIC, MAGIC_LEN) == 0 &&
           memcmp(bytes.data + content_len, sum, sizeof sum) == 0;
}

pbts_status pbts_light_client_load(pbts_light_client *client, pbts_span bytes, uint64_t now_s) {
    pbts_light_store *store = &client->store;
    pbts_ssz_chunk network_root, trusted_root;
    store->is_bootstrapped = false;
    if (!is_whole(bytes)) return PBTS_CORRUPT;
    pbts_cursor cursor = pbts_cursor_over(
        (pbts_span){ bytes.data + MAGIC_LEN, bytes.len - MAGIC_LEN - PBTS_SHA256_LEN });
    pbts_status status = read_chunk(&cursor, &network_root);
    if (status == PBTS_OK) status = read_chunk(&cursor, &trusted_root);
    if (status != PBTS_OK) return PBTS_MALFORMED;
    pbts_ssz_chunk network_want =
        pbts_ssz_chunk_bytes(PBTS_SPAN_OF(store->network.genesis_validators_root));
    pbts_ssz_chunk trusted_want = pbts_ssz_chunk_bytes(PBTS_SPAN_OF(client->config.trusted_root));
    if (!pbts_ssz_chunk_equal(&network_root, &network_want) ||
        !pbts_ssz_chunk_equal(&trusted_root, &trusted_want)) {
        return PBTS_MALFORMED;
    }
    if (pbts_light_store_read(store, &cursor) != PBTS_OK) return PBTS_MALFORMED;
    status = pbts_light_client_check_age(client, now_s);
    store->is_bootstrapped = status == PBTS_OK;
    return status;
}
