/* ledger_accounts.h - the accounts that a chain of entries leaves, by replaying it. */
#ifndef PBTS_APPS_LEDGER_ACCOUNTS_H
#define PBTS_APPS_LEDGER_ACCOUNTS_H

#include "ledger/ledger.h"

/* Open addressing over uid_hash; at most half full. */
typedef struct {
    pbts_ledger_account *rows;
    bool *used;
    size_t capacity, count; /* capacity is 0 or a power of two */
} ledger_accounts;

bool ledger_accounts_put(ledger_accounts *accounts, const pbts_ledger_account *row); /* memory */
const pbts_ledger_account *ledger_accounts_find(const ledger_accounts *accounts,
                                                const uint8_t uid_hash[static 32]);
/* Sums over all accounts; UINT64_MAX when they do not fit. */
void ledger_accounts_totals(const ledger_accounts *accounts, uint64_t *up, uint64_t *down);
void ledger_accounts_deinit(ledger_accounts *accounts);

#endif
