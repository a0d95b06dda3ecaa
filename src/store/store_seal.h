/* store/store_seal.h - rows of private tables: from what their owner sees to what is stored, and
 * back. Private to store/.
 *
 *   stored value = sealed(text), bound to "pbts/row/1 " || table's name || 0 || stored key
 *   text  = value;                                of CLAIMS and OLD_CLAIMS u16 key length || key ||
 * value stored key = key;                             of CLAIMS and OLD_CLAIMS key[0..4) ||
 *                                                 HMAC-SHA-256(index key, name || 0 || key)[0..16)
 *   index key  = HKDF-SHA-256(key, "pbts/store-index/1")
 *
 * The keys of claims say who got what from whom, so they are hidden; their first four bytes, the
 * period, stay in front because claims are forgotten in that order.
 */
#ifndef PBTS_STORE_STORE_SEAL_H
#define PBTS_STORE_STORE_SEAL_H

#include "hash/seal.h"
#include "store/store.h"

enum {
    PBTS_STORED_KEY_LEN = 20, /* of a hidden key */
    PBTS_HIDDEN_KEY_LEN_MAX = 511,
};

typedef struct pbts_store_seal pbts_store_seal;

/* PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_store_seal_new(pbts_store_seal **out,
                                              const uint8_t key[static PBTS_STORE_KEY_LEN]);
void pbts_store_seal_free(pbts_store_seal *seal); /* NULL is a no-op */

bool pbts_table_is_private(pbts_table table);
bool pbts_table_hides_keys(pbts_table table);

/* Where a row is stored; in `room` or `key` itself. Hidden keys have 4 bytes at least. */
pbts_span pbts_seal_key(const pbts_store_seal *seal, uint8_t room[static PBTS_STORED_KEY_LEN],
                        pbts_table table, pbts_span key);
/* The stored value of (key, value), to be freed with pbts_release. PBTS_NO_MEMORY, PBTS_IO,
 * PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_seal_value(const pbts_store_seal *seal, uint8_t **out, size_t *len,
                                          pbts_table table, pbts_span stored_key, pbts_span key,
                                          pbts_span value);
/* The other way, into `room`, which has as many bytes as the stored value. `*key` and `*value`
 * point into it, or `*key` to the stored key. PBTS_CORRUPT, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_unseal_value(const pbts_store_seal *seal, uint8_t *room,
                                            pbts_span *key, pbts_span *value, pbts_table table,
                                            pbts_span stored_key, pbts_span stored_value);

/* Values that a transaction lent out. */
typedef struct pbts_opened {
    struct pbts_opened *next;
    uint8_t room[];
} pbts_opened;
void pbts_opened_free(pbts_opened *first);

#endif
