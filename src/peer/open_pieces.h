/* peer/open_pieces.h - pieces that are begun: which of their blocks are asked for, arriving, here,
 * and from whom each came. Private to peer/.
 *
 * A fixed number of slots (the owner's buffers are as many); a slot's table of blocks is allocated
 * once and used again. What it is not: it asks nobody and knows connections by number only.
 */
#ifndef PBTS_PEER_OPEN_PIECES_H
#define PBTS_PEER_OPEN_PIECES_H

#include "base/addr.h"
#include "base/assert.h"
#include "base/mem.h"
#include "peer/link.h"
#include "peer/open_budget.h"
#include "wire/peer_message.h"

enum {
    PBTS_OPEN_SLOTS_MAX = 4096,
    PBTS_CONTRIBUTORS_MAX = 16, /* of one piece; the one that gave least makes room for another */
    PBTS_CONTRIBUTOR_KEY_LEN = PBTS_LINK_KEY_PREFIX_LEN,
    PBTS_BLOCKS_MAX = PBTS_PIECE_LENGTH_MAX / PBTS_PEER_BLOCK_BYTES,
};
#define PBTS_SLOT_NONE UINT16_MAX

typedef enum { PBTS_BLOCK_MISSING, PBTS_BLOCK_ARRIVING, PBTS_BLOCK_HERE } pbts_block_state;
typedef struct {
    uint8_t state;  /* pbts_block_state */
    uint8_t asked;  /* requests for it that stand */
    uint8_t source; /* HERE: which contributor */
} pbts_open_block;

/* A peer whose key is known is one contributor, however often it connects anew. */
typedef struct {
    uint32_t serial; /* of its last connection: never used again, unlike its number */
    uint32_t conn;
    uint32_t bytes; /* here from it */
    pbts_addr addr;
    uint8_t key[PBTS_CONTRIBUTOR_KEY_LEN]; /* the beginning of its proven key; zeros: none */
} pbts_contributor;
bool pbts_contributor_has_key(const pbts_contributor *who);

typedef enum {
    PBTS_SLOT_FREE,
    PBTS_SLOT_OPEN,
    PBTS_SLOT_CHECKING, /* all blocks are here; the owner hashes and writes */
    PBTS_SLOT_HELD,     /* right, and not written yet */
    PBTS_SLOT_CLOSED,   /* given up; free when the owner has been told */
} pbts_slot_state;

/* Invariant (pbts_open_piece_check), OPEN: here = blocks HERE; unasked = blocks MISSING that nobody
 * is asked for, none of them below cursor. */
typedef struct {
    pbts_slot_state state;
    uint32_t piece;
    uint32_t bytes; /* of the piece's stream */
    uint32_t blocks_len;
    uint32_t here, unasked, cursor;
    uint32_t owner;      /* the connection that gets what is unasked; 0: none */
    uint16_t next, prev; /* of the owner's pieces */
    bool exclusive;      /* nobody but the owner is asked */
    bool solo;           /* must come whole from one peer: shared before, and its hash was wrong */
    uint8_t events;      /* to be told: bits of the session's */
    bool has_events;     /* is in the session's list of those */
    bool told_open;      /* the owner has given it a buffer */
    uint16_t next_event; /* in that list */
    uint32_t place;      /* in pbts_open_pieces.order */
    uint32_t contributors; /* so many of who[] */
    pbts_contributor who[PBTS_CONTRIBUTORS_MAX];
    pbts_open_block *blocks; /* table_len of them allocated */
    uint32_t table_len;
} pbts_open_piece;

typedef struct {
    pbts_mem *mem;
    pbts_open_piece *slots;
    uint16_t *order; /* all slots; the first `used` of them are not FREE */
    uint32_t slots_len, used;
    uint32_t used_max;        /* no more are begun: 0 < used_max <= slots_len */
    pbts_open_budget *budget; /* of these and others; or NULL */
    uint64_t slot_bytes;      /* that each takes of it */
    bool was_short;           /* there was none left for another; to be tried again */
    uint16_t *slot_of;        /* per piece, PBTS_SLOT_NONE */
} pbts_open_pieces;

