/* wire/peer_dict.h - reading the fields of a bencoded dictionary that a peer sent: a known key has
 * its type and range or the message is malformed. Private to the module.
 */
#ifndef PBTS_WIRE_PEER_DICT_H
#define PBTS_WIRE_PEER_DICT_H

#include "codec/bencode.h"

/* One dictionary that fills `bytes`, or (prefix) is at the front of `cursor`, which is moved past
 * it. PBTS_MALFORMED, PBTS_LIMIT (depth). */
PBTS_MUST_USE pbts_status pbts_peer_dict_parse(pbts_bvalue *out, pbts_span bytes);
PBTS_MUST_USE pbts_status pbts_peer_dict_parse_prefix(pbts_bvalue *out, pbts_cursor *cursor);

/* Fields that must be there. PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_peer_dict_uint(uint64_t *out, const pbts_bvalue *dict,
                                              const char *key);
PBTS_MUST_USE pbts_status pbts_peer_dict_array(uint8_t *out, size_t len, const pbts_bvalue *dict,
                                               const char *key);

/* Fields that may be there. `found`, when it is not NULL, says whether; without the key `out` is
 * left alone. PBTS_MALFORMED when it is there with another type, or below 0. */
PBTS_MUST_USE pbts_status pbts_peer_dict_maybe_uint(uint64_t *out, bool *found,
                                                    const pbts_bvalue *dict, const char *key);
PBTS_MUST_USE pbts_status pbts_peer_dict_maybe(pbts_bvalue *out, bool *found,
                                               const pbts_bvalue *dict, const char *key,
                                               pbts_btype type);

/* How many pairs the dictionary has. */
size_t pbts_peer_dict_pairs(const pbts_bvalue *dict);

/* Writing a key and its value. */
void pbts_peer_dict_write_uint(pbts_writer *writer, const char *key, uint64_t value);
void pbts_peer_dict_write_string(pbts_writer *writer, const char *key, pbts_span value);

#endif
