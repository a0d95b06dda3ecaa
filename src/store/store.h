/* store/store.h - the tracker's durable state: ordered tables of bytes, and transactions over them.
 *
 * One writer at a time, any number of readers beside it; a commit is on disk (fsync) when it
 * returns PBTS_OK, and after a kill -9 or power cut the next open sees exactly the committed
 * transactions. What the rows mean is their owner's business (tracker/, ledger/). Backend: LMDB.
 */
#ifndef PBTS_STORE_STORE_H
#define PBTS_STORE_STORE_H

#include "base/cursor.h"

typedef enum {
    PBTS_TABLE_META,       /* text name -> value */
    PBTS_TABLE_USERS,      /* u32 user_no -> user row */
    PBTS_TABLE_UIDS,       /* uid_hash[32] -> u32 user_no */
    PBTS_TABLE_KEYS,       /* SHA-256(pk)[32] -> u32 user_no */
    PBTS_TABLE_TORRENTS,   /* u32 torrent_no -> torrent row */
    PBTS_TABLE_INFOHASHES, /* infohash[20] -> u32 torrent_no, u8 version, u32 downloaded */
    PBTS_TABLE_METAINFO,   /* u32 torrent_no -> the .torrent file */
    PBTS_TABLE_PIECES,     /* u32 torrent_no -> piece hashes and sizes, see tracker/ */
    PBTS_TABLE_CLAIMS,     /* u32 period, receiver, sender, torrent, u16 part -> bitmap */
    PBTS_TABLE_OLD_CLAIMS, /* from before: u32 period, uid_hash x 2, infohash, u16 part -> bitmap */
    PBTS_TABLE_HELD,       /* u32 receiver, u64 order -> held credit */
    PBTS_TABLE_LEDGER,     /* u64 sequence -> ledger entry */
    PBTS_TABLE_ACCOUNTS,   /* uid_hash[32] -> ledger account */
    PBTS_TABLE_REFERRER, /* uid_hash[32] -> account of the predecessor; "k" key_hash -> uid_hash */
    PBTS_TABLE_MIRROR,   /* uid_hash[32] -> what another ledger has, see ledger/mirror.h */
    PBTS_TABLE_MIRROR_MARKS,    /* uid_hash[32] -> what it is to get */
    PBTS_TABLE_MIRROR_ACCOUNTS, /* u32 user_no -> what it has, see ledger/mirror_accounts.h */
    PBTS_TABLES
} pbts_table;

typedef struct pbts_store pbts_store; /* usable from any thread */
typedef struct pbts_txn pbts_txn;     /* one thread at a time */

enum { PBTS_STORE_KEY_LEN = 32 };

typedef struct {
    uint64_t size_max_bytes; /* of rows; past it puts give PBTS_FULL, deletes still work. The data
                                file may take an eighth and 1 MiB more */
    uint32_t readers_max;    /* concurrent read transactions; 0: 126 */
    bool read_only;          /* for tools beside a running daemon */
    bool no_sync;            /* tests of speed floors only: a commit may be lost by a power cut */
} pbts_store_config;

/* Open or create in `directory` (must exist). PBTS_IO (errno is set), PBTS_CORRUPT, PBTS_DENIED
 * (another process has it open for writing), PBTS_NOT_FOUND (read_only and nothing there). */
PBTS_MUST_USE pbts_status pbts_store_open(pbts_store **out, const char *directory,
                                          const pbts_store_config *config);
void pbts_store_close(pbts_store *store); /* NULL is a no-op; no transaction may be open */
/* Whether nothing can be done with it any more: the very last write of a commit failed, and LMDB
 * does not trust its memory since. What was committed is there at the next opening. */
bool pbts_store_is_lost(pbts_store *store);
/* Pages that hold rows now, as a part of size_max_bytes; 0 when it cannot be told. */
uint64_t pbts_store_used_bytes(pbts_store *store);

