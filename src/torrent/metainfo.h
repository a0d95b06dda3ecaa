/* torrent/metainfo.h - a .torrent file: v1 (BEP 3), v2 and hybrid (BEP 52), checked and read.
 *
 * Pieces as receipts and the ledger see them: index 0..piece_count-1, each with a real size in
 * bytes and a 32-byte hash. v1: SHA-1 and 12 zero bytes; v2: the SHA-256 root of the piece's
 * blocks. In v2 and hybrid torrents pieces never span files, and the size is that of the file's
 * bytes (padding is never credited); both infohashes of a hybrid name the same pieces and sizes.
 */
#ifndef PBTS_TORRENT_METAINFO_H
#define PBTS_TORRENT_METAINFO_H

#include "base/cursor.h"
#include "base/mem.h"

enum {
    PBTS_INFOHASH_LEN = 20,
    PBTS_PIECE_HASH_LEN = 32,
    PBTS_METAINFO_LEN_MAX = 10 * 1024 * 1024,
    PBTS_PIECE_LENGTH_MIN = 16 * 1024, /* and a power of two in v2 (BEP 52) */
    PBTS_PIECE_LENGTH_MAX = 64 * 1024 * 1024,
    PBTS_PIECES_MAX = 1u << 20,
    PBTS_TORRENT_SOURCE_MAX = 256,
    PBTS_TORRENT_FILES_MAX = 100000,
    PBTS_TORRENT_PATH_MAX = 4096,                  /* one joined path */
    PBTS_TORRENT_PATHS_LEN_MAX = 16 * 1024 * 1024, /* all joined paths: nested folders multiply */
};

typedef struct pbts_metainfo pbts_metainfo; /* opaque; owns a copy of the bytes */

typedef struct {
    pbts_span path;        /* "/"-joined, each part checked: no "", ".", "..", NUL, "/" */
    uint64_t length_bytes; /* real bytes */
    uint64_t offset_bytes; /* in the stream of v1 pieces, padding counted; piece-aligned in v2 */
    bool padding;          /* BEP 47 pad file of a v1 torrent; not on disk */
} pbts_torrent_file;

/* Parse and check. PBTS_MALFORMED (what is wrong: `problem`, static text, may be NULL),
 * PBTS_LIMIT, PBTS_NO_MEMORY. The caller frees `*out`. */
PBTS_MUST_USE pbts_status pbts_metainfo_parse(pbts_metainfo **out, const char **problem,
                                              pbts_mem *mem, pbts_span bytes);
void pbts_metainfo_free(pbts_metainfo *meta); /* NULL is a no-op */

bool pbts_metainfo_has_v1(const pbts_metainfo *meta);
bool pbts_metainfo_has_v2(const pbts_metainfo *meta);
/* 20 bytes each; the v2 one is the truncated SHA-256. Asserts that the version is there. */
const uint8_t *pbts_metainfo_infohash_v1(const pbts_metainfo *meta);
const uint8_t *pbts_metainfo_infohash_v2(const pbts_metainfo *meta);
const uint8_t *pbts_metainfo_infohash_v2_full(const pbts_metainfo *meta); /* 32 bytes */
/* The infohash that names the torrent here: v1 when there is one. */
const uint8_t *pbts_metainfo_infohash(const pbts_metainfo *meta);

pbts_span pbts_metainfo_name(const pbts_metainfo *meta);
/* info.source, which keeps the infohashes of two trackers apart; any bytes, empty: none. */
pbts_span pbts_metainfo_source(const pbts_metainfo *meta);
pbts_span pbts_metainfo_info_raw(const pbts_metainfo *meta);   /* the info dictionary's bytes */
pbts_span pbts_metainfo_bytes(const pbts_metainfo *meta);      /* the whole file */
bool pbts_metainfo_is_private(const pbts_metainfo *meta);      /* info.private = 1 (BEP 27) */
uint64_t pbts_metainfo_total_bytes(const pbts_metainfo *meta); /* real bytes, no padding */
uint32_t pbts_metainfo_piece_length(const pbts_metainfo *meta);
uint32_t pbts_metainfo_piece_count(const pbts_metainfo *meta);
/* Real bytes in a piece: > 0 and <= piece_length; sums to total_bytes. index < piece_count. */
uint32_t pbts_metainfo_piece_bytes(const pbts_metainfo *meta, uint32_t index);
/* The piece's 32-byte hash under the v1 or the v2 infohash; asserts that the version is there. */
void pbts_metainfo_piece_hash(uint8_t out[static PBTS_PIECE_HASH_LEN], const pbts_metainfo *meta,
                              bool v2, uint32_t index);

/* Whether the content is one file called `name`, not a folder of that name. */
bool pbts_metainfo_is_single_file(const pbts_metainfo *meta);

/* Files in order. In a hybrid or v2 torrent: the file tree's; in v1: `files`
 * (BEP 47 pad files among them, their bytes in no total) or the single one. */
uint32_t pbts_metainfo_file_count(const pbts_metainfo *meta);
pbts_torrent_file pbts_metainfo_file(const pbts_metainfo *meta, uint32_t index);

#endif
