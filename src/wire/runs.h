/* wire/runs.h - a piece set as alternating lengths of absent and present pieces, each an unsigned
 * LEB128 varint in its shortest form; only the first length may be 0. Private to the module.
 *
 * A set of which 100 pieces in a row are there takes 2 bytes whatever its torrent's size.
 */
#ifndef PBTS_WIRE_RUNS_H
#define PBTS_WIRE_RUNS_H

#include "base/writer.h"

/* How many pieces the lengths speak of in all. PBTS_MALFORMED (a form other than the shortest, cut
 * short, none), PBTS_LIMIT past `bits_max`. */
PBTS_MUST_USE pbts_status pbts_runs_measure(uint32_t *bits, pbts_span runs, uint32_t bits_max);
/* Whether the runs expand to a piece set of a torrent of `piece_count` pieces: as many bytes, spare
 * bits zero. PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_runs_check(pbts_span runs, uint32_t piece_count);
/* Add the present pieces of measured runs to `set`, which has room for their bits. */
void pbts_runs_expand(uint8_t *set, pbts_span runs);

/* Add pieces first..last. */
void pbts_piece_range_add(uint8_t *set, uint32_t first, uint32_t last);

/* The shortest runs that expand to exactly the bytes of `set`. The length stops counting above
 * set.len, where the set itself is shorter. */
size_t pbts_runs_len(pbts_span set);
void pbts_runs_encode(pbts_writer *writer, pbts_span set);

#endif
