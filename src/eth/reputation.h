/* eth/reputation.h - the contracts Reputation and ReputationFactory as bytes: calls, rows, storage.
 *
 * Storage of Reputation, as a storage proof finds it (bits from the lowest):
 *   0  owner u160, sequence u48, epoch u48
 *   1  referrer u160, user count u32, sealed u8, mode u8
 *   2  successor u160
 *   3  head: keccak(head || keccak(batch)), batch = the bytes of a call as they were given
 *   4  registrations: keccak(registrations || uid_hash || SHA-256(public key) || u32 user_no)
 *   5  root of all accounts (root mode)
 *   6  mapping uid_hash -> word: up u112, down u112, generation u32
 *   7  mapping uid_hash -> SHA-256 of the 96-byte public key; a user exists when it is not zero
 * Rows, big-endian, one after the other:
 *   register  uid_hash[32], word[32], public key[96], u32 user_no
 *   write     uid_hash[32], word[32]
 *   adopt     uid_hash[32], public key[96], u32 user_no
 * Words are absolute totals, so a batch that is repeated changes nothing. Sequences and epochs are
 * u48. Events and errors: reputation_events.h; root mode: reputation_root.h.
 * No heap. Source: docs/ethereum.md; contracts/.
 */
#ifndef PBTS_ETH_REPUTATION_H
#define PBTS_ETH_REPUTATION_H

#include "base/writer.h"
#include "bls/bls.h"
#include "eth/types.h"

enum {
    PBTS_REPUTATION_SLOT_OWNER = 0,
    PBTS_REPUTATION_SLOT_REFERRER = 1,
    PBTS_REPUTATION_SLOT_SUCCESSOR = 2,
    PBTS_REPUTATION_SLOT_HEAD = 3,
    PBTS_REPUTATION_SLOT_REGISTRATIONS = 4,
    PBTS_REPUTATION_SLOT_ROOT = 5,
    PBTS_REPUTATION_FIXED_SLOTS = 6,
    PBTS_REPUTATION_SLOT_WORDS = 6,
    PBTS_REPUTATION_SLOT_KEY_HASHES = 7,
};

enum {
    PBTS_REPUTATION_REGISTER_ROW_LEN = 164,
    PBTS_REPUTATION_WRITE_ROW_LEN = 64,
    PBTS_REPUTATION_ADOPT_ROW_LEN = 132,
    /* The longest arguments beside rows or data: selector, 5 heads, a length, padding. */
    PBTS_REPUTATION_CALL_OVERHEAD_MAX = 4 + 5 * 32 + 32 + 31,
};
#define PBTS_REPUTATION_U48_MAX ((UINT64_C(1) << 48) - 1)

typedef enum {
    PBTS_REPUTATION_NO_MODE = 0, /* no batch yet */
    PBTS_REPUTATION_SLOTS = 1,
    PBTS_REPUTATION_ROOT = 2,
} pbts_reputation_mode;

/* ---- values ---- */

typedef struct {
    uint64_t up_bytes, down_bytes; /* absolute; the contract has room for 112 bits each */
    uint32_t generation;           /* of the passkey */
} pbts_reputation_word;

typedef struct {
    uint8_t uid_hash[32];
    pbts_bls_public public_key; /* register and adopt; write does not look at it */
    uint32_t user_no;           /* as public_key */
    pbts_reputation_word word;
} pbts_reputation_account;

/* The fixed slots, taken apart. */
typedef struct {
    pbts_eth_address owner;
    uint64_t sequence; /* of the last batch; 0 before the first */
    uint64_t epoch;    /* of the last batch */
    pbts_eth_address referrer;
    uint32_t user_count;
    bool sealed;
    pbts_reputation_mode mode;
    pbts_eth_address successor;
    pbts_eth_hash head, registrations;
    uint8_t root[32]; /* SHA-256 */
} pbts_reputation_state;

pbts_u256 pbts_reputation_word_pack(const pbts_reputation_word *word);
/* PBTS_LIMIT: a total of more than 64 bits, which no batch of ours writes. */
PBTS_MUST_USE pbts_status pbts_reputation_word_unpack(pbts_reputation_word *out,
                                                      const pbts_u256 *packed);
