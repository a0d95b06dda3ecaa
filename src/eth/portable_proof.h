/* eth/portable_proof.h - what a contract says of one user, in a file that can be checked without
 * any server.
 *
 *   "pbts-proof1\n"
 *   u64 chain id, contract[20], uid_hash[32]
 *   u16 length, the block's header as RLP
 *   9 paths, each u8 count, then per node u16 length and its RLP: the contract's account in the
 *     block's state, its fixed slots 0 to 5, the user's word and the user's key hash
 *   u8 evidence that the header is the chain's:
 *     0  none: the reader is told the block's hash by somebody else
 *     1  sync committees: u8 network, trusted root[32], u32 length and the bootstrap's SSZ, u16
 *        count, per update u8 container (pbts_light_container), u32 length, SSZ
 *   u16 length, text: the endpoints that were asked; proves nothing, for people
 *   root mode alone, the user's leaf: u8 1, u64 up, u64 down, u32 generation, public key[96],
 *     u32 user_no, u32 index in the tree, u8 count, hashes[32], the lowest first
 *   SHA-256 of everything before: against damage, not against forgers
 *
 * Integers are big-endian. The file proves: if a block with this hash is in the chain, then its
 * state says this. Chain id, contract and user are what the file is about; whoever reads it
 * compares them with what they mean. A user that is absent in slots mode is proved absent. In root
 * mode the leaf is under the root of slot 5; that a user has none, or no second one, is not proved:
 * that takes all leaves. No I/O, and no heap but in pbts_portable_proof_evidence_verify. Source:
 * EIP-1186; Yellow Paper appendix D; RFC 6962; docs/ethereum.md.
 */
#ifndef PBTS_ETH_PORTABLE_PROOF_H
#define PBTS_ETH_PORTABLE_PROOF_H

#include "base/mem.h"
#include "eth/light_client.h"
#include "eth/proof.h"
#include "eth/reputation.h"
#include "hash/merkle.h"

#define PBTS_PORTABLE_PROOF_MAGIC "pbts-proof1\n"

enum {
    PBTS_PORTABLE_PROOF_LEN_MAX = 16 << 20,
    PBTS_PORTABLE_UPDATES_MAX = 512, /* one for 27 hours on Ethereum */
    PBTS_PORTABLE_ENDPOINTS_LEN_MAX = 4096,
    PBTS_PORTABLE_SLOTS = PBTS_REPUTATION_FIXED_SLOTS + 2, /* then the word, then the key hash */
};

/* Nodes from the root downwards; borrowed. */
typedef struct {
    pbts_span nodes[PBTS_ETH_PROOF_NODES_MAX];
    size_t nodes_len;
} pbts_portable_path;

typedef struct {
    pbts_light_container container;
    pbts_span ssz;
} pbts_portable_update;

typedef enum {
    PBTS_PORTABLE_NO_EVIDENCE = 0,
    PBTS_PORTABLE_COMMITTEES = 1,
} pbts_portable_evidence_kind;

typedef enum { /* whose committees */
               PBTS_PORTABLE_MAINNET = 0,
               PBTS_PORTABLE_SEPOLIA = 1,
               PBTS_PORTABLE_HOODI = 2,
               PBTS_PORTABLE_NETWORKS
} pbts_portable_network;

typedef struct {
    pbts_portable_evidence_kind kind; /* NO_EVIDENCE: the rest is zero */
    pbts_portable_network network;
    uint8_t trusted_root[PBTS_SSZ_CHUNK_LEN]; /* what the file's maker trusted */
    pbts_span bootstrap;                      /* SSZ */
    uint16_t updates_len;
    pbts_span updates; /* as in the file; pbts_portable_update_next */
} pbts_portable_evidence;

/* What a contract in root mode has of the user. */
typedef struct {
    bool given; /* false: the rest is zero */
    pbts_reputation_word word;
    pbts_bls_public public_key; /* bytes; nobody asked whether they are a key */
    uint32_t user_no, index;
    const uint8_t (*path)[PBTS_SHA256_LEN]; /* siblings, the lowest first; borrowed */
    size_t path_len;                        /* at most PBTS_HASH_TREE_HEIGHT_MAX */
} pbts_portable_leaf;