/* Sealed rows. The tables USERS, TORRENTS, METAINFO, HELD, CLAIMS and OLD_CLAIMS are private: in a
 * sealed store their values are encrypted and bound to table and key (hash/seal.h), and the keys of
 * the last two are hidden. Everything below works on them as on others; but without the key, or
 * with a wrong one, they give PBTS_DENIED or PBTS_CORRUPT. Walks of CLAIMS and OLD_CLAIMS are in
 * order of period only, and begin at the first row. All three before a second thread comes. */
bool pbts_store_is_sealed(const pbts_store *store);
/* Give the key of a sealed store; it is copied, and not checked. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_store_unlock(pbts_store *store,
                                            const uint8_t key[static PBTS_STORE_KEY_LEN]);
/* Seal a store that is not, for good and in one transaction, and go on with the key. Programs from
 * before do not open it any more. PBTS_FULL, PBTS_NO_MEMORY, PBTS_IO, PBTS_CORRUPT: nothing was
 * changed. */
PBTS_MUST_USE pbts_status pbts_store_seal_rows(pbts_store *store,
                                               const uint8_t key[static PBTS_STORE_KEY_LEN]);

/* Begin of a write waits for the other writer, and the thread that begins it must end it.
 * PBTS_BUSY (readers_max; or a read_only store that the writer outgrew: open it again),
 * PBTS_DENIED (write on a read_only store), PBTS_NO_MEMORY, PBTS_IO. */
PBTS_MUST_USE pbts_status pbts_txn_begin(pbts_txn **out, pbts_store *store, bool write);
/* Ends the transaction either way. PBTS_OK: durable. PBTS_FULL, PBTS_IO: nothing was changed. */
PBTS_MUST_USE pbts_status pbts_txn_commit(pbts_txn *txn);
void pbts_txn_abort(pbts_txn *txn); /* NULL is a no-op */

/* Keys have 1..511 bytes, others are PBTS_MALFORMED. After a failed write the transaction gives
 * that failure for everything. */

/* Borrowed until the next write in, or the end of, the transaction. PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status pbts_txn_get(pbts_txn *txn, pbts_span *out, pbts_table table,
                                       pbts_span key);
/* Insert or replace. PBTS_FULL, PBTS_NO_MEMORY, PBTS_IO: the transaction can only be aborted. */
PBTS_MUST_USE pbts_status pbts_txn_put(pbts_txn *txn, pbts_table table, pbts_span key,
                                       pbts_span value);
/* PBTS_NOT_FOUND changes nothing. */
PBTS_MUST_USE pbts_status pbts_txn_delete(pbts_txn *txn, pbts_table table, pbts_span key);

/* How many rows a table has, without a walk. Store errors. */
PBTS_MUST_USE pbts_status pbts_txn_count(pbts_txn *txn, uint64_t *out, pbts_table table);

/* Walk rows in key order from `from` (inclusive; empty: the first) while keys begin with `prefix`.
 * Read transactions, or a write transaction that is not written to meanwhile. Closed before the
 * transaction ends. After the last row `pbts_rows_status` tells whether it really was the end:
 * PBTS_OK, or PBTS_CORRUPT, PBTS_IO when the walk broke off. */
typedef struct pbts_rows pbts_rows;
PBTS_MUST_USE pbts_status pbts_rows_open(pbts_rows **out, pbts_txn *txn, pbts_table table,
                                         pbts_span from, pbts_span prefix);
bool pbts_rows_next(pbts_rows *rows, pbts_span *key, pbts_span *value);
PBTS_MUST_USE pbts_status pbts_rows_status(const pbts_rows *rows);
void pbts_rows_close(pbts_rows *rows); /* NULL is a no-op */
/* The last row of a table; PBTS_NOT_FOUND when it is empty. */
PBTS_MUST_USE pbts_status pbts_txn_last(pbts_txn *txn, pbts_table table, pbts_span *key,
                                        pbts_span *value);

#endif
