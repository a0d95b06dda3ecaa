/* torrent/builder_parts.h - what the builder's hashing and its encoding share. Private. */
#ifndef PBTS_TORRENT_BUILDER_PARTS_H
#define PBTS_TORRENT_BUILDER_PARTS_H

#include "codec/bencode.h"
#include "torrent/builder.h"
#include "torrent/file_list.h"
#include "torrent/merkle.h"

/* In a file tree a part of a path is a dictionary, inside root, info and "file tree" and around "".
 */
enum { PBTS_TREE_PATH_PARTS_MAX = PBTS_BENCODE_DEPTH_MAX - 4 };

/* A growing run of hashes of one length. */
typedef struct {
    uint8_t *bytes;
    size_t len;
    size_t capacity;
} pbts_hash_run;

struct pbts_torrent_builder {
    pbts_mem *mem;
    pbts_torrent_options options; /* its spans point into `texts` */
    uint8_t *texts;
    bool makes_v1;
    bool makes_v2;
    bool failed; /* after a failure nothing goes on */
    pbts_file_list files;
    uint64_t total_bytes;  /* real bytes */
    uint64_t stream_bytes; /* begun so far, padding counted: the next file's offset */
    uint64_t missing;      /* bytes that the open file still lacks */

    pbts_hash_run hashes_v1; /* 20 bytes a piece */
    pbts_sha1_state piece_v1;
    uint32_t piece_v1_len; /* bytes in piece_v1 */

    pbts_hash_run hashes_v2; /* 32 bytes a piece, files one after the other */
    pbts_sha256_state block;
    uint32_t block_len;     /* bytes in block */
    pbts_merkle piece_tree; /* blocks of the open piece */
    pbts_merkle file_tree;  /* pieces of the open file */

    uint8_t *out; /* the finished file */
    size_t out_len;
};

/* Write the .torrent of a complete builder; `by_root` lists the files with layers by root. */
void pbts_torrent_builder_encode(pbts_writer *writer, const pbts_torrent_builder *builder,
                                 const pbts_file_record *const *by_root, size_t by_root_count);

#endif
