/* ledger/ledger.h - SC.Init, SC.Read, SC.Write (paper, figure 9) on the local ledger.
 *
 * An append-only chain of entries in the store. Each entry names the hash of the one before and is
 * signed by the tracker key (purpose LEDGER), so that a copy can be checked by anybody, row by
 * row, without the tracker. One entry holds one group commit: absolute values of the accounts it
 * changed. Only the owner writes (its secret key is asked for and checked against the INIT entry);
 * reads fall back to the predecessor's accounts, one hop, never further.
 *
 * Entry, big-endian:
 *    0  u64 sequence            88  u8  kind (1 INIT, 2 WRITE, 3 SEAL)
 *    8  u8[32] previous hash    89  u32 row count, then rows or the INIT body
 *   40  u64 unix_time           ..  u8[48] signature over everything before it
 *   48  u8[32] iid
 *   80  u64 epoch
 *  INIT body: owner key[96], u8 has_referrer, referrer iid[32], u64 referrer_last_epoch,
 *             u16 attestation length, attestation
 *  WRITE row: uid_hash[32], SHA-256(pk)[32], u64 up, u64 down, u32 generation, u32 user_no
 *  SEAL body: successor iid[32]
 * The hash of an entry is SHA-256 of all its bytes, signature included.
 */
#ifndef PBTS_LEDGER_LEDGER_H
#define PBTS_LEDGER_LEDGER_H

#include "base/mem.h"
#include "bls/bls.h"
#include "store/store.h"

enum {
    PBTS_LEDGER_ROWS_MAX = 10000,
    PBTS_LEDGER_ROW_LEN = 88,
    PBTS_LEDGER_ATTESTATION_MAX = 65535,
    /* The longest entry: a WRITE of PBTS_LEDGER_ROWS_MAX rows. */
    PBTS_LEDGER_ENTRY_MAX = 93 + PBTS_LEDGER_ROWS_MAX * PBTS_LEDGER_ROW_LEN + 48,
};

typedef enum {
    PBTS_LEDGER_INIT = 1,
    PBTS_LEDGER_WRITE = 2,
    PBTS_LEDGER_SEAL = 3,
} pbts_ledger_kind;

typedef struct {
    uint8_t uid_hash[32];
    uint8_t key_hash[32];          /* SHA-256 of the 96-byte public key */
    uint64_t up_bytes, down_bytes; /* absolute */
    uint32_t generation;           /* of the passkey */
    uint32_t user_no;
} pbts_ledger_account;

typedef struct {
    uint8_t iid[32];
    pbts_bls_public owner;
    bool has_referrer;
    uint8_t referrer_iid[32];
    uint64_t referrer_last_epoch; /* epoch of the predecessor's last entry */
    pbts_span attestation;        /* may be empty; at most PBTS_LEDGER_ATTESTATION_MAX */
} pbts_ledger_params;

/* One entry as its bytes say; spans borrow from them. */
typedef struct {
    uint64_t sequence;
    uint8_t previous_hash[32];
    uint64_t unix_time;
    uint8_t iid[32];
    uint64_t epoch; /* of unix_time */
    pbts_ledger_kind kind;
    uint32_t row_count;        /* WRITE: 1..PBTS_LEDGER_ROWS_MAX; 0 otherwise */
    pbts_span rows;            /* WRITE: row_count * PBTS_LEDGER_ROW_LEN bytes */
    pbts_ledger_params params; /* INIT */
    uint8_t successor_iid[32]; /* SEAL */
    pbts_span message;         /* what the signature is over */
    pbts_bls_signature signature;
} pbts_ledger_entry;

typedef struct {
    uint64_t sequence; /* of the last entry; 0 is INIT */
    uint8_t head_hash[32];
    uint64_t unix_time, epoch;
    bool sealed;
    uint8_t successor_iid[32];
} pbts_ledger_head;

/* SC.Init: write entry 0. PBTS_EXISTS when there is a ledger, PBTS_DENIED when params->owner is not
 * the secret's key, PBTS_MALFORMED when the referrer is the ledger itself, PBTS_LIMIT
 * (attestation), PBTS_NO_MEMORY; store errors. */
PBTS_MUST_USE pbts_status pbts_ledger_init(pbts_txn *txn, const pbts_ledger_params *params,
                                           const pbts_bls_secret *owner_secret, uint64_t unix_time);
/* The INIT parameters and the head. PBTS_NOT_FOUND without a ledger, PBTS_CORRUPT when the stored
 * entry breaks the format. Spans borrow from the txn. */
PBTS_MUST_USE pbts_status pbts_ledger_params_read(pbts_txn *txn, pbts_ledger_params *out);
PBTS_MUST_USE pbts_status pbts_ledger_head_read(pbts_txn *txn, pbts_ledger_head *out);

