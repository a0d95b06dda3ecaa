/* attest/json_slice.h - where a member's value stands in a JSON text, to the byte. Private.
 *
 * Signatures of collateral are over the text as it was sent. A tree that is written again may
 * differ in blanks, order or escapes, so what is signed is cut from the text, before anything
 * builds a tree of it.
 */
#ifndef PBTS_ATTEST_JSON_SLICE_H
#define PBTS_ATTEST_JSON_SLICE_H

#include "base/cursor.h"

enum { PBTS_JSON_SLICE_DEPTH_MAX = 16 };

/* The value of the outermost object's member `key`, from its first to its last byte, without blanks
 * around it. Only so much of JSON is checked as is needed to know where it ends.
 * PBTS_MALFORMED: no object, something behind it, `key` twice, or a key with an escape (it could be
 * this one in disguise); PBTS_LIMIT: nests too deep; PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status pbts_json_slice(pbts_span *out, pbts_span text, const char *key);

#endif
