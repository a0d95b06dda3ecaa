/* eth/transaction.h - transactions with a priority fee (EIP-1559, type 2): signed, hashed, decoded.
 *
 *   signed bytes = 0x02 || rlp([chain_id, nonce, max_priority_fee, max_fee, gas_limit, to, value,
 *                               data, access_list, y_parity, r, s])
 *   signing hash = keccak(0x02 || rlp of the first nine), transaction hash = keccak(signed bytes).
 *
 * Numbers are big-endian without leading zeros. Signatures are deterministic (RFC 6979) with low s
 * (EIP-2), so equal transactions have equal bytes. No heap.
 * Source: EIP-1559, EIP-2718, EIP-2930 (access lists), EIP-2681 (nonces), EIP-2.
 */
#ifndef PBTS_ETH_TRANSACTION_H
#define PBTS_ETH_TRANSACTION_H

#include "base/writer.h"
#include "eth/types.h"

enum {
    PBTS_ETH_TRANSACTION_LEN_MAX = 131072,   /* what nodes take into their pools (128 KiB) */
    PBTS_ETH_TRANSACTION_OVERHEAD_MAX = 256, /* all but data and access list */
};

typedef struct {
    uint64_t chain_id;
    uint64_t nonce;                 /* below 2^64 - 1 (EIP-2681) */
    pbts_u256 max_priority_fee_wei; /* per gas, at most max_fee_wei */
    pbts_u256 max_fee_wei;          /* per gas; times gas_limit below 2^256 */
    uint64_t gas_limit;
    bool creates; /* a contract: `data` is its constructor, `to` is not used */
    pbts_eth_address to;
    pbts_u256 value_wei;
    pbts_span data;        /* borrowed */
    pbts_span access_list; /* RLP, borrowed; nothing at all stands for the empty list */
} pbts_eth_transaction;

/* What no chain takes, whatever its state: PBTS_MALFORMED when a bound at the fields above is
 * broken. Signing and decoding do not ask for it. */
PBTS_MUST_USE pbts_status pbts_eth_transaction_check(const pbts_eth_transaction *transaction);

/* What is signed. PBTS_MALFORMED: the access list is none; PBTS_LIMIT: data and access list have
 * more than PBTS_ETH_TRANSACTION_LEN_MAX - PBTS_ETH_TRANSACTION_OVERHEAD_MAX bytes. */
PBTS_MUST_USE pbts_status
pbts_eth_transaction_signing_hash(pbts_eth_hash *out, const pbts_eth_transaction *transaction);

/* Append the signed bytes: at most PBTS_ETH_TRANSACTION_OVERHEAD_MAX more than data and access
 * list. Their keccak is the transaction's hash (pbts_eth_hash_of). PBTS_MALFORMED, PBTS_LIMIT: as
 * above; PBTS_NO_SPACE: `writer` is too small. */
PBTS_MUST_USE pbts_status pbts_eth_transaction_sign(pbts_writer *writer,
                                                    const pbts_eth_transaction *transaction,
                                                    const pbts_secp256k1_signer *signer,
                                                    const pbts_secp256k1_secret *secret);

/* Decode signed bytes, exactly and in their one form; spans borrow from them. `sender` is recovered
 * from the signature. PBTS_MALFORMED; PBTS_LIMIT: more than PBTS_ETH_TRANSACTION_LEN_MAX bytes;
 * PBTS_BAD_SIGNATURE: r or s out of range, high s, or of no key. */
PBTS_MUST_USE pbts_status pbts_eth_transaction_decode(pbts_eth_transaction *out,
                                                      pbts_eth_address *sender, pbts_span bytes);

#endif