/* SC.Read with the one-hop referrer; `from_referrer` tells which one answered. PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status pbts_ledger_read(pbts_txn *txn, pbts_ledger_account *out,
                                           bool *from_referrer, const uint8_t uid_hash[static 32]);
/* SC.Write: append one entry with `count` rows (1..PBTS_LEDGER_ROWS_MAX) and update the accounts.
 * Of two rows with one uid_hash the later holds. PBTS_LIMIT (count), PBTS_NOT_FOUND without a
 * ledger, PBTS_DENIED when owner_secret is not the owner's, or the ledger is sealed. The entry's
 * time never goes back: the larger of unix_time and the head's is used. After a failure abort. */
PBTS_MUST_USE pbts_status pbts_ledger_write(pbts_txn *txn, const pbts_ledger_account *rows,
                                            size_t count, const pbts_bls_secret *owner_secret,
                                            uint64_t unix_time);
/* Append the last entry. As pbts_ledger_write. */
PBTS_MUST_USE pbts_status pbts_ledger_seal(pbts_txn *txn, const uint8_t successor_iid[static 32],
                                           const pbts_bls_secret *owner_secret, uint64_t unix_time);

/* Verify a chain of entries one by one, from a store or a file. Signatures are summed and checked
 * every 512 entries and at the end (all have one signer). What a chain cannot show is that its
 * newest entries were left out: compare the head with one that was seen elsewhere. */
typedef struct pbts_ledger_verifier pbts_ledger_verifier;
PBTS_MUST_USE pbts_status pbts_ledger_verifier_new(pbts_ledger_verifier **out, pbts_mem *mem);
void pbts_ledger_verifier_free(pbts_ledger_verifier *verifier);
/* PBTS_MALFORMED (form, broken chain, sequence, time going back, second INIT, entry after SEAL),
 * PBTS_BAD_SIGNATURE, PBTS_NO_MEMORY. `problem`: static text, set on failure. After a failure
 * every call gives it again. */
PBTS_MUST_USE pbts_status pbts_ledger_verifier_add(pbts_ledger_verifier *verifier,
                                                   const char **problem, pbts_span entry);
/* As add; and PBTS_MALFORMED when there was no entry. Spans borrow from the verifier. */
PBTS_MUST_USE pbts_status pbts_ledger_verifier_finish(pbts_ledger_verifier *verifier,
                                                      const char **problem, pbts_ledger_head *head,
                                                      pbts_ledger_params *params);

/* Read one entry's bytes: its form only, not its place in the chain and not its signature.
 * PBTS_MALFORMED; `problem`: static text, may be NULL. */
PBTS_MUST_USE pbts_status pbts_ledger_entry_decode(pbts_ledger_entry *out, const char **problem,
                                                   pbts_span bytes);
void pbts_ledger_entry_hash(uint8_t out[static 32], pbts_span bytes);
/* The rows of a WRITE entry (0 of other kinds). PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_ledger_entry_rows(pbts_span entry, pbts_cursor *rows,
                                                 uint32_t *count);
/* The next row; PBTS_NEED_MORE at the end. */
PBTS_MUST_USE pbts_status pbts_ledger_row_decode(pbts_ledger_account *out, pbts_cursor *rows);

/* Export file: "pbts-ledger1\n", then per entry u32 length and the entry. `open` checks the magic
 * (PBTS_MALFORMED) and gives the cursor for `next`: PBTS_NOT_FOUND at the end, PBTS_NEED_MORE when
 * the file is cut short, PBTS_MALFORMED for a length that no entry has. */
#define PBTS_LEDGER_FILE_MAGIC "pbts-ledger1\n"
PBTS_MUST_USE pbts_status pbts_ledger_file_open(pbts_cursor *out, pbts_span file);
PBTS_MUST_USE pbts_status pbts_ledger_file_next(pbts_cursor *file, pbts_span *entry);

/* Put back the next entry of this ledger's own chain and the accounts in it. The caller verifies
 * the whole chain, with its end, before or in the same transaction. PBTS_MALFORMED when it does not
 * follow the last entry that is there; store errors. After a failure abort. */
PBTS_MUST_USE pbts_status pbts_ledger_restore(pbts_txn *txn, pbts_span entry);

/* Import of a predecessor's: the caller verifies all entries, then puts the final accounts here.
 * PBTS_NOT_FOUND without a ledger, PBTS_DENIED when its INIT names no referrer; store errors. */
PBTS_MUST_USE pbts_status pbts_ledger_referrer_put(pbts_txn *txn, const pbts_ledger_account *row);
/* The uid_hash of the predecessor's user with this key. PBTS_NOT_FOUND, store errors. */
PBTS_MUST_USE pbts_status pbts_ledger_referrer_name(pbts_txn *txn, uint8_t uid_hash[static 32],
                                                    const uint8_t key_hash[static 32]);

#endif