/* The values of slots 0..5, in order. PBTS_MALFORMED: bits that no contract of this layout sets. */
PBTS_MUST_USE pbts_status pbts_reputation_state_unpack(
    pbts_reputation_state *out, const pbts_u256 slots[static PBTS_REPUTATION_FIXED_SLOTS]);
/* For models of the contract. Sequence and epoch at most PBTS_REPUTATION_U48_MAX (asserted). */
void pbts_reputation_state_pack(pbts_u256 out[static PBTS_REPUTATION_FIXED_SLOTS],
                                const pbts_reputation_state *state);

/* Where the two mappings keep a user's values. */
pbts_u256 pbts_reputation_word_slot(const uint8_t uid_hash[static 32]);
pbts_u256 pbts_reputation_key_hash_slot(const uint8_t uid_hash[static 32]);

/* The instance that a contract is: SHA-256("pbts/iid/1" || u64 chain_id || address). */
void pbts_reputation_iid(uint8_t out[static 32], uint64_t chain_id,
                         const pbts_eth_address *contract);

/* The next link of the hash chain over all batches, and of the one over all registrations. */
pbts_eth_hash pbts_reputation_head_next(const pbts_eth_hash *head, pbts_span batch);
pbts_eth_hash pbts_reputation_registrations_next(const pbts_eth_hash *registrations,
                                                 const pbts_reputation_account *account);

/* ---- rows ---- */

void pbts_reputation_register_row_write(pbts_writer *writer,
                                        const pbts_reputation_account *account);
void pbts_reputation_write_row_write(pbts_writer *writer, const pbts_reputation_account *account);
void pbts_reputation_adopt_row_write(pbts_writer *writer, const pbts_reputation_account *account);
/* The next row of a batch; fields that it does not have are zero. PBTS_NEED_MORE at the end,
 * PBTS_MALFORMED: cut short; PBTS_LIMIT: as pbts_reputation_word_unpack. After a failure the
 * cursor is of no use. */
PBTS_MUST_USE pbts_status pbts_reputation_register_row_read(pbts_cursor *rows,
                                                            pbts_reputation_account *out);
PBTS_MUST_USE pbts_status pbts_reputation_write_row_read(pbts_cursor *rows,
                                                         pbts_reputation_account *out);
PBTS_MUST_USE pbts_status pbts_reputation_adopt_row_read(pbts_cursor *rows,
                                                         pbts_reputation_account *out);

/* ---- calls: the data of a transaction, appended; what does not fit leaves the writer failed ----
 *
 * Sequence and epoch at most PBTS_REPUTATION_U48_MAX (asserted). */

void pbts_reputation_call_register(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                   pbts_span rows);
void pbts_reputation_call_write(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                pbts_span rows);
void pbts_reputation_call_adopt(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                pbts_span rows);
void pbts_reputation_call_write_root(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                     uint32_t user_count, const uint8_t root[static 32],
                                     pbts_span data);
void pbts_reputation_call_seal(pbts_writer *writer, const pbts_eth_address *successor);
/* Views, for eth_call; what decides anything is read by proof instead. */
void pbts_reputation_call_account_of(pbts_writer *writer, const uint8_t uid_hash[static 32]);
void pbts_reputation_call_own_account_of(pbts_writer *writer, const uint8_t uid_hash[static 32]);

/* The factory: its constructor's data (`verifier` all zero: none), its functions, and the slots of
 * isReputation[contract], which is proved not zero before a contract is trusted as a referrer, and
 * of createdCount[owner], the salt of the owner's next contract. */
enum {
    PBTS_REPUTATION_FACTORY_SLOT_IS_REPUTATION = 0,
    PBTS_REPUTATION_FACTORY_SLOT_CREATED_COUNT = 1,
};
void pbts_reputation_factory_deploy(pbts_writer *writer, pbts_span code,
                                    const pbts_eth_address *verifier);
void pbts_reputation_factory_call_create(pbts_writer *writer, const pbts_eth_address *referrer,
                                         pbts_span attestation);
void pbts_reputation_factory_call_is_reputation(pbts_writer *writer,
                                                const pbts_eth_address *contract);
void pbts_reputation_factory_call_created_count(pbts_writer *writer, const pbts_eth_address *owner);
pbts_u256 pbts_reputation_factory_is_reputation_slot(const pbts_eth_address *contract);
pbts_u256 pbts_reputation_factory_created_count_slot(const pbts_eth_address *owner);

#endif
