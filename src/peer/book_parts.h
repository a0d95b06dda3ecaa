/* peer/book_parts.h - the pages of the book, as links write them. Private to peer/.
 *
 * A page is for a key. It is kept while a link has it open, and after that until it is the one that
 * is worth least. A tally is what is between us and a key about one torrent, beyond the
 * connections of now.
 */
#ifndef PBTS_PEER_BOOK_PARTS_H
#define PBTS_PEER_BOOK_PARTS_H

#include "peer/book.h"
#include "peer/piece_map.h"
#include "torrent/metainfo.h"
#include "torrent/piece_set.h"

typedef struct {
    pbts_bls_public key;
    int64_t owed_bytes; /* served to it, less what stored receipts are worth: every torrent, ended
                           connections too; below 0: paid in advance, up to the exposure limit */
    bool has_ticket;    /* it once showed a valid one, or a membership; the newest: */
    bool by_membership; /* it is a membership; what it gave since then is allowed again */
    uint64_t ticket_issued, ticket_allowance_bytes;
    uint64_t taken_bytes;    /* served since counted_from_s, and what was owed then */
    uint64_t counted_from_s; /* unix: a ticket of before was there already and gives nothing anew */
    uint32_t generation;     /* of its memberships: those with a lower one were taken back */
    unsigned banned;         /* a pbts_link_refusal, or 0 */
    uint32_t open;           /* links */
    uint32_t tallies;
    uint64_t used; /* the book's count when it was last closed */
} pbts_page;

/* Sets are of piece_count pieces, and NULL while they are empty. */
typedef struct {
    pbts_mem *mem;
    pbts_page *page;
    uint8_t infohash[PBTS_INFOHASH_LEN];
    uint32_t piece_count;
    uint64_t used;
    /* As sender: what was served whole or in part on connections that ended, without a receipt; and
     * the pieces we have receipts for, which the tracker counts once in a claim period. */
    pbts_piece_map lent;
    uint32_t lent_changes; /* how often connections that ended added to it */
    uint8_t *paid;
    uint64_t paid_period;
    /* As receiver: what we owe a receipt for, and what we signed for in a claim period, of which
     * the sender may have lost the receipt. */
    uint8_t *owed, *given;
    uint64_t given_period;
    uint64_t repeat_period; /* the newest in which pieces came again that were signed for */
} pbts_tally;

/* The page of a proven key; close it when the link ends. PBTS_LIMIT: all pages are open.
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_book_open(pbts_book *book, pbts_page **out,
                                         const pbts_bls_public *key);
void pbts_book_close(pbts_book *book, pbts_page *page);
/* The page of the key that begins so, or NULL; not opened by this. */
pbts_page *pbts_book_find(const pbts_book *book, const uint8_t *prefix, size_t len);

/* In no order; i < the count in the figures. */
const pbts_page *pbts_book_page(const pbts_book *book, size_t i);

/* The tally of a page and torrent, or NULL. Borrowed until the book is given another one. */
pbts_tally *pbts_book_tally(pbts_book *book, const pbts_page *page,
                            const uint8_t infohash[static PBTS_INFOHASH_LEN]);
/* The same; makes one that is empty when there is none. NULL: no memory. */
pbts_tally *pbts_book_tally_begin(pbts_book *book, pbts_page *page,
                                  const uint8_t infohash[static PBTS_INFOHASH_LEN],
                                  uint32_t piece_count, uint32_t seed);
/* Add to one of its sets. Without memory it stays as it is, and false. */
bool pbts_tally_add(pbts_tally *tally, uint8_t **set, uint32_t piece);
static inline bool pbts_tally_has(const uint8_t *set, uint32_t piece) {
    return set != NULL && pbts_piece_set_has(set, piece);
}
/* Make `set` one of `period`, unless it is of a later one: what was of an earlier is forgotten. */
void pbts_tally_enter_period(const pbts_tally *tally, uint8_t *set, uint64_t *set_period,
                             uint64_t period);

#endif
