#include "torrent/piece_check.h"

#include "base/assert.h"
#include "torrent/merkle.h"

uint32_t pbts_metainfo_file_at(const pbts_metainfo *meta, uint64_t offset_bytes) {
    uint32_t low = 0, high = pbts_metainfo_file_count(meta);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (pbts_metainfo_file(meta, middle).offset_bytes <= offset_bytes) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t pbts_piece_offset(const pbts_metainfo *meta, uint32_t index) {
    assert(index < pbts_metainfo_piece_count(meta));
    return (uint64_t)index * pbts_metainfo_piece_length(meta);
}

uint32_t pbts_piece_stream_bytes(const pbts_metainfo *meta, uint32_t index) {
    uint64_t offset = pbts_piece_offset(meta, index);
    uint32_t piece_length = pbts_metainfo_piece_length(meta);
    if (pbts_metainfo_has_v2(meta)) return pbts_metainfo_piece_bytes(meta, index);
    pbts_torrent_file last = pbts_metainfo_file(meta, pbts_metainfo_file_count(meta) - 1);
    uint64_t left = last.offset_bytes + last.length_bytes - offset;
    return left < piece_length ? (uint32_t)left : piece_length;
}

static bool has_sha1(const pbts_metainfo *meta, uint32_t index, pbts_sha1_state *state) {
    uint8_t want[PBTS_PIECE_HASH_LEN], found[PBTS_SHA1_LEN];
    pbts_metainfo_piece_hash(want, meta, false, index);
    pbts_sha1_final(state, found);
    return memcmp(want, found, sizeof found) == 0;
}

static void feed_zeros(pbts_sha1_state *state, uint64_t count) {
    static const uint8_t ZEROS[4096];
    while (count > 0) {
        size_t len = count < sizeof ZEROS ? (size_t)count : sizeof ZEROS;
        pbts_sha1_update(state, (pbts_span){ ZEROS, len });
        count -= len;
    }
}

static bool is_v1_piece(const pbts_metainfo *meta, uint32_t index, pbts_span bytes) {
    uint32_t piece_length = pbts_metainfo_piece_length(meta);
    pbts_sha1_state state, padded;
    pbts_sha1_init(&state);
    pbts_sha1_update(&state, bytes);
    padded = state;
    if (has_sha1(meta, index, &state)) return true;
    /* A hybrid torrent pads the end of a file; whether of the last one too is the maker's choice.
     */
    if (!pbts_metainfo_has_v2(meta)) return false;
    feed_zeros(&padded, piece_length - bytes.len);
    return has_sha1(meta, index, &padded);
}

static bool is_v2_piece(const pbts_metainfo *meta, uint32_t index, pbts_span bytes) {
    uint8_t want[PBTS_PIECE_HASH_LEN], found[PBTS_SHA256_LEN];
    uint32_t piece_length = pbts_metainfo_piece_length(meta);
    pbts_merkle tree;
    pbts_merkle_init(&tree);
    for (size_t at = 0; at < bytes.len; at += PBTS_BLOCK_LEN) {
        size_t left = bytes.len - at;
        pbts_span block = { bytes.data + at, left < PBTS_BLOCK_LEN ? left : PBTS_BLOCK_LEN };
        pbts_sha256(found, block);
        pbts_merkle_add(&tree, found);
    }
    uint32_t file = pbts_metainfo_file_at(meta, pbts_piece_offset(meta, index));
    bool is_whole_file = pbts_metainfo_file(meta, file).length_bytes <= piece_length;
    uint64_t blocks = is_whole_file ? tree.leaf_count : piece_length / PBTS_BLOCK_LEN;
    pbts_merkle_root(found, &tree, pbts_merkle_height(blocks), 0);
    pbts_metainfo_piece_hash(want, meta, true, index);
    return memcmp(want, found, sizeof found) == 0;
}

pbts_status pbts_piece_check(const pbts_metainfo *meta, uint32_t index, pbts_span bytes) {
    if (bytes.len != pbts_piece_stream_bytes(meta, index)) return PBTS_MALFORMED;
    if (pbts_metainfo_has_v2(meta) && !is_v2_piece(meta, index, bytes)) return PBTS_MALFORMED;
    if (pbts_metainfo_has_v1(meta) && !is_v1_piece(meta, index, bytes)) return PBTS_MALFORMED;
    return PBTS_OK;
}