/* The i-th of those that are not free. */
static inline pbts_open_piece *pbts_open_pieces_used(const pbts_open_pieces *open, uint32_t i) {
    assert(open->slots != NULL && i < open->used);
    return &open->slots[open->order[i]];
}
/* PBTS_NO_MEMORY. 0 < slots_len <= PBTS_OPEN_SLOTS_MAX. */
PBTS_MUST_USE pbts_status pbts_open_pieces_init(pbts_open_pieces *pieces, pbts_mem *mem,
                                                uint32_t piece_count, uint32_t slots_len);
void pbts_open_pieces_deinit(pbts_open_pieces *pieces);
/* Whether as many are begun as may be. */
bool pbts_open_pieces_is_full(const pbts_open_pieces *pieces);
/* The slot of a piece, or NULL. */
pbts_open_piece *pbts_open_pieces_find(const pbts_open_pieces *pieces, uint32_t piece);
uint16_t pbts_open_pieces_index(const pbts_open_pieces *pieces, const pbts_open_piece *slot);
/* Begin a piece that is not begun. PBTS_LIMIT (no free slot, no budget), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_open_pieces_begin(pbts_open_pieces *pieces, pbts_open_piece **out,
                                                 uint32_t piece, uint32_t bytes);
/* The piece is not begun any more; the slot stays taken until it is freed. */
void pbts_open_pieces_close(pbts_open_pieces *pieces, pbts_open_piece *slot);
void pbts_open_pieces_free_slot(pbts_open_pieces *pieces, pbts_open_piece *slot);

/* ---- blocks of one piece; first + count <= blocks_len ---- */

/* Blocks a byte range of the piece covers. False when it does not begin at a block's beginning and
 * end at a block's end. */
bool pbts_open_piece_range(const pbts_open_piece *slot, uint32_t offset_bytes,
                           uint32_t length_bytes, uint32_t *first, uint32_t *count);
uint32_t pbts_open_piece_range_bytes(const pbts_open_piece *slot, uint32_t first, uint32_t count);
/* Take up to `max` unasked blocks in a row, now asked once. unasked > 0. */
void pbts_open_piece_ask(pbts_open_piece *slot, uint32_t *first, uint32_t *count, uint32_t max);
/* Ask another peer for a block that is asked for already (endgame): the first MISSING one from
 * `*block` on that fewer than `asked_max` are asked for. False when there is none. */
bool pbts_open_piece_next_again(const pbts_open_piece *slot, uint32_t *block, uint8_t asked_max);
void pbts_open_piece_ask_again(pbts_open_piece *slot, uint32_t block);
/* One request for these blocks stands no more. */
void pbts_open_piece_unask(pbts_open_piece *slot, uint32_t first, uint32_t count);
/* Their bytes begin to come: false, and nothing changes, unless all of them are MISSING. */
bool pbts_open_piece_arriving(pbts_open_piece *slot, uint32_t first, uint32_t count);
/* They are here: the contributor with this serial or this key gets them. */
void pbts_open_piece_arrived(pbts_open_piece *slot, uint32_t first, uint32_t count,
                             const pbts_contributor *from);
/* They will not come (from where they came). */
void pbts_open_piece_stopped(pbts_open_piece *slot, uint32_t first, uint32_t count);
/* Forget all that is here. Nothing of it is ARRIVING. */
void pbts_open_piece_reset(pbts_open_piece *slot);
/* Whether somebody is still asked for one of them. */
bool pbts_open_piece_is_asked(const pbts_open_piece *slot, uint32_t first, uint32_t count);
/* Who gave most, or NULL; of equals the first. */
const pbts_contributor *pbts_open_piece_most(const pbts_open_piece *slot);
/* Bytes here from this connection. */
uint32_t pbts_open_piece_bytes_from(const pbts_open_piece *slot, uint32_t serial);

/* For tests: check the invariant; asserts. */
void pbts_open_piece_check(const pbts_open_piece *slot);

#endif
