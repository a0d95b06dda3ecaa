/* codec/bencode.h - bencode (BEP 3) as borrowed views: no tree, no heap.
 *
 * Untrusted bytes are checked whole, once, by pbts_bencode_parse; the views it gives are then
 * walked without further checks of form. A view is valid as long as the bytes it points into.
 * Strict: minimal integers, no leading zeros, no "-0", string lengths minimal, integers within
 * int64; dictionary keys strictly ascending (PBTS_MALFORMED otherwise).
 */
#ifndef PBTS_CODEC_BENCODE_H
#define PBTS_CODEC_BENCODE_H

#include "base/writer.h"

enum { PBTS_BENCODE_DEPTH_MAX = 32 };

typedef enum { PBTS_BINT, PBTS_BSTRING, PBTS_BLIST, PBTS_BDICT } pbts_btype;

typedef struct {
    pbts_btype type;
    pbts_span raw;    /* the value's own bytes, "d...e" included: what an infohash is made of */
    pbts_span string; /* PBTS_BSTRING: the content */
    int64_t integer;  /* PBTS_BINT */
} pbts_bvalue;

/* Parse one value that fills `bytes` exactly.
 * PBTS_NEED_MORE (cut short), PBTS_MALFORMED (bad form, trailing bytes), PBTS_LIMIT (depth). */
PBTS_MUST_USE pbts_status pbts_bencode_parse(pbts_bvalue *out, pbts_span bytes);
/* The same, advancing `cursor` past the value and leaving what follows. */
PBTS_MUST_USE pbts_status pbts_bencode_parse_prefix(pbts_bvalue *out, pbts_cursor *cursor);

/* Walk the items of a list, or the pairs of a dictionary, of a checked value. */
typedef struct {
    pbts_cursor rest;
} pbts_biter;

pbts_biter pbts_bvalue_items(const pbts_bvalue *list_or_dict); /* any other type: no items */
bool pbts_biter_next(pbts_biter *iter, pbts_bvalue *item);     /* of a list */
bool pbts_biter_next_pair(pbts_biter *iter, pbts_span *key, pbts_bvalue *value); /* of a dict */

/* Look up a key of a checked dictionary; false when `dict` is no dictionary or has no such key,
 * or (typed forms) the value has another type. Integers below 0 do not fit `find_uint`. */
bool pbts_bdict_find(const pbts_bvalue *dict, const char *key, pbts_bvalue *out);
bool pbts_bdict_find_string(const pbts_bvalue *dict, const char *key, pbts_span *out);
bool pbts_bdict_find_uint(const pbts_bvalue *dict, const char *key, uint64_t *out);
bool pbts_bdict_find_typed(const pbts_bvalue *dict, const char *key, pbts_btype type,
                           pbts_bvalue *out);

/* Encoding onto a writer. Lists and dictionaries: write 'l' or 'd', the items, then 'e'. */
void pbts_bencode_string(pbts_writer *writer, pbts_span string);
void pbts_bencode_text(pbts_writer *writer, const char *text);
void pbts_bencode_int(pbts_writer *writer, int64_t value);
void pbts_bencode_uint(pbts_writer *writer, uint64_t value);

#endif
