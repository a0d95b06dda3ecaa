/* eth/reputation_root.h - root mode: the tree of all accounts, whose root is what the contract
 * keeps, and the data that bring it from one batch to the next.
 *
 * Leaf: 0x00 || uid_hash[32] || word[32] || key_hash[32] || u32 user_no, in the order of user_no,
 * hashed as in hash/merkle.h. Here the tree is what the batches on the chain say; the accounts of
 * the tracker are ahead of it.
 *
 * Data: one entry per account that changed, user numbers ascending; gap = user_no - that of the
 * entry before (0 for the first) - 1. Integers are big-endian; a varint has 7 bits a byte, lowest
 * first, in the shortest form. Whatever fits is short, 12 bytes, because a zero byte costs a
 * quarter of another (docs/ethereum.md, Root mode):
 *   short: u16 gap, below 2^15, u40 increase of up, u40 increase of down
 *   long:  u16 0x8000 | sets << 2 | grows << 1 | is_new, varint gap,
 *          is_new: uid_hash[32], public key[96]
 *          varint increase of up, varint increase of down; grows: varint increase of generation
 *          sets: an old account's values instead of their increases, where one of them falls
 * The values of a new account increase from 0. A successor replays the data of all batches and
 * compares the root. A batch that cannot be applied to the tree before it changes nothing: that is
 * how one counts that came to stand on another than it was made for, and what it says wrongly is
 * set right by the next. Source: docs/ethereum.md. Heap: the accounts, some 200 bytes each.
 */
#ifndef PBTS_ETH_REPUTATION_ROOT_H
#define PBTS_ETH_REPUTATION_ROOT_H

#include "base/limits.h"
#include "base/mem.h"
#include "eth/reputation.h"
#include "hash/merkle.h"

enum {
    PBTS_REPUTATION_LEAF_LEN = 100, /* without the mark, which hash/merkle.h adds */
    PBTS_REPUTATION_ROOT_SHORT_LEN = 2 + 5 + 5,
    /* A new account's: flags, 5 bytes of gap, who, 10 per total, 5 of generation. */
    PBTS_REPUTATION_ROOT_ENTRY_MAX = 2 + 5 + 32 + 96 + 10 + 10 + 5,
};

typedef struct pbts_reputation_tree pbts_reputation_tree;

/* For up to `users_max` accounts, at most PBTS_USERS_MAX (asserted).
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_reputation_tree_new(pbts_reputation_tree **out, pbts_mem *mem,
                                                   uint32_t users_max);
void pbts_reputation_tree_free(pbts_reputation_tree *tree); /* NULL is a no-op */

uint32_t pbts_reputation_tree_count(const pbts_reputation_tree *tree);
/* By place in the tree, and by number: NULL when there is none. Borrowed until the tree changes. */
const pbts_reputation_account *pbts_reputation_tree_at(const pbts_reputation_tree *tree,
                                                       uint32_t index);
const pbts_reputation_account *pbts_reputation_tree_find(const pbts_reputation_tree *tree,
                                                         uint32_t user_no, uint32_t *index);
void pbts_reputation_tree_root(const pbts_reputation_tree *tree, uint8_t out[static 32]);

/* Append the entry that brings one account to these values, whatever they are now. `previous_no`:
 * the user_no of the entry before, 0 for none. PBTS_MALFORMED: not ascending, another uid_hash or
 * key; PBTS_NO_SPACE. Nothing is written on failure. */
PBTS_MUST_USE pbts_status pbts_reputation_tree_entry(const pbts_reputation_tree *tree,
                                                     pbts_writer *data,
                                                     const pbts_reputation_account *account,
                                                     uint32_t previous_no);
/* Apply a batch's data: all or nothing. PBTS_MALFORMED: form, a total above 2^64 - 1, a new account
 * whose number is taken, an old one that is not there, one that is set and does not fall;
 * PBTS_LIMIT: more than users_max; PBTS_NO_MEMORY. A uid_hash under two numbers is the caller's to
 * find: a batch of the owner may say so, and both are leaves. */
PBTS_MUST_USE pbts_status pbts_reputation_tree_apply(pbts_reputation_tree *tree, pbts_span data);

/* The numbers of the accounts in a batch's data, one after the other; `*user_no` is 0 at first.
 * PBTS_NEED_MORE: that was the last; PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_reputation_data_next(pbts_cursor *data, uint32_t *user_no);
/* Exactly these accounts, copied, in the place of all others. PBTS_MALFORMED: not ascending by
 * number from 1 on; PBTS_LIMIT: more than users_max; PBTS_NO_MEMORY. Nothing changes on failure. */
PBTS_MUST_USE pbts_status pbts_reputation_tree_set(pbts_reputation_tree *tree,
                                                   const pbts_reputation_account *accounts,
                                                   uint32_t count);

/* That an account is under a root, for whoever has no tree. Prove: load the contract's tree
 * (root_load.h), take the account from pbts_reputation_tree_find and its place and path from here.
 * Verify: `root` and `user_count` are slots 5 and 1 of the contract as a storage proof gives them,
 * and its mode there is ROOT; the account's key, number and word are then what the contract says.
 * Prove: PBTS_NOT_FOUND, PBTS_NO_MEMORY. Verify: PBTS_MALFORMED, it is not under the root. */
PBTS_MUST_USE pbts_status pbts_reputation_root_prove(
    const pbts_reputation_tree *tree, uint32_t user_no, uint32_t *index,
    uint8_t path[static PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN], size_t *path_len);
PBTS_MUST_USE pbts_status pbts_reputation_root_verify(
    const uint8_t root[static 32], uint32_t user_count, const pbts_reputation_account *account,
    uint32_t index, const uint8_t (*path)[PBTS_SHA256_LEN], size_t path_len);
void pbts_reputation_leaf(uint8_t out[static PBTS_REPUTATION_LEAF_LEN],
                          const pbts_reputation_account *account);

#endif
