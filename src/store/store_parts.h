/* store/store_parts.h - what the store is made of. Private to store/. */
#ifndef PBTS_STORE_STORE_PARTS_H
#define PBTS_STORE_STORE_PARTS_H

#include <lmdb.h>

#include "store/store.h"
#include "store/store_seal.h"

enum {
    PBTS_STORE_KEY_LEN_MAX = 511 /* of a row's key: LMDB's compiled-in limit */
};

struct pbts_store {
    MDB_env *env;
    int lock_fd; /* holds the flock of the writing process; -1 when read_only */
    bool read_only;
    bool sealed;             /* its private rows are, whether we can read them or not */
    pbts_store_seal *seal;   /* NULL: not sealed, or no key was given */
    uint64_t size_max_bytes; /* that rows may take; the map has the reserve beside */
    MDB_dbi tables[PBTS_TABLES];
};

struct pbts_txn {
    pbts_store *store;
    MDB_txn *txn;
    bool write;
    uint64_t spare_bytes; /* that puts may surely take before live pages must be counted again */
    pbts_status failed;   /* of the first write that failed; it can then only be aborted */
    pbts_opened *opened;  /* values that get opened; gone with the next write */
};

const char *pbts_table_name(pbts_table table);
/* LMDB's result as a status; its positive results are errno values. `store` may be NULL. */
pbts_status pbts_store_status(const pbts_store *store, int rc);
static inline MDB_val pbts_store_val(pbts_span bytes) {
    /* LMDB takes pointers to mutable data and does not write through these. */
    return (MDB_val){ bytes.len, (void *)(uintptr_t)bytes.data };
}
static inline pbts_span pbts_store_span(const MDB_val *val) {
    return (pbts_span){ val->mv_data, val->mv_size };
}

/* Rows as they are stored, sealed or not. Statuses as of pbts_txn_get, put and delete. */
/* The stamp of the store: sealed or not. */
PBTS_MUST_USE pbts_status pbts_store_version_put(pbts_txn *txn, bool sealed);
PBTS_MUST_USE pbts_status pbts_row_get(pbts_txn *txn, pbts_span *out, pbts_table table,
                                       pbts_span key);
PBTS_MUST_USE pbts_status pbts_row_put(pbts_txn *txn, pbts_table table, pbts_span key,
                                       pbts_span value);
PBTS_MUST_USE pbts_status pbts_row_delete(pbts_txn *txn, pbts_table table, pbts_span key);
/* The seal to use for a table, NULL: none. PBTS_DENIED: sealed, and no key was given. */
PBTS_MUST_USE pbts_status pbts_row_seal(const pbts_store *store, const pbts_store_seal **out,
                                        pbts_table table);

#endif
