/* tracker/account.h - the accounts in memory: what an announce must know without the store.
 *
 * Dense by user number (1..count), in chunks that never move. One thread writes money and
 * generations (the commit); any thread reads. Each field is atomic by itself; readers that need a
 * consistent pair (the commit) are that one writer. Private to tracker/.
 */
#ifndef PBTS_TRACKER_ACCOUNT_H
#define PBTS_TRACKER_ACCOUNT_H

#include <stdatomic.h>

#include "tracker/tracker.h"

enum {
    PBTS_ACCOUNT_CHUNK = 4096,
    PBTS_ACCOUNT_CHUNKS = PBTS_USERS_MAX / PBTS_ACCOUNT_CHUNK,
};

/* A user's money, as plain numbers. Totals stay below PBTS_TOTAL_MAX_BYTES. */
#define PBTS_TOTAL_MAX_BYTES (UINT64_C(1) << 61)
typedef struct {
    uint64_t up, down; /* as on the ledger */
    uint64_t held;     /* this user's credit that waits for its receivers */
    uint64_t owed;     /* part of down that is held for this user's senders; owed <= down */
    int64_t granted;
    uint32_t generation;
} pbts_balance;

typedef struct {
    _Atomic uint64_t up, down, held, owed;
    _Atomic int64_t granted;
    _Atomic uint64_t reported_up, reported_down; /* self-reported: shown only */
    _Atomic uint64_t signed_unix_s;              /* of the last signed announce */
    _Atomic uint64_t shown_unix_s;               /* the latest that the user signed and we saw */
    _Atomic uint32_t tag[3];                     /* the passkey's tag for this generation */
    _Atomic uint32_t generation;
    _Atomic uint32_t peers;
    _Atomic uint32_t lists_hour, lists_count; /* rate limit of peer lists */
    _Atomic bool present;
} pbts_account;

typedef struct {
    pbts_mem *mem;
    _Atomic(pbts_account *) chunks[PBTS_ACCOUNT_CHUNKS];
    _Atomic uint32_t count; /* highest number in use */
} pbts_accounts;

void pbts_accounts_init(pbts_accounts *accounts, pbts_mem *mem);
void pbts_accounts_deinit(pbts_accounts *accounts);
/* NULL when the number is not in use. */
pbts_account *pbts_accounts_find(const pbts_accounts *accounts, uint32_t user_no);
/* Make room for a number (one writer); its account stays absent until publish. PBTS_NO_MEMORY,
 * PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_accounts_reserve(pbts_accounts *accounts, uint32_t user_no);
/* Show a balance (and the passkey tag of its generation) to all threads. Room must be reserved;
 * `owner` has the balance's generation. */
void pbts_accounts_publish(pbts_accounts *accounts, const pbts_passkey_owner *owner,
                           const pbts_balance *balance, const pbts_passkey_key *key);
/* The tag of the passkey that is valid now. Read the generation before it: in the moment of a
 * rotation the two may differ, and then they fit nothing. */
void pbts_account_tag(uint8_t out[static PBTS_PASSKEY_TAG_LEN], const pbts_account *account);
pbts_balance pbts_account_balance(const pbts_account *account);

/* Rule 6: the most that this balance may have received and had credited to its senders. */
uint64_t pbts_balance_cap(const pbts_balance *balance, const pbts_policy *policy);
/* How much more it may take before credit is held. */
uint64_t pbts_balance_allowance(const pbts_balance *balance, const pbts_policy *policy);
bool pbts_balance_below_ratio(const pbts_balance *balance, const pbts_policy *policy);

#endif
