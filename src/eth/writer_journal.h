/* eth/writer_journal.h - what the writer must remember over a crash, as bytes.
 *
 * Record, big-endian:
 *   "pbts-ethwrite1\n", u8[32] SHA-256 of everything after it,
 *   u64 chain_id, contract[20], sender[20],
 *   u8 head count, then heads: u64 sequence, head[32],
 *      batch hash[32], u64 certain
 *   u8 base: which of them is the one that is built on, u64 block that it was proved deep in
 *   u64 nonce, u64 max_fee_wei, u64 max_priority_fee_wei: the last offer of a batch that was
 *      given up
 *   u8 kind (0: no batch in flight, and the record ends here)
 *   u64 sequence, u64 epoch, u32 user_count, root[32], head[32] after it, call hash[32]
 *   u8 attempt count, then attempts: u64 nonce, u64 gas_limit, u64 max_fee_wei,
 *      u64 max_priority_fee_wei, transaction hash[32]
 *   u32 length, rows
 *
 * The call hash is the keccak of the call's data. Transactions are not in the record: equal fields
 * give equal bytes (RFC 6979), and the hash says that they are the ones that were sent. No heap.
 */
#ifndef PBTS_ETH_WRITER_JOURNAL_H
#define PBTS_ETH_WRITER_JOURNAL_H

#include "eth/reputation.h"
#include "eth/writer_fees.h"

enum {
    /* Signed batches that are recognised after a reorg; more would need a reorg of as many. */
    PBTS_ETH_HEADS_MAX = 32,
    PBTS_ETH_ATTEMPTS_MAX = 24, /* of one batch: 1.125^24 is 16 times the first fee */
    /* Nodes refuse transactions above 128 KiB. */
    PBTS_ETH_BATCH_LEN_MAX = 126 * 1024,
    PBTS_ETH_JOURNAL_HEAD_LEN = 80,
    PBTS_ETH_JOURNAL_ATTEMPT_LEN = 64,
    PBTS_ETH_JOURNAL_LEN_MAX =
        15 + 32 + 48 + 1 + PBTS_ETH_HEADS_MAX * PBTS_ETH_JOURNAL_HEAD_LEN + 9 + 24 + 1 + 116 + 1 +
        PBTS_ETH_ATTEMPTS_MAX * PBTS_ETH_JOURNAL_ATTEMPT_LEN + 4 + PBTS_ETH_BATCH_LEN_MAX,
};

typedef enum {
    PBTS_ETH_NO_BATCH = 0,
    PBTS_ETH_REGISTER = 1, /* rows: register */
    PBTS_ETH_WRITE = 2,    /* rows: write */
    PBTS_ETH_ADOPT = 3,    /* rows: adopt */
    PBTS_ETH_ROOT = 4,     /* rows: the data of reputation_root.h */
    PBTS_ETH_SEAL = 5,     /* rows: the successor's address[20]; takes no sequence */
} pbts_eth_batch_kind;

/* A batch that was signed, and the value of the hash chain that it led to, or would have. */
typedef struct {
    uint64_t sequence;
    pbts_eth_hash head;
    pbts_eth_hash batch_hash; /* of its rows; zero: the head that was found at the start */
    /* What the host was told to be written, up to this sequence, was written by this batch and
     * those before it. At most `sequence`; equal to it for the base. */
    uint64_t certain;
} pbts_eth_known_head;

/* A transaction that was signed, and may be mined at any time. */
typedef struct {
    uint64_t nonce;
    uint64_t gas_limit;
    pbts_eth_fees fees;
    pbts_eth_hash hash;
} pbts_eth_attempt;

typedef struct {
    pbts_eth_batch_kind kind;
    uint64_t sequence; /* base's + 1; SEAL: base's */
    uint64_t epoch;
    uint32_t user_count; /* ROOT */
    uint8_t root[32];    /* ROOT */
    pbts_eth_hash head;  /* base's head with this batch; SEAL: base's */
    pbts_eth_hash call_hash;
    size_t attempts_len; /* 1..PBTS_ETH_ATTEMPTS_MAX */
    pbts_eth_attempt attempts[PBTS_ETH_ATTEMPTS_MAX];
    pbts_span rows; /* 1..PBTS_ETH_BATCH_LEN_MAX bytes, whole rows; borrowed */
} pbts_eth_batch;

typedef struct {
    uint64_t chain_id;
    pbts_eth_address contract, sender;
    size_t heads_len; /* 1..PBTS_ETH_HEADS_MAX, oldest first, no two equal */
    pbts_eth_known_head heads[PBTS_ETH_HEADS_MAX];
    size_t base;         /* below heads_len */
    uint64_t base_block; /* a view of a block before this one is behind, not a reorg */
    /* Nodes may hold a transaction of a batch that was given up: with this nonce, at these fees.
     * What comes in its place must offer more. No fees: there is none. */
    uint64_t left_nonce;
    pbts_eth_fees left_fees;
    pbts_eth_batch batch;
} pbts_eth_journal;

/* The length of one row of a kind; 1 for ROOT, 20 for SEAL. Not for NO_BATCH. */
size_t pbts_eth_batch_row_len(pbts_eth_batch_kind kind);
/* The data of the batch's call. */
void pbts_eth_batch_call(pbts_writer *writer, const pbts_eth_batch *batch);
pbts_eth_hash pbts_eth_batch_call_hash(const pbts_eth_batch *batch); /* of that; no buffer */

/* `writer` is left failed when the record does not fit into it. */
void pbts_eth_journal_encode(pbts_writer *writer, const pbts_eth_journal *journal);
/* Total; rows borrow from `record`. PBTS_MALFORMED: form, hash, a broken bound of the fields above,
 * a head or a call hash that does not follow from them; PBTS_LIMIT: longer than
 * PBTS_ETH_JOURNAL_LEN_MAX. */
PBTS_MUST_USE pbts_status pbts_eth_journal_decode(pbts_eth_journal *out, pbts_span record);

#endif
