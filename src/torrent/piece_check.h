/* torrent/piece_check.h - whether bytes are a torrent's piece. */
#ifndef PBTS_TORRENT_PIECE_CHECK_H
#define PBTS_TORRENT_PIECE_CHECK_H

#include "torrent/metainfo.h"

/* The file that a byte of the piece stream lies in: the last one that begins at or before it. */
uint32_t pbts_metainfo_file_at(const pbts_metainfo *meta, uint64_t offset_bytes);
/* Where piece `index` begins in that stream (pbts_torrent_file.offset_bytes), and how many bytes
 * it has there: v1 padding counts, the end of the content ends it. index < piece_count. */
uint64_t pbts_piece_offset(const pbts_metainfo *meta, uint32_t index);
uint32_t pbts_piece_stream_bytes(const pbts_metainfo *meta, uint32_t index);

/* Check the piece's bytes, pbts_piece_stream_bytes of them, against the torrent's hash: SHA-1 in a
 * v1 torrent, the root of the blocks in v2 and hybrid, and there SHA-1 too. PBTS_OK, or
 * PBTS_MALFORMED when they are not the piece. No heap. Source: BEP 3, BEP 52. */
PBTS_MUST_USE pbts_status pbts_piece_check(const pbts_metainfo *meta, uint32_t index,
                                           pbts_span bytes);

#endif
