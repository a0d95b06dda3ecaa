/* torrent/metainfo_parts.h - what the files of the metainfo parser share. Private to the module. */
#ifndef PBTS_TORRENT_METAINFO_PARTS_H
#define PBTS_TORRENT_METAINFO_PARTS_H

#include "codec/bencode.h"
#include "hash/sha.h"
#include "torrent/file_list.h"

/* Complete and checked once pbts_metainfo_parse gives it out; constant from then on. */
struct pbts_metainfo {
    pbts_mem *mem;
    pbts_span bytes; /* the owned copy; every other span points into it */
    pbts_span info;
    pbts_span name;
    pbts_span source;    /* empty: none */
    pbts_span hashes_v1; /* 20 x piece_count, or empty: no v1 */
    uint8_t *hashes_v2;  /* owned, 32 x piece_count, or NULL: no v2 */
    uint8_t infohash_v1[PBTS_SHA1_LEN];
    uint8_t infohash_v2[PBTS_SHA256_LEN];
    pbts_file_list files;
    uint32_t *piece_bytes; /* owned, piece_count of them, sums to total_bytes */
    uint64_t total_bytes;
    uint32_t piece_length;
    uint32_t piece_count;
    bool has_v1;
    bool has_v2;
    bool is_private;
    bool single_file;
};

/* One run of the parser: what is being filled, and why it failed. */
typedef struct {
    pbts_metainfo *meta;
    pbts_bvalue root;
    pbts_bvalue info;
    const char *problem; /* static text, set with every failure */
} pbts_metainfo_parser;

/* Note the problem and pass the status on: return pbts_metainfo_fail(parser, PBTS_LIMIT, "..."). */
pbts_status pbts_metainfo_fail(pbts_metainfo_parser *parser, pbts_status status,
                               const char *problem);

/* v1 (BEP 3, 47): read `length` or `files`, then check that `pieces` fits the stream's length.
 * In a hybrid the files must be the tree's, which is read before. */
PBTS_MUST_USE pbts_status pbts_metainfo_read_v1(pbts_metainfo_parser *parser);
/* v2 (BEP 52): read `file tree`, count pieces, then take their hashes from `piece layers`, each
 * layer checked against its file's root. */
PBTS_MUST_USE pbts_status pbts_metainfo_read_v2(pbts_metainfo_parser *parser);

/* As far as the file tree of a v2 info dictionary: `*out` has files, piece length and piece count,
 * and nothing else may be asked of it; to be freed as any. PBTS_NOT_FOUND: no v2; else as
 * pbts_metainfo_parse. */
PBTS_MUST_USE pbts_status pbts_metainfo_parse_tree(pbts_metainfo **out, pbts_mem *mem,
                                                   pbts_span info);
PBTS_MUST_USE pbts_status pbts_metainfo_read_tree(pbts_metainfo_parser *parser);

#endif
