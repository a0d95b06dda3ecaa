/* peer/book.h - what we know of other peers by their proven keys, beyond one connection: what they
 * still owe us, what we still owe them, what a ticket has been used for, who is banned.
 *
 * Links write and read it; the owner only makes one for all its sessions and keeps it for as long
 * as it runs. So a peer gains nothing by connecting again, or by many connections at once: all that
 * it owes, in all torrents, stays within the exposure limit of one. And a receipt that was owed
 * when a connection broke is still given on the next. What memberships were used for can be stored
 * (docs/decisions/0009), the rest ends with the program.
 */
#ifndef PBTS_PEER_BOOK_H
#define PBTS_PEER_BOOK_H

#include "base/mem.h"
#include "base/writer.h"
#include "bls/bls.h"

typedef struct pbts_book pbts_book; /* opaque; one owner; not thread-safe */

enum {
    PBTS_BOOK_PEERS_MAX = 4096,   /* keys; the one seen longest ago is forgotten */
    PBTS_BOOK_TALLIES_MAX = 1024, /* pairs of key and torrent; as above */
};

/* PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_book_new(pbts_book **out, pbts_mem *mem);
void pbts_book_free(pbts_book *book); /* after all links; NULL is a no-op */

/* What memberships were used for, as the bytes of a file: one entry for each page of a key that
 * showed one, perhaps none. Never longer than PBTS_BOOK_LEN_MAX; the last of a key counts.
 *
 *   "pbts-taken1\n" ‖ SHA-256 of what follows[32] ‖ u16 count ‖ count times
 *   key[96] ‖ u64 allowance ‖ u64 taken ‖ u64 issued ‖ u64 counted from ‖ u32 generation ‖ u8 flags
 */
enum { PBTS_BOOK_ENTRY_LEN = 133 };
#define PBTS_BOOK_LEN_MAX (46 + (size_t)PBTS_BOOK_PEERS_MAX * PBTS_BOOK_ENTRY_LEN)
void pbts_book_encode(pbts_writer *writer, const pbts_book *book);
/* Into a new book. PBTS_MALFORMED, PBTS_LIMIT: damaged, and nothing was taken; PBTS_NO_MEMORY: some
 * may be. */
PBTS_MUST_USE pbts_status pbts_book_decode(pbts_book *book, pbts_span bytes);

/* For people and tests. */
typedef struct {
    size_t peers, banned, tallies;
    uint64_t owed_to_us_bytes; /* served and not covered, of all keys */
} pbts_book_stats;
void pbts_book_stats_read(const pbts_book *book, pbts_book_stats *out);

#endif
