/* The messages as SSZ. Only Bellatrix headers have a fixed length; all others stand behind the
 * fixed part of what they are in, and an offset points at each. */
#include "base/assert.h"
#include "eth/light_data.h"

enum {
    BEACON_LEN = 112,
    OFFSET_LEN = 4,
    HEADER_FIXED_LEN = BEACON_LEN + OFFSET_LEN + PBTS_BEACON_EXECUTION_BRANCH_LEN * 32,
    CAPELLA_FIXED_LEN = 568, /* of an execution header */
    DENEB_FIXED_LEN = CAPELLA_FIXED_LEN + 16,
    SLOT_LEN = 8,
    DIGEST_LEN = 4,
};

/* One container being read: its fixed part, then what its offsets point at, in order. */
typedef struct {
    pbts_cursor fixed;
    pbts_span whole;
    size_t fixed_len;
    uint32_t offsets[2];
    size_t offset_count;
} container;

static pbts_status container_open(container *out, pbts_span bytes, size_t fixed_len) {
    if (bytes.len < fixed_len) return PBTS_MALFORMED;
    *out = (container){ .fixed = pbts_cursor_over((pbts_span){ bytes.data, fixed_len }),
                        .whole = bytes,
                        .fixed_len = fixed_len };
    return PBTS_OK;
}

static pbts_status read_offset(container *from) {
    assert(from->offset_count < 2);
    return pbts_ssz_read_u32(&from->fixed, &from->offsets[from->offset_count++]);
}

/* What offset number `index` points at, up to the next or to the end. The first must point right
 * behind the fixed part, so that no byte goes unread. */
static pbts_status part_at(const container *from, size_t index, pbts_span *out) {
    size_t begin = from->offsets[index];
    size_t end = index + 1 < from->offset_count ? from->offsets[index + 1] : from->whole.len;
    if (index == 0 && begin != from->fixed_len) return PBTS_MALFORMED;
    if (begin > end || end > from->whole.len) return PBTS_MALFORMED;
    *out = (pbts_span){ from->whole.data + begin, end - begin };
    return PBTS_OK;
}

static pbts_status read_chunks(pbts_cursor *cursor, pbts_ssz_chunk *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        PBTS_TRY(pbts_read_bytes(cursor, out[i].bytes, sizeof out[i].bytes));
    }
    return PBTS_OK;
}

static pbts_status read_chunk(pbts_cursor *cursor, pbts_ssz_chunk *out) {
    return read_chunks(cursor, out, 1);
}

/* ---- headers ---- */

static pbts_status read_beacon(pbts_cursor *cursor, pbts_beacon_header *out) {
    PBTS_TRY(pbts_ssz_read_u64(cursor, &out->slot));
    PBTS_TRY(pbts_ssz_read_u64(cursor, &out->proposer_index));
    PBTS_TRY(read_chunk(cursor, &out->parent_root));
    PBTS_TRY(read_chunk(cursor, &out->state_root));
    return read_chunk(cursor, &out->body_root);
}

static pbts_status read_execution(pbts_beacon_execution *out, pbts_beacon_fork fork,
                                  pbts_span bytes) {
    bool has_blobs = fork >= PBTS_BEACON_DENEB;
    container from;
    pbts_span extra_data;
    PBTS_TRY(container_open(&from, bytes, has_blobs ? DENEB_FIXED_LEN : CAPELLA_FIXED_LEN));
    PBTS_TRY(read_chunk(&from.fixed, &out->parent_hash));
    PBTS_TRY(pbts_read_bytes(&from.fixed, out->fee_recipient, sizeof out->fee_recipient));
    PBTS_TRY(read_chunk(&from.fixed, &out->state_root));
    PBTS_TRY(read_chunk(&from.fixed, &out->receipts_root));
    PBTS_TRY(pbts_read_bytes(&from.fixed, out->logs_bloom, sizeof out->logs_bloom));
    PBTS_TRY(read_chunk(&from.fixed, &out->prev_randao));
    PBTS_TRY(pbts_ssz_read_u64(&from.fixed, &out->block_number));
    PBTS_TRY(pbts_ssz_read_u64(&from.fixed, &out->gas_limit));
    PBTS_TRY(pbts_ssz_read_u64(&from.fixed, &out->gas_used));
    PBTS_TRY(pbts_ssz_read_u64(&from.fixed, &out->timestamp_s));
    PBTS_TRY(read_offset(&from));
    PBTS_TRY(read_chunk(&from.fixed, &out->base_fee_wei));
    PBTS_TRY(read_chunk(&from.fixed, &out->block_hash));
    PBTS_TRY(read_chunk(&from.fixed, &out->transactions_root));
    PBTS_TRY(read_chunk(&from.fixed, &out->withdrawals_root));
    if (has_blobs) {
        PBTS_TRY(pbts_ssz_read_u64(&from.fixed, &out->blob_gas_used));
        PBTS_TRY(pbts_ssz_read_u64(&from.fixed, &out->excess_blob_gas));
    }
    PBTS_TRY(part_at(&from, 0, &extra_data));
    if (extra_data.len > sizeof out->extra_data) return PBTS_MALFORMED;
    if (extra_data.len > 0) memcpy(out->extra_data, extra_data.data, extra_data.len);
    out->extra_data_len = (uint8_t)extra_data.len;
    return PBTS_OK;
}

