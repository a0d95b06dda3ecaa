/* codec/abi.h - the Solidity contract ABI: arguments and results as heads and tails of 32-byte
 * words.
 *
 * The types are in the sequence of calls, not in data. A tuple of static members, or a static array
 * T[n] of static items, is its members one after the other. Decoding is total and stricter than the
 * EVM: padding must be zero, integers must fit. No heap.
 * Source: Solidity documentation, "Contract ABI Specification".
 */
#ifndef PBTS_CODEC_ABI_H
#define PBTS_CODEC_ABI_H

#include "base/u256.h"
#include "base/writer.h"

enum { PBTS_ABI_WORD_LEN = 32, PBTS_ABI_SELECTOR_LEN = 4, PBTS_ABI_ADDRESS_LEN = 20 };

/* The first 4 bytes of the Keccak-256 of a signature: "transfer(address,uint256)". */
void pbts_abi_selector(uint8_t out[static PBTS_ABI_SELECTOR_LEN], const char *signature);

/* ---- encoding: the members of one tuple; arguments of a call are one, after their selector ----
 *
 * `open` reserves the heads, each `put` fills the next; a dynamic member also appends its tail, so
 * an inner tuple or array is completed before the next member of the outer one. */
typedef struct {
    pbts_writer *writer; /* borrowed; failed when something does not fit */
    size_t start;        /* offsets count from here */
    size_t head;         /* the next head */
    size_t heads_end;    /* head <= heads_end; equal when every member was put */
} pbts_abi_tuple;

/* `head_words`: 1 per dynamic member, else as many words as the static member has. */
pbts_abi_tuple pbts_abi_open(pbts_writer *writer, size_t head_words);
void pbts_abi_put_word(pbts_abi_tuple *tuple, const uint8_t word[static PBTS_ABI_WORD_LEN]);
void pbts_abi_put_u64(pbts_abi_tuple *tuple, uint64_t value); /* also bool, smaller integers */
void pbts_abi_put_u256(pbts_abi_tuple *tuple, const pbts_u256 *value);
void pbts_abi_put_address(pbts_abi_tuple *tuple,
                          const uint8_t address[static PBTS_ABI_ADDRESS_LEN]);
void pbts_abi_put_bytes_fixed(pbts_abi_tuple *tuple, pbts_span bytes); /* bytes1..bytes32 */
void pbts_abi_put_bytes(pbts_abi_tuple *tuple, pbts_span bytes);       /* bytes, string */
/* T[]: `head_words` is that of all items together. */
pbts_abi_tuple pbts_abi_put_array(pbts_abi_tuple *tuple, uint64_t count, size_t head_words);
/* A tuple with a dynamic member, or T[n] of dynamic items. */
pbts_abi_tuple pbts_abi_put_tuple(pbts_abi_tuple *tuple, size_t head_words);
void pbts_abi_close(const pbts_abi_tuple *tuple); /* asserts that every head was filled */

/* ---- decoding ----
 *
 * All: PBTS_MALFORMED when cut short, an offset or length leads outside, an integer or address does
 * not fit, or padding is not zero. Offsets are multiples of 32 and may lead anywhere behind the
 * reader's start, as the EVM allows. */
typedef struct {
    pbts_span block; /* offsets count from its start; borrowed */
    size_t next;     /* the next head, at most block.len */
} pbts_abi_reader;

pbts_abi_reader pbts_abi_reader_over(pbts_span bytes);
PBTS_MUST_USE pbts_status pbts_abi_read_word(pbts_abi_reader *reader,
                                             uint8_t out[static PBTS_ABI_WORD_LEN]);
PBTS_MUST_USE pbts_status pbts_abi_read_u256(pbts_abi_reader *reader, pbts_u256 *out);
/* uint8..uint64: PBTS_MALFORMED when above `max`. */
PBTS_MUST_USE pbts_status pbts_abi_read_uint(pbts_abi_reader *reader, uint64_t *out, uint64_t max);
PBTS_MUST_USE pbts_status pbts_abi_read_bool(pbts_abi_reader *reader, bool *out);
PBTS_MUST_USE pbts_status pbts_abi_read_address(pbts_abi_reader *reader,
                                                uint8_t out[static PBTS_ABI_ADDRESS_LEN]);
/* bytesN, 1 <= len <= 32. */
PBTS_MUST_USE pbts_status pbts_abi_read_bytes_fixed(pbts_abi_reader *reader, uint8_t *out,
                                                    size_t len);
PBTS_MUST_USE pbts_status pbts_abi_read_bytes(pbts_abi_reader *reader, pbts_span *out);
/* T[]: a reader over its items and their number, at most one per `item_words` words that are there
 * (item_words >= 1: the words of an item's head). */
PBTS_MUST_USE pbts_status pbts_abi_read_array(pbts_abi_reader *reader, pbts_abi_reader *items,
                                              size_t *count, size_t item_words);
PBTS_MUST_USE pbts_status pbts_abi_read_tuple(pbts_abi_reader *reader, pbts_abi_reader *members);

#endif
