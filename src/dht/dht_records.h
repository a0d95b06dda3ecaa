/* dht/dht_records.h - the announces that a node keeps for others, and how many of whom.
 *
 * One per owner and key; a greater sequence replaces it, and `stopped` leaves only the memory of
 * its sequence. All are verified and brought by their owner. When the whole is full, whoever
 * has most of it makes room, so that a few with many keys of their choice push out only one
 * another; between those who have as many, a key closer to our id takes the place of the farthest
 * one. Source: paper section 4.3; limits are our own.
 */
#ifndef PBTS_DHT_DHT_RECORDS_H
#define PBTS_DHT_DHT_RECORDS_H

#include "base/mem.h"
#include "base/random.h"
#include "dht/dht_id.h"

enum {
    PBTS_DHT_RECORDS_MAX = 20000,    /* in all, as configured at most */
    PBTS_DHT_RECORDS_OF_OWNER = 64,  /* torrents of one user that are kept here */
    PBTS_DHT_RECORDS_OF_KEY = 400,   /* peers of one torrent */
    PBTS_DHT_RECORDS_OF_PREFIX = 128 /* brought from one /24 or /48 */
};

typedef struct {
    pbts_dht_record record;
    uint64_t prefix; /* of the address that brought it */
    uint8_t *bytes;  /* owned; NULL when it is stopped */
    uint16_t len;
} pbts_dht_stored;

/* Invariant: no two are of the same owner and key. */
typedef struct {
    pbts_mem *mem;
    pbts_dht_id own;
    pbts_dht_stored *items;
    uint64_t seed; /* of the counting of owners; nobody can aim at another's count */
    uint32_t count, capacity, max;
} pbts_dht_records;

/* max: 1..PBTS_DHT_RECORDS_MAX. */
void pbts_dht_records_init(pbts_dht_records *records, pbts_mem *mem, const pbts_dht_id *own,
                           uint32_t max, uint64_t seed);
void pbts_dht_records_deinit(pbts_dht_records *records);
/* Keep a verified record that came from `from`; bytes are copied. PBTS_STALE (over, too far ahead,
 * or we have this sequence or a later one), PBTS_LIMIT (too many of this owner, key or prefix),
 * PBTS_FULL, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_dht_records_put(pbts_dht_records *records,
                                               const pbts_dht_record *record, pbts_span bytes,
                                               const pbts_addr *from, uint64_t now_s);
/* Any of those under a key, borrowed until the next change: at most `max`, and `bytes_max` of them
 * with `overhead` for each; how many. */
size_t pbts_dht_records_sample(const pbts_dht_records *records, const pbts_dht_id *key,
                               pbts_span *out, size_t max, size_t bytes_max, size_t overhead,
                               pbts_prng *prng, uint64_t now_s);
void pbts_dht_records_expire(pbts_dht_records *records, uint64_t now_s);

#endif