/* All spans borrow from what was decoded. */
typedef struct {
    uint64_t chain_id;
    pbts_eth_address contract;
    uint8_t uid_hash[32];
    pbts_span header; /* RLP */
    pbts_portable_path account;
    pbts_portable_path slots[PBTS_PORTABLE_SLOTS];
    pbts_portable_evidence evidence;
    pbts_span endpoints; /* untrusted text, at most PBTS_PORTABLE_ENDPOINTS_LEN_MAX bytes */
    pbts_portable_leaf leaf;
} pbts_portable_proof;

/* Exactly one file. PBTS_MALFORMED; PBTS_LIMIT: longer than PBTS_PORTABLE_PROOF_LEN_MAX, or a part
 * than its limit; PBTS_CORRUPT: the checksum is another. */
PBTS_MUST_USE pbts_status pbts_portable_proof_decode(pbts_portable_proof *out, pbts_span bytes);
/* Append the file. PBTS_NO_SPACE; PBTS_LIMIT: a part is longer than its limit. */
PBTS_MUST_USE pbts_status pbts_portable_proof_encode(pbts_writer *writer,
                                                     const pbts_portable_proof *proof);
/* The updates of an evidence in turn. PBTS_NEED_MORE at the end; PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_portable_update_next(pbts_cursor *updates,
                                                    pbts_portable_update *out);
void pbts_portable_update_write(pbts_writer *writer, const pbts_portable_update *update);

/* The slots that the paths prove, in their order. */
void pbts_portable_proof_keys(pbts_u256 out[static PBTS_PORTABLE_SLOTS],
                              const uint8_t uid_hash[static 32]);

/* What the state of the block says. */
typedef struct {
    pbts_eth_hash block_hash; /* what all the rest hangs on */
    uint64_t block_number;
    uint64_t timestamp_s;
    pbts_reputation_state contract;
    bool present;              /* the contract has this user in its own storage, or its root */
    pbts_reputation_word word; /* zero when absent */
    uint8_t key_hash[32];      /* SHA-256 of the public key; zero when absent */
} pbts_portable_facts;

/* Check header and paths. PBTS_OK: true if the block is the chain's. PBTS_MALFORMED: a header, node
 * or value is none or leads elsewhere; PBTS_LIMIT: as with pbts_eth_proof_verify, or totals of more
 * than 64 bits; PBTS_NOT_FOUND: the block has no contract at this address; PBTS_DENIED: one with
 * other code than a Reputation's; or it is in root mode and there is no leaf. A leaf for a contract
 * that is not in root mode, or that is not under its root, is MALFORMED. */
PBTS_MUST_USE pbts_status pbts_portable_proof_verify(pbts_portable_facts *out,
                                                     const pbts_portable_proof *proof);

/* The network's parameters and its chain id. */
const pbts_beacon_network *pbts_portable_network_of(uint64_t *chain_id,
                                                    pbts_portable_network network);
/* Whether the evidence shows that a sync committee signed for the block `block_hash`, beginning
 * with a beacon block that the reader trusts. Age does not matter; what is newer than `now_s` is
 * refused. PBTS_NOT_FOUND: there is no such evidence; PBTS_DENIED: it begins with another root than
 * `trusted_root`; PBTS_MALFORMED, PBTS_BAD_SIGNATURE, PBTS_STALE, PBTS_LIMIT: a message is wrong,
 * as with pbts_light_client_update, or leads to another block (BAD_SIGNATURE); PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_portable_proof_evidence_verify(
    const pbts_portable_evidence *evidence, const pbts_eth_hash *block_hash,
    const uint8_t trusted_root[static PBTS_SSZ_CHUNK_LEN], const pbts_beacon_network *network,
    pbts_mem *mem, uint64_t now_s);

#endif
