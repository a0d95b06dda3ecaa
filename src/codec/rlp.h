/* codec/rlp.h - Recursive Length Prefix: strict reading by cursor, writing into a bounded buffer.
 *
 * An item is a string of bytes or a list of items. Only the one shortest form of each is taken: a
 * byte below 0x80 stands for itself, lengths above 55 have no leading zero, numbers neither.
 * Reading borrows and never recurses; each call checks the header of one item and that it fits into
 * what surrounds it. RLP comes in whole messages, so what is cut short is PBTS_MALFORMED. No heap.
 * Source: Yellow Paper appendix B.
 */
#ifndef PBTS_CODEC_RLP_H
#define PBTS_CODEC_RLP_H

#include "base/u256.h"
#include "base/writer.h"

enum { PBTS_RLP_DEPTH_MAX = 32 }; /* lists within lists, for pbts_rlp_check alone */

typedef enum { PBTS_RLP_STRING, PBTS_RLP_LIST } pbts_rlp_type;

typedef struct {
    pbts_rlp_type type;
    pbts_span content; /* the string, or a list's items one after the other */
    pbts_span raw;     /* the whole item, header included */
} pbts_rlp_item;

/* Read one item and advance; a list's items are not looked at. PBTS_MALFORMED: nothing is left, cut
 * short, or not the shortest form; the cursor stays. */
PBTS_MUST_USE pbts_status pbts_rlp_read(pbts_cursor *cursor, pbts_rlp_item *out);
/* The one item that fills `bytes` exactly. PBTS_MALFORMED also for bytes behind it. */
PBTS_MUST_USE pbts_status pbts_rlp_parse(pbts_rlp_item *out, pbts_span bytes);
/* Whether `bytes` are exactly one item, down to the innermost. PBTS_MALFORMED; PBTS_LIMIT: lists
 * within more than PBTS_RLP_DEPTH_MAX lists. */
PBTS_MUST_USE pbts_status pbts_rlp_check(pbts_span bytes);

/* Read one item of a known kind and advance. PBTS_MALFORMED: as above, another kind, another
 * length; for numbers a leading zero, or too many bytes. After a failure the cursor is of no use.
 */
PBTS_MUST_USE pbts_status pbts_rlp_read_string(pbts_cursor *cursor, pbts_span *out);
PBTS_MUST_USE pbts_status pbts_rlp_read_list(pbts_cursor *cursor, pbts_cursor *items);
PBTS_MUST_USE pbts_status pbts_rlp_read_bytes(pbts_cursor *cursor, uint8_t *out, size_t len);
PBTS_MUST_USE pbts_status pbts_rlp_read_u64(pbts_cursor *cursor, uint64_t *out);
PBTS_MUST_USE pbts_status pbts_rlp_read_u256(pbts_cursor *cursor, pbts_u256 *out);
/* PBTS_MALFORMED unless nothing is left: at the end of a list. */
PBTS_MUST_USE pbts_status pbts_rlp_end(const pbts_cursor *cursor);

/* Writing. A list: mark where it begins, write its items, close it; closing moves them by the
 * length of the header. What does not fit leaves the writer failed. */
void pbts_rlp_write_string(pbts_writer *writer, pbts_span string);
void pbts_rlp_write_u64(pbts_writer *writer, uint64_t value);
void pbts_rlp_write_u256(pbts_writer *writer, const pbts_u256 *value);
/* The header alone, for content that comes from elsewhere; a string of one byte below 0x80 has
 * none. */
void pbts_rlp_write_header(pbts_writer *writer, pbts_rlp_type type, uint64_t content_len);
size_t pbts_rlp_open_list(const pbts_writer *writer);
void pbts_rlp_close_list(pbts_writer *writer, size_t opened);

#endif
