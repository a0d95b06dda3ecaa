/* torrent/builder.h - make a metainfo from file contents. Bytes go in, the .torrent comes out;
 * opening and reading the files is the caller's. */
#ifndef PBTS_TORRENT_BUILDER_H
#define PBTS_TORRENT_BUILDER_H

#include "torrent/metainfo.h"

typedef enum { PBTS_TORRENT_V1, PBTS_TORRENT_V2, PBTS_TORRENT_HYBRID } pbts_torrent_version;

typedef struct {
    pbts_torrent_version version;
    uint32_t piece_length; /* a power of two, PBTS_PIECE_LENGTH_MIN..MAX */
    pbts_span name;        /* of the file or folder */
    bool single_file;      /* content is one file called `name`. V2 alone cannot tell that from
                              a folder holding one file of the folder's name. */
    pbts_span announce;    /* may be empty */
    pbts_span comment;     /* may be empty */
    pbts_span source;      /* info.source, at most PBTS_TORRENT_SOURCE_MAX; empty: none */
    uint64_t created_at;   /* unix seconds; 0 leaves it out */
    pbts_span fallback;    /* the dictionary "pbts", encoded (torrent/fallback.h); empty: none */
} pbts_torrent_options;

typedef struct pbts_torrent_builder pbts_torrent_builder;

/* PBTS_MALFORMED (piece length, name), PBTS_LIMIT (a text), PBTS_NO_MEMORY. The options' texts are
 * copied. */
PBTS_MUST_USE pbts_status pbts_torrent_builder_new(pbts_torrent_builder **out, pbts_mem *mem,
                                                   const pbts_torrent_options *options);
void pbts_torrent_builder_free(pbts_torrent_builder *builder); /* NULL is a no-op */
/* The order of files: as the file tree of BEP 52 has it, part by part ("a/b" before "a-b"). */
int pbts_torrent_path_compare(pbts_span a, pbts_span b);
/* Files in that order; each: one begin, then its bytes in any portions. PBTS_MALFORMED for a bad
 * path, order, or number of bytes; PBTS_LIMIT; PBTS_NO_MEMORY. After a failure: free only. */
PBTS_MUST_USE pbts_status pbts_torrent_builder_begin_file(pbts_torrent_builder *builder,
                                                          pbts_span path, uint64_t length_bytes);
PBTS_MUST_USE pbts_status pbts_torrent_builder_add(pbts_torrent_builder *builder, pbts_span bytes);
/* The finished file, private=1; borrowed from the builder until it is freed. PBTS_MALFORMED when
 * bytes are missing or there are none, PBTS_LIMIT, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_torrent_builder_finish(pbts_torrent_builder *builder,
                                                      pbts_span *out);

#endif
