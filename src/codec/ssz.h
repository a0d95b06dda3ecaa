/* codec/ssz.h - Simple Serialize: little-endian fields, hash_tree_root, branches of Merkle trees.
 *
 * Only what containers of fixed fields need; what the containers are, others know. Nodes are
 * SHA-256(left || right) over chunks of 32 bytes; a tree is padded with zero chunks to a power of
 * two. A generalized index numbers the nodes of a tree: the root 1, the children of n 2n and 2n+1.
 * No heap.
 * Source: Ethereum consensus specs, ssz/simple-serialize.md and ssz/merkle-proofs.md.
 */
#ifndef PBTS_CODEC_SSZ_H
#define PBTS_CODEC_SSZ_H

#include "base/cursor.h"
#include "base/writer.h"

enum { PBTS_SSZ_CHUNK_LEN = 32, PBTS_SSZ_DEPTH_MAX = 40 };

typedef struct {
    uint8_t bytes[PBTS_SSZ_CHUNK_LEN]; /* a chunk, or the root of a tree */
} pbts_ssz_chunk;

/* Read one little-endian integer; PBTS_NEED_MORE past the end. */
PBTS_MUST_USE pbts_status pbts_ssz_read_u32(pbts_cursor *cursor, uint32_t *out);
PBTS_MUST_USE pbts_status pbts_ssz_read_u64(pbts_cursor *cursor, uint64_t *out);
void pbts_ssz_write_u32(pbts_writer *writer, uint32_t value);
void pbts_ssz_write_u64(pbts_writer *writer, uint64_t value);

/* A basic value, or bytes of up to 32, as a chunk. */
pbts_ssz_chunk pbts_ssz_chunk_u64(uint64_t value);
pbts_ssz_chunk pbts_ssz_chunk_bytes(pbts_span bytes); /* asserts len <= 32 */
bool pbts_ssz_chunk_equal(const pbts_ssz_chunk *a, const pbts_ssz_chunk *b);
bool pbts_ssz_chunk_is_zero(const pbts_ssz_chunk *chunk);

/* SHA-256(left || right). */
pbts_ssz_chunk pbts_ssz_node(const pbts_ssz_chunk *left, const pbts_ssz_chunk *right);

/* merkleize: the root of `count` chunks padded with zero chunks to the next power of two. The
 * chunks are overwritten. count > 0. */
pbts_ssz_chunk pbts_ssz_merkleize(pbts_ssz_chunk *chunks, size_t count);

/* hash_tree_root of a vector of bytes (Bytes48, Bytes96, ByteVector[256]): 1..512 bytes. */
pbts_ssz_chunk pbts_ssz_root_bytes(pbts_span bytes);
/* hash_tree_root of ByteList[32]: up to 32 bytes, the length mixed in. */
pbts_ssz_chunk pbts_ssz_root_list32(pbts_span bytes);

/* How deep the node of a generalized index lies: floor(log2(gindex)). gindex > 0. */
size_t pbts_ssz_depth(uint64_t gindex);

/* is_valid_merkle_branch: whether `leaf` is the node `gindex` of the tree with this root, `branch`
 * being the siblings from the leaf upwards. PBTS_OK; PBTS_MALFORMED: another length than the depth
 * of gindex, gindex 0 or deeper than PBTS_SSZ_DEPTH_MAX, or another root. */
PBTS_MUST_USE pbts_status pbts_ssz_check_branch(const pbts_ssz_chunk *root,
                                                const pbts_ssz_chunk *leaf, uint64_t gindex,
                                                const pbts_ssz_chunk *branch, size_t branch_len);

#endif