static pbts_status read_header(pbts_light_header *out, pbts_beacon_fork fork, pbts_span bytes) {
    container from;
    pbts_span execution;
    PBTS_TRY(container_open(&from, bytes, HEADER_FIXED_LEN));
    PBTS_TRY(read_beacon(&from.fixed, &out->beacon));
    PBTS_TRY(read_offset(&from));
    PBTS_TRY(read_chunks(&from.fixed, out->execution_branch, PBTS_BEACON_EXECUTION_BRANCH_LEN));
    PBTS_TRY(part_at(&from, 0, &execution));
    return read_execution(&out->execution, fork, execution);
}

static bool has_execution(pbts_beacon_fork fork) {
    return fork >= PBTS_BEACON_CAPELLA;
}

/* A header's place in a fixed part: the header itself, or an offset. */
static size_t header_place_len(pbts_beacon_fork fork) {
    return has_execution(fork) ? OFFSET_LEN : BEACON_LEN;
}

static pbts_status read_header_place(container *from, pbts_light_header *out,
                                     pbts_beacon_fork fork) {
    return has_execution(fork) ? read_offset(from) : read_beacon(&from->fixed, &out->beacon);
}

/* What the offset pointed at; nothing to do for a header that stood in its place. */
static pbts_status read_header_part(const container *from, size_t index, pbts_light_header *out,
                                    pbts_beacon_fork fork) {
    pbts_span bytes;
    if (!has_execution(fork)) return PBTS_OK;
    PBTS_TRY(part_at(from, index, &bytes));
    return read_header(out, fork, bytes);
}

/* ---- messages ---- */

static size_t committee_len(const pbts_beacon_network *network) {
    return ((size_t)network->committee_size + 1) * PBTS_BLS_MEMBER_KEY_LEN;
}

static pbts_status read_committee(pbts_cursor *cursor, pbts_beacon_committee *out,
                                  const pbts_beacon_network *network) {
    size_t keys_len = (size_t)network->committee_size * PBTS_BLS_MEMBER_KEY_LEN;
    PBTS_TRY(pbts_read_bytes(cursor, out->keys, keys_len));
    return pbts_read_bytes(cursor, out->aggregate, sizeof out->aggregate);
}

static size_t bootstrap_fixed_len(const pbts_beacon_network *network, pbts_beacon_fork fork) {
    return header_place_len(fork) + committee_len(network) +
           pbts_light_committee_branch_len(fork) * PBTS_SSZ_CHUNK_LEN;
}

static size_t update_fixed_len(const pbts_beacon_network *network, pbts_light_container kind,
                               pbts_beacon_fork fork) {
    size_t len = header_place_len(fork) + network->committee_size / 8 +
                 PBTS_BLS_MEMBER_SIGNATURE_LEN + SLOT_LEN;
    if (kind == PBTS_LIGHT_OPTIMISTIC_UPDATE) return len;
    len += header_place_len(fork) + pbts_light_finality_branch_len(fork) * PBTS_SSZ_CHUNK_LEN;
    if (kind == PBTS_LIGHT_FINALITY_UPDATE) return len;
    return len + committee_len(network) +
           pbts_light_committee_branch_len(fork) * PBTS_SSZ_CHUNK_LEN;
}

/* Whether a message of the fork has its first header where it would have to be: then the slot that
 * stands there is of that fork. */
static bool is_of_fork(const pbts_beacon_network *network, pbts_beacon_fork fork, size_t fixed_len,
                       pbts_span bytes) {
    size_t at = has_execution(fork) ? fixed_len : 0;
    uint64_t slot;
    if (bytes.len < at) return false;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ bytes.data + at, bytes.len - at });
    if (pbts_ssz_read_u64(&cursor, &slot) != PBTS_OK) return false;
    return pbts_beacon_fork_at(network, slot) == fork;
}

