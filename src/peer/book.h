/* peer/book.h - what we know of other peers by their proven keys, beyond one connection: what they
 * still owe us, what we still owe them, what a ticket has been used for, who is banned.
 *
 * Links write and read it; the owner only makes one for all its sessions and keeps it for as long
 * as it runs. So a peer gains nothing by connecting again, or by many connections at once: all that
 * it owes, in all torrents, stays within the exposure limit of one. And a receipt that was owed
 * when a connection broke is still given on the next. Nothing of it is stored.
 */
#ifndef PBTS_PEER_BOOK_H
#define PBTS_PEER_BOOK_H

#include "base/mem.h"
#include "bls/bls.h"

typedef struct pbts_book pbts_book; /* opaque; one owner; not thread-safe */

enum {
    PBTS_BOOK_PEERS_MAX = 4096,   /* keys; the one seen longest ago is forgotten */
    PBTS_BOOK_TALLIES_MAX = 1024, /* pairs of key and torrent; as above */
};

/* PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_book_new(pbts_book **out, pbts_mem *mem);
void pbts_book_free(pbts_book *book); /* after all links; NULL is a no-op */

/* For people and tests. */
typedef struct {
    size_t peers, banned, tallies;
    uint64_t owed_to_us_bytes; /* served and not covered, of all keys */
} pbts_book_stats;
void pbts_book_stats_read(const pbts_book *book, pbts_book_stats *out);

#endif
