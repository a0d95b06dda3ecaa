/* torrent/layers.h - the piece layers of v2 and hybrid torrents as peers exchange them: parts of a
 * file's hash tree with a proof, given out of a metainfo, and gathered for one that has none yet.
 *
 * A range is `length` nodes of one layer, and the siblings ("uncles") of their ancestors, with
 * which the root can be computed. Layer 0 is that of the 16 KiB blocks. Uncles are those of the
 * layers from base + log2(length) on, below layer base + proof_layers + 1. Source: BEP 52, "hash
 * request".
 */
#ifndef PBTS_TORRENT_LAYERS_H
#define PBTS_TORRENT_LAYERS_H

#include "base/writer.h"
#include "torrent/metainfo.h"

enum {
    PBTS_LAYER_RANGE_MAX = 512, /* nodes in a range */
    PBTS_LAYER_UNCLES_MAX = 32,
    PBTS_LAYER_BYTES_MAX = (PBTS_LAYER_RANGE_MAX + PBTS_LAYER_UNCLES_MAX) * 32,
};

typedef struct {
    uint8_t root[PBTS_PIECE_HASH_LEN]; /* `pieces root` of a file */
    uint32_t base_layer, index, length, proof_layers;
} pbts_layer_range;

/* ---- giving ---- */

typedef struct pbts_layer_server pbts_layer_server; /* opaque */

/* For a metainfo with v2, borrowed. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_layer_server_new(pbts_layer_server **out, pbts_mem *mem,
                                                const pbts_metainfo *meta);
void pbts_layer_server_free(pbts_layer_server *server); /* NULL is a no-op */
/* Append the nodes and uncles. The first time a file of very many pieces is asked for, all of its
 * layer is hashed; then at most some 2,500 nodes. PBTS_NOT_FOUND: no such file, a layer below that
 * of the pieces, or a range that is not in the tree or not of a power of two, 2 to
 * PBTS_LAYER_RANGE_MAX. PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_layer_server_read(pbts_layer_server *server, pbts_writer *writer,
                                                 const pbts_layer_range *range);

/* ---- gathering ---- */

typedef struct pbts_layers pbts_layers; /* opaque */

/* From the bytes of an info dictionary. PBTS_MALFORMED, PBTS_LIMIT: nothing that has layers, or no
 * sound torrent; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_layers_new(pbts_layers **out, pbts_mem *mem, pbts_span info);
void pbts_layers_free(pbts_layers *layers); /* NULL is a no-op */
/* The next range to ask for; false when all are asked for. */
bool pbts_layers_next(pbts_layers *layers, pbts_layer_range *out);
/* All that was asked for and has not come is to be asked for again. */
void pbts_layers_restart(pbts_layers *layers);
/* An answer. PBTS_MALFORMED: not the nodes of that tree. PBTS_NOT_FOUND: not asked for;
 * PBTS_EXISTS: here already. */
PBTS_MUST_USE pbts_status pbts_layers_take(pbts_layers *layers, const pbts_layer_range *range,
                                           pbts_span hashes);
bool pbts_layers_done(const pbts_layers *layers);
/* Append the dictionary `piece layers`; it is done. At most pbts_layers_len bytes. */
size_t pbts_layers_len(const pbts_layers *layers);
void pbts_layers_write(const pbts_layers *layers, pbts_writer *writer);

#endif
