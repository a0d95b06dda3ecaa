#include "tracker/account.h"

#include "base/assert.h"
#include "base/secret.h"

void pbts_accounts_init(pbts_accounts *accounts, pbts_mem *mem) {
    memset(accounts, 0, sizeof *accounts);
    accounts->mem = mem;
}

void pbts_accounts_deinit(pbts_accounts *accounts) {
    for (size_t i = 0; i < PBTS_ACCOUNT_CHUNKS; i++) {
        pbts_account *chunk = atomic_load(&accounts->chunks[i]);
        if (chunk == NULL) continue;
        pbts_wipe(chunk, PBTS_ACCOUNT_CHUNK * sizeof *chunk);
        pbts_release(accounts->mem, chunk);
    }
}

pbts_account *pbts_accounts_find(const pbts_accounts *accounts, uint32_t user_no) {
    if (user_no == 0 || user_no >= PBTS_USERS_MAX) return NULL;
    pbts_account *chunk =
        atomic_load_explicit(&accounts->chunks[user_no / PBTS_ACCOUNT_CHUNK], memory_order_acquire);
    if (chunk == NULL) return NULL;
    pbts_account *account = &chunk[user_no % PBTS_ACCOUNT_CHUNK];
    return atomic_load_explicit(&account->present, memory_order_acquire) ? account : NULL;
}

pbts_status pbts_accounts_reserve(pbts_accounts *accounts, uint32_t user_no) {
    if (user_no == 0 || user_no >= PBTS_USERS_MAX) return PBTS_LIMIT;
    _Atomic(pbts_account *) *slot = &accounts->chunks[user_no / PBTS_ACCOUNT_CHUNK];
    if (atomic_load(slot) != NULL) return PBTS_OK;
    pbts_account *chunk = pbts_alloc_array(accounts->mem, PBTS_ACCOUNT_CHUNK, sizeof *chunk);
    if (chunk == NULL) return PBTS_NO_MEMORY;
    atomic_store_explicit(slot, chunk, memory_order_release);
    return PBTS_OK;
}

static void publish_tag(pbts_account *account, const pbts_passkey_key *key,
                        const pbts_passkey_owner *owner) {
    uint8_t tag[PBTS_PASSKEY_TAG_LEN];
    uint32_t words[3];
    pbts_passkey_tag(tag, key, owner);
    memcpy(words, tag, sizeof words);
    for (size_t i = 0; i < 3; i++) {
        atomic_store_explicit(&account->tag[i], words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&account->generation, owner->generation, memory_order_release);
}

void pbts_account_tag(uint8_t out[static PBTS_PASSKEY_TAG_LEN], const pbts_account *account) {
    uint32_t words[3];
    for (size_t i = 0; i < 3; i++) {
        words[i] = atomic_load_explicit(&account->tag[i], memory_order_relaxed);
    }
    memcpy(out, words, sizeof words);
}

void pbts_accounts_publish(pbts_accounts *accounts, const pbts_passkey_owner *owner,
                           const pbts_balance *balance, const pbts_passkey_key *key) {
    uint32_t user_no = owner->user_no;
    assert(owner->generation == balance->generation);
    pbts_account *chunk = atomic_load(&accounts->chunks[user_no / PBTS_ACCOUNT_CHUNK]);
    assert(chunk != NULL);
    pbts_account *account = &chunk[user_no % PBTS_ACCOUNT_CHUNK];
    bool fresh = !atomic_load(&account->present);
    if (fresh || atomic_load(&account->generation) != balance->generation) {
        publish_tag(account, key, owner);
    }
    atomic_store_explicit(&account->up, balance->up, memory_order_relaxed);
    atomic_store_explicit(&account->down, balance->down, memory_order_relaxed);
    atomic_store_explicit(&account->held, balance->held, memory_order_relaxed);
    atomic_store_explicit(&account->owed, balance->owed, memory_order_relaxed);
    atomic_store_explicit(&account->granted, balance->granted, memory_order_relaxed);
    atomic_store_explicit(&account->present, true, memory_order_release);
    if (user_no > atomic_load(&accounts->count)) atomic_store(&accounts->count, user_no);
}

pbts_balance pbts_account_balance(const pbts_account *account) {
    return (pbts_balance){
        .up = atomic_load_explicit(&account->up, memory_order_relaxed),
        .down = atomic_load_explicit(&account->down, memory_order_relaxed),
        .held = atomic_load_explicit(&account->held, memory_order_relaxed),
        .owed = atomic_load_explicit(&account->owed, memory_order_relaxed),
        .granted = atomic_load_explicit(&account->granted, memory_order_relaxed),
        .generation = atomic_load_explicit(&account->generation, memory_order_relaxed),
    };
}

uint64_t pbts_balance_cap(const pbts_balance *balance, const pbts_policy *policy) {
    uint64_t cap = PBTS_TOTAL_MAX_BYTES;
    if (policy->min_ratio_milli > 0) {
        /* up + overdraft >= ratio * down, solved for down; the product needs 71 bits. */
        unsigned __int128 wide = (unsigned __int128)(balance->up + policy->overdraft_bytes) * 1000;
        wide /= policy->min_ratio_milli;
        if (wide < cap) cap = (uint64_t)wide;
    }
    if (policy->deficit_max_bytes > 0) {
        /* A pair that signs for each other lifts both totals without moving its balance; what the
         * ratio then forgives must not grow with them (docs/decisions/0002). */
        uint64_t limit = balance->up + policy->deficit_max_bytes;
        if (limit < cap) cap = limit;
    }
    return cap;
}

uint64_t pbts_balance_allowance(const pbts_balance *balance, const pbts_policy *policy) {
    uint64_t cap = pbts_balance_cap(balance, policy);
    return cap > balance->down ? cap - balance->down : 0;
}

bool pbts_balance_below_ratio(const pbts_balance *balance, const pbts_policy *policy) {
    unsigned __int128 have = (unsigned __int128)balance->up * 1000;
    return have < (unsigned __int128)balance->down * policy->min_ratio_milli;
}
