#include "codec/ssz.h"

#include "base/assert.h"
#include "hash/sha.h"

enum { ROOT_BYTES_MAX = 512 };

/* ---- fields ---- */

static pbts_status read_little_endian(pbts_cursor *cursor, uint64_t *out, size_t len) {
    pbts_span bytes;
    PBTS_TRY(pbts_read_span(cursor, &bytes, len));
    uint64_t value = 0;
    for (size_t i = len; i-- > 0;) value = value << 8 | bytes.data[i];
    *out = value;
    return PBTS_OK;
}

pbts_status pbts_ssz_read_u32(pbts_cursor *cursor, uint32_t *out) {
    uint64_t value;
    PBTS_TRY(read_little_endian(cursor, &value, sizeof *out));
    *out = (uint32_t)value;
    return PBTS_OK;
}

pbts_status pbts_ssz_read_u64(pbts_cursor *cursor, uint64_t *out) {
    return read_little_endian(cursor, out, sizeof *out);
}

static void write_little_endian(pbts_writer *writer, uint64_t value, size_t len) {
    for (size_t i = 0; i < len; i++) pbts_write_u8(writer, (uint8_t)(value >> (8 * i)));
}

void pbts_ssz_write_u32(pbts_writer *writer, uint32_t value) {
    write_little_endian(writer, value, sizeof value);
}

void pbts_ssz_write_u64(pbts_writer *writer, uint64_t value) {
    write_little_endian(writer, value, sizeof value);
}

/* ---- chunks ---- */

pbts_ssz_chunk pbts_ssz_chunk_u64(uint64_t value) {
    pbts_ssz_chunk chunk = { { 0 } };
    for (size_t i = 0; i < sizeof value; i++) chunk.bytes[i] = (uint8_t)(value >> (8 * i));
    return chunk;
}

pbts_ssz_chunk pbts_ssz_chunk_bytes(pbts_span bytes) {
    pbts_ssz_chunk chunk = { { 0 } };
    assert(bytes.len <= sizeof chunk.bytes);
    if (bytes.len > 0) memcpy(chunk.bytes, bytes.data, bytes.len);
    return chunk;
}

bool pbts_ssz_chunk_equal(const pbts_ssz_chunk *a, const pbts_ssz_chunk *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool pbts_ssz_chunk_is_zero(const pbts_ssz_chunk *chunk) {
    static const pbts_ssz_chunk ZERO;
    return pbts_ssz_chunk_equal(chunk, &ZERO);
}

/* ---- trees ---- */

pbts_ssz_chunk pbts_ssz_node(const pbts_ssz_chunk *left, const pbts_ssz_chunk *right) {
    uint8_t both[2 * PBTS_SSZ_CHUNK_LEN];
    pbts_ssz_chunk node;
    memcpy(both, left->bytes, PBTS_SSZ_CHUNK_LEN);
    memcpy(both + PBTS_SSZ_CHUNK_LEN, right->bytes, PBTS_SSZ_CHUNK_LEN);
    pbts_sha256(node.bytes, PBTS_SPAN_OF(both));
    return node;
}

pbts_ssz_chunk pbts_ssz_merkleize(pbts_ssz_chunk *chunks, size_t count) {
    pbts_ssz_chunk zero = { { 0 } }; /* the root of as much nothing as a node of this level spans */
    assert(count > 0);
    while (count > 1) {
        for (size_t i = 0; i < count; i += 2) {
            chunks[i / 2] = pbts_ssz_node(&chunks[i], i + 1 < count ? &chunks[i + 1] : &zero);
        }
        zero = pbts_ssz_node(&zero, &zero);
        count = (count + 1) / 2;
    }
    return chunks[0];
}

pbts_ssz_chunk pbts_ssz_root_bytes(pbts_span bytes) {
    pbts_ssz_chunk chunks[ROOT_BYTES_MAX / PBTS_SSZ_CHUNK_LEN];
    assert(bytes.len > 0 && bytes.len <= ROOT_BYTES_MAX);
    size_t count = (bytes.len + PBTS_SSZ_CHUNK_LEN - 1) / PBTS_SSZ_CHUNK_LEN;
    memset(&chunks[count - 1], 0, sizeof chunks[0]);
    memcpy(chunks, bytes.data, bytes.len);
    return pbts_ssz_merkleize(chunks, count);
}

pbts_ssz_chunk pbts_ssz_root_list32(pbts_span bytes) {
    pbts_ssz_chunk content = pbts_ssz_chunk_bytes(bytes), len = pbts_ssz_chunk_u64(bytes.len);
    return pbts_ssz_node(&content, &len);
}

/* ---- branches ---- */

size_t pbts_ssz_depth(uint64_t gindex) {
    size_t depth = 0;
    assert(gindex > 0);
    while (gindex >>= 1) depth++;
    return depth;
}

pbts_status pbts_ssz_check_branch(const pbts_ssz_chunk *root, const pbts_ssz_chunk *leaf,
                                  uint64_t gindex, const pbts_ssz_chunk *branch,
                                  size_t branch_len) {
    pbts_ssz_chunk node = *leaf;
    if (gindex == 0 || pbts_ssz_depth(gindex) != branch_len) return PBTS_MALFORMED;
    if (branch_len > PBTS_SSZ_DEPTH_MAX) return PBTS_MALFORMED;
    for (size_t i = 0; i < branch_len; i++, gindex >>= 1) {
        node = gindex & 1 ? pbts_ssz_node(&branch[i], &node) : pbts_ssz_node(&node, &branch[i]);
    }
    return pbts_ssz_chunk_equal(&node, root) ? PBTS_OK : PBTS_MALFORMED;
}