static pbts_status read_bootstrap(pbts_light_bootstrap *out, const pbts_beacon_network *network,
                                  pbts_beacon_fork fork, pbts_span bytes) {
    container from;
    size_t fixed_len = bootstrap_fixed_len(network, fork);
    if (!has_execution(fork) && bytes.len != fixed_len) return PBTS_MALFORMED;
    PBTS_TRY(container_open(&from, bytes, fixed_len));
    PBTS_TRY(read_header_place(&from, &out->header, fork));
    PBTS_TRY(read_committee(&from.fixed, &out->committee, network));
    PBTS_TRY(
        read_chunks(&from.fixed, out->committee_branch, pbts_light_committee_branch_len(fork)));
    return read_header_part(&from, 0, &out->header, fork);
}

static pbts_status read_update(pbts_light_update *out, const pbts_beacon_network *network,
                               pbts_light_container kind, pbts_beacon_fork fork, pbts_span bytes) {
    container from;
    size_t fixed_len = update_fixed_len(network, kind, fork);
    if (!has_execution(fork) && bytes.len != fixed_len) return PBTS_MALFORMED;
    PBTS_TRY(container_open(&from, bytes, fixed_len));
    PBTS_TRY(read_header_place(&from, &out->attested, fork));
    if (kind == PBTS_LIGHT_FULL_UPDATE) {
        PBTS_TRY(read_committee(&from.fixed, &out->next, network));
        PBTS_TRY(read_chunks(&from.fixed, out->next_branch, pbts_light_committee_branch_len(fork)));
    }
    if (kind != PBTS_LIGHT_OPTIMISTIC_UPDATE) {
        PBTS_TRY(read_header_place(&from, &out->finalized, fork));
        PBTS_TRY(
            read_chunks(&from.fixed, out->finality_branch, pbts_light_finality_branch_len(fork)));
    }
    PBTS_TRY(pbts_read_bytes(&from.fixed, out->bits, network->committee_size / 8));
    PBTS_TRY(pbts_read_bytes(&from.fixed, out->signature, sizeof out->signature));
    PBTS_TRY(pbts_ssz_read_u64(&from.fixed, &out->signature_slot));
    PBTS_TRY(read_header_part(&from, 0, &out->attested, fork));
    if (kind == PBTS_LIGHT_OPTIMISTIC_UPDATE) return PBTS_OK;
    return read_header_part(&from, 1, &out->finalized, fork);
}

/* A message that ends early is not one that goes on: all of it is here. */
static pbts_status ended(pbts_status status) {
    return status == PBTS_NEED_MORE ? PBTS_MALFORMED : status;
}

pbts_status pbts_light_bootstrap_decode_ssz(pbts_light_bootstrap *out,
                                            const pbts_beacon_network *network, pbts_span bytes) {
    if (bytes.len > PBTS_LIGHT_ANSWER_LEN_MAX) return PBTS_LIMIT;
    memset(out, 0, sizeof *out);
    for (int f = PBTS_BEACON_BELLATRIX; f < PBTS_BEACON_FORKS; f++) {
        pbts_beacon_fork fork = (pbts_beacon_fork)f;
        if (is_of_fork(network, fork, bootstrap_fixed_len(network, fork), bytes)) {
            return ended(read_bootstrap(out, network, fork, bytes));
        }
    }
    return PBTS_MALFORMED;
}

pbts_status pbts_light_update_decode_ssz(pbts_light_update *out, const pbts_beacon_network *network,
                                         pbts_light_container kind, pbts_span bytes) {
    if (bytes.len > PBTS_LIGHT_ANSWER_LEN_MAX) return PBTS_LIMIT;
    memset(out, 0, sizeof *out);
    for (int f = PBTS_BEACON_BELLATRIX; f < PBTS_BEACON_FORKS; f++) {
        pbts_beacon_fork fork = (pbts_beacon_fork)f;
        if (!is_of_fork(network, fork, update_fixed_len(network, kind, fork), bytes)) continue;
        PBTS_TRY(ended(read_update(out, network, kind, fork, bytes)));
        return pbts_light_update_normalize(out, network);
    }
    return PBTS_MALFORMED;
}

pbts_status pbts_light_updates_next(pbts_cursor *answer, pbts_span *update) {
    uint64_t len;
    pbts_span digest;
    if (pbts_cursor_left(answer) == 0) return PBTS_NOT_FOUND;
    PBTS_TRY(ended(pbts_ssz_read_u64(answer, &len)));
    if (len < DIGEST_LEN || len > pbts_cursor_left(answer)) return PBTS_MALFORMED;
    PBTS_TRY(ended(pbts_read_span(answer, &digest, DIGEST_LEN)));
    return ended(pbts_read_span(answer, update, (size_t)len - DIGEST_LEN));
}
